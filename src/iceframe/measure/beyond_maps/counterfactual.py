"""The least change of a two-phase structure that moves a prediction, and what physics says of it.

Given an image ``x`` of two phases, find a structure ``x'`` with few voxels of the other phase and

    regression      sign(Δ) (f(x') − f(x)) ≥ |Δ|
    classification  f_c(x') > f_k(x') for all k ≠ c, the class asked for (logits)

by :mod:`iceframe.measure.beyond_maps.counterfactual_search`. Every structure that is looked at has
two phases, and what is reported is what the model says of it, not what its gradient promised. For a
linear model the answer is the smallest there is; for others it is an upper bound, as with any
search.

Then :func:`solved` asks whether making that structure would have worked: the effective property of
both is computed, and the ratio of the true to the predicted change is

    ~1   the model knows why: its counterfactual is a rule for design
    ~0   the change fools the model and does nothing to the material
    < 0  the material would do the opposite

Traps. A small change found by gradients is an adversarial example unless physics says otherwise:
without :func:`solved` it explains the model only. ``boundary=True`` keeps structures plausible, at
the price of more flips; it does not make them makeable. Flips change the volume fraction, which
moves most properties by itself, so that a model that knows nothing else can have a ratio near 1:
``keep_volume_fraction=True`` asks what arrangement alone can do.

References: Wachter, Mittelstadt & Russell 2018, https://arxiv.org/abs/1711.00399 (counterfactual
explanations); Goyal et al. 2019, https://arxiv.org/abs/1904.07451 (of images).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.beyond_maps.counterfactual_search import (
    Aim,
    Search,
    SearchStatus,
    found_flags,
    rooted,
)

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.image_model import ImageModel
    from iceframe.physics.properties import Properties

REFERENCE = "Wachter, Mittelstadt & Russell 2018, https://arxiv.org/abs/1711.00399"

AGREES = (0.5, 2.0)
"""Ratios of true to predicted change that count as agreement: within a factor of two."""

NEARLY = 1e-3
"""Share of the wanted change that rounding and the solver's tolerance may take away."""


@dataclass(frozen=True)
class Counterfactuals:
    """Changed structures of ``n`` samples, the closest found where the aim was not reached.

    ``images`` ``(n, 1, *grid)`` in the pixel values given; ``phases`` bool ``(n, *grid)``: the
    second phase before the change; ``changed`` bool ``(n, *grid)``. ``before``, ``after`` ``(n,)``:
    the score in the target's unit; for a classification the logit of the class asked for less the
    highest of the others. ``wanted`` ``(n,)``: the change of it asked for, at least.
    ``at_boundary`` bool ``(n,)``: whether all changed voxels hang together with a boundary between
    the phases. ``status``: ``n`` of :class:`SearchStatus`, each with its remedy.
    """

    images: np.ndarray
    phases: np.ndarray
    changed: np.ndarray
    before: np.ndarray
    after: np.ndarray
    wanted: np.ndarray
    at_boundary: np.ndarray
    status: tuple[SearchStatus, ...]
    classification: bool = False
    reference: str = REFERENCE

    @property
    def reached(self) -> np.ndarray:
        """Bool ``(n,)``."""
        return found_flags(list(self.status))

    @property
    def flips(self) -> np.ndarray:
        """Voxels that changed ``(n,)``."""
        return self.changed.sum(axis=tuple(range(1, self.changed.ndim)))

    @property
    def share(self) -> np.ndarray:
        """Share of voxels that changed ``(n,)``."""
        return self.flips / math.prod(self.changed.shape[1:])

    @property
    def predicted(self) -> np.ndarray:
        """Predicted change ``(n,)``."""
        return self.after - self.before


@dataclass(frozen=True)
class Solved:
    """What the solver says of counterfactuals: the property ``before`` and ``after`` ``(n,)``.

    ``ratio`` ``(n,)``: true over predicted change; NaN where nothing changed, a solve failed, or
    the model predicts classes. ``agrees`` bool ``(n,)``: within a factor of two of 1. ``worked``
    bool ``(n,)``: the material changes by what was wanted. Neither is ever true for classes.
    ``unit``: of the property.
    """

    before: np.ndarray
    after: np.ndarray
    ratio: np.ndarray
    agrees: np.ndarray
    worked: np.ndarray
    unit: str = ""

    @property
    def change(self) -> np.ndarray:
        """True change ``(n,)``."""
        return self.after - self.before

    def sentence(self, i: int) -> str:
        """Would making structure ``i`` have worked?"""
        if not np.isfinite(self.change[i]):
            return "The solver has no answer for this structure."
        unit = f" {self.unit}" if self.unit else ""
        says = f"The solver says that this change of structure does {self.change[i]:+.3g}{unit}"
        if not np.isfinite(self.ratio[i]):
            return says + "."
        if self.agrees[i]:
            says += ", as the model predicts within a factor of two"
        elif self.ratio[i] < 0:
            says += ", the opposite of what the model predicts"
        elif self.ratio[i] < AGREES[0]:
            says += f", {self.ratio[i]:.0%} of what the model predicts: it fools the model"
        else:
            says += f", {self.ratio[i]:.3g} times what the model predicts"
        enough = "enough" if self.worked[i] else "not enough"
        return f"{says}; {enough} for what was wanted."


def counterfactuals(
    model: ImageModel,
    x: Tensor,
    *,
    delta: ArrayLike | None = None,
    to: Tensor | None = None,
    levels: tuple[float, float] = (0.0, 1.0),
    keep_volume_fraction: bool = False,
    boundary: bool = True,
    periodic: bool = True,
    most_changed: float = 0.5,
) -> Counterfactuals:
    """Search the least change of structure that moves the prediction.

    Parameters
    ----------
    x : images of two phases ``(n, 1, *grid)``, 2-D or 3-D.
    delta : change of the prediction asked for, one number or ``(n,)``, not 0 (regression); or
    to : class codes ``(n,)`` that the model shall answer (classification).
    levels : pixel values of the phases 0 and 1.
    keep_volume_fraction : swap voxels of the two phases instead of flipping single ones.
    boundary : flip only voxels beside one of the other phase, so that structures grow, shrink and
        move. Samples that do not get there are searched again without; ``at_boundary`` says so.
    periodic : whether opposite edges meet.
    most_changed : share of voxels that may change.

    Raises
    ------
    InputError : images with more channels or other values than the two levels.
    UsageError : not exactly one of ``delta`` and ``to``, or a value of no use.

    Examples
    --------
    A model that says the volume fraction, in per cent; one of 16 voxels is 6.25.

    >>> import torch
    >>> from iceframe.measure.image_model import ImageModel
    >>> fraction = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 1, bias=False))
    >>> _ = fraction[1].weight.data.fill_(100 / 16)
    >>> layers = torch.tensor([[0.0, 0.0, 1.0, 1.0]]).repeat(4, 1)[None, None]
    >>> found = counterfactuals(ImageModel(fraction), layers, delta=10.0)
    >>> int(found.flips[0]), float(found.predicted[0]), str(found.status[0])
    (2, 12.5, 'REACHED')
    """
    import torch

    phases = _phases(x, levels)
    if (delta is None) == (to is None):
        raise UsageError(
            "Say either by how much the prediction shall change, or to which class.",
            allowed="delta for a regression, to for a classification",
        )
    if not 0 < most_changed <= 1:
        raise UsageError(
            "This share of voxels is of no use.",
            where="most_changed",
            got=most_changed,
            allowed="above 0, up to 1",
        )
    most = max(1, int(most_changed * math.prod(x.shape[1:])))
    search = Search(model, levels, keep_volume_fraction, most, boundary, periodic)
    first = search.outputs(phases)
    aim = Aim(first, None if delta is None else _wanted(delta, first), _classes(to, first))
    state, status = search.run(phases, aim)
    again = torch.from_numpy(np.flatnonzero(~found_flags(status))).to(phases.device)
    if boundary and len(again):
        freely = Search(model, levels, keep_volume_fraction, most, False, periodic)
        part = aim.take(again)
        other, ends = freely.run(phases[again], part)
        value = part.value(search.outputs(state[again]))
        better = part.value(search.outputs(other)) > value
        state[again[better]] = other[better]
        for i in torch.nonzero(better)[:, 0].tolist():
            status[int(again[i])] = ends[i]
    changed = state != phases
    before = _numbers(aim.score(first))
    return Counterfactuals(
        images=_numbers(search.images(state)),
        phases=_numbers(phases[:, 0]),
        changed=_numbers(changed[:, 0]),
        before=before,
        after=_numbers(aim.score(search.outputs(state))),
        wanted=np.maximum(-before, 0.0) if aim.wanted is None else _numbers(aim.wanted),
        at_boundary=_numbers(rooted(changed, phases, periodic)),
        status=tuple(status),
        classification=to is not None,
    )


def solved(
    found: Counterfactuals,
    properties: Properties,
    component: tuple[int, int] | Callable[[np.ndarray], np.ndarray] = (0, 0),
) -> Solved:
    """Would making these structures have worked? The effective property before and after.

    Parameters
    ----------
    properties : of the phases 0 and 1.
    component : position in the effective tensor of what the model predicts; or a function of
        tensors ``(n, c, c)`` that gives it ``(n,)``, in the model's unit.

    Raises
    ------
    InputError : as :func:`~iceframe.physics.homogenisation.homogenize`.
    """
    from iceframe.physics.homogenisation import homogenize

    sides = []
    for phases in (found.phases, found.phases ^ found.changed):
        tensor = homogenize(phases.astype(np.uint8), properties).tensor
        part = component(tensor) if callable(component) else tensor[:, component[0], component[1]]
        sides.append(np.asarray(part, float))
    before, after = sides
    change = after - before
    ratio, worked = np.full(len(change), np.nan), np.zeros(len(change), bool)
    if not found.classification:
        np.divide(change, found.predicted, out=ratio, where=found.predicted != 0)
        worked = change * np.sign(found.wanted) >= np.abs(found.wanted) * (1 - NEARLY)
    agrees = (ratio >= AGREES[0]) & (ratio <= AGREES[1])
    return Solved(before, after, ratio, agrees, worked, properties.unit)


def _phases(x: Tensor, levels: tuple[float, float]) -> Tensor:
    """The second phase, bool ``(n, 1, *grid)``."""
    low, high = levels
    if x.ndim not in (4, 5) or x.shape[1] != 1 or low == high:
        raise InputError(
            "Counterfactual structures need images of two phases in one channel.",
            got=f"images {tuple(x.shape)}, levels {levels}",
            allowed="(n, 1, *grid), 2-D or 3-D, and two different levels",
        )
    near = 1e-3 * abs(high - low)
    second = (x - high).abs() <= near
    if not bool((second | ((x - low).abs() <= near)).all()):
        raise InputError(
            "These images hold other values than those of the two phases.",
            where="x",
            got=f"values {float(x.min()):g} to {float(x.max()):g}",
            allowed=f"{low:g} and {high:g}",
            hint="segment the images, or say the pixel values of the phases with levels",
        )
    return second


def _wanted(delta: ArrayLike, first: Tensor) -> Tensor:
    """Changes ``(n,)`` asked for."""
    import torch

    given = np.broadcast_to(np.asarray(delta, float), (len(first),))
    if not np.isfinite(given).all() or (given == 0).any():
        raise UsageError(
            "The change asked for must be a number other than 0.", where="delta", got=delta
        )
    return torch.from_numpy(given.copy()).to(first)


def _classes(to: Tensor | None, first: Tensor) -> Tensor | None:
    """Class codes ``(n,)`` that the model has."""
    if to is None:
        return None
    k = first.shape[1]
    if len(to) != len(first) or k < 2 or bool(((to < 0) | (to >= k)).any()):
        raise UsageError(
            "These are no classes of this model.",
            where="to",
            got=to.tolist(),
            allowed=f"{len(first)} codes, 0 to {k - 1}",
        )
    return to.long().to(first.device)


def _numbers(x: Tensor) -> np.ndarray:
    """As an array; float64 where it was a number."""
    found = x.detach().cpu().numpy()
    return found if found.dtype == bool or found.ndim > 1 else found.astype(float)

"""Physical agreement: does an explanation rank voxels as the physics does?

A map says, by its meaning, how the score would change if a voxel went to another phase
(:func:`predicted_flips`). The truth is what the property does then
(:mod:`iceframe.measure.physical.truth`). Per sample,

    PF = Σ_p n_p ρ_p / Σ_p n_p,        ρ_p: Spearman's correlation over the n_p voxels of phase p,

over the phases in which it is defined. Within phases, because between them every map that shows
the phase agrees with every truth. Two lines give the number its scale:

* floor: the best map that knows no model: phase, edges, blur, distance to the interface;
* ceiling: the solver's own derivative against the flip (a derivative is not a flip);

    PF* = (mean PF − floor) / (mean ceiling − floor).

PF* = 1: as good as the solver's own derivative; 0: as good as an edge filter; an explanation that
has nothing to do with the physics has PF = 0, and so PF* = −floor / (ceiling − floor) < 0.

With a model, its own flips of the same voxels tell two failures apart: *explanation vs model* (an
unfaithful picture) and *model vs physics* (a faithful picture of a wrong model).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import generator
from iceframe.measure.explainer import Meaning
from iceframe.measure.image_model import ImageModel, batch_size
from iceframe.measure.physical.truth import PhysicalTruth

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-6  # values nearer than this share of the largest in their phase are ties


@dataclass(frozen=True)
class PhysicalAgreement:
    """Agreement of maps with the physics, one value a sample ``(n,)``, each in [−1, 1].

    ``pf``: the map; ``ceiling``: the solver's derivative; ``floors``: maps that know no model,
    each with the sign in each phase that serves it best over all samples. All three over the same
    voxels: those of phases in which the explanation is defined, whose share is ``covered``.
    ``explanation_vs_model`` and ``model_vs_physics``: NaN where no model was given.
    """

    pf: np.ndarray
    floors: Mapping[str, np.ndarray]
    ceiling: np.ndarray
    explanation_vs_model: np.ndarray
    model_vs_physics: np.ndarray
    covered: np.ndarray

    def __len__(self) -> int:
        return len(self.pf)

    @property
    def floor(self) -> float:
        """Mean agreement of the best map that knows no model; NaN where none is defined."""
        return float(_floor(self._table(), None)[0])

    @property
    def best_floor(self) -> str:
        """Name of the map behind :attr:`floor`; empty where none is defined."""
        means = _means(self._table(), None)[0, 2:]
        return list(self.floors)[int(np.nanargmax(means))] if np.isfinite(means).any() else ""

    def star(self, samples: Sequence[int] | np.ndarray | None = None) -> float:
        """PF* over ``samples`` (all), leaving out those in which the explanation is undefined.

        Higher is better: 1 is the solver's derivative, 0 the best model-free map. NaN where the
        map is undefined in all samples, or the ceiling does not lie above the floor.
        """
        table = self._table()
        return float(_star(table if samples is None else table[np.asarray(samples, int)])[0])

    def interval(
        self, confidence: float = 0.95, draws: int = 2000, seed: int = 0
    ) -> tuple[float, float]:
        """Bootstrap interval of :meth:`star` over samples; floor and ceiling anew in each draw.

        Percentiles (Efron & Tibshirani 1993, doi:10.1201/9780429246593, §13.3). NaN for fewer than
        two defined samples.
        """
        table = self._table()
        table = table[np.isfinite(table[:, 0])]
        if len(table) < 2:
            return float("nan"), float("nan")
        rng = generator(seed, "physical agreement")
        index = rng.integers(0, len(table), (draws, len(table)))
        found = _star(table, index)
        if not np.isfinite(found).any():
            return float("nan"), float("nan")
        tail = (1.0 - confidence) / 2.0
        low, high = np.nanquantile(found, [tail, 1.0 - tail])
        return float(low), float(high)

    def _table(self) -> np.ndarray:
        """Columns PF, ceiling, floors ``(n, 2 + floors)``; NaN where PF is undefined."""
        columns = np.stack([self.pf, self.ceiling, *self.floors.values()], axis=1)
        return np.where(np.isfinite(self.pf)[:, None], columns, np.nan)


def physical_agreement(
    maps: np.ndarray | Tensor,
    meaning: Meaning,
    x: np.ndarray | Tensor,
    truth: PhysicalTruth,
    *,
    model: ImageModel | None = None,
    codes: Tensor | None = None,
) -> PhysicalAgreement:
    """How well maps of images agree with the exact physics, with floor and ceiling.

    Parameters
    ----------
    maps : ``(n, *grid)``, summed over channels. meaning : what their values say.
    x : the explained images ``(n, channels, *grid)``; a voxel's value follows from its phase.
    truth : the exact flips of the same structures, in the same order.
    model : also compare with its own flips, those of ``codes`` ``(n,)`` (default its first output).

    An importance has no sign: it is compared with the size of the flips, and so are floor and
    ceiling then.

    Direction: higher is better. Reference: this project (DESIGN, §4); the floor after Adebayo et
    al. 2018, arXiv:1810.03292.

    Trap: ``pf`` alone says little: a blur along one axis has 0.4. A map that is zero in one phase
    (gradient × input where the image is 0) is judged on the others alone: look at ``covered``.
    With few samples the floor is picked among chances and lies too high: for 3 samples of 20
    voxels by 0.2, for 32 of 64 by less than 0.05. Ranks say nothing about size.

    Raises
    ------
    UsageError : maps, images and truth differ in shape.
    """
    maps, x = _array(maps), _array(x)
    predicted = predicted_flips(maps, meaning, x, truth)
    unsigned = meaning == "importance"
    flip, first = _unsigned(unsigned, truth.flip, truth.first_order)
    own, weights = phase_agreements(predicted, flip, truth.phase)
    weights = np.where(np.isfinite(own), weights, 0.0)
    ceiling, _ = phase_agreements(first, flip, truth.phase)
    floors = {
        name: _best_signed(phase_agreements(free, flip, truth.phase)[0], weights)
        for name, free in truth.model_free.items()
    }
    nothing = np.full(len(truth), np.nan)
    to_model, to_physics = nothing, nothing
    if model is not None:
        answers = model_phase_flips(model, x, truth, codes)
        (compared,) = _unsigned(unsigned, answers)
        to_model = within_phase_agreement(predicted, compared, truth.phase)
        to_physics = within_phase_agreement(answers, truth.flip, truth.phase)
    drawn = np.maximum(truth.drawn.sum(axis=1), 1)
    return PhysicalAgreement(
        pf=_pooled(own, weights),
        floors=floors,
        ceiling=_pooled(ceiling, weights),
        explanation_vs_model=to_model,
        model_vs_physics=to_physics,
        covered=weights.sum(axis=1) / drawn,
    )


def predicted_flips(
    maps: np.ndarray | Tensor, meaning: Meaning, x: np.ndarray | Tensor, truth: PhysicalTruth
) -> np.ndarray:
    """What maps ``(n, *grid)`` say would happen to the score if each voxel flipped: ``(n, V)``.

    ``derivative``: map · (x flipped − x), which needs the same change in all channels;
    ``contribution``: −map, the present phase is taken away; ``importance``: the map, unsigned. NaN
    in the filling of ``truth``.

    Raises
    ------
    UsageError : shapes that differ; a derivative where channels change differently.
    """
    values = truth.at(_array(maps)).astype(float)
    if meaning == "contribution":
        values = -values
    elif meaning == "derivative":
        change = image_changes(x, truth)
        if np.abs(change - change[..., :1])[truth.drawn].max(initial=0.0) > ROUNDING:
            raise UsageError(
                "A derivative that is summed over channels does not say what a flip does, because "
                "a flip changes the channels differently.",
                where="maps",
                hint="use a contribution (such as integrated gradients) or images of one channel",
            )
        values = values * change[..., 0]
    return np.where(truth.drawn, values, np.nan)


def image_changes(x: np.ndarray | Tensor, truth: PhysicalTruth) -> np.ndarray:
    """Change of the pixel when each voxel flips: ``(n, V, channels)``.

    The difference of the mean levels of the two phases, in the same image, or in all of them where
    the image has no voxel of the phase.

    Raises
    ------
    UsageError : ``x`` does not lie on the structures' grid.
    InputError : no image has a voxel of a phase that voxels flip to.
    """
    x = _array(x)
    if x.ndim != truth.phases.ndim + 1 or (len(x), *x.shape[2:]) != truth.phases.shape:
        raise UsageError(
            "These images are not on the grid of the structures.",
            where="x",
            got=x.shape,
            allowed=f"({len(truth)}, channels, {', '.join(map(str, truth.grid))})",
        )
    n, channels = x.shape[:2]
    pixels, labels = x.reshape(n, channels, -1).astype(float), truth.phases.reshape(n, -1)
    k = 1 + max(int(labels.max(initial=0)), int(truth.to.max(initial=0)))
    inside = (labels[:, None] == np.arange(k)[:, None]).astype(float)  # (n, k, voxels)
    totals, counts = np.einsum("nkv,ncv->nkc", inside, pixels), inside.sum(axis=2)[..., None]
    with np.errstate(invalid="ignore"):
        everywhere = totals.sum(axis=0) / counts.sum(axis=0)
        levels = np.where(counts > 0, totals / counts, everywhere)
    rows = np.arange(n)[:, None]
    change = levels[rows, np.maximum(truth.to, 0)] - levels[rows, np.maximum(truth.phase, 0)]
    if not np.isfinite(change[truth.drawn]).all():
        raise InputError(
            "No image shows the phase that voxels flip to, so its grey level is unknown.",
            where="x",
            hint="add an image with all phases",
        )
    return np.asarray(change)


def model_phase_flips(
    model: ImageModel, x: np.ndarray | Tensor, truth: PhysicalTruth, codes: Tensor | None = None
) -> np.ndarray:
    """Change of the model's own score when each voxel flips: ``(n, V)``, NaN in the filling."""
    import torch

    x, device = _array(x), model.device
    change = torch.as_tensor(image_changes(x, truth), dtype=torch.float32, device=device)
    images = model.to_device(x)
    before = model.scores(images, codes).double().cpu().numpy()
    sample, number = np.nonzero(truth.drawn)
    position = np.ravel_multi_index(tuple(truth.voxels[sample, number].T), truth.grid)
    after = np.empty(len(sample))
    step = batch_size(truth.grid)
    for start in range(0, len(sample), step):
        part = slice(start, start + step)
        row, voxel, here = (
            torch.as_tensor(index[part], device=device) for index in (sample, number, position)
        )
        batch = images[row].flatten(2)
        batch[torch.arange(len(row), device=device), :, here] += change[row, voxel]
        chosen = None if codes is None else codes[row]
        after[part] = model.scores(batch.unflatten(2, truth.grid), chosen).cpu().numpy()
    result = np.full(truth.phase.shape, np.nan)
    result[sample, number] = after - before[sample]
    return result


def within_phase_agreement(a: np.ndarray, b: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """Spearman's correlation within each phase, weighted by numbers of voxels: ``(n,)``.

    ``a``, ``b`` and ``phase`` are ``(n, V)``; negative phases are left out. NaN where it is
    undefined in all phases: constant up to rounding, fewer than two voxels, or not finite.

    Examples
    --------
    The first phase agrees, the second, with as many voxels, is turned round.

    >>> a = np.array([[1.0, 2.0, 3.0, 7.0, 8.0, 9.0]])
    >>> b = np.array([[4.0, 5.0, 6.0, 3.0, 2.0, 1.0]])
    >>> phase = np.array([[0, 0, 0, 1, 1, 1]])
    >>> within_phase_agreement(a, b, phase)
    array([0.])
    >>> within_phase_agreement(a, 0 * b, phase)
    array([nan])
    """
    return _pooled(*phase_agreements(a, b, phase))


def phase_agreements(
    a: np.ndarray, b: np.ndarray, phase: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Spearman's correlation in each phase and its number of voxels, ``(n, k)`` each."""
    a, b, phase = np.asarray(a, float), np.asarray(b, float), np.asarray(phase)
    if not a.shape == b.shape == phase.shape or a.ndim != 2:
        raise ValueError(f"expected three (n, V) arrays, got {a.shape}, {b.shape}, {phase.shape}")
    labels = np.arange(max(int(phase.max(initial=0)) + 1, 1))
    inside = phase[:, None] == labels[:, None]  # (n, k, V)
    ranks_a, ranks_b = (_centred_ranks(v, inside) for v in (a, b))
    with np.errstate(invalid="ignore"):
        found = (ranks_a * ranks_b).sum(-1) / np.sqrt((ranks_a**2).sum(-1) * (ranks_b**2).sum(-1))
    return np.clip(found, -1.0, 1.0), inside.sum(-1)


def _centred_ranks(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Ranks ``(n, k, V)`` of values ``(n, V)`` in each group, less their mean; 0 outside it.

    All NaN in a group with a value that is not finite. Ties share their mean rank.
    """
    from scipy import stats

    spread = np.broadcast_to(values[:, None], inside.shape)
    bad = (inside & ~np.isfinite(spread)).any(axis=-1, keepdims=True)
    known = np.where(inside & ~bad, spread, 0.0)
    step = ROUNDING * np.abs(known).max(axis=-1, keepdims=True, initial=0.0)
    steps = np.round(known / np.where(step > 0, step, 1.0))
    # Those outside come last, where they move no rank of the others.
    ranks = stats.rankdata(np.where(inside, steps, np.inf), axis=-1)
    count = np.maximum(inside.sum(axis=-1, keepdims=True), 1)
    centred = np.where(inside, ranks - (count + 1) / 2.0, 0.0)
    return np.where(bad, np.nan, centred)


def _pooled(found: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean ``(n,)`` of correlations ``(n, k)`` by weight, where they are defined."""
    weights = np.where(np.isfinite(found), weights, 0.0)
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(np.isfinite(found), found * weights, 0.0).sum(axis=1) / total)


def _best_signed(found: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """As :func:`_pooled`, each phase with the sign that makes the mean over samples largest."""
    weights = np.where(np.isfinite(found), weights, 0.0)
    total = weights.sum(axis=1, keepdims=True)
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)
    return _pooled(found * np.sign(np.nansum(found * shares, axis=0)), weights)


def _star(table: np.ndarray, index: np.ndarray | None = None) -> np.ndarray:
    """PF* of each draw ``index`` ``(draws, m)`` of the rows of ``table``; of all rows if None."""
    means = _means(table, index)
    floor = _floor(table, index)
    span = means[:, 1] - floor
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(span > 0, (means[:, 0] - floor) / span, np.nan))


def _floor(table: np.ndarray, index: np.ndarray | None) -> np.ndarray:
    means = _means(table, index)[:, 2:]
    best = np.where(np.isfinite(means), means, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(best), best, np.nan)


def _means(table: np.ndarray, index: np.ndarray | None) -> np.ndarray:
    """Mean of each column over the drawn rows in which it is defined, ``(draws, columns)``."""
    index = np.arange(len(table))[None] if index is None else index
    counts = np.zeros((len(index), len(table)))
    np.add.at(counts, (np.arange(len(index))[:, None], index), 1.0)
    known = np.isfinite(table)
    with np.errstate(invalid="ignore"):
        return np.asarray((counts @ np.where(known, table, 0.0)) / (counts @ known))


def _unsigned(unsigned: bool, *values: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.abs(v) if unsigned else v for v in values)


def _array(values: np.ndarray | Tensor) -> np.ndarray:
    """An array of an array or of a tensor, wherever it is."""
    if isinstance(values, np.ndarray):
        return values
    return np.asarray(values.detach().cpu().numpy())

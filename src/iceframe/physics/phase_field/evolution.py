"""Microstructure evolution: initial fields and a model in, frames at the asked times out.

A semi-implicit (exponential) Fourier method of order four, periodic, in batches; the formulas
and their sources are in :mod:`iceframe.physics.phase_field.stepping`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError, UsageError
from iceframe.physics.phase_field import clock as clocks
from iceframe.physics.phase_field.model import Model
from iceframe.physics.phase_field.stepping import Flow, Path, march

# Numbers in one field array of a chunk: a core's cache holds the dozen work arrays of a small
# batch; an accelerator needs far more to be busy.
_CHUNK = {"cpu": 2**16, "other": 2**24}


class EvolutionStatus(StrEnum):
    """How the evolution of one sample ended."""

    FINISHED = "FINISHED"
    UNSTABLE = "UNSTABLE"
    STEP_TOO_SMALL = "STEP_TOO_SMALL"
    BUDGET = "BUDGET"

    @property
    def remedy(self) -> str:
        """What to do about it; empty when there is nothing to do."""
        return _REMEDIES[self]


_REMEDIES = {
    EvolutionStatus.FINISHED: "",
    EvolutionStatus.UNSTABLE: "the energy rose or a field became infinite: lower step, leave it "
    "out for adaptive steps, or leave stabilising at its default",
    EvolutionStatus.STEP_TOO_SMALL: "no step was short enough: loosen the tolerance, use double "
    "precision or smooth the initial field",
    EvolutionStatus.BUDGET: "raise max_steps, loosen the tolerance or ask for earlier times",
}

_STATUS = {
    clocks.ARRIVED: EvolutionStatus.FINISHED,
    clocks.UNSTABLE: EvolutionStatus.UNSTABLE,
    clocks.TOO_SMALL: EvolutionStatus.STEP_TOO_SMALL,
    clocks.OUT_OF_STEPS: EvolutionStatus.BUDGET,
}


@dataclass(frozen=True)
class Evolution:
    """What :func:`evolve` found, one row a sample.

    ``frames`` ``(n, len(times), …)`` in the units of the initial field, NaN where a sample stopped
    before; ``times`` in seconds. ``energy`` ``(n, len(times))`` and ``initial_energy`` ``(n,)`` are
    the free energy of the whole cell: J in 3-D, J/m (a metre of depth) in 2-D; NaN as the frames.
    ``largest_rise`` ``(n,)``, same unit: the largest change of energy in any step that was taken,
    below 0 but for rounding, which can reach some 1e-15 (single: 1e-6) of the barrier's energy.
    ``reached`` ``(n,)``: the time of the last step taken, s. ``steps`` ``(n,)`` taken and
    ``rejected`` ``(n,)`` tried in vain. ``status``: a tuple of ``n`` :class:`EvolutionStatus`.
    """

    frames: np.ndarray
    times: np.ndarray
    energy: np.ndarray
    initial_energy: np.ndarray
    largest_rise: np.ndarray
    reached: np.ndarray
    steps: np.ndarray
    rejected: np.ndarray
    status: tuple[EvolutionStatus, ...]

    @property
    def finished(self) -> np.ndarray:
        """Boolean ``(n,)``."""
        return np.array([s is EvolutionStatus.FINISHED for s in self.status], bool)


def evolve(
    initial: np.ndarray,
    model: Model,
    times: ArrayLike,
    *,
    step: float | None = None,
    tolerance: float = 1e-4,
    device: str = "cpu",
    precision: Literal["double", "single"] = "double",
    max_steps: int = 100_000,
    progress: Callable[[float], object] | None = None,
) -> Evolution:
    """Evolve periodic fields and keep them at the asked times.

    Parameters
    ----------
    initial : composition ``(n, *shape)``, or order parameters ``(n, orders, *shape)``; ``shape`` of
        2 or 3 axes.
    model : :class:`CahnHilliard` or :class:`GrainGrowth`.
    times : seconds, increasing, 0 or later; frames are met exactly.
    step : seconds. None chooses each sample's steps from ``tolerance``; with a number all steps
        between two frames are equal and at most that long, and a step whose energy rises ends the
        sample as ``UNSTABLE``.
    tolerance : error of a step, root mean square over the voxels (and summed over the orders), in
        units of the distance between the wells, of the embedded solution of order three; the
        solution of order four that is kept does better.
    device : where torch computes.
    precision : "double", or "single" (half the time and memory; mean composition to 1e-6).
    max_steps : steps tried a sample.
    progress : called after each step with the share done, 0 to 1.

    Raises
    ------
    InputError : a field that is not finite or out of range or of the wrong shape, times that do
        not increase, a step or tolerance that is not positive.
    UsageError : an unknown precision.

    Examples
    --------
    A wave about the middle composition grows; its mean does not change.

    >>> from iceframe.physics.phase_field import CahnHilliard
    >>> model = CahnHilliard(
    ...     barrier=1.0, gradient_energy=32.0, mobility=1.0, spacing=1.0, low=-1.0, high=1.0)
    >>> wave = 0.01 * np.cos(2 * np.pi * np.arange(64) / 64)[None, None, :] + np.zeros((1, 4, 1))
    >>> result = evolve(wave, model, times=[0.0, 40.0])
    >>> result.status[0].value, bool(np.ptp(result.frames[0, 1]) > 1.2 * np.ptp(wave))
    ('FINISHED', True)
    >>> abs(float(result.frames[0, 1].mean())) < 1e-12, bool(result.largest_rise[0] < 1e-12)
    (True, True)
    """
    import torch

    if precision not in ("double", "single"):
        raise UsageError("Unknown precision.", got=precision, allowed="double or single")
    fields, dimension = _checked_fields(initial, model)
    when = _checked_times(times)
    _check_control(step, tolerance, max_steps)
    n, unit = len(fields), model.time_unit
    kind = torch.float64 if precision == "double" else torch.float32
    room = _CHUNK["cpu" if torch.device(device).type == "cpu" else "other"]
    samples = max(1, room // max(1, int(np.prod(fields.shape[1:]))))
    paths = []
    for first in range(0, n, samples):
        part = fields[first : first + samples]
        m = len(part)
        clock = clocks.Clock(
            np.tile(when / unit, (m, 1)),
            None if step is None else np.full(m, step / unit),
            tolerance,
            max_steps,
        )
        flow = Flow(
            model.conserved, np.full(m, model.gradient), model.stabilisation, model.potential
        )
        start = torch.as_tensor(part, dtype=kind, device=device).clone()
        tell = _part_of(progress, first / n, m / n)
        paths.append(march(start, clock.times, flow, clock, dimension=dimension, progress=tell))
    cell = (
        model.energy_density * model.spacing**dimension * float(np.prod(fields.shape[-dimension:]))
    )
    return _assembled(paths, model, when, cell)


def _part_of(
    progress: Callable[[float], object] | None, start: float, width: float
) -> Callable[[float], object] | None:
    """``progress`` of one chunk as that of the whole."""
    if progress is None:
        return None
    return lambda share: progress(start + width * share)


def _assembled(paths: list[Path], model: Model, when: np.ndarray, cell: float) -> Evolution:
    """Chunks joined and turned back into the user's units; ``cell`` is J or J/m in one unit."""
    clock = [p.clock for p in paths]
    rise = np.concatenate([p.largest_rise for p in paths])
    return Evolution(
        frames=model.restored(np.concatenate([p.frames for p in paths])),
        times=when,
        energy=np.concatenate([p.energy for p in paths]) * cell,
        initial_energy=np.concatenate([p.initial_energy for p in paths]) * cell,
        largest_rise=np.where(np.isfinite(rise), rise, 0.0) * cell,
        reached=np.concatenate([c.time for c in clock]) * model.time_unit,
        steps=np.concatenate([c.taken for c in clock]),
        rejected=np.concatenate([c.tried - c.taken for c in clock]),
        status=tuple(_STATUS[int(s)] for c in clock for s in c.status),
    )


def _checked_fields(initial: np.ndarray, model: Model) -> tuple[np.ndarray, int]:
    """Reduced fields, float64, and the number of grid axes."""
    try:
        fields = np.asarray(initial, float)
    except (TypeError, ValueError) as error:
        raise InputError(
            "The initial field is not an array of numbers.", got=type(initial).__name__
        ) from error
    lead = 1 if model.channels is None else 2
    dimension = fields.ndim - lead
    right = dimension in (2, 3) and fields.size > 0
    if not right or (model.channels is not None and fields.shape[1] != model.channels):
        axes = "(n, " if model.channels is None else f"(n, {model.channels}, "
        raise InputError(
            "The initial field has the wrong shape.",
            where=type(model).__name__,
            got=fields.shape,
            allowed=f"{axes}height, width) or {axes}depth, height, width), none of them 0",
        )
    return model.reduced(fields), dimension


def _checked_times(times: ArrayLike) -> np.ndarray:
    when = np.asarray(times, float)
    right = when.ndim == 1 and when.size > 0 and bool(np.isfinite(when).all())
    if not right or when[0] < 0 or (np.diff(when) <= 0).any():
        raise InputError(
            "The times of the frames must increase.",
            where="times",
            got=when if when.size < 20 else f"{when.size} times",
            allowed="one or more finite times in seconds, each later than the one before, "
            "the first 0 or later",
        )
    return when


def _check_control(step: float | None, tolerance: float, max_steps: int) -> None:
    for name, value in (("step", step), ("tolerance", tolerance), ("max_steps", max_steps)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(f"'{name}' must be positive.", got=value, allowed="finite, above 0")

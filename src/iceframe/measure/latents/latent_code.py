"""A code: latents beside the factors they should show; and a score with its interval.

Latents ``(n, d)`` are what an encoder says of n samples; factors ``(n, k)`` are what made them,
known because the samples were generated or measured. A factor is a *number* (continuous, or ordered
levels) or, where its column is named in ``classes``, an unordered *class*.

Intervals are bootstrap intervals (Efron 1979, doi 10.1214/aos/1176344552): samples, rows of latents
and factors together, are drawn with replacement and everything is computed anew but for the bins,
the split into parts and the settings of models, which stay. A copy never crosses a split: else a
model would be tested on what it was fitted to. The replicates are moved so that their mean is the
estimate (``centred``), because a resample holds copies and therefore looks more dependent than the
sample did. An interval says how much another draw of samples would change the number; it says
nothing of another seed of the encoder, whose effect is usually larger (Locatello et al. 2019,
arXiv 1811.12359).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from iceframe.core.errors import InputError, UsageError

LEVEL = 0.95
RESAMPLES = 200
LEAST_SAMPLES = 50
"""With fewer, bins hold a handful of samples and every score here is mostly chance."""

LEAST_OF_A_CLASS = 10
PERCENTILES = 100  # replicates
DRAWS_AT_ONCE = 1_000_000  # sample positions held in memory


@dataclass(frozen=True)
class Score:
    """One score of a code, with its 95 % bootstrap interval over ``n`` samples.

    ``parts`` are the score's values for each factor or each latent, as ``of`` says; NaN where
    undefined. ``chance`` is what a code without information gets. Higher is better for all.
    ``low`` and ``high`` are NaN where nothing was resampled or the value is undefined.
    """

    name: str
    value: float
    low: float
    high: float
    parts: tuple[float, ...]
    of: Literal["factor", "latent"]
    n: int
    resamples: int
    chance: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def above_chance(self) -> float:
        """The value from 0 at chance to 1 at perfect: ``(value − chance)/(1 − chance)``."""
        return (self.value - self.chance) / (1.0 - self.chance)


@dataclass(frozen=True)
class Code:
    """Latents ``(n, d)`` and factors ``(n, k)``, checked: finite, enough samples.

    ``classes`` are the columns of unordered factors; ``varying`` the factors and ``live`` the
    latents that are not constant; ``notes`` says which are.
    """

    latents: np.ndarray
    factors: np.ndarray
    classes: frozenset[int]
    varying: tuple[int, ...]
    live: tuple[int, ...]
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.latents)

    def spread(self, values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
        """Values of the varying factors as values of all, NaN for the constant ones."""
        full = np.full(self.factors.shape[1], np.nan)
        full[list(self.varying)] = values
        return tuple(float(v) for v in full)


def checked(latents: np.ndarray, factors: np.ndarray, classes: Sequence[int] = ()) -> Code:
    """The code of ``latents`` ``(n, d)`` and ``factors`` ``(n, k)``; vectors count as one column.

    Raises
    ------
    InputError : fewer than :data:`LEAST_SAMPLES` samples, unequal numbers of them, numbers that are
        not finite, or a class with fewer than :data:`LEAST_OF_A_CLASS` samples.
    UsageError : ``classes`` names a column that does not exist.
    """
    latents, factors = _matrix(latents, "latents"), _matrix(factors, "factors")
    if len(latents) != len(factors):
        raise InputError(
            "Latents and factors must have one row for each sample.",
            got=f"{len(latents)} rows of latents, {len(factors)} of factors",
        )
    if len(latents) < LEAST_SAMPLES:
        raise InputError(
            "Too few samples to measure disentanglement.",
            got=f"{len(latents)} samples",
            allowed=f"at least {LEAST_SAMPLES}",
            hint="encode more samples: generated ones cost little",
        )
    columns = frozenset(int(c) for c in classes)
    if not columns <= set(range(factors.shape[1])):
        raise UsageError(
            "`classes` names a factor that does not exist.",
            got=sorted(columns),
            allowed=f"columns 0 to {factors.shape[1] - 1}",
        )
    for column in sorted(columns):
        _check_classes(factors[:, column], column)
    varying = tuple(int(j) for j in np.flatnonzero(np.ptp(factors, axis=0) > 0))
    live = tuple(int(i) for i in np.flatnonzero(_varies(latents)))
    return Code(
        latents, factors, columns, varying, live, _constant(latents, factors, varying, live)
    )


def standardised(values: np.ndarray) -> np.ndarray:
    """Columns of ``(n, d)`` with mean 0 and standard deviation 1; constant columns are 0."""
    centred = values - values.mean(axis=0)
    scale = centred.std(axis=0)
    return np.where(_varies(values), centred / np.where(scale > 0, scale, 1.0), 0.0)


def split_in_half(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions of two random halves of n samples."""
    order = rng.permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


def draw(positions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As many positions, drawn with replacement."""
    return positions[rng.integers(len(positions), size=len(positions))]


def resampled(n: int, resamples: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Bootstrap positions, ``(r, n)`` each, ``resamples`` rows in all, a bounded number at once."""
    size = max(1, DRAWS_AT_ONCE // n)
    for start in range(0, resamples, size):
        yield rng.integers(n, size=(min(size, resamples - start), n))


def scored(
    name: str,
    code: Code,
    parts: np.ndarray,
    replicates: np.ndarray,
    *,
    of: Literal["factor", "latent"] = "factor",
    value: float | None = None,
    chance: float = 0.0,
    notes: Sequence[str] = (),
) -> Score:
    """The score from its parts (of the varying factors, or of all latents) and its replicates.

    ``value`` is by default the mean of the parts that are finite; ``replicates`` ``(r,)`` are
    resampled values of the same quantity.
    """
    if value is None:
        finite = parts[np.isfinite(parts)]
        value = float(finite.mean()) if len(finite) else float("nan")
    low, high = centred(value, replicates)
    every = code.spread(parts) if of == "factor" else tuple(float(p) for p in parts)
    remarks = (*code.notes, *notes)
    return Score(name, value, low, high, every, of, code.n, len(replicates), chance, remarks)


def gap(scores: np.ndarray) -> np.ndarray:
    """Best less second best over latents of ``(r, d, k)``: ``(r, k)``; alone, the best itself."""
    ordered = np.sort(scores, axis=1)
    return ordered[:, -1] - (ordered[:, -2] if scores.shape[1] > 1 else 0.0)


def finite_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is finite; NaN, without a warning, where nothing is."""
    finite = np.isfinite(values)
    count = finite.sum(axis=axis)
    total = np.where(finite, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def undefined(name: str, code: Code, why: str, of: Literal["factor", "latent"] = "factor") -> Score:
    """A score that does not exist for this code, and why."""
    size = code.factors.shape[1] if of == "factor" else code.latents.shape[1]
    nan = float("nan")
    return Score(name, nan, nan, nan, (nan,) * size, of, code.n, 0, notes=(*code.notes, why))


def centred(value: float, replicates: np.ndarray, least: float = 0.0) -> tuple[float, float]:
    """Percentiles of the replicates after moving their mean to ``value``, within ``[least, 1]``.

    Fewer than 100 replicates have no 2.5th percentile to speak of: Student's t times their standard
    deviation takes its place. NaN replicates are left out; the interval always holds the value.

    Examples
    --------
    >>> low, high = centred(0.5, np.linspace(0.6, 0.8, 201))
    >>> round(low, 3), round(high, 3)
    (0.405, 0.595)
    """
    finite = replicates[np.isfinite(replicates)]
    if len(finite) < 2 or not np.isfinite(value):
        return float("nan"), float("nan")
    tail = (1 + LEVEL) / 2
    if len(finite) >= PERCENTILES:
        tails = np.quantile(finite - finite.mean(), [1 - tail, tail])
    else:
        tails = np.array([-1, 1]) * special.stdtrit(len(finite) - 1, tail) * finite.std(ddof=1)
    low, high = np.clip(value + tails, least, 1.0)
    return min(float(low), value), max(float(high), value)


def _matrix(values: np.ndarray, what: str) -> np.ndarray:
    values = np.asarray(values)
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
        raise InputError(f"The {what} must be numbers.", got=values.dtype, hint="code the classes")
    values = values.astype(float)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.shape[1]:
        raise InputError(f"The {what} must be a table, one row a sample.", got=values.shape)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        row, column = (int(v) for v in bad[0])
        raise InputError(
            f"The {what} hold numbers that are not finite.",
            where=f"row {row}, column {column}",
            got=values[row, column],
            hint="leave these samples out, and say how many they were",
        )
    return values


def _check_classes(values: np.ndarray, column: int) -> None:
    found, counts = np.unique(values, return_counts=True)
    if counts.min() < LEAST_OF_A_CLASS:
        raise InputError(
            "A class of an unordered factor has too few samples.",
            where=f"factor {column}, class {found[counts.argmin()]:g}",
            got=f"{counts.min()} samples",
            allowed=f"at least {LEAST_OF_A_CLASS}",
            hint="merge rare classes, or treat the factor as a number",
        )


def _varies(values: np.ndarray) -> np.ndarray:
    """Columns that vary by more than the rounding of their own size."""
    size = np.abs(values).max(axis=0)
    return np.ptp(values, axis=0) > 1e-12 * size


def _constant(
    latents: np.ndarray, factors: np.ndarray, varying: Sequence[int], live: Sequence[int]
) -> tuple[str, ...]:
    notes = []
    still = sorted(set(range(factors.shape[1])) - set(varying))
    dead = sorted(set(range(latents.shape[1])) - set(live))
    if still:
        listed = ", ".join(map(str, still))
        notes.append(f"Constant factors have no score and are left out: {listed}.")
    if dead:
        listed = ", ".join(map(str, dead))
        notes.append(f"Constant latents say nothing: {listed}.")
    return tuple(notes)

"""How the error falls with the number of training samples: intervals, a power law, the size needed.

The errors of one rung are a table ``(repeats, sizes)``. Every repeat holds out its own test set of
``m`` of the ``N`` samples, so that two repeats share a part ``ρ = m/N`` of what they are tested on.
The variance of their mean is therefore larger than ``s²/R``:

    v = s² (1/R + ρ/(1 − ρ)),

the correction of Nadeau & Bengio 2003, doi:10.1023/A:1024068626366, with the overlap of the test
sets as the correlation; where training and test set make up all samples it is theirs exactly.

Errors are positive and few samples make them skewed, so the interval is Student's for the logarithm
of the mean: ``ē exp(± t √v / ē)``. ``ē ± t √v`` covers less: around five log-normal errors with
σ = 1 it holds the true mean 82 times in 100, the other one 89 times.

Whole curves are drawn alike, as multivariate t: the mean curve times the exponential of a random
mixture of the repeats' relative deviations from it, with that variance, over √(χ²/(R − 1)). At each
size the draws have the interval of the mean; from size to size they keep how the repeats vary
together.

The power law is ``e(n) = a + b n⁻ᶜ`` with a, b ≥ 0, fitted to relative errors: Viering & Loog 2023,
The shape of learning curves, doi:10.1109/TPAMI.2022.3220744.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, stats

LEVEL = 0.95
DRAWS = 2000
SLOWEST, FASTEST = 0.02, 4.0  # exponents that are looked at
EXPONENTS = np.geomspace(SLOWEST, FASTEST, 60)
REFINEMENTS = 3  # each finds the exponent ten times closer
FEWEST_SIZES = 4  # three numbers are fitted
WIDEST = 5.0  # an exponent known to less than this factor says nothing
MOST = 50.0  # of the logarithm of an error over its mean; beyond it numbers overflow
FARTHEST = 10.0  # times the largest size; beyond it nothing is extrapolated

How = Literal["measured", "at the smallest size", "extrapolated", "not reached"]


@dataclass(frozen=True)
class PowerLaw:
    """``a + b n⁻ᶜ``; ``*_low`` and ``*_high`` are 95 % limits. Where it is not ``identifiable``,
    ``reason`` says why and the numbers are NaN."""

    identifiable: bool
    reason: str = ""
    a: float = float("nan")
    a_low: float = float("nan")
    a_high: float = float("nan")
    b: float = float("nan")
    c: float = float("nan")
    c_low: float = float("nan")
    c_high: float = float("nan")

    def at(self, n: np.ndarray) -> np.ndarray:
        """The error at sizes ``n``."""
        return np.asarray(self.a + self.b * np.asarray(n, float) ** -self.c)


@dataclass(frozen=True)
class Reached:
    """The number of samples at which an error is reached, with its 95 % interval.

    ``how``: ``measured`` (between two sizes), ``at the smallest size`` (or with fewer),
    ``extrapolated`` (beyond the largest size, along the power law) or ``not reached`` (``size`` is
    NaN). ``low`` is 0 where the smallest size may do; ``high`` is infinite where the largest (where
    extrapolated: ten times it) may not; both are NaN for a single repeat.
    """

    how: How
    size: float
    low: float
    high: float


def variance_factor(repeats: int, shared: float) -> float:
    """``1/R + ρ/(1 − ρ)``: variance of the mean of ``repeats`` over the variance among them.

    Examples
    --------
    >>> round(variance_factor(5, 0.3), 3)
    0.629
    """
    if not 0 <= shared < 1:
        raise ValueError(f"the share of common test samples is {shared}, not in [0, 1)")
    return 1.0 / repeats + shared / (1.0 - shared)


def mean_interval(
    errors: np.ndarray, shared: float, level: float = LEVEL
) -> tuple[float, float, float]:
    """Mean of ``errors`` ``(repeats,)`` ≥ 0 and its interval; the limits of one repeat are NaN.

    Parameters
    ----------
    shared : part of the test samples that two repeats have in common.

    Examples
    --------
    >>> [round(v, 2) for v in mean_interval(np.array([1.0, 2.0, 3.0]), shared=0.0)]
    [2.0, 0.58, 6.93]
    """
    errors = np.asarray(errors, float)
    mean = float(errors.mean())
    if len(errors) < 2:
        return mean, float("nan"), float("nan")
    spread = relative(errors).std(ddof=1) * np.sqrt(variance_factor(len(errors), shared))
    half = float(stats.t.ppf((1 + level) / 2, len(errors) - 1) * spread)
    return mean, mean * float(np.exp(-half)), mean * float(np.exp(half))


def relative(errors: np.ndarray) -> np.ndarray:
    """``errors`` ``(repeats, …)`` over their mean, less one; 0 where all are zero."""
    mean = errors.mean(axis=0)
    return np.asarray(np.where(mean > 0, errors / np.where(mean > 0, mean, 1.0) - 1.0, 0.0))


def complete(errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the repeats and of the sizes that make up a table without holes.

    Repeats without any value go, then sizes that a remaining repeat lacks.

    Examples
    --------
    >>> rows, columns = complete(np.array([[3.0, 2.0, 1.0], [3.5, 2.5, np.nan]]))
    >>> rows.tolist(), columns.tolist()
    ([0, 1], [0, 1])
    """
    there = np.isfinite(np.asarray(errors, float))
    rows = np.flatnonzero(there.any(axis=1))
    return rows, np.flatnonzero(there[rows].all(axis=0) & (len(rows) > 0))


def draw_curves(
    errors: np.ndarray, shared: float, rng: np.random.Generator, draws: int = DRAWS
) -> np.ndarray:
    """Curves ``(draws, sizes)`` that the errors ``(repeats ≥ 2, sizes)`` are compatible with."""
    errors = np.asarray(errors, float)
    repeats = len(errors)
    mixture = rng.normal(size=(draws, repeats)) @ relative(errors) / np.sqrt(repeats - 1)
    scale = np.sqrt(rng.chisquare(repeats - 1, (draws, 1)) / (repeats - 1))
    deviation = np.sqrt(variance_factor(repeats, shared)) * mixture / scale
    return np.asarray(errors.mean(axis=0) * np.exp(np.clip(deviation, -MOST, MOST)))


# -- the power law ---------------------------------------------------------------------------------


def fit_power_law(
    sizes: np.ndarray,
    errors: np.ndarray,
    shared: float,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> PowerLaw:
    """``a + b n⁻ᶜ`` through the mean of ``errors`` ``(repeats, sizes)``, where it can be told.

    It cannot with fewer than four sizes or two repeats, where the error does not fall beyond its
    uncertainty, or where the exponent is not known to a factor of :data:`WIDEST`.
    """
    sizes, errors = np.asarray(sizes, float), np.asarray(errors, float)
    if len(sizes) < FEWEST_SIZES:
        return PowerLaw(False, f"needs {FEWEST_SIZES} sizes or more")
    if len(errors) < 2:
        return PowerLaw(False, "needs two repeats or more")
    mean = errors.mean(axis=0)
    if mean.min() <= 0:
        return PowerLaw(False, "an error is zero")
    curves = draw_curves(errors, shared, rng, draws)
    tail = (1 - LEVEL) / 2
    if mean[0] <= mean[-1] or np.mean(curves[:, 0] <= curves[:, -1]) > tail:
        return PowerLaw(False, "the error does not fall beyond its uncertainty")
    (a,), (b,), (c,) = (part.tolist() for part in _least_squares(sizes, mean[None], mean))
    some_a, _, some_c = _least_squares(sizes, curves, mean)
    a_low, a_high = _limits(some_a)
    c_low, c_high = _limits(some_c)
    if a_low == 0:  # at its bound a drags the exponents up: without it they are looked at too
        without = _limits(_least_squares(sizes, curves, mean, plain=True)[2])
        c_low, c_high = min(c_low, without[0]), max(c_high, without[1])
    if c_low <= SLOWEST or c_high >= FASTEST or c_high > WIDEST * c_low:
        return PowerLaw(False, "the exponent is not determined by these sizes")
    return PowerLaw(True, "", a, min(a, a_low), max(a, a_high), b, c, min(c, c_low), max(c, c_high))


def _least_squares(
    sizes: np.ndarray, curves: np.ndarray, level: np.ndarray, *, plain: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a, b, c ``(draws,)`` of each of ``curves`` ``(draws, sizes)``; ``plain``: with a = 0.

    For every exponent the best a, b ≥ 0 follow in closed form; the best exponent is looked for on
    a grid, on a finer one between its neighbours there, and on a last one between those.
    Residuals count relative to ``level``.
    """
    exponents, row = EXPONENTS[None], np.arange(len(curves))
    width = np.log(EXPONENTS[1] / EXPONENTS[0])
    for _ in range(REFINEMENTS):
        best = _profile(sizes, curves, level, exponents, plain)[2].argmin(axis=1)
        c = exponents[row if len(exponents) > 1 else 0, best]
        exponents = np.clip(c[:, None] * np.exp(np.linspace(-width, width, 21)), SLOWEST, FASTEST)
        width /= 10
    a, b, loss = _profile(sizes, curves, level, exponents, plain)
    best = loss.argmin(axis=1)
    return a[row, best], b[row, best], exponents[row, best]


def _profile(
    sizes: np.ndarray, curves: np.ndarray, level: np.ndarray, exponents: np.ndarray, plain: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best a, b and what they leave, each ``(draws, k)``, at ``exponents`` ``(draws, k)``."""
    weight = 1.0 / level**2
    x = (sizes / sizes[0]) ** -exponents[:, :, None]  # (draws, k, sizes)
    s, sx, sxx = weight.sum(), x @ weight, x**2 @ weight
    sy, sxy = (curves @ weight)[:, None], (x @ (curves * weight)[:, :, None])[:, :, 0]
    b = (s * sxy - sx * sy) / (s * sxx - sx**2)
    a = (sy - b * sx) / s
    alone = (a < 0) | plain
    b, a = np.where(alone, sxy / sxx, b), np.where(alone, 0.0, a)
    b, a = np.maximum(b, 0.0), np.where(b < 0, np.maximum(sy / s, 0.0), a)
    loss = a**2 * s + 2 * a * b * sx + b**2 * sxx - 2 * a * sy - 2 * b * sxy
    return a, b * sizes[0] ** exponents, loss


# -- the size needed -------------------------------------------------------------------------------


def reach(
    sizes: np.ndarray,
    errors: np.ndarray,
    wanted: float,
    shared: float,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Reached:
    """From how many samples on the mean of ``errors`` ``(repeats, sizes)`` is at most ``wanted``.

    The mean curve is made non-increasing (isotonic regression, since a single size is noisy) and
    interpolated in log n and log error. Where the largest size does not reach ``wanted`` and the
    power law is identifiable, it is followed up to :data:`FARTHEST` times that size. The interval
    is that of the same answer over drawn curves.
    """
    sizes, errors = np.asarray(sizes, float), np.asarray(errors, float)
    size = _crossing(sizes, errors.mean(axis=0), wanted)
    if len(errors) < 2:
        unknown = float("nan")
        if np.isinf(size):
            return Reached("not reached", unknown, unknown, unknown)
        return _placed(size, sizes, unknown, unknown)
    curves = draw_curves(errors, shared, rng, draws)
    found = np.array([_crossing(sizes, curve, wanted) for curve in curves])
    if np.isfinite(size):
        return _placed(size, sizes, *_limits(found))
    law = fit_power_law(sizes, errors, shared, rng, draws)
    if law.identifiable:
        (size,) = _along(sizes, law.a, law.b, law.c, wanted)
        fits = _least_squares(sizes, curves, errors.mean(axis=0))
        low, high = _limits(np.where(np.isinf(found), _along(sizes, *fits, wanted), found))
        if law.a_low == 0:
            fits = _least_squares(sizes, curves, errors.mean(axis=0), plain=True)
            other = _limits(np.where(np.isinf(found), _along(sizes, *fits, wanted), found))
            low, high = min(low, other[0]), max(high, other[1])
    else:
        low, high = _limits(found)
    if np.isinf(size):
        return Reached("not reached", float("nan"), low, high)
    return Reached("extrapolated", float(size), min(low, size), max(high, size))


def _placed(size: float, sizes: np.ndarray, low: float, high: float) -> Reached:
    if size == 0.0:
        return Reached("at the smallest size", float(sizes[0]), low, high)
    return Reached("measured", size, min(low, size), max(high, size))


def _crossing(sizes: np.ndarray, curve: np.ndarray, wanted: float) -> float:
    """Where a curve ``(sizes,)`` comes down to ``wanted``: 0 if at once, infinite if never."""
    falling = optimize.isotonic_regression(curve, increasing=False).x
    below = np.flatnonzero(falling <= wanted)
    if not len(below):
        return float("inf")
    i = int(below[0])
    if i == 0:
        return 0.0
    before, after = float(falling[i - 1]), float(falling[i])
    if after > 0 and wanted > 0:
        before, after, wanted = np.log(before), np.log(after), np.log(wanted)
    share = (before - wanted) / (before - after)
    return float(np.exp(np.log(sizes[i - 1]) + share * np.log(sizes[i] / sizes[i - 1])))


def _along(
    sizes: np.ndarray,
    a: np.ndarray | float,
    b: np.ndarray | float,
    c: np.ndarray | float,
    wanted: float,
) -> np.ndarray:
    """Sizes beyond the largest at which power laws come down to ``wanted``; infinite if too far."""
    a, b, c = np.atleast_1d(a), np.atleast_1d(b), np.atleast_1d(c)
    with np.errstate(divide="ignore", over="ignore"):
        size = np.where(a < wanted, (b / np.maximum(wanted - a, 1e-300)) ** (1 / c), np.inf)
    size = np.maximum(size, sizes[-1])
    return np.where(size > FARTHEST * sizes[-1], np.inf, size)


def _limits(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of ``values``, which may be infinite."""
    tail = (1 - LEVEL) / 2
    return (
        float(np.quantile(values, tail, method="lower")),
        float(np.quantile(values, 1 - tail, method="higher")),
    )

"""Conformal intervals for numbers: split, normalised, CV+ and jackknife+.

* Split (Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, doi 10.1080/01621459.2017.1307116):
  ``f(x) ± q``, q the ⌈level (n + 1)⌉-th smallest |y_i − f(x_i)| of n samples that f did not see.
* Normalised (the same, §5.2): scores |y_i − f(x_i)| / σ(x_i), interval ``f(x) ± q σ(x)``, with any
  estimate σ of the error, such as the standard deviation of an ensemble or a Gaussian process.
* CV+ and jackknife+ (Barber, Candès, Ramdas & Tibshirani 2021, doi 10.1214/20-AOS1965, §1.2 and
  §3): from the ⌊(1 − level)(n + 1)⌋-th smallest f_{-k(i)}(x) − R_i to the ⌈level (n + 1)⌉-th
  smallest f_{-k(i)}(x) + R_i, with f_{-k(i)} the model that did not see sample i. Their worst case
  is 2 level − 1; typical is the level or more (ADR 0008 says why runs use plain CV intervals).

All hold on average over exchangeable samples, and are infinite where n is too small for the level.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.errors import InputError
from iceframe.measure.conformal import threshold

Interval = tuple[np.ndarray, np.ndarray]
"""Lower and upper ends ``(m,)``, in the unit of the target."""

CHUNK = 4_000_000  # values held at once


def split_interval(
    y: np.ndarray, predicted: np.ndarray, new: np.ndarray, level: float = 0.9
) -> Interval:
    """Ends ``(m,)`` around ``new`` predictions, from ``n`` samples that the model did not see.

    Examples
    --------
    >>> low, high = split_interval(np.arange(1.0, 10.0), np.zeros(9), np.array([10.0]), 0.8)
    >>> low.tolist(), high.tolist()
    ([2.0], [18.0])
    """
    one = np.ones(len(np.atleast_1d(y))), np.ones(len(np.atleast_1d(new)))
    return normalised_interval(y, predicted, one[0], new, one[1], level)


def normalised_interval(
    y: np.ndarray,
    predicted: np.ndarray,
    spread: np.ndarray,
    new: np.ndarray,
    new_spread: np.ndarray,
    level: float = 0.9,
) -> Interval:
    """Ends ``(m,)`` that are wider where ``spread`` is larger: narrow where the model is sure.

    Parameters
    ----------
    y, predicted, spread : ``(n,)``, of samples that the model did not see. new, new_spread :
        ``(m,)``. Spreads are positive; only their ratios matter.

    Raises
    ------
    InputError : NaN, no sample, or a spread that is not positive.

    Examples
    --------
    >>> y, spread = np.arange(1.0, 10.0), np.arange(1.0, 10.0)    # every score is 1
    >>> low, high = normalised_interval(y, 0 * y, spread, np.zeros(2), np.array([1.0, 5.0]), 0.8)
    >>> low.tolist(), high.tolist()
    ([-1.0, -5.0], [1.0, 5.0])
    """
    spread, new_spread = (np.asarray(part, float) for part in (spread, new_spread))
    if not (np.all(spread > 0) and np.all(new_spread > 0)):
        raise InputError(
            "A spread that scales an interval must be positive.",
            got=min(np.min(part, initial=np.inf) for part in (spread, new_spread)),
            allowed="numbers above 0",
            hint="add a small number, such as a hundredth of the median",
        )
    scores = ascending(np.abs(np.asarray(y, float) - predicted) / spread)
    half = threshold(scores, checked_level(level)) * new_spread
    new = finite(new, "the predictions")
    return new - half, new + half


def plus_interval(
    residuals: np.ndarray, folds: np.ndarray, new: np.ndarray, level: float = 0.9
) -> Interval:
    """The CV+ interval; with a fold for each sample, the jackknife+ interval.

    Parameters
    ----------
    residuals : ``(n,)`` |y_i − f_{-k(i)}(x_i)|. folds : ``(n,)`` integers k(i) in 0…K−1.
    new : ``(K, m)``, what the model without fold k says of each new sample.

    Raises
    ------
    InputError : NaN, or no sample.

    Examples
    --------
    >>> residuals, folds = np.arange(1.0, 10.0), np.arange(9) % 3
    >>> low, high = plus_interval(residuals, folds, np.array([[10.0], [10.0], [10.0]]), 0.8)
    >>> low.tolist(), high.tolist()    # models that agree: the split interval
    ([2.0], [18.0])
    """
    residuals, new = finite(residuals, "the residuals"), finite(new, "the predictions")
    folds = np.asarray(folds, int)
    if residuals.ndim != 1 or folds.shape != residuals.shape or new.ndim != 2:
        raise ValueError(f"residuals {residuals.shape}, folds {folds.shape}, new {new.shape}")
    n, m = len(residuals), new.shape[1]
    ascending(residuals)
    rank = int(np.ceil(round(checked_level(level) * (n + 1), 9)))
    low, high = np.full(m, -np.inf), np.full(m, np.inf)
    if rank > n:
        return low, high
    step = max(1, CHUNK // n)
    for start in range(0, m, step):
        part = slice(start, start + step)
        about = new[folds, part]  # (n, step)
        # The ⌊(1 − level)(n + 1)⌋-th smallest is the rank-th largest.
        low[part] = np.partition(about - residuals[:, None], n - rank, axis=0)[n - rank]
        high[part] = np.partition(about + residuals[:, None], rank - 1, axis=0)[rank - 1]
    return low, high


def ascending(scores: np.ndarray) -> np.ndarray:
    """Scores ``(n,)`` in ascending order.

    Raises
    ------
    InputError : no score, or NaN.
    """
    scores = np.asarray(scores, float)
    if scores.ndim != 1 or not len(scores):
        raise InputError("Calibration needs scores of left-out samples.", got=scores.shape)
    missing = int(np.isnan(scores).sum())
    if missing:
        raise InputError(
            "Calibration needs a score of every left-out sample.",
            got=f"{missing} NaN of {len(scores)}",
            allowed="numbers",
            hint="drop samples without a target; a model that answers NaN cannot be calibrated",
        )
    return np.sort(scores)


def finite(values: np.ndarray, what: str) -> np.ndarray:
    """``values`` as floats; an :class:`InputError` where one is NaN or infinite."""
    values = np.asarray(values, float)
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise InputError(
            f"Not all of {what} are numbers.",
            got=f"{bad} NaN or infinite of {values.size}",
            allowed="finite numbers",
        )
    return values


def checked_level(level: float) -> float:
    """``level``; a ValueError outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    return level

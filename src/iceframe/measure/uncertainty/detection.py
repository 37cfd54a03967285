"""How well a score tells outside from inside: AUROC and FPR95, with bootstrap intervals.

* AUROC = P(s_outside > s_inside) + P(equal)/2: 0.5 is chance, 1 is perfect (Hendrycks & Gimpel
  2017, arXiv 1610.02136).
* FPR95: the share of outside samples that pass as inside where 95 % of the inside ones do: 0 is
  perfect, 0.95 is chance (Liang, Li & Srikant 2018, arXiv 1706.02690).

Intervals: percentiles of a bootstrap over both sets of samples. Trap: a share that is 0 or 1 gets
an interval without width; count the samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.seeds import generator
from iceframe.measure.complexity import Estimate

BOOTSTRAP = 1000
CHUNK = 2_000_000  # bootstrap counts held at once
KEPT = 0.95


def auroc(inside: np.ndarray, outside: np.ndarray, *, seed: int = 0) -> Estimate:
    """Area under the receiver operating characteristic of scores that are higher outside.

    Raises
    ------
    InputError : an empty side, or NaN.

    Examples
    --------
    >>> auroc(np.array([1.0, 2.0]), np.array([3.0, 2.0])).value
    0.875
    """
    return _bootstrapped(inside, outside, _areas, seed)


def fpr95(inside: np.ndarray, outside: np.ndarray, *, seed: int = 0) -> Estimate:
    """Share of ``outside`` scores at or below the ⌈0.95 n⌉-th smallest of ``inside``.

    Raises
    ------
    InputError : an empty side, or NaN.

    Examples
    --------
    >>> fpr95(np.arange(20.0), np.array([5.0, 18.0, 19.0, 30.0])).value
    0.5
    """
    return _bootstrapped(inside, outside, _shares, seed)


Statistic = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _bootstrapped(
    inside: np.ndarray, outside: np.ndarray, statistic: Statistic, seed: int
) -> Estimate:
    inside, outside = _sorted(inside, "inside"), _sorted(outside, "outside")
    once = np.ones((1, len(inside)), int), np.ones((1, len(outside)), int)
    value = float(statistic(inside, outside, *once)[0])
    rng = generator(seed, "detection")
    step = max(1, CHUNK // (len(inside) + len(outside)))
    drawn = []
    for start in range(0, BOOTSTRAP, step):
        size = min(step, BOOTSTRAP - start)
        counts = [
            rng.multinomial(len(side), np.full(len(side), 1 / len(side)), size=size)
            for side in (inside, outside)
        ]
        drawn.append(statistic(inside, outside, *counts))
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return Estimate(value, min(float(low), value), max(float(high), value), BOOTSTRAP)


def _areas(
    inside: np.ndarray, outside: np.ndarray, times_in: np.ndarray, times_out: np.ndarray
) -> np.ndarray:
    """AUROC ``(b,)`` of ascending scores that occur ``times`` ``(b, n)``."""
    below = np.concatenate([np.zeros((len(times_in), 1)), np.cumsum(times_in, axis=1)], axis=1)
    first, last = (np.searchsorted(inside, outside, side=side) for side in ("left", "right"))
    beaten = (below[:, first] + below[:, last]) / 2
    pairs = times_in.sum(axis=1) * times_out.sum(axis=1)
    return np.asarray((beaten * times_out).sum(axis=1) / pairs)


def _shares(
    inside: np.ndarray, outside: np.ndarray, times_in: np.ndarray, times_out: np.ndarray
) -> np.ndarray:
    """FPR95 ``(b,)`` of ascending scores that occur ``times`` ``(b, n)``."""
    rank = np.ceil(round(KEPT * len(inside), 9))
    threshold = inside[np.argmax(np.cumsum(times_in, axis=1) >= rank, axis=1)]
    passed = outside[None] <= threshold[:, None]
    return np.asarray((passed * times_out).sum(axis=1) / times_out.sum(axis=1))


def _sorted(scores: np.ndarray, side: str) -> np.ndarray:
    scores = np.sort(np.asarray(scores, float).ravel())
    if not len(scores) or np.isnan(scores).any():
        raise InputError(
            f"Detection needs scores of samples {side}.",
            got="no sample" if not len(scores) else f"{int(np.isnan(scores).sum())} NaN",
            allowed="one number a sample, at least one",
        )
    return scores

"""Agreement with truth: errors, calibration of intervals and sets, selective prediction.

Every score is one number from held-out predictions; lower or higher is better as said, and
:data:`iceframe.measure.metrics.METRICS` holds the directions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from iceframe.core.values import Task

PROBABILITY_FLOOR = 1e-15
SMALLEST_GROUP = 10  # a coverage over fewer samples says nothing


def regression_scores(y: np.ndarray, mean: np.ndarray) -> dict[str, float]:
    """``mae`` and ``rmse`` in the unit of y (lower), ``r2`` (higher; NaN for a constant y).

    Trap: R² compares with the mean of *these* y, so that it falls on a fold of similar samples
    though the error stays.

    Examples
    --------
    >>> regression_scores(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))["r2"]
    0.5
    """
    y, mean = _paired(y, mean)
    error = y - mean
    total = float(np.sum((y - y.mean()) ** 2))
    return {
        "mae": float(np.mean(np.abs(error))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "r2": 1.0 - float(np.sum(error**2)) / total if total > 0 else float("nan"),
    }


def classification_scores(codes: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """``balanced_accuracy``, ``accuracy`` (higher) and ``log_loss`` in nats (lower).

    Balanced accuracy averages the recall over the classes that occur in ``codes``. Trap: a fold
    without a class is scored on the others alone.

    Parameters
    ----------
    codes : integers ``(n,)``. probabilities : ``(n, k)``; rows are normalised for the log loss.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4]])
    >>> classification_scores(np.array([0, 0, 1]), p)["balanced_accuracy"]
    0.5
    """
    codes, probabilities = np.asarray(codes, int), np.asarray(probabilities, float)
    if probabilities.ndim != 2 or len(codes) != len(probabilities) or not len(codes):
        raise ValueError(
            f"codes {codes.shape} and probabilities {probabilities.shape} do not match"
        )
    hit = probabilities.argmax(1) == codes
    recalls = [hit[codes == c].mean() for c in np.unique(codes)]
    share = probabilities[np.arange(len(codes)), codes] / probabilities.sum(1)
    return {
        "balanced_accuracy": float(np.mean(recalls)),
        "accuracy": float(hit.mean()),
        "log_loss": float(-np.mean(np.log(np.clip(share, PROBABILITY_FLOOR, 1.0)))),
    }


def plain_scores(y: np.ndarray, predicted: np.ndarray, task: Task) -> dict[str, float]:
    """:func:`regression_scores` of predictions ``(n,)``, or :func:`classification_scores` of
    probabilities ``(n, k)`` and class codes ``y``."""
    score = regression_scores if task == "regression" else classification_scores
    return score(y, predicted)


def covered(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether each y ``(n,)`` lies in its closed interval: bool ``(n,)``."""
    return (np.asarray(y) >= low) & (np.asarray(y) <= high)


def covered_by_sets(codes: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Whether each class code ``(n,)`` is in its set, bool ``(n, k)``: bool ``(n,)``."""
    return np.asarray(sets, bool)[np.arange(len(codes)), np.asarray(codes, int)]


def coverage(inside: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Share of ``inside`` (bool ``(n,)``) with its Clopper–Pearson interval.

    Clopper & Pearson 1934, doi 10.1093/biomet/26.4.404. Neither direction is better: it should
    be the level. Trap: it holds on average over samples, not for each kind of sample.

    Examples
    --------
    >>> [round(v, 3) for v in coverage(np.array([True] * 9 + [False]))]
    [0.9, 0.555, 0.997]
    """
    inside = np.asarray(inside, bool)
    return clopper_pearson(int(inside.sum()), len(inside), confidence)


def clopper_pearson(
    successes: int, trials: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Share of successes and its exact interval (value, low, high); NaN for no trials."""
    if trials <= 0:
        return float("nan"), float("nan"), float("nan")
    tail = (1.0 - confidence) / 2.0
    failures = trials - successes
    low = special.betaincinv(successes, failures + 1, tail) if successes else 0.0
    high = special.betaincinv(successes + 1, failures, 1 - tail) if failures else 1.0
    return successes / trials, float(low), float(high)


def interval_scores(
    y: np.ndarray, low: np.ndarray, high: np.ndarray, level: float = 0.9
) -> np.ndarray:
    """Interval score of each sample ``(n,)``, in the unit of y; lower is better, proper.

    ``(u − l) + 2/α (l − y)₊ + 2/α (y − u)₊`` with α = 1 − level: Gneiting & Raftery 2007, eq. 43,
    doi 10.1198/016214506000001437.

    Examples
    --------
    >>> interval_scores(np.array([1.0, 3.0]), np.zeros(2), np.full(2, 2.0), 0.9).round(6).tolist()
    [2.0, 22.0]
    """
    alpha = 1.0 - level
    y, low, high = np.asarray(y, float), np.asarray(low, float), np.asarray(high, float)
    miss = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
    return high - low + 2.0 / alpha * miss


def interval_score(y: np.ndarray, low: np.ndarray, high: np.ndarray, level: float = 0.9) -> float:
    """Mean of :func:`interval_scores`."""
    return float(np.mean(interval_scores(y, low, high, level)))


def worst_group_coverage(
    inside: np.ndarray,
    groups: np.ndarray,
    smallest: int = SMALLEST_GROUP,
    confidence: float = 0.95,
) -> tuple[Any, float, float, float, int]:
    """The group with the lowest coverage: (group, share, low, high, its size).

    ``share`` is that of the group; ``low`` and ``high`` hold the lowest coverage that any of the m
    groups truly has, with ``confidence`` at least: the lowest of the lower and of the upper ends of
    the groups' Clopper–Pearson intervals, each at 1 − (1 − confidence)/m (Bonferroni), which all
    hold together. The low end may come from a smaller group than the one that is named. Groups of
    fewer than ``smallest`` samples are left out; with none left, ``(None, nan, nan, nan, 0)``.
    Higher is better. Trap: the lowest share of many groups is low by chance; the interval allows
    for that, the share does not.

    Examples
    --------
    >>> inside = np.array([True] * 38 + [False] * 2 + [True] * 36 + [False] * 4)
    >>> group, share, low, high, size = worst_group_coverage(inside, np.repeat(["a", "b"], 40))
    >>> str(group), share, round(low, 3), round(high, 3), size
    ('b', 0.9, 0.743, 0.977, 40)
    """
    inside, groups = np.asarray(inside, bool), np.asarray(groups)
    shares = {group: inside[groups == group] for group in np.unique(groups)}
    kept = {group: mine for group, mine in shares.items() if len(mine) >= smallest}
    if not kept:
        return None, float("nan"), float("nan"), float("nan"), 0
    together = 1.0 - (1.0 - confidence) / len(kept)
    found = {group: coverage(mine, together) for group, mine in kept.items()}
    worst = min(found, key=lambda group: found[group][0])
    low, high = (min(ends[i] for ends in found.values()) for i in (1, 2))
    return worst, found[worst][0], low, high, len(kept[worst])


def mean_set_size(sets: np.ndarray) -> float:
    """Mean number of classes in the sets, bool ``(n, k)``; lower is sharper.

    Trap: an empty set counts as 0, so look at the coverage beside it.
    """
    return float(np.asarray(sets, bool).sum(1).mean())


def augrc(losses: np.ndarray, uncertainty: np.ndarray) -> float:
    """Area under the generalised risk–coverage curve; lower is better.

    The average, over all shares of accepted samples (most certain first), of the summed loss of
    the accepted over n: with 0/1 losses the chance that a sample fails *and* is accepted (Traub et
    al. 2024, arXiv 2407.01032, eq. 6). Equal uncertainties are accepted in random order, on
    average. Random order gives mean(losses)/2. Trap: it mixes how good the model is with how well
    it ranks; compare at similar error.

    Parameters
    ----------
    losses : ``(n,)`` ≥ 0, 0/1 errors or absolute errors. uncertainty : ``(n,)``, such as interval
        widths or one minus the largest probability.

    Examples
    --------
    >>> augrc(np.array([0.0, 1.0]), np.array([0.1, 0.9]))    # the failure is accepted last
    0.125
    >>> augrc(np.array([0.0, 1.0]), np.array([0.9, 0.1]))
    0.375
    """
    losses, uncertainty = _paired(losses, uncertainty)
    n = len(losses)
    _, count = np.unique(uncertainty, return_counts=True)
    order = np.argsort(uncertainty, kind="stable")
    ends = np.cumsum(count)
    risk = np.concatenate([[0.0], np.cumsum(losses[order])[ends - 1] / n])
    share = np.concatenate([[0.0], ends / n])
    return float(np.trapezoid(risk, share))


def _paired(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ValueError(f"expected two equal vectors, got {a.shape} and {b.shape}")
    return a, b

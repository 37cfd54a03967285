"""From values per fold or per sample to Evidence: one number with its 95 % interval.

* ``from_folds``: t-interval with the variance of Nadeau & Bengio (2003,
  doi 10.1023/A:1024068626366), because folds share their training samples.
* ``from_counts``: Clopper–Pearson, for coverage.
* ``from_samples``: bootstrap over samples, for values per sample that may be NaN.
* ``from_estimate``: what already carries its interval, such as complexity.

Axis and direction come from :data:`iceframe.measure.metrics.METRICS`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from iceframe.core.seeds import generator
from iceframe.core.values import Evidence
from iceframe.measure.complexity import Estimate, composite
from iceframe.measure.fidelity import clopper_pearson
from iceframe.measure.metrics import METRICS

CONFIDENCE = 0.95
BOOTSTRAP = 2000


def from_folds(
    rung: str,
    metric: str,
    values: Sequence[float],
    *,
    n_train: float,
    n_test: float,
    n: int = 0,
    unit: str = "",
    seed: int = 0,
    note: str = "",
) -> Evidence:
    """The mean over folds; ``mean ± t_{k−1} √((1/k + n_test/n_train) s²)``.

    A fold that is NaN is kept in ``folds`` and left out of the mean; fewer than two finite folds
    leave the interval NaN.

    Parameters
    ----------
    values : ``(k,)``, in the same order of folds for every rung. n_train, n_test : (mean) sizes of
        a fold's parts. n : held-out samples in all.

    Examples
    --------
    >>> e = from_folds("ridge", "mae", [1.0, 2.0, 3.0], n_train=80, n_test=40, unit="MPa")
    >>> e.value, e.better, round((e.high - e.low) / 2, 3)    # t = 4.303, √(1/3 + 1/2)
    (2.0, 'lower', 3.928)
    """
    folds = tuple(float(v) for v in values)
    finite = np.array([v for v in folds if np.isfinite(v)])
    mean = float(finite.mean()) if len(finite) else float("nan")
    half = float("nan")
    k = len(finite)
    if k >= 2:
        scale = np.sqrt((1.0 / k + n_test / n_train) * np.var(finite, ddof=1))
        half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, k - 1) * scale)
    return _row(rung, metric, mean, mean - half, mean + half, folds, n, unit, seed, note)


def from_counts(
    rung: str,
    metric: str,
    inside: np.ndarray | Sequence[bool],
    *,
    folds: Sequence[float] = (),
    seed: int = 0,
    note: str = "",
) -> Evidence:
    """A share of samples (bool ``(n,)``, pooled over folds) with its Clopper–Pearson interval.

    Examples
    --------
    >>> e = from_counts("ridge", "coverage_90", [True] * 9 + [False])
    >>> e.value, e.n, round(e.low, 3)
    (0.9, 10, 0.555)
    """
    inside = np.asarray(inside, bool)
    value, low, high = clopper_pearson(int(inside.sum()), len(inside), CONFIDENCE)
    return _row(
        rung, metric, value, low, high, tuple(map(float, folds)), len(inside), "", seed, note
    )


def from_samples(
    rung: str,
    metric: str,
    values: np.ndarray | Sequence[float],
    *,
    folds: Sequence[float] = (),
    statistic: str = "mean",
    unit: str = "",
    seed: int = 0,
    note: str = "",
) -> Evidence:
    """The mean (or ``median``) of values per sample, bootstrap interval; NaN samples are counted
    in the note and left out.

    Examples
    --------
    >>> e = from_samples("ridge", "faithfulness", [1.0, 1.0, float("nan")])
    >>> e.value, e.n, e.note
    (1.0, 2, 'undefined for 1 of 3 samples')
    """
    if statistic not in ("mean", "median"):
        raise ValueError(f"statistic must be mean or median, got {statistic!r}")
    values = np.asarray(values, float)
    finite = values[np.isfinite(values)]
    if len(finite) < len(values):
        missing = f"undefined for {len(values) - len(finite)} of {len(values)} samples"
        note = f"{note}; {missing}" if note else missing
    value = low = high = float("nan")
    if len(finite):
        reduce = np.mean if statistic == "mean" else np.median
        value = float(reduce(finite))
        draws = generator(seed, "summary", metric).integers(
            len(finite), size=(BOOTSTRAP, len(finite))
        )
        spread = reduce(finite[draws], axis=1)
        low, high = (
            float(q) for q in np.quantile(spread, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        )
        low, high = min(low, value), max(high, value)
    return _row(
        rung, metric, value, low, high, tuple(map(float, folds)), len(finite), unit, seed, note
    )


def from_estimate(
    rung: str, metric: str, estimate: Estimate, *, n: int = 0, seed: int = 0, note: str = ""
) -> Evidence:
    """A number that carries its interval already."""
    remark = "; ".join(part for part in (estimate.note, note) if part)
    return _row(rung, metric, estimate.value, estimate.low, estimate.high, (), n, "", seed, remark)


def composite_estimate(c1: Estimate, c2: Estimate, c3: Estimate, weight: float = 0.5) -> Estimate:
    """C with an interval: the parts' half-widths add in quadrature, as if independent.

    Examples
    --------
    >>> c1, sure = Estimate(0.5, 0.4, 0.6), Estimate(0.3, 0.3, 0.3)
    >>> c = composite_estimate(c1, sure, sure)
    >>> round(c.value, 6), round(c.low, 6), round(c.high, 6)
    (0.4, 0.35, 0.45)
    """
    weights = (weight, (1.0 - weight) / 2.0, (1.0 - weight) / 2.0)
    parts = (c1, c2, c3)
    value = composite(c1.value, c2.value, c3.value, weight)
    below = np.sqrt(sum((w * (p.value - p.low)) ** 2 for w, p in zip(weights, parts, strict=True)))
    above = np.sqrt(sum((w * (p.high - p.value)) ** 2 for w, p in zip(weights, parts, strict=True)))
    return Estimate(value, float(value - below), float(value + above))


def _row(
    rung: str,
    metric: str,
    value: float,
    low: float,
    high: float,
    folds: tuple[float, ...],
    n: int,
    unit: str,
    seed: int,
    note: str,
) -> Evidence:
    known = METRICS[metric]
    return Evidence(
        rung=rung,
        axis=known.axis,
        metric=metric,
        value=value,
        low=low,
        high=high,
        folds=folds,
        better=known.better,
        unit=unit,
        seed=seed,
        n=n,
        note=note,
    )

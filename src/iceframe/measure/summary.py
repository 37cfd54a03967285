"""From values per fold or per sample to Evidence: one number with its 95 % interval.

* ``from_folds``: t-interval with the variance of Nadeau & Bengio (2003,
  doi 10.1023/A:1024068626366), because folds share their training samples.
* ``from_counts``: Clopper–Pearson, for coverage.
* ``from_samples``: bootstrap over samples, for values per sample that may be NaN.
* ``from_estimate``: what already carries its interval, such as complexity.

:func:`fidelity_evidence`, :func:`transparency_evidence`, :func:`shift_evidence` and
:func:`complexity_evidence` do this for all metrics of an axis. Axis and direction come from
:data:`iceframe.measure.metrics.METRICS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from iceframe.core.seeds import generator
from iceframe.core.values import Evidence, Task
from iceframe.measure import fidelity
from iceframe.measure.complexity import Estimate, complexity_share, composite
from iceframe.measure.fidelity import clopper_pearson
from iceframe.measure.metrics import METRICS
from iceframe.measure.uncertainty.held_out import calibration_estimates, shift_estimates

CONFIDENCE = 0.95
_MEDIANS = ("completeness_gap", "infidelity", "deletion", "insertion")
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
        half = float(special.stdtrit(k - 1, 0.5 + CONFIDENCE / 2) * scale)
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


def fidelity_evidence(
    rung: str,
    predictions: pd.DataFrame,
    task: Task,
    classes: Sequence[str] = (),
    *,
    n: int,
    unit: str = "",
    groups: np.ndarray | None = None,
    seed: int = 0,
    repeats: Sequence[Mapping[str, float]] = (),
) -> list[Evidence]:
    """All fidelity rows of a rung from its held-out predictions.

    Parameters
    ----------
    predictions : rows with ``fold``, ``y``, ``mean`` and, for a regression, ``low`` and ``high``;
        for a classification (``y`` and ``mean`` class names) ``p_<class>``, ``covered``,
        ``set_size``. n : samples in the data set, so that a fold was trained on the others.
    groups : a label for each prediction; default the true class, or the fifth of the predicted
        values, for the coverage of the worst group. repeats : the :func:`fidelity.plain_scores` on
        further folds, which are averaged with those of the predictions.
    """
    parts = [part for _, part in predictions.groupby("fold", sort=False)]
    n_test = len(predictions) / len(parts)
    n_train = max(n - n_test, 1.0)
    if task == "regression":
        scores = [_regression_fold(part) for part in parts]
        inside = fidelity.covered(
            *(predictions[column].to_numpy(float) for column in ("y", "low", "high"))
        )
    else:
        scores = [_classification_fold(part, classes) for part in parts]
        inside = predictions["covered"].to_numpy(bool)
    rows = []
    for metric in scores[0]:
        values = [score[metric] for score in (*scores, *repeats) if metric in score]
        unit_here = unit if task == "regression" and metric != "r2" else ""
        rows.append(
            from_folds(
                rung, metric, values, n_train=n_train, n_test=n_test,
                n=len(predictions), unit=unit_here, seed=seed,
            )
        )  # fmt: skip
    folds = predictions["fold"].to_numpy()
    shares = [float(inside[folds == name].mean()) for name in dict.fromkeys(folds)]
    rows.append(from_counts(rung, "coverage_90", inside, folds=shares, seed=seed))
    labels, kind = _coverage_groups(predictions, task, groups)
    worst, value, low, high, size = fidelity.worst_group_coverage(inside, labels)
    note = f"{kind} {worst}" if worst is not None else "no group of ten samples or more"
    rows.append(_row(rung, "worst_group_coverage", value, low, high, (), size, "", seed, note))
    found = calibration_estimates(predictions, task, classes, seed=seed)
    return rows + [from_estimate(rung, m, e, n=e.replicates, seed=seed) for m, e in found.items()]


def _regression_fold(part: pd.DataFrame) -> dict[str, float]:
    y, mean, low, high = (part[c].to_numpy(float) for c in ("y", "mean", "low", "high"))
    return {
        **fidelity.regression_scores(y, mean),
        "interval_score_90": fidelity.interval_score(y, low, high, 0.9),
        "augrc": fidelity.augrc(np.abs(y - mean), high - low),
        **({"crps": float(part["crps"].mean())} if "crps" in part else {}),
    }


def _classification_fold(part: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    code = {name: i for i, name in enumerate(classes)}
    codes = part["y"].map(code).to_numpy(int)
    probabilities = part[[f"p_{name}" for name in classes]].to_numpy(float)
    wrong = (probabilities.argmax(1) != codes).astype(float)
    return {
        **fidelity.classification_scores(codes, probabilities),
        "set_size_90": float(part["set_size"].mean()),
        "augrc": fidelity.augrc(wrong, 1.0 - probabilities.max(1)),
    }


def _coverage_groups(
    predictions: pd.DataFrame, task: Task, groups: np.ndarray | None
) -> tuple[np.ndarray, str]:
    """Labels ``(n,)`` of the groups whose coverage is compared, and what they are."""
    if groups is not None:
        return np.asarray(groups).astype(str), "group"
    if task == "classification":
        return predictions["y"].to_numpy(str), "class"
    rank = predictions["mean"].astype(float).rank(pct=True).to_numpy()
    return np.minimum((rank * 5).astype(int) + 1, 5), "predicted fifth"


def transparency_evidence(
    rung: str, quality: Sequence[Mapping[str, Sequence[float]]], *, seed: int = 0
) -> list[Evidence]:
    """Transparency rows from one mapping a fold of metric to values per explained sample.

    The mean over all samples; the median of what is a ratio that explodes where a prediction is
    close to the baseline.
    """
    rows = []
    for metric in dict.fromkeys(name for fold in quality for name in fold):
        parts = [np.asarray(fold.get(metric, ()), float) for fold in quality]
        statistic = "median" if metric in _MEDIANS else "mean"
        reduce = np.median if statistic == "median" else np.mean
        finite = [part[np.isfinite(part)] for part in parts]
        folds = [float(reduce(part)) if len(part) else float("nan") for part in finite]
        rows.append(
            from_samples(
                rung, metric, np.concatenate(parts), folds=folds, statistic=statistic, seed=seed
            )
        )
    return rows


def physics_evidence(
    rung: str, found: Sequence[Mapping[str, Any]], *, seed: int = 0
) -> list[Evidence]:
    """Agreement with exact physics, pooled over folds: ``pf_star`` with its bootstrap interval,
    the two agreements that it is made of, and ``gradient_agreement``.

    ``found``: one mapping a fold with the fields of
    :class:`~iceframe.measure.physical.agreement.PhysicalAgreement`, as lists, and
    ``gradient_agreement``, one value a sample
    (:mod:`~iceframe.measure.physical.gradient_agreement`).
    """
    from iceframe.measure.physical.agreement import PhysicalAgreement

    if not found:
        return []
    names = [name for name in found[0] if name not in ("floors", "gradient_agreement")]
    pooled = PhysicalAgreement(
        **{name: np.concatenate([np.asarray(f[name], float) for f in found]) for name in names},
        floors={
            name: np.concatenate([np.asarray(f["floors"][name], float) for f in found])
            for name in found[0]["floors"]
        },
    )
    low, high = pooled.interval(seed=seed)
    defined = int(np.isfinite(pooled.pf).sum())
    note = f"from the floor ({pooled.best_floor}, {pooled.floor:.2f}) to the solver's derivative"
    return [
        _row(rung, "pf_star", pooled.star(), low, high, (), defined, "", seed, note),
        from_samples(rung, "explanation_vs_model", pooled.explanation_vs_model, seed=seed),
        from_samples(rung, "model_vs_physics", pooled.model_vs_physics, seed=seed),
        *transparency_evidence(
            rung, [{"gradient_agreement": fold["gradient_agreement"]} for fold in found], seed=seed
        ),
    ]


def shift_evidence(
    rung: str, clusters: Sequence[pd.DataFrame], task: Task, *, unit: str = "", seed: int = 0
) -> list[Evidence]:
    """``leave_cluster_out``: the loss on each cluster that was left out whole; and the coverage.

    ``clusters`` hold ``y`` and ``mean``, or class codes ``y`` and ``p0``, ``p1``, …; the loss is
    the mean absolute error, or 1 − balanced accuracy.
    """
    losses = []
    for cluster in clusters:
        y = cluster["y"].to_numpy()
        if task == "regression":
            losses.append(fidelity.regression_scores(y, cluster["mean"].to_numpy())["mae"])
        else:
            count = sum(str(c)[:1] == "p" and str(c)[1:].isdigit() for c in cluster.columns)
            probabilities = cluster[[f"p{code}" for code in range(count)]].to_numpy(float)
            losses.append(1 - fidelity.classification_scores(y, probabilities)["balanced_accuracy"])
    total = sum(len(cluster) for cluster in clusters)
    n_test = total / len(clusters)
    loss = from_folds(
        rung, "leave_cluster_out", losses, n_train=max(total - n_test, 1.0), n_test=n_test,
        n=total, unit=unit if task == "regression" else "", seed=seed,
    )  # fmt: skip
    found = shift_estimates(clusters).items()
    return [loss, *(from_estimate(rung, m, e, n=e.replicates, seed=seed) for m, e in found)]


def complexity_evidence(
    rung: str, final: Mapping[str, Any], gdf: Sequence[Mapping[str, Any]], *, seed: int = 0
) -> list[Evidence]:
    """Complexity rows from stored estimates.

    ``final`` holds ``c2``, ``c3`` (estimates as mappings) and ``parameters``; ``gdf`` the
    degrees of freedom at a disturbance of 0.5 and of 0.1 standard deviations, each with its
    sample size ``n``.
    """
    n = int(gdf[0]["n"])
    large, small = (_estimate(g) for g in gdf)
    c1, c2, c3 = complexity_share(large, n), _estimate(final["c2"]), _estimate(final["c3"])
    many = f"{large.replicates} disturbances of {n} samples"
    parameters = Estimate(float(final["parameters"]))
    return [
        from_estimate(rung, "complexity", composite_estimate(c1, c2, c3), n=n, seed=seed),
        from_estimate(rung, "gdf", large, n=n, seed=seed, note=f"τ = 0.5 sd, {many}"),
        from_estimate(rung, "gdf_small", small, n=n, seed=seed, note=f"τ = 0.1 sd, {many}"),
        from_estimate(rung, "c1", c1, n=n, seed=seed),
        from_estimate(rung, "c2", c2, n=n, seed=seed),
        from_estimate(rung, "c3", c3, n=n, seed=seed),
        from_estimate(rung, "parameters", parameters, seed=seed),
    ]


def _estimate(record: Mapping[str, Any]) -> Estimate:
    known = {k: v for k, v in record.items() if k in Estimate.__dataclass_fields__}
    return Estimate(**{**known, "shares": tuple(known.get("shares", ()))})


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

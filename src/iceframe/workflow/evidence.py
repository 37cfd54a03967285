"""From the stored results of one rung's units to its Evidence on the three axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.values import Evidence
from iceframe.measure import fidelity as scores
from iceframe.measure.complexity import Estimate, complexity_share
from iceframe.measure.summary import (
    composite_estimate,
    from_counts,
    from_estimate,
    from_folds,
    from_samples,
)
from iceframe.workflow.plan import Workload
from iceframe.workflow.settings import LEVEL


@dataclass(frozen=True)
class About:
    """Whose evidence it is: the rung, the run's workload, and the target's unit."""

    rung: str
    work: Workload
    unit: str

    @property
    def seed(self) -> int:
        return self.work.settings.seed

    @property
    def regression(self) -> bool:
        return self.work.context.task == "regression"


# -- fidelity --------------------------------------------------------------------------------------


def fidelity(about: About, predictions: pd.DataFrame) -> list[Evidence]:
    """Errors per fold, coverage and sharpness of intervals or sets, coverage of the worst group."""
    parts = [(name, part) for name, part in predictions.groupby("fold", sort=False)]
    table = pd.DataFrame([_scores(about, part) for _, part in parts])
    n_test = len(predictions) / len(parts)
    rows = []
    for metric in table:
        rows.append(
            from_folds(
                about.rung,
                str(metric),
                table[metric].tolist(),
                n_train=len(about.work.y) - n_test,
                n_test=n_test,
                n=len(predictions),
                unit=about.unit if _in_target_units(str(metric)) else "",
                seed=about.seed,
            )
        )
    inside = _covered(about, predictions)
    rows.append(
        from_counts(
            about.rung,
            "coverage_90",
            inside,
            folds=[float(_covered(about, part).mean()) for _, part in parts],
            seed=about.seed,
        )
    )
    if about.work.labels is not None:
        rows += _worst_group(about, inside, about.work.labels[predictions["position"].to_numpy()])
    return rows


def _scores(about: About, part: pd.DataFrame) -> dict[str, float]:
    if about.regression:
        y, mean = part["y"].to_numpy(float), part["mean"].to_numpy(float)
        low, high = part["low"].to_numpy(float), part["high"].to_numpy(float)
        return {
            **scores.regression_scores(y, mean),
            "interval_score_90": scores.interval_score(y, low, high, LEVEL),
            "augrc": scores.augrc(np.abs(y - mean), high - low),
        }
    codes, probabilities = _class_arrays(about, part)
    wrong = (probabilities.argmax(axis=1) != codes).astype(float)
    return {
        **scores.classification_scores(codes, probabilities),
        "set_size_90": float(part["set_size"].mean()),
        "augrc": scores.augrc(wrong, 1.0 - probabilities.max(axis=1)),
    }


def _class_arrays(about: About, part: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    code = {name: i for i, name in enumerate(about.work.classes)}
    probabilities = part[[f"p_{name}" for name in about.work.classes]].to_numpy(float)
    return part["y"].map(code).to_numpy(int), probabilities


def _covered(about: About, part: pd.DataFrame) -> np.ndarray:
    if about.regression:
        return scores.covered(*(part[c].to_numpy(float) for c in ("y", "low", "high")))
    return part["covered"].to_numpy(bool)


def _worst_group(about: About, inside: np.ndarray, labels: np.ndarray) -> list[Evidence]:
    group, value, low, high, n = scores.worst_group_coverage(inside, labels)
    if group is None:
        return []
    return [
        Evidence(
            about.rung, "fidelity", "worst_group_coverage", value, low, high,
            better="higher", seed=about.seed, n=n, note=f"group {group}",
        )
    ]  # fmt: skip


def _in_target_units(metric: str) -> bool:
    from iceframe.measure.metrics import METRICS

    return METRICS[metric].in_target_units


def unseen_clusters(about: About, predictions: pd.DataFrame) -> list[Evidence]:
    """The loss on clusters that were left out whole: MAE, or 1 − balanced accuracy."""
    losses, n_tests = [], []
    for _, part in predictions.groupby("fold", sort=False):
        n_tests.append(len(part))
        if about.regression:
            y, mean = part["y"].to_numpy(float), part["mean"].to_numpy(float)
            losses.append(scores.regression_scores(y, mean)["mae"])
        else:
            columns = [f"p{c}" for c in range(len(about.work.classes))]
            codes, p = part["y"].to_numpy(int), part[columns].to_numpy(float)
            losses.append(1.0 - scores.classification_scores(codes, p)["balanced_accuracy"])
    n_test = float(np.mean(n_tests))
    return [
        from_folds(
            about.rung,
            "leave_cluster_out",
            losses,
            n_train=len(about.work.y) - n_test,
            n_test=n_test,
            n=len(predictions),
            unit=about.unit if about.regression else "",
            seed=about.seed,
        )
    ]


# -- transparency ----------------------------------------------------------------------------------


def transparency(about: About, folds: Sequence[Mapping[str, Sequence[float]]]) -> list[Evidence]:
    """Quality of the explanations of held-out samples, pooled over folds.

    The completeness gap is summarised by its median: the ratio explodes near the baseline.
    """
    rows = []
    for metric in folds[0]:
        values = [np.asarray(fold[metric], float) for fold in folds]
        statistic = "median" if metric == "completeness_gap" else "mean"
        reduce = np.median if statistic == "median" else np.mean
        finite = [v[np.isfinite(v)] for v in values]
        rows.append(
            from_samples(
                about.rung,
                metric,
                np.concatenate(values),
                folds=[float(reduce(v)) if len(v) else float("nan") for v in finite],
                statistic=statistic,
                seed=about.seed,
            )
        )
    return rows


# -- complexity ------------------------------------------------------------------------------------


def complexity(
    about: About, final: Mapping[str, Any], gdf: Sequence[Mapping[str, Any]]
) -> list[Evidence]:
    """GDF at two sizes of disturbance, C1, C2, C3, their composite, and the parameter count."""
    n = int(gdf[0]["n"])
    large, small = (_estimate(g) for g in gdf)
    c1 = complexity_share(large, n)
    c2, c3 = _estimate(final["c2"]), _estimate(final["c3"])
    whole = composite_estimate(c1, c2, c3)
    note = f"at fixed settings, on {n} of {len(about.work.y)} samples"
    known: dict[str, Any] = {"seed": about.seed, "n": n}
    rows = [
        from_estimate(about.rung, "complexity", whole, **known),
        from_estimate(about.rung, "gdf", large, note=note, **known),
        from_estimate(about.rung, "gdf_small", small, note=note, **known),
        from_estimate(about.rung, "c1", c1, **known),
        from_estimate(about.rung, "c2", c2, **known),
        from_estimate(about.rung, "c3", c3, **known),
    ]
    parameters = Estimate(float(final["parameters"]))
    return [*rows, from_estimate(about.rung, "parameters", parameters, **known)]


def _estimate(body: Mapping[str, Any]) -> Estimate:
    return Estimate(**{k: body[k] for k in Estimate.__dataclass_fields__ if k in body})

"""The target: whether it is there, how it is distributed, which classes are rare or values odd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.outliers import far_out
from iceframe.ingest.audit.phrases import listed
from iceframe.ingest.audit.size import class_counts

UNBALANCED = 10.0
"""Largest over smallest class from which plain accuracy says little."""
RARE = 10
WILD = 15.0
"""Robust deviations beyond which a value is more likely wrong than rare."""
ZEROS, FEWEST = 0.05, 10
"""Share of exact zeros, and number of them and of other values, from which zero is a case apart."""
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Missing, constant, unbalanced and outlying targets."""
    if data.target is None:
        return [], {}
    findings = _absent(data)
    if data.task == "classification":
        counts = class_counts(data.y[data.table[data.target].notna().to_numpy()])
        return findings + _balance(counts), {"class_counts": counts}
    y = data.y
    known = y[np.isfinite(y)]
    if not len(known):
        return findings, {}
    return findings + _outlying(data, y) + _zeros(known), {"target": summary(known)}


def summary(y: np.ndarray) -> dict[str, Any]:
    """Quantiles, moments and a histogram of a numeric target, as plain values."""
    counts, edges = np.histogram(y, bins=min(40, max(5, int(np.sqrt(len(y))))))
    return {
        "quantiles": {
            f"{q:g}": float(v) for q, v in zip(QUANTILES, np.quantile(y, QUANTILES), strict=True)
        },
        "mean": float(y.mean()),
        "sd": float(y.std()),
        "mean_absolute_deviation": float(np.abs(y - np.median(y)).mean()),
        "n_different": len(np.unique(y)),
        "histogram": {"counts": counts.tolist(), "edges": edges.tolist()},
    }


def _absent(data: Dataset) -> list[Finding]:
    column = data.table[data.target]
    bad = column.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(column):
        bad = ~np.isfinite(column.to_numpy(dtype=float, na_value=np.nan))
    if not bad.any():
        return []
    return [
        Finding(
            "target-missing",
            "error",
            f"Samples without a usable target: {int(bad.sum())}",
            f"missing or infinite in {listed(data.ids[bad])}",
            "measure them, or leave them out with --drop-invalid",
            tuple(map(str, data.ids[bad][:20])),
            float(bad.sum()),
        )
    ]


def _balance(counts: dict[str, int]) -> list[Finding]:
    if len(counts) < 2:
        return [
            Finding(
                "one-class",
                "error",
                "The target has fewer than two classes",
                ", ".join(f"{name}: {count}" for name, count in counts.items()) or "no values",
                "add samples of another class, or choose another --target",
            )
        ]
    small, large = min(counts, key=lambda c: counts[c]), max(counts, key=lambda c: counts[c])
    ratio = counts[large] / counts[small]
    if ratio < UNBALANCED and counts[small] >= RARE:
        return []
    return [
        Finding(
            "class-balance",
            "warning",
            f"Class '{small}' is rare: {counts[small]} samples",
            f"'{large}' has {counts[large]}, {ratio:.0f} times as many; a model that always "
            f"answers '{large}' is right in {counts[large] / sum(counts.values()):.0%} of cases.",
            "judge by balanced accuracy, collect more of the rare class, or merge classes; "
            "use --splits stratified",
            value=ratio,
        )
    ]


def _outlying(data: Dataset, y: np.ndarray) -> list[Finding]:
    distance = far_out(y)
    odd = distance > 0
    if not odd.any():
        return []
    order = np.flatnonzero(odd)[np.argsort(-distance[odd])]
    shown = ", ".join(f"{data.ids[i]} = {y[i]:g}" for i in order[:5])
    return [
        Finding(
            "target-outliers",
            "warning" if distance.max() > WILD else "note",
            f"Target values far from all others: {int(odd.sum())}",
            f"{shown}; the median is {np.nanmedian(y):g}, and the farthest lies "
            f"{distance.max():.0f} robust deviations away.",
            "check units and typing in these rows; correct them in the file, or take them out and "
            "run iceframe check again",
            tuple(str(data.ids[i]) for i in order[:20]),
            float(distance.max()),
        )
    ]


def _zeros(y: np.ndarray) -> list[Finding]:
    """Zeros that stand for "none", as most band gaps of metals do, beside values that vary."""
    zero = y == 0
    share = float(zero.mean())
    if share < ZEROS or zero.sum() < FEWEST or len(np.unique(y[~zero])) < FEWEST:
        return []
    return [
        Finding(
            "target-zeros",
            "note",
            f"Targets that are exactly zero: {share:.0%}",
            "One regression answers between zero and the rest.",
            "add hurdle_ebm or hurdle_trees to --ladder: they predict first whether the target is "
            "zero, then how much",
            value=share,
        )
    ]

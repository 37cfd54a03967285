"""How much data there is: samples against features, folds and their sizes."""

from __future__ import annotations

from typing import Any

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.coordinates import coordinates

FEW = 50
"""Below this a score's interval is as wide as the differences between models."""


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Small data, and more columns than samples carry."""
    n = len(data)
    columns = coordinates(data)
    d = len(columns.names) + columns.n_text
    facts: dict[str, Any] = {"n": n, "n_features": d, "task": data.task}
    if data.images is not None:
        facts["image_shape"] = list(data.images.shape)
    if splits is not None:
        facts["folds"] = _folds(data, splits)
    findings = []
    if n < FEW:
        findings.append(
            Finding(
                "few-samples",
                "warning",
                f"Only {n} samples",
                f"Below {FEW} samples, differences between models drown in chance.",
                "measure or simulate more samples; until then trust the intervals, not the ranks, "
                "and keep the ladder simple (--ladder mean,ridge,tree)",
                value=float(n),
            )
        )
    if n > FEW and d > n / 5:
        findings.append(
            Finding(
                "many-features",
                "warning" if d > n else "note",
                f"{d} feature columns for {n} samples",
                f"{n / d:.1f} samples a column: flexible models can learn the noise by heart.",
                "drop columns that cannot matter (--drop COLUMN) or measure more samples",
                value=n / d,
            )
        )
    return findings, facts


def _folds(data: Dataset, splits: Splits) -> dict[str, Any]:
    """Sizes of the folds, and the class counts of their test sets."""
    rows = []
    for fold in splits.folds:
        row: dict[str, Any] = {
            "name": fold.name,
            "train": len(fold.train),
            "test": len(fold.test),
        }
        if data.task == "classification":
            row["classes"] = class_counts(data.y[fold.test])
        rows.append(row)
    return {"spec": splits.spec, "notes": list(splits.notes), "folds": rows}


def class_counts(labels: np.ndarray) -> dict[str, int]:
    """How many samples each class has, by name."""
    names, counts = np.unique(labels, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}

"""Specimens, batches, sources: whether one sits on both sides of a split, or stands for a class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import grouped, listed

SPECIMEN = "specimen"
ORIGINS = ("batch", "reference")
"""Roles that share errors of measurement, though not the material."""


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Groups that a split tears apart, and classes that come from one specimen only."""
    findings: list[Finding] = []
    facts: dict[str, Any] = {}
    for role, column in data.groups.items():
        sizes = data.table[column].value_counts()
        if len(sizes) and sizes.max() > 1:
            facts[column] = {"role": role, "groups": len(sizes), "largest": int(sizes.max())}
            if role == SPECIMEN or role in ORIGINS:
                findings += _torn(data, role, column, splits)
        if role == SPECIMEN:
            findings += _confounded(data, column)
    grey = data.images is not None and data.images.kind == "grey"
    if SPECIMEN not in data.groups and grey:
        findings.append(
            Finding(
                "specimen-unknown",
                "note",
                "It is not known which images show one specimen",
                "Images of one specimen are alike beyond the material; with some to train on and "
                "others to test on, scores come out too good.",
                "add a specimen column to labels.csv, or name it with --specimen COLUMN",
            )
        )
    return findings, {"groups": facts}


def shared_groups(groups: np.ndarray, splits: Splits) -> np.ndarray:
    """The groups that some fold has on both sides; −1 stands for no group."""
    both = [np.intersect1d(groups[f.train], groups[f.test]) for f in splits.folds]
    shared = np.unique(np.concatenate(both)) if both else np.zeros(0, int)
    return shared[shared >= 0]


def _torn(data: Dataset, role: str, column: str, splits: Splits | None) -> list[Finding]:
    if splits is None:
        return []
    codes, names = pd.factorize(data.table[column])
    shared = shared_groups(codes.astype(int), splits)
    if not len(shared):
        return []
    strict = role == SPECIMEN
    return [
        Finding(
            "specimens-across-folds" if strict else "groups-across-folds",
            "error" if strict else "note",
            f"On both sides of the split: {len(shared)} of {len(names)} groups of '{column}'",
            f"{listed([names[i] for i in shared])}: a model may recognise the {role} instead of "
            "learning the material.",
            f"keep them whole with {grouped(column)}",
            value=float(len(shared)),
        )
    ]


def _confounded(data: Dataset, column: str) -> list[Finding]:
    if data.task != "classification" or data.target is None:
        return []
    per_class = data.table[column].groupby(data.table[data.target].astype(str)).nunique()
    alone = per_class[per_class == 1]
    if not len(alone) or data.table[column].nunique() == len(data):
        return []
    return [
        Finding(
            "class-is-specimen",
            "warning",
            f"Classes that come from a single specimen: {len(alone)}",
            f"{listed(list(alone.index))}: no model can tell the class from the specimen.",
            "prepare a second specimen of each class, or leave the class out",
            value=float(len(alone)),
        )
    ]

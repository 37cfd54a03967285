"""Columns that cannot help or must not: missing, infinite, constant, ids, twins of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import drop, listed
from iceframe.ingest.coordinates import finite, is_numeric

MOSTLY_MISSING = 0.5
FEWEST = 10
TWIN = 1 - 1e-9
TWIN_COLUMNS = 500
"""More columns than this are not compared pairwise."""


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Missing and infinite cells, constant columns, ids among the features, redundant columns."""
    missing = {name: float(data.table[name].isna().mean()) for name in data.features}
    missing = {name: share for name, share in missing.items() if share > 0}
    findings = _missing(missing) + _infinite(data) + _constant(data) + _ids(data) + _twins(data)
    return findings, {"missing": missing}


def _missing(shares: dict[str, float]) -> list[Finding]:
    if not shares:
        return []
    worst = sorted(shares, key=lambda name: -shares[name])
    shown = ", ".join(f"{name} {shares[name]:.1%}" for name in worst[:5])
    mostly = shares[worst[0]] > MOSTLY_MISSING
    return [
        Finding(
            "missing-values",
            "warning" if mostly else "note",
            f"Feature columns with missing values: {len(shares)}",
            f"{shown}.",
            "fill them in from the source; drop a column that is mostly empty with --drop COLUMN; "
            "what stays missing is imputed inside each training fold",
            value=shares[worst[0]],
        )
    ]


def _infinite(data: Dataset) -> list[Finding]:
    bad: dict[str, np.ndarray] = {}
    for name in data.features:
        if is_numeric(data.table[name]):
            rows = np.isinf(data.table[name].to_numpy(dtype=float, na_value=np.nan))
            if rows.any():
                bad[name] = rows
    if not bad:
        return []
    rows = np.any(list(bad.values()), axis=0)
    return [
        Finding(
            "infinite-values",
            "error",
            f"Samples with infinite feature values: {int(rows.sum())}",
            f"in {listed(list(bad))}: {listed(data.ids[rows])}.",
            "correct them in the file (often a division by zero), or leave the column out with "
            "--drop COLUMN",
            tuple(map(str, data.ids[rows][:20])),
            float(rows.sum()),
        )
    ]


def _constant(data: Dataset) -> list[Finding]:
    flat = [n for n in data.features if data.table[n].nunique() <= 1]
    if not flat:
        return []
    return [
        Finding(
            "constant-columns",
            "note",
            f"Feature columns that never change: {len(flat)}",
            f"{listed(flat)}.",
            f"leave them out with {drop(flat)}",
            value=float(len(flat)),
        )
    ]


def _ids(data: Dataset) -> list[Finding]:
    found = [name for name in data.features if looks_like_id(data.table[name])]
    if not found:
        return []
    return [
        Finding(
            "id-like-columns",
            "warning",
            f"Feature columns that look like ids or row counters: {len(found)}",
            f"{listed(found)}: a different value in every row.",
            f"leave them out with {drop(found)}, or name the id with --id COLUMN",
            value=float(len(found)),
        )
    ]


def looks_like_id(column: pd.Series) -> bool:
    """Text that is different in every row, or consecutive integers.

    Examples
    --------
    >>> looks_like_id(pd.Series(range(1, 40))), looks_like_id(pd.Series([20, 40, 60] * 20))
    (True, False)
    """
    if len(column) < FEWEST or column.isna().any() or column.nunique() < len(column):
        return False
    if not is_numeric(column):
        return True
    steps = np.diff(np.sort(finite(column)))
    return bool(np.all(steps == 1))


def _twins(data: Dataset) -> list[Finding]:
    names: list[str] = []
    ranks: list[np.ndarray] = []
    for name in data.features:
        column = data.table[name]
        if is_numeric(column) and len(names) < TWIN_COLUMNS:
            values = finite(column)
            # Few different values coincide by chance or by design (one-hot columns).
            if not np.isnan(values).any() and len(np.unique(values)) >= FEWEST:
                names.append(name)
                ranks.append(rankdata(values))
    if len(names) < 2:
        return []
    same = np.triu(np.abs(np.corrcoef(ranks)) > TWIN, 1)
    pairs = [f"{names[i]} and {names[j]}" for i, j in np.argwhere(same)]
    if not pairs:
        return []
    return [
        Finding(
            "redundant-columns",
            "note",
            f"Pairs of feature columns that say the same: {len(pairs)}",
            f"{listed(pairs)}: one rises or falls exactly with the other.",
            "keep one of each: its importance is otherwise split between them (--drop COLUMN)",
            value=float(len(pairs)),
        )
    ]

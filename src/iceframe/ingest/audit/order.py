"""Whether the order of the rows tells the target: neighbours in the file that are alike.

Serial correlation of the target's ranks, ``r = 1 − Σ(y_i+1 − y_i)² / 2Σ(y_i − ȳ)²``, which for rows
in random order is ``0 ± 1/√n`` (von Neumann 1941, doi:10.1214/aoms/1177731677); for classes, the
agreement of neighbours beyond chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm, rankdata

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits

FEWEST = 20
STRONG = 0.3
SURE = 1e-6


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Rows that are sorted by, or drift with, the target."""
    if data.target is None or len(data) < FEWEST:
        return [], {}
    r = serial_correlation(data)
    p = float(norm.sf(r * np.sqrt(len(data))))
    facts = {"row_order": {"serial_correlation": r, "p": p}}
    if r < STRONG or p > SURE:
        return [], facts
    return [
        Finding(
            "row-order",
            "note",
            "Neighbouring rows have similar targets",
            f"Serial correlation {r:.2f} (0 in random order): the file is sorted by "
            f"'{data.target}', or neighbours share a specimen, a batch or a session.",
            "if neighbours share a specimen, name it with --specimen COLUMN (or "
            "--splits grouped:COLUMN); if the file is only sorted, nothing: folds are shuffled",
            value=r,
        )
    ], facts


def serial_correlation(data: Dataset) -> float:
    """Likeness of neighbours' targets: 0 in random order, 1 when sorted."""
    if data.task == "classification":
        same = float(np.mean(data.y[1:] == data.y[:-1]))
        shares = np.unique(data.y, return_counts=True)[1] / len(data)
        chance = float((shares**2).sum())
        return (same - chance) / (1 - chance) if chance < 1 else 0.0
    ranks = rankdata(data.y[np.isfinite(data.y)])
    spread = 2 * ((ranks - ranks.mean()) ** 2).sum()
    return float(1 - (np.diff(ranks) ** 2).sum() / spread) if spread > 0 else 0.0

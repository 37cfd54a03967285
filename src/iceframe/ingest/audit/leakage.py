"""Features that give the target away: copies of it, single columns that settle it, telling gaps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, mannwhitneyu, rankdata

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import drop
from iceframe.ingest.coordinates import finite, is_numeric

FEWEST = 20
MONOTONE = 0.999
"""|Spearman| from which a feature ranks the samples as the target does."""
LINEAR = 0.99999
"""|Pearson| from which a feature is the target in another unit."""
SETTLED = 0.995
"""Share of samples that one column classifies, with one threshold a class boundary."""
TELLING_AUC = 0.8
TELLING_V = 0.5
"""Cramér's V between a gap and the class."""
SURE = 1e-4


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Columns through which a model could look the answer up."""
    if data.target is None or len(data) < FEWEST:
        return [], {}
    found = []
    for name in data.features:
        column = data.table[name]
        if data.task == "regression":
            found.append(_copy(name, column, data) if is_numeric(column) else None)
        else:
            found.append(_settles(name, column, data))
        found.append(_gap(name, column, data))
    return [finding for finding in found if finding is not None], {}


def _copy(name: str, column: pd.Series, data: Dataset) -> Finding | None:
    x, y = finite(column), data.y
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < FEWEST or len(np.unique(x)) < 3 or len(np.unique(y)) < 3:
        return None
    spearman = float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
    if abs(spearman) < MONOTONE:
        return None
    linear = abs(float(np.corrcoef(x, y)[0, 1])) > LINEAR
    how = "a straight-line copy" if linear else "a monotone copy"
    return Finding(
        "target-copy",
        "error" if linear else "warning",
        f"'{name}' is {how} of the target",
        f"It ranks the samples as '{data.target}' does (Spearman {spearman:+.4f}).",
        f"leave it out with {drop([name])}, unless it is known before the target is measured",
        value=spearman,
    )


def _settles(name: str, column: pd.Series, data: Dataset) -> Finding | None:
    labels = data.y
    known = column.notna().to_numpy()
    if is_numeric(column):
        known &= np.isfinite(finite(column))
    if known.mean() < 0.9 or len(np.unique(labels[known])) < 2:
        return None
    if is_numeric(column):
        share = _threshold_accuracy(finite(column)[known], labels[known])
    else:
        share = _level_accuracy(column[known].astype(str).to_numpy(), labels[known])
    if share < SETTLED:
        return None
    return Finding(
        "class-settled",
        "warning",
        f"'{name}' alone tells the class",
        f"It classifies {share:.1%} of the samples: a copy of '{data.target}', a consequence of "
        "it, or a real but trivial cue.",
        f"leave it out with {drop([name])}, unless it is known before the class is",
        value=share,
    )


def _threshold_accuracy(x: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of the best tree with one leaf a class; too small a tree to overfit."""
    from sklearn.tree import DecisionTreeClassifier

    classes = len(np.unique(labels))
    tree = DecisionTreeClassifier(max_leaf_nodes=max(2, classes), random_state=0)
    return float(tree.fit(x[:, None], labels).score(x[:, None], labels))


def _level_accuracy(levels: np.ndarray, labels: np.ndarray) -> float:
    """Accuracy of naming each level's commonest class; 0 where levels are too many to mean it."""
    table = pd.crosstab(levels, labels)
    if len(table) > len(labels) / 4:
        return 0.0
    return float(table.max(axis=1).sum() / len(labels))


def _gap(name: str, column: pd.Series, data: Dataset) -> Finding | None:
    gap = column.isna().to_numpy()
    if min(gap.sum(), (~gap).sum()) < 5:
        return None
    if data.task == "regression":
        known = np.isfinite(data.y)
        inside, outside = data.y[gap & known], data.y[~gap & known]
        test = mannwhitneyu(inside, outside)
        strength = float(test.statistic / (len(inside) * len(outside)))
        telling = abs(strength - 0.5) >= TELLING_AUC - 0.5
    else:
        table = pd.crosstab(gap, data.y).to_numpy()
        test = chi2_contingency(table)
        strength = float(np.sqrt(test.statistic / table.sum()))
        telling = strength >= TELLING_V
    if not telling or test.pvalue > SURE / max(1, len(data.features)):
        return None
    return Finding(
        "telling-gaps",
        "warning",
        f"Where '{name}' is missing, the target differs",
        f"A model can read '{data.target}' from the gap alone (strength {strength:.2f}, "
        f"p = {test.pvalue:.1g}).",
        f"find out why it was not measured; leave it out with {drop([name])} if a new sample "
        "would not have the same gaps",
        value=strength,
    )

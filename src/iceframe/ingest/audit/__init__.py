"""The audit: what is wrong with a data set, how bad it is, and what to do about it.

One file a family of checks. Each takes the data, the splits and a seed, and gives findings and
facts; :func:`check` puts them together, worst first.
"""

from __future__ import annotations

from typing import Any

from iceframe.core.dataset import Dataset
from iceframe.core.values import Audit, Finding, Splits
from iceframe.ingest.audit import (
    columns,
    compositions,
    copies,
    crystals,
    leakage,
    magnitudes,
    nuisance,
    order,
    outliers,
    size,
    specimens,
    target,
)

__all__ = ["check"]

FAMILIES = (
    size,
    target,
    columns,
    magnitudes,
    leakage,
    copies,
    compositions,
    crystals,
    specimens,
    outliers,
    order,
    nuisance,
)
SEVERITIES = ("error", "warning", "note")


def check(data: Dataset, splits: Splits | None = None, *, seed: int = 0) -> Audit:
    """Audit ``data``, and ``splits`` where given: do they put copies or specimens on both sides?

    The findings come worst first; ``facts`` are plain JSON values. Checks that need a target are
    left out where there is none. Randomness (folds and forest of the nuisance baseline) follows
    from ``seed``.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> table = pd.DataFrame({"x": np.arange(60) % 7 + np.arange(60) / 60, "flat": 1.0})
    >>> table["y"] = np.sin(np.arange(60.0) ** 2)
    >>> audit = check(Dataset(table, "y", "regression", ("x", "flat")))
    >>> [f.code for f in audit.findings], audit.facts["n"]
    (['constant-columns'], 60)
    """
    findings: list[Finding] = []
    facts: dict[str, Any] = {}
    for family in FAMILIES:
        found, known = family.examine(data, splits, seed)
        findings += found
        facts |= known
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Audit(tuple(findings), facts)

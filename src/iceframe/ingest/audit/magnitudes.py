"""Units: which columns state one, and columns whose values look like two units mixed.

A column entered partly in MPa and partly in Pa falls, on a logarithmic scale, into two clouds of
similar width with an empty gap between them, about a whole number of thousands apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import listed
from iceframe.ingest.coordinates import finite, is_numeric
from iceframe.ingest.quantities import unit_in_name

FEWEST_ROWS = 20
FEWEST_IN_CLOUD = 3
GAP = 1.0
"""Empty decades between the clouds."""
FACTORS = (2.0, 3.0, 6.0, 9.0)
"""Decades between units that are mixed up: cm² and m²'s hundred, thousands, millions, billions."""
FACTOR_TOLERANCE = 0.5


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Units that are stated, and columns that seem to mix two."""
    names = [*data.features]
    if data.target is not None and data.task == "regression":
        names.append(data.target)
    units = {name: str(data.units.get(name) or unit_in_name(name)) for name in names}
    units = {name: unit for name, unit in units.items() if unit}
    findings = []
    for name in names:
        if not is_numeric(data.table[name]):
            continue
        values = finite(data.table[name])
        odd = second_cloud(values)
        if odd.any():
            findings.append(_finding(data, name, values, odd))
    return findings, {"units": units}


def second_cloud(values: np.ndarray) -> np.ndarray:
    """Rows ``(n,)`` bool of the smaller cloud, all False where there is only one.

    Examples
    --------
    >>> mpa = np.linspace(200, 900, 40)
    >>> second_cloud(np.r_[mpa, mpa[:5] * 1e6]).nonzero()[0].tolist()
    [40, 41, 42, 43, 44]
    """
    nobody = np.zeros(len(values), bool)
    positive = np.flatnonzero(np.isfinite(values) & (values > 0))
    if len(positive) < FEWEST_ROWS:
        return nobody
    logs = np.log10(values[positive])
    order = np.argsort(logs)
    steps = np.diff(logs[order])
    cut = int(steps.argmax())
    low, high = logs[order[: cut + 1]], logs[order[cut + 1 :]]
    if steps[cut] < GAP or min(len(low), len(high)) < FEWEST_IN_CLOUD:
        return nobody
    # A column with a few levels far apart is a design, not a mistake of units.
    if min(len(np.unique(low)), len(np.unique(high))) < FEWEST_IN_CLOUD:
        return nobody
    apart = float(np.median(high) - np.median(low))
    wide = max(np.ptp(low), np.ptp(high)) > steps[cut]
    if wide or min(abs(apart - f) for f in FACTORS) > FACTOR_TOLERANCE:
        return nobody
    smaller = order[: cut + 1] if len(low) < len(high) else order[cut + 1 :]
    nobody[positive[smaller]] = True
    return nobody


def _finding(data: Dataset, name: str, values: np.ndarray, odd: np.ndarray) -> Finding:
    rest = values[~odd & np.isfinite(values) & (values > 0)]
    factor = np.median(values[odd]) / np.median(rest)
    return Finding(
        "mixed-units",
        "warning",
        f"'{name}' seems to mix two units",
        f"{int(odd.sum())} values lie about {factor:.2g} times the others, with nothing between: "
        f"{listed(data.ids[odd])}.",
        "convert these rows to one unit in the file, and state it in the column's name: "
        f"'{name} (MPa)'",
        tuple(map(str, data.ids[odd][:20])),
        float(factor),
    )

"""Values far from all others, in columns and in the look of images.

The distance is counted in median absolute deviations, separately above and below the median
("double MAD": skewed columns are no alarm), on the plain or the logarithmic scale, whichever makes
less of it. Reference: Leys et al. 2013, doi:10.1016/j.jesp.2013.03.013.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import listed
from iceframe.ingest.coordinates import finite, is_numeric
from iceframe.ingest.looks import looks

FAR = 8.0
"""Robust deviations; a normal sample of 20 000 stays below 5, an exponential one, on one of the two
scales, below 7."""
FEW_OUTLIERS, MOST_OUTLIERS = 3, 0.02
"""If more lie far out it is the column's shape, not a few odd values."""
FEWEST = 20
MAD_TO_SD = 1.4826
SATURATED = 0.6
BLANK = 1e-3


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Outlying feature values; blank, saturated and odd-looking images."""
    findings, facts = _columns(data)
    if data.images is not None and data.images.kind == "grey":
        findings += _images(data)
    return findings, facts


def far_out(values: np.ndarray) -> np.ndarray:
    """Distance ``(n,)`` in robust deviations where it is beyond :data:`FAR`, else 0.

    Examples
    --------
    >>> x = np.r_[np.linspace(0, 1, 99), 30.0]
    >>> far_out(x).nonzero()[0].tolist()
    [99]
    """
    known = np.isfinite(values)
    result = np.zeros(len(values))
    if known.sum() < FEWEST:
        return result
    x = values[known]
    distance = _double_mad(x)
    if (x > 0).all():
        distance = np.minimum(distance, _double_mad(np.log(x)))
    far = distance > FAR
    if 0 < far.sum() <= max(FEW_OUTLIERS, MOST_OUTLIERS * len(x)):
        result[known] = np.where(far, distance, 0.0)
    return result


def _double_mad(x: np.ndarray) -> np.ndarray:
    middle = np.median(x)
    off = x - middle
    result = np.zeros(len(x))
    for side in (off > 0, off < 0):
        including = side | (off == 0)
        scale = MAD_TO_SD * np.median(np.abs(off[including])) if including.any() else 0.0
        if scale > 0:
            result[side] = np.abs(off[side]) / scale
    return result


def _columns(data: Dataset) -> tuple[list[Finding], dict[str, Any]]:
    rows: set[int] = set()
    worst: dict[str, float] = {}
    examples: list[str] = []
    for name in data.features:
        if not is_numeric(data.table[name]):
            continue
        values = finite(data.table[name])
        distance = far_out(values)
        if distance.any():
            top = int(distance.argmax())
            worst[name] = float(distance[top])
            examples.append(f"{name} = {values[top]:g} in {data.ids[top]}")
            rows |= set(np.flatnonzero(distance).tolist())
    if not worst:
        return [], {"outliers": {}}
    ids = [str(data.ids[i]) for i in sorted(rows)]
    finding = Finding(
        "feature-outliers",
        "note",
        f"Samples with feature values far from all others: {len(ids)}",
        f"{listed(examples)}.",
        "check units and typing in these rows and correct them in the file; "
        "drop a column that cannot be trusted with --drop COLUMN",
        tuple(ids[:20]),
        max(worst.values()),
    )
    return [finding], {"outliers": worst}


def _images(data: Dataset) -> list[Finding]:
    assert data.images is not None
    seen = looks(data.images)
    contrast, sharpness = seen.column("contrast"), seen.column("sharpness")
    blank = contrast < BLANK
    saturated = seen.column("darkest share") + seen.column("brightest share") > SATURATED
    odd = np.zeros(len(blank))
    for values in (seen.column("mean grey"), contrast, sharpness):
        odd = np.maximum(odd, far_out(np.where(blank, np.nan, values)))
    cases = (
        (
            "blank-images",
            "warning",
            blank,
            "Blank images, every pixel of the same grey",
            "delete or re-acquire them, and remove their rows from labels.csv",
        ),
        (
            "saturated-images",
            "note",
            saturated & ~blank,
            "Images of mostly pure black and white",
            "re-export them without contrast stretching; if they are segmented phases, say so with "
            '"kind": "phase" in dataset.json',
        ),
        (
            "odd-images",
            "note",
            (odd > 0) & ~blank,
            "Images unlike all others in brightness, contrast or sharpness",
            "look at them: wrong magnification, a chart, or another instrument? "
            "If so, remove them and run iceframe check again",
        ),
    )
    return [
        Finding(
            code,
            severity,  # type: ignore[arg-type]
            f"{what}: {int(which.sum())}",
            f"{listed(data.ids[which])}.",
            remedy,
            tuple(map(str, data.ids[which][:20])),
            float(which.sum()),
        )
        for code, severity, which, what, remedy in cases
        if which.any()
    ]

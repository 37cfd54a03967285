"""Coverage group by group: which groups fall short of the level, and is that more than chance?

Each group's share of covered samples comes with its exact interval (Clopper & Pearson 1934,
doi 10.1093/biomet/26.4.404), widened for the number of groups (Bonferroni), so that all intervals
hold together and that of the worst group may be quoted although it was picked. A group falls short
where the binomial test of "coverage ≥ level" is refused after Holm's correction (1979,
https://www.jstor.org/stable/4615733).

Trap: what calibrated the intervals is a sample too. With n calibration samples the true coverage
varies by about √(level (1 − level)/n) from one calibration to the next, for all groups together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iceframe.measure.fidelity import SMALLEST_GROUP, clopper_pearson
from iceframe.measure.uncertainty.intervals import checked_level


@dataclass(frozen=True)
class GroupCoverage:
    """Coverage of one group: the ``share`` of its ``n`` samples with simultaneous ends ``low`` and
    ``high``, and the Holm-corrected ``p`` of covering at the level or more."""

    group: str
    n: int
    share: float
    low: float
    high: float
    p: float

    def falls_short(self, significance: float = 0.05) -> bool:
        """Whether the coverage is below the level by more than chance."""
        return self.p < significance


def coverage_by_group(
    inside: np.ndarray,
    groups: np.ndarray,
    level: float = 0.9,
    *,
    confidence: float = 0.95,
    smallest: int = SMALLEST_GROUP,
) -> tuple[GroupCoverage, ...]:
    """Coverage of each group of ``smallest`` samples or more, the worst first.

    Parameters
    ----------
    inside : bool ``(n,)``. groups : ``(n,)``.

    Examples
    --------
    >>> inside = np.array([True] * 38 + [False] * 2 + [True] * 24 + [False] * 16)
    >>> worst, other = coverage_by_group(inside, np.repeat(["a", "b"], 40))
    >>> worst.group, worst.share, worst.falls_short(), other.falls_short()
    ('b', 0.6, True, False)
    """
    from scipy import special

    checked_level(level)
    inside, names = np.asarray(inside, bool), np.asarray(groups).astype(str)
    if inside.shape != names.shape:
        raise ValueError(f"inside {inside.shape} and groups {names.shape} do not match")
    found, code = np.unique(names, return_inverse=True)
    size = np.bincount(code)
    hits = np.bincount(code, weights=inside).astype(int)
    kept = np.flatnonzero(size >= smallest)
    if not len(kept):
        return ()
    adjusted = holm(special.bdtr(hits[kept].astype(float), size[kept], level))
    together = 1.0 - (1.0 - confidence) / len(kept)
    rows = [
        GroupCoverage(
            str(found[i]), int(size[i]), *clopper_pearson(int(hits[i]), int(size[i]), together), p
        )
        for i, p in zip(kept, adjusted.tolist(), strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: row.share))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of p-values ``(k,)``: family-wise error control without any
    assumption on their dependence.

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted

"""Do groups differ in any of many numbers? One question, answered at one level for all of them.

For every number and every group the studentised difference between the group and the others,

``t = (m_c − m_r) / √(s_c²/n_c + s_r²/n_r)``  (Welch 1947, doi:10.1093/biomet/34.1-2.28),

and for every number the largest over groups. The level for all numbers together comes from the
largest of them when the groups are dealt out at random (Westfall & Young's max-T); a studentised
statistic keeps the level also where the groups differ in their spread (Chung & Romano 2013,
doi:10.1214/13-AOS1090).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEWEST = 8
"""Samples of the smallest group that is compared."""

GROUPS = 4
"""A number is cut into so many groups of equal size."""

LEAST_SPREAD = 1e-3
"""Of a group, in standard deviations of all samples: keeps few equal values from being certain."""


@dataclass(frozen=True)
class Differences:
    """``t`` float ``(f,)``, signed, of the group ``leading`` ``(f,)`` that differs most;
    ``difference`` ``(f,)`` of its mean from the others'; ``critical``: what the largest of all
    ``|t|`` does not reach by chance; ``null``: largest ``|t|`` of each random deal ``(draws,)``;
    ``by_group`` ``(k, f)``: ``t`` of every group."""

    t: np.ndarray
    leading: np.ndarray
    difference: np.ndarray
    critical: float
    null: np.ndarray
    by_group: np.ndarray

    def p(self, column: int) -> float:
        """p-value of one number, corrected for all that were looked at."""
        return float((1 + (self.null >= abs(self.t[column])).sum()) / (1 + len(self.null)))


def groups_of(y: np.ndarray, classification: bool) -> np.ndarray:
    """Group of each sample ``(n,)``: its class, or its quarter of the target; −1 for members of
    groups below :data:`FEWEST` and for targets that are no numbers.

    Examples
    --------
    >>> groups_of(np.arange(40.0), False).tolist()[::10]
    [0, 1, 2, 3]
    """
    y = np.asarray(y)
    if classification:
        codes = np.unique(y, return_inverse=True)[1]
    else:
        known = np.isfinite(y)
        edges = np.quantile(y[known], np.arange(1, GROUPS) / GROUPS) if known.any() else []
        codes = np.where(known, np.searchsorted(np.unique(edges), y, side="left"), -1)
    sizes = np.bincount(codes[codes >= 0], minlength=1)
    small = np.isin(codes, np.flatnonzero(sizes < FEWEST))
    kept = np.where((codes < 0) | small, -1, codes)
    return np.where(kept < 0, -1, np.searchsorted(np.unique(kept[kept >= 0]), kept))


def compare(
    x: np.ndarray,
    groups: np.ndarray,
    rng: np.random.Generator,
    *,
    only_more: np.ndarray | None = None,
    draws: int = 399,
    level: float = 0.01,
) -> Differences:
    """Which columns of ``x`` ``(n, f)`` differ between ``groups`` ``(n,)``, codes from 0.

    ``only_more`` bool ``(f,)``: columns of which only an excess of a group counts.

    Raises
    ------
    ValueError : fewer than two groups.
    """
    x, groups = np.asarray(x, float), np.asarray(groups, int)
    k = int(groups.max(initial=-1)) + 1
    if k < 2:
        raise ValueError("there must be two groups or more")
    x = x - x.mean(axis=0)
    sums = _Sums(x, only_more)
    member = (groups[:, None] == np.arange(k)).astype(float)
    t, difference = sums.studentised(member)
    strength = sums.strength(t)
    # Two groups differ from one another alike: the first of equals, not what rounding says.
    leading = (strength >= strength.max(axis=0) - 1e-9 * np.abs(t).max(axis=0)).argmax(axis=0)
    at = leading, np.arange(x.shape[1])
    null = np.array(
        [
            sums.strength(sums.studentised(member[rng.permutation(len(x))])[0]).max()
            for _ in range(draws)
        ]
    )
    critical = float(np.quantile(null, 1 - level, method="higher"))
    return Differences(t[at], leading, difference[at], critical, null, t)


class _Sums:
    """What does not change when groups are dealt out anew."""

    def __init__(self, x: np.ndarray, only_more: np.ndarray | None) -> None:
        self.x, self.square = x, x**2
        self.total, self.total_square = x.sum(axis=0), self.square.sum(axis=0)
        self.floor = LEAST_SPREAD**2 * self.total_square / len(x) + 1e-18
        self.only_more = np.zeros(x.shape[1], bool) if only_more is None else only_more

    def studentised(self, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``t`` and the difference of means ``(k, f)`` of memberships ``(n, k)``."""
        n = member.sum(axis=0)[:, None]
        rest = len(self.x) - n
        inside, squares = member.T @ self.x, member.T @ self.square
        mean, mean_rest = inside / n, (self.total - inside) / rest
        spread = np.maximum(squares / n - mean**2, self.floor) * n / (n - 1)
        spread_rest = (self.total_square - squares) / rest - mean_rest**2
        spread_rest = np.maximum(spread_rest, self.floor) * rest / (rest - 1)
        difference = mean - mean_rest
        return difference / np.sqrt(spread / n + spread_rest / rest), difference

    def strength(self, t: np.ndarray) -> np.ndarray:
        return np.where(self.only_more, t, np.abs(t))

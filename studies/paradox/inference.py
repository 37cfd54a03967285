"""The statistics of the answers: intervals over seeds, rank correlations, nested regressions.

- Student's t over seeds, where a number is one a seed.
- Bootstrap over *clusters*: whole models (or whole seeds) are drawn with replacement, since the
  maps of one model (the models of one training set) are alike. Few clusters make such intervals too
  narrow: five seeds are few.
- Rank correlation within groups: ranks are taken in each group, centred and scaled to [−½, ½]
  before they are pooled, so that nothing between groups counts.
- Nested regressions: the F-test of the added column and the gain ΔR² = R²(with) − R²(without).

References: Cameron, Gelbach & Miller 2008, doi:10.1162/rest.90.3.414 (bootstrap by clusters, and
what few of them do); Draper & Smith 1998, ch. 6 (extra sum of squares).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from iceframe.core.seeds import generator

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval and what it rests on."""

    value: float
    low: float
    high: float
    n: int

    def text(self, digits: int = 3) -> str:
        """``value (low to high)``; a dash where there is nothing."""
        if not np.isfinite(self.value):
            return "–"
        if not np.isfinite(self.low):
            return f"{self.value:.{digits}f}"
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"

    def excludes(self, value: float = 0.0) -> bool:
        """Whether ``value`` lies outside the interval."""
        return bool(self.low > value or self.high < value)


NOTHING = Interval(np.nan, np.nan, np.nan, 0)


def student(values: Sequence[float] | np.ndarray) -> Interval:
    """Mean with Student's t interval over the finite values.

    >>> student([1.0, 2.0, 3.0]).text(2)
    '2.00 (-0.48 to 4.48)'
    """
    x = np.asarray(values, float)
    x = x[np.isfinite(x)]
    if len(x) == 0:
        return NOTHING
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, np.nan, np.nan, 1)
    half = stats.t.ppf((1 + LEVEL) / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x))
    return Interval(mean, float(mean - half), float(mean + half), len(x))


def by_clusters(
    statistic: Callable[[pd.DataFrame], float],
    table: pd.DataFrame,
    clusters: Sequence[str],
    draws: int,
    seed: int,
) -> Interval:
    """``statistic`` of a table, with the percentile bootstrap over whole clusters.

    ``clusters``: the columns that say which rows belong together. A cluster that is drawn twice is
    two clusters: the column ``drawn`` numbers them.
    """
    members = list(table.groupby(list(clusters), sort=True).indices.values())
    value = statistic(table.assign(drawn=0))
    rng = generator(seed, "clusters", *clusters)
    found = np.empty(draws)
    sizes = np.array([len(m) for m in members])
    for k in range(draws):
        chosen = rng.integers(len(members), size=len(members))
        rows = np.concatenate([members[c] for c in chosen])
        drawn = np.repeat(np.arange(len(chosen)), sizes[chosen])
        found[k] = statistic(table.iloc[rows].assign(drawn=drawn))
    if not np.isfinite(found).any():
        return Interval(value, np.nan, np.nan, len(members))
    low, high = np.nanquantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), len(members))


def rank_correlation(
    table: pd.DataFrame,
    x: str,
    y: str,
    within: Sequence[str] = (),
    clusters: Sequence[str] = (),
    draws: int = 0,
    seed: int = 0,
) -> Interval:
    """Spearman's correlation of two columns, of what varies within the groups ``within``.

    The bootstrap draws ``clusters``; ranks stay those of the whole sample (in the groups, where
    there are any), so that a draw is a weighted correlation of them.

    >>> table = pd.DataFrame({"x": [1, 2, 11, 12], "y": [2, 1, 22, 21], "g": [0, 0, 1, 1]})
    >>> found = [rank_correlation(table, "x", "y", within) for within in ([], ["g"])]
    >>> [round(one.value, 3) for one in found]
    [0.6, -1.0]
    """
    both = table[np.isfinite(table[x]) & np.isfinite(table[y])]
    if within and len(both):
        both = both[both.groupby(list(within))[x].transform("size") > 1]
    if len(both) < 3:
        return NOTHING
    if within:
        groups = both.groupby(list(within))
        size = groups[x].transform("size").to_numpy(float)
        ranks = [(groups[c].rank().to_numpy() - (size + 1) / 2) / (size - 1) for c in (x, y)]
    else:
        ranks = [stats.rankdata(both[c]) - (len(both) + 1) / 2 for c in (x, y)]
    a, b = ranks
    moments = np.column_stack([np.ones(len(a)), a, b, a * a, b * b, a * b])
    value = float(_correlation(moments.sum(axis=0)[None])[0])
    if not clusters or not draws:
        return Interval(value, np.nan, np.nan, len(both))
    code = both.groupby(list(clusters)).ngroup().to_numpy()
    sums = np.zeros((code.max() + 1, moments.shape[1]))
    np.add.at(sums, code, moments)
    rng = generator(seed, "rank correlation", x, y, *within)
    counts = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=draws)
    found = _correlation(counts @ sums)
    if not np.isfinite(found).any():
        return Interval(value, np.nan, np.nan, len(both))
    low, high = np.nanquantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high), len(both))


def _correlation(sums: np.ndarray) -> np.ndarray:
    """Pearson's correlation from sums of 1, a, b, a², b², ab ``(draws, 6)``."""
    n, a, b, aa, bb, ab = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((aa - a * a / n) * (bb - b * b / n))
        return np.where(spread > 1e-12, (ab - a * b / n) / spread, np.nan)


@dataclass(frozen=True)
class Nested:
    """What one more column adds to a regression: ``slope`` per standard deviation of the column."""

    gain: float
    r2: float
    slope: float
    f: float
    p: float
    n: int


def nested(table: pd.DataFrame, y: str, base: Sequence[str], added: str,
           effects: Sequence[str] = ()) -> Nested:  # fmt: skip
    """Least squares of ``y`` on ``base`` and a constant for every level of ``effects``, without and
    with the column ``added``.

    >>> x = np.arange(8.0)
    >>> table = pd.DataFrame({"a": x, "b": x % 3, "y": x + 2 * (x % 3)})
    >>> found = nested(table, "y", ["a"], "b")
    >>> round(found.r2 + found.gain, 6), found.p < 1e-6
    (1.0, True)
    """
    columns = [y, *base, added]
    table = table[np.isfinite(table[columns]).all(axis=1)]
    n = len(table)
    nothing = Nested(np.nan, np.nan, np.nan, np.nan, np.nan, n)
    if n < len(base) + 4:
        return nothing
    parts = [np.ones((n, 1)), table[list(base)].to_numpy(float)]
    for effect in effects:
        parts.append(pd.get_dummies(table[effect], drop_first=True).to_numpy(float))
    without = np.hstack(parts)
    column = table[added].to_numpy(float)
    spread = column.std()
    if spread == 0:
        return nothing
    with_it = np.column_stack([without, (column - column.mean()) / spread])
    target = table[y].to_numpy(float)
    total = np.sum((target - target.mean()) ** 2)
    lost0, _, _ = _least_squares(without, target)
    lost1, beta, rank = _least_squares(with_it, target)
    free = n - rank
    if free < 1 or total == 0:
        return nothing
    f = (lost0 - lost1) / max(lost1 / free, np.finfo(float).tiny)
    gain, r2, p = (lost0 - lost1) / total, 1 - lost0 / total, stats.f.sf(f, 1, free)
    return Nested(float(gain), float(r2), float(beta[-1]), float(f), float(p), n)


def _least_squares(x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, int]:
    beta, _, rank, _ = np.linalg.lstsq(x, y, rcond=None)
    return float(np.sum((y - x @ beta) ** 2)), beta, int(rank)

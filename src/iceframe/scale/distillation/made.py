"""Samples without a target, made between neighbours of a table: what a teacher is asked about.

Each new row starts at a sample ``a`` and takes a part of its columns some way towards a near
neighbour ``b``: ``x_j = a_j + u_j (b_j − a_j)`` with ``u_j`` uniform on [0, 1] for a random half of
the columns, 0 for the others. This is the local interpolation of MUNGE (Bucilă et al. 2006,
https://doi.org/10.1145/1150402.1150464) with a uniform instead of a normal distribution, so that
nothing leaves the range of the data. Columns that belong together move together: element fractions
(a new row is a mixture of two neighbouring compositions, and adds up to one) and the columns of one
category. Values of a column that holds whole numbers only, and gaps, are taken over whole.

Whole rows on the line between neighbours (SMOTE) were tried on the steels and the exfoliation
energies: students learned less from them, as columns that always move together cannot be told
apart.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.seeds import generator
from iceframe.core.values import Representation

NEIGHBOURS = 5
MOVED = 0.5  # share of the columns of a row that leave its first sample
TOGETHER = ("fractions",)
"""Blocks of columns that only make sense together."""


def made_rows(table: Representation, n: int, seed: int) -> Representation:
    """``n`` new rows between the rows of ``table``, which has two or more.

    Examples
    --------
    >>> table = Representation(np.array([[0.0, 10.0], [1.0, 20.0]]), ("a", "b"), ("", ""))
    >>> rows = made_rows(table, 100, 0).values
    >>> rows.shape, bool((rows[:, 0] >= 0).all() and (rows[:, 1] <= 20).all())
    ((100, 2), True)
    """
    rng = generator(seed, "made rows")
    x = table.values
    near = _neighbours(x)
    first = rng.integers(len(x), size=n)
    second = near[first, rng.integers(near.shape[1], size=n)]
    groups = _groups(table)
    way = rng.uniform(size=(n, groups.max() + 1))
    way *= rng.uniform(size=way.shape) < MOVED
    way = way[:, groups]  # (n, d)
    a, b = x[first], x[second]
    with np.errstate(invalid="ignore"):
        between = a + way * (b - a)
    whole = _whole(x) | np.isnan(between)
    values = np.where(whole, np.where(way > 0.5, b, a), between)
    return Representation(values, table.names, table.units, table.blocks, table.references)


def _groups(table: Representation) -> np.ndarray:
    """A number for each column ``(d,)``; columns that move together share one."""
    kinds: list[object] = list(range(table.values.shape[1]))
    for block in TOGETHER:
        for column in table.blocks.get(block, ()):
            kinds[column] = block
    for column, name in enumerate(table.names):
        category, equals, _ = name.partition(" = ")
        if equals:  # the columns of a category, as "route = cast" and "route = rolled"
            kinds[column] = category
    order = {kind: place for place, kind in enumerate(dict.fromkeys(kinds))}
    return np.array([order[kind] for kind in kinds], int)


def _whole(x: np.ndarray) -> np.ndarray:
    """Whether a column holds whole numbers only ``(d,)``."""
    known = np.where(np.isnan(x), 0.0, x)
    return np.all(known == np.round(known), axis=0)


def _neighbours(x: np.ndarray) -> np.ndarray:
    """Positions ``(n, k)`` of the nearest other rows in standardised columns."""
    from sklearn.impute import SimpleImputer
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import StandardScaler

    filled = SimpleImputer(strategy="median", keep_empty_features=True).fit_transform(x)
    z = StandardScaler().fit_transform(filled)
    k = min(NEIGHBOURS, len(x) - 1)
    found = NearestNeighbors(n_neighbors=k, algorithm="brute", n_jobs=1).fit(z)
    return found.kneighbors(return_distance=False)  # without the row itself

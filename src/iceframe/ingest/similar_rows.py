"""Rows of a table that are the same, or the same but for rounding.

Exact: every column is equal. Near: no column differs by more than 1 % of its robust spread, *and*
the two rows lie far closer than neighbours in these data do by chance. The second condition is
what keeps dense or gridded tables from false alarms: if points are spread smoothly in ``m``
intrinsic dimensions, the ratio ``u = r / r_k`` of a distance to the distance of the ``k``-th
neighbour satisfies ``P(u_1 < t) = 1 − (1 − t^m)^(k−1)`` for the first neighbour (Facco et al. 2017,
doi:10.1038/s41598-017-11873-y, with k = 2); ``m`` is read off the median of ``u_1`` and ``t``
chosen so that chance gives 0.05 pairs in the whole table.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from iceframe.ingest.coordinates import Coordinates

TOLERANCE = 0.01
"""Largest difference in any column, in robust standard deviations."""
NEIGHBOUR = 10
"""The neighbour whose distance sets the local scale; larger families of near-copies escape."""
EXPECTED_FALSE_PAIRS = 0.05
MAX_CANDIDATES = 5_000_000
REFERENCE_ROWS = 400


def similar_rows(columns: Coordinates, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sorted pairs of rows ``(m, 2)`` and their largest difference ``(m,)`` in robust deviations.

    Families of identical rows are given as a chain of pairs, not as all of their pairs.

    Examples
    --------
    >>> from iceframe.ingest.coordinates import Coordinates
    >>> values = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    >>> c = Coordinates(values, np.zeros((3, 2), bool), ("a", "b"), np.zeros(3, int), 0)
    >>> similar_rows(c)[0].tolist()
    [[0, 2]]
    """
    if columns.empty:
        return np.zeros((0, 2), int), np.zeros(0)
    table = np.column_stack([columns.keys, columns.values])
    _, first, group = np.unique(table, axis=0, return_index=True, return_inverse=True)
    exact = _chains(group.ravel())
    near, distance = _near(columns, first, seed)
    pairs = np.sort(np.vstack([exact, near]), axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], np.concatenate([np.zeros(len(exact)), distance])[order]


def _chains(group: np.ndarray) -> np.ndarray:
    """Consecutive members of each group, as pairs ``(m, 2)``."""
    order = np.argsort(group, kind="stable")
    same = group[order][1:] == group[order][:-1]
    return np.column_stack([order[:-1][same], order[1:][same]]).astype(int)


def _near(columns: Coordinates, rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Near pairs among distinct rows at positions ``rows``."""
    nothing = np.zeros((0, 2), int), np.zeros(0)
    spread = columns.spread()
    values = columns.values[np.ix_(rows, spread > 0)] / spread[spread > 0]
    n, d = values.shape
    if n <= NEIGHBOUR + 1 or d == 0:
        return nothing
    pairs = _candidates(values, seed)
    pairs = pairs[columns.keys[rows[pairs[:, 0]]] == columns.keys[rows[pairs[:, 1]]]]
    gap = np.abs(values[pairs[:, 0]] - values[pairs[:, 1]]).max(axis=1, initial=0.0)
    close = (gap <= TOLERANCE) & (gap > 0)
    pairs, gap = pairs[close], gap[close]
    if not len(pairs):
        return nothing
    distance = np.linalg.norm(values[pairs[:, 0]] - values[pairs[:, 1]], axis=1)
    ends = np.unique(pairs)
    scale = np.zeros(n)
    scale[ends] = _neighbour_distances(values, ends)[:, NEIGHBOUR - 1]
    ratio = distance / np.maximum(scale[pairs].min(axis=1), 1e-300)
    kept = ratio < _chance_ratio(values, seed)
    return rows[pairs[kept]], gap[kept]


def _candidates(values: np.ndarray, seed: int) -> np.ndarray:
    """Pairs ``(m, 2)`` that may differ by less than the tolerance in every column.

    A tree in many dimensions is slow, so rows are first compared along a few random directions: a
    difference of at most ``TOLERANCE`` a column is at most ``TOLERANCE · Σ|w|`` along ``w``.
    """
    n, d = values.shape
    if d <= 6:
        projected, radius = values, TOLERANCE
    else:
        w = np.random.default_rng(seed).choice((-1.0, 1.0), (d, 6)) / d
        projected, radius = values @ w, TOLERANCE
    tree = cKDTree(projected)
    while tree.count_neighbors(tree, radius, p=np.inf) > 2 * MAX_CANDIDATES + n:
        radius /= 4  # so dense a table holds no near-copies that chance would not give
    return tree.query_pairs(radius, p=np.inf, output_type="ndarray").astype(int)


def _neighbour_distances(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Distances from ``rows`` to their ``NEIGHBOUR`` nearest other rows, ascending ``(m, k)``."""
    blocks = []
    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        distances = cdist(values[part], values)
        distances[np.arange(len(part)), part] = np.inf
        blocks.append(np.sort(np.partition(distances, NEIGHBOUR - 1)[:, :NEIGHBOUR], axis=1))
    return np.vstack(blocks)


def _chance_ratio(values: np.ndarray, seed: int) -> float:
    """The ratio r / r_k below which chance gives ``EXPECTED_FALSE_PAIRS`` pairs in all."""
    n, d = values.shape
    rows = np.random.default_rng(seed).permutation(n)[:REFERENCE_ROWS]
    distances = _neighbour_distances(values, rows)
    ratio = distances[:, 0] / np.maximum(distances[:, -1], 1e-300)
    middle = float(np.clip(np.median(ratio), 1e-6, 1 - 1e-6))
    median = 1 - 0.5 ** (1 / (NEIGHBOUR - 1))  # of u^m ~ Beta(1, k − 1)
    dimension = float(np.clip(np.log(median) / np.log(middle), 0.5, d))
    return float((EXPECTED_FALSE_PAIRS / (n * (NEIGHBOUR - 1))) ** (1 / dimension))

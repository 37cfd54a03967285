"""Connected pieces of a phase on a periodic grid; voxels touch through their faces."""

from __future__ import annotations

import numpy as np


def piece_sizes(mask: np.ndarray) -> np.ndarray:
    """Voxels in each connected piece of ``mask`` (boolean, periodic), the largest first.

    Examples
    --------
    >>> piece_sizes(np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], bool)).tolist()
    [2, 1]
    """
    from scipy.ndimage import label
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    labels, count = label(mask)
    if count == 0:
        return np.zeros(0, np.int64)
    first, last = [], []
    for axis in range(mask.ndim):
        low, high = labels.take(0, axis).ravel(), labels.take(-1, axis).ravel()
        meet = (low > 0) & (high > 0)
        first.append(low[meet] - 1)
        last.append(high[meet] - 1)
    ends = np.concatenate(first), np.concatenate(last)
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(count, count))
    pieces, piece = connected_components(graph, directed=False)
    voxels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return np.sort(np.bincount(piece, voxels, minlength=pieces).astype(np.int64))[::-1]

"""Connected components of a batch of phases, periodic or not, and which of them span the image.

All images are labelled in one call. Across the borders of a periodic image, the labels form a graph
whose edges carry a winding: +1 along the axis that they cross. Every label gets a position (a whole
number of periods along each axis) by following a spanning tree; an edge that does not agree with
the positions of its ends closes a path that winds round the image.

Machta, Choi, Lucke, Schweizer, Chayes 1996, doi:10.1103/PhysRevE.54.1332
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Components:
    """One entry a component: the image it lies in, its number of pixels, the axes it spans.

    ``sample`` and ``size`` int ``(m,)``; ``spans`` bool ``(m, d)``, in the order of the grid.
    """

    sample: np.ndarray
    size: np.ndarray
    spans: np.ndarray


def components(phase: np.ndarray, periodic: bool) -> Components:
    """The components, connected through faces, of ``phase`` ``(b, *grid)`` bool.

    Examples
    --------
    Two corners are one where the image is periodic, and the row spans it along its second axis:

    >>> image = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
    >>> components(image[None], periodic=False).size.tolist()
    [1, 1, 4]
    >>> found = components(image[None], periodic=True)
    >>> found.size.tolist(), found.spans.tolist()
    ([2, 4], [[False, False], [False, True]])
    """
    from scipy import ndimage

    b, d = len(phase), phase.ndim - 1
    within = ndimage.generate_binary_structure(d, 1)
    structure = np.zeros((3,) * (d + 1), bool)
    structure[1] = within  # never from one image to the next
    labels, number = ndimage.label(phase, structure)
    size = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    sample = np.zeros(number, np.int64)
    held = np.flatnonzero(phase)
    sample[labels.ravel()[held] - 1] = held // max(1, phase[0].size if b else 1)
    first_face = [np.take(labels, 0, axis=1 + k).ravel() for k in range(d)]
    last_face = [np.take(labels, -1, axis=1 + k).ravel() for k in range(d)]
    if periodic:
        return _joined(sample, size, _crossings(first_face, last_face), d)
    spans = np.zeros((number + 1, d), bool)
    for k in range(d):
        spans[np.intersect1d(first_face[k], last_face[k]), k] = True
    return Components(sample, size, spans[1:])


def _crossings(first: list[np.ndarray], last: list[np.ndarray]) -> np.ndarray:
    """Different ``(from, to, axis)`` over the border, labels from 0: int ``(e, 3)``."""
    rows = []
    for axis, (to, origin) in enumerate(zip(first, last, strict=True)):
        both = (to > 0) & (origin > 0)
        pairs = np.column_stack([origin[both], to[both]]).astype(np.int64) - 1
        rows.append(np.column_stack([pairs, np.full(len(pairs), axis)]))
    return np.unique(np.concatenate(rows), axis=0)


def _joined(sample: np.ndarray, size: np.ndarray, crossings: np.ndarray, d: int) -> Components:
    """Labels that meet across the border become one component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    m = len(size)
    if not m:
        return Components(sample, size, np.zeros((0, d), bool))
    origin, to, axis = crossings.T
    graph = coo_array((np.ones(len(to)), (origin, to)), shape=(m, m))
    count, group = connected_components(graph, directed=False)
    winding = np.zeros((len(to), d), np.int64)
    winding[np.arange(len(to)), axis] = 1
    position = _positions(m, group, origin, to, winding)
    wound = position[to] - position[origin] != winding
    spans = np.zeros((count, d), bool)
    for k in range(d):
        spans[group[origin[wound[:, k]]], k] = True
    joined_size = np.bincount(group, size, count).astype(np.int64)
    where = np.zeros(count, np.int64)
    where[group] = sample
    return Components(where, joined_size, spans)


def _positions(
    m: int, group: np.ndarray, origin: np.ndarray, to: np.ndarray, winding: np.ndarray
) -> np.ndarray:
    """Periods ``(m, d)`` that each label lies away from the root of its group, along a tree."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    _, roots = np.unique(group, return_index=True)
    # One more node, m, is tied to every root, so that one search covers all groups.
    a = np.concatenate([origin, np.full(len(roots), m)])
    b = np.concatenate([to, roots])
    tree = coo_array((np.ones(len(a)), (a, b)), shape=(m + 1, m + 1)).tocsr()
    _, parent = breadth_first_order(tree, m, directed=False, return_predecessors=True)
    parent = parent.astype(np.int64)
    parent[m] = m
    keys = np.concatenate([origin * (m + 1) + to, to * (m + 1) + origin])
    steps = np.concatenate([winding, -winding])
    order = np.argsort(keys, kind="stable")
    children = np.flatnonzero(parent[:m] != m)
    wanted = parent[children] * (m + 1) + children
    position = np.zeros((m + 1, winding.shape[1]), np.int64)
    position[children] = steps[order[np.searchsorted(keys[order], wanted)]]
    while np.any(parent != m):  # each pass doubles the way to the ancestor that is looked at
        position += position[parent]
        parent = parent[parent]
    return position[:m]

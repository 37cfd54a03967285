"""Connected components of a batch of phases, periodic or not, and which of them span the image.

All images are labelled in one call, a large one block by block: labels that meet where blocks meet
are one component. Across the borders of a periodic image, the labels form a graph whose edges carry
a winding: +1 along the axis that they cross. Every label gets a position (a whole number of periods
along each axis) by following a spanning tree; an edge that does not agree with the positions of its
ends closes a path that winds round the image.

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
    counter = ComponentCounter(len(phase), phase.shape[1:], periodic)
    counter.add((0,) * (phase.ndim - 1), phase)
    return counter.finish()


class ComponentCounter:
    """Finds the components of ``b`` images that come in blocks, in raster order.

    Labels run through all blocks, from 1. Where blocks meet, and at the borders of the image, the
    labels of the faces are kept: ``(b, *face)`` for each axis.
    """

    def __init__(self, b: int, grid: tuple[int, ...], periodic: bool) -> None:
        faces = [grid[:k] + grid[k + 1 :] for k in range(len(grid))]
        self.d, self.periodic, self.number = len(grid), periodic, 0
        self.first = [np.zeros((b, *face), np.int64) for face in faces]
        self.last = [np.zeros((b, *face), np.int64) for face in faces]
        self.size: list[np.ndarray] = []
        self.sample: list[np.ndarray] = []
        self.met: list[np.ndarray] = []

    def add(self, start: tuple[int, ...], phase: np.ndarray) -> None:
        """Label the block ``phase`` ``(b, *size)`` bool at ``start``."""
        from scipy import ndimage

        structure = np.zeros((3,) * (self.d + 1), bool)
        structure[1] = ndimage.generate_binary_structure(self.d, 1)  # never to the next image
        labels, number = ndimage.label(phase, structure)
        flat, held = labels.ravel(), np.flatnonzero(phase)
        sample = np.zeros(number, np.int64)
        sample[flat[held] - 1] = held // max(1, phase[0].size if len(phase) else 1)
        self.size.append(np.bincount(flat, minlength=number + 1)[1:])
        self.sample.append(sample)
        for k in range(self.d):
            ends = zip(start, phase.shape[1:], strict=True)
            face = [slice(a, a + n) for a, n in ends]
            del face[k]
            here = (slice(None), *face)
            near, far = (self._named(np.take(labels, end, axis=1 + k)) for end in (0, -1))
            if start[k]:
                self.met.append(_pairs(self.last[k][here], near, -1))
            else:
                self.first[k][here] = near
            self.last[k][here] = far
        self.number += number

    def _named(self, labels: np.ndarray) -> np.ndarray:
        return np.where(labels > 0, labels.astype(np.int64) + self.number, 0)

    def finish(self) -> Components:
        """The components, when every block was added."""
        none = np.zeros(0, np.int64)
        size, sample = np.concatenate([none, *self.size]), np.concatenate([none, *self.sample])
        edges = [np.zeros((0, 3), np.int64), *self.met]
        if self.periodic:
            ends = zip(self.last, self.first, strict=True)
            edges += [_pairs(origin, to, axis) for axis, (origin, to) in enumerate(ends)]
        found = np.concatenate(edges)
        group, number = _groups(len(size), found)
        spans = np.zeros((number, self.d), bool)
        if self.periodic and len(found):
            wound = _wound(group, found, self.d)
            for k in range(self.d):
                spans[group[found[wound[:, k], 0]], k] = True
        if not self.periodic:
            named = np.append(number, group)  # 0 is no component
            for k in range(self.d):
                both = np.intersect1d(named[self.first[k]], named[self.last[k]])
                spans[both[both < number], k] = True
        joined = np.bincount(group, size, number).astype(np.int64)
        where = np.zeros(number, np.int64)
        where[group] = sample
        return Components(where, joined, spans)


def _pairs(origin: np.ndarray, to: np.ndarray, axis: int) -> np.ndarray:
    """Different ``(from, to, axis)`` where two faces meet, labels from 0: int ``(e, 3)``.

    ``axis``: along which the border of the image is crossed, -1 inside it.
    """
    both = (to > 0) & (origin > 0)
    pairs = np.unique(np.column_stack([origin[both], to[both]]), axis=0) - 1
    return np.column_stack([pairs, np.full(len(pairs), axis)])


def _groups(m: int, edges: np.ndarray) -> tuple[np.ndarray, int]:
    """Which of ``m`` labels are one component: ``(m,)``, and how many there are."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(edges):
        return np.arange(m), m
    origin, to, _ = edges.T
    graph = coo_array((np.ones(len(to)), (origin, to)), shape=(m, m))
    count, group = connected_components(graph, directed=False)
    return group, int(count)


def _wound(group: np.ndarray, edges: np.ndarray, d: int) -> np.ndarray:
    """Along which axes each edge closes a path that winds round the image: bool ``(e, d)``."""
    origin, to, axis = edges.T
    winding = np.zeros((len(to), d), np.int64)
    crossing = np.flatnonzero(axis >= 0)
    winding[crossing, axis[crossing]] = 1
    position = positions(len(group), group, origin, to, winding)
    return position[to] - position[origin] != winding


def positions(
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

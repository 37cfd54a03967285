"""Which sites of a crystal lie within a distance of each other, periodic images included.

Of sites i and j of a crystal with lattice vectors a_1, a_2, a_3, the images T (whole numbers) of j
are sought with

    |r_j + Σ_k T_k a_k − r_i| ≤ r_cut

In the axes of a QR decomposition of the cell (shortest vectors first reduced, then longest first)
the squared distance is x² + y² + z², where x depends on T_1 only, y on T_1 and T_2, and z on all
three. Each sum bounds the next number from both sides, so that the images are counted out and none
is tried in vain, whatever the shape of the cell. All pairs of all crystals take each of the three
steps together.

Fincke and Pohst 1985, doi:10.1090/S0025-5718-1985-0777278-8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError
from iceframe.physics.lattices import reduced_lattices

TOLERANCE = 1e-8
"""Å by which a neighbour may lie outside the cutoff, and that apart two sites are one."""

TIE = 1e-3
"""Å within which neighbours are equally far: below any thermal motion, above a file's rounding."""

VOLUME_TOLERANCE = 1e-6
"""Å³; a cell of one hydrogen atom has more than a million times this volume."""

NEIGHBOURS_AT_ONCE = 200_000
"""Neighbours and pairs of sites worked on at once; some ten arrays of this length are held."""

PADDED_AT_ONCE = 4_000_000
"""Distances of the neighbours of several sites in one table."""


@dataclass(frozen=True)
class Neighbours:
    """Pairs of sites of crystals with ``m`` sites, ordered by ``centre``; each seen from both ends.

    Attributes
    ----------
    centre, neighbour : int64 ``(e,)``, positions in the arrays of the crystals' sites.
    image : int32 ``(e, 3)``, by how many lattice vectors the neighbour is shifted from the
        coordinates that the crystals hold.
    distance : float64 ``(e,)`` in Å. vector : float64 ``(e, 3)`` in Å, from centre to neighbour.
    sites : the number ``m`` of sites.
    """

    centre: np.ndarray
    neighbour: np.ndarray
    image: np.ndarray
    distance: np.ndarray
    vector: np.ndarray
    sites: int

    def __len__(self) -> int:
        return len(self.centre)

    @property
    def counts(self) -> np.ndarray:
        """Number of neighbours of each site ``(m,)``."""
        return np.bincount(self.centre, minlength=self.sites)

    def where(self, kept: np.ndarray) -> Neighbours:
        """The pairs at positions ``kept``, or where it is true."""
        return Neighbours(
            self.centre[kept],
            self.neighbour[kept],
            self.image[kept],
            self.distance[kept],
            self.vector[kept],
            self.sites,
        )


def neighbour_list(crystals: Crystals, cutoff: float | np.ndarray) -> Neighbours:
    """All pairs of sites at most ``cutoff`` Å apart; a site is no neighbour of itself, but its
    images are. ``cutoff`` may be one a crystal, ``(n,)``.

    Raises
    ------
    InputError : a cell without volume, or coordinates that are not finite.

    Examples
    --------
    Simple cubic polonium has six neighbours at one lattice constant:

    >>> polonium = Crystals(3.35 * np.eye(3)[None], np.array([0, 1]), np.array([84]),
    ...                     np.zeros((1, 3)), ("Po",))
    >>> found = neighbour_list(polonium, 4.0)
    >>> len(found), found.distance.round(2).tolist()
    (6, [3.35, 3.35, 3.35, 3.35, 3.35, 3.35])
    """
    return _joined(list(pieces(crystals, cutoff)), len(crystals.numbers))


def nearest_neighbours(crystals: Crystals, k: int, cutoff: float) -> Neighbours:
    """:func:`nearest` of :func:`neighbour_list`, without holding all the neighbours at once."""
    found = [nearest(piece, k) for piece in pieces(crystals, cutoff)]
    return _joined(found, len(crystals.numbers))


def nearest(neighbours: Neighbours, k: int) -> Neighbours:
    """The ``k`` nearest neighbours of every site, nearest first, and all that are as far as the
    last of them.

    Shells are kept whole, so that what a site sees does not depend on the order of the sites or on
    the cell's drawing; a site may so have more than ``k``. It has fewer where fewer were found.
    """
    counts = neighbours.counts
    farthest = np.full(neighbours.sites, np.inf if k > 0 else -np.inf)
    many = np.flatnonzero(counts > k) if k > 0 else np.empty(0, int)
    start = (np.cumsum(counts) - counts)[many]
    width = np.arange(counts[many].max(initial=0))
    for rows in np.array_split(np.arange(len(many)), 1 + len(many) * len(width) // PADDED_AT_ONCE):
        inside = width < counts[many[rows], None]
        place = np.where(inside, start[rows, None] + width, 0)
        padded = np.where(inside, neighbours.distance[place], np.inf)
        if len(rows):
            farthest[many[rows]] = np.partition(padded, k - 1, axis=1)[:, k - 1] + TIE
    kept = np.flatnonzero(neighbours.distance <= farthest[neighbours.centre])
    order = np.lexsort((neighbours.distance[kept], neighbours.centre[kept]))
    return neighbours.where(kept[order])


def pieces(crystals: Crystals, cutoff: float | np.ndarray) -> Iterator[Neighbours]:
    """The neighbour list in pieces that follow each other, each with all neighbours of its
    centres."""
    cutoffs = np.broadcast_to(np.asarray(cutoff, float), len(crystals))
    _check(crystals, cutoffs)
    cells = _Cells.of(crystals)
    piece = np.cumsum(_cost(crystals, cutoffs)[crystals.owners]) // NEIGHBOURS_AT_ONCE
    edges = np.flatnonzero(np.diff(piece, prepend=-1, append=np.inf))
    for start, stop in pairwise(edges):
        yield _found(crystals, cells, cutoffs, np.arange(start, stop))


def chunks(crystals: Crystals, cutoff: float) -> Iterator[np.ndarray]:
    """Positions of crystals in groups whose neighbour lists fit into memory together."""
    cost = _cost(crystals, np.broadcast_to(cutoff, len(crystals))) * crystals.sizes
    chunk = np.cumsum(cost) // NEIGHBOURS_AT_ONCE
    edges = np.flatnonzero(np.diff(chunk, prepend=-1, append=np.inf))
    for start, stop in pairwise(edges):
        yield np.arange(start, stop)


def shortest_distances(crystals: Crystals) -> np.ndarray:
    """Distance in Å of the two nearest sites of each crystal ``(n,)``, images included.

    Nothing is packed closer than spheres are in fcc, so that N sites in a volume V have two that
    are no more than (√2 V / N)^⅓ apart.

    Examples
    --------
    >>> iron = Crystals(2.87 * np.eye(3)[None], np.array([0, 2]), np.array([26, 26]),
    ...                 np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), ("Fe",))
    >>> shortest_distances(iron).round(3).tolist()
    [2.485]
    """
    shortest = np.full(len(crystals), np.inf)
    bound = np.cbrt(np.sqrt(2) * crystals.volumes / np.maximum(crystals.sizes, 1))
    for piece in pieces(crystals, bound * (1 + TOLERANCE)):
        np.minimum.at(shortest, crystals.owners[piece.centre], piece.distance)
    return np.where(np.isinf(shortest), np.nan, shortest)


def _cost(crystals: Crystals, cutoffs: np.ndarray) -> np.ndarray:
    """Pairs and neighbours of one site of each crystal: its sites, and those in a sphere."""
    density = crystals.sizes / np.maximum(crystals.volumes, np.finfo(float).tiny)
    return crystals.sizes + 4 / 3 * np.pi * cutoffs**3 * density


@dataclass(frozen=True)
class _Cells:
    """Cells by their shortest vectors: the vectors, the triangle of their QR decomposition and
    ``change``, which turns images in them into images of the given cell, each ``(n, 3, 3)``; and
    the sites' coordinates in them ``(m, 3)``."""

    vectors: np.ndarray
    triangle: np.ndarray
    change: np.ndarray
    sites: np.ndarray

    @classmethod
    def of(cls, crystals: Crystals) -> _Cells:
        reduced, change = reduced_lattices(crystals.lattices)
        triangle = np.asarray(np.linalg.qr(reduced.transpose(0, 2, 1), mode="r"))
        back = np.rint(np.linalg.inv(change))
        sites = np.einsum("mi,mij->mj", crystals.fractional, back[crystals.owners])
        return cls(reduced, triangle, change.astype(np.int32), sites)


def _found(
    crystals: Crystals, cells: _Cells, cutoffs: np.ndarray, centres: np.ndarray
) -> Neighbours:
    """All neighbours of the sites ``centres``."""
    owners = crystals.owners[centres]
    parent, place = _spread(crystals.sizes[owners])
    cell, i = owners[parent], centres[parent]
    j = place + crystals.offsets[cell]
    apart = cells.sites[j] - cells.sites[i]  # in reduced cells, without any image
    vector = crystals.cartesian[j] - crystals.cartesian[i]
    image = np.zeros((len(i), 3), np.int32)
    # What is left of the squared cutoff, and how far the vectors already placed shift the others.
    left = (cutoffs[cell] + 2 * TOLERANCE) ** 2
    shift = np.zeros((len(i), 3))
    for k in (2, 1, 0):  # the longest vector first: the shortest one has the most images
        length = cells.triangle[cell, k, k]
        half = np.sqrt(left) / np.abs(length)
        middle = -shift[:, k] / length - apart[:, k]
        first = np.ceil(middle - half)
        parent, step = _spread(np.floor(middle + half) - first + 1)
        cell, i, j, apart = cell[parent], i[parent], j[parent], apart[parent]
        times = first[parent] + step
        vector = vector[parent] + times[:, None] * cells.vectors[cell, k]
        image = image[parent] + times.astype(np.int32)[:, None] * cells.change[cell, k]
        if k:
            shift = shift[parent] + (apart[:, k] + times)[:, None] * cells.triangle[cell, :, k]
            left = np.maximum(left[parent] - shift[:, k] ** 2, 0)
    distance = np.sqrt((vector**2).sum(axis=1))
    kept = (distance <= cutoffs[cell] + TOLERANCE) & ((i != j) | (distance > TOLERANCE))
    return Neighbours(i, j, image, distance, vector, len(crystals.numbers)).where(kept)


def _spread(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each position ``counts`` times, and 0, 1, … within each: both ``(Σ counts,)``."""
    counts = np.maximum(counts, 0).astype(np.int64)
    parent = np.repeat(np.arange(len(counts)), counts)
    return parent, np.arange(len(parent)) - (np.cumsum(counts) - counts)[parent]


def _joined(parts: Sequence[Neighbours], sites: int) -> Neighbours:
    if not parts:
        none = np.empty(0, np.int64)
        return Neighbours(
            none, none, np.empty((0, 3), np.int32), np.empty(0), np.empty((0, 3)), sites
        )
    return Neighbours(
        np.concatenate([part.centre for part in parts]),
        np.concatenate([part.neighbour for part in parts]),
        np.concatenate([part.image for part in parts]),
        np.concatenate([part.distance for part in parts]),
        np.concatenate([part.vector for part in parts]),
        sites,
    )


def _check(crystals: Crystals, cutoffs: np.ndarray) -> None:
    wrong = ~np.isfinite(cutoffs) | (cutoffs <= 0)
    flat = ~(crystals.volumes > VOLUME_TOLERANCE)
    lost = ~np.isfinite(crystals.fractional).all(axis=1)
    bad = np.flatnonzero(flat | (np.bincount(crystals.owners[lost], minlength=len(crystals)) > 0))
    if len(bad):
        raise InputError(
            "Crystals have a cell without volume, or coordinates that are no numbers.",
            where=", ".join(crystals.names[b] for b in bad[:5]),
            allowed="three lattice vectors in Å that span a cell, finite coordinates",
            hint="repair these structures, or leave them out",
        )
    if wrong.any():
        raise InputError(
            "A cutoff is a distance.", got=str(cutoffs[wrong][0]), allowed="Å above zero"
        )

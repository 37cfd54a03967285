"""Which atoms of a crystal are too close to each other, periodic images included.

Two atoms must be at least ``max(least, fraction (r_i + r_j))`` apart, ``r`` the covalent radii. No
farther than that for the two largest atoms need be looked, nor farther than the shortest vector of
the lattice: the largest atom's own image is there, and of no pair beyond it is the distance less in
proportion to what it should be. So a cell squeezed to nothing takes no longer than a sound one.

Reference: Cordero et al. (2008), doi:10.1039/b801115j.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.physics.lattices import reduced_lattices
from iceframe.physics.neighbours import pieces

_ROUNDING = 1e-6
"""By which share the lattice's shortest vector is prolonged, so that it is surely within reach."""


class Pair(NamedTuple):
    """Two atoms of one crystal (positions in it), their distance and what it should be (Å)."""

    first: int
    second: int
    distance: float
    allowed: float


def closest_pairs(crystals: Crystals, fraction: float = 0.5, least: float = 0.5) -> dict[int, Pair]:
    """The pair of atoms that is most too close in each crystal, periodic images included.

    Parameters
    ----------
    crystals : with cells of some volume.
    fraction : the least distance as a fraction of the sum of the covalent radii.
    least : the least distance of any two atoms in Å.

    Returns
    -------
    dict : position of a crystal to its pair; crystals without such a pair are absent.

    Examples
    --------
    Simple cubic polonium with a cell of 3.35 Å, and squeezed to 1 Å:

    >>> cells = np.array([3.35 * np.eye(3), np.eye(3)])
    >>> po = Crystals(cells, np.arange(3), np.array([84, 84]), np.zeros((2, 3)), ("a", "b"))
    >>> {at: (pair.distance, round(pair.allowed, 2)) for at, pair in closest_pairs(po).items()}
    {1: (1.0, 1.4)}
    """
    if not len(crystals):
        return {}
    radii = fraction * _radii(crystals)
    shortest = np.linalg.norm(reduced_lattices(crystals.lattices)[0][:, 0], axis=-1)
    largest = np.maximum(least, 2 * np.maximum.reduceat(radii, crystals.offsets[:-1]))
    found: dict[int, Pair] = {}
    for near in pieces(crystals, np.minimum(largest, shortest * (1 + _ROUNDING))):
        i, j, distances = near.centre, near.neighbour, near.distance
        allowed = np.maximum(least, radii[i] + radii[j])
        owners = crystals.owners[i]
        close = np.flatnonzero((distances < allowed) & (i <= j))  # each pair from one end
        close = close[np.lexsort((distances[close] / allowed[close], owners[close]))]
        for p in close[np.unique(owners[close], return_index=True)[1]]:  # the worst of each crystal
            at = int(owners[p])
            first, second = (int(end[p] - crystals.offsets[at]) for end in (i, j))
            pair = Pair(first, second, float(distances[p]), float(allowed[p]))
            held = found.get(at)
            if held is None or pair.distance / pair.allowed < held.distance / held.allowed:
                found[at] = pair
    return found


def _radii(crystals: Crystals) -> np.ndarray:
    from ase.data import covalent_radii

    return np.asarray(covalent_radii)[crystals.numbers]

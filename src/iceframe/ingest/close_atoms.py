"""Which atoms of a crystal are too close to each other, periodic images included.

Two atoms must be at least ``max(least, fraction (r_i + r_j))`` apart, ``r`` the covalent radii.
Differences of fractional coordinates are taken in [-½, ½]; with lattice planes ``h`` apart, the
image ``k`` cells away is at least ``(|k| - ½) h`` away, so that few images need be looked at. All
pairs of all crystals are taken together, some at a time.

Reference: Cordero et al. (2008), doi:10.1039/b801115j.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from iceframe.core.crystals import Crystals


class Pair(NamedTuple):
    """Two atoms of one crystal (positions in it), their distance and what it should be (Å)."""

    first: int
    second: int
    distance: float
    allowed: float


def closest_pairs(
    crystals: Crystals, fraction: float = 0.5, least: float = 0.5, block: int = 500_000
) -> dict[int, Pair]:
    """The pair of atoms that is most too close in each crystal, periodic images included.

    Parameters
    ----------
    crystals : with cells of some volume.
    fraction : the least distance as a fraction of the sum of the covalent radii.
    least : the least distance of any two atoms in Å.
    block : pairs that are held in memory at a time.

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
    radii = fraction * _radii(crystals)
    found: dict[int, Pair] = {}
    groups = defaultdict(list)
    for at, reach in enumerate(_reach(crystals, radii, least).astype(int).tolist()):
        groups[tuple(reach)].append(at)
    for reach, members in groups.items():
        group = np.array(members)
        images = np.stack(np.meshgrid(*[np.arange(-k, k + 1) for k in reach], indexing="ij"), -1)
        for shift in images.reshape(-1, 3):
            for at, pair in _close(crystals, group, radii, shift, least, block):
                held = found.get(at)
                if held is None or pair.distance / pair.allowed < held.distance / held.allowed:
                    found[at] = pair
    return dict(sorted(found.items()))


def cells_to_search(crystals: Crystals, fraction: float = 0.5, least: float = 0.5) -> np.ndarray:
    """In how many cells around it each crystal's atoms have to be looked for ``(n,)``.

    One in a wide cell, 27 in most others; very many where the lattice vectors are far longer than
    they need be, for then the planes of the lattice are close together.
    """
    return np.prod(2 * _reach(crystals, fraction * _radii(crystals), least) + 1, axis=1)


def _radii(crystals: Crystals) -> np.ndarray:
    from ase.data import covalent_radii

    return np.asarray(covalent_radii)[crystals.numbers]


def _reach(crystals: Crystals, radii: np.ndarray, least: float) -> np.ndarray:
    """How many cells away, along each vector, an atom may be too close ``(n, 3)``."""
    if not len(crystals):
        return np.empty((0, 3))
    rows = crystals.lattices
    areas = np.linalg.norm(np.cross(np.roll(rows, -1, 1), np.roll(rows, -2, 1)), axis=-1)
    spacing = crystals.volumes[:, None] / areas
    largest = np.maximum(least, 2 * np.maximum.reduceat(radii, crystals.offsets[:-1]))
    return np.floor(largest[:, None] / spacing + 0.5)


def _close(
    crystals: Crystals,
    group: np.ndarray,
    radii: np.ndarray,
    shift: np.ndarray,
    least: float,
    block: int,
) -> list[tuple[int, Pair]]:
    """Pairs that are too close with the second atom ``shift`` cells away, in some crystals."""
    sizes = crystals.sizes[group]
    ends = np.cumsum(sizes**2)
    found = []
    for start in range(0, int(ends[-1]), block):
        pairs = np.arange(start, min(start + block, int(ends[-1])))
        at = np.searchsorted(ends, pairs, side="right")
        first, second = np.divmod(pairs - (ends - sizes**2)[at], sizes[at])
        # An atom with itself only across cells; of (i, j) and (j, i) in one cell only the first.
        wanted = first <= second if shift.any() else first < second
        at, first, second = at[wanted], first[wanted], second[wanted]
        owners = group[at]
        i, j = crystals.offsets[owners] + first, crystals.offsets[owners] + second
        step = crystals.fractional[j] - crystals.fractional[i]
        step += shift - np.round(step)
        distances = np.linalg.norm(
            np.einsum("pi,pij->pj", step, crystals.lattices[owners]), axis=-1
        )
        allowed = np.maximum(least, radii[i] + radii[j])
        close = np.flatnonzero(distances < allowed)
        close = close[np.lexsort((distances[close] / allowed[close], owners[close]))]
        for p in close[np.unique(owners[close], return_index=True)[1]]:  # the worst of each crystal
            pair = Pair(int(first[p]), int(second[p]), float(distances[p]), float(allowed[p]))
            found.append((int(owners[p]), pair))
    return found

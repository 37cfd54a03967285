"""Space groups and primitive cells of crystals, found once for all the descriptors that use them.

spglib: Togo, Shinohara and Tanaka 2024, doi:10.1080/27660400.2024.2384822.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.physics.lattices import reduced_lattices
from iceframe.scale.descriptors._space_groups import quiet_spglib
from iceframe.scale.kept import Kept

TOLERANCE = 0.01
"""Å by which sites may miss their symmetric places. pymatgen's default; larger than the noise of a
relaxation, smaller than the displacements that make a crystal ferroelectric."""

ROOM = 200_000
"""Crystals whose symmetry is kept."""


@dataclass(frozen=True)
class Symmetries:
    """Of ``n`` crystals.

    ``number``: int ``(n,)``, the space group, 0 where none was found; ``sites``: sites of the
    primitive cell; ``orbits``: how many of them no operation takes into each other, both float
    ``(n,)``, NaN where none; ``vectors``: the shortest lattice vectors, float ``(n, 3, 3)``.
    """

    number: np.ndarray
    sites: np.ndarray
    orbits: np.ndarray
    vectors: np.ndarray


_KEPT: Kept[Symmetries] = Kept(lambda held: len(held.number), ROOM)


def symmetries(crystals: Crystals) -> Symmetries:
    """The symmetry of each crystal within :data:`TOLERANCE`."""
    return _KEPT.get(crystals.fingerprint, lambda: _found(crystals))


def _found(crystals: Crystals) -> Symmetries:
    n = len(crystals)
    number = np.zeros(n, int)
    sites, orbits = np.full(n, np.nan), np.full(n, np.nan)
    vectors = np.full((n, 3, 3), np.nan)
    with quiet_spglib():
        for i in range(n):
            found = _dataset(crystals, i)
            if found is not None:
                number[i] = found.number
                sites[i] = found.mapping_to_primitive.max() + 1
                orbits[i] = len(np.unique(found.crystallographic_orbits))
                vectors[i] = found.primitive_lattice
    known = number > 0
    vectors[known] = reduced_lattices(vectors[known])[0]
    return Symmetries(number, sites, orbits, vectors)


def _dataset(crystals: Crystals, i: int) -> Any:
    import spglib

    sites = slice(crystals.offsets[i], crystals.offsets[i + 1])
    cell: Any = (crystals.lattices[i], crystals.fractional[sites], crystals.numbers[sites])
    return spglib.get_symmetry_dataset(cell, symprec=TOLERANCE)

"""Between packed crystals and ``pymatgen`` structures.

pymatgen: Ong et al. 2013, doi:10.1016/j.commatsci.2012.10.028.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.crystals import Crystals

if TYPE_CHECKING:
    from pymatgen.core import Structure


def pack(structures: Sequence[Structure], names: Sequence[str]) -> Crystals:
    """Ordered structures as arrays; oxidation states and site properties are left behind.

    Raises
    ------
    ValueError : a structure is not ordered, or holds what is no element.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> salt = Structure(Lattice.cubic(4.12), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> pack([salt, salt], ["a", "b"]).numbers.tolist()
    [55, 17, 55, 17]
    """
    sizes = [len(structure) for structure in structures]
    numbers = [site.specie.Z for structure in structures for site in structure]
    fractional = [structure.frac_coords for structure in structures]
    return Crystals(
        np.array([s.lattice.matrix for s in structures], float).reshape(-1, 3, 3),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.array(numbers, np.int64),
        np.concatenate([*fractional, np.empty((0, 3))]).astype(float),
        tuple(names),
    )


def structures(crystals: Crystals, index: Sequence[int] | np.ndarray | None = None) -> list:
    """The crystals at positions ``index`` (default: all) as ``pymatgen`` structures."""
    from pymatgen.core import Lattice, Structure

    chosen = range(len(crystals)) if index is None else np.asarray(index, int)
    made = []
    for i in chosen:
        sites = slice(crystals.offsets[i], crystals.offsets[i + 1])
        made.append(
            Structure(
                Lattice(crystals.lattices[i]),
                crystals.numbers[sites].tolist(),
                crystals.fractional[sites],
            )
        )
    return made

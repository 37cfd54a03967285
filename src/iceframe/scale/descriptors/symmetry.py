"""Symmetry of a crystal: what its space group means, and how many sites it makes equal.

The number of a space group is a label: 225 is not more than 62. What a model can use is the crystal
system, the centring of the lattice, the order of the point group, and whether there is a centre of
inversion, a polar axis or handedness. Per atom of the primitive cell:

    operations = order of the point group / N       inequivalent sites = orbits / N

spglib: Togo, Shinohara and Tanaka 2024, doi:10.1080/27660400.2024.2384822.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors import _space_groups as groups
from iceframe.scale.descriptors._crystal_symmetry import symmetries
from iceframe.scale.descriptors._crystals import CrystalDescriptor

ORDER = next(i for i, f in enumerate(groups.FEATURES) if f.name == "point group order")


@DESCRIPTORS.register("symmetry")
class Symmetry(CrystalDescriptor):
    """Sites may miss their symmetric places by 0.01 Å; where no space group is found, NaN."""

    name = "symmetry"
    title = "Crystal symmetry"
    summary = "Crystal system, centring, point group; operations and distinct sites per atom."
    reference = "Togo et al. 2024 (spglib), doi:10.1080/27660400.2024.2384822"

    def features(self) -> tuple[Feature, ...]:
        """18 features."""
        return (
            *groups.FEATURES,
            Feature("symmetry operations per atom", "", groups.BLOCK),
            Feature("inequivalent sites per atom", "", groups.BLOCK),
        )

    def measure(self, crystals: Crystals) -> np.ndarray:
        """``(n, 18)``."""
        found = symmetries(crystals)
        of_group = groups.features_of(found.number)
        per_atom = np.column_stack([of_group[:, ORDER], found.orbits]) / found.sites[:, None]
        return np.column_stack([of_group, per_atom])

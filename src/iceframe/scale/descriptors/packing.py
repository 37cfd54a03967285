"""How densely atoms are packed, and the shape of the cell.

With N atoms of masses m and covalent radii r in a volume V, and the shortest distance d of any two:

    density = Σ m / V        packing of atoms = Σ 4/3 π r³ / V
    packing of touching spheres = N π d³ / (6 V)

The last has known answers: 0.7405 for close packing, 0.6802 for bcc, 0.5236 for a simple cube,
0.3401 for diamond. The shape is that of the three shortest vectors of the primitive lattice, which
do not depend on how the cell is drawn.

Covalent radii: Cordero et al. 2008, doi:10.1039/b801115j, as Magpie has them.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.physics.neighbours import shortest_distances
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._crystal_symmetry import symmetries
from iceframe.scale.descriptors._crystals import CrystalDescriptor, of_elements, over_sites

ATOMIC_MASS = 1.66053906892
"""g/cm³ of one unified atomic mass unit in Å³ (CODATA 2022)."""

FEATURES = (
    Feature("density", "g/cm³", "packing"),
    Feature("volume per atom", "Å³", "packing"),
    Feature("packing fraction of covalent radii", "", "packing"),
    Feature("packing fraction of touching spheres", "", "packing"),
    Feature("shortest over longest lattice vector", "", "packing"),
    Feature("middle over longest lattice vector", "", "packing"),
    Feature("sites of the primitive cell", "", "packing"),
)


@DESCRIPTORS.register("packing")
class Packing(CrystalDescriptor):
    """NaN where an element has no known mass or radius, or no primitive cell was found."""

    name = "packing"
    title = "Density and packing"
    summary = "Density, volume per atom, share of space filled, shape of the primitive cell."
    reference = "Cordero et al. 2008 (covalent radii), doi:10.1039/b801115j"

    def features(self) -> tuple[Feature, ...]:
        """Seven features."""
        return FEATURES

    def measure(self, crystals: Crystals) -> np.ndarray:
        """``(n, 7)``."""
        volume, sizes = crystals.volumes, crystals.sizes
        mass = over_sites(crystals, of_elements("AtomicWeight")[crystals.numbers])
        radius = of_elements("CovalentRadius")[crystals.numbers] / 100  # pm to Å
        found = symmetries(crystals)
        lengths = np.linalg.norm(found.vectors, axis=2)
        return np.column_stack(
            [
                mass * ATOMIC_MASS / volume,
                volume / sizes,
                over_sites(crystals, 4 / 3 * np.pi * radius**3) / volume,
                sizes * np.pi * shortest_distances(crystals) ** 3 / (6 * volume),
                lengths[:, 0] / lengths[:, 2],
                lengths[:, 1] / lengths[:, 2],
                found.sites,
            ]
        )

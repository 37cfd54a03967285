"""Radial distribution: how many atoms lie at a distance, over how many would by chance.

Over all pairs of atoms of a crystal with N atoms in a volume V, smoothed by a Gaussian G of
standard deviation σ, elements not told apart:

    g(r) = V / (N² 4π (r² + σ²)) Σ_ij G(r − d_ij)

The denominator is what a gas of the same density has, so that g is 1 for it at every r, and tends
to 1 at long distances for all. Smooth in the positions of the atoms.

Hansen and McDonald 2013, §2.5, doi:10.1016/C2010-0-66723-X.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.physics.neighbours import pieces
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._crystals import CrystalDescriptor

RADII = np.arange(1.0, 7.01, 0.5)
"""Å."""

SMOOTHING = 0.3
"""Å; with steps of 0.5 Å no distance falls between two features."""

CUTOFF = RADII[-1] + 3.5 * SMOOTHING


@DESCRIPTORS.register("radial_distribution")
class RadialDistribution(CrystalDescriptor):
    """g(r) at 13 distances from 1 to 7 Å, smoothed by 0.3 Å."""

    name = "radial_distribution"
    title = "Radial distribution"
    summary = "Atoms at 1 to 7 Å from an atom, over those of a gas of the same density."
    reference = "Hansen and McDonald 2013, doi:10.1016/C2010-0-66723-X"

    def features(self) -> list[Feature]:
        """13 features."""
        return [Feature(f"g(r) at {r:.1f} Å", "", "radial distribution") for r in RADII]

    def measure(self, crystals: Crystals) -> np.ndarray:
        """``(n, 13)``."""
        counted = np.zeros((len(RADII), len(crystals)))
        for piece in pieces(crystals, CUTOFF):
            crystal = crystals.owners[piece.centre]
            for k, r in enumerate(RADII):
                near = np.abs(piece.distance - r) < 3.5 * SMOOTHING
                height = np.exp(-0.5 * ((piece.distance[near] - r) / SMOOTHING) ** 2)
                counted[k] += np.bincount(crystal[near], height, len(crystals))
        counted /= np.sqrt(2 * np.pi) * SMOOTHING
        by_chance = 4 * np.pi * (RADII**2 + SMOOTHING**2)
        return (counted / by_chance[:, None] * crystals.volumes / crystals.sizes**2).T

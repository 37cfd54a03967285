"""What surrounds an atom: effective coordination numbers, bond lengths, unlike neighbours.

A neighbour at distance d counts with a weight that falls smoothly, so that no atom enters or leaves
a shell of a sudden:

    w = exp[1 − (d / d̄)⁶],   d̄ = Σ w d / Σ w  (solved by iteration)

Their sum is the effective coordination number of a site: 12 in fcc, 6 in rock salt, 4 in diamond;
11.6 in bcc, whose second shell is near, and 14 at the large cation of a perovskite, with 12 anions
and 8 cations not much farther. A bond is such a pair with its weight; its length is given
in Å and over the sum of the covalent radii.

Hoppe 1979, doi:10.1524/zkri.1979.150.14.23. Covalent radii: Cordero et al. 2008,
doi:10.1039/b801115j.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.physics.neighbours import chunks, neighbour_list
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._crystals import CrystalDescriptor, of_elements

CUTOFF = 8.0
"""Å within which a site must have a neighbour; caesium has its nearest ones at 5.2 Å."""

FARTHEST = 2.0
"""Neighbours at more than this many times the nearest distance weigh less than 10⁻⁸."""

CONVERGED = 1e-13
MAX_ITERATIONS = 200

FEATURES = (
    Feature("mean coordination number", "", "coordination"),
    Feature("lowest coordination number", "", "coordination"),
    Feature("highest coordination number", "", "coordination"),
    Feature("spread of coordination numbers", "", "coordination"),
    Feature("mean bond length", "Å", "coordination"),
    Feature("spread of bond lengths around a site", "Å", "coordination"),
    Feature("mean bond length over sum of radii", "", "coordination"),
    Feature("spread of bond length over sum of radii", "", "coordination"),
    Feature("shortest distance over sum of radii", "", "coordination"),
    Feature("share of bonds between unlike elements", "", "coordination"),
    Feature("electronegativity difference across bonds", "", "coordination"),
)


@DESCRIPTORS.register("coordination")
class Coordination(CrystalDescriptor):
    """NaN where a site has no neighbour within 8 Å, or an element no known radius or χ."""

    name = "coordination"
    title = "Coordination and bonds"
    summary = "Effective coordination numbers; bond lengths; unlike and polar bonds."
    reference = "Hoppe 1979, doi:10.1524/zkri.1979.150.14.23"

    def features(self) -> tuple[Feature, ...]:
        """Eleven features."""
        return FEATURES

    def measure(self, crystals: Crystals) -> np.ndarray:
        """``(n, 11)``."""
        values = np.empty((len(crystals), len(FEATURES)))
        for part in chunks(crystals, CUTOFF):
            values[part] = _measured(crystals.take(part))
        return values


def _measured(crystals: Crystals) -> np.ndarray:
    found = neighbour_list(crystals, CUTOFF)
    m, n = found.sites, len(crystals)
    nearest = np.full(m, np.inf)
    np.minimum.at(nearest, found.centre, found.distance)
    found = found.where(found.distance <= FARTHEST * nearest[found.centre])
    weight, mean = _weights(found.centre, found.distance, nearest)
    coordination = np.bincount(found.centre, weight, m)

    crystal = crystals.owners[found.centre]
    bonds = np.bincount(crystal, weight, n)
    ends = crystals.numbers[found.centre], crystals.numbers[found.neighbour]
    radii, chi = of_elements("CovalentRadius") / 100, of_elements("Electronegativity")
    relative = found.distance / (radii[ends[0]] + radii[ends[1]])

    def of_bonds(values: np.ndarray) -> np.ndarray:
        """The weighted mean over the bonds of each crystal."""
        return np.bincount(crystal, weight * values, n) / np.where(bonds > 0, bonds, np.nan)

    def of_sites(values: np.ndarray) -> np.ndarray:
        return np.bincount(crystals.owners, values, n) / crystals.sizes

    def extreme(which: np.ufunc, values: np.ndarray, owners: np.ndarray, none: float) -> np.ndarray:
        held = np.full(n, none)
        which.at(held, owners, values)
        return held

    mean_number, mean_relative = of_sites(coordination), of_bonds(relative)
    alone = np.bincount(crystals.owners[np.isinf(nearest)], minlength=n) > 0
    values = np.column_stack(
        [
            mean_number,
            extreme(np.minimum, coordination, crystals.owners, np.inf),
            extreme(np.maximum, coordination, crystals.owners, -np.inf),
            np.sqrt(of_sites((coordination - mean_number[crystals.owners]) ** 2)),
            of_bonds(found.distance),
            np.sqrt(of_bonds((found.distance - mean[found.centre]) ** 2)),
            mean_relative,
            np.sqrt(of_bonds((relative - mean_relative[crystal]) ** 2)),
            extreme(np.minimum, relative, crystal, np.inf),
            of_bonds(ends[0] != ends[1]),
            of_bonds(np.abs(chi[ends[0]] - chi[ends[1]])),
        ]
    )
    values[alone] = np.nan
    return values


def _weights(
    centre: np.ndarray, distance: np.ndarray, nearest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The weight of each pair ``(e,)`` and the mean distance of each site ``(m,)``."""
    mean = np.where(np.isinf(nearest), 1.0, nearest)  # where there are no neighbours, any number
    for _ in range(MAX_ITERATIONS):
        weight = np.exp(1 - (distance / mean[centre]) ** 6)
        total = np.bincount(centre, weight, len(mean))
        new = np.bincount(centre, weight * distance, len(mean)) / np.where(total, total, 1)
        new = np.where(total > 0, new, mean)
        step = np.abs(new - mean)[total > 0].max(initial=0)
        mean = new
        if step < CONVERGED * CUTOFF:
            break
    return np.exp(1 - (distance / mean[centre]) ** 6), mean

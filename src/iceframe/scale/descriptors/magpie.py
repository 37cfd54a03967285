"""Magpie: statistics of 22 properties of the elements over a composition, 132 features.

For a property with values p_i and atomic fractions x_i: minimum, maximum, range,
mean p̄ = Σ x_i p_i, average deviation Σ x_i |p_i − p̄|, and the value of the most abundant element
(the lowest one where several are). Equal to matminer's ``ElementProperty.from_preset("magpie",
impute_nan=False)``, computed for all samples at once.

Ward, Agrawal, Choudhary, Wolverton 2016, doi:10.1038/npjcompumats.2016.28
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._compositions import Amounts, CompositionDescriptor, symbols

PROPERTIES = {
    "Number": ("atomic number", ""),
    "MendeleevNumber": ("Mendeleev number", ""),
    "AtomicWeight": ("atomic weight", "u"),
    "MeltingT": ("melting temperature", "K"),
    "Column": ("group of the periodic table", ""),
    "Row": ("period of the periodic table", ""),
    "CovalentRadius": ("covalent radius", "pm"),
    "Electronegativity": ("electronegativity", ""),
    "NsValence": ("s valence electrons", ""),
    "NpValence": ("p valence electrons", ""),
    "NdValence": ("d valence electrons", ""),
    "NfValence": ("f valence electrons", ""),
    "NValence": ("valence electrons", ""),
    "NsUnfilled": ("unfilled s states", ""),
    "NpUnfilled": ("unfilled p states", ""),
    "NdUnfilled": ("unfilled d states", ""),
    "NfUnfilled": ("unfilled f states", ""),
    "NUnfilled": ("unfilled states", ""),
    "GSvolume_pa": ("volume per atom of the element", "Å³"),
    "GSbandgap": ("band gap of the element", "eV"),
    "GSmagmom": ("magnetic moment of the element", "μB"),
    "SpaceGroupNumber": ("space group of the element", ""),
}
"""Magpie's name of each property, its name here and its unit, in matminer's order."""

STATISTICS = ("minimum", "maximum", "range of", "mean", "average deviation of", "most abundant")


@DESCRIPTORS.register("magpie")
class Magpie(CompositionDescriptor):
    """Minimum, maximum, range, mean, average deviation and mode of 22 element properties.

    NaN where a property is not known for an element that the sample holds.
    """

    name = "magpie"
    title = "Magpie statistics"
    summary = "Six statistics of 22 element properties over the composition."
    reference = "Ward et al. 2016 (Magpie), doi:10.1038/npjcompumats.2016.28"

    def features(self) -> list[Feature]:
        """132 features, the six statistics of a property side by side."""
        return [
            Feature(f"{statistic} {name}", unit, "magpie")
            for name, unit in PROPERTIES.values()
            for statistic in STATISTICS
        ]

    def measure(self, held: Amounts) -> np.ndarray:
        """``(n, 132)``."""
        return statistics(held.values, element_table())


def statistics(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Six statistics of each property over each composition.

    Parameters
    ----------
    values : amounts of the elements ``(n, e)``, any positive scale; rows of NaN give NaN.
    table : properties of the elements ``(e, p)``.

    Returns
    -------
    ``(n, 6 p)``, the statistics of one property side by side.

    Examples
    --------
    One third of 1.0 and two thirds of 4.0:

    >>> statistics(np.array([[1.0, 2.0]]), np.array([[1.0], [4.0]])).round(3).tolist()
    [[1.0, 4.0, 3.0, 3.0, 1.333, 4.0]]
    """
    result = np.full((len(values), 6, table.shape[1]), np.nan)
    good = np.flatnonzero(np.isfinite(values).all(axis=1))
    used = np.flatnonzero((values[good] > 0).any(axis=0))
    weights = values[np.ix_(good, used)]
    present = weights > 0
    abundant = np.isclose(weights, weights.max(axis=1, keepdims=True))  # as matminer has it
    fractions = weights / weights.sum(axis=1, keepdims=True)
    for p in range(table.shape[1]):
        row = np.broadcast_to(table[used, p], present.shape)
        low = np.where(present, row, np.inf).min(axis=1)  # NaN of a present element wins
        high = np.where(present, row, -np.inf).max(axis=1)
        mean = np.where(present, fractions * row, 0).sum(axis=1)
        spread = np.where(present, fractions * np.abs(row - mean[:, None]), 0).sum(axis=1)
        mode = np.where(abundant, row, np.inf).min(axis=1)
        result[good, :, p] = np.stack([low, high, high - low, mean, spread, mode], axis=1)
    return result.transpose(0, 2, 1).reshape(len(values), -1)


@lru_cache(maxsize=1)
def element_table() -> np.ndarray:
    """Magpie's element properties ``(118, 22)``, NaN where not known; read from matminer."""
    from matminer.utils.data import MagpieData

    held = MagpieData(impute_nan=False).all_elemental_props
    columns = [[held[p].get(s, np.nan) for s in symbols()] for p in PROPERTIES]
    return np.array(columns, float).T

"""Charges and ionic character of a compound.

Charges are the likeliest ones that cancel (see ``_charges``). With atomic fractions x and Pauling's
electronegativities χ:

    ionic character of two elements = 1 − exp(−(χ_i − χ_j)² / 4)
    mean over pairs of unlike elements = Σ_{i<j} x_i x_j (…) / Σ_{i<j} x_i x_j

Pauling 1932, doi:10.1021/ja01348a011. Features of this kind: Ward et al. 2016,
doi:10.1038/npjcompumats.2016.28.
"""

from __future__ import annotations

import numpy as np

from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._charges import likeliest_charges
from iceframe.scale.descriptors._compositions import N_ELEMENTS, Amounts, CompositionDescriptor
from iceframe.scale.descriptors._crystals import of_elements

FEATURES = (
    Feature("charges can cancel", "", "oxidation"),
    Feature("mean cation charge", "e", "oxidation"),
    Feature("highest cation charge", "e", "oxidation"),
    Feature("mean anion charge", "e", "oxidation"),
    Feature("anion fraction", "", "oxidation"),
    Feature("unlikeliness of the charges", "nat/atom", "oxidation"),
    Feature("electronegativity of anions over cations", "", "oxidation"),
    Feature("mean ionic character", "", "oxidation"),
    Feature("highest ionic character", "", "oxidation"),
    Feature("d-block fraction", "", "oxidation"),
    Feature("f-block fraction", "", "oxidation"),
)

D_BLOCK = (*range(21, 31), *range(39, 49), *range(72, 81), *range(104, 113))
F_BLOCK = (*range(57, 72), *range(89, 104))
"""Atomic numbers; lanthanum to lutetium and actinium to lawrencium count as f-block."""


@DESCRIPTORS.register("oxidation")
class Oxidation(CompositionDescriptor):
    """For ionic and covalent compounds, and not a default: in most alloys no charges cancel, and
    what depends on them is NaN. So it is for pure elements, and for noble gases."""

    name = "oxidation"
    title = "Oxidation states"
    summary = "Likeliest charges that cancel; ionic character; d- and f-block fractions."
    reference = "Ward et al. 2016, doi:10.1038/npjcompumats.2016.28"
    default = False

    def features(self) -> tuple[Feature, ...]:
        """Eleven features."""
        return FEATURES

    def measure(self, held: Amounts) -> np.ndarray:
        """``(n, 11)``."""
        return oxidation_features(held.fractions)


def oxidation_features(x: np.ndarray) -> np.ndarray:
    """The features of atomic fractions ``(n, 118)``: ``(n, 11)``."""
    present = np.isfinite(x).all(axis=1)
    chi = of_elements("Electronegativity")[1:]
    charges = likeliest_charges(x, chi)
    compound = (np.where(np.isnan(x), 0, x) > 0).sum(axis=1) > 1
    q = charges.values
    cations, anions = (np.where(side, x, 0) for side in (q > 0, q < 0))
    balanced = np.isfinite(charges.price)
    mean, highest = _ionic(x, chi)
    values = np.column_stack(
        [
            np.where(compound, balanced, np.nan),
            _mean(cations, q),
            np.where(cations > 0, q, -np.inf).max(axis=1),
            _mean(anions, q),
            np.where(balanced, anions.sum(axis=1), np.nan),
            charges.price,
            _mean(anions, chi) - _mean(cations, chi),
            mean,
            highest,
            x @ _among(D_BLOCK),
            x @ _among(F_BLOCK),
        ]
    )
    values[~present] = np.nan
    return np.where(np.isinf(values), np.nan, values)


def _mean(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The mean of ``values`` by ``weights`` ``(n, 118)``, NaN without any weight."""
    total = weights.sum(axis=1)
    summed = np.where(weights > 0, weights * values, 0).sum(axis=1)
    return np.where(total > 0, summed / np.where(total > 0, total, 1), np.nan)


def _ionic(x: np.ndarray, chi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and highest ionic character over the pairs of unlike elements, each ``(n,)``.

    NaN where an element that is there has no electronegativity.
    """
    there = np.where(np.isnan(x), 0, x) > 0
    known = np.isfinite(chi)
    weights = np.where(there & known, x, 0)
    character = 1 - np.exp(-(np.subtract.outer(chi[known], chi[known]) ** 2) / 4)
    some = weights[:, known]
    apart = 1 - (weights**2).sum(axis=1)  # Σ_{i≠j} x_i x_j
    pairs = np.einsum("ni,ij,nj->n", some, character, some, optimize=True)
    highest = np.array([character[np.ix_(row, row)].max(initial=0) for row in some > 0])
    good = (there.sum(axis=1) > 1) & ~(there & ~known).any(axis=1)
    mean = np.divide(pairs, apart, out=np.full(len(x), np.nan), where=good)
    return mean, np.where(good, highest, np.nan)


def _among(numbers: tuple[int, ...]) -> np.ndarray:
    """One for the elements with these atomic numbers, else zero ``(118,)``."""
    return np.isin(np.arange(1, N_ELEMENTS + 1), numbers).astype(float)

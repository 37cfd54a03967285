"""Parameters by which alloys are compared: electron count, entropy, mismatch, enthalpy of mixing.

With atomic fractions x_i, radii r_i, Pauling electronegativities χ_i, valence electrons v_i,
melting temperatures T_i and binary enthalpies of mixing H_ij at equal amounts:

    VEC = Σ x_i v_i                          S = −R Σ x_i ln x_i
    δ  = √(Σ x_i (1 − r_i/r̄)²), r̄ = Σ x_i r_i   Δχ = √(Σ x_i (χ_i − χ̄)²)
    H  = Σ_{i<j} 4 H_ij x_i x_j              T = Σ x_i T_i

VEC: Guo et al. 2011, doi:10.1063/1.3587228. S, δ, H: Zhang et al. 2008, doi:10.1002/adem.200700240.
H_ij: Takeuchi and Inoue 2005, doi:10.2320/matertrans.46.2817.
Radii: Miracle et al. 2010, doi:10.1179/095066010X12646898728200.
All tables are matminer's own.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._compositions import Amounts, CompositionDescriptor, symbols

GAS_CONSTANT = 8.31446261815324
"""J/(mol K), exact since the SI of 2019."""

FEATURES = (
    Feature("valence electron concentration", "", "alloy"),
    Feature("entropy of mixing", "J/(mol K)", "alloy"),
    Feature("enthalpy of mixing", "kJ/mol", "alloy"),
    Feature("atomic radius mismatch", "", "alloy"),
    Feature("electronegativity mismatch", "", "alloy"),
    Feature("mean melting temperature of the elements", "K", "alloy"),
)

# Electrons outside the noble-gas core by group of the periodic table, as Guo et al. count them;
# p-block elements count their s and p electrons only, lanthanides and actinides three.
_ELECTRONS_BY_GROUP = (0, *range(1, 13), *range(3, 9))


@DESCRIPTORS.register("alloy")
class Alloy(CompositionDescriptor):
    """Six parameters of solid solutions, few enough to be read in a small tree or a curve each.

    Meant for metallic alloys, and not a default. NaN where a table has no value for an element
    or, for the enthalpy, a pair of elements that the sample holds.
    """

    name = "alloy"
    title = "Alloy parameters"
    summary = "Electron concentration, entropy and enthalpy of mixing, radius and χ mismatch."
    reference = (
        "Guo et al. 2011, doi:10.1063/1.3587228; Zhang et al. 2008, doi:10.1002/adem.200700240"
    )
    default = False

    def features(self) -> tuple[Feature, ...]:
        """Six features."""
        return FEATURES

    def measure(self, held: Amounts) -> np.ndarray:
        """``(n, 6)``."""
        return alloy_parameters(held.fractions)


def alloy_parameters(x: np.ndarray) -> np.ndarray:
    """The six parameters of atomic fractions ``(n, 118)``: ``(n, 6)``."""
    table, enthalpies = _tables()
    radius, electronegativity, electrons, melting = table
    mean_radius = _mean(x, radius[None])
    mean_chi = _mean(x, electronegativity[None])
    entropy = -GAS_CONSTANT * (x * np.log(np.where(x > 0, x, 1))).sum(axis=1) + 0.0
    return np.column_stack(
        [
            _mean(x, electrons[None]),
            entropy,
            _enthalpy(x, enthalpies),
            np.sqrt(_mean(x, (1 - radius[None] / mean_radius[:, None]) ** 2)),
            np.sqrt(_mean(x, (electronegativity[None] - mean_chi[:, None]) ** 2)),
            _mean(x, melting[None]),
        ]
    )


def _mean(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Σ x_i p_i over the elements that are there, so that an absent NaN does no harm."""
    return np.where(x == 0, 0.0, x * values).sum(axis=1)


def _enthalpy(x: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Σ_{i<j} 4 H_ij x_i x_j, NaN where a pair that is there has no H_ij."""
    known = np.nan_to_num(pairs, nan=0.0)
    unknown = np.isnan(pairs).astype(float)
    total = 2 * np.einsum("ni,ij,nj->n", x, known, x, optimize=True)
    there = np.where(np.isnan(x), 0, x > 0).astype(float)
    lacking = np.einsum("ni,ij,nj->n", there, unknown, there, optimize=True) > 0
    return np.where(lacking, np.nan, total)


@lru_cache(maxsize=1)
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Radius in pm, electronegativity, valence electrons, melting temperature in K: ``(4, 118)``;
    enthalpies of mixing in kJ/mol ``(118, 118)`` with a zero diagonal."""
    from matminer.utils.data import MagpieData, MixingEnthalpy

    held = MagpieData(impute_nan=False).all_elemental_props
    group = np.array([held["Column"].get(s, np.nan) for s in symbols()])
    electrons = np.full(len(group), np.nan)
    known = np.isfinite(group)
    electrons[known] = np.array(_ELECTRONS_BY_GROUP)[group[known].astype(int)]
    electrons[1] = 2  # helium stands in group 18 and has two
    rows = [
        [held[name].get(s, np.nan) for s in symbols()]
        for name in ("MiracleRadius", "Electronegativity", "MeltingT")
    ]
    pairs = np.full((len(group), len(group)), np.nan)
    np.fill_diagonal(pairs, 0.0)
    place = {s: i for i, s in enumerate(symbols())}
    for (a, b), enthalpy in MixingEnthalpy(impute_nan=False).mixing_data.items():
        pairs[place[a], place[b]] = pairs[place[b], place[a]] = enthalpy
    return np.array([rows[0], rows[1], electrons, rows[2]], float), pairs

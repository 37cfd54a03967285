"""Oxidation states and alloy parameters: published values, laws, pymatgen's guesses."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.dataset import Dataset
from iceframe.core.values import Representation
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.descriptors._charges import _prices, _states, likeliest_charges
from iceframe.scale.descriptors._compositions import N_ELEMENTS, amounts, symbols
from iceframe.scale.descriptors._crystals import of_elements


def described(name: str, formulas: list[str | None]) -> Representation:
    table = pd.DataFrame({"formula": formulas})
    table.index = table.index.map(str)
    data = Dataset(table, composition="formula")
    return DESCRIPTORS[name]().fit(data).transform(data)


def value(name: str, feature: str, formula: str) -> float:
    found = described(name, [formula])
    return float(found.values[0, found.names.index(feature)])


def charges(formula: str) -> dict[str, float]:
    """Mean charge of each element; empty where none cancel."""
    x = amounts(pd.Series([formula])).fractions
    found = likeliest_charges(x, of_elements("Electronegativity")[1:])
    held = np.flatnonzero(np.isfinite(found.values[0]))
    return {symbols()[k]: round(float(found.values[0, k]), 4) for k in held}


# --------------------------------------------------------------------------------------- charges


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("NaCl", {"Na": 1, "Cl": -1}),
        ("Fe2O3", {"Fe": 3, "O": -2}),
        ("Fe3O4", {"Fe": 2.6667, "O": -2}),
        ("SrTiO3", {"Sr": 2, "Ti": 4, "O": -2}),
        ("LiFePO4", {"Li": 1, "Fe": 2, "P": 5, "O": -2}),
        ("LiCoO2", {"Li": 1, "Co": 3, "O": -2}),
        ("KMnO4", {"K": 1, "Mn": 7, "O": -2}),
        ("CaCO3", {"Ca": 2, "C": 4, "O": -2}),
        ("CuFeS2", {"Cu": 1, "Fe": 3, "S": -2}),
        ("YBa2Cu3O7", {"Y": 3, "Ba": 2, "Cu": 2.3333, "O": -2}),
        ("Na2O2", {"Na": 1, "O": -1}),
        ("PbTe", {"Pb": 2, "Te": -2}),
        ("GaAs", {"Ga": 3, "As": -3}),
        ("La0.7Sr0.3MnO3", {"La": 3, "Sr": 2, "Mn": 3.3, "O": -2}),
        ("NiAl", {}),
        ("Fe", {}),
        ("CoCrFeMnNi", {}),
        ("HeNa", {}),
    ],
)
def test_known_charges(formula: str, expected: dict[str, float]) -> None:
    assert charges(formula) == expected


def test_agrees_with_pymatgen_where_it_has_a_guess() -> None:
    from pymatgen.core import Composition

    binary = ["TiO2", "ZnS", "Al2O3", "Cu2O", "CuO", "CeO2", "V2O5", "CrO3", "Li3N", "AlN", "SiC"]
    binary += ["Mg2Si", "Si3N4", "MoS2", "UO2", "Bi2Te3", "HgS", "Tl2O3", "Eu2O3", "MnO2", "WO3"]
    binary += ["Au2O3", "PtO2", "CdSe", "InP", "ZrO2", "HfO2", "CaF2", "ZnO", "SnO2", "In2O3"]
    more = ["MgAl2O4", "BaTiO3", "CsPbI3", "H2SO4", "La2CuO4", "LaAlO3", "KNbO3", "Y3Al5O12"]
    formulas = binary + more
    same = []
    for formula in formulas:
        guess = Composition(formula).oxi_state_guesses()[0]
        same.append(charges(formula) == {e: round(float(q), 4) for e, q in guess.items()})
    assert np.mean(same) > 0.95, [f for f, s in zip(formulas, same, strict=True) if not s]


@given(
    amounts_=st.lists(st.floats(0.05, 1.0), min_size=2, max_size=5),
    seed=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=60)
def test_charges_cancel_and_scale_does_not_matter(amounts_: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.zeros((1, N_ELEMENTS))
    x[0, rng.choice(94, len(amounts_), replace=False)] = amounts_
    x[0, 7] = 1.0
    chi = of_elements("Electronegativity")[1:]
    fractions = x / x.sum()
    found = likeliest_charges(fractions, chi)
    if np.isfinite(found.price[0]):
        held = fractions[0] > 0
        assert abs(np.nansum(fractions[0] * found.values[0])) < 1e-5
        assert np.isfinite(found.values[0, held]).all()
        assert found.price[0] > -1e-12


@pytest.mark.parametrize("formula", ["Fe3O4", "Fe2Mn4O8", "Cu2Fe2S4", "V2Mo2O10"])
def test_the_price_is_the_least(formula: str) -> None:
    """Against all whole-number charges of the atoms, tried one by one."""
    states = [{**a, **b} for a, b in zip(_states(-1), _states(1), strict=True)]
    chi = of_elements("Electronegativity")[1:]
    x = amounts(pd.Series([formula])).values[0]
    options = [
        [
            (sum(c), sum(states[e][q] for q in c))
            for c in combinations_with_replacement(states[e], int(x[e]))
            if len({q > 0 for q in c}) == 1
        ]
        for e in np.flatnonzero(x)
    ]
    tries = product(*options)
    least = min(sum(p for _, p in tried) for tried in tries if sum(q for q, _ in tried) == 0)
    price = likeliest_charges((x / x.sum())[None], chi).price[0] * x.sum()
    assert price == pytest.approx(least, rel=1e-9)


def test_steps_go_from_cheap_to_dear() -> None:
    known = _prices()
    assert (np.diff(known.price) >= 0).all()
    for whose in np.unique(known.whose):
        assert (np.diff(known.price[known.whose == whose]) > 0).all()  # convex


# ------------------------------------------------------------------------------------ oxidation


def test_oxidation_features() -> None:
    found = described("oxidation", ["Al2O3"])
    table = dict(zip(found.names, found.values[0], strict=True))
    character = 1 - np.exp(-((3.44 - 1.61) ** 2) / 4)
    assert table == pytest.approx(
        {
            "charges can cancel": 1,
            "mean cation charge": 3,
            "highest cation charge": 3,
            "mean anion charge": -2,
            "anion fraction": 0.6,
            "unlikeliness of the charges": table["unlikeliness of the charges"],
            "electronegativity of anions over cations": 3.44 - 1.61,
            "mean ionic character": character,
            "highest ionic character": character,
            "d-block fraction": 0,
            "f-block fraction": 0,
        }
    )
    assert 0 <= table["unlikeliness of the charges"] < 0.1


def test_ionic_character_is_a_mean_over_pairs() -> None:
    found = value("oxidation", "mean ionic character", "NaClF")
    pairs = [(0.93, 3.16), (0.93, 3.98), (3.16, 3.98)]
    assert found == pytest.approx(np.mean([1 - np.exp(-((a - b) ** 2) / 4) for a, b in pairs]))


def test_matminer_has_the_same_highest_ionic_character() -> None:
    from matminer.featurizers.composition import IonProperty
    from pymatgen.core import Composition

    for formula in ("NaCl", "SrTiO3", "LiFePO4"):
        expected = IonProperty(fast=True, impute_nan=False).featurize(Composition(formula))[1]
        found = value("oxidation", "highest ionic character", formula)
        assert found == pytest.approx(expected, abs=2e-3)


def test_what_is_undefined_is_nan() -> None:
    found = described("oxidation", ["Fe", "NiAl", None, "HeNa", "UO2"])
    names = found.names
    assert np.isnan(found.values[0, :9]).all()
    assert found.values[0, names.index("d-block fraction")] == 1
    assert found.values[1, 0] == 0
    assert np.isnan(found.values[1, 1:7]).all()
    assert np.isfinite(found.values[1, 7:]).all()
    assert np.isnan(found.values[2]).all()
    assert np.isnan(found.values[3, names.index("mean ionic character")])
    assert found.values[4, names.index("f-block fraction")] == pytest.approx(1 / 3)


def test_unusual_charges_cost_more() -> None:
    feature = "unlikeliness of the charges"
    assert value("oxidation", feature, "NaCl") < value("oxidation", feature, "Fe3O4")
    assert value("oxidation", feature, "TiO2") < value("oxidation", feature, "Ti2O3")


def test_order_and_scale_of_a_formula_do_not_matter() -> None:
    found = described("oxidation", ["LiFePO4", "O8P2Fe2Li2", "Li0.25Fe0.25P0.25O"])
    np.testing.assert_allclose(found.values, found.values[[0, 0, 0]])


# ----------------------------------------------------------------------------- alloy parameters


@pytest.mark.parametrize(
    ("formula", "electrons", "enthalpy"),
    [
        # Guo and Liu 2011, doi:10.1016/S1002-0071(12)60080-X, and Guo et al. 2011.
        ("CoCrFeMnNi", 8.0, -4.16),
        ("CoCrFeNi", 8.25, -3.75),
        ("CoCrCuFeNi", 8.8, 3.2),
        ("AlCoCrFeNi", 7.2, -12.32),
        ("AlCoCrCuFeNi", 7.83, -4.78),
    ],
)
def test_published_alloys(formula: str, electrons: float, enthalpy: float) -> None:
    assert value("alloy", "valence electron concentration", formula) == pytest.approx(
        electrons, abs=0.005
    )
    assert value("alloy", "enthalpy of mixing", formula) == pytest.approx(enthalpy, abs=0.02)
    number = sum(c.isupper() for c in formula)
    assert value("alloy", "entropy of mixing", formula) == pytest.approx(
        8.314 * np.log(number), 1e-4
    )

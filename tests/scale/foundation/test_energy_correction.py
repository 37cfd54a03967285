"""The corrected energy: exact terms, planted laws found, and the truth about itself."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.scale.descriptors._compositions import symbols
from iceframe.scale.fitting import Fitted, context_for, fit
from iceframe.scale.foundation.chgnet_features import energies
from iceframe.scale.foundation.energy_correction import (
    ANION_FORMERS,
    EnergyCorrection,
    element_fractions,
    ionicity,
)
from iceframe.scale.rung import RUNGS, Inputs

SYMBOLS = symbols()


def _planted(crystals):
    """Two times the energy, one offset for oxygen, one for iron; eV."""
    fractions = element_fractions(crystals)
    return 2 * energies(crystals) + 3 * fractions[:, 7] - 1.5 * fractions[:, 25] + 0.25


def test_finds_a_planted_correction(perovskites):
    y = _planted(perovskites)
    model = EnergyCorrection(extended=False, pairs=False).fit(perovskites, y)
    assert np.abs(model.predict(perovskites) - y).max() < 1e-3
    found = {row["term"]: row["slope"] for row in model.describe()}
    assert found["CHGNet energy per atom"] == pytest.approx(2, abs=1e-3)
    # Offsets are told against the average atom: only their differences were planted.
    assert found["O fraction"] - found["Al fraction"] == pytest.approx(3, abs=0.02)
    assert found["Fe fraction"] - found["Al fraction"] == pytest.approx(-1.5, abs=0.02)
    offsets = model.coefficients_[: len(model.elements_)]
    assert abs(offsets @ model.centre_[: len(offsets)]) < 1e-9


def test_finds_what_a_metal_does_in_an_oxide_alone(perovskites):
    fractions = element_fractions(perovskites)
    y = _planted(perovskites) + 5 * fractions[:, 7] * fractions[:, 25]
    with_pairs = EnergyCorrection(extended=False).fit(perovskites, y)
    without = EnergyCorrection(extended=False, pairs=False).fit(perovskites, y)
    errors = [np.abs(m.predict(perovskites) - y).mean() for m in (with_pairs, without)]
    assert errors[0] < 0.2 * errors[1]
    terms = {row["term"]: row["slope"] for row in with_pairs.describe()}
    pairs = {name: slope for name, slope in terms.items() if "pairs" in name}
    assert max(pairs, key=pairs.get).startswith("Fe–O")
    both = [tuple(sorted(pair)) for pair in with_pairs.pairs_.tolist()]
    assert len(set(both)) == len(both)  # none is counted twice
    assert all(a in ANION_FORMERS and z != a for z, a in with_pairs.pairs_)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("extended", [False, True])
def test_contributions_add_up(perovskites, extended, pairs):
    y = _planted(perovskites) + np.sin(np.arange(len(perovskites)))
    model = EnergyCorrection(extended=extended, pairs=pairs).fit(perovskites, y)
    parts = model.contributions(perovskites)
    assert parts.shape == (len(perovskites), len(model.terms()))
    assert np.allclose(model.intercept_ + parts.sum(1), model.predict(perovskites), atol=1e-12)
    assert np.abs(parts.mean(0)).max() < 1e-12  # against the mean of the training data
    assert model.n_parameters() == len(model.terms()) + 1


def test_ionicity_is_paulings_sum_over_pairs(perovskites):
    from iceframe.scale.foundation.energy_correction import _electronegativities

    scale = np.nan_to_num(_electronegativities())
    x = element_fractions(perovskites)
    differences = (scale[:, None] - scale[None]) ** 2
    pairs = 0.5 * np.einsum("na,nb,ab->n", x, x, differences)
    assert np.allclose(ionicity(perovskites), pairs)


def test_describe_tells_every_term_in_words(perovskites):
    model = EnergyCorrection().fit(perovskites, _planted(perovskites))
    rows = {row["term"]: row for row in model.describe()}
    assert len(rows) == len(model.elements_) + len(model.pairs_) + 3
    assert rows["CHGNet energy per atom"]["unit"] == "eV/atom"
    assert {f"{SYMBOLS[z - 1]} fraction" for z in model.elements_} < set(rows)
    sentence = rows["O fraction"]["meaning"]
    assert sentence.startswith("0.1 more O in place of the average atom changes the prediction by")
    importances = [row["importance"] for row in model.describe()]
    assert importances == sorted(importances, reverse=True)


def test_unknown_elements_and_undescribed_crystals_get_a_finite_answer(perovskites, odd_crystals):
    model = EnergyCorrection().fit(perovskites, _planted(perovskites))
    assert np.isfinite(model.predict(odd_crystals)).all()
    with_them = EnergyCorrection().fit(odd_crystals, np.array([1.0, 2.0, 3.0]))
    assert np.isfinite(with_them.predict(perovskites)).all()


def test_is_stored_whole_and_refuses_other_weights(perovskites, empty_table, tmp_path):
    inputs = Inputs(empty_table, crystals=perovskites)
    context = context_for(inputs, "regression")
    y = _planted(perovskites)
    fitted = fit(RUNGS["foundation_correction"](), {"extended": False}, inputs, y, context)
    fitted.save(tmp_path)
    again = Fitted.load(tmp_path)
    assert np.array_equal(again.predict(inputs), fitted.predict(inputs))
    assert again.describe() == fitted.describe()
    arrays, values = fitted.estimator.state()
    with pytest.raises(InputError, match="other weights"):
        EnergyCorrection().restore(arrays, {**values, "chgnet": "0" * 16})
    del arrays["centre"]
    with pytest.raises(InputError, match="does not fit"):
        EnergyCorrection(extended=False).restore(arrays, values)
    full = fitted.estimator.state()
    with pytest.raises(InputError, match="coefficients"):
        EnergyCorrection(extended=True).restore(*full)

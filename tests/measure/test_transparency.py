"""What can be believed of an explanation: known answers, undefined cases, refits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from scipy import stats

from iceframe.measure import transparency
from iceframe.measure.attribution import attribute
from iceframe.measure.explainers.shapley import shapley_values
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.rung import RUNGS

vectors = nps.arrays(float, (3, 6), elements=st.floats(-10, 10).map(lambda v: round(v, 3)))


@given(vectors, vectors)
def test_faithfulness_is_spearmans_correlation(a, b):
    for x, y, got in zip(a, b, transparency.faithfulness(a, b), strict=True):
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            assert np.isnan(got)
        else:
            assert got == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)


@given(vectors, st.floats(0.1, 100), st.floats(0.1, 100))
def test_faithfulness_ignores_units_and_knows_its_sign(a, one, two):
    same = transparency.faithfulness(one * a, two * a)
    against = transparency.faithfulness(one * a, -two * a)
    defined = np.ptp(a, axis=1) > 0
    np.testing.assert_allclose(same[defined], 1)
    np.testing.assert_allclose(against[defined], -1)
    assert np.all(np.isnan(same[~defined]))


def test_rounding_errors_are_ties_not_ranks():
    attribution = np.array([[1.0, 1e-17, -3e-17, 2e-18]])
    moved = np.array([[1.0, 0.0, 0.0, 0.0]])
    assert transparency.faithfulness(attribution, moved)[0] == pytest.approx(1)


def test_missing_attributions_are_undefined():
    assert np.isnan(transparency.stability(np.array([[np.nan, 1, 2]]), np.array([[1.0, 2, 3]])))[0]
    with pytest.raises(ValueError, match="one shape"):
        transparency.stability(np.zeros((2, 3)), np.zeros((3, 2)))


@pytest.fixture
def problem(rng, table):
    x = rng.normal(size=(90, 4))
    return table(x), 3 * x[:, 0] - 2 * x[:, 1] + x[:, 2] + 6.0 * rng.normal(size=90)


@pytest.mark.parametrize("measure", [transparency.seed_stability, transparency.resample_stability])
def test_stability_of_a_deterministic_rung(problem, measure):
    inputs, y = problem
    rung, about = RUNGS["ridge"](), context_for(inputs, "regression")
    fitted = fit(rung, {}, inputs, y, about)
    test = inputs.take(np.arange(15))
    first = attribute(fitted, test, inputs)
    values = measure(rung, {}, inputs, y, about, first, test)
    if measure is transparency.seed_stability:
        np.testing.assert_allclose(values, 1)  # no seed: stable by construction
    else:
        assert 0.4 < values.mean() < 1
    assert transparency.completeness(first).max() < 1e-9


def test_noise_explained_by_two_seeds_disagrees(rng, table):
    inputs, y = table(rng.normal(size=(60, 6))), rng.normal(size=60)
    rung, about = RUNGS["extra_trees"](), context_for(inputs, "regression")
    test = inputs.take(np.arange(10))
    first = shapley_values(fit(rung, {}, inputs, y, about), test, inputs, permutations=8)
    halves = transparency.resample_stability(rung, {}, inputs, y, about, first, test)
    assert halves.mean() < 0.8


def test_a_half_keeps_every_class(rng, table):
    codes = np.r_[np.zeros(50, int), 1, 2, 2]
    x = rng.normal(size=(53, 2)) + codes[:, None]
    inputs = table(x)
    about = context_for(inputs, "classification", n_classes=3)
    rung = RUNGS["ridge"]()
    first = attribute(fit(rung, {}, inputs, codes, about), inputs, inputs)
    values = transparency.resample_stability(rung, {}, inputs, codes, about, first, inputs)
    assert values.shape == (53,)
    assert np.isfinite(values).all()

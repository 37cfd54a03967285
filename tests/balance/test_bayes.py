"""The correlated Bayesian t-test against baycomp, and by calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from iceframe.balance.bayes import (
    correlated_difference,
    probability_share_below,
    probability_within,
)

losses = st.lists(st.floats(-100, 100).map(lambda v: round(v, 3)), min_size=2, max_size=12)


@given(losses, st.integers(0, 1000), st.floats(0.01, 10))
def test_agrees_with_baycomp(values, seed, rope):
    baycomp = pytest.importorskip("baycomp")
    reference = np.array(values)
    other = reference + np.random.default_rng(seed).normal(size=len(values))
    # k folds of one run: n_test/n_train = 1/(k - 1)
    k = len(values)
    worse = baycomp.two_on_single(reference, other, rope)[2]  # P(other - reference > rope)
    ours = probability_within(other, reference, rope, n_train=k - 1, n_test=1)
    assert ours == pytest.approx(1 - worse, abs=1e-9)


def test_agrees_with_baycomp_on_repeated_folds(rng):
    baycomp = pytest.importorskip("baycomp")
    reference, other = rng.normal(size=15), rng.normal(size=15) + 0.3
    worse = baycomp.two_on_single(reference, other, 0.2, runs=3)[2]
    assert probability_within(other, reference, 0.2, n_train=4, n_test=1) == pytest.approx(
        1 - worse
    )


def test_zero_variance_is_a_step():
    same = [1.0, 2.0, 3.0]
    shifted = [1.5, 2.5, 3.5]
    for rope, expected in ((0.4, 0.0), (0.5, 1.0), (0.6, 1.0)):
        assert probability_within(shifted, same, rope, n_train=4, n_test=1) == expected
    assert probability_within(same, same, 0.0, n_train=4, n_test=1) == 1.0


def test_two_folds_have_one_degree_of_freedom():
    difference = correlated_difference([2.0, 4.0], [1.0, 1.0], n_train=10, n_test=10)
    assert difference.dof == 1
    assert difference.scale == pytest.approx(np.sqrt(1.5 * 2.0))
    assert difference.probability_at_most(2.0) == pytest.approx(0.5)


def test_one_fold_cannot_tell():
    assert np.isnan(probability_within([1.0], [0.0], 5.0, n_train=4, n_test=1))


@pytest.mark.parametrize("bad", [([], []), ([1.0], [1.0, 2.0])])
def test_unpaired_folds_are_refused(bad):
    with pytest.raises(ValueError, match="paired folds"):
        probability_within(*bad, 0.0, n_train=1, n_test=1)


def test_empty_parts_are_refused():
    with pytest.raises(ValueError, match="positive"):
        probability_within([1.0, 2.0], [1.0, 2.0], 0.0, n_train=0, n_test=1)


def test_probability_is_calibrated_for_independent_folds(rng):
    """Where the truth lies on the rope, P ≥ 0.95 must come up in 5 % of cases."""
    k, hits = 5, 0
    for _ in range(4000):
        difference = rng.normal(0.0, 1.0, k)
        hits += probability_within(difference, np.zeros(k), 0.0, n_train=1e9, n_test=1) >= 0.95
    low, high = stats.binom.ppf([0.0005, 0.9995], 4000, 0.05)
    assert low <= hits <= high


def test_probability_of_undercoverage():
    assert probability_share_below(0.80, 300, 0.85) > 0.98
    assert probability_share_below(0.88, 300, 0.85) < 0.1
    assert np.isnan(probability_share_below(0.9, 0, 0.85))
    assert np.isnan(probability_share_below(float("nan"), 10, 0.85))

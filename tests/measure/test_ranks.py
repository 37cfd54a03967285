"""Rank correlation of rows: against scipy's, with ties, and undefined where it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from scipy import stats

from iceframe.measure.ranks import rank_agreement, standard_ranks

rows = nps.arrays(float, (4, 7), elements=st.integers(-3, 3).map(float))  # full of ties


@given(rows, rows)
def test_it_is_spearmans_correlation(a, b):
    for x, y, got in zip(a, b, rank_agreement(a, b), strict=True):
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            assert np.isnan(got)
        else:
            assert got == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


@given(rows)
def test_rows_do_not_know_each_other(a):
    together = standard_ranks(a)
    alone = np.concatenate([standard_ranks(row[None]) for row in a])
    np.testing.assert_array_equal(together, alone)


def test_standard_ranks_have_mean_0_and_length_1(rng):
    ranks = standard_ranks(rng.normal(size=(5, 1000)).round(2))
    np.testing.assert_allclose(ranks.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(ranks, axis=1), 1)


def test_rounding_errors_are_ties():
    agreed = rank_agreement(np.array([[1.0, 1e-17, -3e-17]]), np.array([[1.0, 0, 0]]))
    assert agreed[0] == pytest.approx(1)


@pytest.mark.parametrize(
    "row", [[1.0, np.nan, 2.0], [1.0, np.inf, 2.0], [0.0, 0.0, 0.0], [1e9, 1e9 + 1e-3, 1e9]]
)
def test_what_has_no_ranks_is_undefined(row):
    ranks = standard_ranks(np.array([row, [1.0, 2.0, 3.0]]))
    assert np.isnan(ranks[0]).all()
    assert np.isfinite(ranks[1]).all()


def test_single_entries_and_no_rows():
    assert np.isnan(rank_agreement(np.ones((2, 1)), np.ones((2, 1)))).all()
    assert rank_agreement(np.ones((0, 3)), np.ones((0, 3))).shape == (0,)
    with pytest.raises(ValueError, match="one shape"):
        rank_agreement(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="rows"):
        standard_ranks(np.zeros(3))

"""Partial dependence against functions whose curves are known."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.measure.partial_dependence import POINTS, levels, partial_dependence


@pytest.fixture
def x() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (200, 3))


def test_the_curve_of_a_sum_is_its_own_term(x):
    values, adds = partial_dependence(lambda t: t[:, 0] ** 2 + 5 * t[:, 1], x, 0)
    expected = values**2
    np.testing.assert_allclose(adds, expected - expected.mean(), atol=1e-12)
    assert len(values) == POINTS
    assert (np.diff(values) > 0).all()


def test_it_stays_within_what_was_seen(x):
    values, _ = partial_dependence(lambda t: t[:, 0], x, 0)
    assert x[:, 0].min() < values[0] < values[-1] < x[:, 0].max()


def test_a_pure_interaction_has_a_flat_curve(x):
    x = np.vstack([x, x * [1, -1, 1]])  # both signs of the partner, equally often
    _, adds = partial_dependence(lambda t: t[:, 0] * t[:, 1], x, 0, rows=len(x))
    assert np.abs(adds).max() < 1e-12


def test_missing_values_of_the_others_stay_missing(x):
    x[:50, 1] = np.nan
    seen = []

    def predict(table):
        seen.append(np.isnan(table[:, 1]).mean())
        return table[:, 0]

    partial_dependence(predict, x, 0, rows=200)
    assert seen[0] == pytest.approx(0.25)


def test_probabilities_become_log_odds(x):
    def predict(table):
        p = 1 / (1 + np.exp(-3 * table[:, 2]))
        return np.column_stack([1 - p, p])

    values, adds = partial_dependence(predict, x, 2)
    assert adds.shape == (len(values), 2)
    np.testing.assert_allclose(np.diff(adds[:, 1]) / np.diff(values), 3.0, rtol=1e-9)
    np.testing.assert_allclose(adds[:, 0], -adds[:, 1], atol=1e-12)


@pytest.mark.parametrize("column", [np.full(5, 2.0), np.full(5, np.nan)])
def test_a_feature_without_two_values_has_no_curve(column):
    x = np.column_stack([column, np.arange(5.0)])
    values, adds = partial_dependence(lambda t: t[:, 1], x, 0)
    assert len(values) == len(adds) == 0


def test_few_levels_are_all_taken():
    column = np.array([0.0, 1.0] * 50)
    assert levels(column).tolist() == [0.0, 1.0]

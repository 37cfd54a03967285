"""Adaptive conformal inference: its update, its guarantee under drift, and time's order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.measure.uncertainty.adaptive import Adaptive, adaptive_intervals


def covered(interval, y):
    return (y >= interval[0]) & (y <= interval[1])


def test_long_run_coverage_is_kept_where_the_noise_grows(rng):
    y = np.exp(np.linspace(0, 3, 2000)) * rng.normal(size=2000)
    first = np.abs(rng.normal(size=200))
    dates = np.arange(2000)
    fixed, _ = adaptive_intervals(Adaptive.start(first, gamma=0.0), dates, y, np.zeros(2000))
    following, _ = adaptive_intervals(Adaptive.start(first), dates, y, np.zeros(2000))
    assert covered(fixed, y).mean() < 0.8
    assert covered(following, y).mean() == pytest.approx(0.9, abs=0.92 / (0.02 * 2000))
    latest, _ = adaptive_intervals(Adaptive.start(first, window=200), dates, y, np.zeros(2000))
    assert covered(latest, y).mean() == pytest.approx(0.9, abs=0.01)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.floats(0, 1e6), min_size=50, max_size=150),
    st.floats(0.05, 0.5),
    st.sampled_from([0.5, 0.8, 0.9]),
)
def test_the_guarantee_holds_for_any_sequence(scores, gamma, level):
    """Proposition 4.1, with misses as the update counts them."""
    alpha = 1 - level
    state, misses = Adaptive.start(np.array([1.0, 2.0, 3.0]), level, gamma=gamma), 0
    for score in scores:
        misses += state.alpha >= 1 or score > state.threshold()
        state = state.step(np.array([score]))
        assert -gamma <= state.alpha <= 1 + gamma
    bound = (max(alpha, 1 - alpha) + gamma) / (gamma * len(scores))
    assert abs(misses / len(scores) - alpha) <= bound + 1e-9


def test_no_drift_and_no_step_is_the_plain_interval(rng):
    first, y = np.abs(rng.normal(size=400)), rng.normal(size=1500)
    interval, state = adaptive_intervals(
        Adaptive.start(first, gamma=0.0), np.arange(1500), y, np.zeros(1500)
    )
    assert covered(interval, y).mean() == pytest.approx(0.9, abs=0.035)
    assert len(state.scores) == 1900
    assert state.alpha == pytest.approx(0.1)


def test_samples_of_one_date_are_answered_before_any_outcome_is_known():
    state = Adaptive.start(np.arange(1.0, 20.0), gamma=0.1)
    y = np.array([0.0, 100.0, 100.0, 0.0])
    (low, high), after = adaptive_intervals(state, np.array([1, 1, 1, 2]), y, np.zeros(4))
    assert high[:3].tolist() == [18.0] * 3
    # two of three missed: α = 0.1 + 0.1 (0.1 − 2/3) = 0.043, of 22 scores none is that rare
    assert high[3] == np.inf
    assert low[3] == -np.inf
    assert after.alpha == pytest.approx(0.1 + 0.1 * (0.1 - 2 / 3 + 0.1))


def test_only_dates_order_the_samples(rng):
    y, dates = rng.normal(size=60), rng.permutation(60)
    state = Adaptive.start(np.abs(rng.normal(size=30)))
    mixed, _ = adaptive_intervals(state, dates, y, np.zeros(60))
    order = np.argsort(dates)
    sorted_, _ = adaptive_intervals(state, dates[order], y[order], np.zeros(60))
    np.testing.assert_array_equal(mixed[1][order], sorted_[1])
    days = np.datetime64("2020-01-01") + dates
    np.testing.assert_array_equal(adaptive_intervals(state, days, y, np.zeros(60))[0], mixed)


def test_a_share_of_one_or_more_is_a_point_and_counts_as_a_miss():
    state = Adaptive(0.9, np.ones(5), alpha=1.2, gamma=0.1)
    assert state.threshold() == 0.0
    assert state.step(np.zeros(1)).alpha == pytest.approx(1.2 + 0.1 * (0.1 - 1))


def test_the_window_forgets():
    state = Adaptive.start(np.concatenate([np.full(50, 9.0), np.full(20, 1.0)]), window=20)
    assert state.threshold() == 1.0
    assert Adaptive.start(np.ones(5)).threshold() == np.inf  # too few for the level


def test_wrong_use_is_refused():
    state = Adaptive.start(np.ones(20))
    with pytest.raises(InputError, match="without a date"):
        adaptive_intervals(state, np.array([2020.0, np.nan]), np.ones(2), np.ones(2))
    with pytest.raises(InputError, match="targets"):
        adaptive_intervals(state, np.arange(2), np.array([1.0, np.nan]), np.ones(2))
    with pytest.raises(ValueError, match="dates"):
        adaptive_intervals(state, np.arange(3), np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match="gamma"):
        Adaptive.start(np.ones(3), gamma=-1.0)
    with pytest.raises(ValueError, match="level"):
        Adaptive.start(np.ones(3), 1.0)
    with pytest.raises(InputError, match="1 NaN"):
        Adaptive.start(np.array([np.nan]))

"""Group- and label-conditional thresholds: they hold where the marginal one does not."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.measure.conformal import LeftOut
from iceframe.measure.uncertainty.intervals import split_interval
from iceframe.measure.uncertainty.mondrian import ByRange, Mondrian, fewest, ranges
from iceframe.measure.uncertainty.sets import lac_scores, prediction_sets


def test_each_group_is_covered_where_the_marginal_threshold_fails(rng):
    groups = rng.choice(["quiet", "loud"], p=[0.8, 0.2], size=9000)
    error = np.where(groups == "loud", 5.0, 1.0) * rng.normal(size=9000)
    known, new = slice(0, 4000), slice(4000, None)
    low, high = split_interval(error[known], np.zeros(4000), np.zeros(5000))
    marginal = (error[new] >= low) & (error[new] <= high)
    mondrian = Mondrian.fit(np.abs(error[known]), groups[known])
    low, high = mondrian.interval(np.zeros(5000), groups[new])
    own = (error[new] >= low) & (error[new] <= high)
    loud = groups[new] == "loud"
    assert marginal[loud].mean() < 0.7
    assert marginal.mean() == pytest.approx(0.9, abs=0.02)
    # calibrated on about 800 and 3,200 samples
    assert own[loud].mean() == pytest.approx(0.9, abs=0.05)
    assert own[~loud].mean() == pytest.approx(0.9, abs=0.025)
    assert not mondrian.fallback


def test_each_class_is_covered_where_the_marginal_sets_fail(rng):
    """A rare class that the model hardly believes in."""
    codes = rng.choice(3, p=[0.45, 0.45, 0.1], size=6000)
    scores = rng.normal(size=(6000, 3))
    scores[np.arange(6000), codes] += np.array([2.5, 2.5, 0.5])[codes]
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    cal, new, truth = lac_scores(p[:1500]), lac_scores(p[1500:]), codes[1500:]
    marginal = prediction_sets(cal, codes[:1500], new)[np.arange(4500), truth]
    mondrian = Mondrian.fit(cal[np.arange(1500), codes[:1500]], codes[:1500].astype(float))
    own = mondrian.sets(new)[np.arange(4500), truth]
    assert marginal[truth == 2].mean() < 0.8
    for code in range(3):
        assert own[truth == code].mean() == pytest.approx(0.9, abs=0.05)


def test_one_group_is_the_marginal_threshold(rng):
    error, new = rng.normal(size=50), rng.normal(size=4)
    mondrian = Mondrian.fit(np.abs(error), np.zeros(50))
    np.testing.assert_array_equal(
        mondrian.interval(new, np.zeros(4)), split_interval(error, np.zeros(50), new)
    )


def test_small_and_unknown_groups_fall_back_and_say_so(rng):
    groups = np.repeat(["large", "small"], [60, 8])
    mondrian = Mondrian.fit(rng.random(68), groups)
    assert mondrian.fallback == {"small": 8}
    assert mondrian.own(np.array(["large", "small", "new"])).tolist() == [True, False, False]
    large, small, new = mondrian.thresholds(np.array(["large", "small", "new"]))
    assert small == new != large
    assert "'small' has 8 samples" in mondrian.remarks()[0]
    assert Mondrian.fit(rng.random(69), np.append(groups, "small")).fallback == {}
    assert Mondrian.fit(rng.random(68), groups, smallest=61).scores == {}


def test_a_level_too_high_for_the_group_is_infinite(rng):
    mondrian = Mondrian.fit(rng.random(20), np.zeros(20), level=0.9)
    assert np.isinf(mondrian.thresholds(np.zeros(1), level=0.99)[0])
    two = Mondrian.fit(np.array([1.0, 2.0]), np.array(["a", "b"]))
    assert np.isinf(two.thresholds(np.array(["a"]))[0])
    assert two.fallback == {"a": 1, "b": 1}


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_fewest_is_where_thresholds_become_finite(level):
    n = fewest(level)
    below, at = (
        Mondrian.fit(np.arange(float(k)), np.zeros(k), level).thresholds(np.zeros(1))[0]
        for k in (max(n - 1, 1), n)
    )
    assert np.isfinite(at)
    assert n == 1 or np.isinf(below)


def test_ranges_of_the_prediction(rng):
    predicted = rng.normal(size=100)
    parts = np.searchsorted(ranges(predicted), predicted)
    assert np.bincount(parts).tolist() == [20] * 5
    assert len(ranges(np.ones(100))) == 1  # constant predictions: one group


def test_each_range_of_the_prediction_is_covered(rng):
    """Noise that grows with the predicted value."""
    predicted = rng.uniform(0, 5, 6000)
    y = predicted + np.exp(0.5 * predicted) * rng.normal(size=6000)
    known, new = slice(0, 2000), slice(2000, None)
    left_out = LeftOut(y[known], predicted[known], np.zeros(2000, int))
    by_range = ByRange.fit(left_out)
    low, high = split_interval(y[known], predicted[known], predicted[new])
    own_low, own_high = by_range.interval(predicted[new])
    top = predicted[new] > 4
    assert np.mean((y[new] >= low) & (y[new] <= high), where=top) < 0.75
    inside = (y[new] >= own_low) & (y[new] <= own_high)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)
    for fifth in range(5):
        mine = (predicted[new] >= fifth) & (predicted[new] < fifth + 1)
        assert np.mean(inside, where=mine) == pytest.approx(0.9, abs=0.06)


@pytest.mark.parametrize(("n", "parts"), [(30, 1), (79, 1), (80, 2), (400, 5), (900, 5)])
def test_as_many_ranges_as_the_samples_allow(rng, n, parts):
    left_out = LeftOut(rng.normal(size=n), rng.normal(size=n), np.zeros(n, int))
    by_range = ByRange.fit(left_out)
    assert len(by_range.edges) + 1 == parts
    if parts == 1:
        plain = split_interval(left_out.truth, left_out.predicted, np.zeros(3))
        np.testing.assert_array_equal(by_range.interval(np.zeros(3)), plain)


def test_constant_predictions_are_one_range():
    left_out = LeftOut(np.arange(100.0), np.zeros(100), np.zeros(100, int))
    low, high = ByRange.fit(left_out).interval(np.zeros(1))
    assert (low[0], high[0]) == (-90.0, 90.0)


def test_wrong_use_is_refused(rng):
    with pytest.raises(InputError, match="1 NaN of 2"):
        Mondrian.fit(np.array([1.0, np.nan]), np.zeros(2))
    with pytest.raises(ValueError, match="do not match"):
        Mondrian.fit(np.ones(3), np.zeros(2))
    with pytest.raises(InputError, match="predictions"):
        Mondrian.fit(rng.random(20), np.zeros(20)).interval(np.array([np.nan]), np.zeros(1))

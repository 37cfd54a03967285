"""CRPS, calibration over levels and of probabilities: known answers and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from iceframe.core.errors import InputError
from iceframe.measure.uncertainty import scores
from iceframe.measure.uncertainty.scores import (
    calibration_curve,
    calibration_error,
    calibration_error_by_chance,
    crps_ensemble,
    crps_normal,
    crps_quantiles,
    crps_residuals,
    miscalibration_area,
    needed_levels,
)


@pytest.mark.parametrize(("mean", "sd", "y"), [(0.0, 1.0, 0.3), (5.0, 2.0, -1.0), (1.0, 0.1, 1.0)])
def test_crps_of_a_normal_is_its_integral(mean, sd, y):
    squared = lambda t: (stats.norm.cdf(t, mean, sd) - (t >= y)) ** 2  # noqa: E731
    span = (mean - 12 * sd, y), (y, mean + 12 * sd)
    expected = sum(integrate.quad(squared, *ends)[0] for ends in span)
    found = crps_normal(np.array([mean]), np.array([sd]), np.array([y]))
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_crps_of_an_ensemble_is_its_integral(rng):
    members, y = rng.normal(size=7), 0.4
    t = np.linspace(-6, 6, 400_001)
    step = (members[:, None] <= t).mean(0) - (t >= y)
    expected = np.trapezoid(step**2, t)
    assert crps_ensemble(members[:, None], np.array([y]))[0] == pytest.approx(expected, abs=1e-4)


def test_the_forms_of_crps_agree(rng):
    members, y = rng.normal(size=(40, 9)), rng.normal(size=9)
    ensemble = crps_ensemble(members, y)
    levels = (np.arange(40) + 0.5) / 40
    np.testing.assert_allclose(crps_quantiles(levels, np.sort(members, axis=0), y), ensemble)
    residuals, predicted = rng.normal(size=40), rng.normal(size=9)
    np.testing.assert_allclose(
        crps_residuals(residuals, y - predicted),
        crps_ensemble(predicted[None] + residuals[:, None], y),
    )
    many = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    np.testing.assert_allclose(
        crps_ensemble(np.tile(many[:, None], 9), y), crps_normal(0 * y, 1 + 0 * y, y), atol=1e-3
    )


@pytest.mark.parametrize("size", [2, 5, 30])
def test_fair_crps_is_unbiased_for_any_size(rng, size):
    """The expected CRPS of the right normal is 1/√π, whatever the size of the ensemble."""
    y = rng.normal(size=40_000)
    members = rng.normal(size=(size, 40_000))
    fair = crps_ensemble(members, y, fair=True)
    assert fair.mean() == pytest.approx(1 / np.sqrt(np.pi), abs=4 * fair.std() / 200)
    plain = crps_ensemble(members, y)
    assert plain.mean() == pytest.approx((1 + 1 / size) / np.sqrt(np.pi), abs=4 * plain.std() / 200)


def test_crps_is_proper(rng):
    """No other normal is better on average than the true one."""
    y = rng.normal(size=20_000)
    best = crps_normal(0 * y, 1 + 0 * y, y).mean()
    for mean, sd in ((0.3, 1.0), (0.0, 0.7), (0.0, 1.4)):
        assert crps_normal(mean + 0 * y, sd + 0 * y, y).mean() > best


def test_crps_of_a_point_is_the_absolute_error(rng):
    y = rng.normal(size=5)
    np.testing.assert_allclose(crps_ensemble(np.zeros((1, 5)), y), np.abs(y))
    np.testing.assert_allclose(crps_residuals(np.zeros(3), y), np.abs(y))
    np.testing.assert_allclose(crps_quantiles(np.array([0.5]), np.zeros((1, 5)), y), np.abs(y))


def test_needed_levels_are_where_intervals_begin_to_hold(rng):
    from iceframe.measure.conformal import threshold

    cal, new = np.sort(rng.random(30)), rng.random(50)
    needed = needed_levels(cal, new)
    for level in (0.1, 0.5, 0.77, 0.9):
        held = new <= threshold(cal, level)
        np.testing.assert_array_equal(held, needed - 0.5 / 31 < level - 1e-12)


def test_needed_levels_of_exchangeable_samples_are_uniform(rng):
    needed = np.array([needed_levels(rng.random(20), rng.random(1))[0] for _ in range(4000)])
    levels = np.arange(1, 21) / 21
    np.testing.assert_allclose(calibration_curve(needed, levels), levels, atol=3.5 * 0.5 / 63)


def test_miscalibration_area_is_the_integral(rng):
    needed = rng.beta(2, 5, size=30)
    p = np.linspace(0, 1, 200_001)
    expected = np.trapezoid(np.abs(calibration_curve(needed, p) - p), p)
    assert miscalibration_area(needed) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("n", [20, 200])
def test_the_area_by_chance_is_as_stated(rng, n):
    found = [miscalibration_area(rng.random(n)) for _ in range(600)]
    assert np.mean(found) == pytest.approx(scores.AREA_BY_CHANCE / np.sqrt(n), rel=0.06)


def test_known_areas():
    """Twice as many covered as promised: the curve min(2p, 1), an area of 1/4."""
    assert miscalibration_area((np.arange(1000) + 0.5) / 2000) == pytest.approx(0.25, abs=1e-6)
    assert miscalibration_area(np.array([0.5])) == pytest.approx(0.25)


def test_calibration_error_of_known_answers():
    p = np.array([[0.9, 0.1]] * 10 + [[0.4, 0.6]] * 10)
    codes = np.array([0] * 5 + [1] * 5 + [1] * 6 + [0] * 4)
    assert calibration_error(codes, p, bins=2) == pytest.approx(0.2)  # (0.4 + 0)/2
    assert calibration_error(codes, p, bins=1) == pytest.approx(0.2)
    assert calibration_error(codes[::-1], p[::-1], bins=2) == pytest.approx(0.2)
    assert calibration_error(np.array([0]), np.array([[1.0, 0.0]])) == 0.0


def test_calibration_error_of_a_calibrated_model_is_what_chance_gives(rng):
    found, chance = [], []
    for seed in range(60):
        p = rng.dirichlet(np.ones(3), size=300)
        codes = (rng.random((300, 1)) > np.cumsum(p, 1)[:, :-1]).sum(1)
        found.append(calibration_error(codes, p))
        chance.append(calibration_error_by_chance(p, seed=seed))
    assert np.mean(found) == pytest.approx(np.mean(chance), rel=0.1)
    wrong = [calibration_error(rng.integers(0, 3, 300), rng.dirichlet(np.ones(3), 300))]
    assert wrong[0] > 3 * np.mean(chance)


def test_ties_do_not_depend_on_the_order_of_samples(rng):
    p = rng.integers(5, 10, size=60)[:, None] / 10 * [1.0, 0.0] + [0.0, 0.1]
    codes = rng.integers(0, 2, 60)
    order = rng.permutation(60)
    assert calibration_error(codes[order], p[order]) == pytest.approx(calibration_error(codes, p))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: crps_normal(np.array([np.nan]), np.ones(1), np.ones(1)),
        lambda: crps_ensemble(np.array([[np.nan]]), np.ones(1)),
        lambda: crps_quantiles(np.array([0.5]), np.array([[1.0]]), np.array([np.nan])),
        lambda: crps_residuals(np.array([np.nan]), np.ones(1)),
        lambda: crps_residuals(np.ones(2), np.array([np.nan])),
        lambda: miscalibration_area(np.array([np.nan])),
        lambda: calibration_error(np.zeros(1), np.array([[np.nan, 1.0]])),
    ],
)
def test_nan_is_refused(wrong):
    with pytest.raises(InputError, match="NaN"):
        wrong()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: crps_normal(np.ones(1), -np.ones(1), np.ones(1)),
        lambda: crps_ensemble(np.ones((1, 2)), np.ones(2), fair=True),
        lambda: crps_ensemble(np.ones((3, 2)), np.ones(3)),
        lambda: crps_quantiles(np.array([0.5, 0.4]), np.ones((2, 1)), np.ones(1)),
        lambda: crps_quantiles(np.array([0.5]), np.ones((2, 1)), np.ones(1)),
        lambda: calibration_error(np.zeros(2), np.ones((3, 2))),
    ],
)
def test_wrong_use_is_refused(wrong):
    with pytest.raises(ValueError, match=r"match|negative|ascend"):
        wrong()

"""Weighted conformal intervals: they restore the coverage that a known shift takes away."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from iceframe.core.errors import InputError
from iceframe.measure.conformal import threshold
from iceframe.measure.uncertainty import covariate_shift
from iceframe.measure.uncertainty.covariate_shift import (
    DensityRatio,
    density_ratio,
    effective_size,
    weighted_thresholds,
)


def world(rng, mean, n):
    """x ~ N(mean, 1) in two dimensions; the noise grows with the first."""
    x = rng.normal(size=(n, 2)) + np.array([mean, 0.0])
    return x, np.abs(np.exp(0.6 * x[:, 0]) * rng.normal(size=n))


def true_ratio(x, mean):
    return np.exp(mean * x[:, 0] - mean**2 / 2)


@pytest.fixture(scope="module")
def coverages():
    """Mean coverage over 24 worlds without weights, with true ones and with learned ones."""
    rng = np.random.default_rng(5)
    rows = []
    for seed in range(24):
        (x, scores), (new, truth) = world(rng, 0.0, 400), world(rng, 1.0, 300)
        exact = DensityRatio(true_ratio(x, 1.0), true_ratio(new, 1.0))
        learned = density_ratio(x, new, seed=seed)
        rows.append(
            [
                np.mean(truth <= threshold(np.sort(scores), 0.9)),
                *(
                    np.mean(truth <= weighted_thresholds(scores, r).values)
                    for r in (exact, learned)
                ),
            ]
        )
    return np.mean(rows, axis=0)


def test_weights_restore_what_a_known_shift_takes_away(coverages):
    plain, exact, learned = coverages
    assert plain < 0.82
    assert exact == pytest.approx(0.9, abs=0.025)
    assert learned == pytest.approx(0.9, abs=0.025)


def test_equal_weights_are_the_plain_threshold(rng):
    for n in (9, 10, 19, 100, 333):
        scores = rng.random(n)
        for level in (0.5, 0.8, 0.9):
            found = weighted_thresholds(
                scores, DensityRatio(np.full(n, 0.3), np.full(4, 0.3)), level, smallest=0
            )
            np.testing.assert_array_equal(found.values, threshold(np.sort(scores), level))


def test_weighted_thresholds_are_the_papers_quantile(rng):
    """The level-quantile of Σ p_i δ(s_i) + p_∞ δ(∞), written out."""
    scores, weights, new = rng.random(60), rng.gamma(1.0, size=60), rng.gamma(1.0, size=8) * 4
    found = weighted_thresholds(scores, DensityRatio(weights, new), 0.8, smallest=0).values
    for value, own in zip(found, new, strict=True):
        p = np.append(weights, own) / (weights.sum() + own)
        points = np.append(scores, np.inf)
        reached = [p[points <= t].sum() for t in points]
        assert value == min(t for t, mass in zip(points, reached, strict=True) if mass >= 0.8)


def test_without_a_shift_weights_are_about_one(rng):
    x = rng.normal(size=(700, 3))
    ratio = density_ratio(x[:400], x[400:])
    assert ratio.told_apart == pytest.approx(0.5, abs=0.07)
    assert ratio.effective > 0.9 * 400
    np.testing.assert_allclose(np.mean(ratio.calibration), 1.0, atol=0.1)


def test_the_learned_ratio_is_the_true_one(rng):
    (x, _), (new, _) = world(rng, 0.0, 2000), world(rng, 1.0, 2000)
    ratio = density_ratio(x, new)
    error = np.log(ratio.calibration) - np.log(true_ratio(x, 1.0))
    assert np.sqrt(np.mean(error**2)) < 0.2
    assert ratio.told_apart == pytest.approx(0.76, abs=0.02)  # Φ(1/√2)


def test_samples_far_from_all_calibration_samples_are_refused(rng):
    x, new = rng.normal(size=(300, 2)), rng.normal(size=(100, 2)) + 9.0
    ratio = density_ratio(x, new)
    found = weighted_thresholds(rng.random(300), ratio)
    assert ratio.told_apart == 1.0
    assert found.refused.all()
    low, high = found.interval(np.zeros(100))
    assert np.all(low == -np.inf)
    assert np.all(high == np.inf)


def test_too_small_an_effective_size_is_refused_with_the_reason():
    ratio = DensityRatio(np.array([100.0] + [0.1] * 99), np.ones(3))
    found = weighted_thresholds(np.arange(100.0), ratio)
    assert found.refused.all()
    assert "1 count, 20 are needed at 90 %" in found.reason
    assert found.effective == pytest.approx(effective_size(ratio.calibration))


def test_too_few_new_samples_teach_no_shift(rng):
    ratio = density_ratio(rng.normal(size=(100, 2)), rng.normal(size=(19, 2)))
    assert "19 new" in ratio.reason
    found = weighted_thresholds(rng.random(100), ratio)
    assert found.refused.all()
    assert found.reason == ratio.reason
    assert density_ratio(np.empty((90, 0)), np.empty((90, 0))).reason == (
        "nothing is known of the samples"
    )


def test_ratios_are_clipped_and_it_is_told(rng):
    class Sure(RandomForestClassifier):
        def predict_proba(self, x):
            return np.column_stack([np.full(len(x), 0.001), np.full(len(x), 0.999)])

    ratio = density_ratio(
        rng.normal(size=(50, 1)), rng.normal(size=(50, 1)), classifier=Sure(n_estimators=1)
    )
    assert np.all(ratio.new == covariate_shift.LARGEST_RATIO)
    assert ratio.clipped == 1.0


def test_twins_do_not_sit_on_both_sides_of_a_fold(rng):
    """A forest knows twins again: with groups their probabilities are honest."""
    x = np.repeat(rng.normal(size=(60, 4)), 5, axis=0)
    new = rng.normal(size=(300, 4))
    forest = RandomForestClassifier(30, random_state=0)
    alone = density_ratio(x, new, classifier=forest)
    together = density_ratio(x, new, groups=np.repeat(np.arange(60), 5), classifier=forest)
    assert alone.told_apart > together.told_apart + 0.1


def test_missing_values_and_empty_columns(rng):
    x, new = rng.normal(size=(60, 3)), rng.normal(size=(40, 3))
    x[3, 0] = new[5, 1] = np.nan
    x[:, 2] = new[:, 2] = np.nan
    assert np.all(np.isfinite(density_ratio(x, new).new))


def test_the_same_seed_gives_the_same_weights(rng):
    x, new = rng.normal(size=(60, 3)), rng.normal(size=(40, 3))
    np.testing.assert_array_equal(
        density_ratio(x, new, seed=4).new, density_ratio(x, new, seed=4).new
    )


def test_wrong_use_is_refused(rng):
    x = rng.normal(size=(40, 2))
    with pytest.raises(InputError, match="different columns"):
        density_ratio(x, x[:, :1])
    with pytest.raises(InputError, match="infinite"):
        density_ratio(np.where(x > 1, np.inf, x), x)
    ratio = DensityRatio(np.ones(40), np.ones(2))
    with pytest.raises(InputError, match="1 NaN"):
        weighted_thresholds(np.append(np.ones(39), np.nan), ratio)
    with pytest.raises(ValueError, match="do not match"):
        weighted_thresholds(np.ones(39), ratio)
    with pytest.raises(ValueError, match="level"):
        weighted_thresholds(np.ones(40), ratio, 1.0)
    assert effective_size(np.zeros(3)) == 0.0

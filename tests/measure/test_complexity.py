"""Degrees of freedom by known answers; non-additivity and effective features by construction."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from iceframe.core.errors import InputError
from iceframe.measure.complexity import (
    Estimate,
    complexity_share,
    composite,
    effective_features,
    generalised_degrees_of_freedom,
    non_additivity,
)

N = 200


def _refit(estimator, x):
    return lambda y: estimator.fit(x, y).predict(x)


@pytest.mark.parametrize("terms", [2, 10, 40])
@pytest.mark.parametrize("tau", [0.5, 0.1])
def test_least_squares_has_as_many_degrees_of_freedom_as_terms(rng, terms, tau):
    x = rng.normal(size=(N, terms - 1))  # and the intercept
    y = x @ rng.normal(size=terms - 1) + rng.normal(size=N)
    hat = np.column_stack([np.ones(N), x])
    projection = hat @ np.linalg.pinv(hat)
    gdf = generalised_degrees_of_freedom(
        lambda y: projection @ y, y, tau_fraction=tau, replicates=4000, seed=3
    )
    assert gdf.value == pytest.approx(terms, rel=0.05)
    assert gdf.low < terms < gdf.high


def test_the_projection_in_that_test_is_least_squares(rng):
    x, y = rng.normal(size=(N, 3)), rng.normal(size=N)
    hat = np.column_stack([np.ones(N), x])
    np.testing.assert_allclose(
        hat @ np.linalg.pinv(hat) @ y, LinearRegression().fit(x, y).predict(x)
    )


@pytest.mark.parametrize("k", [1, 2, 5, 20])
def test_nearest_neighbours_have_n_over_k(rng, k):
    x, y = rng.normal(size=(N, 3)), rng.normal(size=N)
    gdf = generalised_degrees_of_freedom(
        _refit(KNeighborsRegressor(k), x), y, replicates=600, seed=1
    )
    assert gdf.value == pytest.approx(N / k, rel=0.05)


def test_one_nearest_neighbour_is_exact_with_two_replicates(rng):
    x, y = rng.normal(size=(N, 3)), rng.normal(size=N)
    gdf = generalised_degrees_of_freedom(_refit(KNeighborsRegressor(1), x), y, replicates=2)
    assert gdf.value == pytest.approx(N, rel=1e-9)
    assert complexity_share(gdf, N).value == pytest.approx(1.0)


def test_a_memorising_classifier_has_n_and_a_prior_has_none(rng):
    x, y = rng.normal(size=(N, 3)), rng.choice(3, N, p=[0.7, 0.2, 0.1])
    options = {"task": "classification", "n_classes": 3, "replicates": 5}
    nearest = KNeighborsClassifier(1)
    memory = generalised_degrees_of_freedom(
        lambda codes: nearest.fit(x, codes).predict_proba(x), y, **options
    )
    prior = generalised_degrees_of_freedom(
        lambda codes: np.tile(np.bincount(codes, minlength=3) / N, (N, 1)), y, **options
    )
    majority = generalised_degrees_of_freedom(
        lambda codes: np.tile(np.eye(3)[np.bincount(codes).argmax()], (N, 1)), y, **options
    )
    assert memory.value == pytest.approx(N)
    assert prior.value == pytest.approx(0, abs=1e-9)
    assert majority.value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("tau", "changed"), [(0.5, 0.25), (0.1, 0.05)])
def test_the_stated_share_of_labels_changes_and_classes_keep_their_size(rng, tau, changed):
    y = rng.choice(3, 600, p=[0.6, 0.3, 0.1])
    seen = []

    def refit(codes):
        seen.append(codes)
        return np.zeros((600, 3))

    generalised_degrees_of_freedom(
        refit, y, task="classification", n_classes=3, tau_fraction=tau, replicates=20
    )
    shares = [np.mean(codes != y) for codes in seen[1:]]
    assert np.mean(shares) == pytest.approx(changed, rel=0.1)
    assert all(np.array_equal(np.bincount(c), np.bincount(y)) for c in seen)


def test_disturbances_depend_on_the_seed_and_not_on_the_model(rng):
    y = rng.normal(size=N)
    seen: dict[str, list[np.ndarray]] = {"a": [], "b": [], "c": []}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):

        def refit(disturbed, name=name):
            seen[name].append(disturbed)
            return disturbed * (2.0 if name == "b" else 1.0)

        generalised_degrees_of_freedom(refit, y, replicates=3, seed=seed)
    np.testing.assert_array_equal(seen["a"], seen["b"])
    assert not np.array_equal(seen["a"][1], seen["c"][1])


def test_the_interval_holds_the_truth_about_as_often_as_it_says(rng):
    x = np.column_stack([np.ones(60), rng.normal(size=(60, 5))])
    projection = x @ np.linalg.pinv(x)
    y = rng.normal(size=60)
    hits = 0
    for seed in range(200):
        gdf = generalised_degrees_of_freedom(lambda y: projection @ y, y, replicates=12, seed=seed)
        hits += gdf.low <= 6 <= gdf.high
    assert 0.85 <= hits / 200 <= 0.99


def test_a_constant_target_and_a_wrong_shape_are_refused():
    with pytest.raises(InputError, match="varies"):
        generalised_degrees_of_freedom(lambda y: y, np.ones(5))
    with pytest.raises(ValueError, match="refit must return"):
        generalised_degrees_of_freedom(lambda y: y[:2], np.arange(5.0))


def test_one_replicate_has_no_interval():
    gdf = generalised_degrees_of_freedom(lambda y: y, np.arange(5.0), replicates=1)
    assert np.isnan(gdf.low)
    assert np.isnan(complexity_share(gdf, 5).low)


# -- non-additivity --------------------------------------------------------------------------------


@pytest.fixture
def phi(rng):
    return rng.uniform(-1, 1, size=(300, 6))


@pytest.mark.parametrize(
    ("name", "function", "low", "high"),
    [
        ("linear", lambda p: p @ np.arange(1.0, 7.0), 0.0, 0.001),
        ("curved", lambda p: np.sin(3 * p[:, 0]) + p[:, 1] ** 2, 0.0, 0.02),
        ("steps", lambda p: (p[:, 0] > 0.2) * 1.0 + 2.0 * (p[:, 1] > -0.3), 0.0, 0.1),
        ("product", lambda p: p[:, 0] * p[:, 1], 0.9, 1.0),
        ("xor", lambda p: np.sign(p[:, 0] * p[:, 1]), 0.9, 1.0),
        ("half", lambda p: p[:, 0] / np.sqrt(1 / 3) + 3 * p[:, 1] * p[:, 2], 0.4, 0.65),
    ],
)
def test_non_additivity_of_known_functions(phi, name, function, low, high):
    estimate = non_additivity(function(phi), phi)
    assert low <= estimate.value <= high
    assert estimate.low <= estimate.value <= estimate.high


def test_a_constant_is_additive_and_uses_nothing(phi):
    assert non_additivity(np.full(300, 0.1) + 1e-17, phi).value == 0
    constant = effective_features(np.full(300, 0.1), phi)
    assert constant.value == 0
    assert constant.shares == (0.0,) * 6


def test_logistic_probabilities_are_additive(phi):
    logit = 4 * phi[:, 0] - 3 * phi[:, 1]
    p = 1 / (1 + np.exp(-logit))
    assert non_additivity(np.column_stack([1 - p, p]), phi).value < 0.001
    scores = np.exp(np.column_stack([2 * phi[:, 0], 3 * phi[:, 1], 0 * logit]))
    assert non_additivity(scores / scores.sum(1, keepdims=True), phi).value < 0.001


def test_missing_values_do_not_stop_the_surrogates(phi):
    f = phi[:, 0].copy()
    phi[::7, 3] = np.nan
    phi[:, 4] = np.nan
    assert non_additivity(f, phi).value < 0.01
    assert effective_features(f, phi).value < 0.6


# -- effective features ----------------------------------------------------------------------------


def test_effective_features_of_known_functions(phi):
    for used in (1, 3, 6):
        weights = np.r_[np.ones(used), np.zeros(6 - used)]

        def model(p, weights=weights):
            return p @ weights

        estimate = effective_features(model(phi), phi, predict=model, repeats=20)
        assert estimate.value == pytest.approx(used / 6, rel=0.03)
        assert sum(estimate.shares) == pytest.approx(1)
        assert np.isnan(estimate.surrogate_r2)


def test_shares_go_as_the_squared_weights(phi):
    weights = np.array([3.0, 1.0, 0, 0, 0, 0])
    estimate = effective_features(phi @ weights, phi, predict=lambda p: p @ weights, repeats=20)
    assert estimate.shares[0] / estimate.shares[1] == pytest.approx(9, rel=0.15)


def test_a_surrogate_finds_the_features_that_pixels_stand_for(phi):
    estimate = effective_features(3 * phi[:, 0] + phi[:, 1], phi)
    assert estimate.surrogate_r2 > 0.8
    assert np.argmax(estimate.shares) == 0
    assert estimate.shares[0] > 0.6
    assert "surrogate" in estimate.note


def test_many_columns_are_permuted_in_batches(rng, monkeypatch):
    monkeypatch.setattr("iceframe.measure.complexity.MAX_ROWS", 100)
    phi = rng.normal(size=(40, 7))

    def model(p):
        assert len(p) <= 100
        return p @ np.arange(7.0)

    small = effective_features(phi @ np.arange(7.0), phi, predict=model)
    monkeypatch.undo()
    whole = effective_features(phi @ np.arange(7.0), phi, predict=lambda p: p @ np.arange(7.0))
    np.testing.assert_allclose(small.shares, whole.shares)


def test_the_composite_weighs_its_parts():
    assert composite(1, 0, 0) == 0.5
    assert composite(0, 1, 1, 0.25) == 0.75
    assert np.isnan(composite(0.5, float("nan"), 0.5))
    assert complexity_share(Estimate(-1.0), 10).value == 0
    assert complexity_share(Estimate(20.0), 10).value == 1


def test_many_features_are_permuted_in_a_subset_of_the_samples(rng):
    phi = rng.normal(size=(400, 300))
    asked = 0

    def model(p):
        nonlocal asked
        asked += len(p)
        return p[:, :3].sum(axis=1)

    estimate = effective_features(model(phi), phi, predict=model)
    assert asked < 400 + 25_000
    assert estimate.value == pytest.approx(3 / 300, rel=0.1)

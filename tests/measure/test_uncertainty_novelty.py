"""Novelty: known distances, scikit-learn's values, p-values that hold, storage, detection."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from iceframe.core.errors import InputError
from iceframe.measure.uncertainty.detection import auroc, fpr95
from iceframe.measure.uncertainty.novelty import Novelty, ensemble_disagreement

METHODS = ["knn", "mahalanobis"]


def scaled(novelty: Novelty, x: np.ndarray) -> np.ndarray:
    return (x - novelty.centre) / novelty.spread


def test_knn_equals_scikit_learns_neighbours(rng):
    x, new = rng.normal(size=(80, 4)) * [1, 10, 100, 0.1], rng.normal(size=(20, 4))
    novelty = Novelty.fit(x, neighbours=3)
    oracle = NearestNeighbors(n_neighbors=3).fit(scaled(novelty, x))
    distance, _ = oracle.kneighbors(scaled(novelty, new))
    np.testing.assert_allclose(novelty.score(new), distance.mean(1) / 2)  # √4 columns
    left_out, _ = oracle.kneighbors()
    np.testing.assert_allclose(novelty.left_out, np.sort(left_out.mean(1) / 2))


def test_mahalanobis_equals_scikit_learns_shrunk_covariance(rng):
    labels = np.repeat(["a", "b"], 40)
    x = rng.normal(size=(80, 3)) + 5.0 * (labels == "b")[:, None]
    novelty = Novelty.fit(x, method="mahalanobis", labels=labels)
    z = scaled(novelty, x)
    means = np.array([z[labels == c].mean(0) for c in "ab"])
    oracle = LedoitWolf(assume_centered=True).fit(z - means[(labels == "b").astype(int)])
    new = scaled(novelty, rng.normal(size=(9, 3)))
    squared = np.min([oracle.mahalanobis(new - mean) for mean in means], axis=0)
    got = novelty.score(new * novelty.spread + novelty.centre)
    np.testing.assert_allclose(got, np.sqrt(squared / 3))


def test_a_sample_between_two_classes_is_stranger_where_labels_are_known(rng):
    labels = np.repeat([0, 1], 100)
    x = rng.normal(size=(200, 2)) + np.array([0.0, 20.0])[labels, None]
    between = np.array([[10.0, 10.0]])
    with_labels = Novelty.fit(x, method="mahalanobis", labels=labels)
    assert with_labels.p_values(between)[0] < 0.01
    assert Novelty.fit(x, method="mahalanobis").p_values(between)[0] > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_p_values_hold_inside_and_are_small_outside(rng, method):
    x = rng.standard_t(5, size=(1300, 6))
    novelty = Novelty.fit(x[:300], method=method)
    p = novelty.p_values(x[300:])
    for level in (0.05, 0.2, 0.5):
        # 1,000 new samples against thresholds of 300: both vary.
        spread = np.sqrt(level * (1 - level) * (1 / 1000 + 1 / 300))
        assert np.mean(p <= level) == pytest.approx(level, abs=3.5 * spread)
    assert np.all(novelty.p_values(x[300:] + 30.0) == 1 / 301)


@pytest.mark.parametrize("method", METHODS)
def test_units_do_not_matter(rng, method):
    x, new = rng.normal(size=(60, 3)), rng.normal(size=(10, 3)) * 3
    factor, offset = np.array([1e-3, 1.0, 1e6]), np.array([5.0, -1.0, 300.0])
    plain, changed = (
        Novelty.fit(x, method=method).score(new),
        Novelty.fit(x * factor + offset, method=method).score(new * factor + offset),
    )
    np.testing.assert_allclose(plain, changed, rtol=1e-6)


def test_a_twin_in_the_same_group_does_not_make_a_sample_usual(rng):
    x = np.repeat(rng.normal(size=(50, 3)), 2, axis=0)
    groups = np.repeat(np.arange(50), 2)
    assert np.all(Novelty.fit(x, neighbours=1).left_out == 0)
    assert np.all(Novelty.fit(x, groups=groups, neighbours=1).left_out > 0)


def test_a_column_of_mostly_zeros_does_not_rule_alone(rng):
    x = rng.normal(size=(400, 2))
    x[:, 1] = np.where(rng.random(400) < 0.745, 0.0, 1e-4)
    x[:4, 1] = 0.3
    novelty = Novelty.fit(x)
    assert abs(0.3 / novelty.spread[1]) < 5 / np.sqrt(0.01) * 1.2


def test_missing_values_lie_at_the_median_and_infinite_ones_are_refused(rng):
    x = rng.normal(size=(50, 3))
    x[3, 1] = np.nan
    x[:, 2] = np.nan
    novelty = Novelty.fit(x)
    middle = novelty.centre.copy()
    np.testing.assert_array_equal(
        novelty.score(np.array([[middle[0], np.nan, np.nan]])), novelty.score(middle[None])
    )
    x[7, 0] = np.inf
    with pytest.raises(InputError, match=r"row 7, column 0"):
        Novelty.fit(x)
    with pytest.raises(InputError, match="infinite"):
        novelty.score(x)


@pytest.mark.parametrize("method", METHODS)
def test_two_samples_constants_and_one_group(method):
    two = Novelty.fit(np.array([[1.0, 7.0], [2.0, 7.0]]), method=method)
    assert two.left_out.shape == (2,)
    assert np.all(np.isfinite(two.score(np.array([[1.5, 7.0], [9.0, 8.0]]))))
    same = Novelty.fit(np.ones((5, 2)), method=method, groups=np.zeros(5))
    assert same.p_values(np.ones((1, 2))).tolist() == [1.0]
    assert same.p_values(np.array([[1.0, 2.0]])).tolist() == [1 / 6]


@pytest.mark.parametrize("method", METHODS)
def test_storage_round_trip(rng, tmp_path, method):
    novelty = Novelty.fit(rng.normal(size=(40, 3)), method=method, labels=np.arange(40) % 2)
    np.savez(tmp_path / "novelty.npz", **novelty.state())
    again = Novelty.from_state(np.load(tmp_path / "novelty.npz", allow_pickle=False))
    new = rng.normal(size=(5, 3))
    assert again.method == method
    np.testing.assert_array_equal(again.p_values(new), novelty.p_values(new))
    np.testing.assert_array_equal(again.score(new), novelty.score(new))


@pytest.mark.parametrize(
    "harm", [{"centre": np.ones(2)}, {"reference": np.ones(3)}, {"neighbours": np.ones(2)}]
)
def test_damaged_arrays_are_named(rng, harm):
    state = Novelty.fit(rng.normal(size=(10, 3))).state()
    with pytest.raises(InputError, match="damaged"):
        Novelty.from_state({**state, **harm})
    with pytest.raises(InputError, match="left_out"):
        Novelty.from_state({k: v for k, v in state.items() if k != "left_out"})


def test_large_sets_are_drawn_from(rng, monkeypatch):
    monkeypatch.setattr("iceframe.measure.uncertainty.novelty.MOST_REFERENCE", 50)
    monkeypatch.setattr("iceframe.measure.uncertainty.novelty.MOST_LEFT_OUT", 20)
    monkeypatch.setattr("iceframe.measure.uncertainty.novelty.CHUNK", 120)
    x = rng.normal(size=(90, 2))
    novelty = Novelty.fit(x, seed=3)
    assert novelty.reference.shape == (50, 2)
    assert novelty.left_out.shape == (20,)
    np.testing.assert_array_equal(novelty.score(x), Novelty.fit(x, seed=3).score(x))
    one_by_one = [novelty.score(row[None])[0] for row in x]
    np.testing.assert_allclose(novelty.score(x), one_by_one)


def test_wrong_use_is_refused(rng):
    x = rng.normal(size=(10, 3))
    with pytest.raises(InputError, match="two samples"):
        Novelty.fit(x[:1])
    with pytest.raises(InputError, match="another number of columns"):
        Novelty.fit(x).score(x[:, :2])
    with pytest.raises(InputError, match="table of numbers"):
        Novelty.fit(x[:, 0])
    with pytest.raises(ValueError, match="method"):
        Novelty.fit(x, method="distance")
    with pytest.raises(ValueError, match="labels"):
        Novelty.fit(x, labels=np.zeros(9))


# -- disagreement ----------------------------------------------------------------------------------


def test_disagreement_of_probabilities(rng):
    p = rng.dirichlet(np.ones(3), size=(4, 25))
    found = ensemble_disagreement(p)
    mean = p.mean(0)
    divergence = np.mean(
        [[stats.entropy(p[i, j], mean[j]) for j in range(25)] for i in range(4)], 0
    )
    np.testing.assert_allclose(found, divergence)  # mutual information is the mean divergence
    np.testing.assert_allclose(ensemble_disagreement(np.stack([p[0], p[0]])), 0, atol=1e-12)


def test_disagreement_wants_two_finite_members():
    with pytest.raises(InputError, match="two models"):
        ensemble_disagreement(np.ones((1, 4)))
    with pytest.raises(InputError, match="1 NaN"):
        ensemble_disagreement(np.array([[1.0, np.nan], [1.0, 2.0]]))


# -- detection -------------------------------------------------------------------------------------


def test_auroc_equals_scikit_learns(rng):
    inside, outside = rng.normal(size=70).round(1), (rng.normal(size=50) + 1).round(1)
    truth = np.repeat([0, 1], [70, 50])
    found = auroc(inside, outside)
    assert found.value == pytest.approx(roc_auc_score(truth, np.concatenate([inside, outside])))
    assert found.low < found.value < found.high


def test_the_interval_of_auroc_covers_the_truth(rng):
    truth = stats.norm.cdf(1 / np.sqrt(2))
    hits = 0
    for seed in range(100):
        found = auroc(rng.normal(size=60), rng.normal(size=60) + 1, seed=seed)
        hits += found.low <= truth <= found.high
    assert 0.87 <= hits / 100 <= 0.99


def test_fpr95_of_normals(rng):
    inside, outside = rng.normal(size=1500), rng.normal(size=1500) + 2
    truth = stats.norm.cdf(stats.norm.ppf(0.95) - 2)
    found = fpr95(inside, outside)
    assert found.value == pytest.approx(truth, abs=0.04)
    assert found.low <= truth <= found.high
    assert fpr95(inside, inside).value == pytest.approx(0.95, abs=1e-3)


def test_extremes_of_detection():
    apart = auroc(np.zeros(5), np.ones(5)), fpr95(np.zeros(5), np.ones(5))
    assert [e.value for e in apart] == [1.0, 0.0]
    alike = auroc(np.zeros(5), np.zeros(5)), fpr95(np.zeros(5), np.zeros(5))
    assert [e.value for e in alike] == [0.5, 1.0]
    for function in (auroc, fpr95):
        with pytest.raises(InputError, match="no sample"):
            function(np.zeros(3), np.empty(0))
        with pytest.raises(InputError, match="1 NaN"):
            function(np.array([1.0, np.nan]), np.ones(3))

"""Sets of classes: MAPIE's LAC and APS, coverage, edge cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from iceframe.core.errors import InputError
from iceframe.measure.uncertainty.sets import aps_scores, lac_scores, prediction_sets


class Given(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose probabilities are its inputs."""

    def __init__(self):
        self.classes_ = np.arange(4)
        self.is_fitted_ = True

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.asarray(x)

    def predict(self, x):
        return np.asarray(x).argmax(1)


@pytest.fixture
def draws(rng):
    """Probabilities that are right, and the classes: ``draws(n)``."""

    def make(n):
        p = rng.dirichlet(np.full(4, 0.6), size=n)
        return p, (rng.random((n, 1)) > np.cumsum(p, 1)[:, :-1]).sum(1)

    return make


@pytest.mark.parametrize("level", [0.7, 0.9])
def test_lac_equals_mapies(draws, level):
    mapie = pytest.importorskip("mapie.classification")
    (p, codes), (new, _) = draws(60), draws(30)
    oracle = mapie.SplitConformalClassifier(Given(), confidence_level=level, prefit=True)
    _, expected = oracle.conformalize(p, codes).predict_set(new)
    ours = prediction_sets(lac_scores(p), codes, lac_scores(new), level)
    expected = expected[:, :, 0] | (new == new.max(1, keepdims=True))  # ours are never empty
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("level", [0.7, 0.9])
def test_aps_equals_mapies(draws, level):
    mapie = pytest.importorskip("mapie.classification")
    (p, codes), (new, _) = draws(60), draws(30)
    oracle = mapie.SplitConformalClassifier(
        Given(), confidence_level=level, prefit=True, conformity_score="aps", random_state=7
    )
    oracle.conformalize(p, codes)
    _, expected = oracle.predict_set(
        new, conformity_score_params={"include_last_label": "randomized"}
    )
    u, u_new = (np.random.RandomState(7).uniform(size=len(part)) for part in (p, new))
    ours = prediction_sets(aps_scores(p, u), codes, aps_scores(new, u_new), level)
    expected = expected[:, :, 0] | (new == new.max(1, keepdims=True))
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("penalty", [0.0, 0.2])
@pytest.mark.parametrize("randomised", [True, False])
def test_sets_cover_at_their_level(draws, rng, penalty, randomised):
    hits, sizes = [], []
    for _ in range(40):
        p, codes = draws(400)
        u = rng.random(400) if randomised else None
        scores = aps_scores(p, u, penalty=penalty, allowed=2)
        sets = prediction_sets(scores[:100], codes[:100], scores[100:])
        hits.append(sets[np.arange(300), codes[100:]].mean())
        sizes.append(sets.sum(1).mean())
    # 40 calibrations of 100 samples, 300 new ones each; 91/101 is exact without ties
    assert np.mean(hits) == pytest.approx(
        91 / 101, abs=3.5 * np.sqrt(0.09 / 40 * (1 / 100 + 1 / 300))
    )
    assert 1.0 < np.mean(sizes) < 3.5


def test_raps_shortens_long_sets(draws):
    p, codes = draws(600)
    size = [
        prediction_sets(s[:200], codes[:200], s[200:], 0.8).sum(1).max()
        for s in (aps_scores(p), aps_scores(p, penalty=1.0, allowed=2))
    ]
    assert size == [3, 2]


def test_aps_scores_of_the_true_class_are_uniform(draws, rng):
    p, codes = draws(4000)
    own = aps_scores(p, rng.random(4000))[np.arange(4000), codes]
    np.testing.assert_allclose(np.quantile(own, [0.1, 0.5, 0.9]), [0.1, 0.5, 0.9], atol=0.03)


def test_edges(draws):
    p, codes = draws(5)
    assert prediction_sets(lac_scores(p), codes, lac_scores(p), 0.9).all()  # too few samples
    certain = np.eye(4)[np.zeros(30, int)]
    sets = prediction_sets(lac_scores(certain), np.zeros(30, int), lac_scores(certain))
    assert sets.sum() == 30
    with pytest.raises(InputError, match="probabilities"):
        lac_scores(np.array([[np.nan, 1.0]]))
    with pytest.raises(InputError, match="scores"):
        prediction_sets(lac_scores(p), codes, np.array([[np.nan, 1.0]]))

"""Scores by hand, against scikit-learn, and by their own laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from iceframe.measure import fidelity


def test_regression_scores_agree_with_scikit_learn(rng):
    y, mean = rng.normal(size=50), rng.normal(size=50)
    scores = fidelity.regression_scores(y, mean)
    assert scores["mae"] == pytest.approx(metrics.mean_absolute_error(y, mean))
    assert scores["rmse"] == pytest.approx(metrics.root_mean_squared_error(y, mean))
    assert scores["r2"] == pytest.approx(metrics.r2_score(y, mean))
    assert np.isnan(fidelity.regression_scores(np.ones(3), np.ones(3))["r2"])


def test_classification_scores_agree_with_scikit_learn(rng):
    codes = rng.integers(0, 3, 60)
    p = rng.dirichlet(np.ones(3), 60)
    scores = fidelity.classification_scores(codes, p)
    assert scores["accuracy"] == pytest.approx(metrics.accuracy_score(codes, p.argmax(1)))
    assert scores["balanced_accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(codes, p.argmax(1))
    )
    assert scores["log_loss"] == pytest.approx(metrics.log_loss(codes, p))


def test_balanced_accuracy_over_the_classes_that_occur():
    p = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]])
    assert fidelity.classification_scores(np.array([0, 1]), p)["balanced_accuracy"] == 1.0


def test_a_certain_error_costs_much_but_not_everything():
    score = fidelity.classification_scores(np.array([1]), np.array([[1.0, 0.0]]))["log_loss"]
    assert 30 < score < 40


@pytest.mark.parametrize("bad", [(np.ones(2), np.ones(3)), (np.ones(0), np.ones(0))])
def test_unpaired_vectors_are_refused(bad):
    with pytest.raises(ValueError, match="two equal vectors"):
        fidelity.regression_scores(*bad)


@pytest.mark.parametrize("share", [0.05, 0.9, 0.99])
def test_clopper_pearson_never_misses_more_than_it_says(share):
    n = 40
    missed = sum(
        stats.binom.pmf(k, n, share)
        for k in range(n + 1)
        if not fidelity.clopper_pearson(k, n)[1] <= share <= fidelity.clopper_pearson(k, n)[2]
    )
    assert 0 < missed <= 0.05


def test_clopper_pearson_at_the_ends():
    assert fidelity.clopper_pearson(0, 10) == (0.0, 0.0, pytest.approx(1 - 0.025**0.1))
    assert fidelity.clopper_pearson(10, 10) == (1.0, pytest.approx(0.025**0.1), 1.0)
    assert all(np.isnan(fidelity.clopper_pearson(0, 0)))


def test_the_interval_score_is_lowest_at_the_true_quantiles(rng):
    y = rng.normal(size=20_000)
    z = stats.norm.ppf(0.95)
    scores = {
        half: fidelity.interval_score(y, np.full(len(y), -half), np.full(len(y), half))
        for half in (0.7 * z, 0.85 * z, z, 1.15 * z, 1.3 * z)
    }
    assert min(scores, key=lambda k: scores[k]) == z
    # closed form: 2z + 2 · (2/α) E(Y − z)₊
    expected = 2 * z + 40 * (stats.norm.pdf(z) - z * stats.norm.sf(z))
    assert scores[z] == pytest.approx(expected, rel=0.01)


def test_worst_group_and_sets():
    inside = np.r_[np.ones(20), np.ones(15), np.zeros(5), np.zeros(3)].astype(bool)
    groups = np.r_[["a"] * 20, ["b"] * 20, ["tiny"] * 3]
    group, share, low, high, size = fidelity.worst_group_coverage(inside, groups)
    assert (group, share, size) == ("b", 0.75, 20)
    assert low < 0.75 < high
    assert fidelity.worst_group_coverage(inside[:5], groups[:5])[0] is None
    sets = np.array([[True, False], [True, True], [False, False]])
    assert fidelity.mean_set_size(sets) == 1.0
    assert fidelity.covered_by_sets(np.array([0, 1, 0]), sets).tolist() == [True, True, False]


def test_the_interval_of_the_worst_group_allows_for_its_having_been_picked(rng):
    """Equal groups: the lowest true coverage is 0.9, and the lowest share of many is far below."""
    groups, draws = np.repeat(np.arange(20), 25), 400
    found = np.array(
        [
            fidelity.worst_group_coverage(rng.random(len(groups)) < 0.9, groups)[1:]
            for _ in range(draws)
        ]
    )
    share, low, high, size = found.T
    assert share.mean() < 0.8
    assert ((low <= share) & (share <= high)).all()
    held = (low <= 0.9) & (high >= 0.9)
    assert held.mean() >= 0.95
    picked = [
        fidelity.clopper_pearson(round(s * n), int(n)) for s, n in zip(share, size, strict=True)
    ]
    uncorrected = np.array([a <= 0.9 <= b for _, a, b in picked])
    assert uncorrected.mean() < 0.9  # what it would be, did one not allow for it


def test_the_interval_of_the_worst_group_holds_the_lowest_of_unequal_coverages(rng):
    truth, sizes = np.array([0.95, 0.9, 0.7, 0.85]), np.array([60, 40, 30, 12])
    groups = np.repeat(np.arange(4), sizes)
    held = 0
    for _ in range(400):
        _, _, low, high, _ = fidelity.worst_group_coverage(
            rng.random(len(groups)) < truth[groups], groups
        )
        held += low <= 0.7 <= high
    assert held / 400 >= 0.95
    one = rng.random(30) < 0.8
    assert fidelity.worst_group_coverage(one, np.zeros(30))[1:4] == fidelity.coverage(one)


def test_augrc_is_a_known_function_of_auroc_and_accuracy(rng):
    """Traub et al. 2024, eq. 9: (1 − AUROC) acc (1 − acc) + (1 − acc)²/2."""
    wrong = (rng.random(400) < 0.3).astype(float)
    uncertainty = np.round(rng.normal(size=400) + wrong, 1)  # with ties
    error = wrong.mean()
    auroc = metrics.roc_auc_score(wrong, uncertainty)
    expected = (1 - auroc) * error * (1 - error) + error**2 / 2
    assert fidelity.augrc(wrong, uncertainty) == pytest.approx(expected, abs=1e-12)


@given(
    st.lists(st.tuples(st.floats(0, 9), st.integers(0, 5)), min_size=1, max_size=30), st.randoms()
)
def test_augrc_bounds_order_and_ties(pairs, random):
    losses, uncertainty = (np.array(v, float) for v in zip(*pairs, strict=True))
    value = fidelity.augrc(losses, uncertainty)
    assert -1e-12 <= value <= losses.mean() + 1e-12
    assert fidelity.augrc(losses, np.zeros(len(losses))) == pytest.approx(losses.mean() / 2)
    assert fidelity.augrc(losses, losses) <= value + 1e-9
    order = random.sample(range(len(losses)), len(losses))
    assert fidelity.augrc(losses[order], uncertainty[order]) == pytest.approx(value)

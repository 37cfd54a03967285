"""Prototypes, criticisms and neighbours, where the answer is known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.beyond_maps.prototypes import nearest, prototypes

CORNERS = np.array([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [0.0, 10.0, 0.0], [0.0, 0.0, 10.0]])


@pytest.fixture
def clusters(rng):
    """Four tight, far clusters of 30 samples each, shuffled, and which is whose."""
    whose = rng.permutation(np.repeat(np.arange(4), 30))
    return CORNERS[whose] + 0.1 * rng.normal(size=(120, 3)), whose


def kernel_of(x, width):
    """The kernel, pair by pair."""
    return np.array([[np.exp(-np.sum((a - b) ** 2) / (2 * width**2)) for b in x] for a in x])


def discrepancy_of(kernel, chosen):
    return (
        kernel.mean() - 2 * kernel[:, chosen].mean() + kernel[np.ix_(list(chosen), chosen)].mean()
    )


def test_there_is_one_prototype_for_each_cluster(clusters):
    x, whose = clusters
    found = prototypes(x, 4)
    assert sorted(whose[found.prototypes]) == [0, 1, 2, 3]
    np.testing.assert_array_equal(whose[found.prototypes][found.member], whose)
    np.testing.assert_allclose(
        found.distance, np.linalg.norm(x - x[found.prototypes][found.member], axis=1)
    )
    assert found.width == pytest.approx(10, rel=0.05)  # of two clusters, as most pairs
    assert found.discrepancy[3] < 1e-3 < found.discrepancy[2]


def test_prototypes_lie_amid_their_clusters(clusters):
    x, whose = clusters
    found = prototypes(x, 4, width=0.3)
    for chosen in found.prototypes:
        mates = x[whose == whose[chosen]]
        apart = np.linalg.norm(mates - mates.mean(0), axis=1)
        assert np.linalg.norm(x[chosen] - mates.mean(0)) < np.quantile(apart, 0.25)


def test_criticisms_are_the_outliers(clusters):
    x, _ = clusters
    outliers = np.array([[-9.0, -9.0, 0.0], [9.0, 9.0, 9.0], [0.0, -9.0, -9.0]])
    found = prototypes(np.concatenate([x, outliers]), 4, criticisms=3, width=2.0)
    assert sorted(found.criticisms) == [120, 121, 122]
    np.testing.assert_allclose(found.witness, 1 / 123, atol=1e-4)  # they are all that is there
    assert not set(found.prototypes) & {120, 121, 122}


def test_a_group_without_a_prototype_is_criticised_once(clusters):
    x, whose = clusters
    found = prototypes(x, 3, criticisms=2, width=2.0)
    (left_out,) = set(range(4)) - set(whose[found.prototypes])
    assert whose[found.criticisms[0]] == left_out
    assert found.witness[0] == pytest.approx(0.25, rel=0.05)
    assert whose[found.criticisms[1]] != left_out  # its own mate would say the same again


def test_every_prototype_is_the_best_next_one(rng):
    x = rng.normal(size=(25, 2))
    found = prototypes(x, 6, width=0.8)
    kernel = kernel_of(x, 0.8)
    for count in range(6):
        before = list(found.prototypes[:count])
        best = min((discrepancy_of(kernel, [*before, j]), j) for j in range(25) if j not in before)
        assert found.prototypes[count] == best[1]
        assert found.discrepancy[count] == pytest.approx(best[0], abs=1e-12)


@pytest.mark.parametrize("width", [0.8, 2.0])
def test_every_criticism_is_the_best_next_one(rng, width):
    x = rng.normal(size=(25, 2))
    found = prototypes(x, 3, criticisms=8, width=width)
    kernel = kernel_of(x, width)
    witness = kernel.mean(0) - kernel[found.prototypes].mean(0)

    def gain(group):
        _, logarithm = np.linalg.slogdet(kernel[np.ix_(group, group)])
        return np.abs(witness[group]).sum() + logarithm

    free = set(range(25)) - set(found.prototypes)
    for count in range(8):
        before = list(found.criticisms[:count])
        best = max((gain([*before, j]), j) for j in sorted(free - set(before)))
        assert found.criticisms[count] == best[1]
    np.testing.assert_allclose(found.witness, witness[found.criticisms])


def test_greedy_choice_is_close_to_the_best_of_all(rng):
    x = rng.normal(size=(14, 2))
    found = prototypes(x, 3)
    kernel = kernel_of(x, found.width)
    best = min(discrepancy_of(kernel, list(chosen)) for chosen in combinations(range(14), 3))
    gained, possible = kernel.mean() - found.discrepancy[-1], kernel.mean() - best
    assert gained >= (1 - 1 / np.e) * possible


def test_all_samples_as_prototypes_leave_nothing(rng):
    found = prototypes(rng.normal(size=(9, 4)), 9)
    assert sorted(found.prototypes) == list(range(9))
    assert found.discrepancy[-1] == pytest.approx(0, abs=1e-12)
    assert found.criticisms.size == found.witness.size == 0
    assert np.all(found.distance == 0)


def test_the_width_is_the_median_distance_of_samples_that_differ(rng):
    x = np.array([[0.0], [0.0], [0.0], [3.0], [4.0]])  # distances 3, 3, 3, 4, 4, 4, 1 and zeros
    assert prototypes(x, 1).width == 3.0
    assert prototypes(x, 1, width=0.5).width == 0.5


def test_units_do_not_matter_where_all_columns_have_the_same(rng):
    x = rng.normal(size=(60, 3))
    small, large = prototypes(x, 5), prototypes(1000 * x, 5)
    np.testing.assert_array_equal(small.prototypes, large.prototypes)
    np.testing.assert_array_equal(small.criticisms, large.criticisms)
    assert large.width == pytest.approx(1000 * small.width)


def test_duplicates_are_criticised_last():
    x = np.array([[0.0], [0.0], [0.0], [0.0], [5.0], [9.0], [9.0]])
    found = prototypes(x, 1, criticisms=6, width=1.0)
    first = x[found.criticisms[:3], 0]
    assert len(set(first)) == 3  # each place once, before any place twice
    assert sorted([*found.prototypes, *found.criticisms]) == list(range(7))


def test_neighbours_are_those_of_every_distance(rng):
    train, new = rng.normal(size=(50, 4)), rng.normal(size=(7, 4))
    found = nearest(train, new, 3)
    apart = np.array([[np.sqrt(np.sum((a - b) ** 2)) for b in train] for a in new])
    np.testing.assert_array_equal(found.index, np.argsort(apart, axis=1)[:, :3])
    np.testing.assert_allclose(found.distance, np.sort(apart, axis=1)[:, :3])


def test_neighbours_do_not_depend_on_the_batch(rng, monkeypatch):
    train, new = rng.normal(size=(40, 3)), rng.normal(size=(11, 3))
    at_once = nearest(train, new, 4)
    monkeypatch.setattr(
        "iceframe.measure.beyond_maps.prototypes.DISTANCES", 100
    )  # two rows at a time
    np.testing.assert_array_equal(nearest(train, new, 4).index, at_once.index)
    np.testing.assert_array_equal(nearest(train, new, 4).distance, at_once.distance)


def test_a_sample_is_nearest_to_itself_and_ties_go_to_the_first():
    train = 1e6 + np.array([[0.0, 1.0], [1e-3, 1.0], [0.0, 1.0]])
    found = nearest(train, train, 2)
    assert found.index[:, 0].tolist() == [0, 1, 0]
    assert found.distance[:, 0].tolist() == [0, 0, 0]
    assert found.index[2].tolist() == [0, 2]
    alike = np.tile([[1.0], [0.0]], (50, 1))
    assert nearest(alike, np.zeros((1, 1)), 4).index.tolist() == [[1, 3, 5, 7]]


def test_results_cannot_be_changed(rng):
    x = rng.normal(size=(9, 2))
    for found in (nearest(x, x, 1), prototypes(x, 1)):
        with pytest.raises(AttributeError):
            found.distance = 0


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros(4), "row a sample"),
        (np.zeros((0, 2)), "row a sample"),
        (np.zeros((4, 0)), "row a sample"),
        (np.array([[0.0], [np.nan]]), "NaN"),
        ([["a"], ["b"]], "numbers"),
        (np.ones((5, 2)), "the same"),
        (np.zeros((10_001, 1)), "Too many"),
    ],
)
def test_what_is_no_representation_is_refused(x, said):
    with pytest.raises(InputError, match=said):
        prototypes(x, 1)


def test_wrong_use_is_refused(rng):
    x = rng.normal(size=(5, 2))
    for wrong in ({"k": 0}, {"k": 6}, {"k": 3, "criticisms": 3}, {"k": 1, "criticisms": -1}):
        with pytest.raises(UsageError, match="not so many"):
            prototypes(x, **wrong)
    for width in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(UsageError, match="width"):
            prototypes(x, 1, width=width)
    with pytest.raises(UsageError, match="not so many"):
        nearest(x, x, 6)
    with pytest.raises(InputError, match="same columns"):
        nearest(x, x[:, :1], 1)

"""Explanations of models of crystals, where the answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iceframe.core.crystals import Crystals
from iceframe.core.errors import UsageError
from iceframe.core.values import Representation
from iceframe.measure.attribution import attribute, default_explainer
from iceframe.measure.element_swaps import DRAWS, Players, substitutes, swapped
from iceframe.measure.model_flips import flips
from iceframe.measure.transparency import faithfulness
from iceframe.scale.fitting import Fitted, context_for
from iceframe.scale.rung import Inputs, Rung

METALS, NONMETALS = (3, 12, 13, 22, 26, 28), (7, 8, 9, 16)


def cells(n: int, sites: int, seed: int = 0) -> Crystals:
    """Cells with metals on the first sites and nonmetals on the last two."""
    rng = np.random.default_rng(seed)
    metals = rng.choice(METALS, size=(n, sites - 2))
    others = rng.choice(NONMETALS, size=(n, 2))
    return Crystals(
        np.repeat(4.0 * np.eye(3)[None], n, axis=0),
        sites * np.arange(n + 1),
        np.column_stack([metals, others]).ravel(),
        rng.uniform(size=(n * sites, 3)),
        tuple(f"cell{i}" for i in range(n)),
    )


class OfElements:
    """``f = ⟨w(z)⟩ + strength · (fraction of Ti) · (fraction of O)``."""

    def __init__(self, strength: float = 0.0) -> None:
        self.weights = np.sin(np.arange(119.0))
        self.strength = strength

    def predict(self, crystals: Crystals) -> np.ndarray:
        def mean(values: np.ndarray) -> np.ndarray:
            return np.bincount(crystals.owners, values, len(crystals)) / crystals.sizes

        titanium, oxygen = mean(crystals.numbers == 22), mean(crystals.numbers == 8)
        return mean(self.weights[crystals.numbers]) + self.strength * titanium * oxygen


class WithSites(OfElements):
    pool = "mean"

    def site_contributions(self, crystals: Crystals) -> np.ndarray:
        return self.weights[crystals.numbers]


class SumOfSites(WithSites):
    pool = "sum"

    def predict(self, crystals: Crystals) -> np.ndarray:
        return super().predict(crystals) * crystals.sizes


class OfClasses(OfElements):
    classes_ = np.array([0, 1])

    def predict_proba(self, crystals: Crystals) -> np.ndarray:
        p = 1 / (1 + np.exp(-self.predict(crystals)))
        return np.column_stack([1 - p, p])


class CrystalRung(Rung):
    name, input = "of crystals", "crystal"

    def build(self, settings: Any, context: Any) -> Any:
        raise AssertionError

    def parameters(self, estimator: Any) -> int:
        return 119


def inputs_of(crystals: Crystals) -> Inputs:
    n = len(crystals)
    return Inputs(Representation(np.zeros((n, 1)), ("a",), ("",)), crystals=crystals)


def model(estimator: Any, inputs: Inputs, classes: int = 0) -> Fitted:
    task = "classification" if classes else "regression"
    return Fitted(CrystalRung(), {}, context_for(inputs, task, n_classes=classes), estimator)


@pytest.fixture
def background() -> Inputs:
    return inputs_of(cells(200, 6))


@pytest.fixture
def few() -> Inputs:
    return inputs_of(cells(8, 6, seed=1))


def test_substitutes_are_of_the_same_kind_and_drawn_as_often_as_they_occur(few, background):
    players = Players.of(few.crystals)
    drawn = substitutes(players, background.crystals, 4000, seed=0)
    for column, z in enumerate(players.numbers):
        kind = METALS if z in METALS else NONMETALS
        assert set(drawn[:, column]) == set(kind) - {z}
    oxygen = drawn[:, list(players.numbers).index(8)]
    there = background.crystals.numbers
    share = (there == 9).sum() / np.isin(there, (7, 9, 16)).sum()
    assert (oxygen == 9).mean() == pytest.approx(share, abs=0.03)


def test_swapping_changes_the_elements_and_nothing_else(few):
    crystals, players = few.crystals, Players.of(few.crystals)
    by = players.numbers[None].copy()
    by[0, list(players.numbers).index(8)] = 16
    changed = swapped(crystals, players, np.array([3]), by)
    one = crystals.take([3])
    np.testing.assert_array_equal(changed.numbers, np.where(one.numbers == 8, 16, one.numbers))
    np.testing.assert_array_equal(changed.fractional, one.fractional)
    np.testing.assert_array_equal(changed.lattices, one.lattices)


def test_of_a_sum_over_sites_shapley_values_are_the_swaps(few, background):
    fitted = model(OfElements(), few)
    found = attribute(fitted, few, background, explainer="element_shapley")
    alone = flips(fitted, few, background)
    np.testing.assert_allclose(found.values, alone, atol=1e-12)
    np.testing.assert_array_equal(np.isnan(found.values), ~Players.of(few.crystals).present)
    assert found.names == Players.of(few.crystals).names
    assert np.nanmax(found.gap) < 1e-9
    assert faithfulness(found.values, alone) == pytest.approx(np.ones(8))


def test_an_interaction_is_shared_equally_and_the_sum_is_kept(background):
    one = inputs_of(
        Crystals(
            4 * np.eye(3)[None],
            np.array([0, 2]),
            np.array([22, 8]),
            np.array([[0, 0, 0], [0.5, 0.5, 0.5]]),
            ("TiO",),
        )
    )
    estimator = OfElements(strength=4.0)
    estimator.weights[:] = 0
    found = attribute(model(estimator, one), one, background, explainer="element_shapley")
    # Only both together make 4 · 0.5 · 0.5 = 1; swapped elements are never Ti or O.
    np.testing.assert_allclose(found.values, [[0.5, 0.5]])
    assert found.baseline == pytest.approx(0)
    np.testing.assert_allclose(flips(model(estimator, one), one, background), [[1.0, 1.0]])


def test_the_values_of_a_crystal_do_not_depend_on_its_company(few, background):
    fitted = model(OfElements(3.0), few)
    together = attribute(fitted, few, background)
    alone = attribute(fitted, few.take(np.array([2])), background)
    present = ~np.isnan(together.values[2])
    np.testing.assert_allclose(alone.values[0], together.values[2][present], atol=1e-12)


def test_class_probabilities_are_explained_for_the_predicted_class(few, background):
    fitted = model(OfClasses(), few, classes=2)
    found = attribute(fitted, few, background)
    assert found.method == "Shapley values of elements"
    np.testing.assert_array_equal(found.target, fitted.predict(few).argmax(axis=1))
    np.testing.assert_allclose(found.prediction, fitted.predict(few).max(axis=1))
    assert np.nanmax(found.gap) < 1e-9


def test_contributions_of_sites_add_up_and_are_the_default_where_there_are_any(few, background):
    fitted = model(WithSites(), few)
    assert default_explainer(fitted, few) == "site_contributions"
    assert default_explainer(model(OfElements(), few), few) == "element_shapley"
    found = attribute(fitted, few, background)
    assert np.nanmax(found.gap) < 1e-9
    crystals, players = few.crystals, Players.of(few.crystals)
    numbers = crystals.numbers[crystals.owners == 0]
    base = fitted.predict(background).mean()
    for column, z in enumerate(players.numbers):
        if z in numbers:
            expected = (numbers == z).sum() * (np.sin(z) - base) / 6
            assert found.values[0, column] == pytest.approx(expected)


def test_contributions_of_sites_add_up_where_the_answer_is_their_sum(few, background):
    found = attribute(model(SumOfSites(), few), few, background)
    assert found.method == "contributions of sites"
    assert np.nanmax(found.gap) < 1e-9


def test_a_model_without_sites_is_refused_by_its_name(few, background):
    with pytest.raises(UsageError, match="no mean over sites"):
        attribute(model(OfElements(), few), few, background, explainer="site_contributions")


def test_a_crystal_of_one_element_has_one_player(background):
    pure = inputs_of(
        Crystals(3 * np.eye(3)[None], np.array([0, 1]), np.array([26]), np.zeros((1, 3)), ("Fe",))
    )
    fitted = model(OfElements(), pure)
    found = attribute(fitted, pure, background)
    assert found.values.shape == (1, 1)
    expected = fitted.predict(pure) - found.baseline
    assert found.values[0, 0] == pytest.approx(expected[0])
    assert DRAWS >= 8

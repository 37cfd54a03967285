"""Attributions by known answers: linear models, the product game, missing values, images."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from iceframe.measure.attribution import attribute
from iceframe.measure.explainers.shapley import shapley_values
from iceframe.measure.model_flips import flips
from iceframe.measure.table_model import model_function
from iceframe.scale.fitting import Fitted, context_for, fit
from iceframe.scale.rung import RUNGS


@pytest.fixture
def known(function_rung, table, context):
    """A fitted rung that is a known function of the table."""

    def make(function, task="regression", n_classes=0):
        rung = function_rung(function)
        about = context(task, n_classes=n_classes)
        return Fitted(rung, {}, about, rung.build({}, about))

    return make


def _shapley_by_hand(f, x, rows):
    """Interventional Shapley values of one sample, over all orders and background rows."""
    d = len(x)
    values, orders = np.zeros(d), list(permutations(range(d)))
    for order in orders:
        z = rows.copy()
        before = f(z)
        for j in order:
            z[:, j] = x[j]
            after = f(z)
            values[j] += np.mean(after - before) / len(orders)
            before = after
    return values


def test_shapley_values_agree_with_all_orders(rng, table, known):
    def f(x):
        return x[:, 0] * x[:, 1] + np.sin(x[:, 2])

    x, rows = rng.normal(size=(4, 3)), rng.normal(size=(8, 3))
    result = shapley_values(known(f), table(x), table(rows), permutations=600)
    expected = [_shapley_by_hand(f, sample, rows) for sample in x]
    assert result.method == "interventional Shapley values"
    np.testing.assert_allclose(result.values, expected, atol=0.15)
    np.testing.assert_allclose(result.prediction, f(x))
    np.testing.assert_allclose(result.baseline, f(rows).mean())


def test_a_linear_model_is_exact_when_every_row_is_used_equally(rng, table, known):
    weights = np.array([1.0, -2.0, 0.0, 0.5])
    x, rows = rng.normal(size=(5, 4)), rng.normal(size=(16, 4))
    result = shapley_values(
        known(lambda x: 3.0 + x @ weights), table(x), table(rows), permutations=32
    )
    np.testing.assert_allclose(result.values, weights * (x - rows.mean(0)), atol=1e-6)
    assert np.all(result.gap < 1e-5)  # Captum adds in single precision
    moved = flips(known(lambda x: 3.0 + x @ weights), table(x), table(rows))
    np.testing.assert_allclose(moved, result.values, atol=1e-6)


def test_the_gap_is_what_the_values_fail_to_add_up_to(rng, table, known):
    x, rows = rng.normal(size=(20, 3)), rng.normal(size=(8, 3))
    model = known(lambda x: np.exp(x).sum(1))
    uneven, even = (shapley_values(model, table(x), table(rows), permutations=p) for p in (12, 16))
    assert np.median(uneven.gap) > 0.01  # half of the rows were used twice
    np.testing.assert_allclose(even.gap, 0, atol=1e-3)
    change = uneven.prediction - uneven.baseline
    np.testing.assert_allclose(uneven.gap, np.abs(uneven.values.sum(1) - change) / np.abs(change))


def test_few_permutations_use_few_background_rows_and_say_so(rng, table, known):
    weights = np.array([1.0, -1.0])
    x, rows = rng.normal(size=(4, 2)), rng.normal(size=(50, 2))
    model = known(lambda x: x @ weights)
    result = shapley_values(model, table(x), table(rows), permutations=5)
    used = x[0] - result.values[0] / weights  # the mean of the rows that were used
    assert result.baseline[0] == pytest.approx(used @ weights, abs=1e-5)
    assert not np.allclose(used, rows.mean(0), atol=0.01)


def test_a_prediction_at_the_baseline_has_no_gap(table, known):
    result = attribute(
        known(lambda x: np.full(len(x), 7.0)), table(np.ones((3, 2))), table(np.zeros((4, 2)))
    )
    assert np.all(np.isnan(result.gap))
    assert np.all(result.values == 0)


def test_missing_values_reach_the_model_as_missing(rng, table, known):
    def f(x):
        return np.where(np.isnan(x[:, 0]), 10.0, 0.0) + x[:, 1]

    x = np.array([[np.nan, 1.0], [0.0, 1.0]])
    rows = np.zeros((4, 2))
    result = shapley_values(known(f), table(x), table(rows), permutations=8)
    np.testing.assert_allclose(result.values, [[10, 1], [0, 1]])
    np.testing.assert_allclose(flips(known(f), table(x), table(rows)), [[10, 1], [0, 1]])


def test_the_probability_of_the_predicted_class_is_explained(table, known):
    def f(x):
        p = 1 / (1 + np.exp(-x[:, 0]))
        return np.column_stack([1 - p, p])

    x, rows = np.array([[2.0, 5.0], [-2.0, 5.0]]), np.zeros((4, 2))
    model = known(f, "classification", 2)
    result = shapley_values(model, table(x), table(rows), permutations=4)
    assert result.target.tolist() == [1, 0]
    assert np.all(result.values[:, 0] > 0.3)  # both speak for the class that was predicted
    assert np.all(result.values[:, 1] == 0)
    other = shapley_values(model, table(x), table(rows), permutations=4, codes=np.array([0, 0]))
    np.testing.assert_allclose(other.values[0], -result.values[0])
    assert [e.target for e in result.explanations("phase", ("bcc", "fcc"))] == ["fcc", "bcc"]
    assert np.all(flips(model, table(x), table(rows))[:, 0] > 0.3)


def test_the_same_seed_gives_the_same_and_torch_is_left_alone(rng, table, known):
    import torch

    x, rows = rng.normal(size=(3, 5)), rng.normal(size=(9, 5))
    model = known(lambda x: np.prod(x, axis=1))
    torch.manual_seed(5)
    first = shapley_values(model, table(x), table(rows), permutations=6, seed=1)
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(1))
    again = shapley_values(model, table(x), table(rows), permutations=6, seed=1)
    other = shapley_values(model, table(x), table(rows), permutations=6, seed=2)
    np.testing.assert_array_equal(first.values, again.values)
    assert not np.array_equal(first.values, other.values)


@pytest.mark.filterwarnings("ignore:For multiclass we cannot currently visualize pairs")
@pytest.mark.parametrize(
    ("name", "task"),
    [
        (name, task)
        for name, kind in RUNGS.items()
        if kind.glass_box and kind.input == "table" and not kind.blocks
        for task in kind.tasks
    ],
)
def test_terms_of_every_glass_box_add_up(rng, table, name, task):
    x = rng.normal(size=(120, 3))
    y = x[:, 0] - 2 * x[:, 1] + 0.1 * rng.normal(size=120)
    k = 0
    if task == "classification":
        y, k = np.digitize(y, [-1.0, 1.0]), 3
    inputs = table(x)
    fitted = fit(RUNGS[name](), {}, inputs, y, context_for(inputs, task, n_classes=k))
    result = attribute(fitted, inputs.take(np.arange(20)), inputs)
    assert result.method == "exact terms"
    assert result.names == ("x0", "x1", "x2")
    assert np.nanmax(result.gap, initial=0) < 1e-6
    if name != "mean":
        sizes = np.abs(result.values).mean(0)
        assert sizes.argmin() == 2  # the answer does not depend on it
        if task == "regression":
            assert sizes.argmax() == 1
        assert np.all(np.isfinite(result.gap))


@pytest.mark.parametrize(("name", "settings"), [("ridge", {}), ("ebm", {"pairs": 0})])
def test_terms_of_additive_models_are_their_flips(rng, table, name, settings):
    """Centred exact terms are the interventional Shapley values, and the model's own flips."""
    x = rng.normal(size=(100, 3))
    inputs = table(x)
    about = context_for(inputs, "regression")
    fitted = fit(RUNGS[name](), settings, inputs, x[:, 0] + np.abs(x[:, 1]), about)
    result = attribute(fitted, inputs, inputs, seed=2)  # more background than is used
    np.testing.assert_allclose(result.values, flips(fitted, inputs, inputs, seed=2), atol=1e-6)


def test_a_black_box_of_the_registry_is_explained(rng, table):
    x = rng.normal(size=(80, 4))
    inputs = table(x)
    about = context_for(inputs, "regression")
    fitted = fit(RUNGS["extra_trees"](), {}, inputs, 3 * x[:, 2], about)
    result = attribute(fitted, inputs.take(np.arange(6)), inputs.take(np.arange(20)))
    assert np.abs(result.values).mean(0).argmax() == 2
    function = model_function(fitted, inputs)
    assert function is not None
    np.testing.assert_allclose(function(x), fitted.predict(inputs))

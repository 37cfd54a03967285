"""Permutation importance and coefficients, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.attribution import attribute
from iceframe.measure.explainer import EXPLAINERS
from iceframe.scale.fitting import Fitted, context_for, fit
from iceframe.scale.rung import RUNGS, Rung

WEIGHTS = np.array([3.0, -1.0, 0.0, 0.5])


@pytest.fixture
def known(function_rung, context):
    """A fitted rung that is a known function of the table."""

    def make(function, task="regression", n_classes=0):
        rung = function_rung(function)
        about = context(task, n_classes=n_classes)
        return Fitted(rung, {}, about, rung.build({}, about))

    return make


def two_classes(x):
    p = 1 / (1 + np.exp(-2 * x[:, 0]))
    return np.column_stack([1 - p, p])


def importance(fitted, inputs, background, **more):
    return attribute(fitted, inputs, background, explainer="permutation", **more)


def test_the_importance_in_a_linear_model_is_twice_the_variance(rng, table, known):
    rows = rng.normal(size=(30, 4)) * [1, 5, 2, 3]  # 29 shifts are affordable: all pairs
    inputs = table(rng.normal(size=(3, 4)))
    result = importance(known(lambda x: 7.0 + x @ WEIGHTS), inputs, table(rows))
    expected = 2 * WEIGHTS**2 * rows.var(axis=0, ddof=1)
    np.testing.assert_allclose(result.values, [expected] * 3)
    np.testing.assert_allclose(result.prediction, 7.0 + inputs.table.values @ WEIGHTS)
    assert result.meaning == "importance"
    assert result.names == ("x0", "x1", "x2", "x3")
    assert np.isnan(result.baseline).all()
    assert np.isnan(result.gap).all()


def test_importances_of_an_interaction_agree_with_all_pairs(rng, table, known):
    def f(x):
        return x[:, 0] * x[:, 1] + np.where(np.isnan(x[:, 2]), 2.0, 0.0)

    rows = rng.normal(size=(12, 3))
    rows[::3, 2] = np.nan
    result = importance(known(f), table(rows[:1]), table(rows))
    expected = np.zeros(3)
    for j in range(3):
        for a in range(12):
            for b in set(range(12)) - {a}:
                x = rows[[a]].copy()
                x[0, j] = rows[b, j]
                expected[j] += (f(rows[[a]])[0] - f(x)[0]) ** 2 / (12 * 11)
    np.testing.assert_allclose(result.values[0], expected)
    assert expected.min() > 0


def test_many_rows_and_features_are_sampled_without_bias(rng, table, known):
    rows = rng.normal(size=(700, 40))
    weights = np.linspace(0, 1, 40)
    asked = []

    def f(x):
        asked.append(len(x))
        return x @ weights

    result = importance(known(f), table(rows[:2]), table(rows))
    expected = 2 * weights**2 * rows.var(axis=0)
    np.testing.assert_allclose(result.values[0], expected, rtol=0.35)
    assert result.values[0].sum() == pytest.approx(expected.sum(), rel=0.05)
    assert sum(asked) == 200 + 40 * 200 * 8 + 2


def test_importances_do_not_depend_on_the_samples_that_ask(rng, table, known):
    rows, x = table(rng.normal(size=(90, 5))), rng.normal(size=(4, 5))
    model = known(lambda x: np.prod(x, axis=1))
    together = importance(model, table(x), rows, seed=3)
    for i in range(4):
        alone = importance(model, table(x[[i]]), rows, seed=3)
        np.testing.assert_array_equal(alone.values[0], together.values[i])
    np.testing.assert_array_equal(importance(model, table(x), rows, seed=3).values, together.values)
    assert not np.array_equal(importance(model, table(x), rows, seed=4).values, together.values)


def test_the_importance_is_that_for_the_explained_class(rng, table, known):
    def f(x):
        rare = 0.2 / (1 + np.exp(-x[:, 1]))
        return np.column_stack([(1 - rare)[:, None] * two_classes(x), rare])

    rows = table(rng.normal(size=(25, 2)))
    x = table(np.array([[3.0, 0.0], [-3.0, 0.0], [2.0, 0.0]]))
    result = importance(known(f, "classification", 3), x, rows)
    assert result.target.tolist() == [1, 0, 1]
    np.testing.assert_array_equal(result.values[0], result.values[2])
    rare = importance(known(f, "classification", 3), x, rows, codes=np.array([2, 2, 2]))
    assert np.all(result.values[:, 0] > result.values[:, 1])
    assert np.all(rare.values[:, 0] < 1e-20)
    assert np.all(rare.values[:, 1] > 0)
    np.testing.assert_allclose(rare.prediction, f(x.table.values)[:, 2])


def test_one_row_has_no_permutation(table, known):
    with pytest.raises(InputError, match="compares samples"):
        importance(known(lambda x: x[:, 0]), table(np.ones((3, 2))), table(np.ones((1, 2))))


def test_a_registered_black_box_depends_on_what_it_learned_from(rng, table):
    x = rng.normal(size=(80, 4))
    inputs = table(x)
    fitted = fit(RUNGS["extra_trees"](), {}, inputs, 3 * x[:, 2], context_for(inputs, "regression"))
    result = importance(fitted, inputs.take(np.arange(2)), inputs.take(np.arange(20)))
    assert result.values[0, 2] > 10 * np.delete(result.values[0], 2).max()


# Coefficients


def ridge(inputs, y, task="regression", n_classes=0):
    return fit(RUNGS["ridge"](), {}, inputs, y, context_for(inputs, task, n_classes=n_classes))


def coefficients(fitted, inputs, background, **more):
    return attribute(fitted, inputs, background, explainer="coefficients", **more)


@pytest.fixture
def alloys(rng, table):
    """Features in units a billion apart, and a property that is linear in them."""
    x = rng.normal(size=(60, 3)) * [1e-3, 1.0, 1e6] + [5.0, 0.0, 1e7]
    return table(x), x @ [2e3, -1.0, 3e-6] + 0.01 * rng.normal(size=60)


def test_coefficients_are_finite_differences_of_the_prediction(alloys, table):
    inputs, y = alloys
    fitted = ridge(inputs, y)
    some = inputs.take(np.arange(4))
    result = coefficients(fitted, some, inputs)
    assert result.meaning == "derivative"
    np.testing.assert_allclose(result.prediction, fitted.predict(some))
    assert np.isnan(result.gap).all()
    for j, step in enumerate([1e-3, 1.0, 1e6]):
        moved = some.table.values.copy()
        moved[:, j] += step
        slope = (fitted.predict(table(moved)) - fitted.predict(some)) / step
        np.testing.assert_allclose(result.values[:, j], slope, rtol=1e-6)
    np.testing.assert_allclose(result.values[0], [2e3, -1.0, 3e-6], rtol=0.1)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_coefficients_times_the_difference_from_the_mean_are_the_terms(rng, table, task):
    x = rng.normal(size=(30, 3)) * [1, 10, 0.1]
    y, k = x[:, 0] - x[:, 1] / 5 + x[:, 2], 0
    if task == "classification":
        y, k = np.digitize(y, [-1.0, 1.0]), 3
    inputs = table(x)
    fitted = ridge(inputs, y, task, k)
    terms = attribute(fitted, inputs, inputs, explainer="terms")  # 30 rows: all are used
    result = coefficients(fitted, inputs, inputs)
    np.testing.assert_array_equal(result.target, terms.target)
    np.testing.assert_allclose(result.values * (x - x.mean(0)), terms.values, atol=1e-9)
    np.testing.assert_allclose(result.prediction, terms.prediction)


def test_coefficients_are_the_slopes_that_the_rung_describes(alloys):
    inputs, y = alloys
    fitted = ridge(inputs, y)
    result = coefficients(fitted, inputs.take(np.arange(1)), inputs)
    for row in fitted.describe():
        (x0, x1), (y0, y1) = row["x"], row["y"]
        column = result.names.index(row["term"])
        assert result.values[0, column] == pytest.approx((y1 - y0) / (x1 - x0))


def test_of_two_classes_one_has_the_opposite_coefficients(rng, table):
    x = rng.normal(size=(80, 2))
    inputs = table(x)
    fitted = ridge(inputs, (x[:, 0] > 0).astype(int), "classification", 2)
    both = [
        coefficients(fitted, inputs.take([0]), inputs, codes=np.array([code])).values[0]
        for code in (0, 1)
    ]
    np.testing.assert_allclose(both[0], -both[1])
    assert both[1][0] > 10 * abs(both[1][1])


def test_columns_that_are_constant_or_missing_have_coefficients(rng, table):
    x = np.column_stack([rng.normal(size=40), np.full(40, 1e9), np.full(40, np.nan)])
    x[::5, 0] = np.nan
    inputs = table(x)
    fitted = ridge(inputs, 4.0 * np.nan_to_num(x[:, 0]))
    result = coefficients(fitted, inputs.take(np.arange(3)), inputs)
    assert result.values[0, 0] == pytest.approx(4.0, rel=0.1)
    assert np.all(result.values[:, 1:] == 0)
    np.testing.assert_array_equal(result.values[0], result.values[1])  # the first misses it


@pytest.mark.parametrize("name", ["tree", "ebm", "mean", "extra_trees"])
def test_only_linear_models_have_coefficients(rng, table, name):
    x = rng.normal(size=(40, 2))
    inputs = table(x)
    settings = {"pairs": 0} if name == "ebm" else {}
    fitted = fit(RUNGS[name](), settings, inputs, x[:, 0], context_for(inputs, "regression"))
    assert EXPLAINERS["coefficients"]().refusal(fitted)
    assert not EXPLAINERS["permutation"]().refusal(fitted)
    with pytest.raises(UsageError, match=f"'{name}'"):
        coefficients(fitted, inputs, inputs)


class Claimed(Rung):
    """A rung that says it had coefficients, with the terms it is given."""

    name, title, summary, reference = "claimed", "Claimed", "for tests", "none"
    glass_box = True

    def __init__(self, curve):
        self.curve = curve

    def build(self, settings, context):
        return self

    def predict(self, x):
        return self.curve(x).sum(axis=1)

    def terms(self, estimator, x, context):
        return self.curve(x)

    def describe(self, estimator, context):
        return [{"term": "x0", "importance": 1.0, "coefficient": 1.0}]

    def parameters(self, estimator):
        return 1


@pytest.mark.parametrize(
    "curve",
    [
        np.abs,
        np.tanh,
        lambda x: x + 1e-3 * np.cos(x),
        lambda x: x * [1e6, 1.0] + np.array([0.0, 0.1]) * x**2,
        lambda x: np.repeat(x.prod(axis=1, keepdims=True), 2, axis=1) / 2,
    ],
)
def test_terms_that_are_not_straight_are_found_out(rng, table, context, curve):
    inputs = table(np.array([[-1.0, -1.0], [1.0, 1.0], [0.5, 0.0]]))
    rung = Claimed(curve)
    with pytest.raises(UsageError, match="not straight"):
        coefficients(Fitted(rung, {}, context(), rung), inputs, inputs)
    line = Claimed(lambda x: x * [1e6, 1.0])
    straight = coefficients(Fitted(line, {}, context(), line), inputs, inputs)
    np.testing.assert_allclose(straight.values, [[1e6, 1.0]] * 3)

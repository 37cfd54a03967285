"""A formula as a value: it predicts everywhere, splits itself exactly, is written and stored."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.fitting import Fitted, context_for, fit
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.scale.symbolic import Formula, fit_formula
from iceframe.scale.symbolic.estimator import FormulaRegressor
from iceframe.scale.symbolic.expression import (
    Column,
    Constant,
    Exp,
    Log,
    add,
    multiply,
    power,
)
from iceframe.scale.symbolic.formula import useful_columns
from iceframe.scale.symbolic.storing import from_state, to_state

SIZE, TEMPERATURE, CARBON = Column(0), Column(1), Column(2)


@parametrize_with_checks([FormulaRegressor(generations=0, most_nodes=8)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def free(value: float) -> Constant:
    return Constant(value, fitted=True)


def formula(expression, offsets=(0.0, 273.15, 0.0)) -> Formula:
    low, high = np.array([1.0, 20.0, 0.1]), np.array([100.0, 600.0, 0.9])
    names = ("grain size", "T", "carbon")
    return Formula(
        expression, names, ("um", "degC", "wt%"), "yield strength", np.array(offsets),
        low, high, (low + high) / 2, False, (0.5, 0.5),
    )  # fmt: skip


HALL_PETCH = add(free(100.0), multiply(free(512.345), power(SIZE, -0.5)))
PRODUCT = multiply(free(-2.0), CARBON, power(TEMPERATURE, -2.0), Exp(multiply(free(0.01), SIZE)))


def test_it_is_written_as_text():
    assert formula(HALL_PETCH).text() == "[yield strength] = 100 + 512.3 / sqrt([grain size])"
    assert formula(multiply(free(3.0), power(CARBON, free(1.234)))).text(3) == (
        "[yield strength] = 3 * carbon^1.23"
    )
    assert formula(PRODUCT).text() == (
        "[yield strength] = -2 * exp(0.01 * [grain size]) * carbon / (T + 273.15)^2"
    )
    nested = power(add(free(1.0), multiply(free(-2.0), Log(CARBON))), -1.0)
    assert formula(nested).text() == "[yield strength] = 1 / (1 - 2 * log(carbon))"
    root = multiply(free(2.0), power(add(CARBON, free(1.0)), 0.5), power(SIZE, -1.0 / 3))
    assert formula(root).text() == ("[yield strength] = 2 * sqrt(1 + carbon) / [grain size]^(1/3)")


def test_sympy_and_text_say_the_same(rng):
    import sympy

    x = rng.uniform([1, 20, 0.1], [100, 600, 0.9], (5, 3))
    for expression in (HALL_PETCH, PRODUCT):
        made = formula(expression)
        side = made.sympy()
        symbols = {symbol.name: symbol for symbol in side.free_symbols}
        for row, value in zip(x, made.predict(x), strict=True):
            at = {s: row[made.names.index(name)] for name, s in symbols.items()}
            assert float(side.subs(at)) == pytest.approx(value, rel=1e-4)
    side = formula(HALL_PETCH).sympy(digits=4)
    (size,) = side.free_symbols
    assert sympy.simplify(sympy.diff(side, size) * size ** sympy.Rational(3, 2)).is_number
    assert formula(HALL_PETCH).latex() == (
        r"\mathrm{yield\ strength} = 100.0 + \frac{512.3}{\sqrt{\mathrm{grain\ size}}}"
    )


def test_it_is_said_in_words():
    assert formula(HALL_PETCH).words() == [
        "yield strength rises with the square root of 1/grain size"
    ]
    ratio = multiply(free(-1.0), CARBON, power(TEMPERATURE, -1.0))
    assert formula(ratio).words() == ["yield strength falls with the ratio of carbon to absolute T"]
    law = multiply(free(1.0), power(CARBON, 2.0), power(SIZE, free(4.48)))
    assert formula(law).words() == [
        "yield strength rises with grain size to the power 4.48 times the square of carbon"
    ] or formula(law).words() == [
        "yield strength rises with the square of carbon times grain size to the power 4.48"
    ]


def test_beyond_its_domain_columns_stay_at_the_ends_of_their_range():
    made = formula(multiply(free(1.0), Log(CARBON)), offsets=(0, 0, 0))
    x = np.array([[5.0, 50.0, 0.05], [5.0, 50.0, 0.0], [5.0, 50.0, -3.0]])
    assert made.predict(x) == pytest.approx([np.log(0.05), np.log(0.1), np.log(0.1)])


def test_contributions_are_exact_and_fair(rng):
    made = formula(add(PRODUCT, multiply(free(3.0), power(SIZE, -0.5))))
    x = rng.uniform([1, 20, -0.5], [200, 900, 2], (40, 3))
    shares = made.contributions(x)
    base = made.predict(made.centre[None])[0]
    assert np.allclose(shares.sum(1), made.predict(x) - base, rtol=1e-12, atol=1e-12)
    # of a sum of single columns, each summand less its value at the mean
    alone = formula(add(multiply(free(2.0), CARBON), multiply(free(3.0), power(SIZE, -0.5))))
    exact = 2.0 * (x[:, 2] - alone.centre[2])
    assert np.allclose(alone.contributions(x)[:, 2], exact, rtol=1e-12)
    assert not alone.contributions(x)[:, 1].any()
    # of a product of two, each gets half of what they do together
    both = formula(multiply(CARBON, SIZE), offsets=(0, 0, 0))
    a, b = x[:, 2], x[:, 0]
    ca, cb = both.centre[2], both.centre[0]
    assert np.allclose(both.contributions(x)[:, 2], (a - ca) * (b + cb) / 2)


def test_it_survives_storage(rng):
    x = rng.uniform(1, 3, (60, 2))
    made = fit_formula(x, 2 * x[:, 0] / x[:, 1], ["a", "b"], seed=1, generations=0)
    arrays, values = to_state(made)
    loaded = from_state(arrays, json.loads(json.dumps(values)))
    assert loaded.expression == made.expression
    assert loaded.front == made.front
    assert np.array_equal(loaded.predict(x), made.predict(x))


@pytest.mark.parametrize(
    "change",
    [
        {"expression": {"column": 7}},
        {"expression": {"column": -1}},
        {"expression": {"call": "os.system"}},
        {"expression": {"power": [{"column": 0}, {"column": 0}]}},
        {"expression": {"sum": [{"column": 0}]}},
        {"expression": []},
        {"names": ["a"]},
        {"front": [{}]},
        {"shares": None},
    ],
)
def test_a_damaged_record_is_a_message(change):
    arrays, values = to_state(formula(HALL_PETCH))
    with pytest.raises(InputError, match="damaged"):
        from_state(arrays, {**values, **change})
    nested: dict = {"column": 0}
    for _ in range(3000):
        nested = {"exp": nested}
    with pytest.raises(InputError, match="damaged"):
        from_state(arrays, {**values, "expression": nested})


@pytest.mark.parametrize(
    ("x", "y", "names", "units"),
    [
        (np.ones((5, 2)), np.ones(5), ["a"], []),
        (np.ones((5, 2)), np.ones(4), ["a", "b"], []),
        (np.ones((5, 1)), np.ones(5), ["a"], ["K", "s"]),
        (np.full((5, 1), np.nan), np.ones(5), ["a"], []),
        (np.ones((1, 1)), np.ones(1), ["a"], []),
    ],
)
def test_bad_input_is_a_message(x, y, names, units):
    with pytest.raises(InputError):
        fit_formula(x, y, names, units)


def test_a_target_that_nothing_explains_is_a_constant(rng):
    x = rng.uniform(1, 5, (150, 8))
    made = fit_formula(x, rng.normal(10, 1, 150), [f"x{j}" for j in range(8)], generations=1)
    assert made.complexity == 1
    assert made.words() == []
    assert np.allclose(made.predict(x), made.predict(x[:1]))


def test_of_many_columns_the_useful_ones_are_searched(rng):
    x = rng.normal(size=(120, 60))
    x[:, 5] = 3.0
    order = useful_columns(x, x[:, 40] - 2 * x[:, 7], 6, seed=0)
    assert len(order) == 6
    assert set(order[:2]) == {7, 40}
    assert 5 not in useful_columns(x, x[:, 40], 60, seed=0)


def test_the_front_gets_better_as_it_gets_longer(rng):
    x = rng.uniform(1, 5, (120, 3))
    y = x[:, 0] / x[:, 1] + 0.1 * rng.normal(size=120)
    points = fit_formula(x, y, ["a", "b", "c"], generations=1).front
    assert [p.complexity for p in points] == sorted(p.complexity for p in points)
    assert points[0].complexity == 1
    assert points[-1].error < 0.5 * points[0].error
    assert all(p.held_out > 0 for p in points)


# -- the rung --------------------------------------------------------------------------------------


def test_the_rung_knows_names_and_units(rng, tmp_path):
    x = np.column_stack([np.exp(rng.uniform(0, 5, 120)), rng.uniform(100, 500, 120)])
    y = 100 + 500 / np.sqrt(x[:, 0]) + rng.normal(0, 5, 120)
    table = Representation(x, ("grain size", "T"), ("um", "degC"), {"columns": (0, 1)})
    inputs = Inputs(table)
    context = context_for(inputs, "regression", target="hardness", target_unit="HV")
    assert context.feature_units == ("um", "degC")
    fitted = fit(RUNGS["symbolic"](), {"generations": 0}, inputs, y, context)
    first, second = fitted.describe()
    assert first["rule"].startswith("hardness = ")
    assert second == {
        "term": "hardness rises with the square root of 1/grain size",
        "importance": pytest.approx(1.0),
    }
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    assert loaded.context == fitted.context
    assert loaded.describe() == fitted.describe()


def test_models_stored_before_units_were_known_are_read(rng, tmp_path):
    x = rng.uniform(1, 2, (30, 1))
    inputs = Inputs(Representation(x, ("a",), ("K",)))
    context = context_for(inputs, "regression")
    fit(RUNGS["mean"](), {}, inputs, x[:, 0], context).save(tmp_path)
    record = json.loads((tmp_path / "fitted.json").read_text())
    for name in ("feature_units", "target", "target_unit"):
        del record["context"][name]
    (tmp_path / "fitted.json").write_text(json.dumps(record))
    assert Fitted.load(tmp_path).context == replace(context, feature_units=())

"""Trees: one normal form, right values and slopes, bounds that hold, dimensions respected."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.scale.symbolic.constants import Measured, fit_constants, freed, nicer
from iceframe.scale.symbolic.dimensions import NONE, dimension_of, parse_unit, respects
from iceframe.scale.symbolic.expression import (
    ONE,
    Column,
    Constant,
    Exp,
    Log,
    Product,
    Sum,
    add,
    constants,
    evaluate,
    multiply,
    power,
    rebuilt,
    shape,
    walk,
    with_constants,
    with_slopes,
)
from iceframe.scale.symbolic.intervals import bounds
from iceframe.scale.symbolic.moves import replaced, without_parts
from iceframe.scale.symbolic.scoring import complexity

A, B, C = Column(0), Column(1), Column(2)


def free(value: float = 1.0) -> Constant:
    return Constant(value, fitted=True)


LEAVES = st.one_of(
    st.integers(0, 2).map(Column),
    st.floats(0.2, 3.0).map(free),
    st.sampled_from([1.0, 2.0, -1.0]).map(Constant),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: Sum(p)),
        st.tuples(inner, inner).map(lambda p: Product(p)),
        st.tuples(inner, st.sampled_from([2.0, -1.0, 0.5, -0.5])).map(lambda p: power(*p)),
        inner.map(Exp),
        inner.map(Log),
    ),
    max_leaves=8,
)


def normal(node):
    """The tree made anew from its leaves."""
    from iceframe.scale.symbolic.expression import children

    return rebuilt(node, tuple(normal(part) for part in children(node)))


@settings(deadline=None, max_examples=150)
@given(TREES)
def test_the_normal_form_has_the_same_values(tree):
    x = np.random.default_rng(0).uniform(0.3, 2.0, (20, 3))
    before, after = evaluate(tree, x), evaluate(normal(tree), x)
    known = np.isfinite(before) & (np.abs(before) < 1e6)
    assert np.allclose(after[known], before[known], rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=150)
@given(TREES)
def test_bounds_hold_and_prove_that_it_is_defined(tree):
    low, high = np.array([0.3, -1.0, 0.0]), np.array([2.0, 1.0, 1.0])
    found = bounds(tree, low, high)
    if found is None:
        return
    values = evaluate(tree, np.random.default_rng(1).uniform(low, high, (200, 3)))
    slack = 1e-9 * (1 + max(map(abs, found)))
    assert np.isfinite(values).all()
    assert values.min() >= found[0] - slack
    assert values.max() <= found[1] + slack


def test_equal_formulas_are_equal_trees():
    assert multiply(A, power(B, -1.0), B) == A
    assert add(A, multiply(Constant(-1.0), A)) == Constant(0.0)
    assert multiply(Exp(A), Exp(B)) == Exp(add(A, B))
    assert power(multiply(A, B), -2.0) == multiply(power(A, -2.0), power(B, -2.0))
    assert power(power(A, 3.0), 1 / 3) == A
    assert power(power(A, 2.0), 0.5) != A  # it is |A|
    assert add(multiply(free(2), A), multiply(free(3), A)) == multiply(free(5), A)
    assert power(A, 0.0) == ONE
    assert shape(multiply(free(2), add(free(1), A))) == "(+ c (* c x0))"


def test_slopes_to_the_constants_are_those_of_small_steps(rng):
    tree = add(
        free(2.0),
        multiply(free(1.5), power(add(A, free(0.7)), free(-1.3)), Exp(multiply(free(-0.4), B))),
        multiply(free(0.3), Log(add(B, free(2.0)))),
    )
    x = rng.uniform(0.5, 2.0, (30, 3))
    values, slopes = with_slopes(tree, x)
    assert np.allclose(values, evaluate(tree, x), rtol=1e-14)
    theta = np.array(constants(tree))
    for k in range(len(theta)):
        step = np.zeros(len(theta))
        step[k] = 1e-6
        above = evaluate(with_constants(tree, iter(theta + step)), x)
        below = evaluate(with_constants(tree, iter(theta - step)), x)
        assert np.allclose(slopes[:, k], (above - below) / 2e-6, rtol=1e-6, atol=1e-8)


def test_constants_are_found_exactly_without_noise(rng):
    x = rng.uniform(0.5, 4.0, (80, 3))
    y = 3.0 + 2.0 * (x[:, 0] + 0.5) ** -1.5 - 0.7 * x[:, 1]
    start = add(free(), multiply(free(), power(add(A, free(0.1)), free(-1.0))), multiply(free(), B))
    fitted = fit_constants(start, Measured(x, y, np.ones(80)), steps=100)
    assert sorted(constants(fitted)) == pytest.approx([-1.5, -0.7, 0.5, 2.0, 3.0], abs=1e-4)


def test_constants_that_cannot_be_told_apart_are_refused(rng):
    x = rng.uniform(1, 2, (30, 1))
    twice = Sum((multiply(free(), A), multiply(free(), power(A, 1.0))))
    assert fit_constants(twice, Measured(x, x[:, 0], np.ones(30))) is None


def test_exponents_are_freed_and_rounded():
    half = multiply(free(), power(A, free(-0.47)))
    assert multiply(free(), power(A, -0.5)) in nicer(half)
    assert shape(freed(multiply(free(), A, power(B, 2.0)))) == "(* c (^ x0 c) (^ x1 c))"


def test_parts_are_replaced_and_left_out():
    tree = add(free(), multiply(free(2), A, B))
    positions = [k for k, part in enumerate(walk(tree)) if part == B]
    assert [replaced(tree, k, C) for k in positions] == [add(free(), multiply(free(2), A, C))]
    assert multiply(free(2), A, B) in without_parts(tree)
    assert add(free(), multiply(free(2), B)) in without_parts(tree)
    assert free() not in without_parts(tree)


def test_complexity_counts_nodes():
    assert complexity(free()) == 1
    assert complexity(multiply(free(), A, power(B, -1.0))) == 7
    assert complexity(power(A, free(1.2))) == 4


# -- dimensions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("GPa", "MPa", 1e3),
        ("um", "nm", 1e3),
        ("µm", "um", 1.0),
        ("h", "s", 3600.0),
        ("wt%", "at%", 1.0),
        ("%", "ppm", 1e4),
        ("g/cm3", "kg/m^3", 1e3),
        ("W/mK", "W m^-1 K^-1", 1.0),
        ("W/(m·K)", "W/m/K", 1.0),
        ("meV/atom", "eV", 1e-3),
        ("A3", "Å^3", 1.0),
        ("nm³", "A3", 1e3),
        ("N/mm2", "MPa", 1.0),
        ("MPa m^1/2", "MPa m0.5", 1.0),
        ("J/mol", "kJ/mol", 1e-3),
        ("1/s", "Hz", 1.0),
        ("ksi", "psi", 1e3),
    ],
)
def test_units_are_read(one, other, ratio):
    first, second = parse_unit(one), parse_unit(other)
    assert first.dimension == second.dimension
    assert first.scale / second.scale == pytest.approx(ratio)


@pytest.mark.parametrize("text", ["", "grade", "HRC", "W/(m K", "A", "m^", "x MPa", "/", "(", "m)"])
def test_what_is_not_a_unit_is_free(text):
    assert parse_unit(text) in (None, parse_unit("1"))
    if text not in ("/", ""):
        assert parse_unit(text) is None


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="mKPaeVsgh%/ ()^-0123.·°", max_size=12))
def test_any_text_is_read_or_free(text):
    unit = parse_unit(text)
    assert unit is None or math.isfinite(unit.scale)


def test_degrees_count_from_absolute_zero():
    assert parse_unit("°C").offset == 273.15
    fahrenheit = parse_unit("degF")
    assert (32 + fahrenheit.offset) * fahrenheit.scale == pytest.approx(273.15)
    assert parse_unit("K").offset == 0


def test_dimensions_are_respected():
    units = (parse_unit("MPa"), parse_unit("um"), None)
    hall_petch = add(free(), multiply(free(), power(B, -0.5)))
    assert respects(hall_petch, units, parse_unit("MPa"))
    assert not respects(add(A, B), units)
    assert respects(add(A, multiply(free(), B)), units)
    assert respects(add(A, C), units)  # an unknown unit is free
    assert not respects(Exp(A), units)
    assert respects(Exp(multiply(free(), A)), units)
    assert not respects(multiply(A, Log(B)), units)
    assert respects(add(free(), multiply(free(), Log(B))), units)
    assert not respects(A, units, parse_unit("K"))
    assert dimension_of(multiply(A, power(A, -1.0)), units) == NONE

"""The search is repeatable and respects units; what is undefined is never kept."""

from __future__ import annotations

import numpy as np

from iceframe.scale.symbolic import fit_formula
from iceframe.scale.symbolic.dimensions import parse_unit
from iceframe.scale.symbolic.expression import shape
from iceframe.scale.symbolic.library import sums_library


def test_the_same_seed_gives_the_same_formula():
    rng = np.random.default_rng(3)
    x = np.exp(rng.uniform(0, 2, (60, 3)))
    y = 2.5 * x[:, 0] / x[:, 1] * (1 + 0.05 * rng.normal(size=60))
    one, two = (fit_formula(x, y, ["a", "b", "c"], generations=1, seed=5) for _ in range(2))
    assert one.expression == two.expression
    assert one.front == two.front


def test_celsius_counts_from_absolute_zero():
    rng = np.random.default_rng(2)
    celsius = rng.uniform(20, 700, 150)
    y = 5e4 / (celsius + 273.15) * (1 + 0.01 * rng.normal(size=150))
    with_unit = fit_formula(celsius[:, None], y, ["T"], ["degC"], generations=0)
    assert with_unit.text(3).startswith("y = 5")
    assert with_unit.text().endswith("e+04 / (T + 273.15)")
    switched_off = fit_formula(
        celsius[:, None], y, ["T"], ["degC"], generations=0, dimensions=False
    )
    assert "(T + 273.15)" not in switched_off.text()


def test_columns_of_different_dimension_are_not_added():
    rng = np.random.default_rng(4)
    x = rng.uniform(1, 5, (100, 2))
    y = 4 * x[:, 0] / (x[:, 0] + 1000 * x[:, 1]) * (1 + 0.02 * rng.normal(size=100))
    one_dimension = sums_library(x, [0, 1], (parse_unit("nm"), parse_unit("um")))
    assert any("(+ (* 1000 x1) x0)" in shape(term) for term in one_dimension.terms)
    free = sums_library(x, [0, 1], (None, None))
    assert any("(+ x0 x1)" in shape(term) for term in free.terms)
    two = sums_library(x, [0, 1], (parse_unit("nm"), parse_unit("K")))
    assert not any("(+" in shape(term) for term in two.terms)
    found = fit_formula(x, y, ["a", "b"], ["nm", "um"], target="y", generations=0)
    assert np.median(np.abs(found.predict(x) / y - 1)) < 0.03

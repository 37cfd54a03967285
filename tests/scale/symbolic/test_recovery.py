"""Planted laws are found again, noise, distractors and units included."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from iceframe.scale.symbolic import Formula, fit_formula


def diff(f, symbol):
    return sympy.diff(f, symbol)


def hall_petch(d):
    return 70 + 600 / np.sqrt(d)


def creep(s, T):
    return 2e-3 * s**4.5 * np.exp(-35000 / T)


def ratio(E, rho):
    return 2.5 * E / rho


def nucleation(gamma, g):
    return 16.755 * gamma**3 / g**2


def orowan(G, L, c):
    return 60 + 250 * G / L + 14 * c


# law, its columns as (name, low, high, unit), and what is constant if the form is right
LAWS = [
    (
        hall_petch,
        [("d", 1, 200, "um")],
        "MPa",
        lambda f, d: [diff(f, d) * d ** sympy.Rational(3, 2)],
    ),
    (
        creep,
        [("s", 50, 300, "MPa"), ("T", 800, 1100, "K")],
        "1/s",
        lambda f, s, T: [s * diff(f, s) / f, T**2 * diff(f, T) / f],
    ),
    (ratio, [("E", 10, 400, "GPa"), ("rho", 1, 20, "g/cm3")], "", lambda f, E, r: [f * r / E]),
    (
        nucleation,
        [("gamma", 0.05, 0.5, "J/m2"), ("g", 1, 10, "J/mol")],
        "eV",
        lambda f, gamma, g: [f * g**2 / gamma**3],
    ),
    (
        orowan,
        [("G", 20, 120, "GPa"), ("L", 20, 400, "nm"), ("c", 0.5, 10, "at%")],
        "MPa",
        lambda f, G, L, c: [diff(f, c), diff(f, G) * L, diff(f, L) * L**2 / G],
    ),
]


def planted(law, kinds, seed, n=200, n_columns=6):
    rng = np.random.default_rng(seed)
    low, high = (np.log([kind[k] for kind in kinds]) for k in (1, 2))
    x = np.exp(rng.uniform(low, high, (n, len(kinds))))
    y = law(*x.T) * (1 + 0.05 * rng.normal(size=n))
    others = np.exp(0.7 * rng.normal(size=(n, n_columns - len(kinds))))
    names = [kind[0] for kind in kinds] + [f"z{k}" for k in range(others.shape[1])]
    units = [kind[3] for kind in kinds] + [kinds[0][3]] * others.shape[1]
    return np.column_stack([x, others]), y, names, units


def has_form(formula: Formula, kinds, constant) -> bool:
    side = formula.sympy(digits=6)
    symbols = {symbol.name: symbol for symbol in side.free_symbols}
    names = [kind[0] for kind in kinds]
    if set(symbols) != set(names):
        return False
    found = constant(side, *(symbols[name] for name in names))
    return not any(sympy.simplify(value).free_symbols for value in found)


@pytest.mark.parametrize(
    ("law", "kinds", "unit", "constant"), LAWS, ids=lambda v: getattr(v, "__name__", None)
)
def test_a_planted_law_is_found(law, kinds, unit, constant):
    x, y, names, units = planted(law, kinds, seed=1)
    formula = fit_formula(x, y, names, units, target_unit=unit, generations=0, seed=1)
    assert has_form(formula, kinds, constant), formula.text()
    wide = np.exp(
        np.random.default_rng(0).uniform(
            np.log([kind[1] / 3 for kind in kinds]), np.log([kind[2] * 3 for kind in kinds]),
            (500, len(kinds)),
        )
    )  # fmt: skip
    far = np.column_stack([wide, np.ones((500, x.shape[1] - len(kinds)))])
    assert np.quantile(np.abs(formula.predict(far) / law(*wide.T) - 1), 0.9) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 5))
@pytest.mark.parametrize(
    ("law", "kinds", "unit", "constant"), LAWS, ids=lambda v: getattr(v, "__name__", None)
)
def test_a_planted_law_is_found_whatever_the_seed_and_without_units(
    law, kinds, unit, constant, seed
):
    x, y, names, _ = planted(law, kinds, seed, n=400, n_columns=12)
    formula = fit_formula(x, y, names, seed=seed)
    assert has_form(formula, kinds, constant), formula.text()

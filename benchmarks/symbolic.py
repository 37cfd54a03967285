"""Planted laws: how often symbolic regression finds them again, and in what time.

    OMP_NUM_THREADS=1 python benchmarks/symbolic.py [--seeds 10] [--samples 300] [--columns 12]
        [--noise 0.05] [--no-units] [LAW …]

Each law is evaluated on random inputs, multiplied by ``1 + noise · N(0, 1)``, and hidden among
distractor columns of the same kind of values; the first distractor goes with the law's first column
(correlation of the logarithms 0.7). A law counts as found where both hold:

- **form**: what must be constant if the formula is the law with other constants (such as
  ``d^(3/2) ∂s/∂d`` for Hall and Petch) has no symbol left after SymPy's simplification, so that no
  distractor and no other function is in it;
- **reach**: over ranges three times as wide at both ends, nine in ten new inputs have an error
  below 10 %.

Printed: the share of seeds found, seconds of processor time for one fit, and the last formula.
``langmuir`` and ``series`` are two harder laws beside the five.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from iceframe.core.seeds import generator
from iceframe.scale.symbolic import Formula, fit_formula


@dataclass(frozen=True)
class Law:
    """A law of named columns ``(low, high, unit)``, all sampled uniformly in the logarithm.

    ``constant``: of the right-hand side and the symbols, expressions that must be constant.
    """

    columns: dict[str, tuple[float, float, str]]
    unit: str
    value: Callable[..., np.ndarray]
    constant: Callable[..., list[Any]]


def _diff(f: Any, symbol: Any) -> Any:
    import sympy

    return sympy.diff(f, symbol)


LAWS = {
    "hall_petch": Law(
        {"d": (1, 200, "um")}, "MPa",
        lambda d: 70 + 600 / np.sqrt(d),
        lambda f, d: [_diff(f, d) * d ** 1.5],
    ),
    "creep": Law(
        {"s": (50, 300, "MPa"), "T": (800, 1100, "K")}, "1/s",
        lambda s, T: 2e-3 * s**4.5 * np.exp(-35000 / T),
        lambda f, s, T: [s * _diff(f, s) / f, T**2 * _diff(f, T) / f],
    ),
    "ratio": Law(
        {"E": (10, 400, "GPa"), "rho": (1, 20, "g/cm3")}, "",
        lambda E, rho: 2.5 * E / rho,
        lambda f, E, rho: [f * rho / E],
    ),
    "nucleation": Law(
        {"gamma": (0.05, 0.5, "J/m2"), "g": (1, 10, "J/mol")}, "eV",
        lambda gamma, g: 16.755 * gamma**3 / g**2,
        lambda f, gamma, g: [f * g**2 / gamma**3],
    ),
    "orowan": Law(
        {"G": (20, 120, "GPa"), "L": (20, 400, "nm"), "c": (0.5, 10, "at%")}, "MPa",
        lambda G, L, c: 60 + 250 * G / L + 14 * c,
        lambda f, G, L, c: [_diff(f, c), _diff(f, G) * L, _diff(f, L) * L**2 / G],
    ),
    "langmuir": Law(
        {"p": (0.1, 30, "bar"), "q": (1, 5, "mol")}, "mol",
        lambda p, q: 0.9 * q * p / (3 + p),
        lambda f, p, q: [_diff(p * q / f, p), _diff(p * q / f, q)],
    ),
    "series": Law(
        {"a": (5, 50, "W/mK"), "b": (1, 50, "W/mK")}, "W/mK",
        lambda a, b: 1.2 * a * b / (a + b),
        lambda f, a, b: [f * (a + b) / (a * b)],
    ),
}  # fmt: skip


def planted(
    law: Law, seed: int, samples: int, n_columns: int, noise: float
) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """Inputs, noisy values, names and units; the law's own columns come first."""
    rng = generator(seed, "planted law")
    x = _inputs(law, samples, rng)
    first = np.log(x[:, 0])
    spread = 0.7 * (first - first.mean()) / first.std() + 0.51**0.5 * rng.normal(size=samples)
    others = np.exp(0.7 * rng.normal(size=(samples, n_columns - x.shape[1])))
    others[:, 0] = np.exp(first.mean() + first.std() * spread)
    kinds = list(law.columns.values())
    units = [kind[2] for kind in kinds]
    units += [units[k % len(kinds)] for k in range(others.shape[1])]
    names = [*law.columns, *(f"z{k}" for k in range(others.shape[1]))]
    y = law.value(*x.T) * (1 + noise * rng.normal(size=samples))
    return np.column_stack([x, others]), y, names, units


def _inputs(law: Law, n: int, rng: np.random.Generator, wider: float = 1.0) -> np.ndarray:
    ends = np.log([(low / wider, high * wider) for low, high, _ in law.columns.values()])
    return np.exp(rng.uniform(ends[:, 0], ends[:, 1], (n, len(ends))))


def has_form(law: Law, formula: Formula) -> bool:
    """Whether the formula is the law with other constants."""
    import sympy

    side = formula.sympy(digits=6)
    symbols = {str(symbol): symbol for symbol in side.free_symbols}
    if set(symbols) != set(law.columns):
        return False
    found = law.constant(side, *(symbols[name] for name in law.columns))
    return not any(sympy.simplify(value).free_symbols for value in found)


def reaches(law: Law, formula: Formula, seed: int) -> bool:
    """Whether it holds over ranges three times as wide."""
    new = _inputs(law, 2000, generator(seed, "wider"), wider=3.0)
    x = np.column_stack([new, np.ones((len(new), len(formula.names) - new.shape[1]))])
    truth = law.value(*new.T)
    return bool(np.quantile(np.abs(formula.predict(x) / truth - 1), 0.9) < 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("laws", nargs="*", help="(default: all)")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--columns", type=int, default=12)
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--no-units", action="store_true")
    asked = parser.parse_args()
    print(f"{'law':<12} found  form  reach  seconds  last formula")
    for name in asked.laws or LAWS:
        law = LAWS[name]
        form = reach = both = 0
        start = time.process_time()
        for seed in range(asked.seeds):
            x, y, names, units = planted(law, seed, asked.samples, asked.columns, asked.noise)
            formula = fit_formula(
                x, y, names, [] if asked.no_units else units, target=name,
                target_unit="" if asked.no_units else law.unit, seed=seed,
            )  # fmt: skip
            right, far = has_form(law, formula), reaches(law, formula, seed)
            form, reach, both = form + right, reach + far, both + (right and far)
        seconds = (time.process_time() - start) / asked.seeds
        counts = f"{both:>2}/{asked.seeds:<2} {form:>5} {reach:>6}"
        print(f"{name:<12} {counts}  {seconds:>7.1f}  {formula.text()}", flush=True)


if __name__ == "__main__":
    main()

"""The terms that sums are sought in: powers, products, quotients and sums of columns.

Built in three levels, as in SISSO (Ouyang et al. 2018,
https://doi.org/10.1103/PhysRevMaterials.2.083802): single columns under a power or a logarithm;
products of two, and powers of sums and differences of two; products of three of the columns that
matter most. A term that is undefined anywhere in the box of the training data is not made, nor is
one that adds or compares columns of different dimension. Terms with equal values are one term, the
simplest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from iceframe.scale.symbolic.dimensions import Unit
from iceframe.scale.symbolic.expression import (
    Column,
    Constant,
    Expression,
    Log,
    add,
    evaluate,
    multiply,
    power,
)
from iceframe.scale.symbolic.intervals import bounds
from iceframe.scale.symbolic.scoring import structure_cost

POWERS = (1.0, -1.0, 2.0, 0.5, -0.5, -2.0, 3.0, -3.0)
PAIR_POWERS = (1.0, -1.0, 2.0, 0.5, -0.5, -2.0)
TRIPLE_POWERS = (1.0, -1.0, 2.0, -2.0)
MOST_FOR_TRIPLES = 7
"""Columns, the first ones, of which products of three are made."""


@dataclass(frozen=True)
class Library:
    """Terms, their values ``(n, m)`` at the training samples, and their costs ``(m,)`` in nats."""

    terms: tuple[Expression, ...]
    values: np.ndarray
    costs: np.ndarray

    def __len__(self) -> int:
        return len(self.terms)


def sums_library(x: np.ndarray, order: Sequence[int], units: tuple[Unit | None, ...]) -> Library:
    """Terms of a sum; ``order``: columns from the most to the least useful."""
    low, high = x.min(0), x.max(0)
    single: dict[int, list[Expression]] = {}
    for j in order:
        single[j] = [power(Column(j), p) for p in POWERS if defined(low[j], high[j], p)]
        if low[j] > 0:
            single[j].append(Log(Column(j)))
    terms: list[Expression] = [term for made in single.values() for term in made]
    values = [evaluate(term, x) for term in terms]
    for i, j in combinations(order, 2):
        left = [Column(i), *_powers(i, PAIR_POWERS[1:], low, high)]
        right = [Column(j), *_powers(j, PAIR_POWERS[1:], low, high)]
        product = _values(left, x)[:, :, None] * _values(right, x)[:, None, :]
        terms += [multiply(a, b) for a in left for b in right]
        values += list(product.reshape(len(x), -1).T)
    for term in _of_sums(x, order, units):
        terms.append(term)
        values.append(evaluate(term, x))
    for chosen in combinations(order[:MOST_FOR_TRIPLES], 3):
        factors = [_powers(j, TRIPLE_POWERS, low, high) for j in chosen]
        a, b, c = (_values(made, x) for made in factors)
        product = a[:, :, None, None] * b[:, None, :, None] * c[:, None, None, :]
        terms += [multiply(p, q, r) for p in factors[0] for q in factors[1] for r in factors[2]]
        values += list(product.reshape(len(x), -1).T)
    return _distinct(terms, np.array(values).T.reshape(len(x), len(terms)), len(order))


def factors_library(x: np.ndarray, order: Sequence[int], units: tuple[Unit | None, ...]) -> Library:
    """Logarithms of the factors of a product: real powers, and exponentials of a term."""
    low, high = x.min(0), x.max(0)
    terms: list[Expression] = []
    for j in order:
        if low[j] > 0:
            terms.append(Log(Column(j)))
        terms += [power(Column(j), p) for p in (1.0, -1.0, 2.0) if defined(low[j], high[j], p)]
    for i, j in combinations(order, 2):
        for a, b in ((i, j), (j, i)):
            if defined(low[b], high[b], -1.0):
                terms.append(multiply(Column(a), power(Column(b), -1.0)))
        terms.append(multiply(Column(i), Column(j)))
        for inside in _pair_sums(i, j, units):
            box = bounds(inside, low, high)
            if box is not None and box[0] > 0:
                terms.append(Log(inside))
    return _distinct(terms, _values(terms, x), len(order))


def _of_sums(
    x: np.ndarray, order: Sequence[int], units: tuple[Unit | None, ...]
) -> list[Expression]:
    """Powers of sums and differences of two columns, alone and with one of the two before it."""
    made: list[Expression] = []
    least, most = x.min(0), x.max(0)
    for i, j in combinations(order, 2):
        for inside in _pair_sums(i, j, units):
            box = bounds(inside, least, most)
            for p in (-1.0, 2.0, 0.5, -0.5):
                if box is not None and defined(*box, p):
                    made.append(power(inside, p))
                    if p == -1.0:
                        made += [multiply(Column(k), power(inside, p)) for k in (i, j)]
                        made.append(multiply(Column(i), Column(j), power(inside, p)))
    return made


def _pair_sums(i: int, j: int, units: tuple[Unit | None, ...]) -> list[Expression]:
    """Sum and difference of two columns, in one unit; none where their dimensions differ."""
    first, second = units[i], units[j]
    factor = 1.0
    if first is not None and second is not None:
        if first.dimension != second.dimension:
            return []
        factor = second.scale / first.scale
    other = multiply(Constant(factor), Column(j))
    minus = multiply(Constant(-factor), Column(j))
    return [add(Column(i), other), add(Column(i), minus)]


def defined(low: float, high: float, exponent: float) -> bool:
    """Whether a power is finite all over an interval."""
    if exponent < 0 and low <= 0 <= high:
        return False
    return low >= 0 or float(exponent).is_integer()


def _powers(
    j: int, exponents: Sequence[float], low: np.ndarray, high: np.ndarray
) -> list[Expression]:
    return [power(Column(j), p) for p in exponents if defined(low[j], high[j], p)]


def _values(terms: Sequence[Expression], x: np.ndarray) -> np.ndarray:
    return np.array([evaluate(term, x) for term in terms]).T.reshape(len(x), len(terms))


def _distinct(terms: list[Expression], values: np.ndarray, n_columns: int) -> Library:
    """Only finite terms that vary, and of those that are alike up to a line the first."""
    if not terms:
        return Library((), values, np.empty(0))
    with np.errstate(all="ignore"):
        centred = values - values.mean(0)
        widths = np.sqrt((centred**2).mean(0))
        usable = np.isfinite(widths) & (widths > 1e-9 * np.abs(values).max(0)) & (widths < 1e100)
        usable &= widths > 1e-100
    kept = np.flatnonzero(usable)
    probes = np.random.default_rng(0).normal(size=(2, len(values)))
    marks = probes @ (centred[:, kept] / widths[kept])
    marks *= np.sign(marks[:1])
    _, first = np.unique(np.round(marks / np.sqrt(len(values)), 8), axis=1, return_index=True)
    kept = kept[np.sort(first)]
    chosen = tuple(terms[k] for k in kept)
    costs = [structure_cost(term, n_columns, len(values)) for term in chosen]
    return Library(chosen, np.ascontiguousarray(values[:, kept]), np.array(costs))

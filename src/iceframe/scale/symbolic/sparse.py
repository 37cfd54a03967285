"""Sparse linear models in a large library of terms, behind a link: a beam of least squares.

``g(y) = c₀ + Σ_k c_k T_k`` with few terms. At every step each model of the beam takes on whichever
term of the *whole* library lowers its squares most (orthogonal least squares, Chen, Billings & Luo
1989, https://doi.org/10.1080/00207178908953472); what survives is decided by squares and by what
the terms cost to write down. The links turn sums into the other laws:

| link | the law |
|---|---|
| ``g = y`` | a sum of terms |
| ``g = log y`` | a product of real powers and exponentials |
| ``g = 1/y`` | the reciprocal of a sum, such as resistances in parallel |
| ``g = y²`` | the square root of a sum |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iceframe.scale.symbolic.expression import (
    Constant,
    Exp,
    Expression,
    Log,
    add,
    multiply,
    power,
)
from iceframe.scale.symbolic.library import Library

LINKS = ("identity", "log", "reciprocal", "square")
MOST_TERMS = {"identity": 3, "log": 4, "reciprocal": 3, "square": 3}
WIDTH = 24
"""Models in the beam."""

COLLINEAR = 1e-4
"""Share of a term's squares that must be left beside the terms that are there."""


@dataclass(frozen=True)
class _State:
    chosen: tuple[int, ...]
    residual: np.ndarray  # (n,)
    left: np.ndarray  # (m,) squares of each unit term beside those chosen
    basis: np.ndarray  # (n, k)
    cost: float


def sparse_models(
    library: Library,
    costs: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray,
    most_terms: int,
) -> list[tuple[int, ...]]:
    """Sets of positions in the library, of one term up to ``most_terms``.

    ``costs``: of each term ``(m,)`` in nats. ``target``, ``weight``: ``(n,)`` of the linear model.
    """
    if not len(library):
        return []
    with np.errstate(all="ignore"):
        weighted = (library.values * weight[:, None]).astype(np.float64)
    ones = weight / np.linalg.norm(weight)
    before = np.sqrt((weighted**2).sum(0))
    weighted -= ones[:, None] * (ones @ weighted)
    norms = np.sqrt((weighted**2).sum(0))
    with np.errstate(all="ignore"):
        alive = np.isfinite(norms) & (norms > 1e-6 * before)
    weighted[:, ~alive] = 0.0
    norms[~alive] = 1.0
    weighted = (weighted / norms).astype(np.float32)
    residual = (target * weight).astype(np.float64)
    residual -= ones * (ones @ residual)
    beam = [_State((), residual, alive.astype(np.float32), ones[:, None], 0.0)]
    found: list[tuple[int, ...]] = []
    for _ in range(most_terms):
        beam = _extended(beam, weighted, costs)
        found += [state.chosen for state in beam]
        if not beam:
            break
    return found


def _extended(beam: list[_State], weighted: np.ndarray, costs: np.ndarray) -> list[_State]:
    """The best models of one term more."""
    n = len(weighted)
    residuals = np.array([state.residual for state in beam])
    squares = (residuals**2).sum(1)
    along = residuals.astype(np.float32) @ weighted  # (b, m)
    left = np.array([state.left for state in beam])
    with np.errstate(all="ignore"):
        gain = np.where(left > COLLINEAR, along**2 / left, 0.0)
    remaining = np.maximum(squares[:, None] - gain, 1e-12 * squares[:, None] + 1e-300)
    spent = np.array([state.cost for state in beam])[:, None]
    score = 0.5 * n * np.log(remaining) + spent + costs
    score[gain <= 0] = np.inf
    kept: dict[tuple[int, ...], tuple[int, int]] = {}
    for ranked, most in ((score, WIDTH), (np.where(gain > 0, remaining, np.inf), WIDTH // 3)):
        size = min(ranked.size, 4 * most)
        first = np.argpartition(ranked, size - 1, axis=None)[:size]
        first = first[np.argsort(ranked.ravel()[first], kind="stable")]
        more = 0
        for flat in first:
            row, term = divmod(int(flat), ranked.shape[1])
            chosen = tuple(sorted((*beam[row].chosen, term)))
            if np.isfinite(ranked[row, term]) and chosen not in kept and more < most:
                kept[chosen] = (row, term)
                more += 1
    made = []
    for chosen, (row, term) in kept.items():
        state = beam[row]
        new = weighted[:, term].astype(np.float64)
        for _ in range(2):  # twice is enough
            new = new - state.basis @ (state.basis.T @ new)
        new /= np.linalg.norm(new)
        residual = state.residual - new * (new @ state.residual)
        rest = np.maximum(state.left - (new.astype(np.float32) @ weighted) ** 2, 0.0)
        basis = np.column_stack([state.basis, new])
        made.append(_State(chosen, residual, rest, basis, state.cost + float(costs[term])))
    return made


def linked(
    link: str, y: np.ndarray, weight: np.ndarray, near: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Target and weights of the linear model behind a link; ``None`` where it is not defined.

    ``near``: values ``(n,)`` near ``y`` at which the link's slope is taken.
    """
    size = np.abs(y)
    if link == "identity":
        return y, weight
    if not ((y > 0).all() or (y < 0).all()):
        return None
    near = np.abs(near)
    if link == "log":
        return np.log(size), weight * near
    if link == "reciprocal":
        return 1.0 / size, weight * near**2
    return size**2, weight / (2 * near)


def law(link: str, terms: list[Expression], coefficients: np.ndarray, sign: float) -> Expression:
    """The law of some terms behind a link; ``coefficients``: the intercept, then theirs."""
    first, *others = (Constant(float(value), True) for value in coefficients)
    if link == "log":
        scale = Constant(sign * float(np.exp(np.clip(first.value, -300, 300))), True)
        return multiply(scale, *map(_factor, terms, others))
    inside = add(first, *map(multiply, others, terms))
    if link == "identity":
        return inside
    return multiply(Constant(sign), power(inside, -1.0 if link == "reciprocal" else 0.5))


def _factor(term: Expression, coefficient: Constant) -> Expression:
    if isinstance(term, Log):
        return power(term.argument, coefficient)
    return Exp(multiply(coefficient, term))

"""A formula found in data: the search from columns and units to one expression that can be read.

:func:`fit_formula` screens columns, searches expressions, and chooses one. The result predicts,
prints itself, and splits a prediction exactly among its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.seeds import derive_seed, generator
from iceframe.scale.symbolic import writing
from iceframe.scale.symbolic.constants import Measured
from iceframe.scale.symbolic.dimensions import parse_unit
from iceframe.scale.symbolic.expression import (
    Expression,
    Sum,
    columns,
    constants,
    evaluate,
)
from iceframe.scale.symbolic.scoring import complexity
from iceframe.scale.symbolic.search import relative_weight, search
from iceframe.scale.symbolic.selection import choose, refitted

if TYPE_CHECKING:
    import sympy

MOST_NODES = 20
MOST_COLUMNS = 20
"""Columns that are searched; of more, those that extra trees find most useful."""

GENERATIONS = 5
SCREENING_TREES = 100
MOST_FOR_CHOICE = 2000
"""Samples on which the formulas of the front are judged."""


@dataclass(frozen=True)
class Point:
    """One formula of the front: its complexity in nodes, and root mean squares of its errors.

    ``error`` is of the training samples, ``held_out`` cross-validated (NaN where that failed); in
    the target's unit, or as shares of the value where the formula's errors are ``relative``.
    """

    expression: Expression
    complexity: int
    error: float
    held_out: float


@dataclass(frozen=True)
class Formula:
    """A fitted formula of named columns.

    ``low``, ``high``, ``centre``: range and mean of each column of the training data ``(d,)``.
    ``offsets``: what is added to a column so that it counts from zero (273.15 for °C).
    ``relative``: whether errors grow with the value. ``shares``: of each outermost summand that has
    a column, its part in the sum of their mean absolute deviations.
    """

    expression: Expression
    names: tuple[str, ...]
    units: tuple[str, ...]
    target: str
    offsets: np.ndarray
    low: np.ndarray
    high: np.ndarray
    centre: np.ndarray
    relative: bool
    shares: tuple[float, ...]
    front: tuple[Point, ...] = ()

    @property
    def complexity(self) -> int:
        """Number of nodes; see :func:`~iceframe.scale.symbolic.scoring.complexity`."""
        return complexity(self.expression)

    @property
    def n_constants(self) -> int:
        """Number of fitted constants."""
        return len(constants(self.expression))

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the columns in it."""
        return tuple(self.names[j] for j in columns(self.expression))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Values ``(n,)`` at finite inputs ``(n, d)``.

        Where the formula is not defined, which can only be beyond the range of the training data,
        each column is taken at the nearest end of that range.
        """
        return self._values(np.asarray(x, dtype=float) + self.offsets)

    def _values(self, x: np.ndarray) -> np.ndarray:
        values = evaluate(self.expression, x)
        undefined = ~np.isfinite(values)
        if undefined.any():
            inside = np.clip(x[undefined], self.low + self.offsets, self.high + self.offsets)
            values[undefined] = evaluate(self.expression, inside)
        return values

    def contributions(self, x: np.ndarray) -> np.ndarray:
        """Shapley values ``(n, d)`` of the columns; they sum to ``predict(x) − predict(centre)``.

        A column's share is its effect on going from the training mean to its own value, averaged
        over all orders in which the columns may go (Shapley 1953,
        https://doi.org/10.1515/9781400881970-018). For a summand of a single column it is that
        summand less its value at the mean; a product is split among its columns. All subsets are
        taken, so nothing is estimated.
        """
        x = np.asarray(x, dtype=float) + self.offsets
        chosen = columns(self.expression)
        centre = np.broadcast_to(self.centre + self.offsets, x.shape)
        values: dict[tuple[int, ...], np.ndarray] = {}
        for size in range(len(chosen) + 1):
            for subset in combinations(chosen, size):
                mixed = centre.copy()
                mixed[:, list(subset)] = x[:, list(subset)]
                values[subset] = self._values(mixed)
        shares = np.zeros(x.shape)
        k = len(chosen)
        for subset, value in values.items():
            for j in chosen:
                if j in subset:
                    continue
                weight = factorial(len(subset)) * factorial(k - len(subset) - 1) / factorial(k)
                shares[:, j] += weight * (values[tuple(sorted((*subset, j)))] - value)
        return shares

    def text(self, digits: int = 4) -> str:
        """The formula as one line of text."""
        return writing.text(self, digits)

    def latex(self, digits: int = 4) -> str:
        """The formula in LaTeX."""
        return writing.latex(self, digits)

    def sympy(self, digits: int | None = None) -> sympy.Expr:
        """The right-hand side as a SymPy expression of symbols with the columns' names."""
        return writing.sympy_expression(self, digits)

    def words(self) -> list[str]:
        """A sentence for each outermost summand that depends on a column."""
        return writing.words(self)


def fit_formula(
    x: np.ndarray,
    y: np.ndarray,
    names: Sequence[str],
    units: Sequence[str] = (),
    *,
    target: str = "y",
    target_unit: str = "",
    dimensions: bool = True,
    most_nodes: int = MOST_NODES,
    most_columns: int = MOST_COLUMNS,
    generations: int = GENERATIONS,
    seed: int = 0,
) -> Formula:
    """The simplest formula that says as much of ``y`` ``(n,)`` as the data support.

    Parameters
    ----------
    x : finite ``(n, d)``. names, units : of its columns; an empty or unknown unit is a free
        dimension, and so is that of all columns where ``units`` is empty.
    dimensions : whether units count: sums of equal dimension, nothing with a dimension in an
        exponential, temperatures from absolute zero.
    most_nodes : largest complexity. most_columns : columns that are searched.
    generations : rounds of changed copies; 0 leaves the sparse models and their refinement.

    Raises
    ------
    InputError : fewer than two samples, values that are not finite, or names that do not fit.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    units = tuple(units) or ("",) * len(names)
    _check(x, y, names, units)
    parsed = tuple(parse_unit(unit) if dimensions else None for unit in units)
    offsets = np.array([0.0 if unit is None else unit.offset for unit in parsed])
    goal = parse_unit(target_unit) if dimensions else None
    rng = generator(seed, "symbolic regression")
    counted = x + offsets
    order = useful_columns(counted, y, most_columns, seed)
    found = search(counted, y, parsed, goal, order, most_nodes, generations, rng)
    front = [*found.archive.front(), *found.archive.best()[:3]]
    whole = _measured(counted, y, front[-1].expression, found.relative)
    some = np.sort(rng.permutation(len(y))[:MOST_FOR_CHOICE])
    judged = refitted(found.archive, front, whole.take(some))
    answer, held_out = choose(judged, found.archive, whole.take(some), rng)
    final = refitted(found.archive, [answer], whole)
    expression = (final[0] if final else answer).expression
    scale = 1.0 if found.relative else 1.0 / whole.weight[0]
    points = {
        point.expression: Point(
            point.expression,
            point.complexity,
            scale * float(np.sqrt(point.square)),
            scale * float(np.sqrt(held_out.get(repr(point.expression), np.nan))),
        )
        for point in judged
    }
    return Formula(
        expression, tuple(names), units, target, offsets, x.min(0), x.max(0), x.mean(0),
        found.relative, summand_shares(expression, counted),
        tuple(sorted(points.values(), key=lambda point: (point.complexity, point.error))),
    )  # fmt: skip


def useful_columns(x: np.ndarray, y: np.ndarray, most: int, seed: int) -> list[int]:
    """Positions of at most ``most`` columns that vary, the most useful to extra trees first."""
    varying = [j for j in range(x.shape[1]) if np.ptp(x[:, j]) > 1e-12 * np.abs(x[:, j]).max()]
    if not varying:
        return []
    from sklearn.ensemble import ExtraTreesRegressor

    trees = ExtraTreesRegressor(
        SCREENING_TREES, max_samples=min(len(y), 1000), bootstrap=True, n_jobs=1,
        min_samples_leaf=2, random_state=derive_seed(seed, "screening"),
    )  # fmt: skip
    importance = trees.fit(x[:, varying], y).feature_importances_
    return [varying[k] for k in np.argsort(-importance, kind="stable")[:most]]


def summand_shares(node: Expression, x: np.ndarray) -> tuple[float, ...]:
    """Part of each outermost summand that has a column in the sum of their mean deviations."""
    deviations = []
    for part in node.parts if isinstance(node, Sum) else (node,):
        if columns(part):
            values = evaluate(part, x)
            deviations.append(float(np.abs(values - values.mean()).mean()))
    total = sum(deviations)
    return tuple(deviation / total if total else 0.0 for deviation in deviations)


def _measured(x: np.ndarray, y: np.ndarray, guess: Expression, relative: bool) -> Measured:
    weight = np.full(len(y), 1.0 / (float(y.std()) or 1.0))
    return Measured(x, y, relative_weight(y, evaluate(guess, x)) if relative else weight)


def _check(x: np.ndarray, y: np.ndarray, names: Sequence[str], units: Sequence[str]) -> None:
    if x.ndim != 2 or len(names) != x.shape[1] or len(units) != x.shape[1]:
        raise InputError(
            "Columns, names and units do not fit together.",
            got=f"inputs of shape {x.shape}, {len(names)} names, {len(units)} units",
            allowed="one name, and one unit or none at all, for each column",
        )
    if y.shape != (len(x),) or len(y) < 2:
        raise InputError(
            "Too few samples, or targets that do not fit.",
            got=f"{len(x)} samples, targets of shape {y.shape}",
            allowed="two samples or more, with one target each",
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InputError(
            "A formula needs finite numbers.",
            hint="fill gaps first; the rung `symbolic` takes the median of the training data",
        )

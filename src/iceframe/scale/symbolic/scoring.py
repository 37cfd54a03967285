"""What an expression costs to write down, and the best ones found so far.

The description length in nats, in the spirit of Rissanen (1978,
https://doi.org/10.1016/0005-1098(78)90005-5) and of exhaustive symbolic regression (Bartlett,
Desmond & Ferreira 2023, https://doi.org/10.1109/TEVC.2023.3280250):

``n/2 log(mean square) + Σ symbols + ½ log n per fitted constant``

A column costs the logarithm of how many columns there are, which is what protects from distractors;
a constant that has to carry a dimension costs a little more than one that does not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from iceframe.scale.symbolic.constants import NICE, Measured, acceptable, fit_constants
from iceframe.scale.symbolic.dimensions import Inconsistent, Unit, dimension_of, respects
from iceframe.scale.symbolic.expression import (
    Column,
    Constant,
    Exp,
    Expression,
    Log,
    Power,
    Product,
    Sum,
    columns,
    constants,
    shape,
    split_coefficient,
    walk,
)
from iceframe.scale.symbolic.intervals import bounds

OPERATOR = math.log(6)  # sum, product, power, exponential, logarithm, and the end
EXPONENT = math.log(10)  # an exact one, of about ten in use
FREE_EXPONENT = 3.0  # more than an exact one: laws like round numbers
DIMENSIONAL = 1.5  # a coefficient that carries a dimension
MOST_COLUMNS = 6
"""Different columns in one formula; its exact terms take all their subsets."""


def complexity(node: Expression) -> int:
    """Number of nodes; a sum or product of ``k`` parts has ``k − 1``, a fitted exponent counts 2.

    Examples
    --------
    >>> from iceframe.scale.symbolic.expression import add, multiply, power
    >>> free = Constant(1.0, fitted=True)
    >>> complexity(add(free, multiply(free, power(Column(0), -0.5))))
    7
    """
    total = 0
    for part in walk(node):
        if isinstance(part, Sum | Product):
            total += len(part.parts) - 1
        else:
            total += 1
        if isinstance(part, Power) and part.exponent.fitted:
            total += 1
    return total


def structure_cost(node: Expression, n_columns: int, n: int) -> float:
    """Nats to write the expression down, its ``½ log n`` for every fitted constant included."""
    total = 0.0
    for part in walk(node):
        match part:
            case Constant(_, fitted):
                total += 0.5 * math.log(n) if fitted else 0.0
            case Column():
                total += math.log(max(2, n_columns))
            case Sum(parts) | Product(parts):
                total += OPERATOR * (len(parts) - 1)
            case Power(_, exponent):
                total += OPERATOR + (FREE_EXPONENT if exponent.fitted else EXPONENT)
            case Exp() | Log():
                total += OPERATOR
    return total


def dimensional_constants(
    node: Expression, units: tuple[Unit | None, ...], target: Unit | None
) -> int:
    """Outermost coefficients that must carry a dimension for the formula to be consistent."""
    if target is None:
        return 0
    count = 0
    for part in node.parts if isinstance(node, Sum) else (node,):
        coefficient, rest = split_coefficient(part)
        try:
            found = dimension_of(rest, units)
        except Inconsistent:
            found = None
        if coefficient.fitted and found is not None and found != target.dimension:
            count += not isinstance(part, Constant)
    return count


def _nice(part: Expression) -> bool:
    """No exact exponent but those that laws are made of; products of two of them may be others."""
    if not isinstance(part, Power) or part.exponent.fitted:
        return True
    return any(math.isclose(part.exponent.value, exponent) for exponent in NICE)


@dataclass(frozen=True)
class Scored:
    """A fitted expression: mean weighted square, nodes, and description length in nats."""

    expression: Expression
    square: float
    complexity: int
    nats: float


@dataclass
class Archive:
    """Fits expressions to ``data``, refuses what is not to be kept, and keeps the rest.

    ``low``, ``high``: the box in which a formula has to be defined. ``units``: dimensions to be
    respected, or all ``None``. ``columns``: those that formulas may look at.
    """

    data: Measured
    low: np.ndarray
    high: np.ndarray
    units: tuple[Unit | None, ...]
    target: Unit | None
    columns: tuple[int, ...]
    most_nodes: int
    seen: dict[str, Scored | None] = field(default_factory=dict)

    def consider(self, node: Expression) -> Scored | None:
        """Fit, judge and keep ``node``; what was kept, or ``None`` where it is refused."""
        key = shape(node)
        if key not in self.seen:
            self.seen[key] = self._scored(node)
        return self.seen[key]

    def _scored(self, node: Expression) -> Scored | None:
        size = complexity(node)
        if size > self.most_nodes or len(columns(node)) > MOST_COLUMNS:
            return None
        if len(constants(node)) > max(1, len(self.data) // 5):
            return None
        if not all(_nice(part) for part in walk(node)):
            return None
        if not respects(node, self.units, self.target):
            return None
        fitted = fit_constants(node, self.data)
        if fitted is None or not acceptable(fitted):
            return None
        if bounds(fitted, self.low, self.high) is None:
            return None
        square = float(np.mean(self.data.squares(fitted)))
        if not math.isfinite(square):
            return None
        return Scored(fitted, square, size, self.nats(fitted, square))

    def nats(self, node: Expression, square: float) -> float:
        """Description length of a fitted expression with this mean weighted square."""
        n = len(self.data)
        floor = 1e-20 * float(np.mean((self.data.weight * self.data.y) ** 2)) + 1e-300
        cost = structure_cost(node, len(self.columns), n)
        cost += DIMENSIONAL * dimensional_constants(node, self.units, self.target)
        return 0.5 * n * math.log(max(square, floor)) + cost

    def best(self) -> list[Scored]:
        """All that was kept, by description length."""
        kept = [scored for scored in self.seen.values() if scored is not None]
        return sorted(kept, key=lambda s: (s.nats, shape(s.expression)))

    def front(self) -> list[Scored]:
        """No other is both simpler (or as simple) and better: from simple to good."""
        made: list[Scored] = []
        kept = [scored for scored in self.seen.values() if scored is not None]
        for scored in sorted(kept, key=lambda s: (s.complexity, s.square, shape(s.expression))):
            if not made or scored.square < made[-1].square * (1 - 1e-9):
                made.append(scored)
        return made

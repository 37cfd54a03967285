"""The constants of an expression: least squares, straight where they enter linearly.

With residuals ``r = w (f − y)``, coefficients of the outermost summands solve a linear problem; the
others, and then all together, follow Levenberg and Marquardt's method with exact derivatives
(Marquardt 1963, https://doi.org/10.1137/0111030). Fitted exponents are then tried at the numbers
that laws are made of, such as 1/2 or −3.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from iceframe.scale.symbolic.expression import (
    ONE,
    Column,
    Constant,
    Expression,
    Power,
    Product,
    Sum,
    children,
    constants,
    evaluate,
    power,
    rebuilt,
    split_coefficient,
    with_constants,
    with_slopes,
)

STEPS = 25
"""Most steps of Levenberg and Marquardt's method."""

TOLERANCE = 1e-9
"""Relative fall of the sum of squares at which they end."""

LARGEST_EXPONENT = 12.0

NICE = tuple(
    sorted({float(Fraction(i, j)) for i in range(-8, 9) for j in (1, 2, 3) if abs(i) <= 2 * j + 2})
)
"""Exponents that laws are made of: integers, halves and thirds."""


@dataclass(frozen=True)
class Measured:
    """What expressions are fitted to: inputs ``(n, d)``, values and weights ``(n,)``."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, index: np.ndarray) -> Measured:
        """The samples at ``index``."""
        return Measured(self.x[index], self.y[index], self.weight[index])

    def squares(self, node: Expression) -> np.ndarray:
        """Weighted squares of the residuals ``(n,)``; not finite where it is not defined."""
        with np.errstate(all="ignore"):
            return (self.weight * (evaluate(node, self.x) - self.y)) ** 2


def fit_constants(node: Expression, data: Measured, steps: int = STEPS) -> Expression | None:
    """The same expression with constants of least squares; ``None`` where there are none."""
    with np.errstate(all="ignore"):
        started, n_linear = _linear(node, data)
        if started is None:
            return None
        if len(constants(started)) == n_linear:
            return started
        return _levenberg_marquardt(started, data, steps)


def _linear(node: Expression, data: Measured) -> tuple[Expression | None, int]:
    """The outermost coefficients by linear least squares, and how many there are."""
    parts = node.parts if isinstance(node, Sum) else (node,)
    split = [split_coefficient(part) for part in parts]
    fitted = [k for k, (coefficient, _) in enumerate(split) if coefficient.fitted]
    if not fitted:
        return node, 0
    target = data.y.copy()
    matrix = np.empty((len(data), len(fitted)))
    for k, (coefficient, rest) in enumerate(split):
        values = evaluate(rest, data.x)
        if k in fitted:
            matrix[:, fitted.index(k)] = values * data.weight
        else:
            target -= coefficient.value * values
    solution = least_squares(matrix, target * data.weight)
    if solution is None:
        return None, 0
    made = list(parts)
    for k, value in zip(fitted, solution, strict=True):
        rest = split[k][1]
        constant = Constant(float(value), True)
        made[k] = constant if rest == ONE else _scaled(constant, parts[k])
    return (Sum(tuple(made)) if isinstance(node, Sum) else made[0]), len(fitted)


def _scaled(constant: Constant, part: Expression) -> Expression:
    """A product with another leading constant, its other parts as they are."""
    assert isinstance(part, Product)
    return Product((constant, *part.parts[1:]))


def least_squares(matrix: np.ndarray, target: np.ndarray) -> np.ndarray | None:
    """Solution ``(p,)`` of ``matrix (n, p)``, its columns scaled; ``None`` without a unique one."""
    if not np.isfinite(matrix).all() or not np.isfinite(target).all():
        return None
    norms = np.sqrt((matrix**2).sum(0))
    if not np.isfinite(norms).all() or (norms == 0).any():
        return None
    solution, _, rank, _ = np.linalg.lstsq(matrix / norms, target, rcond=1e-11)
    return solution / norms if rank == matrix.shape[1] else None


def _levenberg_marquardt(node: Expression, data: Measured, steps: int) -> Expression | None:
    theta = np.array(constants(node))
    values, slopes = with_slopes(node, data.x)
    residual = data.weight * (values - data.y)
    squares = float(residual @ residual)
    if not np.isfinite(squares) or not np.isfinite(slopes).all():
        return None
    damping = 1e-3
    for _ in range(steps):
        jacobian = data.weight[:, None] * slopes
        curvature = jacobian.T @ jacobian
        gradient = jacobian.T @ residual
        widths = np.sqrt(np.diag(curvature))
        widths[widths == 0] = 1.0
        scaled = curvature / np.outer(widths, widths)
        gained = -np.inf
        while damping < 1e9:
            step = (
                np.linalg.solve(scaled + damping * np.eye(len(theta)), -gradient / widths) / widths
            )
            trial = with_constants(node, iter(theta + step))
            values, slopes = with_slopes(trial, data.x)
            residual_there = data.weight * (values - data.y)
            there = float(residual_there @ residual_there)
            if np.isfinite(there) and there <= squares and np.isfinite(slopes).all():
                gained = squares - there
                break
            damping *= 5
        if gained < 0:
            break
        theta, residual, damping = theta + step, residual_there, max(damping / 10, 1e-12)
        finished = gained <= TOLERANCE * max(there, 1e-300)
        squares = there
        if finished:
            break
    return with_constants(node, iter(theta))


def acceptable(node: Expression) -> bool:
    """Whether every constant is a finite number and no exponent is absurd."""
    if isinstance(node, Power) and abs(node.exponent.value) > LARGEST_EXPONENT:
        return False
    if isinstance(node, Constant):
        return bool(np.isfinite(node.value) and abs(node.value) < 1e100)
    return all(acceptable(part) for part in children(node))


def nicer(node: Expression) -> list[Expression]:
    """The expression with one of its fitted exponents at each of the two nearest nice numbers."""
    if isinstance(node, Power) and node.exponent.fitted:
        nearest = sorted(NICE, key=lambda e: abs(e - node.exponent.value))[:2]
        here = [power(node.base, exponent) for exponent in nearest]
        return here + [power(base, node.exponent) for base in nicer(node.base)]
    parts = children(node)
    return [
        rebuilt(node, (*parts[:k], other, *parts[k + 1 :]))
        for k, part in enumerate(parts)
        for other in nicer(part)
    ]


def freed(node: Expression) -> Expression:
    """The expression with a fitted exponent on every power and every factor that is a column."""
    if isinstance(node, Constant):
        return node
    if isinstance(node, Power):
        return power(freed(node.base), Constant(node.exponent.value, True))
    parts = tuple(freed(part) for part in children(node))
    if isinstance(node, Product):
        first = Constant(1.0, True)
        parts = tuple(Power(p, first) if isinstance(p, Column) else p for p in parts)
    return rebuilt(node, parts)

"""Bounds of an expression over a box of inputs: finite ones prove that it is defined all over it.

Interval arithmetic evaluates every part with its range instead of a number. The bounds hold, but
are not the tightest: an expression that looks at a column twice may be refused although it would
have been defined. Reference: Keijzer 2003, https://doi.org/10.1007/3-540-36599-0_7.
"""

from __future__ import annotations

import math

import numpy as np

from iceframe.scale.symbolic.expression import (
    Column,
    Constant,
    Exp,
    Expression,
    Log,
    Power,
    Product,
    Sum,
)

Interval = tuple[float, float]

MOST = 1e150
"""Bounds beyond this count as not finite: their squares would not be."""


def bounds(node: Expression, low: np.ndarray, high: np.ndarray) -> Interval | None:
    """Lowest and highest value over the box ``low`` to ``high``, each ``(d,)``.

    ``None`` where it may be undefined or infinite somewhere in the box.

    Examples
    --------
    >>> from iceframe.scale.symbolic.expression import add, power
    >>> difference = add(Column(0), Constant(-2.0))
    >>> bounds(power(difference, -1), np.array([3.0]), np.array([4.0]))
    (0.5, 1.0)
    >>> bounds(power(difference, -1), np.array([1.0]), np.array([4.0])) is None
    True
    """
    found = _bounds(node, low, high)
    if found is None or not all(math.isfinite(b) and abs(b) < MOST for b in found):
        return None
    return found


def _bounds(node: Expression, low: np.ndarray, high: np.ndarray) -> Interval | None:
    match node:
        case Constant(value):
            return value, value
        case Column(index):
            return float(low[index]), float(high[index])
        case Sum(parts) | Product(parts):
            ranges = [bounds(part, low, high) for part in parts]
            total = ranges[0]
            for other in ranges[1:]:
                if total is None or other is None:
                    return None
                if isinstance(node, Sum):
                    total = total[0] + other[0], total[1] + other[1]
                else:
                    corners = [a * b for a in total for b in other]
                    total = min(corners), max(corners)
            return total
        case Power(base, exponent):
            inside = bounds(base, low, high)
            return None if inside is None else _raised(inside, exponent.value)
        case Exp(argument):
            inside = bounds(argument, low, high)
            if inside is None or inside[1] > math.log(MOST):
                return None
            return math.exp(inside[0]), math.exp(inside[1])
        case Log(argument):
            inside = bounds(argument, low, high)
            if inside is None or inside[0] <= 0:
                return None
            return math.log(inside[0]), math.log(inside[1])


def _raised(inside: Interval, exponent: float) -> Interval | None:
    a, b = inside
    whole = float(exponent).is_integer()
    if a < 0 and not whole:
        return None
    if a <= 0 <= b and exponent < 0:
        return None
    try:
        ends = [float(a) ** exponent, float(b) ** exponent]
    except OverflowError:
        return None
    if whole and int(exponent) % 2 == 0 and a < 0 < b:
        ends.append(0.0)
    return min(ends), max(ends)

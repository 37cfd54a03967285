"""Expressions as trees: built in one normal form, evaluated with derivatives and with intervals.

A tree is made of constants, columns, sums, products, powers with a constant exponent, exponentials
and natural logarithms. A constant is *fitted* (its value comes from the data) or exact (the 2 of a
square). The makers :func:`add`, :func:`multiply` and :func:`power` flatten nested sums and
products, fold constants and put the parts in order, so that the same formula is the same tree.

Derivatives are carried along with the values (dual numbers). Interval evaluation bounds a tree over
a box of inputs: a finite bound proves that it has no pole and no undefined point there (Keijzer
2003, https://doi.org/10.1007/3-540-36599-0_7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Constant:
    """A number: fitted to the data, or exact."""

    value: float
    fitted: bool = False


@dataclass(frozen=True)
class Column:
    """Column ``index`` of the inputs."""

    index: int


@dataclass(frozen=True)
class Sum:
    """Two summands or more."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Product:
    """Two factors or more; a constant comes first."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Power:
    """``base`` to a constant exponent."""

    base: Expression
    exponent: Constant


@dataclass(frozen=True)
class Exp:
    """The exponential function."""

    argument: Expression


@dataclass(frozen=True)
class Log:
    """The natural logarithm."""

    argument: Expression


Expression = Constant | Column | Sum | Product | Power | Exp | Log

ONE, ZERO = Constant(1.0), Constant(0.0)

# -- makers ----------------------------------------------------------------------------------------


def add(*parts: Expression) -> Expression:
    """The sum in normal form; constants are merged, and summands of one shape as well.

    Examples
    --------
    >>> add(Column(0), add(Column(1), Constant(2.0)), Constant(1.0)) == add(
    ...     Constant(3.0), Column(1), Column(0))
    True
    """
    merged: dict[Expression, Constant] = {}
    for part in _flat(Sum, parts):
        coefficient, rest = split_coefficient(part)
        before = merged.get(rest)
        if before is not None:
            fitted = before.fitted or coefficient.fitted
            coefficient = Constant(before.value + coefficient.value, fitted)
        merged[rest] = coefficient
    terms = [
        multiply(coefficient, rest)
        for rest, coefficient in merged.items()
        if coefficient.fitted or coefficient.value != 0
    ]
    terms.sort(key=_order)
    return ZERO if not terms else terms[0] if len(terms) == 1 else Sum(tuple(terms))


def multiply(*parts: Expression) -> Expression:
    """The product in normal form; constants are merged, and powers of one base with them."""
    value, fitted = 1.0, False
    exponents: dict[Expression, Constant] = {}
    arguments: list[Expression] = []
    for part in _flat(Product, parts):
        if isinstance(part, Constant):
            value, fitted = value * part.value, fitted or part.fitted
        elif isinstance(part, Exp):
            arguments.append(part.argument)
        else:
            base, exponent = (part.base, part.exponent) if isinstance(part, Power) else (part, ONE)
            before = exponents.get(base)
            if before is not None:
                either = before.fitted or exponent.fitted
                exponent = Constant(before.value + exponent.value, either)
            exponents[base] = exponent
    if value == 0 and not fitted:
        return ZERO
    factors = [power(base, exponent) for base, exponent in exponents.items()]
    if arguments:
        factors.append(Exp(add(*arguments)))
    factors = [factor for factor in factors if factor != ONE]
    factors.sort(key=_order)
    constant = Constant(value, fitted)
    if not factors:
        return constant
    if constant != ONE:
        if len(factors) == 1 and isinstance(factors[0], Sum):
            inside = factors[0].parts
            # a fitted constant is multiplied out only where that needs no further constant
            alone = len(inside) == 2 and isinstance(inside[0], Constant) and inside[0].fitted
            if alone or not fitted:
                return add(*(multiply(constant, term) for term in inside))
        factors.insert(0, constant)
    return factors[0] if len(factors) == 1 else Product(tuple(factors))


def power(base: Expression, exponent: Constant | float) -> Expression:
    """``base`` to ``exponent``; 1 for the exponent 0, ``base`` for 1."""
    if not isinstance(exponent, Constant):
        exponent = Constant(float(exponent))
    if not exponent.fitted and exponent.value == 1:
        return base
    if not exponent.fitted and exponent.value == 0:
        return ONE
    if isinstance(base, Power):
        inner, fitted = base.exponent, base.exponent.fitted or exponent.fitted
        # (x²)^½ is |x|: merged where no sign is lost, or where x must be positive anyway
        even = inner.value.is_integer() and int(inner.value) % 2 == 0
        if fitted or not even or exponent.value.is_integer():
            return power(base.base, Constant(inner.value * exponent.value, fitted))
    if (
        isinstance(base, Constant)
        and base.value != 0
        and not exponent.fitted
        and (base.value > 0 or float(exponent.value).is_integer())
    ):
        return Constant(base.value**exponent.value, base.fitted)
    if isinstance(base, Product) and not exponent.fitted:
        if float(exponent.value).is_integer():
            return multiply(*(power(part, exponent) for part in base.parts))
        coefficient, rest = split_coefficient(base)
        if coefficient != ONE and coefficient.value > 0:
            return multiply(power(coefficient, exponent), power(rest, exponent))
    return Power(base, exponent)


def split_coefficient(part: Expression) -> tuple[Constant, Expression]:
    """A summand as its constant factor and the rest (:data:`ONE` for a constant alone)."""
    if isinstance(part, Constant):
        return part, ONE
    if isinstance(part, Product) and isinstance(part.parts[0], Constant):
        rest = part.parts[1:]
        return part.parts[0], rest[0] if len(rest) == 1 else Product(rest)
    return ONE, part


def _flat(kind: type[Sum | Product], parts: tuple[Expression, ...]) -> Iterator[Expression]:
    for part in parts:
        if isinstance(part, Sum | Product) and isinstance(part, kind):
            yield from part.parts
        else:
            yield part


def _order(part: Expression) -> tuple[int, str]:
    return (0 if isinstance(part, Constant) else 1, shape(part))


# -- asking ----------------------------------------------------------------------------------------


def children(node: Expression) -> tuple[Expression, ...]:
    """The parts of a node, constants included."""
    match node:
        case Sum(parts) | Product(parts):
            return parts
        case Power(base, exponent):
            return (base, exponent)
        case Exp(argument) | Log(argument):
            return (argument,)
    return ()


def rebuilt(node: Expression, parts: tuple[Expression, ...]) -> Expression:
    """The node with other parts, in normal form."""
    match node:
        case Sum():
            return add(*parts)
        case Product():
            return multiply(*parts)
        case Power():
            exponent = parts[1]
            assert isinstance(exponent, Constant)
            return power(parts[0], exponent)
        case Exp():
            return Exp(parts[0])
        case Log():
            return Log(parts[0])
    return node


def walk(node: Expression) -> Iterator[Expression]:
    """Every node, the root first."""
    yield node
    for part in children(node):
        yield from walk(part)


def columns(node: Expression) -> tuple[int, ...]:
    """Positions of the columns that it looks at."""
    return tuple(sorted({part.index for part in walk(node) if isinstance(part, Column)}))


def constants(node: Expression) -> list[float]:
    """Values of the fitted constants, in the order of :func:`walk`."""
    return [part.value for part in walk(node) if isinstance(part, Constant) and part.fitted]


def with_constants(node: Expression, values: Iterator[float]) -> Expression:
    """The same tree, part for part, with other fitted constants.

    Nothing is simplified, so that the constants keep their places.
    """
    match node:
        case Constant(_, True):
            return Constant(float(next(values)), True)
        case Sum(parts) | Product(parts):
            return type(node)(tuple(with_constants(part, values) for part in parts))
        case Power(base, exponent):
            base = with_constants(base, values)
            changed = with_constants(exponent, values)
            assert isinstance(changed, Constant)
            return Power(base, changed)
        case Exp(argument) | Log(argument):
            return type(node)(with_constants(argument, values))
    return node


def shape(node: Expression) -> str:
    """The tree as text with ``c`` for every fitted constant: equal for formulas of one shape.

    Examples
    --------
    >>> shape(multiply(Constant(2.5, fitted=True), power(Column(3), -0.5)))
    '(* c (^ x3 -1/2))'
    """
    match node:
        case Constant(value, fitted):
            return "c" if fitted else exact(value)
        case Column(index):
            return f"x{index}"
        case Sum(parts):
            return f"(+ {' '.join(map(shape, parts))})"
        case Product(parts):
            return f"(* {' '.join(map(shape, parts))})"
        case Power(base, exponent):
            return f"(^ {shape(base)} {shape(exponent)})"
        case Exp(argument):
            return f"(exp {shape(argument)})"
        case Log(argument):
            return f"(log {shape(argument)})"


def exact(value: float) -> str:
    """An exact constant as people write it: ``-1/2``, ``3``."""
    if value.is_integer():
        return str(int(value))
    fraction = Fraction(value).limit_denominator(6)
    return str(fraction) if abs(float(fraction) - value) < 1e-12 else repr(value)


# -- values ----------------------------------------------------------------------------------------


def evaluate(node: Expression, x: np.ndarray) -> np.ndarray:
    """Values ``(n,)`` at inputs ``(n, d)``; not finite where it is not defined."""
    with np.errstate(all="ignore"):
        value = _value(node, x)
    return np.broadcast_to(value, (len(x),)).astype(float)


def _value(node: Expression, x: np.ndarray) -> Any:
    match node:
        case Constant(value):
            return np.float64(value)
        case Column(index):
            return x[:, index]
        case Sum(parts):
            total = _value(parts[0], x)
            for part in parts[1:]:
                total = total + _value(part, x)
            return total
        case Product(parts):
            total = _value(parts[0], x)
            for part in parts[1:]:
                total = total * _value(part, x)
            return total
        case Power(base, exponent):
            return raised(_value(base, x), exponent.value)
        case Exp(argument):
            return np.exp(_value(argument, x))
        case Log(argument):
            return np.log(_value(argument, x))


def raised(base: Any, exponent: float) -> Any:
    """``base ** exponent`` by the cheapest way there is."""
    if exponent == 2:
        return base * base
    if exponent == -1:
        return 1.0 / base
    if exponent == 0.5:
        return np.sqrt(base)
    if exponent == -0.5:
        return 1.0 / np.sqrt(base)
    return np.power(base, exponent)


Dual = tuple[Any, dict[int, Any]]


def with_slopes(node: Expression, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values ``(n,)`` and their derivatives ``(n, p)`` to the ``p`` fitted constants."""
    counter = count()
    with np.errstate(all="ignore"):
        value, slopes = _dual(node, x, counter.__next__)
    jacobian = np.zeros((len(x), len(slopes)))
    for position, slope in slopes.items():
        jacobian[:, position] = slope
    return np.broadcast_to(value, (len(x),)).astype(float), jacobian


def _dual(node: Expression, x: np.ndarray, number: Callable[[], int]) -> Dual:
    match node:
        case Constant(value, fitted):
            return np.float64(value), {number(): np.float64(1.0)} if fitted else {}
        case Column(index):
            return x[:, index], {}
        case Sum(parts):
            total, slopes = _dual(parts[0], x, number)
            for part in parts[1:]:
                value, more = _dual(part, x, number)
                total, slopes = total + value, {**slopes, **more}
            return total, slopes
        case Product(parts):
            total, slopes = _dual(parts[0], x, number)
            for part in parts[1:]:
                value, more = _dual(part, x, number)
                slopes = {k: s * value for k, s in slopes.items()}
                slopes.update({k: total * s for k, s in more.items()})
                total = total * value
            return total, slopes
        case Power(base, exponent):
            value, slopes = _dual(base, x, number)
            result = raised(value, exponent.value)
            factor = exponent.value * raised(value, exponent.value - 1)
            slopes = {k: s * factor for k, s in slopes.items()}
            if exponent.fitted:
                slopes[number()] = result * np.log(value)
            return result, slopes
        case Exp(argument):
            value, slopes = _dual(argument, x, number)
            result = np.exp(value)
            return result, {k: s * result for k, s in slopes.items()}
        case Log(argument):
            value, slopes = _dual(argument, x, number)
            return np.log(value), {k: s / value for k, s in slopes.items()}

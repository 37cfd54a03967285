"""Units as physical dimensions, and whether an expression respects them.

A unit such as ``W/(m K)`` becomes exponents of the seven SI base dimensions and a scale to the
coherent SI unit. An unknown or empty unit is a free dimension: nothing is required of it. Parts of
a whole (%, wt%, ppm) and counts (atom) have no dimension. Degrees Celsius and Fahrenheit have an
offset as well: a ratio or a power of them means nothing, so a formula counts them from absolute
zero, ``(T + 273.15)``.

An expression respects dimensions where

- summands are of equal dimension; a fitted constant may carry any, so that ``a + b d^(-1/2)`` does;
- what stands in an exponential, or in a logarithm, has none after its fitted constants. The
  logarithm of a column with a dimension is right as a summand beside a fitted constant:
  ``a + b log x = b log(x / x₀)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from iceframe.scale.symbolic.expression import (
    Column,
    Constant,
    Exp,
    Expression,
    Log,
    Power,
    Product,
    Sum,
    split_coefficient,
)

Dimension = tuple[Fraction, ...]
"""Exponents of length, mass, time, current, temperature, amount and luminous intensity."""

BASE = ("m", "kg", "s", "A", "K", "mol", "cd")
LARGEST_EXPONENT = 12
"""Of a unit; beyond it the text is no unit."""

NONE: Dimension = (Fraction(0),) * len(BASE)


@dataclass(frozen=True)
class Unit:
    """``value · scale`` is in coherent SI units, of a column that counts from ``-offset``."""

    dimension: Dimension
    scale: float = 1.0
    offset: float = 0.0


def _of(scale: float, **exponents: int) -> Unit:
    return Unit(tuple(Fraction(exponents.get(name, 0)) for name in BASE), scale)


_PREFIXES = {
    "": 1.0, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "h": 1e2, "d": 1e-1, "c": 1e-2, "m": 1e-3,
    "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15,
}  # fmt: skip

_PREFIXED = {
    "m": _of(1, m=1), "g": _of(1e-3, kg=1), "s": _of(1, s=1), "A": _of(1, A=1), "K": _of(1, K=1),
    "mol": _of(1, mol=1), "cd": _of(1, cd=1), "Hz": _of(1, s=-1), "N": _of(1, m=1, kg=1, s=-2),
    "Pa": _of(1, m=-1, kg=1, s=-2), "J": _of(1, m=2, kg=1, s=-2), "W": _of(1, m=2, kg=1, s=-3),
    "C": _of(1, A=1, s=1), "V": _of(1, m=2, kg=1, s=-3, A=-1), "S": _of(1, m=-2, kg=-1, s=3, A=2),
    "F": _of(1, m=-2, kg=-1, s=4, A=2), "H": _of(1, m=2, kg=1, s=-2, A=-2),
    "T": _of(1, kg=1, s=-2, A=-1), "L": _of(1e-3, m=3), "l": _of(1e-3, m=3),
    "eV": _of(1.602176634e-19, m=2, kg=1, s=-2), "cal": _of(4.184, m=2, kg=1, s=-2),
    "bar": _of(1e5, m=-1, kg=1, s=-2), "Wb": _of(1, m=2, kg=1, s=-2, A=-1),
    **dict.fromkeys(("Ω", "Ohm", "ohm"), _of(1, m=2, kg=1, s=-3, A=-2)),
}  # fmt: skip

_WHOLE = {
    **dict.fromkeys(("%", "wt%", "at%", "mol%", "vol%", "wt.%", "at.%", "mol.%", "vol.%"),
                    _of(1e-2)),
    **dict.fromkeys(("ppm", "wppm", "appm"), _of(1e-6)), "ppb": _of(1e-9),
    **dict.fromkeys(("1", "rad", "atom", "atoms", "at", "fu", "cell"), _of(1)),
    **dict.fromkeys(("°", "deg"), _of(0.017453292519943295)),
    "min": _of(60, s=1), "d": _of(86400, s=1),
    **dict.fromkeys(("h", "hr", "hrs"), _of(3600, s=1)),
    **dict.fromkeys(("day", "days"), _of(86400, s=1)),
    **dict.fromkeys(("year", "years"), _of(31557600, s=1)),
    **dict.fromkeys(("Å", "Ang", "angstrom", "Angstrom"), _of(1e-10, m=1)),
    "amu": _of(1.66053906892e-27, kg=1), "u": _of(1.66053906892e-27, kg=1), "t": _of(1e3, kg=1),
    "psi": _of(6894.757293168, m=-1, kg=1, s=-2), "ksi": _of(6894757.293168, m=-1, kg=1, s=-2),
    "Msi": _of(6894757293.168, m=-1, kg=1, s=-2), "in": _of(0.0254, m=1),
    "inch": _of(0.0254, m=1), "ft": _of(0.3048, m=1), "lb": _of(0.45359237, kg=1),
    **dict.fromkeys(("µB", "μB", "uB"), _of(9.2740100657e-24, A=1, m=2)),
    **dict.fromkeys(("HV", "HB", "HK"), _of(9.80665e6, m=-1, kg=1, s=-2)),
    "rpm": _of(1 / 60, s=-1),
}  # fmt: skip

_CELSIUS = Unit(_of(1, K=1).dimension, 1.0, 273.15)
_FAHRENHEIT = Unit(_of(1, K=1).dimension, 5 / 9, 459.67)
_WITH_OFFSET = {
    **dict.fromkeys(("°C", "degC", "℃", "ºC", "Celsius", "celsius"), _CELSIUS),
    **dict.fromkeys(("°F", "degF", "℉"), _FAHRENHEIT),
}

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--")
_TOKEN = re.compile(
    r"\s*(?:(?P<symbol>(?:wt|at|mol|vol)\.?\s?%|%|[A-Za-zµμΩÅ°ºℓ]+)(?P<power>\^?\(?-?\d+(?:[/.]\d+)?\)?)?"
    r"|(?P<number>\d+(?:\.\d+)?)|(?P<mark>[/*·.()]))"
)


def parse_unit(text: str) -> Unit | None:
    """What a unit stands for; ``None`` where it is empty or not understood.

    ``A3`` is a volume in cubic ångström; a plain ``A`` may be ångström or ampere, and is not read.

    Examples
    --------
    >>> parse_unit("GPa").scale / parse_unit("MPa").scale
    1000.0
    >>> parse_unit("W/(m K)").dimension == parse_unit("W m^-1 K^-1").dimension
    True
    >>> parse_unit("meV/atom").dimension == parse_unit("kJ").dimension
    True
    >>> parse_unit("degC").offset, parse_unit("grade")
    (273.15, None)
    """
    text = text.strip()
    if text in _WITH_OFFSET:
        return _WITH_OFFSET[text]
    text = re.sub(r"(?<![A-Za-zµμ])A(?=\^?3)", "Å", text.translate(_SUPERSCRIPTS))
    text = text.replace("mK)", "m K)").replace("**", "^")
    if re.fullmatch(r"W/mK", text):
        text = "W/(m K)"
    return _Parser(text).unit() if text else None


class _Parser:
    """Products and quotients of symbols, with brackets; ``a/b c`` divides by both, as people do
    only with brackets: here by the first alone."""

    def __init__(self, text: str) -> None:
        self.tokens: list[re.Match[str]] | None = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None or match.end() == at:
                self.tokens = None
                return
            self.tokens.append(match)
            at = match.end()

    def unit(self) -> Unit | None:
        """The whole text; ``None`` where something in it is not known."""
        if self.tokens is None:
            return None
        self.at = 0
        found = self._product()
        return found if self.at == len(self.tokens) else None

    def _product(self) -> Unit | None:
        assert self.tokens is not None
        total, sign = Unit(NONE), 1
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            mark = token["mark"]
            if mark == ")":
                break
            self.at += 1
            if mark == "/":
                sign = -1
                continue
            if mark in {"*", "·", "."}:
                continue
            part = self._bracket() if mark == "(" else _symbol(token)
            if part is None:
                return None
            total, sign = _times(total, part, Fraction(sign)), 1
        return total

    def _bracket(self) -> Unit | None:
        assert self.tokens is not None
        inside = self._product()
        if self.at >= len(self.tokens):
            return None
        self.at += 1  # the closing bracket
        return inside


def _symbol(token: re.Match[str]) -> Unit | None:
    if token["number"]:
        return Unit(NONE, float(token["number"])) if float(token["number"]) else None
    name = token["symbol"].replace(" ", "")
    unit = _WHOLE.get(name)
    if name == "A":
        return None
    for length in range(min(2, len(name))):
        if unit is None and name[:length] in _PREFIXES and name[length:] in _PREFIXED:
            known = _PREFIXED[name[length:]]
            unit = Unit(known.dimension, known.scale * _PREFIXES[name[:length]])
    if unit is None:
        return None
    try:
        exponent = Fraction(re.sub(r"[\^()]", "", token["power"] or "1"))
    except ZeroDivisionError:
        return None
    return _times(Unit(NONE), unit, exponent) if abs(exponent) <= LARGEST_EXPONENT else None


def _times(left: Unit, right: Unit, exponent: Fraction) -> Unit:
    dimension = tuple(
        a + exponent * b for a, b in zip(left.dimension, right.dimension, strict=True)
    )
    return Unit(dimension, left.scale * right.scale ** float(exponent))


# -- expressions -----------------------------------------------------------------------------------


class Inconsistent(ValueError):
    """Parts of different dimension are added, or an exponential has a dimension."""


def dimension_of(node: Expression, units: tuple[Unit | None, ...]) -> Dimension | None:
    """Dimension of an expression; ``None`` where it is free.

    Raises
    ------
    Inconsistent : the expression does not respect dimensions.
    """
    match node:
        case Constant(_, fitted):
            return None if fitted else NONE
        case Column(index):
            unit = units[index]
            return None if unit is None else unit.dimension
        case Product(parts):
            found = [dimension_of(part, units) for part in parts]
            total = NONE
            for part in found:
                if part is None:
                    return None
                total = tuple(a + b for a, b in zip(total, part, strict=True))
            return total
        case Power(base, exponent):
            inside = dimension_of(base, units)
            if inside is None:
                return None
            factor = Fraction(exponent.value).limit_denominator(1000)
            return tuple(factor * a for a in inside)
        case Exp(argument):
            _require_none(dimension_of(argument, units))
            return NONE
        case Log(argument):
            _require_none(dimension_of(argument, units))
            return NONE
        case Sum(parts):
            return _of_sum(parts, units)


def _of_sum(parts: tuple[Expression, ...], units: tuple[Unit | None, ...]) -> Dimension | None:
    free = any(isinstance(part, Constant) and part.fitted for part in parts)
    total: Dimension | None = None
    for part in parts:
        coefficient, rest = split_coefficient(part)
        if free and coefficient.fitted and isinstance(rest, Log):
            dimension_of(rest.argument, units)  # b log(x / x₀): the constant beside it holds x₀
            continue
        found = dimension_of(part, units)
        if found is None:
            continue
        if total is not None and found != total:
            raise Inconsistent("summands differ in dimension")
        total = found
    return total


def _require_none(found: Dimension | None) -> None:
    if found is not None and found != NONE:
        raise Inconsistent("an exponential or a logarithm has a dimension")


def respects(node: Expression, units: tuple[Unit | None, ...], target: Unit | None = None) -> bool:
    """Whether dimensions are respected, and that of ``target`` is met where both are known."""
    try:
        found = dimension_of(node, units)
    except Inconsistent:
        return False
    return found is None or target is None or found == target.dimension

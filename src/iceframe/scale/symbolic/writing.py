"""A formula written out: as a line of text, in LaTeX, as SymPy, and in words.

In text, ``*``, ``/`` and ``^`` are as in a spreadsheet, ``sqrt`` is the square root and ``log`` the
natural logarithm. A name that is not one word stands in square brackets. A column in °C is written
``(T + 273.15)``.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from iceframe.scale.symbolic.expression import (
    ONE,
    Column,
    Constant,
    Exp,
    Expression,
    Log,
    Power,
    Product,
    Sum,
    columns,
    exact,
    power,
    split_coefficient,
)

if TYPE_CHECKING:
    import sympy

    from iceframe.scale.symbolic.formula import Formula

SUM, PRODUCT, ATOM = range(3)  # how tightly a piece of text holds together


def text(formula: Formula, digits: int = 4) -> str:
    """``target = right-hand side``."""
    return f"{_named(formula.target)} = {side(formula, formula.expression, digits)}"


def side(formula: Formula, node: Expression, digits: int = 4) -> str:
    """A part of the formula as text."""
    return _Writer(formula, digits).write(node)[0]


def _named(name: str) -> str:
    """A name as one piece.

    Examples
    --------
    >>> _named("E"), _named("grain size")
    ('E', '[grain size]')
    """
    return name if re.fullmatch(r"\w+", name) else f"[{name}]"


class _Writer:
    def __init__(self, formula: Formula, digits: int) -> None:
        self.names = [_named(name) for name in formula.names]
        self.offsets, self.digits = formula.offsets, digits

    def write(self, node: Expression) -> tuple[str, int]:
        """The text of a node, and how tightly it holds together."""
        match node:
            case Constant():
                return self.number(node), ATOM if node.value >= 0 else SUM
            case Column(index):
                offset = self.offsets[index]
                plain = self.names[index]
                return (f"({plain} + {offset:g})" if offset else plain), ATOM
            case Sum(parts):
                return self._sum(parts), SUM
            case Product(parts):
                return self._product(parts)
            case Power():
                return self._product((node,))
            case Exp(argument):
                return f"exp({self.write(argument)[0]})", ATOM
            case Log(argument):
                return f"log({self.write(argument)[0]})", ATOM

    def number(self, constant: Constant) -> str:
        """A fitted constant rounded, an exact one as it is."""
        if constant.fitted:
            return f"{constant.value:.{self.digits}g}"
        return exact(constant.value)

    def _sum(self, parts: tuple[Expression, ...]) -> str:
        pieces: list[str] = []
        for part in parts:
            piece = self.write(part)[0]
            if not pieces:
                pieces.append(piece)
            elif piece.startswith("-"):
                pieces.append(f" - {piece[1:]}")
            else:
                pieces.append(f" + {piece}")
        return "".join(pieces)

    def _product(self, parts: tuple[Expression, ...]) -> tuple[str, int]:
        above, below = fraction(parts)
        over = " * ".join(self._tight(part) for part in above) or "1"
        if not below:
            return over, PRODUCT if len(above) > 1 else self._factor(above[0])[1]
        under = " * ".join(self._tight(part) for part in below)
        return f"{over} / {under if len(below) == 1 else f'({under})'}", PRODUCT

    def _tight(self, part: Expression) -> str:
        piece, level = self._factor(part)
        leading_minus = isinstance(part, Constant)
        return piece if level == ATOM or leading_minus else f"({piece})"

    def _factor(self, part: Expression) -> tuple[str, int]:
        if not isinstance(part, Power):
            return self.write(part)
        base, level = self.write(part.base)
        if part.exponent == Constant(0.5):
            return (
                f"sqrt({base.removeprefix('(').removesuffix(')') if _bare(base) else base})",
                ATOM,
            )
        exponent = self.number(part.exponent)
        if not re.fullmatch(r"[\d.]+", exponent):
            exponent = f"({exponent})"
        return f"{base if level == ATOM else f'({base})'}^{exponent}", ATOM


def _bare(base: str) -> bool:
    """Whether one pair of brackets holds the whole text."""
    return base.startswith("(") and base.find(")") == len(base) - 1


def fraction(parts: tuple[Expression, ...]) -> tuple[list[Expression], list[Expression]]:
    """Factors above and below the line; those below with the sign of their exponent turned."""
    above: list[Expression] = []
    below: list[Expression] = []
    for part in parts:
        if isinstance(part, Power) and part.exponent.value < 0:
            turned = Constant(-part.exponent.value, part.exponent.fitted)
            below.append(power(part.base, turned))
        else:
            above.append(part)
    return above, below


# -- SymPy and LaTeX -------------------------------------------------------------------------------


def sympy_expression(formula: Formula, digits: int | None = None) -> sympy.Expr:
    """The right-hand side in SymPy; constants rounded to ``digits`` where these are given."""
    import sympy

    symbols = _symbols(formula)

    def number(constant: Constant) -> sympy.Expr:
        if not constant.fitted:
            return sympy.nsimplify(exact(constant.value), rational=True)
        if digits is None:
            return sympy.Float(constant.value)
        return sympy.Float(f"{constant.value:.{digits}g}", digits)

    def made(node: Expression) -> sympy.Expr:
        match node:
            case Constant():
                return number(node)
            case Column(index):
                offset = float(formula.offsets[index])
                return symbols[index] + sympy.Float(f"{offset:g}", 5) if offset else symbols[index]
            case Sum(parts):
                return sympy.Add(*map(made, parts))
            case Product(parts):
                return sympy.Mul(*map(made, parts))
            case Power(base, exponent):
                return sympy.Pow(made(base), number(exponent))
            case Exp(argument):
                return sympy.exp(made(argument))
            case Log(argument):
                return sympy.log(made(argument))

    return made(formula.expression)


def latex(formula: Formula, digits: int = 4) -> str:
    """``target = right-hand side`` in LaTeX, names upright."""
    import sympy

    upright = {symbol: _upright(symbol.name) for symbol in _symbols(formula).values()}
    right = sympy.latex(sympy_expression(formula, digits), symbol_names=upright)
    return f"{_upright(formula.target)} = {right}"


def _symbols(formula: Formula) -> dict[int, sympy.Symbol]:
    import sympy

    return {
        j: sympy.Symbol(formula.names[j], **({"positive": True} if low > 0 else {"real": True}))
        for j, low in ((j, formula.low[j]) for j in columns(formula.expression))
    }


def _upright(name: str) -> str:
    escaped = re.sub(r"([_%$#&{}])", r"\\\1", name.replace("\\", "")).replace("^", "\\hat{}")
    return "\\mathrm{" + escaped.replace(" ", "\\ ") + "}"


# -- words -----------------------------------------------------------------------------------------

_ROOTS = {
    Fraction(2): "the square of ",
    Fraction(3): "the cube of ",
    Fraction(1, 2): "the square root of ",
    Fraction(1, 3): "the cube root of ",
}


def words(formula: Formula) -> list[str]:
    """What the target does with each outermost summand, in the order of the summands."""
    node = formula.expression
    said = []
    for part in node.parts if isinstance(node, Sum) else (node,):
        if columns(part):
            coefficient, rest = split_coefficient(part)
            verb = "rises" if coefficient.value >= 0 else "falls"
            said.append(f"{formula.target} {verb} with {_phrase(formula, rest)}")
    return said


def _phrase(formula: Formula, node: Expression) -> str:
    above, below = fraction(node.parts if isinstance(node, Product) else (node,))
    if len(above) == 1 and len(below) == 1 and _plain(above[0]) and _plain(below[0]):
        over, under = (_said(formula, part) for part in (above[0], below[0]))
        return f"the ratio of {over} to {under}"
    if not above and len(below) == 1:
        return _said(formula, below[0], inverse=True)
    over = " times ".join(_said(formula, part) for part in above) or "1"
    under = " times ".join(_said(formula, part) for part in below)
    return f"{over}, divided by {under}" if under else over


def _plain(part: Expression) -> bool:
    return isinstance(part, Column)


def _said(formula: Formula, part: Expression, inverse: bool = False) -> str:
    base, exponent = (part.base, part.exponent) if isinstance(part, Power) else (part, ONE)
    match base:
        case Column(index):
            inside = formula.names[index]
            if formula.offsets[index]:
                inside = f"absolute {inside}"
        case Exp(argument):
            inside = f"the exponential of {side(formula, argument)}"
        case Log(argument):
            inside = f"the logarithm of {side(formula, argument)}"
        case _:
            inside = f"({side(formula, base)})"
    inside = f"1/{inside}" if inverse else inside
    if exponent == ONE:
        return inside
    known = None if exponent.fitted else _ROOTS.get(Fraction(exponent.value).limit_denominator(6))
    if known is not None:
        return known + inside
    number = f"{exponent.value:.3g}" if exponent.fitted else exact(exponent.value)
    return f"{inside} to the power {number}"

"""Small changes of an expression: what a generation of the search tries.

A column takes another's place; a part is shifted by a fitted constant; a summand gets a factor, an
exponential, or is left out; a term that goes with what is left over is added; two formulas are
added. Whether a change is any good is for the archive to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from iceframe.scale.symbolic.expression import (
    ONE,
    Column,
    Constant,
    Exp,
    Expression,
    Power,
    Product,
    Sum,
    add,
    children,
    columns,
    evaluate,
    multiply,
    power,
    rebuilt,
    walk,
)
from iceframe.scale.symbolic.library import Library, defined
from iceframe.scale.symbolic.scoring import Archive, Scored

RELATED = 24
"""Terms, the most related to what is left over, of which one is added."""

EXPONENTS = (1.0, -1.0, 0.5, -0.5, 2.0, -2.0)

Move = Callable[[Expression, "Setting"], Expression | None]


class Setting:
    """What a change may look at."""

    def __init__(
        self,
        parent: Scored,
        others: Sequence[Scored],
        archive: Archive,
        sums: Library,
        rng: np.random.Generator,
    ) -> None:
        self.parent, self.others, self.archive = parent, others, archive
        self.sums, self.rng = sums, rng
        self.columns = archive.columns

    def pick(self, options: Sequence[object]) -> int:
        """A position among ``options``."""
        return int(self.rng.integers(len(options)))


def changed(
    parent: Scored,
    others: Sequence[Scored],
    archive: Archive,
    sums: Library,
    rng: np.random.Generator,
) -> Expression | None:
    """A changed copy of ``parent``; ``None`` where the change drawn cannot be made."""
    setting = Setting(parent, others, archive, sums, rng)
    return MOVES[setting.pick(MOVES)](parent.expression, setting)


def without_parts(node: Expression) -> list[Expression]:
    """The expression with one summand or one factor left out, anywhere in it."""
    parts = children(node)
    made = []
    if isinstance(node, Sum | Product):
        made = [rebuilt(node, (*parts[:k], *parts[k + 1 :])) for k in range(len(parts))]
        if isinstance(node, Product):
            made = made[isinstance(parts[0], Constant) and parts[0].fitted :]
    for k, part in enumerate(parts):
        if not isinstance(part, Constant):
            made += [
                rebuilt(node, (*parts[:k], other, *parts[k + 1 :])) for other in without_parts(part)
            ]
    return [other for other in made if columns(other)]


def pulled_out(node: Expression) -> list[Expression]:
    """The expression with what the summands of a power have in common before the bracket.

    Examples
    --------
    >>> from iceframe.scale.symbolic.expression import shape
    >>> p, q, free = Column(0), Column(1), Constant(2.0, True)
    >>> over = multiply(free, power(multiply(p, q), -1.0))
    >>> shape(pulled_out(power(add(over, multiply(free, power(q, -1.0))), -1.0))[0])
    '(* (^ (+ c (* c x0)) -1) x0 x1)'
    """
    made: list[Expression] = []
    if isinstance(node, Power) and isinstance(node.base, Sum):
        exponents = [_column_exponents(part) for part in node.base.parts]
        for j in columns(node.base):
            lowest = min(found.get(j, 0.0) for found in exponents)
            if lowest:
                outside = power(Column(j), lowest)
                inside = add(
                    *(multiply(part, power(Column(j), -lowest)) for part in node.base.parts)
                )
                rest = power(inside, node.exponent)
                before = power(outside, node.exponent)
                return [multiply(before, other) for other in pulled_out(rest) or [rest]]
    parts = children(node)
    for k, part in enumerate(parts):
        made += [rebuilt(node, (*parts[:k], o, *parts[k + 1 :])) for o in pulled_out(part)]
    return made


def _column_exponents(part: Expression) -> dict[int, float]:
    """Exact exponents of the columns that are factors of a summand."""
    found: dict[int, float] = {}
    for factor in part.parts if isinstance(part, Product) else (part,):
        base, exponent = (
            (factor.base, factor.exponent) if isinstance(factor, Power) else (factor, ONE)
        )
        if isinstance(base, Column) and not exponent.fitted:
            found[base.index] = exponent.value
    return found


def replaced(node: Expression, position: int, new: Expression) -> Expression:
    """The expression with node number ``position`` of :func:`walk` replaced."""
    if position == 0:
        return new
    at, parts = 1, list(children(node))
    for k, part in enumerate(parts):
        size = sum(1 for _ in walk(part))
        if at <= position < at + size:
            parts[k] = replaced(part, position - at, new)
            break
        at += size
    return rebuilt(node, tuple(parts))


def _is_column(part: Expression) -> bool:
    return isinstance(part, Column)


def _at(node: Expression, fits: Callable[[Expression], bool], setting: Setting) -> int | None:
    positions = [k for k, part in enumerate(walk(node)) if fits(part)]
    return positions[setting.pick(positions)] if positions else None


def _part(node: Expression, position: int) -> Expression:
    return next(part for k, part in enumerate(walk(node)) if k == position)


def _swap(node: Expression, setting: Setting) -> Expression | None:
    """Another column in one place."""
    position = _at(node, _is_column, setting)
    if position is None:
        return None
    other = setting.columns[setting.pick(setting.columns)]
    return replaced(node, position, Column(other))


def _re_exponent(node: Expression, setting: Setting) -> Expression | None:
    """Another exponent on a power or a column."""
    position = _at(node, lambda part: isinstance(part, Power | Column), setting)
    if position is None:
        return None
    part = _part(node, position)
    base = part.base if isinstance(part, Power) else part
    return replaced(node, position, power(base, EXPONENTS[setting.pick(EXPONENTS)]))


def _shift(node: Expression, setting: Setting) -> Expression | None:
    """A column, or the base of a power, gets a fitted constant added."""
    position = _at(node, lambda part: isinstance(part, Power | Column), setting)
    if position is None:
        return None
    part = _part(node, position)
    base = part.base if isinstance(part, Power) else part
    size = float(np.median(np.abs(evaluate(base, setting.archive.data.x))))
    share = (0.3, 1.0, -0.3, 3.0)[setting.pick(range(4))]
    moved = add(base, Constant(share * (size or 1.0), True))
    new = power(moved, part.exponent) if isinstance(part, Power) else moved
    return replaced(node, position, new)


def _factor(node: Expression, setting: Setting) -> Expression | None:
    """A summand gets a column as a factor, as it is or shifted by a fitted constant."""
    j = setting.columns[setting.pick(setting.columns)]
    low, high = setting.archive.low[j], setting.archive.high[j]
    exponent = EXPONENTS[setting.pick(EXPONENTS)]
    factor: Expression = Column(j)
    if setting.pick(range(2)):
        shift = Constant(0.5 * float(high - low) - min(0.0, float(low)), True)
        factor, low, high = add(factor, shift), low + shift.value, high + shift.value
    if not defined(low, high, exponent):
        return None
    return _on_summand(node, setting, lambda part: multiply(part, power(factor, exponent)))


def _exponential(node: Expression, setting: Setting) -> Expression | None:
    """A summand decays or grows with a column, or with one over it."""
    j = setting.columns[setting.pick(setting.columns)]
    low, high = setting.archive.low[j], setting.archive.high[j]
    inside = power(Column(j), (1.0, -1.0)[setting.pick(range(2))])
    if inside != Column(j) and low <= 0 <= high:
        return None
    width = float(np.ptp(evaluate(inside, np.array([low, high])[:, None] * np.eye(1, j + 1, j))))
    rate = (1.0, -1.0, 3.0, -3.0)[setting.pick(range(4))] / (width or 1.0)
    free = Constant(rate, True)
    return _on_summand(node, setting, lambda part: multiply(part, Exp(multiply(free, inside))))


def _on_summand(
    node: Expression, setting: Setting, change: Callable[[Expression], Expression]
) -> Expression | None:
    if not isinstance(node, Sum):
        return change(node)
    position = setting.pick(node.parts)
    parts = list(node.parts)
    parts[position] = change(parts[position])
    return add(*parts)


def _term(node: Expression, setting: Setting) -> Expression | None:
    """One of the terms most related to what the formula leaves over."""
    data = setting.archive.data
    left = data.weight * (data.y - evaluate(node, data.x))
    weighted = setting.sums.values * data.weight[:, None]
    with np.errstate(all="ignore"):
        related = np.abs(left @ weighted) / np.sqrt((weighted**2).sum(0))
    best = np.argsort(-np.nan_to_num(related), kind="stable")[:RELATED]
    term = setting.sums.terms[int(best[setting.pick(range(len(best)))])]
    return add(node, multiply(Constant(0.0, True), term))


def _cross(node: Expression, setting: Setting) -> Expression | None:
    """A summand of another formula."""
    other = setting.others[setting.pick(setting.others)].expression
    parts = other.parts if isinstance(other, Sum) else (other,)
    return add(node, parts[setting.pick(parts)])


def _drop(node: Expression, setting: Setting) -> Expression | None:
    options = without_parts(node)
    return options[setting.pick(options)] if options else None


def _replace_summand(node: Expression, setting: Setting) -> Expression | None:
    """Another term in a summand's place."""
    fewer = _drop(node, setting)
    return None if fewer is None else _term(fewer, setting)


MOVES: tuple[Move, ...] = (
    _swap, _re_exponent, _shift, _shift, _factor, _exponential, _term, _cross, _drop,
    _replace_summand,
)  # fmt: skip

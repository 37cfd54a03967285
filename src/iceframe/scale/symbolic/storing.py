"""Formulas as JSON values and arrays, and back; nothing that is stored is ever executed.

A tree is nested objects of one key each: ``{"sum": [{"constant": 2.5, "fitted": true}, {"column":
0}]}``, and likewise ``product``, ``power`` (base and exponent), ``exp`` and ``log``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
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
)
from iceframe.scale.symbolic.formula import Formula, Point

DEEPEST = 40
"""Levels of a tree; none that is found comes near."""

_ARRAYS = ("offsets", "low", "high", "centre")


def to_json(node: Expression) -> dict[str, Any]:
    """The tree as nested objects."""
    match node:
        case Constant(value, fitted):
            return {"constant": value, "fitted": fitted}
        case Column(index):
            return {"column": index}
        case Sum(parts):
            return {"sum": [to_json(part) for part in parts]}
        case Product(parts):
            return {"product": [to_json(part) for part in parts]}
        case Power(base, exponent):
            return {"power": [to_json(base), to_json(exponent)]}
        case Exp(argument):
            return {"exp": to_json(argument)}
        case Log(argument):
            return {"log": to_json(argument)}


def from_json(value: Mapping[str, Any], depth: int = 0) -> Expression:
    """The tree of nested objects, part for part.

    Raises
    ------
    ValueError, KeyError, TypeError : it is none.
    """
    if depth > DEEPEST:
        raise ValueError("the tree is too deep")
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"no part of a tree: {value!r:.40}")
    kind = next(iter(value))
    inside = value[kind]
    match kind:
        case "constant":
            return Constant(float(inside), bool(value["fitted"]))
        case "column":
            if int(inside) < 0:
                raise ValueError(f"column {inside}")
            return Column(int(inside))
        case "sum" | "product":
            parts = tuple(from_json(part, depth + 1) for part in inside)
            if len(parts) < 2:
                raise ValueError(f"a {kind} of {len(parts)} parts")
            return Sum(parts) if kind == "sum" else Product(parts)
        case "power":
            base, exponent = (from_json(part, depth + 1) for part in inside)
            if not isinstance(exponent, Constant):
                raise ValueError("an exponent that is no constant")
            return Power(base, exponent)
        case "exp":
            return Exp(from_json(inside, depth + 1))
        case "log":
            return Log(from_json(inside, depth + 1))
    raise ValueError(f"unknown part {kind!r}")


def to_state(formula: Formula) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and JSON values that :func:`from_state` makes the formula of."""
    arrays = {name: getattr(formula, name) for name in _ARRAYS}
    values = {
        "expression": to_json(formula.expression),
        "names": list(formula.names),
        "units": list(formula.units),
        "target": formula.target,
        "relative": formula.relative,
        "shares": list(formula.shares),
        "front": [
            {**vars(point), "expression": to_json(point.expression)} for point in formula.front
        ],
    }
    return arrays, values


def from_state(arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Formula:
    """The formula as stored; nothing of it is executed.

    Raises
    ------
    InputError : it is damaged.
    """
    try:
        front = tuple(
            Point(
                from_json(point["expression"]),
                int(point["complexity"]),
                float(point["error"]),
                float("nan") if point["held_out"] is None else float(point["held_out"]),
            )
            for point in values["front"]
        )
        offsets, low, high, centre = (np.asarray(arrays[name], dtype=float) for name in _ARRAYS)
        formula = Formula(
            from_json(values["expression"]),
            tuple(map(str, values["names"])),
            tuple(map(str, values["units"])),
            str(values["target"]),
            offsets,
            low,
            high,
            centre,
            bool(values["relative"]),
            tuple(map(float, values["shares"])),
            front,
        )
        sizes = {len(formula.names), len(formula.units)}
        sizes |= {len(arrays[name]) for name in _ARRAYS}
        if len(sizes) != 1 or max(columns(formula.expression), default=-1) >= sizes.pop():
            raise ValueError("columns, names and ranges differ in number")
        return formula
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            "This stored formula is damaged.",
            got=f"{type(error).__name__}: {error}",
            hint="restore it from a copy, or run again",
        ) from error

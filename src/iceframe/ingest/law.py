"""The physics that makes a target, as ``dataset.json`` or a recipe state it.

::

    {"elasticity": {"young": [1, 10], "poisson": [0.3, 0.3]}, "component": "C11"}
    {"conductivity": {"values": [1, 10]}, "component": "k_xx"}

One number a phase, in the order of the image's levels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from iceframe.core.errors import InputError
from iceframe.core.values import Law
from iceframe.physics.components import tensor_names

CONSTANTS = {"elasticity": ("young", "poisson"), "conductivity": ("values",)}
EXAMPLE = '{"conductivity": {"values": [1, 10]}, "component": "k_xx"}'


def law_from(stated: Mapping[str, Any], where: str) -> Law:
    """The law that a mapping states.

    Raises
    ------
    InputError : an unknown property or component, constants that are missing, not numbers, not of
        one length, or impossible.

    Examples
    --------
    >>> law_from({"conductivity": {"values": [1, 10]}, "component": "k_xx"}, "dataset.json").phases
    2
    """
    kinds = [kind for kind in CONSTANTS if kind in stated]
    if len(kinds) != 1 or not isinstance(stated[kinds[0]], Mapping):
        raise _wrong("The physics names no property.", where, stated, f"such as {EXAMPLE}")
    (kind,) = kinds
    given = stated[kind]
    constants = {name: _numbers(given.get(name), f"{where}, {name}") for name in CONSTANTS[kind]}
    lengths = {len(values) for values in constants.values()}
    if len(lengths) > 1 or lengths == {1}:
        raise _wrong("Constants need one number a phase.", where, given, "two phases or more")
    _possible(constants, where)
    names = {name for dimension in (2, 3) for name in tensor_names(kind, dimension)}
    component = stated.get("component")
    if component not in names:
        raise _wrong("Which component of the tensor?", where, component, ", ".join(sorted(names)))
    state = given.get("state", "plane strain")
    if state not in ("plane strain", "plane stress"):
        raise _wrong("Unknown state.", where, state, "plane strain, plane stress")
    return Law(kind, constants, str(component), state)  # type: ignore[arg-type]


def law_of_recipe(recipe: Mapping[str, Any], target: str | None, dimension: int) -> Law | None:
    """The law by which a simulation made ``target``; ``None`` where its constants vary."""
    asked = recipe.get("property") or {}
    for kind, names in CONSTANTS.items():
        if kind not in asked or target not in tensor_names(kind, dimension):
            continue
        if all(_plain(asked[kind].get(name)) for name in names):
            return law_from({kind: asked[kind], "component": target}, "recipe")
    return None


def _plain(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(v, (int, float)) for v in values)


def _numbers(values: Any, where: str) -> tuple[float, ...]:
    if not _plain(values) or any(isinstance(v, bool) for v in values):
        raise _wrong("Constants are a list of numbers.", where, values, "one number a phase")
    return tuple(float(v) for v in values)


def _possible(constants: Mapping[str, tuple[float, ...]], where: str) -> None:
    for name, values in constants.items():
        low, high = (-1.0, 0.5) if name == "poisson" else (0.0, float("inf"))
        inside = [low < v < high or (v == 0 and low == 0) for v in values]
        if not all(inside):
            allowed = "above -1, below 0.5" if name == "poisson" else "0 (a void) or more"
            raise _wrong("A constant is impossible.", f"{where}, {name}", values, allowed)


def _wrong(what: str, where: str, got: Any, allowed: str) -> InputError:
    return InputError(what, where=where, got=json.dumps(got, default=str), allowed=allowed)

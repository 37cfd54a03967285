"""How single fields of a recipe are read: numbers, draws, names; errors that say what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from iceframe.workflow.simulate.draws import ALLOWED, Draw, parse_draw

ALL = "all"
METRES = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "nm": 1e-9}
_SHAPES = "[height, width] or [depth, height, width], each 3 or more"


def wrong(
    what: str, *, where: str = "", got: Any = None, allowed: str = "", hint: str = ""
) -> PydanticCustomError:
    """An error about the field ``where`` (below the one that is validated)."""
    context = {"what": what, "where": where, "got": got, "allowed": allowed, "hint": hint}
    return PydanticCustomError("recipe", "{what}", context)


def to_number(given: Any) -> Any:
    """Numbers written as text (YAML reads ``1e-5`` so); ``true`` is no number."""
    if isinstance(given, bool):
        raise wrong("This is not a number.", allowed="a number")
    if isinstance(given, str):
        try:
            return float(given)
        except ValueError:
            return given
    return given


def to_draw(given: Any) -> Draw:
    """A number, a range or a choice."""
    try:
        return parse_draw(given)
    except ValueError as error:
        raise wrong(str(error), allowed=ALLOWED) from error


def to_factors(given: Any) -> Any:
    """Draws by name, or the word ``all``."""
    if given is None:
        return {}
    if given == ALL:
        return ALL
    if not isinstance(given, Mapping):
        raise wrong("Factors are given by name.", allowed="a mapping, or the word 'all'")
    found: dict[str, Any] = {}
    for name, value in given.items():
        if value == ALL:
            found[str(name)] = ALL
            continue
        try:
            found[str(name)] = parse_draw(value)
        except ValueError as error:
            raise wrong(
                str(error), where=str(name), got=value, allowed=f"{ALLOWED} or the word 'all'"
            ) from error
    return found


def to_phases(given: Any) -> Any:
    """One draw a phase: in the order of the generator's phases, or by their names."""
    named = isinstance(given, Mapping)
    if not named and not isinstance(given, list | tuple):
        raise wrong("One value a phase is needed.", allowed="a list, or a mapping by phase name")
    items = list(given.items()) if named else list(enumerate(given))
    if not items:
        raise wrong("One value a phase is needed.", got="none")
    found: dict[str, Draw] = {}
    for key, value in items:
        where = str(key) if named else f"[{key}]"
        try:
            found[str(key)] = parse_draw(value)
        except ValueError as error:
            raise wrong(str(error), where=where, got=value, allowed=ALLOWED) from error
    return found if named else tuple(found.values())


def to_names(given: Any) -> Any:
    """One name or several, as a tuple."""
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list | tuple) or not all(isinstance(n, str) for n in listed):
        raise wrong("This is not a name or a list of names.", allowed="a name or a list of names")
    if not listed:
        raise wrong("The list is empty.", allowed="at least one name")
    if len(set(listed)) < len(listed):
        raise wrong("A name comes twice.", allowed="each name once")
    return tuple(listed)


def to_shape(given: Any) -> Any:
    """Two or three sides."""
    if not isinstance(given, list | tuple) or len(given) not in (2, 3):
        raise wrong("This is no shape.", allowed=_SHAPES)
    return tuple(given)


def to_times(given: Any) -> Any:
    """Seconds, increasing."""
    listed = tuple(map(to_number, given)) if isinstance(given, list | tuple) else ()
    if not listed or not all(isinstance(t, int | float) and t >= 0 for t in listed):
        raise wrong("These are no times.", allowed="a list of seconds, 0 or later")
    if any(late <= early for early, late in pairwise(listed)):
        raise wrong("The times do not increase.", allowed="each later than the one before")
    return listed


def to_sensitivities(given: Any) -> Any:
    """``true``, ``false`` or names."""
    return given if isinstance(given, bool) else to_names(given)


def written(value: Any) -> Any:
    """Draws as they stand in a recipe, within mappings and tuples."""
    if isinstance(value, Draw):
        return value.written
    if isinstance(value, Mapping):
        return {name: written(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [written(one) for one in value]
    return value


AS_WRITTEN = PlainSerializer(written)
Whole = Annotated[int, BeforeValidator(to_number)]
Number = Annotated[float, BeforeValidator(to_number)]
Positive = Annotated[Number, Field(gt=0)]
Times = Annotated[tuple[Number, ...], BeforeValidator(to_times)]
Phases = Annotated[Any, BeforeValidator(to_phases), AS_WRITTEN]
Names = Annotated[Any, BeforeValidator(to_names), AS_WRITTEN]

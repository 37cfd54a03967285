"""From a YAML file or a mapping to a checked recipe; what is wrong is said with line and field."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from iceframe.core.errors import InputError
from iceframe.workflow.simulate.recipe import CahnHilliardRecipe, GrainGrowthRecipe, Recipe

_MOST_BYTES = 1 << 20  # a recipe is a page of text; what is larger is something else
_EVOLUTIONS = {"cahn_hilliard": CahnHilliardRecipe, "grain_growth": GrainGrowthRecipe}
_SHOWN = 60  # characters of a wrong value


@dataclass(frozen=True)
class Loaded:
    """A recipe, and where each of its fields stands."""

    recipe: Recipe
    name: str = "recipe"
    tree: yaml.Node | None = None

    def where(self, field: str) -> str:
        """``recipe.yaml, line 7, factors.length``."""
        line = _line(self.tree, field)
        parts = [self.name, f"line {line}" if line else "", field]
        return ", ".join(part for part in parts if part)


def load_recipe(source: Mapping[str, Any] | Recipe | str | os.PathLike[str]) -> Loaded:
    """A recipe from a YAML (or JSON) file, or from a mapping of the same fields.

    Raises
    ------
    InputError : unreadable YAML, an unknown or missing field, a value that is not allowed; with
        the file, the line and the field.
    """
    if isinstance(source, Recipe):
        return Loaded(source)
    if isinstance(source, Mapping):
        return _checked(dict(source), "recipe", None)
    path = Path(source)
    value, tree = _read_yaml(path)
    if not isinstance(value, dict):
        raise InputError(
            "A recipe is a mapping of fields.",
            where=path,
            got="an empty file" if value is None else type(value).__name__,
            allowed="lines such as 'samples: 200'",
            hint="start from one that works: iceframe simulate --template conduction",
        )
    return _checked(value, str(path), tree)


def _read_yaml(path: Path) -> tuple[Any, yaml.Node | None]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(
            "File not found.",
            where=path,
            hint="write a recipe to start from: iceframe simulate --template conduction",
        ) from error
    except OSError as error:
        raise InputError("This recipe cannot be read.", where=path, got=error.strerror) from error
    if len(raw) > _MOST_BYTES:
        raise InputError("This file is too large for a recipe.", where=path, allowed="1 MiB")
    try:
        tree = yaml.compose(raw, Loader=yaml.SafeLoader)
        _refuse_doubled(tree, path)
        return yaml.safe_load(raw), tree
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(
            "This is not readable YAML.",
            where=f"{path}{line}",
            got=error.problem or error.context,
            hint="check the indentation, the brackets and the colons near that line",
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        got = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError("This is not readable YAML.", where=path, got=got) from error


def _refuse_doubled(node: yaml.Node | None, path: Path) -> None:
    """YAML keeps the last of two equal keys in silence."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                raise InputError(
                    f"The field '{key.value}' comes twice.",
                    where=f"{path}, line {key.start_mark.line + 1}",
                )
            seen.add(str(key.value))
            _refuse_doubled(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_doubled(value, path)


def _checked(value: dict[Any, Any], name: str, tree: yaml.Node | None) -> Loaded:
    try:
        return Loaded(Recipe.model_validate(value), name, tree)
    except ValidationError as error:
        raise _explained(error, name, tree) from error


def _explained(error: ValidationError, name: str, tree: yaml.Node | None) -> InputError:
    """The first fault in full; the fields of the others."""
    faults = [_untagged(fault) for fault in error.errors(include_url=False)]
    # A misspelt field is also a missing one: the spelling comes first.
    first, *others = sorted(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    field = _field(first)
    context = first.get("ctx", {})
    if first["type"] == "recipe":
        what, allowed, hint = context["what"], context["allowed"], context["hint"]
        got = context["got"]
        if got is None and not isinstance(first["input"], BaseModel):
            got = _shown(first["input"])
    elif first["type"] == "extra_forbidden":
        section = first.get("section") or _section(first["loc"][:-1])
        what, allowed, hint = *_unknown(str(first["loc"][-1]), section), ""
        got = None
    elif first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        what, hint = "The evolution needs a model that there is.", ""
        got, allowed = context.get("tag"), "model: " + " or ".join(_EVOLUTIONS)
    elif first["type"] == "missing":
        what, allowed, hint, got = f"The field '{first['loc'][-1]}' is missing.", "", "", None
    else:
        what, hint, got = "This value is not what it should be.", "", _shown(first["input"])
        allowed = first["msg"].removeprefix("Input should be ")
    if others:
        more = ", ".join(dict.fromkeys(_field(fault) for fault in others[:5]))
        hint = (hint + "; " if hint else "") + f"then look at {more}"
    return InputError(
        what,
        where=Loaded(Recipe.model_construct(), name, tree).where(field),
        got=got,
        allowed=allowed or None,
        hint=hint or None,
    )


def _untagged(fault: Any) -> Any:
    """Without the name of the model, which stands in the path of what lies below ``evolution``."""
    loc = fault["loc"]
    if loc[:1] == ("evolution",) and loc[1:2] and loc[1] in _EVOLUTIONS:
        return {**fault, "loc": (loc[0], *loc[2:]), "section": _EVOLUTIONS[loc[1]]}
    return fault


def _field(fault: Any) -> str:
    parts = [*fault["loc"]]
    if fault["type"] == "recipe" and fault["ctx"]["where"]:
        parts.append(fault["ctx"]["where"])
    text = ""
    for part in parts:
        step = f"[{part}]" if isinstance(part, int) else str(part)
        text += step if step.startswith("[") or not text else f".{step}"
    return text


def _unknown(name: str, section: type[BaseModel]) -> tuple[str, str]:
    known = list(section.model_fields)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    what = f"Unknown field '{name}'." + (f" Did you mean '{near[0]}'?" if near else "")
    return what, ", ".join(known)


def _section(loc: Sequence[Any]) -> type[BaseModel]:
    found: type[BaseModel] = Recipe
    for name in loc:
        annotation = found.model_fields[str(name)].annotation
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        found = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return found


def _line(tree: yaml.Node | None, field: str) -> int | None:
    """The line (from 1) that a field stands on, as far as it can be followed."""
    node, line = tree, None
    for name in field.replace("[", ".[").split("."):
        if isinstance(node, yaml.MappingNode):
            pairs = [(k, v) for k, v in node.value if str(k.value) == name]
            if not pairs:
                return line
            line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
        elif isinstance(node, yaml.SequenceNode) and name.startswith("["):
            position = int(name[1:-1])
            if position >= len(node.value):
                return line
            node = node.value[position]
            line = node.start_mark.line + 1
    return line


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 2] + " …"

"""How the report was made: enough to make it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iceframe.core.files import plain
from iceframe.report.numbers import plain_value
from iceframe.workflow.view import RunView


@dataclass(frozen=True)
class Making:
    """Command, settings, settings of each rung, versions, references."""

    command: str
    settings: tuple[tuple[str, str], ...]
    rungs: tuple[tuple[str, str, str, str], ...]
    versions: tuple[tuple[str, str], ...]
    references: tuple[str, ...]


def making(view: RunView) -> Making:
    """Provenance as rows of text."""
    settings = [(k, v) for k, v in view.settings.items() if k != "command"]
    rungs = [
        (rung.title, rung.name, _text(rung.settings) if rung.settings else "none", rung.reference)
        for rung in view.rungs.values()
    ]
    return Making(
        command=_command(view.settings.get("command")),
        settings=tuple((_label(str(k)), _text(v)) for k, v in settings),
        rungs=tuple(rungs),
        versions=tuple((str(k), str(v)) for k, v in view.versions.items()),
        references=tuple(view.references),
    )


def _label(name: str) -> str:
    """``gdf_samples`` as ``GDF samples``."""
    text = name.replace("_", " ")
    return text.replace("gdf", "GDF") if "gdf" in text else text[:1].upper() + text[1:]


def _command(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else " ".join(str(part) for part in value)


def _text(value: Any) -> str:
    """A setting in a line: mappings as ``name = value``, lists with commas."""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} = {_text(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_text(v) for v in value) or "none"
    if value is None:
        return "none"
    if isinstance(value, int | float | str):
        return str(value) if isinstance(value, int) else plain_value(value)
    return json.dumps(value, default=plain)

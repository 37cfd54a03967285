"""``dataset.json`` beside the images: what the pixels alone do not tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iceframe.core.errors import InputError
from iceframe.core.files import read_json
from iceframe.ingest.folders import SIDECAR
from iceframe.ingest.law import EXAMPLE, law_from

SYMMETRIES = ("flip", "rotate90", "translate")

_KNOWN: Mapping[str, tuple[str, Any]] = {
    "target": ("a column name", str),
    "task": ("regression or classification", str),
    "specimen": ("a column name", str),
    "periodic": ("true or false", bool),
    "kind": ("grey or phase", str),
    "units": ('{"column": "unit"}', dict),
    "symmetries": ("a list of " + ", ".join(SYMMETRIES), list),
    "pixel_size": ("a positive number", (int, float)),
    "pixel_unit": ("a unit", str),
    "levels": ("a list of numbers", list),
    "physics": (f"an object, {EXAMPLE}", dict),
}


def load(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What the sidecar states, and notes; empty where there is none.

    Raises
    ------
    InputError : unreadable JSON, or a value of the wrong type (named).
    """
    path = folder / SIDECAR
    if not path.is_file():
        return {}, []
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError(
            "The sidecar should be a JSON object.", where=path, got=type(value).__name__
        )
    for key, (allowed, kind) in _KNOWN.items():
        given = value.get(key)
        wrong_type = not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool)
        if given is not None and (wrong_type or (key == "pixel_size" and not given > 0)):
            raise InputError(
                "A value in the sidecar is not what it should be.",
                where=f"{path}, '{key}'",
                got=json.dumps(given),
                allowed=allowed,
            )
    stated = {key: value[key] for key in _KNOWN if value.get(key) is not None}
    if "physics" in stated:
        stated["physics"] = law_from(stated["physics"], f"{path}, 'physics'")
    others = sorted(set(value) - set(_KNOWN))
    notes = [f"{SIDECAR}: not used: {', '.join(others)}."] if others else []
    return stated, notes

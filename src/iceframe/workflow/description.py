"""A table of features with the units of its columns: in physical units, on disk, and half done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.errors import UsageError
from iceframe.core.files import replacing, unwritable, write_json
from iceframe.core.values import Representation

POWERS = {"px": 1, "px²": 2, "px³": 3, "1/px": -1, "1/px²": -2, "1/px³": -3}
"""What a unit that holds pixels is multiplied by: the pixel's length to this power."""


@dataclass(frozen=True)
class Description:
    """Features of samples named ``ids``, notes, and what they are features of (JSON values)."""

    ids: tuple[str, ...]
    features: Representation
    notes: tuple[str, ...]
    about: Mapping[str, Any]

    def table(self) -> pd.DataFrame:
        """Indexed by ``id``; units and notes stand in ``attrs``."""
        index = pd.Index(self.ids, name="id", dtype=object)
        table = pd.DataFrame(self.features.values, index, list(self.features.names))
        table.attrs["units"] = dict(zip(self.features.names, self.features.units, strict=True))
        table.attrs["notes"] = list(self.notes)
        return table

    def write(self, path: Path) -> None:
        """The table as CSV or Parquet, and beside it ``NAME.json`` with units and origin."""
        block_of = {i: block for block, held in self.features.blocks.items() for i in held}
        columns = [
            {"name": name, "unit": unit, "block": block_of[i]}
            for i, (name, unit) in enumerate(
                zip(self.features.names, self.features.units, strict=True)
            )
        ]
        body = {
            **self.about,
            "samples": len(self.ids),
            "columns": columns,
            "references": list(self.features.references),
            "notes": list(self.notes),
        }
        table = self.table()
        table.attrs = {}  # they stand in the file beside
        with replacing(path) as temporary:
            if path.suffix.lower() == ".csv":
                table.to_csv(temporary)
            else:
                table.to_parquet(temporary)
        write_json(path.with_name(path.name + ".json"), body)
        path.with_name(path.name + ".part").unlink(missing_ok=True)


def in_unit(found: Description, spacing: float | None, unit: str | None) -> Description:
    """Lengths, areas and densities in ``unit``, with pixels ``spacing`` long; else in pixels.

    Examples
    --------
    >>> area = Representation(np.array([[3.0, 0.5]]), ("size", "share"), ("px²", ""), {"a": (0, 1)})
    >>> told = in_unit(Description(("s",), area, (), {}), 2.0, "nm").features
    >>> told.values.tolist(), told.units
    ([[12.0, 0.5]], ('nm²', ''))
    """
    if spacing is None:
        if unit is not None:
            raise UsageError("A unit without the length of a pixel.", got=unit, hint="give both")
        return found
    if not (np.isfinite(spacing) and spacing > 0):
        raise UsageError("The length of a pixel is a positive number.", got=spacing)
    if not unit:
        raise UsageError("The length of a pixel needs a unit.", hint="for example nm or um")
    powers = np.array([POWERS.get(name, 0) for name in found.features.units])
    units = tuple(
        name.replace("px", unit) if name in POWERS else name for name in found.features.units
    )
    features = replace(found.features, values=found.features.values * spacing**powers, units=units)
    return replace(
        found, features=features, about={**found.about, "spacing": spacing, "unit": unit}
    )


class Journal:
    """Rows that were computed, one JSON line each, after a line with the key of the work.

    ``path`` None keeps them in memory only. ``rows`` maps positions to features.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self.rows: dict[int, np.ndarray] = {}
        self.file: Any = None
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            kept = self._kept(path, key)
            # Written anew: a line that was cut off by a crash must not be added to.
            with replacing(path) as temporary:
                temporary.write_text("".join([_line({"key": key}), *kept]), encoding="utf-8")
            self.file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise unwritable(path, error) from error

    def keep(self, index: np.ndarray, values: np.ndarray) -> None:
        """Store the features ``values`` ``(b, d)`` of the samples at ``index``."""
        if self.file is None:
            return
        try:
            for i, row in zip(index, values, strict=True):
                self.file.write(_line({"row": int(i), "values": row.tolist()}))
            self.file.flush()
        except OSError as error:
            raise unwritable(Path(self.file.name), error) from error

    def close(self) -> None:
        """Close the file; it stays until the table is written."""
        if self.file is not None:
            self.file.close()

    def _kept(self, path: Path, key: str) -> list[str]:
        """Lines of an earlier call with the same key; none if it was another work."""
        if not path.exists():
            return []
        kept = []
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(True)):
            try:
                held = json.loads(line)
                if number == 0:
                    if held["key"] != key:
                        return []
                    continue
                self.rows[int(held["row"])] = np.array(held["values"], float)
            except (ValueError, KeyError, TypeError):
                break  # the last line of a process that was killed
            kept.append(line)
        return kept


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value) + "\n"

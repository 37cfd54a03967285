"""ASE databases (JSON): one crystal a row, with its energy and its key-value pairs.

    {"1": {"cell": …, "numbers": …, "positions": …, "pbc": …, "key_value_pairs": {…}}, …,
     "ids": [1, …], "nextid": 2}

Arrays are plain lists or ``{"__ndarray__": [shape, type, values]}``. Objects that a file names
(``__ase_objtype__``, calculators, constraints) are not made: nothing is imported on its account.

Reference: Larsen et al. (2017), doi:10.1088/1361-648X/aa680e.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, Entry, StructureReader, bare_suffix
from iceframe.ingest.readers._ase_rows import AseRow, entry_of
from iceframe.ingest.readers._crystals import entry_name, entry_place, some, text_of
from iceframe.ingest.readers._json_keys import first_keys


@READERS.register("ase_json")
class AseJson(StructureReader):
    """Rows in the order of ``ids``; a JSON file of another kind is left to the other readers."""

    title = "ASE database in JSON"
    summary = "As ase.db and ase.io write it; energies and key-value pairs become columns."
    reference = "doi:10.1088/1361-648X/aa680e"
    suffixes = (".json",)

    @classmethod
    def claims(cls, path: Path) -> bool:
        """By the suffix and the first keys: pymatgen's files and tables end in ``.json``, too."""
        return bare_suffix(path) in cls.suffixes and is_ase_json(path)

    def read(self, path: Path) -> list[Entry]:
        try:
            value = json.loads(text_of(path))
        except (ValueError, RecursionError) as error:
            raise InputError("This is not readable JSON.", where=path, got=str(error)) from error
        ids = _ids(value, path)
        return some([_entry(value, one, path, i, len(ids)) for i, one in enumerate(ids)], path)


def is_ase_json(path: Path) -> bool:
    """Whether a JSON file begins with a numbered row of atoms; absent files do not.

    ASE sorts the keys of a row. Where stored data are so long that the atoms are not seen, the cell
    and the time of writing tell.
    """
    keys = first_keys(path)
    rows = [key for key in keys if key.isdecimal()]
    return any(
        {f"{row}/numbers", f"{row}/positions"} <= keys or {f"{row}/cell", f"{row}/ctime"} <= keys
        for row in rows
    )


def _ids(value: Any, path: Path) -> list[str]:
    held = [key for key in value if key.isdecimal()] if isinstance(value, dict) else []
    if not held:
        raise InputError("This database holds no rows.", where=path, allowed='{"1": {…}, …}')
    if "ids" not in value:
        return held
    stated = _array(value["ids"], "iu")
    if stated is None or stated.ndim != 1:
        raise InputError(
            "The ids of this database cannot be read.", where=path, got=repr(value["ids"])[:60]
        )
    return [str(one) for one in stated.tolist()]


def _entry(value: dict[str, Any], row_id: str, path: Path, index: int, n: int) -> Entry:
    name, where = entry_name(path, index, n), f"{entry_place(path, index, n)} (id {row_id})"
    try:
        row = value.get(row_id)
        if not isinstance(row, dict):
            raise InputError("This row is not there.", where=where, got=repr(row)[:60])
        cell = row.get("cell")
        cell = cell.get("array") if isinstance(cell, dict) and "array" in cell else cell
        held = AseRow(
            _needed(row.get("numbers"), "iu", "numbers", where),
            _needed(row.get("positions"), "iuf", "positions", where),
            _needed(cell, "iuf", "cell", where),
            tuple(_needed(row.get("pbc"), "biu", "pbc", where).astype(bool).ravel().tolist()),
            row.get("energy"),
            row.get("key_value_pairs", {}),
        )
        return entry_of(held, name, where)
    except InputError as fault:
        return Entry(None, name, fault=fault)


def _needed(value: Any, kinds: str, name: str, where: str) -> np.ndarray:
    array = _array(value, kinds)
    if array is None or array.ndim == 0:
        raise InputError(
            f"The {name} of this row cannot be read.", where=where, got=repr(value)[:60]
        )
    return array


def _array(value: Any, kinds: str) -> np.ndarray | None:
    """The numbers of a list, or of ASE's array; ``None`` where they are of another kind."""
    packed = value.get("__ndarray__") if isinstance(value, dict) else None
    if isinstance(packed, list) and len(packed) == 3:
        value = packed[2]
    try:
        array = np.array(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    # An empty list has no kind; a database of no rows, a row of no atoms is told elsewhere.
    return array if array.dtype.kind in kinds or array.shape == (0,) else None

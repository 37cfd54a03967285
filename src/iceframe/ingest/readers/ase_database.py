"""ASE databases (SQLite): one crystal a row, with its energy and its key-value pairs.

The file is loaded into memory and only asked for what it stores: nothing is written to it or
beside it, no view, trigger or extension in it runs, and its ``data`` blobs are not looked at.

Reference: Larsen et al. (2017), doi:10.1088/1361-648X/aa680e.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, Entry, StructureReader, read_bytes
from iceframe.ingest.readers._ase_rows import AseRow, entry_of
from iceframe.ingest.readers._crystals import entry_name, entry_place, some

_COLUMNS = ("id", "numbers", "positions", "cell", "pbc", "energy", "key_value_pairs")
_MAGIC = b"SQLite format 3\0"
_JOURNAL_MODES = slice(18, 20)
"""Bytes 18 and 19 say how the file is journalled (1 rollback, 2 write-ahead)."""


@READERS.register("ase_database")
class AseDatabase(StructureReader):
    """Rows of the table ``systems``, in the order of their ids."""

    title = "ASE database"
    summary = "SQLite, read only; energies and key-value pairs become columns."
    reference = "doi:10.1088/1361-648X/aa680e"
    suffixes = (".db",)

    def read(self, path: Path) -> list[Entry]:
        rows = _rows(path)
        return some([_entry(row, path, i, len(rows)) for i, row in enumerate(rows)], path)


def _rows(path: Path) -> list[dict[str, Any]]:
    content = bytearray(read_bytes(path))
    journal = path.with_name(path.name + "-wal")
    if journal.is_file() and journal.stat().st_size:
        raise InputError(
            "This database is being written to, or its last writer was stopped.",
            where=path,
            got=f"rows waiting in {journal.name}",
            hint="let the writer finish, or open and close the database once with ase db",
        )
    if not content.startswith(_MAGIC):
        raise InputError("This is no SQLite database.", where=path, got=repr(bytes(content[:16])))
    content[_JOURNAL_MODES] = b"\1\1"  # a database in memory has no write-ahead log
    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(bytes(content))
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON")
            return _selected(connection, path)
    except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError) as error:
        raise InputError(
            "This database is damaged, or none of ASE.", where=path, got=str(error)
        ) from error


def _selected(connection: sqlite3.Connection, path: Path) -> list[dict[str, Any]]:
    kind = connection.execute("SELECT type FROM sqlite_master WHERE name = 'systems'").fetchone()
    held = [row[1] for row in connection.execute("PRAGMA table_info(systems)")]
    missing = [name for name in _COLUMNS if name not in held]
    if kind != ("table",) or missing:
        raise InputError(
            "This database is none of ASE.",
            where=path,
            got="no table 'systems'" if kind != ("table",) else f"no columns {', '.join(missing)}",
            allowed="as ase.db writes them, version 5 or later",
        )
    found = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM systems ORDER BY id")
    return [dict(zip(_COLUMNS, row, strict=True)) for row in found]


def _entry(row: dict[str, Any], path: Path, index: int, n: int) -> Entry:
    name, where = entry_name(path, index, n), f"{entry_place(path, index, n)} (id {row['id']})"
    try:
        held = AseRow(
            _array(row["numbers"], "<i4", "numbers", where),
            _array(row["positions"], "<f8", "positions", where),
            _array(row["cell"], "<f8", "cell", where),
            _directions(row["pbc"]),
            row["energy"],
            _pairs(row["key_value_pairs"], where),
        )
        return entry_of(held, name, where)
    except InputError as fault:
        return Entry(None, name, fault=fault)


def _directions(code: Any) -> tuple[bool, ...]:
    """``pbc`` is 1 for the first direction, 2 for the second, 4 for the third, added."""
    known = isinstance(code, int) and 0 <= code < 8
    return tuple(known and bool(code & 1 << k) for k in range(3))


def _pairs(text: Any, where: str) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(
            "The key-value pairs of this row cannot be read.", where=where, got=str(error)
        ) from error


def _array(blob: Any, kind: str, name: str, where: str) -> np.ndarray:
    try:
        return np.frombuffer(blob or b"", kind)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"The {name} of this row cannot be read.", where=where, got=str(error)
        ) from error

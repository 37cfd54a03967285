"""Tables from files: choose the reader by the suffix, and give every column a unique name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd

from iceframe.core.errors import InputError
from iceframe.ingest.reader import RawTable, TableReader, suffixes, table_reader


def read_table(path: Path, encoding: str | None = None) -> RawTable:
    """The table in a file, nothing interpreted yet.

    Raises
    ------
    InputError : absent or unreadable file, unknown format, no columns or no rows.
    """
    path = Path(path)
    reader = table_reader(path)
    if not path.exists():
        raise InputError("File not found.", where=path)
    if reader is None:
        raise InputError(
            "Tables of this format are not known.",
            where=path,
            got=path.suffix or "no suffix",
            allowed=", ".join(suffixes(TableReader)) + " (also .gz, .bz2, .xz)",
        )
    if not os.access(path, os.R_OK):
        raise InputError("This file may not be read.", where=path, hint="change its permissions")
    raw = reader.read(path, encoding)
    if raw.frame.shape[1] == 0 or len(raw.frame) == 0:
        raise InputError("This table has no rows.", where=path)
    return with_unique_names(raw)


def with_unique_names(raw: RawTable) -> RawTable:
    """Columns without a name get one, names that come twice are numbered; a note says so.

    Examples
    --------
    >>> frame = pd.DataFrame([[1, 2, 3]], columns=["a", "a", ""])
    >>> list(with_unique_names(RawTable(frame)).frame.columns)
    ['a', 'a (2)', 'column 3']
    """
    names: list[str] = []
    twice: list[str] = []
    for position, name in enumerate(map(str, raw.frame.columns), start=1):
        plain = name.strip() or f"column {position}"
        chosen, count = plain, 1
        while chosen in names:
            count += 1
            chosen = f"{plain} ({count})"
        if count > 1:
            twice.append(plain)
        names.append(chosen)
    notes = raw.notes
    if twice:
        notes += (f"Column names that come more than once were numbered: {', '.join(twice)}.",)
    frame = raw.frame.set_axis(names, axis=1).reset_index(drop=True)
    return replace(raw, frame=frame, notes=notes)


def from_frame(frame: pd.DataFrame) -> RawTable:
    """A data frame in memory as a table; an index that carries something becomes a column."""
    if not isinstance(frame.index, pd.RangeIndex):
        name = "index" if frame.index.name is None else str(frame.index.name)
        if isinstance(frame.index, pd.MultiIndex) or name in frame.columns:
            frame = frame.reset_index(drop=not isinstance(frame.index, pd.MultiIndex))
        else:
            frame = frame.rename_axis(name).reset_index()
    if frame.shape[1] == 0 or len(frame) == 0:
        raise InputError("This table has no rows.", where="the data frame")
    return with_unique_names(RawTable(frame.copy()))

"""Crystals from files: one a file, or many in one; what files say of them becomes columns.

Here nothing is judged: a file that cannot be read is an entry with a fault, so that the others may
go on (:func:`iceframe.ingest.crystal_checks.accept`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.ingest.reader import Entry, structure_reader


def entries_in(root: Path, file: str) -> list[Entry]:
    """All crystals of one file, named by its path below ``root``."""
    path = root / file
    reader = structure_reader(path)
    if reader is None:
        error = InputError("This file holds no crystals in a known format.", where=path)
        return [Entry(None, file, fault=error)]
    try:
        found = reader.read(path)
    except InputError as error:
        return [Entry(None, file, fault=error)]
    return [replace(entry, name=file + entry.name.removeprefix(path.name)) for entry in found]


def named_entries(
    root: Path, files: Sequence[str], pages: Sequence[int | None], written: Iterable[object]
) -> tuple[Entry, ...]:
    """The crystal that each row names, ``file`` or ``file#index``.

    ``files``: as they were found, ``""`` where none was; ``written``: as the rows name them.
    """
    held = {file: entries_in(root, file) for file in dict.fromkeys(files) if file}
    return tuple(
        _one(file, page, held[file]) if file else _absent(str(name))
        for file, page, name in zip(files, pages, written, strict=True)
    )


def _absent(name: str) -> Entry:
    return Entry(None, name, fault=InputError("This file is not there.", where=name))


def _one(file: str, page: int | None, held: list[Entry]) -> Entry:
    if page is None and len(held) == 1:
        return held[0]
    name = file if page is None else f"{file}#{page}"
    if page is not None and page < len(held):
        return replace(held[page], name=name)
    allowed = f"{file}#0 to {file}#{len(held) - 1}"
    if page is None:
        what = f"This file holds {len(held)} crystals, and the row does not say which it means."
    else:
        what = "This crystal is not in the file."
    return Entry(None, name, fault=InputError(what, where=name, allowed=allowed))


def table_of(entries: Sequence[Entry], extra: Mapping[str, Sequence[object]]) -> pd.DataFrame:
    """One row a crystal: the columns ``extra``, and what the files say of each."""
    names = dict.fromkeys(str(key) for entry in entries for key in entry.values)
    columns: dict[str, pd.Series] = {
        name: pd.Series(list(values), dtype=object) for name, values in extra.items()
    }
    for name in names:
        # A number in every file is a number; told as objects, numbers and words may mix.
        values = pd.Series([entry.values.get(name) for entry in entries], dtype=object)
        columns[name if name not in columns else f"{name} (in the file)"] = values
    return pd.DataFrame(columns, index=np.arange(len(entries)))

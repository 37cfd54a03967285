"""The table of a data set: ids as index, every column in its plain type, and what was changed."""

from __future__ import annotations

import numbers
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.ingest.columns import Column
from iceframe.ingest.compositions import plain_formula
from iceframe.ingest.folders import Found
from iceframe.ingest.roles import Roles, find_id, require_column
from iceframe.ingest.target import Target, class_name, name_rows

UNKNOWN_GROUP = "(unknown)"
"""Rows without a group are kept together: they may come from one specimen."""


def settle_ids(
    columns: Mapping[str, Column],
    found: Found,
    stated: str | None,
    taken: set[str],
    required: bool,
    notes: list[str],
) -> tuple[list[str], str | None]:
    """One text id a row, and the column it came from (``None``: file names of crystals, else
    ``row1``, …; images are named by :mod:`iceframe.ingest.building`).

    ``taken``: columns that are something else already.

    Raises
    ------
    InputError : ids that come twice, or are missing.
    """
    count = len(found.table.frame)
    if stated is not None and (required or stated in columns):
        name: str | None = require_column(stated, list(columns), "id column")
    elif stated is None and found.files is None:
        name = find_id(columns, taken)
    else:
        name = None
    if name is None or (found.file_column is not None and name == found.file_column):
        entries = [entry.name for entry in found.entries or ()]
        unique = len(entries) == count and len(set(entries)) == count
        return entries if unique else [f"row{row}" for row in range(1, count + 1)], None
    column = columns[name]
    if column.missing.any():
        raise InputError(
            "Some ids are missing.",
            where=f"column '{name}', {name_rows(column.missing, _numbered(count))}",
            hint="fill them, or take another column (--id)",
        )
    ids = [_text(column, row) for row in range(count)]
    series = pd.Series(ids)
    if series.duplicated().any():
        twice = series[series.duplicated()].unique()
        where = name_rows((series == twice[0]).to_numpy(), _numbered(count))
        raise InputError(
            f"Ids come more than once: {len(twice)} in column '{name}'.",
            where=f"column '{name}', {where}",
            got=", ".join(map(repr, twice[:5])) + (" …" if len(twice) > 5 else ""),
            hint="make them unique, or leave the column out "
            f"(--drop '{name}'); if it names the physical pieces, say so (--specimen '{name}')",
        )
    notes.append(f"Samples are named by column '{name}'.")
    return ids, name


def _numbered(count: int) -> list[str]:
    return [f"row{row}" for row in range(1, count + 1)]


def _text(column: Column, row: int) -> str:
    raw = column.raw.iloc[row]
    if isinstance(raw, str):
        return raw.strip()
    if isinstance(raw, numbers.Integral) and column.kind == "number":
        return str(int(raw))  # beyond 2**53 two ids would share one float
    return class_name(column.values.iloc[row], column.kind == "boolean", raw)


def assemble_table(
    columns: Mapping[str, Column],
    roles: Roles,
    target: Target | None,
    target_name: str | None,
    keep: np.ndarray,
    notes: list[str],
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The kept rows, all columns, and units by column."""
    table: dict[str, np.ndarray] = {}
    units: dict[str, str] = {}
    said: dict[str, list[str]] = defaultdict(list)
    for name, column in columns.items():
        if name == target_name and target is not None:
            values = target.values.iloc[keep]
            table[name] = values.to_numpy(float if target.task == "regression" else object)
        elif name == roles.composition:
            table[name] = _objects(plain_formula(str(value)) for value in column.raw)
        elif name in roles.groups.values():
            table[name] = _group(column, name, said)
        else:
            table[name] = _plain(column, name in roles.features, said)
        if column.unit and (name in roles.features or name == target_name):
            units[name] = column.unit
    for text, names in said.items():
        shown = ", ".join(f"'{name}'" for name in names[:8]) + (" …" if len(names) > 8 else "")
        notes.append(f"Column{'s' if len(names) > 1 else ''} {shown}: {text}.")
    return pd.DataFrame(table), units


def _plain(column: Column, feature: bool, said: dict[str, list[str]]) -> np.ndarray:
    if column.kind in ("number", "boolean", "empty"):
        values = column.values.to_numpy(float).copy()
        if feature:
            for note in column.notes:
                said[note].append(column.name)
            if column.odd.any():
                odd = column.raw[column.odd].iloc[0]
                said[
                    f"{int(column.odd.sum())} values are not numbers (such as {odd!r}) "
                    "and count as missing"
                ].append(column.name)
            infinite = np.isinf(values)
            if infinite.any():
                said[f"{int(infinite.sum())} infinite values count as missing"].append(column.name)
                values[infinite] = np.nan
        return values
    if column.kind == "text":
        return column.values.to_numpy(object)
    texts = [
        None if absent else str(v) for v, absent in zip(column.raw, column.missing, strict=True)
    ]
    return _objects(texts)


def _group(column: Column, name: str, said: dict[str, list[str]]) -> np.ndarray:
    if column.missing.any():
        said[
            f"{int(column.missing.sum())} rows without a value form one group '{UNKNOWN_GROUP}'"
        ].append(name)
    return _objects(
        UNKNOWN_GROUP if absent else _text(column, row) for row, absent in enumerate(column.missing)
    )


def _objects(values: object) -> np.ndarray:
    listed: Sequence[object] = list(values)  # type: ignore[call-overload]
    array = np.empty(len(listed), object)
    array[:] = listed
    return array

"""JSON tables: Matbench's ``{column: {row: value}}``, pandas' ``split``, records, and JSON lines.

Matbench: Dunn et al. 2020, doi 10.1038/s41524-020-00406-3. JSON lines: https://jsonlines.org.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, RawTable, TableReader, read_bytes
from iceframe.ingest.readers.delimited import decode


@READERS.register("json")
class JsonTable(TableReader):
    """One JSON value that holds a table, by columns or by rows."""

    title = "JSON table"
    summary = "Column-oriented (Matbench), split-oriented, lists of records."
    reference = "doi:10.1038/s41524-020-00406-3"
    suffixes = (".json",)

    def read(self, path: Path, encoding: str | None = None) -> RawTable:
        text = decode(read_bytes(path), path, encoding)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            if len(lines := text.split("\n", 1)) == 2 and _is_object(lines[0]):
                return RawTable(_from_lines(text, path))
            raise _unreadable(path, error) from error
        frame = _frame(value, path)
        matbench = "mbid" in frame.columns or path.name.startswith("matbench_")
        return RawTable(frame, layout="matbench" if matbench else "table")


@READERS.register("jsonlines")
class JsonLines(TableReader):
    """One JSON object a line."""

    title = "JSON lines"
    summary = "One object a line; absent keys are missing values."
    reference = "https://jsonlines.org"
    suffixes = (".jsonl", ".ndjson")

    def read(self, path: Path, encoding: str | None = None) -> RawTable:
        return RawTable(_from_lines(decode(read_bytes(path), path, encoding), path))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _from_lines(text: str, path: Path) -> pd.DataFrame:
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _unreadable(f"{path}, line {number}", error) from error
        if not isinstance(record, dict):
            raise InputError(
                "Each line should be a JSON object.", where=f"{path}, line {number}", got=line[:60]
            )
        records.append(record)
    return _records(records)


def _records(records: list[dict[str, Any]]) -> pd.DataFrame:
    columns = list(dict.fromkeys(str(key) for record in records for key in record))
    return pd.DataFrame(
        {name: pd.Series([r.get(name) for r in records], dtype=object) for name in columns}
    )


def _frame(value: Any, path: Path) -> pd.DataFrame:
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return _records(value)
    if isinstance(value, dict) and {"columns", "data"} <= value.keys():
        return _split(value, path)
    if isinstance(value, dict) and value and all(isinstance(c, dict) for c in value.values()):
        return _columns(value)
    if isinstance(value, dict) and value and all(isinstance(c, list) for c in value.values()):
        if len({len(column) for column in value.values()}) == 1:
            return pd.DataFrame({str(k): pd.Series(c, dtype=object) for k, c in value.items()})
        raise InputError("The columns differ in length.", where=path)
    raise InputError(
        "This JSON does not hold a table.",
        where=path,
        got=type(value).__name__,
        allowed='{"column": {"0": value, …}, …}, a list of records, or JSON lines',
    )


def _columns(value: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    # Rows keep the order of the file: the official Matbench folds are positions in it.
    keys = list(dict.fromkeys(key for column in value.values() for key in column))
    return pd.DataFrame(
        {
            str(n): pd.Series([column.get(k) for k in keys], dtype=object)
            for n, column in value.items()
        }
    )


def _split(value: Mapping[str, Any], path: Path) -> pd.DataFrame:
    columns, data = value["columns"], value["data"]
    whole = isinstance(columns, list) and isinstance(data, list)
    if not whole or any(not isinstance(row, list) or len(row) != len(columns) for row in data):
        raise InputError("The rows of 'data' do not match 'columns'.", where=path)
    frame = pd.DataFrame(data, columns=[str(name) for name in columns], dtype=object)
    index = value.get("index")
    if isinstance(index, list) and len(index) == len(frame) and index != list(range(len(frame))):
        frame.insert(0, "index", pd.Series(index, dtype=object))
    return frame


def _unreadable(where: object, error: Exception) -> InputError:
    return InputError("This is not readable JSON.", where=where, got=str(error))

"""Delimited text (RFC 4180 and its relatives): comma, semicolon, tab or bar; UTF-8 or a BOM."""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path

import pandas as pd

from iceframe.core.errors import InputError, UsageError
from iceframe.ingest.reader import READERS, RawTable, TableReader, read_bytes

DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DECIMAL_COMMA = re.compile(r"^[+-]?(\d+,\d{1,2}|\d+,\d{4,}|0,\d+|\d{4,},\d+)$")
_SNIFF_ROWS = 100


@READERS.register("delimited")
class Delimited(TableReader):
    """CSV and its relatives."""

    title = "Delimited text (CSV)"
    summary = "Comma, semicolon, tab or bar; decimal point or comma; UTF-8, UTF-16 with BOM."
    reference = "RFC 4180"
    suffixes = (".csv", ".tsv", ".txt")

    def read(self, path: Path, encoding: str | None = None) -> RawTable:
        text = decode(read_bytes(path), path, encoding)
        if not text.strip():
            raise InputError("This file is empty.", where=path)
        delimiter = sniff(text)
        header, rows = _rows(text, delimiter, path)
        notes = [] if delimiter == "," else [f"{path.name} is separated by {_NAMES[delimiter]}."]
        frame = pd.DataFrame(rows, columns=header, dtype=object)
        comma = None
        if delimiter != ",":
            comma = any(_DECIMAL_COMMA.match(cell.strip()) for row in rows for cell in row)
        return RawTable(frame, tuple(notes), decimal_comma=comma)


def decode(content: bytes, path: Path, encoding: str | None = None) -> str:
    """Text of a file; not UTF-8 is an error that names the byte and offers an encoding."""
    if encoding is None:
        for mark, name in (
            (codecs.BOM_UTF8, "utf-8-sig"),
            (codecs.BOM_UTF16_LE, "utf-16"),
            (codecs.BOM_UTF16_BE, "utf-16"),
        ):
            if content.startswith(mark):
                encoding = name
    try:
        text = content.decode(encoding or "utf-8")
    except LookupError as error:
        raise UsageError("Unknown encoding.", got=encoding, allowed="utf-8, cp1252, …") from error
    except UnicodeError as error:
        offset = getattr(error, "start", 0)
        raise InputError(
            f"This text is not {encoding or 'UTF-8'}.",
            where=f"{path}, line {content.count(bytes([10]), 0, offset) + 1}, byte {offset}",
            got=_as_western(content, offset),
            hint="save it as UTF-8, or state the encoding (--encoding cp1252 is usual on Windows)",
        ) from error
    if "\x00" in text:
        raise InputError("This is not a text file (it holds zero bytes).", where=path)
    return text


def _as_western(content: bytes, offset: int) -> str:
    around = content[max(0, offset - 15) : offset + 15].splitlines() or [b""]
    shown = max(around, key=len).decode("cp1252", errors="replace")
    return f"0x{content[offset]:02x} (as cp1252 it would read {shown!r})"


def sniff(text: str) -> str:
    """The delimiter under which most lines have as many fields as the first.

    Examples
    --------
    >>> sniff("a;b\\n1,5;2,5\\n")
    ';'
    """
    sample = io.StringIO(text[:65536])
    lines = [line for _, line in zip(range(_SNIFF_ROWS), sample, strict=False) if line.strip()]

    def score(delimiter: str) -> tuple[float, int]:
        try:
            counts = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            return 0.0, 0
        if not counts or counts[0] < 2:
            return 0.0, 0
        return sum(c == counts[0] for c in counts) / len(counts), counts[0]

    best = max(DELIMITERS, key=score)
    return best if score(best)[1] else ","


def _rows(text: str, delimiter: str, path: Path) -> tuple[list[str], list[list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header: list[str] = []
    rows: list[list[str]] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row) and len(row) <= 1:
                continue
            if not header:
                header = [cell.strip() for cell in row]
                continue
            while len(row) > len(header) and not row[-1].strip():
                row.pop()
            if len(row) != len(header):
                raise InputError(
                    f"A line has {len(row)} fields, the header {len(header)}.",
                    where=f"{path}, line {reader.line_num}",
                    got=delimiter.join(row)[:80],
                    hint="repair the line, or quote the field that holds the separator",
                )
            rows.append(row)
    except csv.Error as error:
        raise InputError(
            "This is not delimited text.", where=f"{path}, line {reader.line_num}", got=str(error)
        ) from error
    if header and all(_is_number(cell) for cell in header):
        raise InputError(
            "The first line should name the columns.",
            where=f"{path}, line 1",
            got=delimiter.join(header)[:80],
            hint="add a line with column names",
        )
    return header, rows


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True

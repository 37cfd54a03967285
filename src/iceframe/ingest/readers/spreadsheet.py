"""Office Open XML workbooks (ISO/IEC 29500), through openpyxl: the first sheet that holds data."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path

import pandas as pd

from iceframe.core.errors import InputError
from iceframe.ingest.reader import MAX_TABLE_BYTES, READERS, RawTable, TableReader, read_bytes


@READERS.register("spreadsheet")
class Spreadsheet(TableReader):
    """XLSX: values as computed when the file was last saved; the first row names the columns."""

    title = "Spreadsheet (XLSX)"
    summary = "The first sheet that holds anything; first row = column names."
    reference = "ISO/IEC 29500"
    suffixes = (".xlsx", ".xlsm")

    def read(self, path: Path, encoding: str | None = None) -> RawTable:
        content = read_bytes(path)
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > MAX_TABLE_BYTES:
                raise InputError(
                    "This workbook is too large.", where=path, allowed="2 GiB unpacked"
                )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # openpyxl tells of styles it does not know
                sheets = _sheets(content)
        except InputError:
            raise
        except Exception as error:  # a damaged archive fails anywhere inside openpyxl
            raise InputError(
                "This is not a readable XLSX workbook.",
                where=path,
                got=str(error) or type(error).__name__,
                hint="open and save it again, or save the sheet as CSV",
            ) from error
        filled = {name: rows for name, rows in sheets.items() if rows}
        if not filled:
            raise InputError("This workbook is empty.", where=path)
        name, rows = next(iter(filled.items()))
        others = [other for other in filled if other != name]
        notes = (
            [f"Sheet '{name}' was read; not read: {', '.join(others)} (save such a sheet as CSV)."]
            if others
            else []
        )
        return RawTable(_table(rows), tuple(notes))


def _sheets(content: bytes) -> dict[str, list[tuple[object, ...]]]:
    import openpyxl

    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    try:
        return {
            sheet.title: [
                row for row in sheet.iter_rows(values_only=True) if any(c is not None for c in row)
            ]
            for sheet in book.worksheets
        }
    finally:
        book.close()


def _table(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    width = max(len(row) for row in rows)
    padded = [list(row) + [None] * (width - len(row)) for row in rows]
    used = [j for j in range(width) if any(row[j] is not None for row in padded)]
    header = ["" if padded[0][j] is None else str(padded[0][j]).strip() for j in used]
    return pd.DataFrame(
        [[row[j] for j in used] for row in padded[1:]], columns=header, dtype=object
    )

"""Apache Parquet (https://parquet.apache.org/docs/file-format/), through pyarrow."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, RawTable, TableReader


@READERS.register("parquet")
class Parquet(TableReader):
    """Parquet tables; an index that carries something becomes a column."""

    title = "Parquet"
    summary = "Typed columns, as pandas, Polars or Arrow write them."
    reference = "https://parquet.apache.org/docs/file-format/"
    suffixes = (".parquet", ".pq")

    def read(self, path: Path, encoding: str | None = None) -> RawTable:
        import pyarrow.parquet as pq

        try:
            frame = pq.ParquetFile(path).read().to_pandas()
        except FileNotFoundError as error:
            raise InputError("File not found.", where=path) from error
        except Exception as error:  # damage shows as any exception, from Arrow or from pandas
            raise InputError(
                "This is not a readable Parquet file.",
                where=path,
                got=str(error).splitlines()[0] if str(error) else type(error).__name__,
                hint="is it complete?",
            ) from error
        if not isinstance(frame.index, pd.RangeIndex):
            frame = frame.reset_index()
        return RawTable(frame.set_axis([str(name) for name in frame.columns], axis=1))

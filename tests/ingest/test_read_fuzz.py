"""Readers under random input: nothing but an InputError, and what is written comes back."""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import json
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from iceframe.core.errors import InputError
from iceframe.ingest.images import decode, inspect
from iceframe.ingest.reader import READERS, ImageReader, TableReader, suffixes
from iceframe.ingest.reading import read
from iceframe.ingest.tables import read_table

TABLES = suffixes(TableReader)
IMAGES = suffixes(ImageReader)
FORMATS = [kind.suffixes[0] for _, kind in READERS.items()]
QUICK = settings(max_examples=15, deadline=None, derandomize=True)
LONG = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def attempt(suffix: str, content: bytes) -> None:
    message = "fuzz"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"fuzz{suffix}"
        path.write_bytes(content)
        try:
            if suffix in IMAGES:
                inspect(path)
                decode(path, None)
            else:
                read_table(path)
        except InputError as error:
            message = str(error)
    assert "fuzz" in message


@functools.cache
def whole_file(suffix: str) -> bytes:
    """A small valid file of each format, to be damaged."""
    frame = pd.DataFrame({"a": np.arange(9) / 7, "b": list("abcabcabc")})
    values = np.arange(600, dtype=np.uint8).reshape(20, 30)
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.save(buffer, values)
    elif suffix in (".tif", ".tiff"):
        tifffile.imwrite(buffer, values, compression="zlib" if suffix == ".tif" else None)
    elif suffix in IMAGES:
        kind = {"jpg": "jpeg"}.get(suffix[1:], suffix[1:])
        Image.fromarray(values).save(buffer, kind)
    elif suffix in (".parquet", ".pq"):
        frame.to_parquet(buffer)
    elif suffix in (".xlsx", ".xlsm"):
        frame.to_excel(buffer, index=False)
    elif suffix == ".json":
        buffer.write(json.dumps(frame.to_dict()).encode())
    elif suffix in (".jsonl", ".ndjson"):
        buffer.write(frame.to_json(orient="records", lines=True).encode())
    else:
        buffer.write(frame.to_csv(index=False).encode())
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", FORMATS)
@QUICK
@given(content=st.binary(max_size=300))
def test_random_bytes_give_nothing_but_an_input_error(suffix: str, content: bytes) -> None:
    attempt(suffix, content)


@pytest.mark.parametrize("suffix", FORMATS)
@QUICK
@given(data=st.data())
def test_damaged_files_give_nothing_but_an_input_error(suffix: str, data: st.DataObject) -> None:
    damage(suffix, data)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
@LONG
@given(data=st.data())
def test_many_damaged_files(suffix: str, data: st.DataObject) -> None:
    damage(suffix, data)


def damage(suffix: str, data: st.DataObject) -> None:
    """Change a few bytes of a valid file and cut it somewhere."""
    content = bytearray(whole_file(suffix))
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    attempt(suffix, bytes(content[: data.draw(st.integers(0, len(content)))]))
    attempt(suffix, bytes(content))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zlib.compress])
@pytest.mark.parametrize("suffix", [".csv.gz", ".json.bz2", ".csv.xz"])
def test_wrongly_packed_tables(suffix: str, pack: Callable[[bytes], bytes]) -> None:
    attempt(suffix, pack(b"a,b\n1,2\n"))


def test_every_registered_reader_is_reached_by_its_suffixes() -> None:
    """A new reader is fuzzed by existing: this test names it if its suffix belongs to another."""
    for name, kind in READERS.items():
        for attribute in ("title", "summary", "reference", "suffixes"):
            assert getattr(kind, attribute), f"{name}.{attribute}"
    every = [*TABLES, *IMAGES]
    assert len(every) == len(set(every))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in every)


words = st.text(st.characters(categories=["L", "Nd", "P"], exclude_characters="\ufeff"), max_size=6)
tables = st.integers(8, 15).flatmap(
    lambda n: st.fixed_dictionaries(
        {
            "number": st.lists(st.floats(-1e300, 1e300) | st.just(np.nan), min_size=n, max_size=n),
            "whole": st.lists(st.integers(-(2**53), 2**53), min_size=n, max_size=n),
            "word": st.lists(words, min_size=n, max_size=n),
        }
    )
)


def write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".xlsx":
        frame.to_excel(path, index=False)
    else:
        rows = json.loads(frame.to_json(orient="records", double_precision=15))
        for row, number in zip(rows, frame["number"], strict=True):
            row["number"] = None if np.isnan(number) else number
        path.write_text("\n".join(map(json.dumps, rows)))


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.xlsx", "t.jsonl"])
@QUICK
@given(columns=tables)
def test_numbers_and_words_come_back(name: str, columns: dict[str, list[object]]) -> None:
    """Exactly, for finite numbers; words that read as numbers or as missing may become those."""
    frame = pd.DataFrame({"y": np.linspace(0, 1, len(columns["word"])), **columns})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(frame, path)
        data = read(path, "y", features=["number", "whole"])
    number = data.table["number"].to_numpy(float)
    tolerance = 1e-15 if name.endswith("xlsx") else 0  # openpyxl writes 16 digits
    np.testing.assert_allclose(number, frame["number"].to_numpy(float), rtol=tolerance)
    np.testing.assert_array_equal(data.table["whole"].to_numpy(float), frame["whole"].astype(float))
    if data.table["word"].dtype == object:
        for read_word, word in zip(data.table["word"], frame["word"], strict=True):
            assert read_word is None or read_word == str(word).strip()

"""Tables: what was written comes back, and damage is told in one sentence."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from iceframe.core.errors import InputError
from iceframe.ingest import read
from iceframe.ingest.tables import read_table


@pytest.fixture
def alloy(rng: np.random.Generator) -> pd.DataFrame:
    n = 24
    return pd.DataFrame(
        {
            "C (wt%)": rng.uniform(0, 1, n).round(3),
            "route": rng.choice(["cast", "wrought", "sintered"], n),
            "aged": rng.integers(0, 2, n).astype(bool),
            "hardness": rng.normal(300, 40, n),
        }
    )


def written(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".xlsx":
        frame.to_excel(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    elif path.name.endswith(".json.bz2"):
        path.write_bytes(bz2.compress(json.dumps(frame.to_dict()).encode()))
    elif path.name.endswith(".split.json"):
        frame.to_json(path, orient="split", double_precision=15)
    else:
        path.write_text(json.dumps(frame.to_dict(orient="records")))
    return path


FORMATS = ["t.csv", "t.parquet", "t.xlsx", "t.jsonl", "t.json", "t.json.bz2", "t.split.json"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_data(alloy: pd.DataFrame, tmp_path: Path, name: str) -> None:
    data = read(written(alloy, tmp_path / name), "hardness")
    assert data.features == ("C (wt%)", "route", "aged")
    assert data.task == "regression"
    np.testing.assert_allclose(data.y, alloy["hardness"], rtol=1e-14)
    np.testing.assert_allclose(data.table["C (wt%)"], alloy["C (wt%)"])
    assert data.table["route"].tolist() == alloy["route"].tolist()
    assert data.table["aged"].tolist() == alloy["aged"].astype(float).tolist()
    assert data.units == {"C (wt%)": "wt%"}
    assert data.ids[0] == "row1"


def test_the_recipe_reads_the_same_data_again(alloy: pd.DataFrame, tmp_path: Path) -> None:
    path = written(alloy, tmp_path / "t.csv")
    data = read(path, "hardness", drop=["route"])
    again = read(path, **json.loads(json.dumps(data.recipe)))
    assert again.fingerprint == data.fingerprint
    assert again.features == data.features == ("C (wt%)", "aged")


def test_german_export(tmp_path: Path) -> None:
    rows = "\n".join(f"P{i};{i},25;1.{i:03};{i * 10} MPa" for i in range(1, 13))
    path = tmp_path / "export.csv"
    path.write_bytes(f"Probe;Dicke;Zyklen;Härte\n{rows}\n".encode("utf-8-sig"))
    data = read(path, "Härte")
    assert data.table["Dicke"].tolist()[:2] == [1.25, 2.25]
    assert data.table["Zyklen"].tolist()[:2] == [1001, 1002]
    assert data.y.tolist()[:2] == [10, 20]
    assert data.units["Härte"] == "MPa"
    assert any("decimal signs" in note for note in data.notes)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_byte_order_marks(tmp_path: Path, delimiter: str, encoding: str) -> None:
    text = "\r\n".join(
        [delimiter.join(["größe", 'a "b"']), *(f"{i}{delimiter}{i}.5" for i in range(9))]
    )
    path = tmp_path / "t.csv"
    path.write_bytes(text.replace('a "b"', '"a ""b"""').encode(encoding))
    frame = read_table(path).frame
    assert frame.columns.tolist() == ["größe", 'a "b"']
    assert frame.iloc[3].tolist() == ["3", "3.5"]


def test_not_utf8_names_the_byte_and_offers_an_encoding(tmp_path: Path) -> None:
    text = "d (µm),y\n" + "".join(f"{i},{i}.5\n" for i in range(12))
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("cp1252"))
    with pytest.raises(InputError, match="byte 3") as error:
        read(path, "y")
    assert "cp1252" in str(error.value)
    assert "line 1" in str(error.value)
    assert "µm" in str(error.value)
    assert read(path, "y", encoding="cp1252").units == {"d (µm)": "µm"}


def test_gzipped_csv(alloy: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(alloy.to_csv(index=False).encode()))
    assert len(read(path, "hardness")) == len(alloy)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match="cannot be read"):
        read(path, "hardness")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n3,4,5\n", "3 fields, the header 2"),
        ("a,b\n1,2\n3\n", "1 fields, the header 2"),
        ("1.5,2\n3,4\n", "should name the columns"),
        ("a,b\n1,\x002\n", "not a text file"),
    ],
)
def test_broken_csv(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read(path, "b")
    assert "broken.csv" in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        *("{", "[1, 2]", '{"a": 1}', '{"a": [1], "b": [1, 2]}', "[" * 100_000),
        '{"columns": [], "data": [[1]]}',
    ],
)
def test_broken_json(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"broken\.json"):
        read(path, "a")


def test_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "t.doc").write_text("x")
    with pytest.raises(InputError, match=r"\.parquet"):
        read(tmp_path / "t.doc", "y")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not found"):
        read(tmp_path / "absent.csv", "y")


def test_column_names_that_come_twice_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,x,y\n" + "".join(f"{i},{i * i},{-i}\n" for i in range(10)))
    data = read(path, "y")
    assert data.features == ("x", "x (2)")
    assert any("more than once" in note for note in data.notes)


def test_matbench_layout_keeps_the_row_order(tmp_path: Path) -> None:
    order = [str(i) for i in (3, 1, 2, 0, *range(4, 12))]
    table = {
        "mbid": {k: f"mb-x-{k}" for k in order},
        "composition": {k: f"Fe{k}Ni1" if k != "0" else "Fe" for k in order},
        "y": {k: float(k) for k in order},
    }
    path = tmp_path / "matbench_x.json"
    path.write_text(json.dumps(table))
    data = read(path, "y")
    assert data.layout == "matbench"
    assert data.composition == "composition"
    assert data.y.tolist() == [float(k) for k in order]
    assert data.ids.tolist() == [f"mb-x-{k}" for k in order]


def test_a_data_frame_keeps_its_index_as_ids(alloy: pd.DataFrame) -> None:
    frame = alloy.set_axis([f"s{i}" for i in range(len(alloy))])
    assert read(frame, "hardness").ids.tolist() == frame.index.tolist()


def test_a_workbook_with_two_sheets_says_which_was_read(
    alloy: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "t.xlsx"
    with pd.ExcelWriter(path) as book:
        alloy.to_excel(book, sheet_name="measured", index=False)
        alloy.to_excel(book, sheet_name="old", index=False)
    notes = read(path, "hardness").notes
    assert any("'measured' was read" in note and "old" in note for note in notes)

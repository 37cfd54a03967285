"""The tasks of Matbench and their files: facts, both official forms, and what is refused."""

from __future__ import annotations

import bz2
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iceframe.core.errors import InputError, UsageError
from iceframe.ingest import make_splits
from iceframe.workflow.benchmark.tasks import TASKS, find_tasks, read_task, task_named

N = 30
FORMULAS = [f"Fe{0.6 + i / 200:.3f}Ni{0.2 - i / 300:.4f}C0.01" for i in range(N)]
VALUES = [1000.0 + 7.5 * i for i in range(N)]
SMALL = replace(TASKS["steels"], samples=N)


def by_columns(ids: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """The form of Matbench's records: column -> row -> value."""
    columns = {
        "mbid": SMALL.ids if ids is None else ids,
        "composition": FORMULAS,
        "yield strength": VALUES,
    }
    return {name: {str(i): v for i, v in enumerate(held)} for name, held in columns.items()}


def by_rows() -> dict[str, Any]:
    """The form of the official data sets: index, columns, data."""
    return {
        "index": list(range(N)),
        "columns": ["composition", "yield strength"],
        "data": [list(pair) for pair in zip(FORMULAS, VALUES, strict=True)],
    }


def test_the_table_of_tasks() -> None:
    """Dunn et al. 2020, table 1: 13 tasks, 10 regressions, 9 with structures, 312 to 132,752."""
    assert len(TASKS) == 13
    assert sum(task.task == "regression" for task in TASKS.values()) == 10
    assert sum(task.of == "structure" for task in TASKS.values()) == 9
    sizes = [task.samples for task in TASKS.values()]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (312, 132_752)
    for name, task in TASKS.items():
        assert task.name == name
        assert task.ids[0].endswith("1")
        assert len({len(i) for i in (task.ids[0], task.ids[-1])}) == 1


@pytest.mark.parametrize(
    ("content", "ending"),
    [(by_columns(), ".json"), (by_rows(), ".json.gz"), (by_columns(), ".json.bz2")],
)
def test_both_official_forms_are_read(tmp_path: Path, content: dict[str, Any], ending: str) -> None:
    packed = {".json": bytes, ".json.gz": gzip.compress, ".json.bz2": bz2.compress}[ending]
    (tmp_path / f"matbench_steels{ending}").write_bytes(packed(json.dumps(content).encode()))
    ((task, path),) = find_tasks(tmp_path, ["steels"])
    assert (task.name, path.name) == ("steels", f"matbench_steels{ending}")
    data = read_task(SMALL, path)
    assert list(data.ids) == [f"mb-steels-{i:02d}" for i in range(1, N + 1)]
    assert data.y.tolist() == VALUES
    assert (data.task, data.composition) == ("regression", "composition")
    assert data.units["yield strength"] == "MPa"


def test_structures_are_read(tmp_path: Path) -> None:
    from pymatgen.core import Lattice, Structure

    n = 24
    cells = [
        Structure(Lattice.cubic(3.5 + 0.01 * i), ["Cs", "Cl" if i % 2 else "Br"],
                  [[0, 0, 0], [0.5, 0.5, 0.5]])
        for i in range(n)
    ]  # fmt: skip
    content = {
        "index": list(range(n)),
        "columns": ["structure", "exfoliation_en"],
        "data": [[cell.as_dict(), 10.0 + i] for i, cell in enumerate(cells)],
    }
    path = tmp_path / "matbench_jdft2d.json.gz"
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    data = read_task(replace(TASKS["jdft2d"], samples=n), path)
    assert data.crystals is not None
    np.testing.assert_allclose(data.crystals.volumes, [cell.volume for cell in cells])
    assert data.ids[-1] == "mb-jdft2d-24"
    assert data.composition is not None


def test_every_task_with_a_file_is_taken(tmp_path: Path) -> None:
    for name in ("glass", "steels"):
        (tmp_path / f"matbench_{name}.json").write_text("{}", encoding="utf-8")
    assert [task.name for task, _ in find_tasks(tmp_path, [])] == ["steels", "glass"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["steles"], "Did you mean 'steels'"),
        (["matbench_steel"], "Did you mean 'steels'"),
        (["steels", "matbench_steels"], "named twice"),
        (["nonsense"], "allowed: +steels, jdft2d"),
    ],
)
def test_names_that_are_no_task(tmp_path: Path, names: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_tasks(tmp_path, names)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        find_tasks(tmp_path / "nowhere", [])
    with pytest.raises(InputError, match="holds no Matbench task") as absent:
        find_tasks(tmp_path, [])
    assert "10.1038/s41524-020-00406-3" in str(absent.value)
    (tmp_path / "matbench_glass.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError) as missing:
        find_tasks(tmp_path, ["steels"])
    for words in ("task 'steels'", "got:     matbench_glass.json", "matbench_steels.json.gz"):
        assert words in str(missing.value)


def test_a_file_that_is_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "matbench_steels.json"
    path.write_text(json.dumps(by_columns()), encoding="utf-8")
    with pytest.raises(InputError, match="does not hold the whole task") as short:
        read_task(TASKS["steels"], path)
    assert "30 samples" in str(short.value)
    assert "312 samples" in str(short.value)


def test_rows_in_another_order(tmp_path: Path) -> None:
    ids = SMALL.ids
    ids[3], ids[4] = ids[4], ids[3]
    path = tmp_path / "matbench_steels.json"
    path.write_text(json.dumps(by_columns(ids)), encoding="utf-8")
    with pytest.raises(InputError, match="not in the official order") as disorder:
        read_task(SMALL, path)
    assert "row 4" in str(disorder.value)
    assert "mb-steels-05" in str(disorder.value)


def test_the_official_folds_are_those_of_the_published_predictions(shared_data: Path) -> None:
    """Known answer: which sample is tested in which fold, as stored with published results."""
    import pandas as pd

    task = task_named("steels")
    ((_, path),) = find_tasks(shared_data / "tables", ["steels"])
    splits = make_splits(read_task(task, path), "matbench")
    theirs = pd.read_csv(shared_data / "anchors" / "matbench_v0.1_per_sample_predictions.csv.gz")
    theirs = theirs[theirs["task"] == "steels"]
    for number, fold in enumerate(splits.folds):
        ids = [task.ids[i] for i in fold.test]
        assert ids == sorted(theirs.loc[theirs["fold"] == number, "mbid"])

"""``iceframe benchmark`` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iceframe.scale.rung import RUNGS
from iceframe.workflow.benchmark.tasks import TASKS
from iceframe.workflow.settings import RunSettings

Cli = Callable[..., Any]  # gives code, out, err; see conftest
N = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task of thirty samples, and published entries."""
    made = tmp_path_factory.mktemp("matbench")
    rng = np.random.default_rng(1)
    nickel = rng.uniform(0.02, 0.3, N).round(4)
    rows = [[f"Fe0.6Ni{a}C0.01", 900 + 2000 * a + rng.normal(0, 20)] for a in nickel]
    content = {
        "index": list(range(N)),
        "columns": ["composition", "yield strength"],
        "data": rows,
    }
    (made / "matbench_steels.json").write_text(json.dumps(content), encoding="utf-8")
    (made / "entries.csv").write_text(
        "task,algorithm,mean_mae,std_mae\nsteels,Oracle,0.5,0.1\n", encoding="utf-8"
    )
    return made


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    little = partial(RunSettings, explain_samples=1, gdf_replicates={"light": 2, "medium": 2})
    monkeypatch.setattr("iceframe.workflow.session.RunSettings", little)
    monkeypatch.setitem(TASKS, "steels", replace(TASKS["steels"], samples=N))


@pytest.fixture
def benchmark(iceframe: Cli, folder: Path, tmp_path: Path) -> Cli:
    def go(*options: object, tasks: tuple[str, ...] = ("steels",), data: Path = folder) -> Any:
        return iceframe(
            "benchmark", "matbench", *tasks, "--data", data, "--out", tmp_path / "board",
            "--ladder", "ridge", "--descriptors", "element_fractions", "--trials", "0",
            "--no-shift", "--workers", "1", *options,
        )  # fmt: skip

    return go


def test_board_pages_and_files(
    small: None, benchmark: Cli, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr(RUNGS["svm"], "build", fail)
    options = ("--published", folder / "entries.csv", "--ladder", "ridge,svm")
    ended = benchmark("--budget", "0s", *options)
    assert ended.code == 3
    assert "repeat the same command" in ended.err
    ended = benchmark(*options)
    assert ended.code == 0, ended.err
    assert "steels: svm failed" in ended.err  # and the others went on
    assert "no memory" in ended.err
    assert "The equilibrium stands at 'ridge'" in ended.out
    assert "Oracle" in ended.out
    out = tmp_path / "board"
    assert {p.name for p in out.iterdir()} == {
        "board.html", "board.json", "board.md", "steels", "submission",
    }  # fmt: skip
    page = (out / "board.html").read_text(encoding="utf-8")
    assert "iceframe benchmark matbench steels" in page
    ended = benchmark(*options, "--json")
    assert ended.code == 0
    body = json.loads(ended.out)
    assert body["tasks"] == json.loads((out / "board.json").read_text())["tasks"]
    names = [line["name"] for line in body["tasks"][0]["lines"]]
    assert sorted(names) == ["Oracle", "mean", "nearest_neighbour", "ridge"]


@pytest.mark.parametrize(
    ("tasks", "options", "words"),
    [
        (("steles",), (), "Did you mean 'steels'"),
        (("steels", "steels"), (), "named twice"),
        (("steels",), ("--budget", "soon"), "Cannot read this duration"),
        (("steels",), ("--ladder", "rigde"), "Did you mean 'ridge'"),
        (("steels",), ("--ladder", "cnn"), "No rung of this ladder fits the task 'steels'"),
    ],
)
def test_wrong_usage(
    small: None, benchmark: Cli, tmp_path: Path, tasks: tuple[str, ...], options: tuple[str, ...],
    words: str,
) -> None:  # fmt: skip
    ended = benchmark(*options, tasks=tasks)
    assert ended.code == 2
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "board").exists()


def test_another_suite(iceframe: Cli, tmp_path: Path) -> None:
    ended = iceframe("benchmark", "matbanch", "--data", tmp_path, "--out", tmp_path / "b")
    assert ended.code == 2
    assert "allowed: matbench" in " ".join(ended.err.split())


def test_input_at_fault(benchmark: Cli, folder: Path, tmp_path: Path) -> None:
    cases = [
        (benchmark(), "does not hold the whole task 'steels'"),
        (benchmark(tasks=("glass",)), "file of the task 'glass' is not there"),
        (benchmark(data=tmp_path / "nowhere"), "no such folder"),
        (benchmark(tasks=(), data=tmp_path), "holds no Matbench task"),
        (benchmark("--published", folder / "absent.csv"), "There is no such file"),
    ]
    for ended, words in cases:
        assert ended.code == 1
        assert words in ended.err
        assert "Traceback" not in ended.err


def test_help_carries_an_example(iceframe: Cli) -> None:
    ended = iceframe("benchmark", "--help")
    assert "iceframe benchmark matbench steels" in " ".join(ended.out.split())

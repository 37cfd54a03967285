"""``iceframe learning-curve`` as a user meets it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from iceframe.workflow.execute import Progress

Cli = Callable[..., Any]  # gives code, out, err; see conftest


@pytest.fixture
def curve(iceframe: Cli, alloy_table: Path, tmp_path: Path) -> Cli:
    def go(*options: str, sizes: str = "4,8,16,32") -> Any:
        return iceframe(
            "learning-curve", alloy_table, "--target", "strength", "--out", tmp_path / "curve",
            "--ladder", "mean,ridge", "--sizes", sizes, "--repeats", "2", "--workers", "1",
            "--no-tune", *options,
        )  # fmt: skip

    return go


def test_table_page_and_files(curve: Cli, tmp_path: Path) -> None:
    ended = curve("--error", "mae=25")
    assert ended.code == 0, ended.err
    assert "ridge reaches a mean absolute error of 25 with" in ended.out
    assert "samples needed" in ended.out
    assert re.search(r"^mean +\S+ +\S+ +\S+ +\S+ +not reached within 32", ended.out, re.MULTILINE)
    folder = tmp_path / "curve"
    assert {p.name for p in folder.iterdir()} >= {
        "curve.csv", "repeats.csv", "learning-curve.json", "learning-curve.html",
    }  # fmt: skip
    table = pd.read_csv(folder / "curve.csv")
    assert list(table.columns) == ["rung", "size", "metric", "mean", "low", "high", "n_repeats"]
    assert len(table) == 2 * 4 * 3
    page = (folder / "learning-curve.html").read_text(encoding="utf-8")
    assert "iceframe learning-curve" in page  # the command, to make it again


def test_json_is_one_document(curve: Cli) -> None:
    ended = curve("--reach", "r2=0.9", "--json")
    body = json.loads(ended.out)
    assert (body["metric"], body["wanted"]) == ("r2", 0.9)
    assert {row["rung"] for row in body["reached"]} == {"mean", "ridge"}
    never = next(row for row in body["reached"] if row["rung"] == "mean")
    assert never["how"] == "not reached"
    assert never["size"] is None
    assert never["high"] is None
    assert len(body["curve"]) == 24
    assert body["unfinished"] == 0
    assert {law["rung"] for law in body["power_laws"]} == {"mean", "ridge"}


def test_notes_go_to_stderr(curve: Cli) -> None:
    ended = curve("--json", sizes="8,16,5000")
    assert json.loads(ended.out)["notes"][0].startswith("Left out: 5000")
    assert "Left out: 5000" in curve(sizes="8,16,5000").err


def test_a_budget_ends_with_its_own_exit_code(curve: Cli, tmp_path: Path) -> None:
    ended = curve("--budget", "0s")
    assert ended.code == 3
    assert "16 fits are left" in ended.err
    assert "repeat the same command" in ended.err
    assert (tmp_path / "curve" / "learning-curve.html").exists()
    assert curve().code == 0


def test_ctrl_c_says_how_to_go_on(curve: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from iceframe.workflow import execute

    shown = execute._Clock.report

    def interrupt(self: Any, unit: Any, running: Any) -> None:
        shown(self, unit, running)
        if unit is not None and unit.part == "r0-n8":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(execute._Clock, "report", interrupt)
        ended = curve()
    assert ended.code == 130
    assert "5 of 16 fits are kept. Repeat the same command to go on." in ended.err
    assert curve().code == 0


def test_progress_names_rung_and_size(curve: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from iceframe.cli.commands import learning_curve as command

    said: list[str] = []
    doing = command._doing

    def listen(event: Progress) -> str:
        said.append(doing(event))
        return said[-1]

    monkeypatch.setattr(command, "_doing", listen)
    curve()
    assert {"mean: 4 samples", "ridge: 32 samples"} <= set(said)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--error", "mae=25", "--reach", "r2=0.9"), "One goal at a time"),
        (("--error", "r2=0.9"), "use --reach r2=0.9"),
        (("--reach", "mae=25"), "use --error mae=25"),
        (("--error", "mae"), "metric=number"),
        (("--error", "mea=3"), "Did you mean 'mae'"),
        (("--sizes", "16,many"), "whole numbers"),
        (("--sizes", "1,16"), "needs two samples"),
        (("--ladder", "rigde"), "Did you mean 'ridge'"),
        (("--splits", "cluster"), "auto, random, grouped:COLUMN"),
        (("--test", "0"), "no size of a test set"),
        (("--repeats", "0"), "Too few repeats"),
        (("--budget", "soon"), "Cannot read this duration"),
    ],
)
def test_wrong_usage(curve: Cli, tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    ended = curve(*options)
    assert ended.code == 2
    assert words in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "curve").exists()


def test_input_at_fault(curve: Cli, tmp_path: Path) -> None:
    ended = curve(sizes="500,1000")
    assert ended.code == 1
    assert "2 … 42" in ended.err
    assert curve().code == 0
    ended = curve("--seed", "4")
    assert ended.code == 1
    assert "seed: 0 there, 4 asked" in ended.err


def test_help_carries_an_example(iceframe: Cli) -> None:
    ended = iceframe("learning-curve", "--help")
    assert "iceframe learning-curve micrographs/" in " ".join(ended.out.split())

"""``iceframe balance`` as a user meets it, and the other commands on its folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from iceframe.cli.commands.balance import path_rows
from iceframe.core.errors import UsageError
from iceframe.workflow.feedback import open_balanced

SETTINGS = ["--folds", "2", "--workers", "1", "--trials", "0", "--ladder", "ridge,lasso"]
FORBID = ["--forbid", "distil,repair"]


@pytest.fixture
def small(alloys: Callable[..., pd.DataFrame], tmp_path: Path) -> Path:
    alloys(24).to_csv(tmp_path / "small.csv", index=False)
    return tmp_path / "small.csv"


def test_a_search_from_start_to_answers(
    iceframe: Callable[..., Any], small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    call = ["balance", small, "--target", "strength", "--out", out, *SETTINGS, *FORBID]
    ended = iceframe(*call, "--floor", "r2=0.5")
    assert ended.code == 0, ended.err
    assert "0 start" in ended.err
    found = open_balanced(out)
    assert f"Equilibrium: {found.equilibrium.rung}" in ended.out
    assert "CONVERGED" in ended.out
    assert (out / "report.html").exists()
    assert [row["action"] for row in path_rows(found)] == list(found.trajectory["action"])

    shown = json.loads(iceframe("show", out, "--json").out)
    assert shown["equilibrium"]["rung"] == found.equilibrium.rung
    assert {row["rung"] for row in shown["evidence"]} >= {"mean", "ridge"}
    answers = tmp_path / "answers.csv"
    assert iceframe("predict", out, small, "--out", answers).code == 0
    assert len(pd.read_csv(answers)) == 24
    assert iceframe("report", out).code == 0
    again = iceframe(*call)
    assert again.code == 1  # another floor is another search
    assert "another run" in again.err


def test_a_budget_ends_with_exit_code_three(
    iceframe: Callable[..., Any], small: Path, tmp_path: Path
) -> None:
    call = ["balance", small, "--target", "strength", "--out", tmp_path / "run"]
    call += ["--ladder", "ridge,nearest_neighbour", *SETTINGS[:-2], *FORBID]
    ended = iceframe(*call, "--budget", "0.001s")
    assert ended.code == 3
    assert "budget" in ended.err
    assert "BUDGET_EXHAUSTED" in ended.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--floor", "r3=1"], "Unknown floor 'r3'"),
        (["--priorities", "fidelity,truth,complexity"], "priorities"),
        (["--forbid", "climbing"], "Did you mean 'climb'"),
        (["--budget", "soon"], "duration"),
    ],
)
def test_wrong_usage(
    iceframe: Callable[..., Any], small: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    ended = iceframe("balance", small, "--target", "strength", "--out", tmp_path / "r", *arguments)
    assert ended.code == 2
    assert words in ended.err
    assert not (tmp_path / "r").exists()


def test_an_unknown_floor_is_refused_in_python(small: Path, tmp_path: Path) -> None:
    import iceframe as ice

    with pytest.raises(UsageError, match="Unknown floor 'r3'"):
        ice.run_balanced(small, "strength", out=tmp_path / "run", floors={"r3": 1.0})

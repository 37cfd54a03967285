"""``iceframe predict``: decisions beside the predictions, the plain table, and clear refusals."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Cli = Callable[..., Any]  # gives code, out, err; see conftest


@pytest.fixture
def run_folder(alloy_run: Any, tmp_path: Path) -> Path:
    shutil.copytree(alloy_run.folder, tmp_path / "run", ignore=shutil.ignore_patterns(".lock"))
    return tmp_path / "run"


@pytest.fixture
def new(alloys: Callable[..., pd.DataFrame], tmp_path: Path) -> Path:
    frame = alloys(8, seed=3).drop(columns="strength")
    frame.loc[2, "carbon"] = np.nan
    frame.to_csv(tmp_path / "new.csv", index=False)
    return tmp_path / "new.csv"


def test_each_sample_gets_a_decision(
    iceframe: Cli, run_folder: Path, new: Path, tmp_path: Path
) -> None:
    ended = iceframe("predict", run_folder, new, "--risk", "0.2", "--out", tmp_path / "p.csv")
    assert ended.code == 0, ended.err
    table = pd.read_csv(tmp_path / "p.csv", index_col="id")
    assert list(table.columns) == [
        "mean", "low", "high", "decision", "by", "why", "novelty", "risk",
    ]  # fmt: skip
    assert table["decision"].iloc[2] == "ask"
    assert "carbon" in table["why"].iloc[2]
    assert "8 predictions" in ended.out
    assert "answer" in ended.out


def test_the_plain_table(iceframe: Cli, run_folder: Path, new: Path, tmp_path: Path) -> None:
    ended = iceframe("predict", run_folder, new, "--no-gate", "--out", tmp_path / "p.parquet")
    assert ended.code == 0, ended.err
    table = pd.read_parquet(tmp_path / "p.parquet")
    assert list(table.columns) == ["mean", "low", "high"]
    assert not list((run_folder / "units").glob("gate-*"))
    ended = iceframe(
        "predict", run_folder, new, "--no-gate", "--level", "0.5", "--out", tmp_path / "half.csv"
    )
    narrow = pd.read_csv(tmp_path / "half.csv", index_col="id")
    assert ((narrow["high"] - narrow["low"]) < (table["high"] - table["low"]).to_numpy()).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--risk", "0"), "--risk"),
        (("--risk", "1.5"), "--risk"),
        (("--tolerance", "-3"), "--tolerance"),
        (("--level", "2"), "--level"),
        (("--no-gate", "--level", "2"), "--level"),
        (("--rung", "gp"), "gp"),
    ],
)
def test_options_that_cannot_be(
    iceframe: Cli, run_folder: Path, new: Path, tmp_path: Path, options: Any, words: str
) -> None:
    ended = iceframe("predict", run_folder, new, *options, "--out", tmp_path / "p.csv")
    assert ended.code == 2
    assert words in ended.err
    assert not (tmp_path / "p.csv").exists()

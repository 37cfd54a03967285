"""``iceframe describe``: from files to a table, and what it says when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

Cli = Callable[..., Any]  # gives code, out, err; see conftest


@pytest.fixture
def volume(tmp_path: Path, rng: np.random.Generator) -> Path:
    path = tmp_path / "volume.npy"
    np.save(path, (rng.random((16, 18, 20)) < 0.5).astype(np.uint8))
    return path


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    from PIL import Image

    root = tmp_path / "images"
    root.mkdir()
    for i in range(4):
        pixels = rng.integers(0, 255, (32, 32)).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
    return root


def test_images(iceframe: Cli, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.csv"
    ended = iceframe("describe", folder, "--out", out, "--descriptors", "intensity, two_point")
    assert ended.code == 0, ended.err
    table = pd.read_csv(out, index_col="id")
    assert f"{table.shape[1]} features of 4 images: {out}" in ended.out
    assert {"mean grey level", "correlation length along x"} <= set(table)
    assert json.loads((tmp_path / "features.csv.json").read_text())["kind"] == "grey"


def test_a_volume_as_json(iceframe: Cli, volume: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.parquet"
    ended = iceframe(
        "describe", volume, "--out", out, "--kind", "phase", "--descriptors", "minkowski,two_point",
        "--crop", "0:12,2:18,0:20", "--block", "5x7x9", "--longest", "3", "--periodic",
        "--spacing", "0.25", "--unit", "um", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    body = json.loads(ended.out)
    assert body["samples"] == 1
    units = {c["name"]: c["unit"] for c in body["columns"]}
    assert units["surface density"] == "1/um"
    assert "S2(3 px)" in units
    assert "S2(4 px)" not in units
    part = np.load(volume)[0:12, 2:18]
    assert pd.read_parquet(out)["volume fraction"].iloc[0] == pytest.approx(part.mean())


def test_masked(iceframe: Cli, volume: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "mask.npy", np.zeros((16, 18, 20)))
    ended = iceframe(
        "describe", volume, "--out", tmp_path / "t.csv", "--kind", "phase",
        "--mask", tmp_path / "mask.npy",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "Nothing could be described" in ended.err
    assert pd.read_csv(tmp_path / "t.csv", index_col="id").isna().all(axis=None)


def test_the_help_has_an_example(iceframe: Cli) -> None:
    ended = iceframe("describe", "--help")
    assert ended.code == 0
    assert "iceframe describe micrographs --out features.csv" in " ".join(ended.out.split())


def refused(ended: Any, code: int, *words: str) -> None:
    assert ended.code == code, ended.err or ended.out
    assert "Traceback" not in ended.err
    assert ended.err.count("Error:") == 1
    for word in words:
        assert word in ended.err, ended.err


def test_refusals(iceframe: Cli, volume: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    refused(iceframe("describe", tmp_path / "no", "--out", out), 1, "not found")
    refused(iceframe("describe", volume, "--out", tmp_path / "t.doc"), 2, "Which format", ".csv")
    refused(iceframe("describe", volume, "--out", out, "--crop", "0-3"), 2, "--crop")
    refused(iceframe("describe", volume, "--out", out, "--block", "axb"), 2, "--block")
    refused(iceframe("describe", volume, "--out", out, "--kind", "gray"), 2, "gray", "grey, phase")
    refused(iceframe("describe", folder, "--out", out, "--block", "4x4x4"), 2, "one volume")
    refused(iceframe("describe", folder, "--out", out, "--descriptors", "two_pint"), 2, "two_point")
    refused(iceframe("describe", folder, "--out", out, "--descriptors", "clusters"), 1, "segmented")
    refused(iceframe("describe", volume, "--out", out, "--fit", "crop"), 2, "one volume")
    assert not out.exists()


def test_interrupting(
    iceframe: Cli, volume: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from iceframe.workflow import describe as module

    def stopped(*given: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "describe_volume", stopped)
    ended = iceframe("describe", volume, "--out", tmp_path / "t.csv")
    assert ended.code == 130
    assert "nothing is kept" in ended.err
    monkeypatch.setattr(module, "describe_images", stopped)
    ended = iceframe("describe", folder, "--out", tmp_path / "t.csv")
    assert ended.code == 130
    assert "0 of 4 images are kept" in ended.err

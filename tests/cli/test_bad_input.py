"""Each bad input ends with exit code 1, one clear message, and no traceback."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from iceframe.core.files import write_json
from iceframe.core.hashing import content_hash
from iceframe.workflow.session import Run

Cli = Callable[..., Any]  # gives code, out, err; see conftest
Frames = Callable[..., pd.DataFrame]


def refused(ended: Any, *words: str) -> None:
    assert ended.code == 1, ended.err or ended.out
    assert "Traceback" not in ended.err
    assert ended.err.count("Error:") == 1
    for word in words:
        assert word in ended.err, ended.err


@pytest.fixture
def attempt(iceframe: Cli, tmp_path: Path) -> Cli:
    def go(data: Path, *options: str, target: str = "strength") -> Any:
        return iceframe(
            "run", data, "--target", target, "--out", tmp_path / "out", "--ladder", "mean,ridge",
            "--trials", "2", "--workers", "1", "--no-shift", *options,
        )  # fmt: skip

    return go


def table(tmp_path: Path, frame: pd.DataFrame, name: str = "alloys.csv") -> Path:
    path = tmp_path / name
    frame.to_csv(path, index=False)
    return path


def pictures(folder: Path, n: int = 12, size: tuple[int, int] = (32, 32)) -> pd.DataFrame:
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    names = [f"m{i}.png" for i in range(n)]
    for name in names:
        Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)).save(folder / name)
    labels = pd.DataFrame({"file": names, "strength": rng.normal(100, 10, n).round(2)})
    labels.to_csv(folder / "labels.csv", index=False)
    return labels


# -- tables ----------------------------------------------------------------------------------------


def test_missing_file(attempt: Cli, tmp_path: Path) -> None:
    refused(attempt(tmp_path / "nowhere.csv"), "nowhere.csv")


def test_empty_folder(attempt: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(attempt(tmp_path / "empty"), "empty")


def test_empty_file(attempt: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    refused(attempt(tmp_path / "empty.csv"), "empty.csv")


def test_unknown_target_offers_the_nearest(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    refused(attempt(table(tmp_path, alloys()), target="strenght"), "strenght", "'strength'")


def test_text_in_a_numeric_target(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    frame = alloys().astype({"strength": object})
    frame.loc[7, "strength"] = "brittle"
    refused(attempt(table(tmp_path, frame), "--task", "regression"), "brittle")


@pytest.mark.parametrize("value", ["", "inf", "nan"])
def test_unusable_targets_are_named(
    attempt: Cli, tmp_path: Path, alloys: Frames, value: str
) -> None:
    frame = alloys().astype({"strength": object})
    frame.loc[7, "strength"] = value
    path = table(tmp_path, frame)
    refused(attempt(path), "--drop-invalid", "8")
    assert attempt(path, "--drop-invalid").code == 0


def test_one_class(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    frame = alloys().assign(phase="fcc")
    refused(attempt(table(tmp_path, frame), target="phase"), "fcc")


def test_two_samples(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    refused(attempt(table(tmp_path, alloys(2))), "2")


def test_a_class_smaller_than_the_folds(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    frame = alloys().assign(phase=["bcc"] * 3 + ["fcc"] * 57)
    refused(attempt(table(tmp_path, frame), target="phase"), "bcc")


def test_constant_target(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    refused(attempt(table(tmp_path, alloys().assign(strength=5.0))), "strength")


def test_duplicate_ids(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    frame = alloys().assign(id=["a", "a", *[f"s{i}" for i in range(58)]])
    refused(attempt(table(tmp_path, frame), "--id", "id"), "'a'")


def test_unparsable_composition(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    frame = alloys().assign(formula=["Fe2Zz3", *["Fe0.9C0.1"] * 59])
    refused(attempt(table(tmp_path, frame), "--composition", "formula"), "Fe2Zz3")


def test_not_utf8(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    path = tmp_path / "alloys.csv"
    path.write_bytes(alloys().to_csv(index=False).encode("utf-16"))
    ended = attempt(path)
    assert ended.code in (0, 1)
    assert "Traceback" not in ended.err


def test_a_pickle_in_place_of_a_table(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    path = tmp_path / "alloys.pkl"
    path.write_bytes(pickle.dumps(alloys()))
    refused(attempt(path), "alloys.pkl")


# -- images ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["truncated", "corrupt", "empty"])
def test_a_damaged_image_is_named(attempt: Cli, tmp_path: Path, damage: str) -> None:
    pictures(tmp_path / "images")
    path = tmp_path / "images" / "m3.png"
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[:90], "corrupt": b"nonsense" * 9, "empty": b""}[damage])
    refused(attempt(tmp_path / "images"), "m3.png")


def test_decompression_bomb(attempt: Cli, tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    refused(attempt(tmp_path / "images", "--max-pixels", "100"), "max-pixels")


def test_labels_name_absent_files(attempt: Cli, tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    (tmp_path / "images" / "m3.png").unlink()
    refused(attempt(tmp_path / "images"), "m3.png")


def test_mixed_sizes(attempt: Cli, tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "images" / "m3.png")
    refused(attempt(tmp_path / "images"), "--size", "--fit")
    assert attempt(tmp_path / "images", "--size", "32x32", "--fit", "resize").code == 0


def test_mixed_bit_depths_are_said(iceframe: Cli, tmp_path: Path) -> None:
    pictures(tmp_path / "images")
    deep = np.random.default_rng(1).integers(0, 65535, (32, 32), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "images" / "m3.png")
    ended = iceframe("check", tmp_path / "images", "--target", "strength", "--json")
    assert ended.code == 0
    assert any("bit" in note for note in json.loads(ended.out)["notes"])


# -- output and run folders ------------------------------------------------------------------------


def test_out_holds_another_run(
    attempt: Cli, alloy_run: Run, alloy_table: Path, iceframe: Cli
) -> None:
    ended = iceframe(
        "run", alloy_table, "--target", "strength", "--out", alloy_run.folder, "--seed", "5"
    )
    refused(ended, "another run", "--out")


def test_out_is_not_empty(attempt: Cli, tmp_path: Path, alloys: Frames) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.docx").write_text("")
    refused(attempt(table(tmp_path, alloys())), "not empty")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_read_only_out(iceframe: Cli, tmp_path: Path, alloys: Frames) -> None:
    place = tmp_path / "locked"
    place.mkdir(mode=0o500)
    ended = iceframe(
        "run", table(tmp_path, alloys()), "--target", "strength", "--out", place / "run"
    )
    refused(ended, "Cannot write")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from iceframe.core.errors import InputError
    from iceframe.core.files import replacing

    with (
        pytest.raises(InputError, match="Cannot write"),
        replacing(tmp_path / "table.csv"),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x" * 100_000)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def copy_of_run(alloy_run: Run, tmp_path: Path) -> Path:
    return Path(shutil.copytree(alloy_run.folder, tmp_path / "copy"))


def test_run_folder_edited_by_hand(iceframe: Cli, copy_of_run: Path) -> None:
    path = copy_of_run / "equilibrium.json"
    path.write_text(path.read_text().replace("CONVERGED", "OSCILLATING").replace("ridge", "tree"))
    refused(iceframe("show", copy_of_run), "edited by hand", "equilibrium.json")


def test_run_of_a_newer_version(iceframe: Cli, copy_of_run: Path) -> None:
    body = json.loads((copy_of_run / "run.json").read_text())
    del body["digest"]
    body["format"] += 1
    write_json(copy_of_run / "run.json", {**body, "digest": content_hash(body)})
    refused(iceframe("show", copy_of_run), "newer version", "upgrade")


def test_a_pickle_in_place_of_a_model(
    iceframe: Cli, copy_of_run: Path, alloy_table: Path, tmp_path: Path
) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    for path in copy_of_run.glob("units/*final*/model/*"):
        if path.suffix != ".json":
            path.write_bytes(pickle.dumps(Bomb()))
    ended = iceframe("predict", copy_of_run, alloy_table, "--out", tmp_path / "p.csv")
    refused(ended, "model")
    assert not (tmp_path / "exploded").exists()


def test_no_run_folder(iceframe: Cli, tmp_path: Path) -> None:
    refused(iceframe("show", tmp_path), "run.json")

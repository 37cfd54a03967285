"""Crystals at the command line: facts, clear refusals, and a run from files to predictions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

Cli = Callable[..., Any]  # gives code, out, err; see conftest


@pytest.fixture
def oxides(tmp_path: Path) -> Path:
    """Rock-salt oxides, two edges a formula: polymorphs, no copies."""
    folder = tmp_path / "oxides"
    folder.mkdir()
    rows = []
    for i, metal in enumerate(["Mg", "Ca", "Sr", "Ba", "Fe", "Co", "Ni", "Mn", "Cd", "Ti"]):
        for j, edge in enumerate((2.9, 3.3)):
            structure = Structure(
                Lattice.rhombohedral(edge, 60), [metal, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
            )
            CifWriter(structure).write_file(folder / f"{metal}O_{j}.cif")
            rows.append((f"{metal}O_{j}.cif", 1.0 + 0.3 * i + 2 * j, 1990 + i))
    labels = pd.DataFrame(rows, columns=["file", "gap", "year"])
    labels.to_csv(folder / "labels.csv", index=False)
    return folder


def test_check_prints_what_the_crystals_are(iceframe: Cli, oxides: Path) -> None:
    ended = iceframe("check", oxides, "--target", "gap", "--folds", "3")
    assert ended.code == 0, ended.err
    said = " ".join(ended.out.split())
    assert "11 elements (O, Mg, Ca, Ti" in said
    assert "10 formulas, 20 structures, 2 sites" in said
    assert "whose composition is also trained on" in said
    assert "--splits grouped:composition" in said


@pytest.mark.parametrize(
    "spec", ["grouped:composition", "forward:year", "cluster", "extremes", "random"]
)
def test_check_with_every_split(iceframe: Cli, oxides: Path, spec: str) -> None:
    ended = iceframe("check", oxides, "--target", "gap", "--folds", "3", "--splits", spec)
    assert ended.code == 0, ended.err
    apart = spec in ("grouped:composition", "forward:year", "cluster")
    assert ("also trained on" in ended.out) != apart


def test_what_is_refused_names_the_file(iceframe: Cli, oxides: Path) -> None:
    (oxides / "MgO_0.cif").write_text("data_nothing\n")
    (oxides / "CaO_1.cif").unlink()
    ended = iceframe("check", oxides, "--target", "gap")
    assert ended.code == 1
    assert "Traceback" not in ended.err
    assert "CaO_1.cif" in ended.err
    labels = pd.read_csv(oxides / "labels.csv")
    labels[labels["file"] != "CaO_1.cif"].to_csv(oxides / "labels.csv", index=False)
    ended = iceframe("check", oxides, "--target", "gap")
    assert ended.code == 1
    assert "MgO_0.cif" in ended.err
    ended = iceframe("check", oxides, "--target", "gap", "--drop-invalid")
    assert ended.code == 0, ended.err
    assert "18 samples" in ended.out
    assert "MgO_0.cif" in ended.out


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("forward:yaer", "Did you mean 'year'"),
        ("forward:file", "neither numbers nor dates"),
        ("forwrad:year", "Did you mean 'forward'"),
    ],
)
def test_splits_that_cannot_be(iceframe: Cli, oxides: Path, spec: str, word: str) -> None:
    ended = iceframe("check", oxides, "--target", "gap", "--splits", spec)
    assert ended.code in (1, 2)
    assert word in ended.err


def test_run_and_predict_from_a_single_file(iceframe: Cli, oxides: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    ended = iceframe(
        "run", oxides, "--target", "gap", "--out", run, "--ladder", "mean,ridge", "--drop", "year",
        "--descriptors", "element_fractions", "--folds", "2", "--trials", "1", "--workers", "1",
        "--no-shift",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    ended = iceframe("predict", run, oxides / "MgO_0.cif", "--out", tmp_path / "p.csv")
    assert ended.code == 0, ended.err
    predicted = pd.read_csv(tmp_path / "p.csv")
    assert predicted["id"].tolist() == ["MgO_0.cif"]
    assert np.isfinite(predicted["mean"]).all()
    (oxides / "MgO_0.cif").write_text("nothing")
    ended = iceframe("predict", run, oxides / "MgO_0.cif", "--out", tmp_path / "p.csv")
    assert ended.code == 1
    assert "MgO_0.cif" in ended.err

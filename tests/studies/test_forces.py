"""The forces study, whole and tiny."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from studies.forces import models, perovskites, study, tables
from studies.forces.cells import POTENTIAL, TEST_SEED, cells, exact
from studies.forces.pieces import QUICK, VARIANTS, Study
from studies.paradox.pieces import work_through

from iceframe.core.crystals import Crystals
from iceframe.physics.neighbours import neighbour_list


def test_the_study_runs_answers_and_goes_on_where_it_stopped(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ICEFRAME_SHARED_DATA", str(tmp_path / "absent"))
    assert study.main(["fit", "perovskites", "answer", "--quick", "--out", str(tmp_path)]) == 0
    found = pd.read_csv(tmp_path / "tables" / "fits.csv")
    assert len(found) == 2 * 2 * len(VARIANTS)
    assert found["parameters"].nunique() == 1
    assert np.isfinite(found.select_dtypes("number")).all(axis=None)
    text = (tmp_path / "tables" / "answers.md").read_text(encoding="utf-8")
    assert text.count("energies and forces") == len(QUICK.trained)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.json")}
    assert stamps
    assert work_through("again", models.pieces(Study(tmp_path, 2, QUICK))) == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.json")} == stamps


def test_cells_are_nested_and_tests_are_no_training() -> None:
    few, many = cells(5, 0), cells(9, 0)
    assert np.array_equal(many.take(range(5)).lattices, few.lattices)
    assert np.array_equal(many.take(range(5)).fractional, few.fractional)
    assert not np.isin(cells(9, TEST_SEED).lattices, many.lattices).any()


def test_energies_are_those_of_metals_and_forces_their_slopes() -> None:
    crystals, energies, forces = exact(30, 0)
    assert -6 < energies.mean() < -1  # eV an atom
    assert np.abs(np.add.reduceat(forces, crystals.offsets[:-1])).max() < 1e-10
    step = 1e-4
    ends = []
    for sign in (1, -1):
        cartesian = crystals.cartesian.copy()
        cartesian[2, 1] += sign * step
        fractional = np.einsum(
            "mi,mij->mj", cartesian, np.linalg.inv(crystals.lattices)[crystals.owners]
        )
        moved = Crystals(
            crystals.lattices, crystals.offsets, crystals.numbers, fractional, crystals.names
        )
        pairs = neighbour_list(moved, POTENTIAL.cutoff)
        told = POTENTIAL(moved.numbers, moved.owners, len(moved), pairs.centre, pairs.neighbour,
                         pairs.vector)  # fmt: skip
        ends.append(told.energies[0])
    assert forces[2, 1] == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-6)


@pytest.mark.slow
def test_perovskites_are_compared_with_a_foundation_model(shared_data, tmp_path) -> None:
    small = Study(tmp_path, 1, QUICK)
    (piece,) = perovskites.pieces(small)
    piece.make()
    found = pd.read_json(piece.done, typ="series")
    assert found["rms force at rest, CHGNet"] < 0.2  # near rest but for mixed anions
    assert found["mean energy change, CHGNet at 0.1 Å"] > 0
    assert np.isfinite(found).all()


def test_rattling_moves_every_site_by_its_spread() -> None:
    still = cells(50, 0)
    moved = perovskites.rattled(still, 0.1, 0)
    assert np.std(moved.cartesian - still.cartesian) == pytest.approx(0.1, rel=0.1)


def test_the_script_runs_from_anywhere(tmp_path) -> None:
    script = Path(study.__file__)
    command = [sys.executable, str(script), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout


@pytest.mark.parametrize("module", [models, tables], ids=lambda m: m.__name__)
def test_examples_in_the_docstrings(module) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0

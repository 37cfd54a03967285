"""The case study of three classes, tiny."""

from __future__ import annotations

import doctest
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from studies.classes import data, study
from studies.classes.data import CONTRASTS, FORMS, Structures, as_dataset, bounds, reference, solve
from studies.classes.pieces import CLASSES, SETTINGS, Case
from studies.classes.repairs import pieces as repair_pieces
from studies.classes.steering import FIRST, Parts, picked, rows_path
from studies.classes.tables import steered
from studies.paradox.pieces import work_through

WHOLE = ["simulate", "train", "control", "repair", "mend", "answer", "--quick"]


@pytest.fixture
def structures(rng):
    """Eight structures a class, half of each for testing, unsolved."""
    label = np.repeat(CLASSES, 8)
    return Structures(
        (rng.random((24, 6, 6)) < 0.4).astype(np.uint8),
        label,
        label,
        np.arange(24) % 2 == 1,
        np.full((2, 24), 10.0),
        np.zeros((2, 24)),
    )


@pytest.mark.slow
def test_the_whole_study_answers_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setenv("ICEFRAME_SHARED_DATA", str(tmp_path / "absent"))
    assert study.main([*WHOLE, "--out", str(tmp_path)]) == 0
    quick = study.quick(tmp_path)
    rows = steered(tmp_path / "steered")
    assert set(rows["which"]) == {"first", "asked", "bounded"}
    outside = rows[rows["part"] == "outside"]
    assert (outside["label"] == outside["left_out"]).all()
    assert not (rows.query("part == 'inside'")["label"] == "ceramic").any()
    mended = pd.concat([pd.read_parquet(p) for p in (tmp_path / "repaired").glob("*.parquet")])
    first = rows[(rows["which"] == FIRST) & (rows["setting"] == SETTINGS[0])]
    nothing = mended.query("form == 'plain' and repair == 'nothing'")["error outside"]
    assert nothing.item() == pytest.approx(first.query("part == 'outside'")["error"].mean())
    text = (tmp_path / "tables" / "answers.md").read_text(encoding="utf-8")
    assert text.count("### ") == 10  # all but the real micrographs
    assert all((tmp_path / "figures" / f"{n}.svg").stat().st_size < 100_000 for n in
               ("fidelity", "repairs"))  # fmt: skip
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")}
    assert work_through("again", repair_pieces(quick)) == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")} == stamps


def test_labels_are_bought_from_the_pool_and_what_is_asked_for_comes_first(tmp_path, structures):
    parts = Parts.of(structures, "ceramic")
    everything = np.sort(np.concatenate([*vars(parts).values()]))
    assert np.array_equal(everything, np.arange(24))
    case, quick = Case(SETTINGS[0], "ceramic", 0), study.quick(tmp_path)
    decision = np.array(["answer", "ask", "abstain", "ask"])
    path = rows_path(quick, case, FIRST)
    path.parent.mkdir(parents=True)
    pd.DataFrame({"part": "pool", "position": parts.pool, "decision": decision}).to_parquet(path)
    order = picked(quick, case)
    assert set(order[:2]) == set(parts.pool[[1, 3]])
    assert list(order[2:]) == [parts.pool[2], parts.pool[0]]


@pytest.mark.parametrize("contrast", [1e-2, 0.5, 30.0])
def test_answers_lie_between_the_bounds_and_every_form_gives_them_back(rng, contrast):
    phases = (rng.random((4, 8, 8)) < [[[0.2]], [[0.4]], [[0.5]], [[0.7]]]).astype(np.uint8)
    ratios = np.full(4, contrast)
    y, limits = solve(phases, ratios), bounds(phases, ratios)
    assert (np.diff(limits, axis=1) >= -1e-12).all()
    assert (limits[:, 0] - 1e-6 <= y).all()
    assert (y <= limits[:, -1] + 1e-6).all()
    for form in FORMS:
        known = as_dataset(phases, ratios, y, form)
        base, unit = reference(phases, ratios, form)
        assert np.allclose(base + unit * known.y, y)
        assert known.features == (data.COLUMN,)
    place = as_dataset(phases, ratios, y, "bounded").y
    assert ((place > -1e-6) & (place < 1 + 1e-6)).all()


def test_the_matrix_bound_is_the_one_whose_matrix_is_the_first_phase():
    phases = np.zeros((1, 9, 9), np.uint8)
    phases[0, 3:6, 3:6] = 1  # an inclusion in a connected first phase
    for contrast in (1e-3, 1e3):
        ratio = np.array([contrast])
        y, (base, _) = solve(phases, ratio), reference(phases, ratio, "matrix")
        others = bounds(phases, ratio)[0, 1:3]
        assert abs(y - base) < abs(y - others).max() / 5


def test_classes_do_not_share_contrasts():
    ends = sorted(CONTRASTS.values())
    assert all(a[1] < b[0] for a, b in pairwise(ends))


def test_real_windows_hold_two_phases(shared_data):
    for name in data.REAL:
        found = data.images_of(name)
        assert all(set(np.unique(image)) == {0, 1} for _, image in found)
        assert all(len(data.windows(image)) >= 3 for _, image in found)
    assert len({specimen for specimen, _ in data.images_of("superalloy")}) == 12


def test_the_script_runs_from_anywhere(tmp_path):
    command = [sys.executable, str(Path(study.__file__)), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout


def test_examples_in_the_docstrings():
    found = doctest.testmod(data)
    assert found.attempted > 0
    assert found.failed == 0

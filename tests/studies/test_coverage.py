"""The coverage study, tiny."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from studies.coverage import answers, study, tables
from studies.coverage.data import load
from studies.coverage.pieces import Study
from studies.paradox.pieces import work_through

from iceframe.measure.conformal import Conformal, LeftOut


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The study of the simulated table with ridge, finished."""
    out = tmp_path_factory.mktemp("coverage")
    stages = ["data", "fold", "shift", "answer"]
    chosen = ["--quick", "--sets", "simulated_table", "--rungs", "ridge", "--out", str(out)]
    assert study.main(stages + chosen) == 0
    return Study(out, ("ridge",), 2, sets=("simulated_table",), samples=100)


def test_every_sample_is_held_out_once_a_seed(quick):
    for seed in range(2):
        rows = pd.read_parquet(answers.path_of(quick, "fold", "simulated_table", "ridge", seed))
        assert sorted(rows["position"]) == list(range(100))


def test_tables_hold_the_coverage_of_every_method(quick):
    found = pd.read_csv(quick.out / "tables" / "fold.csv").set_index("method")
    assert list(found.index) == ["cv", "mondrian", "grouped"]
    assert (found["own_group"] == "noisy").all()
    assert found.loc["cv", "own_worst"] < 0.8  # as it was made: see the data's docstring
    assert found.loc["grouped", "own_worst"] > found.loc["cv", "own_worst"]
    for row in found.itertuples():
        assert row.coverage_low <= row.coverage <= row.coverage_high
    elsewhere = pd.read_csv(quick.out / "tables" / "shift.csv").set_index("shift")
    assert list(elsewhere.index) == ["cluster", "tilt"]
    assert elsewhere["told_apart"].between(0.5, 1).all()


def test_it_goes_on_where_it_stopped(quick):
    stamps = {p: p.stat().st_mtime_ns for p in quick.out.rglob("*.parquet")}
    assert stamps
    assert work_through("again", answers.fold_pieces(quick) + answers.shift_pieces(quick)) == 0
    assert {p: p.stat().st_mtime_ns for p in quick.out.rglob("*.parquet")} == stamps


def test_training_and_tilted_samples_are_apart_and_shifted(quick):
    table = load(quick, "simulated_table")
    axis = np.linalg.eigh(np.corrcoef(table.x.T))[1][:, -1]
    z = (table.x - table.x.mean(0)) / table.x.std(0) @ axis  # 0 on average
    moved = []
    for seed in range(3):
        train, test = answers.tilted(table, seed)
        assert not set(train) & set(test)
        moved.append(z[test].mean())
    assert abs(np.mean(moved)) > 0.3


def test_sets_of_classes_are_held_by_class(rng):
    p = rng.dirichlet(np.ones(3), 300)
    codes = (rng.random((300, 1)) > np.cumsum(p, 1)[:, :-1]).sum(1)
    left_out = LeftOut(codes, p, np.zeros(300, int))
    conformal = Conformal("classification", 0.9, np.sort(left_out.scores()), left_out)
    rows = answers.held(conformal, codes, p)
    by_class = rows.groupby("y")["mondrian_hit"].mean()
    assert by_class.min() >= 0.9
    assert rows["mondrian_width"].between(1, 3).all()
    found = tables.by_method(
        rows.assign(position=np.arange(300), data="x", rung="y", seed=0, task="classification")
    ).set_index("method")
    assert found.loc["mondrian", "range_worst"] == pytest.approx(by_class.min())
    assert found.loc["mondrian", "range_group"] == f"class {by_class.idxmin()}"
    assert found.loc["mondrian", "own_group"] == ""

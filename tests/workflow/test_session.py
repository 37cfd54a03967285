"""A whole run as a user meets it: results, resuming, budgets, floors, failures, answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import BudgetExhausted, InputError, UsageError
from iceframe.ingest import read
from iceframe.scale.rungs.ridge import RidgeRung
from iceframe.workflow.execute import Progress
from iceframe.workflow.prepare import prepared_folder, read_representation
from iceframe.workflow.session import Run, open_run, run

Go = Callable[..., Run]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != ".lock"
    }


def test_the_linear_law_is_found(alloy_run: Run) -> None:
    assert alloy_run.equilibrium.rung == "ridge"
    assert alloy_run.equilibrium.status == "CONVERGED"
    measured = alloy_run.evidence.set_index(["rung", "metric"])["value"]
    assert measured["ridge", "mae"] < 20  # the noise is 15, so 12 is the least
    assert measured["mean", "mae"] > 60
    assert measured["ridge", "faithfulness"] > 0.9
    assert measured["mean", "complexity"] < measured["ridge", "complexity"]


def test_every_axis_is_measured_for_every_rung(alloy_run: Run) -> None:
    axes = alloy_run.evidence.groupby("rung")["axis"].unique().map(set)
    assert all(a == {"complexity", "fidelity", "transparency"} for a in axes)
    assert set(axes.index) == {"mean", "ridge", "tree"}


def test_running_again_changes_nothing(quick_run: Go, alloy_table: Path) -> None:
    first = quick_run(alloy_table, "strength", ladder=["mean", "ridge"])
    before = contents(first.folder)
    events: list[Progress] = []
    quick_run(alloy_table, "strength", ladder=["mean", "ridge"], watch=events.append)
    assert not [e for e in events if e.unit is not None]
    assert contents(first.folder) == before


def test_a_rung_can_be_added_later(quick_run: Go, alloy_table: Path) -> None:
    quick_run(alloy_table, "strength", ladder=["mean", "ridge"])
    events: list[Progress] = []
    both = quick_run(alloy_table, "strength", ladder=["mean", "ridge", "tree"], watch=events.append)
    assert {e.unit.rung for e in events if e.unit} == {"tree"}
    assert set(both.evidence["rung"]) == {"mean", "ridge", "tree"}


def test_the_number_of_workers_changes_no_number(
    quick_run: Go, alloy_table: Path, tmp_path: Path
) -> None:
    alone = quick_run(alloy_table, "strength", ladder=["mean", "ridge"])
    pair = quick_run(
        alloy_table, "strength", ladder=["mean", "ridge"], out=tmp_path / "two", workers=2
    )
    pd.testing.assert_frame_equal(alone.evidence, pair.evidence, check_exact=True)
    assert alone.equilibrium == pair.equilibrium


def test_another_seed_is_another_run(quick_run: Go, alloy_table: Path) -> None:
    quick_run(alloy_table, "strength", ladder=["mean"])
    with pytest.raises(InputError, match="another run"):
        quick_run(alloy_table, "strength", ladder=["mean"], seed=1)


def test_a_budget_stops_between_units_and_the_rest_is_done_later(
    quick_run: Go, alloy_table: Path
) -> None:
    stopped = quick_run(alloy_table, "strength", ladder=["mean", "ridge"], budget=0.0)
    assert stopped.unfinished > 0
    assert stopped.equilibrium.status == "BUDGET_EXHAUSTED"
    assert stopped.equilibrium.rung is None
    whole = quick_run(alloy_table, "strength", ladder=["mean", "ridge"])
    assert whole.unfinished == 0
    assert whole.equilibrium.rung == "ridge"


def test_the_command_line_says_that_a_budget_ran_out() -> None:
    assert BudgetExhausted("").exit_code == 3


def test_a_floor_that_nothing_meets_is_infeasible(quick_run: Go, alloy_table: Path) -> None:
    strict = quick_run(alloy_table, "strength", ladder=["mean", "ridge"], floors={"mae": 0.001})
    assert strict.equilibrium.status == "INFEASIBLE"
    assert strict.equilibrium.rung is None
    assert strict.equilibrium.remedy


def test_an_unknown_floor_is_refused_before_anything_is_computed(
    quick_run: Go, alloy_table: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="Did you mean 'mae'"):
        quick_run(alloy_table, "strength", ladder=["mean"], floors={"maee": 1})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("ladder", [["rige"], ["cnn"], [], ["mean", "mean"]])
def test_a_wrong_ladder_is_refused(quick_run: Go, alloy_table: Path, ladder: list[str]) -> None:
    with pytest.raises(UsageError):
        quick_run(alloy_table, "strength", ladder=ladder)


def test_a_failing_rung_does_not_stop_the_others(
    quick_run: Go, alloy_table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any) -> Any:
        raise FloatingPointError("overflow in the test")

    monkeypatch.setattr(RidgeRung, "build", explode)
    run = quick_run(alloy_table, "strength", ladder=["mean", "ridge", "tree"])
    assert "overflow in the test" in run.failures["ridge"]
    assert run.equilibrium.rung == "tree"
    assert any("`ridge`" in reason and "overflow" in reason for reason in run.equilibrium.reasons)
    assert list((run.folder / "failures").iterdir())
    assert not run.unfinished  # failed, not left to do
    monkeypatch.undo()
    assert quick_run(alloy_table, "strength", ladder=["mean", "ridge", "tree"]).failures == {}


# -- answers ---------------------------------------------------------------------------------------


def test_predictions_for_the_runs_own_data_are_close(alloy_run: Run, alloy_table: Path) -> None:
    truth = pd.read_csv(alloy_table)["strength"].to_numpy()
    answers = open_run(alloy_run.folder).predict(alloy_table)
    assert np.abs(answers["mean"] - truth).mean() < 15
    inside = (truth >= answers["low"]) & (truth <= answers["high"])
    assert inside.mean() > 0.85


def test_new_samples_need_no_target_and_may_shuffle_their_columns(
    alloy_run: Run, alloys: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    new = alloys(9, seed=4)
    new.drop(columns="strength")[["batch_humidity", "carbon", "anneal"]].to_csv(
        tmp_path / "new.csv", index=False
    )
    answers = alloy_run.predict(tmp_path / "new.csv")
    assert np.abs(answers["mean"].to_numpy() - new["strength"].to_numpy()).mean() < 30


def test_a_missing_column_is_named(
    alloy_run: Run, alloys: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    alloys(9).drop(columns="carbon").to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(InputError, match="carbon"):
        alloy_run.predict(tmp_path / "new.csv")


def test_an_explanation_adds_up(alloy_run: Run, alloy_table: Path) -> None:
    explanation = alloy_run.explain(alloy_table, "row3")
    total = explanation.values.sum()
    assert total == pytest.approx(explanation.prediction - explanation.baseline, rel=1e-6)
    weight = dict(zip(explanation.names, np.abs(explanation.values), strict=True))
    assert weight["batch_humidity"] < max(weight["anneal"], weight["carbon"])


@pytest.mark.parametrize(("sample", "words"), [("row99", "row9"), (60, "0 to 59")])
def test_an_unknown_sample_is_refused(
    alloy_run: Run, alloy_table: Path, sample: Any, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        alloy_run.explain(alloy_table, sample)


def test_an_unknown_rung_is_refused(alloy_run: Run, alloy_table: Path) -> None:
    with pytest.raises(UsageError, match="no finished rung 'gp'"):
        alloy_run.predict(alloy_table, rung="gp")


# -- images ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stripe_run(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    from iceframe.workflow.session import run

    out = tmp_path_factory.mktemp("runs") / "stripes"
    data = read(stripes)
    return run(
        data, ladder=["mean", "tree", "cnn"], out=out, folds=2, workers=1, trials=0, shift=False
    )


def test_images_in_subfolders_of_classes(stripe_run: Run) -> None:
    measured = stripe_run.evidence.set_index(["rung", "metric"])["value"]
    assert measured["tree", "balanced_accuracy"] > 0.9
    assert np.isfinite(measured["cnn", "faithfulness"])
    assert np.isfinite(measured["cnn", "completeness_gap"])
    view = stripe_run.view()
    example = view.rungs["cnn"].examples[0]
    assert example.image is not None
    assert example.map is not None
    assert example.image.shape == example.map.shape == (24, 24)
    assert example.prediction in ("across", "along")


def test_classes_are_predicted_with_sets(stripe_run: Run, stripes: Path) -> None:
    answers = stripe_run.predict(stripes, rung="tree")
    assert set(answers["predicted"]) <= {"across", "along"}
    np.testing.assert_allclose(answers[["p_across", "p_along"]].sum(axis=1), 1.0)
    assert answers["set"].str.len().gt(0).all()


def test_a_map_explains_an_image(stripe_run: Run, stripes: Path) -> None:
    first = read(stripes).ids[0]
    explanation = stripe_run.explain(stripes, str(first), rung="cnn")
    assert explanation.values.shape == (24, 24)
    assert explanation.completeness_gap < 0.05 or np.isnan(explanation.completeness_gap)


def test_inner_folds_keep_together_what_the_outer_ones_do(
    alloys: Callable[..., pd.DataFrame],
) -> None:
    from iceframe.core.values import Splits
    from iceframe.workflow.prepare import inner_groups

    frame = alloys(20)
    frame.loc[1] = frame.loc[0]  # a copy
    frame["heat"] = np.repeat(list("abcd"), 5)
    data = read(frame, "strength", specimen="heat")
    random, official, grouped = (
        inner_groups(data, Splits(spec, ())) for spec in ("random", "matbench", "grouped:heat")
    )
    assert random[0] == random[1]
    assert len(np.unique(random)) == 19
    assert len(np.unique(official)) == 20
    np.testing.assert_array_equal(grouped, np.repeat([0, 1, 2, 3], 5))


def test_named_descriptors_make_the_table(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.random((24, 1, 16, 16)).astype(np.float32)
    table = pd.DataFrame({"y": values.mean(axis=(1, 2, 3)) + rng.normal(0, 0.01, 24)})
    table.index = table.index.astype(str)
    data = Dataset(table, "y", "regression", images=ArrayImages(values), name="greys")
    options: dict[str, Any] = {"ladder": ["ridge"], "folds": 3, "shift": False, "workers": 1}
    options |= {"trials": 0}
    made = run(data, **options, descriptors=["intensity", "gabor"], out=tmp_path / "named")
    blocks = read_representation(prepared_folder(made.store))[0].blocks
    assert any("gabor" in name for name in blocks)
    assert not any("two_point" in name for name in blocks)
    assert open_run(made.folder).predict(data).shape[0] == 24
    with pytest.raises(InputError, match="settings"):  # other descriptors make another run
        run(data, **options, descriptors=["intensity"], out=tmp_path / "named")
    with pytest.raises(UsageError, match="gabor"):
        run(data, **options, descriptors=["gabbor"], out=tmp_path / "other")

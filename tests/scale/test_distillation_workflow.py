"""A distilled rung is a rung like others in a run, and what an action of the loop measures."""

from __future__ import annotations

from typing import Any

import pytest

from iceframe.core.errors import InputError
from iceframe.core.files import read_json
from iceframe.core.runstore import RunStore
from iceframe.ingest import read
from iceframe.scale.distillation import teacher
from iceframe.scale.fitting import Fitted
from iceframe.workflow.feedback.bench import Bench, Options
from iceframe.workflow.feedback.performer import PERFORMERS
from iceframe.workflow.session import run


@pytest.fixture
def bench(alloys: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(teacher, "USUAL", {"table": ("ridge",)})  # quick, and right: a straight law
    data = read(alloys(45), "strength")
    store = RunStore.create_or_open(tmp_path / "search", {"identity": {"what": "search"}})
    return Bench(store, data, Options(folds=3, trials=0, workers=1))


def test_distilling_measures_the_student_and_says_what_is_lost(bench):
    bench.measure(["ridge", "tree"])
    arguments = {"teacher": "ridge", "student": "distilled_tree", "variant": ""}
    done = PERFORMERS["distil"]().perform(arguments, bench)
    assert done.candidates == ("distilled_tree",)
    losses = done.facts["losses"]
    assert done.facts["teacher"] == "ridge"
    assert losses["teacher"] < losses["student"] < losses["alone"]  # the law is straight
    assert done.facts["fidelity"] > 0.5
    assert done.notes[0].startswith("distilled_tree learned from ridge (R² 0.")

    run = bench.run_of("distilled_tree")
    evidence = run.evidence[run.evidence["rung"] == "distilled_tree"].set_index("metric")["value"]
    assert {"mae", "coverage_90", "complexity", "gdf", "faithfulness"} <= set(evidence.index)
    assert evidence["completeness_gap"] < 1e-6  # a glass box: its terms are exact
    folder = run.unit_folder("distilled_tree", "final")
    assert folder is not None
    assert read_json(folder / "final.json")["parameters"] > 1
    assert run.explain(bench.data(), 0, rung="distilled_tree").method == "exact terms"


def test_in_a_plain_run_others_may_be_given_for_the_teacher_to_label(alloys, tmp_path, monkeypatch):
    monkeypatch.setattr(teacher, "USUAL", {"table": ("ridge",)})
    whole = alloys(60)
    others = tmp_path / "others.csv"
    whole.iloc[45:].drop(columns="strength").to_csv(others, index=False)
    quick = {"folds": 3, "trials": 0, "workers": 1, "repeats": 1, "shift": False}
    data = read(whole.iloc[:45], "strength")
    done = run(data, ladder=["distilled_ridge"], out=tmp_path / "run", unlabelled=others, **quick)
    folder = done.unit_folder("distilled_ridge", "final")
    assert folder is not None
    told = Fitted.load(folder / "model").estimator.account_
    assert (told.teacher, told.rows) == ("ridge", 12)  # of fifteen, a fifth to be compared on
    with pytest.raises(InputError, match="another run"):
        run(data, ladder=["distilled_ridge"], out=tmp_path / "run", **quick)


def test_a_rung_without_a_teacher_cannot_be_distilled(bench):
    with pytest.raises(InputError, match="no teacher") as error:
        PERFORMERS["distil"]().perform({"student": "tree", "variant": ""}, bench)
    assert "distilled_tree" in error.value.allowed

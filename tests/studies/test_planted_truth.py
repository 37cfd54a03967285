"""The planted-truth study: its truths, its measurements, its verdicts, and the whole, tiny."""

from __future__ import annotations

import doctest
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from studies.planted_truth import climb, judging, loop, pictures, stability, study, tables, truths
from studies.planted_truth.judging import ABLE, MADE_FOR, Outcome, judged, right_rung
from studies.planted_truth.pieces import QUICK, ROOTS, Key, Study
from studies.planted_truth.truths import KINDS, expected_error, planted

import iceframe as ice
from iceframe.core.files import read_json
from iceframe.core.seeds import generator
from iceframe.core.values import Equilibrium, Status
from iceframe.scale.represent import Representer

ROOT = 5  # neither of the study's own


def drawn(kind: str, number: int = 0, fresh: int = 2000):
    return planted(kind, number, ROOT, n=(60, 80), fresh=fresh)


# -- truths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_truth_explains_what_it_promises_and_nothing_more(kind: str) -> None:
    truth = drawn(kind)
    y = truth.fresh.y
    assert 60 <= len(truth.data) <= 80
    assert 4 <= len(truth.data.features) <= 12
    explained = 1 - np.var(y - truth.answer) / np.var(y)
    assert explained == pytest.approx(truth.attainable, abs=0.03)
    assert np.std(y - truth.answer) == pytest.approx(truth.noise, rel=0.05)
    # Knowing the truth costs the noise alone; knowing nothing costs more, where there is a signal.
    assert truth.loss(truth.answer) == pytest.approx(np.sqrt(2 / np.pi) * truth.noise)
    assert truth.loss(truth.answer) == pytest.approx(np.abs(y - truth.answer).mean(), rel=0.05)
    nothing = truth.loss(np.full(len(y), y.mean()))
    assert (nothing > 1.1 * truth.loss(truth.answer)) == (kind != "constant")


def test_the_expected_error_is_the_mean_of_many_errors() -> None:
    noise = generator(0, "test").normal(size=200_000)
    for distance in (-2.0, 0.0, 0.3, 1.0):
        found = float(expected_error(np.array(distance), 0.7))
        assert found == pytest.approx(np.abs(distance + 0.7 * noise).mean(), rel=0.01)


def test_every_kind_is_of_its_kind() -> None:
    for number in range(3):
        for kind, straight, curves in (
            ("linear", (0.999, 1.001), (0.98, 1.001)),
            ("additive", (-0.01, 0.65), (0.95, 1.001)),
            ("interacting", (-0.01, 0.6), (-0.01, 0.6)),
        ):
            truth = drawn(kind, number)
            x = truth.fresh.table[list(truth.fresh.features)].to_numpy()
            found = truths.explained_by_a_straight_sum(x, truth.answer)
            assert straight[0] < found < straight[1]
            assert curves[0] < truths.explained_by_curves(x, truth.answer) < curves[1]


@pytest.mark.parametrize("family", range(len(pictures.FAMILIES)))
def test_neither_grey_levels_nor_columns_tell_of_the_images_signal(family: int) -> None:
    truth = drawn("image", family, fresh=800)
    assert truth.family == pictures.FAMILIES[family]
    images = truth.fresh.images
    assert images is not None
    pixels = images.read(np.arange(len(images)))
    assert pixels.shape[1:] == (1, pictures.SIDE, pictures.SIDE)
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    told = Representer(("columns", "intensity")).fit(truth.fresh).transform(truth.fresh).values
    told = told[:, np.std(told, axis=0) > 1e-6]
    assert truths.explained_by_a_straight_sum(told, truth.answer) < 0.08  # 30 columns by chance
    # Differences of neighbouring pixels do.
    along = pixels - np.roll(pixels, 1, axis=3)
    down = pixels - np.roll(pixels, 1, axis=2)
    told = np.stack(
        [np.mean(along**3, axis=(1, 2, 3)), np.log(np.mean(along**2, axis=(1, 2, 3)))
         - np.log(np.mean(down**2, axis=(1, 2, 3)))], axis=1,
    )  # fmt: skip
    contrast = np.std(pixels, axis=(1, 2, 3))
    told[:, 0] /= contrast**3
    assert truths.explained_by_a_straight_sum(told, truth.answer) > 0.5


def test_data_sets_follow_from_their_names_alone() -> None:
    again = drawn("additive", 1, fresh=10)
    assert drawn("additive", 1, fresh=10).data.fingerprint == again.data.fingerprint
    assert drawn("additive", 2, fresh=10).data.fingerprint != again.data.fingerprint
    other = planted("additive", 1, ROOT + 1, n=(60, 80), fresh=10)
    assert other.data.fingerprint != again.data.fingerprint
    assert len(set(ROOTS.values())) == len(ROOTS)


# -- what is measured ------------------------------------------------------------------------------


def test_a_climb_measures_what_a_run_measures(tmp_path: Path) -> None:
    ladder = ("mean", "tree")
    usual = study.Sizes().replicates
    plan = Study(tmp_path, ROOT, sizes=replace(QUICK, ladder=ladder, replicates=usual))
    key = Key(0, "additive", seed=3)
    truth = plan.truth(key)
    found = climb.measure(truth, plan.settings(key))
    run = ice.run(
        truth.data, ladder=ladder, out=tmp_path / "run", folds=QUICK.folds, seed=3,
        device="cpu", trials=QUICK.trials, shift=False, workers=1,
    )  # fmt: skip
    rows = run.evidence.set_index(["rung", "metric"])
    for row in climb.evidence_of(found):
        other = rows.loc[(row.rung, row.metric)]
        assert row.value == other["value"]
        assert list(row.folds) == list(other["folds"])
    assert judging.chosen_from(found).rung == run.equilibrium.rung
    for rung, loss in found["true"].items():
        predicted = run.predict(truth.fresh, rung=rung)["mean"].to_numpy(float)
        assert loss == pytest.approx(truth.loss(predicted), rel=1e-9)
    assert found["true"]["mean"] > truth.loss(truth.answer)


# -- verdicts --------------------------------------------------------------------------------------


def row_of(rung: str, axis: str, metric: str, value: float, folds: list[float]) -> dict:
    return {"rung": rung, "axis": axis, "metric": metric, "value": value, "better": "lower",
            "low": np.nan, "high": np.nan, "folds": folds}  # fmt: skip


def record(
    kind: str, true: dict[str, float], cross_validated: dict[str, float], seed: int = 0
) -> dict:
    """A climb whose complexity rises with the order of the rungs; the loss of ``mean`` is 100, so
    that the ROPE is 2."""
    rows = []
    for i, (rung, loss) in enumerate(cross_validated.items()):
        for name in ("complexity", "c1", "c2", "c3"):
            rows.append(row_of(rung, "complexity", name, 0.1 * i, []))
        folds = [loss - 0.02, loss + 0.02, loss, loss + 0.01, loss - 0.01]
        rows.append(row_of(rung, "fidelity", "mae", loss, folds))
    return {
        "kind": kind, "number": 0, "seed": seed, "n": 100, "features": 5, "attainable": 0.8,
        "family": kind, "evidence": rows, "n_train": 80.0, "n_test": 20.0, "rope": None,
        "true": true, "seconds": dict.fromkeys(cross_validated, 1.0),
    }  # fmt: skip


TRUE = {"mean": 100.0, "ridge": 60.0, "tree": 50.0, "ebm": 41.0, "extra_trees": 45.0, "gp": 40.0}


def test_the_right_rung_is_the_simplest_of_the_best_that_can_represent_the_truth() -> None:
    assert right_rung(record("interacting", TRUE, TRUE)) == "ebm"  # one worse than gp: in the ROPE
    assert right_rung(record("interacting", TRUE | {"ebm": 42.5}, TRUE)) == "gp"
    worse = record("additive", TRUE | {"ebm": 42.5}, TRUE)
    assert (right_rung(worse), right_rung(worse, ABLE)) == ("ebm", "gp")
    found = judged(record("additive", TRUE | {"ebm": 42.5}, TRUE | {"ebm": 44.0}))
    assert (found.chosen, found.verdict, found.strict) == ("gp", "better", "right")
    equal = dict.fromkeys(TRUE, 100.0)
    assert right_rung(record("constant", equal, TRUE)) == "mean"
    assert right_rung(record("linear", equal, TRUE)) == "ridge"
    with_images = equal | {"cnn": 70.0}
    assert right_rung(record("image", with_images, with_images)) == "cnn"
    assert set(ABLE) == set(MADE_FOR) == set(KINDS)


@pytest.mark.parametrize(
    ("seen", "verdict", "excess"),
    [
        ({}, "right", 0.0),  # what is seen is true
        ({"gp": 30.0}, "needless", -0.5),
        ({"tree": 41.0}, "too simple", 4.5),
        ({"extra_trees": 30.0}, "needless", 2.0),
    ],
)
def test_a_choice_is_judged_by_the_truth(seen: dict, verdict: str, excess: float) -> None:
    found = judged(record("additive", TRUE, TRUE | seen))
    assert (found.verdict, found.right, found.status) == (verdict, "ebm", "CONVERGED")
    assert found.excess == pytest.approx(excess)


def test_a_simpler_rung_that_is_no_worse_is_good() -> None:
    true = TRUE | {"tree": 42.9}
    found = judged(record("additive", true, TRUE | {"tree": 41.0}))
    assert (found.verdict, found.chosen, found.right) == ("simpler", "tree", "ebm")


def test_a_rung_that_cannot_represent_the_truth_and_is_truly_better_is_said() -> None:
    true = dict.fromkeys(TRUE, 100.0) | {"cnn": 90.0}
    body = record("image", true | {"gp": 80.0}, true | {"gp": 80.0})
    for row in body["evidence"]:
        if row["rung"] == "cnn" and row["metric"] == "complexity":
            row["value"] = 0.05
    assert judged(body).verdict == "better"


def test_oscillating_is_told_apart() -> None:
    wobbling = Equilibrium("gp", Status.OSCILLATING, "`gp` and `ebm` change places")
    found = judged(record("additive", TRUE, TRUE), wobbling)
    assert (found.verdict, found.named) == ("needless", True)
    other = replace(wobbling, remedy="`gp` and `tree` change places")
    assert not judged(record("additive", TRUE, TRUE), other).named
    nothing = judged(record("additive", TRUE, TRUE), Equilibrium(None, Status.INFEASIBLE, ""))
    assert (nothing.verdict, nothing.chosen) == ("none", "none")


def test_shares_carry_their_intervals() -> None:
    one = judged(record("additive", TRUE, TRUE))
    bad = replace(one, verdict="needless", named=True)
    table = tables.shares(pd.DataFrame([o.as_dict() for o in [one] * 19 + [bad]]))
    assert list(table["value"]) == ["0.950", "1.000", "1.000", "0.050", "0.000", "0.000"]
    assert table["interval"].iloc[0] == "0.751 to 0.999"
    assert isinstance(bad, Outcome)


def test_stability_compares_what_was_chosen() -> None:
    first = record("additive", TRUE, TRUE)
    for choose in (stability.by_decision, stability.by_loop):
        same = stability.stability(first, [record("additive", {}, TRUE, seed=1)], choose)
        assert same["alike"]
        assert same["good"]
        other = record("additive", {}, TRUE | {"tree": 41.0}, seed=1)
        moved = stability.stability(first, [other], choose)
        assert (moved["order"], moved["weight"], moved["seeds"]) == (True, True, False)
        assert not moved["good"]
        said = stability.summary(pd.DataFrame([same, moved]))
        assert said["alike"] == said["alike, or says so"] == 0.5
        assert said["order"] == 1.0


# -- the loop --------------------------------------------------------------------------------------


def test_the_loop_is_driven_over_what_was_measured() -> None:
    found = loop.replayed(record("additive", TRUE, TRUE))
    assert (found.equilibrium.rung, found.equilibrium.status) == ("ebm", Status.CONVERGED)
    assert found.measured[:3] == ("mean", "ridge", "tree")
    assert set(found.measured) <= set(TRUE)
    assert len(set(found.measured)) == len(found.measured)
    linear = loop.replayed(record("linear", TRUE, dict.fromkeys(TRUE, 60.0) | {"mean": 100.0}))
    assert linear.equilibrium.rung == "ridge"


def test_a_candidate_of_the_loop_is_judged_by_its_own_loss() -> None:
    held = {
        "equilibrium": {"rung": "ebm @ more", "status": "CONVERGED", "remedy": "", "reasons": []},
        "true": 30.0, "complexity": 0.15,
    }  # fmt: skip
    found = loop.outcome_of(held, record("additive", TRUE, TRUE))
    assert (found.verdict, found.chosen, found.right) == ("simpler", "ebm @ more", "ebm")


# -- the whole -------------------------------------------------------------------------------------


def test_the_study_runs_answers_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    asked = ["climb", "again", "answer", "--quick", "--kinds", "linear"]
    assert study.main([*asked, "--out", str(tmp_path)]) == 0
    stored = sorted(tmp_path.glob("climbs/*.json"))
    assert [p.stem for p in stored] == ["linear-000-s0", "linear-000-s1"]
    assert read_json(stored[1])["true"] == {}  # other seeds are compared by their choice alone
    text = (tmp_path / "tables" / "answers.md").read_text(encoding="utf-8")
    for title in ("## Chosen", "## Verdicts", "## Shares", "## Stability", "# Cost"):
        assert title in text
    for name in ("climb", "loop", "stability-climb", "stability-loop"):
        assert len(pd.read_csv(tmp_path / "tables" / f"{name}.csv")) == 1
    stamps = {p: p.stat().st_mtime_ns for p in stored}
    assert study.main([*asked, "--out", str(tmp_path)]) == 0
    assert {p: p.stat().st_mtime_ns for p in stored} == stamps


@pytest.mark.slow
def test_the_workflows_search_ends_as_the_replayed_one(tmp_path: Path) -> None:
    asked = ["climb", "loop", "answer", "--quick", "--kinds", "linear"]
    assert study.main([*asked, "--out", str(tmp_path)]) == 0
    held = read_json(tmp_path / "loops" / "linear-000-s0.json")
    climbed = read_json(tmp_path / "climbs" / "linear-000-s0.json")
    chosen = held["equilibrium"]["rung"]
    assert chosen == loop.replayed(climbed).equilibrium.rung
    assert held["true"] == pytest.approx(climbed["true"][chosen], rel=1e-9)
    assert "| linear 0 |" in (tmp_path / "tables" / "answers.md").read_text("utf-8")


@pytest.mark.slow
def test_images_are_part_of_it(tmp_path: Path) -> None:
    asked = ["climb", "--quick", "--kinds", "image", "--out", str(tmp_path)]
    assert study.main(asked) == 0
    found = read_json(tmp_path / "climbs" / "image-000-s0.json")
    assert found["family"] == pictures.FAMILIES[0]
    assert set(found["true"]) == {*QUICK.ladder, "cnn"}


def test_the_script_runs_from_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(study.__file__)), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--quick" in done.stdout


def test_examples_in_the_docstrings() -> None:
    found = doctest.testmod(truths)
    assert found.attempted > 0
    assert found.failed == 0

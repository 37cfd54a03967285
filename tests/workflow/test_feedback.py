"""The feedback loop over a table: its steps, its variants of the data, its record; resuming."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.ledger import FILE, Ledger
from iceframe.ingest import read
from iceframe.report import write_report
from iceframe.workflow.feedback import open_balanced, run_balanced
from iceframe.workflow.feedback.balanced import BalancedRun
from iceframe.workflow.feedback.performer import PERFORMERS, Performed
from iceframe.workflow.session import open_run, run

from .feedback_script import Script, asked

QUICK: dict[str, Any] = {"folds": 2, "workers": 1, "trials": 0}
LADDER = ["ridge", "nearest_neighbour"]


@pytest.fixture(scope="module")
def data(alloys: Callable[..., pd.DataFrame]) -> Dataset:
    """A linear law; two rows have the same features and very different targets."""
    frame = alloys(30)
    frame["lab"] = np.arange(30) % 3
    frame.loc[1, ["anneal", "carbon", "batch_humidity", "lab"]] = frame.loc[
        0, ["anneal", "carbon", "batch_humidity", "lab"]
    ]
    frame.loc[1, "strength"] = frame.loc[0, "strength"] + 400
    return read(frame, "strength")


PROPOSALS = (
    asked("climb", rung="nearest_neighbour"),
    asked("neutralise", finding="nuisance", cue="column lab", rung="ridge"),
    asked("repair", finding="conflicting-duplicates", rung="ridge"),
    asked("climb", rung="nearest_neighbour", variant="without conflicting-duplicates"),
    asked("simulate", samples=4, rung="ridge"),
)
ASKS = (asked("ask", samples=5, rung="ridge"),)


@pytest.fixture(scope="module")
def script() -> Any:
    return Script(*PROPOSALS, asks=ASKS)


@pytest.fixture(scope="module")
def found(data: Dataset, script: Any, tmp_path_factory: pytest.TempPathFactory) -> BalancedRun:
    out = tmp_path_factory.mktemp("balanced") / "run"
    return run_balanced(data, out=out, ladder=LADDER, controller=script, **QUICK)


def walked(run: BalancedRun) -> list[tuple[str, bool | None, str]]:
    rows = run.trajectory[["action", "kept", "folder"]].to_numpy()
    return [(str(action), kept, str(folder)) for action, kept, folder in rows]


def test_every_step_measures_and_rungs_of_one_variant_share_a_folder(found: BalancedRun) -> None:
    assert walked(found) == [
        ("start", True, "000-start"),
        ("climb", True, "000-start"),
        ("neutralise", True, "002-neutralise"),
        ("repair", True, "003-repair"),
        ("climb", True, "003-repair"),
        ("simulate", False, ""),  # there is no recipe to simulate from
    ]
    assert "recipe" in found.trajectory["verdict"].iloc[-1]
    assert list(found.candidates) == [
        "mean",
        "ridge",
        "nearest_neighbour",
        "ridge @ without column lab",
        "ridge @ without conflicting-duplicates",
        "nearest_neighbour @ without conflicting-duplicates",
    ]
    ladder = open_run(found.folder / "steps" / "000-start").header["settings"]["ladder"]
    assert ladder == ["mean", "ridge", "nearest_neighbour"]


def test_steps_are_ordinary_runs(found: BalancedRun, data: Dataset) -> None:
    step = open_run(found.folder / "steps" / "003-repair")
    assert len(step.predict(data)) == len(data)
    assert step.view().rungs.keys() == {"ridge", "nearest_neighbour"}


def test_the_first_step_is_what_a_plain_run_measures(
    found: BalancedRun, data: Dataset, tmp_path: Path
) -> None:
    plain = run(data, ladder=["mean", "ridge"], out=tmp_path / "plain", shift=False, **QUICK)
    both = open_run(found.folder / "steps" / "000-start").evidence
    mine = both[both["rung"].isin(["mean", "ridge"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, plain.evidence, check_exact=True)


def test_variants_test_the_same_samples_fold_by_fold(found: BalancedRun) -> None:
    def held_out(folder: str) -> dict[str, set[str]]:
        table = open_run(found.folder / "steps" / folder).predictions
        return {str(f): set(part["id"]) for f, part in table.groupby("fold")}

    given = held_out("000-start")
    assert held_out("002-neutralise") == given
    repaired = held_out("003-repair")
    gone = set.union(*given.values()) - set.union(*repaired.values())
    assert gone == {"row1", "row2"}  # on both sides: no fold trains on them either
    assert all(repaired[fold] == ids - gone for fold, ids in given.items())
    trained = open_run(found.folder / "steps" / "003-repair").splits.folds
    assert all(len(f.train) + len(f.test) == 28 for f in trained)


def test_all_candidates_are_compared_on_the_samples_that_all_test(
    found: BalancedRun, script: Any
) -> None:
    before, after = script.situations[2], script.situations[3]  # the repair lies between

    def mae(situation: Any, name: str) -> tuple[float, int]:
        row = next(e for e in situation.evidence if (e.rung, e.metric) == (name, "mae"))
        return row.value, row.n

    assert mae(before, "ridge")[1] == 30
    assert mae(after, "ridge")[1] == 28
    assert mae(after, "ridge @ without conflicting-duplicates")[1] == 28
    table = open_run(found.folder / "steps" / "000-start").predictions
    table = table[(table["rung"] == "ridge") & ~table["id"].isin(["row1", "row2"])]
    folds = [np.abs(p["mean"] - p["y"]).mean() for _, p in table.groupby("fold")]
    assert mae(after, "ridge")[0] == pytest.approx(np.mean(folds))


def test_the_controller_is_told_what_there_is(script: Any) -> None:
    last = script.situations[-1]
    assert [f.name for f in last.ladder][:3] == ["mean", "ridge", "nearest_neighbour"]
    assert "distilled_ridge" in [f.name for f in last.ladder]
    assert last.variants[""] == {"n": 30, "by": ""}
    assert last.variants["without column lab"]["by"] == "neutralise"
    assert not last.physics
    assert not last.generator
    conflict = next(f for f in last.findings if f["code"] == "conflicting-duplicates")
    assert conflict["samples"] == 2
    assert conflict["repaired"] == "without conflicting-duplicates"
    assert last.candidates["nearest_neighbour"].step == 1
    assert last.candidates["nearest_neighbour"].seconds > 0
    assert last.elapsed == pytest.approx(sum(_seconds(script)), rel=1e-12)


def _seconds(script: Any) -> list[float]:
    """Of each step, from the differences of what was spent."""
    spent = [0.0, *(s.elapsed for s in script.situations)]
    return list(np.diff(spent))


def test_the_choice_is_what_answers(found: BalancedRun, data: Dataset) -> None:
    assert found.equilibrium.rung == "ridge"
    direct = open_run(found.folder / "steps" / "000-start").predict(data, rung="ridge")
    pd.testing.assert_frame_equal(found.predict(data), direct)
    pd.testing.assert_frame_equal(open_run(found.folder).predict(data), direct)
    assert found.explain(data, "row3").names == open_run(found.folder).explain(data, "row3").names
    other = found.predict(data, candidate="nearest_neighbour @ without conflicting-duplicates")
    assert not np.allclose(other["mean"], direct["mean"])
    with pytest.raises(UsageError, match="no candidate 'nearest_neighbour @ nowhere'"):
        found.predict(data, candidate="nearest_neighbour @ nowhere")


def test_experiments_are_listed_by_their_worth(found: BalancedRun) -> None:
    assert found.asked is not None
    table = pd.read_csv(found.asked)
    assert len(table) == 5
    assert {"id", "worth", "anneal", "carbon", "mean", "low", "high"} <= set(table.columns)
    assert (table["worth"].diff().dropna() <= 1e-9).all()
    assert table["worth"].between(0, 1).all()


def test_the_ledger_holds_the_search(found: BalancedRun) -> None:
    ledger = Ledger.open(found.folder / FILE)
    assert ledger.verify() == ()
    kinds = [entry.kind for entry in ledger.entries()]
    assert kinds[:4] == ["goal", "situation", "verdict", "proposal"]
    assert kinds.count("performed") == len(PROPOSALS)
    assert kinds[-1] == "outcome"


# -- resuming --------------------------------------------------------------------------------------


class Killed(BaseException):
    """Ends a search as a kill would, but for this process."""


def lasting(run: BalancedRun) -> dict[str, Any]:
    """What must not depend on when and how often a search was stopped."""
    evidence = run.evidence[run.evidence["axis"] != "cost"].reset_index(drop=True)
    steps = run.trajectory.drop(columns="seconds").to_json()
    names = sorted(p.name for p in run.folder.glob("**/units/*") if not p.name.startswith(".tmp"))
    held = {
        p.relative_to(run.folder).as_posix(): p.read_bytes()
        for p in run.folder.glob("steps/**/*.parquet")
        if p.name != "costs.parquet"
    }
    kinds = [entry.kind for entry in Ledger.open(run.folder / FILE).entries()]
    return {
        "evidence": evidence.to_json(),
        "steps": steps,
        "names": names,
        "held": held,
        "kinds": kinds,
        "equilibrium": run.equilibrium,
    }


def go(data: Dataset, out: Path, **options: Any) -> BalancedRun:
    script = Script(*PROPOSALS, asks=ASKS)
    return run_balanced(data, out=out, ladder=LADDER, controller=script, **QUICK, **options)


@pytest.mark.parametrize("units", [pytest.param(2, marks=pytest.mark.slow), 13])
def test_a_killed_search_goes_on_and_ends_the_same(
    found: BalancedRun, data: Dataset, tmp_path: Path, units: int
) -> None:
    left = [units]

    def kill(event: Any) -> None:
        if event.unit is not None:
            left[0] -= 1
            if not left[0]:
                raise Killed

    with pytest.raises(Killed):
        go(data, tmp_path / "torn", watch=kill)
    with pytest.raises(InputError, match="stopped before its first result"):
        open_balanced(tmp_path / "torn")
    again = go(data, tmp_path / "torn")
    assert lasting(again) == lasting(found)
    entries = Ledger.open(again.folder / FILE).entries()
    assert len({entry.hash for entry in entries}) == len(entries)


def test_a_finished_search_is_only_read_again(found: BalancedRun, data: Dataset) -> None:
    def contents() -> dict[str, bytes]:
        files = [p for p in sorted(found.folder.rglob("*")) if p.is_file() and p.name != ".lock"]
        return {p.as_posix(): p.read_bytes() for p in files}

    before, events = contents(), []
    go(data, found.folder, watch=events.append)
    assert contents() == before
    assert not events


def test_another_way_does_not_meet_the_data_of_an_earlier_walk(
    data: Dataset, tmp_path: Path
) -> None:
    """With another budget the same step may be another action, or the same on other data."""

    def without(cue: str, out: str) -> BalancedRun:
        said = asked("neutralise", finding="nuisance", cue=f"column {cue}", rung="ridge")
        options = {"out": tmp_path / out, "controller": Script(said)}
        return run_balanced(data, ladder=LADDER, **options, **QUICK)

    first, other = without("lab", "same"), without("anneal", "same")
    direct = without("anneal", "alone")
    name = "ridge @ without column anneal"
    columns = ["rung", "metric", "value"]
    mine, theirs = (
        found.evidence[(found.evidence["rung"] == name) & (found.evidence["axis"] != "cost")][
            columns
        ].reset_index(drop=True)
        for found in (other, direct)
    )
    pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
    folders = [found.candidates[name]["folder"] for found in (other, direct)]
    assert folders == ["001-neutralise-2", "001-neutralise"]
    again = without("anneal", "same")
    assert again.candidates[name]["folder"] == folders[0]
    assert sorted(p.name for p in (first.folder / "steps").iterdir()) == [
        "000-start",
        "001-neutralise",
        "001-neutralise-2",
    ]


def test_numbers_that_an_action_could_not_find_are_recorded(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How closely a student follows a teacher is not known where no teacher helped."""

    def perform(self: Any, arguments: Any, bench: Any) -> Performed:
        return Performed(bench.measure(["nearest_neighbour"]), (), {"fidelity": float("nan")})

    monkeypatch.setattr(PERFORMERS["climb"], "perform", perform)
    script = Script(asked("climb", rung="nearest_neighbour"))
    run_balanced(data, out=tmp_path / "run", ladder=LADDER, controller=script, **QUICK)
    entries = Ledger.open(tmp_path / "run" / FILE).entries()
    (done,) = [entry.body for entry in entries if entry.kind == "performed"]
    assert done["facts"] == {"fidelity": "NaN"}


def test_the_report_shows_the_path(found: BalancedRun, tmp_path: Path) -> None:
    view = open_run(found.folder).view()
    assert view.path is not None
    assert view.path.chosen == found.equilibrium.rung
    page = write_report(view, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>The path</h2>" in page
    actions = [step for step in view.path.steps if step.proposal is not None]
    assert actions
    assert page.count('<p class="severity note"><span>Kept</span>') == sum(
        step.verdict.kept for step in actions
    )
    ordinary = open_run(found.folder / "steps" / "000-start").view()
    assert ordinary.path is None
    plain = write_report(ordinary, tmp_path / "plain.html").read_text(encoding="utf-8")
    assert "<h2>The path</h2>" not in plain


# -- what is refused -------------------------------------------------------------------------------


def test_another_kind_of_folder_is_refused(
    found: BalancedRun, data: Dataset, tmp_path: Path
) -> None:
    step = found.folder / "steps" / "000-start"
    with pytest.raises(InputError, match="holds a run, not a balanced run"):
        open_balanced(step)
    with pytest.raises(InputError, match="another run"):
        run_balanced(data, out=step, ladder=LADDER, **QUICK)
    with pytest.raises(InputError, match="another run"):
        run(data, ladder=["ridge"], out=found.folder, **QUICK)
    with pytest.raises(InputError, match="another run"):  # another seed is another search
        run_balanced(data, out=found.folder, ladder=LADDER, seed=1, **QUICK)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        run_balanced(data, out=tmp_path / "full", ladder=LADDER, **QUICK)


# -- a real kill -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_kill_minus_nine(alloy_table: Path, tmp_path: Path) -> None:
    def start(out: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "from iceframe.cli import main; main()", "balance"]
        command += [str(alloy_table), "--target", "strength", "--out", str(out), "--trials", "0"]
        command += ["--ladder", "ridge,nearest_neighbour", "--folds", "2", "--workers", "1"]
        command += ["--forbid", "distil,repair"]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)

    begin = time.monotonic()
    assert start(tmp_path / "whole").wait() == 0
    usual = time.monotonic() - begin
    draw = np.random.default_rng(0)
    for _ in range(4):
        process = start(tmp_path / "torn")
        try:
            process.wait(draw.uniform(0.2, 0.9) * usual)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert start(tmp_path / "torn").wait() == 0
    whole, torn = (open_balanced(tmp_path / name) for name in ("whole", "torn"))
    a, b = lasting(whole), lasting(torn)
    a["held"], b["held"] = (sorted(side["held"]) for side in (a, b))
    assert json.dumps(a["names"]) == json.dumps(b["names"])
    assert (a["equilibrium"], a["evidence"]) == (b["equilibrium"], b["evidence"])
    assert Ledger.open(torn.folder / FILE).verify() == ()

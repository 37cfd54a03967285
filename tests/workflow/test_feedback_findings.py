"""What audits find and what a search does about it: every code, and cues with many findings."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

import iceframe
from iceframe.balance.action import ACTIONS
from iceframe.balance.actions.repair import REPAIRABLE
from iceframe.balance.goal import Goal
from iceframe.balance.situation import Measured, RungFacts, Situation
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Equilibrium, Evidence, Fold, Splits, Status
from iceframe.ingest import check
from iceframe.ingest.neutral import Kind
from iceframe.measure.audits.image_shifts import shifts_of
from iceframe.workflow.feedback import observe, run_balanced
from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.performing.repair import at_fault

from .feedback_script import Script, asked

PACKAGE = Path(iceframe.__file__).parent
QUICK: dict[str, Any] = {"folds": 2, "workers": 1, "trials": 0}
SPELLED = {  # what stands in the braces of a code
    "code": ["blank-images", "saturated-images", "odd-images"],
    "one.name": ["measurement noise", "missing values", *shifts_of("grey"), *shifts_of("phase")],
    "one.cue.kind.replace(' ', '-')": [kind.replace(" ", "-") for kind in get_args(Kind)],
}


def codes_in(*folder: str) -> set[str]:
    """The codes of all findings that the modules of a folder can raise, read from their source."""
    found: set[str] = set()
    for path in PACKAGE.joinpath(*folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding" and node.args:
                found |= _spelled(node.args[0])
    return found


def _spelled(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant):
        return {str(node.value)}
    if isinstance(node, ast.IfExp):
        return _spelled(node.body) | _spelled(node.orelse)
    if isinstance(node, ast.Name):
        return set(SPELLED[node.id])
    assert isinstance(node, ast.JoinedStr), ast.unparse(node)
    start, braces = node.values
    assert isinstance(start, ast.Constant)
    assert isinstance(braces, ast.FormattedValue)
    return {f"{start.value}{name}" for name in SPELLED[ast.unparse(braces.value)]}


OF_DATA = codes_in("ingest", "audit")
OF_MODELS = codes_in("measure", "audits")


def proposed(action: str, **finding: Any) -> bool:
    """Whether an action is proposed for this finding, where ``ridge`` leads."""
    told = {"severity": "warning", "title": "Something.", "remedy": "", "cue": "", "repaired": ""}
    rows = (Evidence("ridge", "fidelity", "mae", 1.0, folds=(1.0, 1.1), better="lower"),)
    situation = Situation(
        "regression",
        "mae",
        n=100,
        n_train=50,
        n_test=50,
        ladder=(RungFacts("ridge", "table", "light", True),),
        candidates={"ridge": Measured("ridge", "", 0, 1.0)},
        evidence=rows,
        findings=({**told, "samples": 3, **finding},),
        variants={"": {"n": 100, "by": ""}},
    )
    led = Equilibrium("ridge", Status.CONVERGED, "", ())
    return bool(ACTIONS[action]().propose(situation, led, Goal()))


def test_the_codes_are_found_in_the_source() -> None:
    assert {"nuisance", "duplicates-across-folds", "target-missing"} <= OF_DATA
    assert {"shortcut", "cue-scale-bar", "shift-blur", "nuisance-in-latents"} <= OF_MODELS
    assert not OF_DATA & OF_MODELS


@pytest.mark.parametrize("code", sorted(OF_DATA | OF_MODELS))
def test_what_is_done_about_a_finding_follows_from_its_code_and_its_cue(code: str) -> None:
    assert proposed("repair", code=code) == (code in REPAIRABLE)
    assert not proposed("neutralise", code=code)
    assert proposed("neutralise", code=code, cue="brightness")
    assert not proposed("repair", code=code, cue="brightness")  # what is known is taken out
    assert not proposed("neutralise", code=code, cue="brightness", repaired="without brightness")


def test_only_what_the_audit_of_data_raises_can_be_repaired() -> None:
    assert set(REPAIRABLE) <= OF_DATA
    assert {code for code in OF_DATA if code.endswith("-across-folds")} - set(REPAIRABLE) == {
        "specimens-across-folds",  # no sample is at fault: the split is
        "groups-across-folds",
    }


def faulty(code: str) -> tuple[Dataset, Splits]:
    """Sixty samples with one fault, split in the order in which they stand."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
    table["y"] = table["a"] + rng.normal(size=60)
    table.index = pd.Index([f"s{i}" for i in range(60)])
    options: dict[str, Any] = {}
    if code == "compositions-across-folds":
        table["formula"] = [f"Fe{i + 1}C{60 - i}" for i in range(60)]
        table.loc["s1", "formula"] = table.loc["s58", "formula"]
        table.loc["s2", "formula"] = table.loc["s57", "formula"]
        options["composition"] = "formula"
    else:
        table.loc["s1", ["a", "b", "c"]] = table.loc["s58", ["a", "b", "c"]]
        table.loc["s1", "y"] = table.loc["s58", "y"] + 40 * (code == "conflicting-duplicates")
    halves = np.arange(30), np.arange(30, 60)
    folds = Fold("first", halves[1], halves[0]), Fold("second", halves[0], halves[1])
    return Dataset(table, "y", "regression", ("a", "b", "c"), **options), Splits("given", folds)


@pytest.mark.parametrize("code", REPAIRABLE)
def test_a_repair_goes_on_until_the_audit_is_content(code: str) -> None:
    data, splits = faulty(code)
    (finding,) = [f for f in check(data, splits).findings if f.code == code]
    bench = SimpleNamespace(data=lambda base: data, splits=lambda base: splits, seed=0)
    gone = at_fault(bench, "", code)  # type: ignore[arg-type]
    assert set(finding.samples) <= set(gone)
    assert set(gone) <= {"s1", "s2", "s57", "s58"}


def findings_of(script: Script, step: int) -> list[Mapping[str, Any]]:
    return list(script.situations[step].findings)


def test_all_findings_on_a_cue_are_mended_with_it(
    alloys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = alloys(30)
    data = Dataset(frame, "strength", "regression", tuple(frame.columns.drop("strength")))
    cue = "column batch_humidity"
    about = {"severity": "warning", "title": "", "remedy": "", "samples": 30, "repaired": ""}
    named = [("cue-column", cue), ("shortcut", cue), ("shortcut", "brightness")]
    monkeypatch.setattr(
        observe, "planted_cues", lambda _: [{**about, "code": c, "cue": q} for c, q in named]
    )
    script = Script(asked("neutralise", finding="shortcut", cue=cue, rung="ridge"))
    run_balanced(data, out=tmp_path / "run", ladder=["ridge"], controller=script, **QUICK)
    before, after = (
        {(f["code"], f["cue"]): f["repaired"] for f in findings_of(script, step) if f["cue"]}
        for step in (0, 1)
    )
    assert set(before.values()) == {""}
    assert after == {
        ("cue-column", cue): f"without {cue}",
        ("shortcut", cue): f"without {cue}",
        ("shortcut", "brightness"): "",
    }


def test_what_was_mended_and_could_not_be_measured_is_not_repaired(
    alloys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = alloys(30).rename(columns={"batch_humidity": "lab"})
    data = Dataset(frame, "strength", "regression", tuple(frame.columns.drop("strength")))
    about = {"severity": "warning", "title": "", "remedy": "", "samples": 30, "repaired": ""}
    told = [{**about, "code": "cue-column", "cue": "column lab"}]
    monkeypatch.setattr(observe, "planted_cues", lambda _: [dict(row) for row in told])
    measure = Bench.measure

    def only_as_given(self: Bench, rungs: Any, variant: str = "", *more: Any) -> tuple[str, ...]:
        if variant:
            raise InputError("It cannot be fitted.")
        return measure(self, rungs, variant, *more)

    monkeypatch.setattr(Bench, "measure", only_as_given)
    script = Script(asked("neutralise", finding="cue-column", cue="column lab", rung="ridge"))
    run_balanced(data, out=tmp_path / "run", ladder=["ridge"], controller=script, **QUICK)
    assert "without column lab" in script.situations[1].variants
    (row,) = [f for f in findings_of(script, 1) if f["cue"] == "column lab"]
    assert row["repaired"] == ""


def test_behind_one_cue_of_the_recording_the_next_is_looked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=120)
    table = pd.DataFrame({"a": rng.normal(size=120), "y": y})
    for name, noise in (("lab", 0.1), ("batch", 0.2)):
        table[name] = y + noise * rng.normal(size=120)
    table.index = pd.Index([f"s{i}" for i in range(120)])
    data = Dataset(table, "y", "regression", ("a", "lab", "batch"))
    first, second = (
        asked("neutralise", finding="nuisance", cue=f"column {name}", rung="ridge", variant=base)
        for name, base in (("lab", ""), ("batch", "without column lab"))
    )
    script = Script(first, second)
    run_balanced(data, out=tmp_path / "run", ladder=["ridge"], controller=script, **QUICK)
    told = [
        {f["cue"]: f["repaired"] for f in findings_of(script, step) if f["code"] == "nuisance"}
        for step in range(3)
    ]
    lab, both = "without column lab", "without column lab, without column batch"
    assert told[0] == {"column lab": ""}
    assert told[1] == {"column lab": lab, "column batch": ""}
    assert told[2] == {"column lab": both, "column batch": both}

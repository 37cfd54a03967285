"""``iceframe ledger``: verify, show and replay, each by its exit code and its words."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from iceframe.balance.controller import init, step
from iceframe.balance.goal import Goal
from iceframe.balance.record import goal_record, step_records
from iceframe.balance.situation import Measured, RungFacts, Situation
from iceframe.balance.state import Outcome
from iceframe.core.errors import InputError, UsageError
from iceframe.core.ledger import FILE, Ledger
from iceframe.core.values import Evidence


def situation(names: list[str]) -> Situation:
    losses = {"mean": 1.0, "ridge": 0.4, "svm": 0.5}
    rows = []
    for name in names:
        folds = tuple(losses[name] + 0.01 * i for i in range(5))
        rows.append(Evidence(name, "fidelity", "mae", sum(folds) / 5, folds=folds, better="lower"))
        rows.append(
            Evidence(name, "complexity", "complexity", {"mean": 0.0}.get(name, losses[name]))
        )
    return Situation(
        "regression", "mae", 100, 80.0, 20.0,
        tuple(RungFacts(name, "table", "light", True) for name in losses),
        candidates={name: Measured(name, "", i, 1.0) for i, name in enumerate(names)},
        evidence=tuple(rows),
        variants={"": {"n": 100, "by": ""}},
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with the ledger of a search over three rungs."""
    ledger, goal = Ledger.create(tmp_path / FILE), Goal(floors={"mae": 0.6})
    ledger.extend([goal_record(goal)])
    names, state, previous = ["mean", "ridge"], init(goal), None
    while True:
        now = situation(names)
        state, said = step(state, now)
        ledger.extend(step_records(state, now, said, previous))
        previous = now
        if isinstance(said, Outcome):
            return tmp_path
        names.append(said.arguments["rung"])


def call(*arguments: object) -> Result:
    module = importlib.import_module("iceframe.cli.commands.ledger")
    return CliRunner().invoke(module.app, ["ledger", *map(str, arguments)])


def test_a_whole_ledger_is_verified_in_a_sentence(run: Path) -> None:
    result = call("verify", run)
    assert result.exit_code == 0
    count = len(Ledger.open(run / FILE).entries())
    assert result.output.startswith(f"The ledger is as it was written: {count} entries;")


def test_a_changed_ledger_ends_with_what_and_where(run: Path) -> None:
    raw = (run / FILE).read_bytes()
    (run / FILE).write_bytes(raw.replace(b'"leader":"ridge"', b'"leader":"Ridge"', 1))
    result = call("verify", run)
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 1
    assert "entry 3" in str(result.exception)
    assert str(run / FILE) in str(result.exception)
    assert "restore" in str(result.exception)


def test_a_ledger_that_was_written_anew_does_not_hold_the_hash_that_was_noted(run: Path) -> None:
    entries = Ledger.open(run / FILE).entries()
    noted = entries[-1].hash
    assert call("verify", run, "--expect", noted).output.endswith(f"of entry {len(entries)}.\n")
    Ledger.open(run / FILE).append("goal", {"floors": {}})  # a search that goes on
    assert f"of entry {len(entries)}." in call("verify", run, "--expect", noted).output

    (run / FILE).unlink()
    anew = Ledger.create(run / FILE)
    for entry in entries:  # who rewrites ledger and digest hides a change,
        body = {**entry.body, "leader": "svm"} if entry.kind == "verdict" else entry.body
        anew.append(entry.kind, body, entry.time)
    assert call("verify", run).exit_code == 0
    result = call("verify", run, "--expect", noted)  # but for whom noted the hash
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 1
    assert "written anew" in str(result.exception)
    earlier = call("verify", run, "--expect", entries[0].hash)
    assert "that of entry 1." in earlier.output  # up to there nothing differs
    cut = call("verify", run, "--expect", noted[:12])
    assert isinstance(cut.exception, UsageError)


def test_the_way_is_shown(run: Path) -> None:
    shown = call("show", run).output
    for words in (
        "floors mae=0.6",
        "climb: rung svm",
        "rejected:",
        "Equilibrium: ridge (CONVERGED)",
    ):
        assert words in shown
    rows = json.loads(call("show", run, "--json").output)
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["body"]["equilibrium"]["rung"] == "ridge"


def test_decisions_are_replayed(run: Path) -> None:
    assert call("replay", run).output == "All 2 decisions are equal, bit for bit.\n"
    ledger = Ledger.open(run / FILE)
    body = dict(ledger.entries()[-1].body)
    ledger.append("outcome", body)
    result = call("replay", run)
    assert isinstance(result.exception, InputError)
    assert "no decision is due here" in str(result.exception)


@pytest.mark.parametrize("command", ["verify", "show", "replay"])
def test_a_folder_without_a_ledger_says_what_to_give(tmp_path: Path, command: str) -> None:
    result = call(command, tmp_path)
    assert isinstance(result.exception, InputError)
    assert "There is no ledger here" in str(result.exception)

"""The balanced loop on the planted data sets: what it ends with, and how much it had to measure.

The controller is pure: it answers to evidence. So it is driven over what the climb of a data set
measured, rung by rung as it asks for them (:func:`replayed`); nothing is fitted again, and every
data set is balanced. As a check some are balanced by the workflow itself (:func:`searched`), which
measures explanations and intervals as well and costs several times a climb.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from studies.paradox.pieces import Piece
from studies.planted_truth.climb import AT_ONCE, evidence_of
from studies.planted_truth.judging import Outcome, judged
from studies.planted_truth.pieces import Key, Study
from studies.planted_truth.truths import Planted

from iceframe.balance.action import Proposal
from iceframe.balance.controller import init, step
from iceframe.balance.goal import Goal
from iceframe.balance.situation import GIVEN, Measured, Situation
from iceframe.core.files import write_json
from iceframe.core.values import Equilibrium, Evidence, Status
from iceframe.scale.rung import RUNGS
from iceframe.workflow.feedback.balanced import BalancedRun
from iceframe.workflow.feedback.ladder import EFFORTS, facts_of, start_of
from iceframe.workflow.feedback.session import run_balanced

FORBIDDEN = ("distil",)  # a student is no rung of this ladder


# -- over what was measured ------------------------------------------------------------------------


@dataclass(frozen=True)
class Replayed:
    """How the loop ended, and the rungs that it measured, in order."""

    equilibrium: Equilibrium
    measured: tuple[str, ...]


def replayed(record: Mapping[str, Any], order: Sequence[str] | None = None) -> Replayed:
    """Balance a data set on the evidence of its climb.

    ``order``: of the ladder; within one effort the loop keeps to it.
    """
    rows = evidence_of(record)
    names = list(order or dict.fromkeys(row.rung for row in rows))
    ladder = sorted(names, key=lambda name: EFFORTS.index(RUNGS[name].effort))
    measured = start_of(ladder)
    state = init(Goal(forbidden=FORBIDDEN))
    while True:
        state, result = step(state, _situation(record, rows, ladder, measured))
        if not isinstance(result, Proposal):
            return Replayed(result.equilibrium, tuple(measured))
        if result.action not in ("climb", "descend"):
            raise RuntimeError(f"nothing here can {result.action}")
        measured.append(str(result.arguments["rung"]))


def _situation(
    record: Mapping[str, Any],
    rows: Sequence[Evidence],
    ladder: Sequence[str],
    measured: Sequence[str],
) -> Situation:
    seconds = {rung: float(record["seconds"][rung]) for rung in measured}
    return Situation(
        task="regression",
        loss="mae",
        n=record["n"],
        n_train=record["n_train"],
        n_test=record["n_test"],
        ladder=tuple(facts_of(name) for name in ladder),
        rope=record["rope"],
        candidates={
            rung: Measured(rung, GIVEN, i, seconds[rung]) for i, rung in enumerate(measured)
        },
        evidence=tuple(row for rung in measured for row in rows if row.rung == rung),
        variants={GIVEN: {"n": record["n"], "by": ""}},
        elapsed=sum(seconds.values()),
    )


# -- by the workflow -------------------------------------------------------------------------------


def pieces(study: Study) -> list[Piece]:
    """One search a data set."""
    keys = study.keys(min(study.looped, study.each))
    return [Piece(f"{key.name} loop", path_of(study, key), _making(study, key)) for key in keys]


def path_of(study: Study, key: Key) -> Path:
    """Where the search on a data set lies."""
    return study.out / "loops" / f"{key.name}.json"


def _making(study: Study, key: Key) -> Callable[[], None]:
    def make() -> None:
        write_json(path_of(study, key), searched(study, key))

    return make


def searched(study: Study, key: Key) -> dict[str, Any]:
    """Balance a planted data set; plain values: the equilibrium, the steps, what it cost, and the
    true loss and the complexity of the chosen candidate."""
    truth, settings = study.truth(key), study.settings(key)
    start = time.process_time()
    with tempfile.TemporaryDirectory(prefix="planted-truth-") as folder:
        found = run_balanced(
            truth.data, out=Path(folder) / "run", ladder=settings.ladder, forbid=FORBIDDEN,
            descriptors=settings.descriptors, splits=settings.splits, folds=settings.folds,
            seed=settings.seed, trials=settings.trials, device="cpu", workers=1,
        )  # fmt: skip
        seconds = time.process_time() - start
        chosen = found.equilibrium.rung
        return {
            "kind": key.kind,
            "number": key.number,
            "seed": key.seed,
            "equilibrium": found.equilibrium.as_dict(),
            "true": None if chosen is None else _true_loss(found, truth),
            "complexity": None if chosen is None else _complexity(found, chosen),
            "candidates": list(found.candidates),
            "actions": found.trajectory["action"].tolist(),
            "seconds": round(seconds, 1),
        }


def _true_loss(found: BalancedRun, truth: Planted) -> float:
    starts = range(0, len(truth.fresh), AT_ONCE)
    parts = [
        found.predict(truth.fresh.take(np.arange(s, min(s + AT_ONCE, len(truth.fresh)))))["mean"]
        for s in starts
    ]
    return truth.loss(np.concatenate([part.to_numpy(float) for part in parts]))


def _complexity(found: BalancedRun, candidate: str) -> float:
    rows = found.evidence
    mine = rows[(rows["rung"] == candidate) & (rows["metric"] == "complexity")]
    return float(mine["value"].iloc[0])


def outcome_of(held: Mapping[str, Any], climb: Mapping[str, Any]) -> Outcome:
    """The verdict on a search, given the climb of the same data set.

    A candidate on changed data stands beside the rungs of the climb with its own true loss.
    """
    body = held["equilibrium"]
    found = Equilibrium(
        body["rung"], Status(body["status"]), body["remedy"], tuple(body["reasons"])
    )
    name = found.rung
    known = dict(climb)
    if name is not None and name not in climb["true"]:
        row = {"rung": name, "axis": "complexity", "metric": "complexity",
               "value": held["complexity"], "folds": []}  # fmt: skip
        known["true"] = {**climb["true"], name: held["true"]}
        known["evidence"] = [*climb["evidence"], row]
    return judged(climb, found, truth=known)

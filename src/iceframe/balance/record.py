"""What stands in the ledger of a search, and the decisions made again from it.

A step of the controller leaves a ``situation``, a ``verdict`` where an action was judged, and a
``proposal`` or the ``outcome``; before the first stands the ``goal``. Evidence that stood there
before is not written again: ``evidence_from`` says how many rows are those of the situation before.
Numbers that are not finite are the strings ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from iceframe.balance.action import Proposal
from iceframe.balance.controller import init, step
from iceframe.balance.goal import Goal
from iceframe.balance.situation import Measured, RungFacts, Situation
from iceframe.balance.state import Outcome, State, Step, goal_from_dict
from iceframe.core.ledger import canonical
from iceframe.core.values import Evidence

Body = dict[str, Any]
KINDS = ("goal", "situation", "verdict", "proposal", "outcome")


def goal_record(goal: Goal) -> tuple[str, Body]:
    """The first entry of a search: its kind and its body."""
    return "goal", goal.as_dict()


def step_records(
    state: State, situation: Situation, result: Proposal | Outcome, previous: Situation | None
) -> list[tuple[str, Body]]:
    """The entries of one step: kinds and bodies, in order.

    ``state`` and ``result`` are what :func:`iceframe.balance.controller.step` answered to
    ``situation``; ``previous`` is the situation of the step before, ``None`` at the first.
    """
    records = [("situation", situation_as_dict(situation, previous))]
    if state.steps:
        records.append(("verdict", state.steps[-1].as_dict()))
    kind = "proposal" if isinstance(result, Proposal) else "outcome"
    return [*records, (kind, finite(result.as_dict()))]


def steps_of(records: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Step, ...]:
    """The trajectory in the entries of a ledger: the steps since the last goal."""
    found: list[Step] = []
    for kind, body in records:
        if kind == "goal":
            found = []
        elif kind == "verdict":
            found.append(Step.from_dict(body))
    return tuple(found)


def replay(records: Iterable[tuple[str, Mapping[str, Any]]]) -> list[str]:
    """What differs when every decision is made again from the recorded situations.

    ``records``: kinds and bodies of all entries in order; kinds that are not of the controller are
    passed over. Each mismatch names its entry, counted from 1. Empty: all are equal, bit for bit.
    """
    state: State | None = None
    situation: Situation | None = None
    expected: list[tuple[str, Body]] = []
    mismatches = []
    for number, (kind, body) in enumerate(records, 1):
        where = f"entry {number} ({kind})"
        if kind in ("goal", "situation") and expected:
            mismatches.append(f"{where}: {expected[0][0]} is missing before it")
        if kind == "goal":
            state, situation, expected = init(goal_from_dict(body)), None, []
        elif state is None and kind in KINDS:
            mismatches.append(f"{where}: no goal stands before it")
        elif kind == "situation" and state is not None:
            previous, situation = situation, situation_from_dict(body, situation)
            state, result = step(state, situation)
            expected = step_records(state, situation, result, previous)[1:]
        elif kind in KINDS:
            mismatches += [f"{where}: {what}" for what in _compared(kind, body, expected)]
            expected = expected[1:]
    if expected:
        mismatches.append(f"the end: {expected[0][0]} is missing")
    return mismatches


def _compared(
    kind: str, body: Mapping[str, Any], expected: Sequence[tuple[str, Body]]
) -> list[str]:
    if not expected:
        return ["no decision is due here"]
    due, mine = expected[0]
    if due != kind:
        return [f"a {due} is due here"]
    if canonical(finite(mine)) != canonical(body):
        return [f"recorded {_brief(kind, body)}, decided now {_brief(due, mine)}"]
    return []


def _brief(kind: str, body: Mapping[str, Any]) -> str:
    if kind == "proposal":
        return f"{body.get('action')} {canonical(body.get('arguments', {}))}"
    if kind == "outcome":
        held = body.get("equilibrium", {})
        return f"{held.get('rung')} ({held.get('status')})"
    held = body.get("verdict", {})
    return f"{'kept' if held.get('kept') else 'rejected'}, {body.get('leader')} leads"


def situation_as_dict(situation: Situation, previous: Situation | None = None) -> Body:
    """A plain mapping, for JSON; see the module."""
    known = previous.evidence if previous is not None else ()
    texts = [canonical(finite(row.as_dict())) for row in situation.evidence[: len(known)]]
    same = texts == [canonical(finite(row.as_dict())) for row in known]
    start = len(known) if same else 0
    return finite(
        {
            **{name: getattr(situation, name) for name in _PLAIN},
            "ladder": [asdict(facts) for facts in situation.ladder],
            "candidates": [[name, asdict(held)] for name, held in situation.candidates.items()],
            "findings": [dict(finding) for finding in situation.findings],
            "variants": [[name, dict(about)] for name, about in situation.variants.items()],
            "evidence_from": start,
            "evidence": [row.as_dict() for row in situation.evidence[start:]],
        }
    )


def situation_from_dict(body: Mapping[str, Any], previous: Situation | None = None) -> Situation:
    """The situation that :func:`situation_as_dict` wrote."""
    held: Body = {name: body[name] for name in _PLAIN}
    for name in ("n_train", "n_test", "rope", "level", "elapsed"):
        held[name] = None if body[name] is None else float(body[name])
    known = previous.evidence[: body["evidence_from"]] if previous is not None else ()
    return Situation(
        **held,
        ladder=tuple(RungFacts(**facts) for facts in body["ladder"]),
        candidates={name: _measured(about) for name, about in body["candidates"]},
        findings=tuple(body["findings"]),
        variants={name: dict(about) for name, about in body["variants"]},
        evidence=(*known, *(_evidence(row) for row in body["evidence"])),
    )


_PLAIN = (
    "task", "loss", "n", "n_train", "n_test", "rope", "rope_source", "level", "physics",
    "sensitivities", "generator", "unlabelled", "elapsed",
)  # fmt: skip


def _measured(body: Mapping[str, Any]) -> Measured:
    return Measured(**{**body, "seconds": float(body["seconds"])})


def _evidence(body: Mapping[str, Any]) -> Evidence:
    numbers = {name: float(body[name]) for name in ("value", "low", "high")}
    return Evidence(**{**body, **numbers, "folds": tuple(map(float, body["folds"]))})


def finite(value: Any) -> Any:
    """JSON values with strings for the numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): finite(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [finite(held) for held in value]
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value

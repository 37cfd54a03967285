"""How a search ends, in words: the status, its remedy, and why nothing more is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from iceframe.balance.action import ACTIONS, Proposal
from iceframe.balance.decision import WEIGHTS
from iceframe.balance.keeping import Choice, choose
from iceframe.balance.standing import Standing
from iceframe.balance.state import Outcome, State
from iceframe.balance.verdict import weights_told
from iceframe.balance.wording import listed, number
from iceframe.core.values import Equilibrium, Evidence, Status


def settled(now: Standing, choice: Choice, declined: Sequence[str]) -> Outcome:
    """Nothing is worth its cost: converged, oscillating with the weight of C1, or infeasible."""
    equilibrium = _with_rejected(choice)
    if equilibrium.rung is None:
        asks = tuple(ACTIONS["ask"]().propose(now.situation, equilibrium, now.goal))
        asks = () if "ask" in now.goal.forbidden else asks
        told = " ".join(
            [equilibrium.remedy, *_hints(now), *(f"By experiment: {a.why}" for a in asks)]
        )
        return Outcome(
            replace(equilibrium, remedy=told), _reasons(now, declined), asks, choice.leader
        )
    choices = {w: choose(now.situation, now.goal, weight=w).equilibrium.rung for w in WEIGHTS}
    if equilibrium.status is Status.CONVERGED and len(set(choices.values())) > 1:
        equilibrium = _depends(equilibrium, {w: c or "none" for w, c in choices.items()})
    return Outcome(equilibrium, _reasons(now, declined))


def budget_spent(
    now: Standing, choice: Choice, state: State, left: Sequence[Proposal], declined: Sequence[str]
) -> Outcome:
    """Something is worth its cost (``left``, the best first) and there is no budget for it."""
    if convincing(now):
        spared = [f"{_called(p)}: the floors are met, and it is not needed." for p in left]
        return settled(now, choice, [*spared, *declined])
    equilibrium = _with_rejected(choose(now.situation, now.goal, exhausted=True))
    names = "; ".join(_called(p) for p in left[:3])
    if len(state.tried) >= state.goal.most_actions:
        limit = f"{state.goal.most_actions} actions were taken; allow more of them"
    else:
        seconds = min(p.seconds for p in left)
        limit = f"repeat the search with about {number(seconds)} s more of --budget, or more"
    best = equilibrium.rung or choice.leader
    role = "the choice" if equilibrium.rung else "the nearest to the floors"
    chosen = f"`{best}` is {role} among what was measured. " if best else ""
    remedy = f"{chosen}Worth trying next: {names}; {limit}."
    ended = replace(equilibrium, status=Status.BUDGET_EXHAUSTED, remedy=remedy)
    reasons = tuple(f"{_called(p)}: {p.why}" for p in left)
    return Outcome(ended, (*reasons, *declined), (), "" if ended.rung else choice.leader)


def cycle(now: Standing, choice: Choice, state: State) -> Outcome:
    """The choice returned to a candidate that it had left: actions undo one another."""
    again = state.choices[-1]
    loop = state.choices[state.choices.index(again) :]
    undone = [s.proposal.action for s in state.steps if s.proposal and s.leader in loop]
    names = ", ".join(dict.fromkeys(undone))
    remedy = (
        f"The choice went round: {' → '.join(f'`{name}`' for name in loop)}. Take the simplest of "
        f"these, forbid one of the actions that led from one to the other ({names}), or set a "
        "floor that only one meets."
    )
    ended = replace(_with_rejected(choice), status=Status.OSCILLATING, remedy=remedy)
    return Outcome(ended, ("The choice returned to a candidate that it had left.",))


def _hints(now: Standing) -> list[str]:
    """What could be had where it is not there."""
    of = now.situation
    if "transparency" in now.unmet and not (of.physics or of.sensitivities):
        return ["Where the law that makes the target is known, a network can be taught to agree."]
    return []


def convincing(now: Standing) -> bool:
    """Whether there are floors, and the leader meets them even where each of its numbers is that of
    its worst fold."""
    leader = now.leader
    if leader is None or not now.goal.floors:
        return False
    evidence = {metric: replace(row, value=_worst(row)) for metric, row in leader.evidence.items()}
    worst = replace(leader, evidence=evidence, loss=max(leader.folds, default=leader.loss))
    return not now.missed_by(worst)


def _worst(row: Evidence) -> float:
    values = [f for f in row.folds if np.isfinite(f)] or [row.value]
    return min(values) if row.better == "higher" else max(values)


def _with_rejected(choice: Choice) -> Equilibrium:
    """The equilibrium with a reason for what was left out of the decision."""
    held = choice.equilibrium
    return replace(held, reasons=(*held.reasons, *choice.rejected.values()))


def _depends(equilibrium: Equilibrium, choices: Mapping[float, str]) -> Equilibrium:
    """The choice changes with the weight of C1."""
    names = sorted(
        set(choices.values()), key=lambda n: min(w for w, c in choices.items() if c == n)
    )
    spread = "; ".join(f"`{n}` for {weights_told(choices, n)}" for n in names)
    told = f"The choice depends on the weight of C1 in the complexity: {spread}."
    remedy = (
        f"{listed(names)} change places with the weight of C1: {spread}. Take the one whose "
        "explanation you can use and set a floor that only it meets, or add data or folds."
    )
    stable = "The choice stays the same while C1's weight runs from 0.25 to 0.75."
    reasons = tuple(told if reason == stable else reason for reason in equilibrium.reasons)
    return replace(equilibrium, status=Status.OSCILLATING, remedy=remedy, reasons=reasons)


def _reasons(now: Standing, declined: Sequence[str]) -> tuple[str, ...]:
    if declined:
        return tuple(declined)
    allowed = f", but for what is forbidden ({', '.join(now.goal.forbidden)})"
    return (f"Every action that applies was taken{allowed if now.goal.forbidden else ''}.",)


def _called(proposal: Proposal) -> str:
    """An action as a person calls it.

    >>> _called(Proposal("climb", {"rung": "gp", "variant": ""}, {}, 1.0, ""))
    'climb `gp`'
    """
    arguments = proposal.arguments
    what = arguments.get("student") or arguments.get("finding") or arguments.get("rung")
    more = f"{arguments['samples']} samples for " if "samples" in arguments else ""
    where = f" on '{arguments['variant']}'" if arguments.get("variant") else ""
    return f"{proposal.action} {more}`{what}`{where}"

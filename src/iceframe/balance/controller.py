"""The controller: from what was measured to the next action, or to the end of the search.

``init(goal)`` gives the state; ``step(state, situation)`` the next state and either a ``Proposal``
to carry out or the ``Outcome``. Pure: no clock, no file, no randomness. The same state and
situation give the same answer, so a search can be made again from its ledger
(:func:`iceframe.balance.record.replay`).

A step judges the action that is pending, and looks for the next:

1. *Judge.* The choice is made again over all that counts (:mod:`iceframe.balance.keeping`). The
   action is kept if what it measured is chosen now, or is nearer to the floors than what led. One
   that mends the data is judged by its own rule (:mod:`iceframe.balance.mending`).
2. *Propose.* All actions propose; what was tried with equal arguments or is forbidden is left out;
   the rest is ranked (:mod:`iceframe.balance.ranking`).
3. *Stop.* ``OSCILLATING``: the choice returned to a candidate that it had left, or changes place
   with the weight of C1. ``BUDGET_EXHAUSTED``: something is worth its cost, and there is no budget
   for it. ``INFEASIBLE``: no candidate may be chosen, and nothing is left to try. ``CONVERGED``:
   nothing is worth its cost.

The pattern is that of BlackJAX's and optax's ``init``/``step``: state in, state and result out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from iceframe.balance.action import ACTIONS, Proposal, Verdict
from iceframe.balance.candidates import Candidate
from iceframe.balance.ending import budget_spent, cycle, settled
from iceframe.balance.goal import Goal
from iceframe.balance.keeping import Choice, choose, in_scope
from iceframe.balance.mending import mended
from iceframe.balance.ranking import MENDING, not_worth, rank, tried_as
from iceframe.balance.situation import GIVEN, Measured, Situation, candidate_name
from iceframe.balance.standing import Standing, standing
from iceframe.balance.state import Outcome, State, Step
from iceframe.core.values import Axis

FULL = 0.01  # nearer than this to full transparency, a share of what is missing says nothing


def init(goal: Goal) -> State:
    """The state before anything is known."""
    return State(goal)


def step(state: State, situation: Situation) -> tuple[State, Proposal | Outcome]:
    """Judge the pending action, and propose the next one or end."""
    state, scoped, choice = _judged(state, situation)
    now = standing(scoped, choice.leader, state.goal)
    if len(set(state.choices)) < len(state.choices):
        return state, cycle(now, choice, state)
    found = _untried(state, scoped, choice)
    worth = [p for p in found if not not_worth(p, now)]
    declined = [not_worth(p, now) for p in found if p not in worth]
    affordable = [p for p in worth if _affordable(p, situation, state)]
    if affordable:
        best = min(affordable, key=lambda p: rank(p, now))
        state = replace(state, pending=best, tried=(*state.tried, tried_as(best)))
        return state, best
    if worth:
        ranked = sorted(worth, key=lambda p: rank(p, now))
        return state, budget_spent(now, choice, state, ranked, declined)
    return state, settled(now, choice, declined)


# -- judging -----------------------------------------------------------------------------------


def _judged(state: State, situation: Situation) -> tuple[State, Situation, Choice]:
    """The state with the pending action judged, the situation as far as it counts, the choice."""
    pending = state.pending
    base = str(pending.arguments.get("variant", GIVEN)) if pending else GIVEN
    made = [v for v in situation.variants if v not in state.bases]
    state = replace(state, bases={**state.bases, **dict.fromkeys(made, base)})
    new = tuple(n for n in situation.candidates if n not in state.seen)
    verdict: Verdict | None = None
    if pending is not None and pending.action in MENDING:
        verdict = mended(pending, _within(state, situation), made, new)
        if verdict.kept:
            state = replace(state, root=made[0], choices=())
    scoped = _within(state, situation)
    choice = choose(scoped, state.goal)
    if pending is None and not new:
        return state, scoped, choice
    if pending is not None and verdict is None:
        verdict = _verdict(state, scoped, choice, new)
    done = Step(
        len(state.tried) if pending else 0,
        pending,
        verdict or Verdict(True, "Measured before the first proposal."),
        new,
        choice.leader,
    )
    chosen = choice.equilibrium.rung
    choices = state.choices
    if chosen is not None and choices[-1:] != (chosen,):
        choices = (*choices, chosen)
    state = replace(
        state,
        pending=None,
        steps=(*state.steps, done),
        seen=(*state.seen, *new),
        choices=choices,
    )
    return state, scoped, choice


def _within(state: State, situation: Situation) -> Situation:
    """The situation as far as it counts; what was proposed and not measured has failed."""
    lost = {}
    for done in state.steps:
        if done.proposal is None or done.proposal.action in (*MENDING, "simulate"):
            continue
        arguments = done.proposal.arguments
        rung = arguments.get("student") or arguments.get("rung")
        if rung and not done.candidates:
            name = candidate_name(rung, arguments["variant"])
            lost[name] = Measured(rung, arguments["variant"], done.number, 0.0, done.verdict.why)
    candidates = {**lost, **situation.candidates}
    situation = replace(situation, candidates=candidates) if lost else situation
    return in_scope(situation, [v for v in situation.variants if state.counts(v)])


def _verdict(state: State, scoped: Situation, choice: Choice, new: Sequence[str]) -> Verdict:
    """Whether an action that mends nothing helped."""
    if not new:
        return Verdict(False, "It could not be carried out: nothing was measured.")
    after = standing(scoped, choice.leader, state.goal)
    before = after.candidates.get(state.leader)
    mine = [after.candidates[n] for n in new if n in after.candidates]
    known = [c for c in mine if np.isfinite(c.loss)]
    if not known:
        failed = "; ".join(filter(None, (scoped.candidates[n].failed for n in new)))
        return Verdict(False, f"{_listed(new)} failed: {failed or 'no loss was measured'}.")
    first = next((c for c in known if c.name == choice.leader), known[0])
    kept = choice.leader in new or choice.leader != state.leader
    why = _why(first, before, choice, after, kept)
    return Verdict(kept, why, changes(before, first, after))


def _why(
    mine: Candidate, before: Candidate | None, choice: Choice, after: Standing, kept: bool
) -> str:
    if mine.name == choice.leader and choice.equilibrium.rung:
        return choice.equilibrium.reasons[0]
    if mine.name == choice.leader:
        missed, old = len(after.missed), len(after.missed_by(before)) if before else 0
        by = f"{missed} missed against {old}" if missed != old else "missed by less"
        than = f" than `{before.name}` ({by})" if before else ""
        return f"`{mine.name}` comes nearer to the floors{than}."
    known = next((s for s in choice.equilibrium.trajectory if s["rung"] == mine.name), None)
    told = choice.rejected.get(mine.name) or (str(known["why"]) if known else "")
    if known and known["admitted"] and not kept:
        told = f"{told} `{choice.leader}` is simpler, and good enough."
    if kept:
        return f"Beside it `{choice.leader}` is the choice. {told}".rstrip()
    return told or f"`{mine.name}` changes nothing."


def changes(before: Candidate | None, after: Candidate, now: Standing) -> Mapping[Axis, float]:
    """What was gained by axis, as shares in the sense of :attr:`Proposal.gains`."""
    if before is None:
        return {}
    found: dict[Axis, float] = {}
    if before.loss > 0:
        found["fidelity"] = (before.loss - after.loss) / before.loss
    old, new = now.transparency(before), now.transparency(after)
    if 1 - old > FULL:
        found["transparency"] = (new - old) / (1 - old)
    if before.complexity > 0:
        found["complexity"] = (before.complexity - after.complexity) / before.complexity
    return {axis: float(share) for axis, share in found.items() if np.isfinite(share)}


# -- proposing ---------------------------------------------------------------------------------


def _untried(state: State, scoped: Situation, choice: Choice) -> list[Proposal]:
    """What all actions propose, without what was tried, is forbidden, or only the user can do."""
    found: dict[str, Proposal] = {}
    for name, action in ACTIONS.items():
        if name in state.goal.forbidden:
            continue
        for proposal in action().propose(scoped, choice.equilibrium, state.goal):
            if not proposal.by_user:
                found.setdefault(tried_as(proposal), proposal)
    return [proposal for key, proposal in found.items() if key not in state.tried]


def _affordable(proposal: Proposal, situation: Situation, state: State) -> bool:
    if len(state.tried) >= state.goal.most_actions:
        return False
    if state.goal.seconds is None:
        return True
    return situation.elapsed + (proposal.seconds if state.seen else 0.0) < state.goal.seconds


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)

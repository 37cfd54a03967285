"""A controller that follows a script, in place of the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from iceframe.balance.action import Proposal, Verdict
from iceframe.balance.goal import Goal
from iceframe.balance.situation import Situation
from iceframe.balance.state import Outcome, State, Step
from iceframe.core.values import Equilibrium, Status


def asked(action: str, **arguments: Any) -> Proposal:
    """A proposal of a script."""
    return Proposal(action, {"variant": "", **arguments}, {"fidelity": 0.5}, 1.0, "as scripted")


class Script:
    """Proposes what it was given, in order, and then chooses ``rung``. Keeps all situations."""

    def __init__(self, *proposals: Proposal, rung: str = "ridge", asks: Any = ()) -> None:
        self.proposals, self.rung, self.asks = proposals, rung, tuple(asks)
        self.situations: list[Situation] = []

    def init(self, goal: Goal) -> State:
        return State(goal)

    def step(self, state: State, situation: Situation) -> tuple[State, Proposal | Outcome]:
        self.situations.append(situation)
        new = tuple(name for name in situation.candidates if name not in state.seen)
        verdict = Verdict(bool(new), "as scripted", {"fidelity": 0.25} if new else {})
        done = Step(len(state.steps), state.pending, verdict, new, new[-1] if new else "")
        state = replace(state, steps=(*state.steps, done), seen=(*state.seen, *new), pending=None)
        if len(state.steps) <= len(self.proposals):
            said = self.proposals[len(state.steps) - 1]
            return replace(state, pending=said), said
        end = Equilibrium(self.rung, Status.CONVERGED, "", ("as scripted",))
        return state, Outcome(end, (), self.asks)

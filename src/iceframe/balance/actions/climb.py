"""Climb: measure the next rung of the ladder.

Arguments (JSON): ``rung``, a name of the ladder; ``variant``, the data to measure it on.
To perform: measure ``rung`` on ``variant``.

Of every family of models the next rung is proposed, on the data of the leader; what it may bring is
told by :meth:`iceframe.balance.standing.Standing.prospect`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iceframe.balance.action import ACTIONS, Action, Proposal
from iceframe.balance.decision import DUMMY
from iceframe.balance.standing import next_rungs, prospects, stand

if TYPE_CHECKING:
    from iceframe.balance.goal import Goal
    from iceframe.balance.situation import RungFacts, Situation
    from iceframe.core.values import Equilibrium


@ACTIONS.register("climb")
class Climb(Action):
    """Another rung, of a family that was not tried or that is still promising."""

    name = "climb"
    title = "Climb the ladder"
    summary = "Measure the next rung of a family of models: fidelity."
    reference = "Corani & Benavoli 2015, doi 10.1007/s10994-015-5486-z"

    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        now = stand(situation, equilibrium, goal)
        if now.leader is None and DUMMY in now.facts and not now.was_tried(DUMMY, now.variant):
            rungs = [now.facts[DUMMY]]  # its loss is the scale of all others
        else:
            rungs = [f for f in next_rungs(now) if _plain(f) and not now.is_simpler(f.name)]
        return [
            Proposal(
                self.name,
                {"rung": rung.name, "variant": now.variant},
                *prospects(now, rung),
            )
            for rung in rungs
        ]


def _plain(rung: RungFacts) -> bool:
    return not (rung.supervised or rung.pretrained or rung.distilled)

"""Pretrain: start from weights or features that were learned elsewhere.

Arguments (JSON): ``rung``, a pretrained rung of the ladder; ``variant``, the data to measure it on.
To perform: measure ``rung`` on ``variant``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iceframe.balance.action import ACTIONS, Action, Proposal
from iceframe.balance.standing import next_rungs, prospects, stand

if TYPE_CHECKING:
    from iceframe.balance.goal import Goal
    from iceframe.balance.situation import Situation
    from iceframe.core.values import Equilibrium


@ACTIONS.register("pretrain")
class Pretrain(Action):
    """A rung that knows something before it sees the data: what it lacks in samples, it has read
    elsewhere."""

    name = "pretrain"
    title = "Start from pretrained features"
    summary = "Measure a rung that starts from what was learned elsewhere: fidelity."
    reference = "Alain & Bengio 2016, https://arxiv.org/abs/1610.01644"

    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        now = stand(situation, equilibrium, goal)
        if now.leader is None:
            return []
        return [
            Proposal(
                self.name,
                {"rung": rung.name, "variant": now.variant},
                *prospects(now, rung),
            )
            for rung in next_rungs(now)
            if rung.pretrained
        ]

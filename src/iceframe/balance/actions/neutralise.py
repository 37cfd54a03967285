"""Neutralise: take a nuisance cue out of the data, so that no model can use it.

Arguments (JSON): ``finding``, the code of the finding; ``cue``, what it is; ``rung``, the rung to
measure afterwards; ``variant``, the data to take it from. To perform: make a new variant of
``variant`` without the cue, with the name of the new variant as ``repaired`` of the finding, and
measure ``rung`` on it.

Kept whatever it costs in the loss: what the cue brought was no skill. After that, only what was
measured without the cue counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iceframe.balance.action import ACTIONS, Action, Proposal
from iceframe.balance.standing import stand

if TYPE_CHECKING:
    from iceframe.balance.goal import Goal
    from iceframe.balance.situation import Situation
    from iceframe.core.values import Equilibrium


@ACTIONS.register("neutralise")
class Neutralise(Action):
    """The same data without a cue that has nothing to do with the material."""

    name = "neutralise"
    title = "Neutralise a nuisance cue"
    summary = "Take out what tells the target and is no material: honest fidelity."
    reference = "Lapuschkin et al. 2019, doi 10.1038/s41467-019-08987-4"

    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        now = stand(situation, equilibrium, goal)
        if now.leader is None:
            return []
        return [
            Proposal(
                self.name,
                {
                    "finding": finding["code"],
                    "cue": finding["cue"],
                    "rung": now.rung,
                    "variant": now.variant,
                },
                {"fidelity": 0.0},
                now.seconds(now.rung, now.variant),
                f"{finding['title'].rstrip('.')}: what a model gains by that is lost on new data.",
            )
            for finding in situation.findings
            if finding["cue"]
            and finding["severity"] in ("error", "warning")
            and not finding["repaired"]
        ]

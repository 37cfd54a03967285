"""Repair: leave out the samples that an audit found at fault.

Arguments (JSON): ``finding``, the code of the finding; ``rung``, the rung to measure afterwards;
``variant``, the data to repair. To perform: make a new variant of ``variant`` without the samples
of the finding, with the name of the new variant as ``repaired`` of the finding, and measure
``rung`` on it.

Only for findings of which it is sure that samples contradict one another or that they are tested
twice (``REPAIRABLE``, codes of :func:`iceframe.ingest.check`): to leave out what a model cannot
explain would make any model look good. A finding of severity ``error`` is repaired whatever it
costs in the loss; a warning, unless the same rung is measurably worse afterwards. After that, only
what was measured on the repaired data counts.
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

REPAIRABLE = (
    "duplicates-across-folds",
    "compositions-across-folds",
    "conflicting-duplicates",
)


@ACTIONS.register("repair")
class Repair(Action):
    """The same data without copies across folds, or copies that contradict one another."""

    name = "repair"
    title = "Repair the data"
    summary = "Leave out copies across folds, or that contradict one another: honest fidelity."
    reference = "Kapoor & Narayanan 2023, doi 10.1016/j.patter.2023.100804"

    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        now = stand(situation, equilibrium, goal)
        if now.leader is None:
            return []
        return [
            Proposal(
                self.name,
                {"finding": finding["code"], "rung": now.rung, "variant": now.variant},
                {"fidelity": 0.0},
                now.seconds(now.rung, now.variant),
                f"{finding['title'].rstrip('.')} ({finding['severity']}): what is measured on "
                f"these data is not what a new sample would meet; {finding['samples']} samples.",
            )
            for finding in situation.findings
            if finding["code"] in REPAIRABLE
            and not finding["cue"]
            and finding["severity"] in ("error", "warning")
            and finding["samples"]
            and not finding["repaired"]
        ]

"""Simulate: make more samples where the model is uncertain and physics can be computed.

Arguments (JSON): ``samples``, how many new ones; ``rung``, the rung to measure afterwards;
``variant``, the data to add them to. To perform: make a new variant of ``variant`` with ``samples``
more to train on (chosen among many by the uncertainty of ``rung`` there), and measure ``rung`` on
it.

The samples to train on are doubled each time. What that brings follows a power law of their number,
loss ~ n^-b: by the last doubling of the same rung, where there was one, else b = 1/2. Proposed
where a floor is not met that samples may help to meet, or, once, where the folds cannot tell
whether a candidate with a lower loss is better; and not before a model of every family was
measured, since only the one that needs the samples should get them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iceframe.balance.action import ACTIONS, Action, Proposal
from iceframe.balance.candidates import Candidate
from iceframe.balance.learning import exponent, trained_on
from iceframe.balance.standing import Standing, stand, untried_families
from iceframe.balance.wording import listed, number

if TYPE_CHECKING:
    from iceframe.balance.goal import Goal
    from iceframe.balance.situation import Situation
    from iceframe.core.values import Axis, Equilibrium


HELPED: frozenset[Axis] = frozenset({"fidelity", "transparency"})
"""What more samples may help; a model gets no simpler or faster by them."""


@ACTIONS.register("simulate")
class Simulate(Action):
    """Twice the samples to train on, where the recipe that made them is known."""

    name = "simulate"
    title = "Simulate more samples"
    summary = "Make and solve new samples where the model is uncertain: fidelity."
    reference = "Hestness et al. 2017, https://arxiv.org/abs/1712.00409"

    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        now = stand(situation, equilibrium, goal)
        if now.leader is None or not (situation.physics and situation.generator):
            return []
        doubted = now.doubted()
        once = any(about["by"] == self.name for about in situation.variants.values())
        helped = now.unmet & HELPED
        needed = helped or (doubted and not now.unmet and not once)
        if not needed or untried_families(now):
            return []
        subject = now.leader if helped else min(doubted, key=lambda c: (c.loss, c.name))
        return [_proposal(now, subject, doubted, sorted(helped))]


def _proposal(
    now: Standing, subject: Candidate, doubted: Sequence[Candidate], helped: Sequence[Axis]
) -> Proposal:
    rung = now.situation.candidates[subject.name].rung
    power, known = exponent(now, rung)
    gain = 1 - 2.0**-power
    gains: dict[Axis, float] = dict.fromkeys(("fidelity", *helped), gain)
    samples = trained_on(now.situation, now.variant)
    law = f"by n^-{power:.2f}, " + ("as the last doubling" if known else "as is usual")
    need = (
        f"`{subject.name}` misses a floor"
        if helped
        else f"{listed([c.name for c in doubted])} may be better, and the folds cannot tell"
    )
    return Proposal(
        Simulate.name,
        {"samples": samples, "rung": rung, "variant": now.variant},
        gains,
        now.seconds(rung, now.variant, growth=2.0),
        f"{need}; {samples} more samples may lower the loss from {number(subject.loss)} to "
        f"{number(subject.loss * (1 - gain))} ({law}).",
    )

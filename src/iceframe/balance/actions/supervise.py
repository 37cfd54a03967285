"""Supervise: teach a network the physics, by the solver's sensitivities (Sobolev training).

Arguments (JSON): ``rung``, the taught rung of the ladder (``sobolev_cnn``, not ``cnn``);
``variant``, the data to measure it on. To perform: compute the sensitivities of ``variant`` where
they are missing, and measure ``rung`` on it.

Proposed where the law is known, after the same network without them was measured, or where the
ladder has none. A network taught so needs fewer samples, and its gradient is asked to be the
exact one: half of the way to full agreement is expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from iceframe.balance.action import ACTIONS, Action, Proposal
from iceframe.balance.standing import Standing, next_rungs, prospects, stand
from iceframe.balance.wording import number

if TYPE_CHECKING:
    from iceframe.balance.goal import Goal
    from iceframe.balance.situation import RungFacts, Situation
    from iceframe.core.values import Equilibrium

AGREEMENT = 0.5  # share of the distance to full agreement that teaching is expected to close


@ACTIONS.register("supervise")
class Supervise(Action):
    """The same network, its gradient matched to the solver's sensitivities."""

    name = "supervise"
    title = "Teach a network the physics"
    summary = "Train a network with the solver's sensitivities, too: fidelity and transparency."
    reference = "Czarnecki et al. 2017, https://arxiv.org/abs/1706.04859"

    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        now = stand(situation, equilibrium, goal)
        if now.leader is None or not (situation.physics or situation.sensitivities):
            return []
        return [
            _proposal(now, rung, base)
            for rung in next_rungs(now)
            if rung.supervised
            for base in [_untaught(now, rung)]
            if not base or now.was_tried_anywhere(base)
        ]


def _proposal(now: Standing, rung: RungFacts, base: str) -> Proposal:
    proposal = Proposal(
        Supervise.name, {"rung": rung.name, "variant": now.variant}, *prospects(now, rung)
    )
    if now.rung not in (base, rung.name) and "transparency" not in now.unmet:
        return proposal
    before = now.at(base, now.variant) or now.leader
    agreement = now.transparency(before) if before else float("nan")
    if np.isfinite(agreement) and before is not None:
        told = f"; the maps of `{before.name}` agree to {number(agreement)} of 1"
    else:
        told = ""
    gains = {**proposal.gains, "transparency": AGREEMENT}
    return replace(proposal, gains=gains, why=proposal.why.removesuffix(".") + told + ".")


def _untaught(now: Standing, rung: RungFacts) -> str:
    """The same network without the sensitivities; ``""`` where the ladder has none."""
    return next((f.name for f in now.situation.ladder if f.supervised_by == rung.name), "")

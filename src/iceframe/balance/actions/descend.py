"""Descend: measure a simpler rung where only more complex ones were measured.

Arguments (JSON): ``rung``, a name of the ladder; ``variant``, the data to measure it on.
To perform: measure ``rung`` on ``variant``.

After the data changed, the leader may be more complex than they need. A rung is simpler where its
complexity, measured on other data, is below the leader's. How likely it is to do as well is told by
the other data where both were measured and that still count, and is even where they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from iceframe.balance.action import ACTIONS, Action, Proposal
from iceframe.balance.keeping import probability_within_rope
from iceframe.balance.standing import Standing, stand
from iceframe.balance.wording import chance, number

if TYPE_CHECKING:
    from iceframe.balance.goal import Goal
    from iceframe.balance.situation import Situation
    from iceframe.core.values import Equilibrium

EVEN = 0.5  # chance that a simpler rung does as well, where nothing tells


@ACTIONS.register("descend")
class Descend(Action):
    """A simpler rung on data that it has not seen."""

    name = "descend"
    title = "Descend the ladder"
    summary = "Measure a simpler rung on data that changed: complexity."
    reference = "Corani & Benavoli 2015, doi 10.1007/s10994-015-5486-z"

    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        now = stand(situation, equilibrium, goal)
        return [
            _proposal(now, rung.name)
            for rung in situation.ladder
            if now.leader is not None
            and not now.was_tried(rung.name, now.variant)
            and not (rung.supervised or rung.distilled)
            and now.is_simpler(rung.name)
        ]


def _proposal(now: Standing, rung: str) -> Proposal:
    mine, theirs = now.complexity_of(rung), now.complexity_of(now.rung)
    probability, where = _as_good(now, rung)
    gain = probability * (1 - mine / theirs)
    because = f"{chance(probability)} {where}" if where else "whether it does as well is not known"
    return Proposal(
        Descend.name,
        {"rung": rung, "variant": now.variant},
        {"complexity": float(gain)},
        now.seconds(rung, now.variant),
        f"`{rung}` is simpler ({number(mine)} against {number(theirs)} of `{now.rung}`) and was "
        f"not measured on these data; {because}.",
    )


def _as_good(now: Standing, rung: str) -> tuple[float, str]:
    """P(it is not inferior to the leader's rung) on other data, and which data that was."""
    for variant in reversed(list(now.situation.variants)):
        mine, theirs = now.at(rung, variant), now.at(now.rung, variant) or now.leader
        if variant != now.variant and mine is not None and theirs is not None:
            probability = probability_within_rope(mine, theirs, now.rope, now.situation)
            if np.isfinite(probability):
                return probability, f"that `{mine.name}` is as good as `{theirs.name}`"
    return EVEN, ""

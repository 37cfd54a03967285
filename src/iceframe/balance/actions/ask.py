"""Ask: say which experiments would be worth most.

Only a person can carry it out, so it stands in the outcome (``Outcome.asks``) and is never given to
the workflow. Arguments (JSON): ``samples``, how many more; ``rung`` and ``variant``, the candidate
whose loss they are meant to lower.

How many follows from a power law, loss ~ n^-b: with the loss at n samples and the floor's limit,
n (loss / limit)^(1/b) are needed. For R² the loss is 1 - R², the square of an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from iceframe.balance.action import ACTIONS, Action, Proposal
from iceframe.balance.candidates import Shortfall
from iceframe.balance.learning import exponent, trained_on
from iceframe.balance.standing import Standing, stand
from iceframe.balance.verdict import shortfall_phrase
from iceframe.measure.metrics import METRICS

if TYPE_CHECKING:
    from iceframe.balance.goal import Goal
    from iceframe.balance.situation import Situation
    from iceframe.core.values import Equilibrium

MOST_GROWTH = 100.0  # times as many samples; beyond, a power law from small data says nothing


@ACTIONS.register("ask")
class Ask(Action):
    """More samples by experiment, as many as the floors that are missed need."""

    name = "ask"
    title = "Ask for experiments"
    summary = "Say how many more samples the floors need: fidelity."
    reference = "Hestness et al. 2017, https://arxiv.org/abs/1712.00409"

    def propose(
        self, situation: Situation, equilibrium: Equilibrium, goal: Goal
    ) -> Sequence[Proposal]:
        now = stand(situation, equilibrium, goal)
        if now.leader is None:
            return []
        power, known = exponent(now, now.rung)
        needs = [(_growth(m, power), m) for m in now.missed]
        needs = [(g, m) for g, m in needs if np.isfinite(g)]
        if not needs:
            return []
        growth, hardest = max(needs, key=lambda need: need[0])
        return [_proposal(now, growth, hardest, power, known)]


def _proposal(
    now: Standing, growth: float, hardest: Shortfall, power: float, known: bool
) -> Proposal:
    size = trained_on(now.situation, now.variant)
    samples = ceil(size * (min(growth, MOST_GROWTH) - 1))
    more = "more than " if growth > MOST_GROWTH else "about "
    law = "as it fell when samples were added" if known else "as is usual"
    name = now.leader.name if now.leader else ""
    return Proposal(
        Ask.name,
        {"samples": samples, "rung": now.rung, "variant": now.variant},
        {"fidelity": 1 - growth**-power},
        0.0,
        f"`{name}` {shortfall_phrase(hardest)}; it would need {more}{samples} samples beside the "
        f"{size} that it is trained on, if its error falls as n^-{power:.2f}, {law}.",
        by_user=True,
    )


def _growth(missed: Shortfall, power: float) -> float:
    """How many times as many samples a floor needs; NaN where samples do not tell."""
    value, limit = missed.value, missed.limit
    if missed.metric in ("r2", "balanced_accuracy", "accuracy"):
        value, limit = 1 - value, 1 - limit
        if missed.metric == "r2":
            power = 2 * power
    elif not missed.upper or METRICS[missed.metric].axis != "fidelity":
        return float("nan")
    if not (np.isfinite(value) and value > 0):
        return float("nan")
    return (value / limit) ** (1 / power) if limit > 0 else float("inf")

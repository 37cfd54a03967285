"""Where a search stands, as actions look at it: the leader, what it lacks, what rungs may bring.

How much a rung may bring to the loss is not known before it is measured. Of a family of models
(:mod:`iceframe.balance.families`) of which nothing was measured, it may bring all (share 1). Where
the family leads, its next rung may bring ``PROMISE``; half of that after every rung of the family,
in its order, that did not improve on those before; half again where the family's best is not the
leader; and nothing where that is measurably worse than the leader. A family that was measured on
other data that count, and not on these, is compared with the leader's rung there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median

import numpy as np

from iceframe.balance.candidates import Candidate, Shortfall, gather, metric_behind, shortfalls
from iceframe.balance.decision import DUMMY
from iceframe.balance.families import family_of, in_order
from iceframe.balance.goal import Goal
from iceframe.balance.keeping import better, counted, nearest, rope_of
from iceframe.balance.situation import GIVEN, RungFacts, Situation, candidate_name
from iceframe.core.values import Axis, Equilibrium
from iceframe.measure.metrics import METRICS

PROMISE = 0.125  # share of the loss that the next rung of a family that leads may bring
LEAST = 0.01  # what a rung of a family that is worse may bring, where all else fails
TRANSPARENCIES = ("pf_star", "gradient_agreement", "faithfulness")  # the first that is there counts
SECONDS = {"light": 1.0, "medium": 5.0, "heavy": 30.0, "extreme": 300.0}  # before any is measured
IMAGE_FACTOR = 4.0  # of a rung that looks at images or crystals itself


@dataclass(frozen=True)
class Standing:
    """A situation with the candidate that leads; see :func:`standing`."""

    situation: Situation
    goal: Goal
    candidates: Mapping[str, Candidate]
    leader: Candidate | None

    # -- the leader ----------------------------------------------------------------------------

    @cached_property
    def variant(self) -> str:
        """The data that the leader was measured on; those that were mended last, where that is
        ``mean`` on data that no longer count."""
        there = list(self.situation.variants)
        held = self.situation.candidates.get(self.leader.name) if self.leader else None
        if held is not None and held.variant in there:
            return held.variant
        return there[0] if there else GIVEN

    @property
    def rung(self) -> str:
        """The leader's rung; ``""`` where nothing was measured."""
        return self.situation.candidates[self.leader.name].rung if self.leader else ""

    @cached_property
    def missed(self) -> list[Shortfall]:
        """The floors that the leader misses."""
        return self.missed_by(self.leader) if self.leader is not None else []

    @cached_property
    def unmet(self) -> frozenset[Axis]:
        """The axes of those floors; what costs too much needs a simpler model."""
        return frozenset(_axis(m) for m in self.missed)

    @cached_property
    def rope(self) -> float:
        """The difference of losses that does not matter, as the decision takes it."""
        return rope_of(list(self.candidates.values()), self.situation)

    # -- rungs ---------------------------------------------------------------------------------

    @cached_property
    def facts(self) -> Mapping[str, RungFacts]:
        """The ladder by name."""
        return {f.name: f for f in self.situation.ladder}

    def at(self, rung: str, variant: str) -> Candidate | None:
        """The candidate, where it was measured."""
        return self.candidates.get(candidate_name(rung, variant))

    def was_tried(self, rung: str, variant: str) -> bool:
        """Whether it was measured there, or failed; ``mean`` is the same on all data."""
        there = self.situation.candidates
        return candidate_name(rung, variant) in there or (rung == DUMMY and rung in there)

    def was_tried_anywhere(self, rung: str) -> bool:
        """Whether it was measured on any data."""
        return any(held.rung == rung for held in self.situation.candidates.values())

    def complexity_of(self, rung: str) -> float:
        """The measured complexity of a rung on any data, the latest first; NaN where unknown."""
        for held in reversed(list(self.situation.candidates.values())):
            if held.rung == rung:
                value = self._complexities.get(candidate_name(rung, held.variant), float("nan"))
                if np.isfinite(value):
                    return value
        return float("nan")

    def is_glass(self, rung: str) -> bool:
        """Whether a rung is a glass box, by nature or distilled."""
        return rung in self.facts and (
            self.facts[rung].glass_box or bool(self.facts[rung].distilled)
        )

    def doubted(self) -> list[Candidate]:
        """Candidates whose loss is lower than the leader's by more than what counts, and that are
        not measurably better."""
        if self.leader is None:
            return []
        return [
            c
            for c in self.candidates.values()
            if c.loss < self.leader.loss - self.rope  # False for NaN
            and not self.missed_by(c)
            and not better(c, self.leader, self.rope, self.situation)
        ]

    def missed_by(self, candidate: Candidate) -> list[Shortfall]:
        """The floors that a candidate misses."""
        return shortfalls(candidate, self.goal.floors, self.situation.loss)

    def transparency(self, candidate: Candidate) -> float:
        """What a floor asks for, else its PF*, else its agreement with the exact gradient, else its
        faithfulness."""
        behind = {metric_behind(f, candidate, self.situation.loss) for f in self.goal.floors}
        asked = [metric for metric in TRANSPARENCIES if metric in behind]
        values = (candidate.value(metric) for metric in (*asked, *TRANSPARENCIES))
        return next((v for v in values if np.isfinite(v)), float("nan"))

    def relatives(self, rung: RungFacts) -> list[RungFacts]:
        """The family of a rung, in its order."""
        family = family_of(rung)
        return sorted((f for f in self.situation.ladder if family_of(f) == family), key=in_order)

    def prospect(self, rung: RungFacts, variant: str) -> tuple[float, str]:
        """What share of the loss a rung may bring on these data, and why; see the module."""
        family = family_of(rung)
        tried = self._measured(rung, variant)
        if self.leader is None or not tried:
            return self._elsewhere(rung, variant)
        best = min(range(len(tried)), key=lambda i: (tried[i].loss, i))
        idle = len(tried) - 1 - best
        name = f"`{tried[best].name}`, the best {family} model,"
        if tried[best] is self.leader:
            after = f", and {idle} after it brought nothing" if idle else ""
            return PROMISE / 2**idle, f"{name} leads{after}"
        if better(self.leader, tried[best], self.rope, self.situation):
            return 0.0, f"{name} is measurably worse than `{self.leader.name}`"
        return PROMISE / 2 ** (idle + 1), f"{name} brought nothing measurable"

    def _elsewhere(self, rung: RungFacts, variant: str) -> tuple[float, str]:
        """The prospect where nothing of the family was measured on these data."""
        family = family_of(rung)
        for other in reversed(list(self.situation.variants)):
            tried = self._measured(rung, other) if other != variant else []
            if not tried or self.leader is None:
                continue
            best = min(tried, key=lambda c: (c.loss, c.name))
            rival = self.at(self.rung, other) or self.leader
            name = f"`{best.name}`, the best {family} model there,"
            if better(rival, best, self.rope, self.situation):
                return 0.0, f"{name} is measurably worse than `{rival.name}`"
            return PROMISE, f"{name} is not measurably worse than `{rival.name}`"
        return 1.0, f"no {family} model was measured"

    def _measured(self, rung: RungFacts, variant: str) -> list[Candidate]:
        """The measured candidates of a rung's family on a variant, in the family's order."""
        found = [self.at(f.name, variant) for f in self.relatives(rung)]
        return [c for c in found if c is not None and np.isfinite(c.loss)]

    def is_simpler(self, rung: str) -> bool:
        """Whether a rung was simpler than the leader's, where both were measured."""
        if self.leader is None or rung == self.rung:
            return False
        return self.complexity_of(rung) < self.complexity_of(self.rung)  # False for NaN

    def seconds(self, rung: str, variant: str, growth: float = 1.0) -> float:
        """Seconds that measuring a rung may take: what it took, else what rungs of such an effort
        may take on this machine, times the ``growth`` of the number of samples."""
        held = [m for m in self.situation.candidates.values() if not m.failed and m.seconds > 0]
        same = [m for m in held if m.rung == rung]
        if same:
            last = max(same, key=lambda m: (m.step, m.variant == variant))
            return last.seconds * growth * self._size(variant) / self._size(last.variant)
        pace = [m.seconds / _usual(self.facts[m.rung]) for m in held if m.rung in self.facts]
        return _usual(self.facts[rung]) * (median(pace) if pace else 1.0) * growth

    def _size(self, variant: str) -> float:
        about = self.situation.variants.get(variant, {})
        return max(float(about.get("n") or self.situation.n), 1.0)

    @cached_property
    def _complexities(self) -> Mapping[str, float]:
        return {r.rung: r.value for r in self.situation.evidence if r.metric == "complexity"}


def standing(situation: Situation, leader: str, goal: Goal) -> Standing:
    """The standing of a situation in which the candidate called ``leader`` leads (``""``: none)."""
    names = set(counted(situation))
    rows = [r for r in situation.evidence if r.rung in names]
    found = {c.name: c for c in gather(rows, situation.loss)}
    return Standing(situation, goal, found, found.get(leader))


def stand(situation: Situation, equilibrium: Equilibrium, goal: Goal) -> Standing:
    """The standing under an equilibrium; where none was chosen, the nearest to the floors leads."""
    if equilibrium.rung:
        return standing(situation, equilibrium.rung, goal)
    asked = {str(step["rung"]) for step in equilibrium.trajectory}
    found = standing(situation, "", goal)
    there = [c for c in found.candidates.values() if c.name in asked]
    return replace(found, leader=found.candidates.get(nearest(there, situation, goal)))


def next_rungs(now: Standing) -> list[RungFacts]:
    """Of each family of models the next rung that was not measured on the leader's data."""
    waiting = [f for f in now.situation.ladder if not now.was_tried(f.name, now.variant)]
    firsts: dict[str, RungFacts] = {}
    for rung in sorted(waiting, key=in_order):
        firsts.setdefault(family_of(rung), rung)
    return list(firsts.values())


def untried_families(now: Standing) -> bool:
    """Whether there is a family of models that may bring anything, since nothing of it was
    measured, and that an action may measure. A student waits for its teacher, and is none."""
    return any(
        now.prospect(rung, now.variant)[0] == 1.0
        for rung in next_rungs(now)
        if not rung.distilled and _measured_by(rung) not in now.goal.forbidden
    )


def _measured_by(rung: RungFacts) -> str:
    if rung.supervised:
        return "supervise"
    return "pretrain" if rung.pretrained else "climb"


def prospects(now: Standing, rung: RungFacts) -> tuple[dict[Axis, float], float, str]:
    """Gains, seconds and why of measuring a rung on the leader's data."""
    share, why = now.prospect(rung, now.variant)
    if now.unmet:  # something must be tried
        share = max(share, LEAST)
    gains: dict[Axis, float] = dict.fromkeys(("fidelity", *sorted(now.unmet)), share)
    seconds = now.seconds(rung.name, now.variant)
    if not share:
        return gains, seconds, f"`{rung.name}` is not expected to help: {why}."
    return gains, seconds, f"`{rung.name}` may bring {_share(share)} of the loss: {why}."


def _share(share: float) -> str:
    return "all" if share == 1 else f"{100 * share:.0f} %"


def _axis(missed: Shortfall) -> Axis:
    axis: Axis = METRICS[missed.metric].axis if missed.metric in METRICS else "cost"
    return "complexity" if axis == "cost" else axis


def _usual(rung: RungFacts) -> float:
    return SECONDS.get(rung.effort, SECONDS["heavy"]) * (
        1.0 if rung.input == "table" else IMAGE_FACTOR
    )

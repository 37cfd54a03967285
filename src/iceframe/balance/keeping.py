"""Which candidates count: an action must have paid, an escalation must be shown to.

The rule of :mod:`iceframe.balance.decision` weighs rungs on the same data. A search also changes
the data, and tries whatever could help; it must not escalate by the luck of the best of many. So
before the decision:

1. A candidate is *unbeaten* if none that may be chosen (complete, above the floors, its coverage
   not refuted) is measurably better: its loss is lower by more than the ROPE, and lower at all
   with P ≥ 0.6 by the correlated Bayesian t-test over paired folds; or the same for its physical
   agreement PF*, where both have it. Such sets are in use as model confidence sets (Hansen, Lunde &
   Nason 2011, doi 10.3982/ECTA5771). Why so little: the test is careful, since folds share
   samples, and sees few of them. The higher this is, the more often a rung is kept that is truly
   too simple; on 226 planted data sets both errors were about as rare between 0.5 and 0.7.
2. A candidate on changed data is rejected where the same rung on the data before is unbeaten: the
   change brought nothing measurable.
3. While the decision's choice is more complex than an unbeaten candidate, it is rejected, and the
   decision is taken again.

The result depends on what was measured, not on the order in which that was done; complexity enters
in the third step alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from iceframe.balance.bayes import correlated_difference, probability_within
from iceframe.balance.candidates import Candidate, gather, shortfalls
from iceframe.balance.decision import DUMMY, PF_STAR_ROPE, decide, rule_for
from iceframe.balance.goal import Goal
from iceframe.balance.situation import Situation
from iceframe.balance.wording import chance, number
from iceframe.core.values import Equilibrium, Evidence

SHOWN = 0.6  # the chance from which a candidate counts as measurably better
MOST_EXCESS = 10.0  # a floor that is missed by more than ten times its size is simply missed


@dataclass(frozen=True)
class Choice:
    """What the evidence supports.

    ``equilibrium`` : the decision over the candidates that count.
    ``leader`` : the candidate chosen, else the one that comes nearest to the floors; ``""`` where
    nothing was measured in full.
    ``rejected`` : why, by candidate, of those that were left out of the decision.
    """

    equilibrium: Equilibrium
    leader: str = ""
    rejected: Mapping[str, str] = field(default_factory=dict)


def in_scope(situation: Situation, variants: Iterable[str]) -> Situation:
    """The situation without the candidates on variants of the data that no longer count.

    Of those left out, what tells of complexity and cost stays; and ``mean`` stays as it is, since
    it knows nothing that a repair takes away, and it sets the scale of what differences count.
    """
    counted = set(variants)
    out = {
        name
        for name, held in situation.candidates.items()
        if held.variant not in counted and name != DUMMY
    }
    evidence = tuple(
        row for row in situation.evidence if row.rung not in out or row.axis in _LASTING
    )
    kept = {name: about for name, about in situation.variants.items() if name in counted}
    return replace(situation, evidence=evidence, variants=kept)


_LASTING = ("complexity", "cost")


def counted(situation: Situation) -> list[str]:
    """The candidates on the variants that count, and ``mean``, by name."""
    return sorted(
        name
        for name, held in situation.candidates.items()
        if held.variant in situation.variants or name == DUMMY
    )


def choose(
    situation: Situation, goal: Goal, *, weight: float | None = None, exhausted: bool = False
) -> Choice:
    """The candidate that the evidence supports, with C1 at ``weight`` in the complexity (as
    measured where none is given)."""
    names = counted(situation)
    rows = _weighted(situation, names, weight)
    everyone = {
        c.name: c for c in gather([r for own in rows.values() for r in own], situation.loss)
    }
    rope = rope_of(list(everyone.values()), situation)
    eligible = [c for c in everyone.values() if _eligible(c, rows, everyone, situation, goal)]
    unbeaten = [c for c in eligible if not any(better(o, c, rope, situation) for o in eligible)]
    rejected = _without_effect(eligible, unbeaten, situation)
    while True:
        asked = [r for n in names if n not in rejected for r in rows.get(n, ())]
        equilibrium = decided(asked, situation, goal, exhausted)
        chosen = everyone.get(equilibrium.rung or "")
        if chosen is None:
            break
        simpler = [c for c in unbeaten if c.name not in rejected and _order(c) < _order(chosen)]
        if not simpler:
            break
        rival = min(simpler, key=_order)
        rejected[chosen.name] = _not_shown(chosen, rival, rope, situation)
    there = [c for c in everyone.values() if c.name not in rejected]
    leader = equilibrium.rung or nearest(there, situation, goal)
    return Choice(equilibrium, leader, dict(sorted(rejected.items())))


def decided(
    evidence: Sequence[Evidence], situation: Situation, goal: Goal, exhausted: bool = False
) -> Equilibrium:
    """:func:`iceframe.balance.decision.decide` under the terms of the situation and the goal."""
    return decide(
        evidence,
        task=situation.task,
        loss=situation.loss,
        rope=situation.rope,
        rope_source=situation.rope_source,
        n_train=situation.n_train,
        n_test=situation.n_test,
        floors=goal.floors,
        level=situation.level,
        exhausted=exhausted,
    )


def rope_of(candidates: Sequence[Candidate], situation: Situation) -> float:
    """The difference of losses that does not matter, as the decision takes it."""
    of = situation
    rule = rule_for(candidates, of.loss, of.rope, of.rope_source, of.n_train, of.n_test, of.level)
    return rule.rope


def better(one: Candidate, other: Candidate, rope: float, situation: Situation) -> bool:
    """Whether ``one`` is measurably better than ``other``, in its loss or in its PF*."""
    if one is other:
        return False
    if other.loss - one.loss > rope and probability_better(one, other, situation) >= SHOWN:
        return True
    mine, theirs = _folds(one, "pf_star"), _folds(other, "pf_star")
    if not mine or len(mine) != len(theirs) or np.mean(mine) - np.mean(theirs) <= PF_STAR_ROPE:
        return False
    return _probability([-v for v in mine], [-v for v in theirs], situation) >= SHOWN


def probability_better(one: Candidate, other: Candidate, situation: Situation) -> float:
    """P(the loss of ``one`` is below that of ``other``); NaN where folds do not tell."""
    if not one.folds or len(one.folds) != len(other.folds):
        return float("nan")
    return _probability(one.folds, other.folds, situation)


def probability_within_rope(
    one: Candidate, other: Candidate, rope: float, situation: Situation
) -> float:
    """P(the loss of ``one`` is not above that of ``other`` by more than the ROPE)."""
    if not one.folds or len(one.folds) != len(other.folds):
        return float("nan")
    return probability_within(
        one.folds, other.folds, rope, n_train=situation.n_train, n_test=situation.n_test
    )


def _probability(mine: Sequence[float], theirs: Sequence[float], situation: Situation) -> float:
    """P(mean of ``mine`` < mean of ``theirs``); of one fold alone, whether it is."""
    difference = correlated_difference(
        mine, theirs, n_train=situation.n_train, n_test=situation.n_test
    )
    if not difference.scale > 0:  # one fold, or the same difference in all
        return float(difference.location < 0)
    return difference.probability_at_most(0.0)


def _folds(candidate: Candidate, metric: str) -> tuple[float, ...]:
    row = candidate.evidence.get(metric)
    folds = row.folds if row is not None else ()
    return folds if folds and np.all(np.isfinite(folds)) else ()


def _weighted(
    situation: Situation, names: Sequence[str], weight: float | None
) -> dict[str, list[Evidence]]:
    """The rows of each candidate, its complexity taken at another weight of C1."""
    wanted = set(names)
    rows: dict[str, list[Evidence]] = {name: [] for name in names}
    for row in situation.evidence:
        if row.rung in wanted:
            rows[row.rung].append(row)
    for name, own in rows.items():
        if not own:  # measured, and nothing came of it
            held = situation.candidates[name]
            own.append(Evidence(name, "fidelity", situation.loss, float("nan"), note=held.failed))
    if weight is None:
        return rows
    at = {c.name: c.complexity_at(weight) for c in gather(
        [r for own in rows.values() for r in own], situation.loss)}  # fmt: skip
    return {
        name: [replace(r, value=at[name]) if r.metric == "complexity" else r for r in own]
        for name, own in rows.items()
    }


def _eligible(
    candidate: Candidate,
    rows: Mapping[str, Sequence[Evidence]],
    everyone: Mapping[str, Candidate],
    situation: Situation,
    goal: Goal,
) -> bool:
    """Whether it could be chosen if it were alone."""
    folds = max(len(c.folds) for c in everyone.values())
    alone = decided(rows[candidate.name], situation, goal)
    return len(candidate.folds) == folds and alone.rung == candidate.name


def _order(candidate: Candidate) -> tuple[float, float, str]:
    return candidate.complexity, candidate.loss, candidate.name


def _without_effect(
    eligible: Sequence[Candidate], unbeaten: Sequence[Candidate], situation: Situation
) -> dict[str, str]:
    """Candidates on changed data whose rung is unbeaten on the data before the change."""
    order = list(situation.variants)
    place = {
        c.name: order.index(held.variant) if (held := situation.candidates[c.name]).variant in order
        else -1
        for c in eligible
    }  # fmt: skip
    rejected = {}
    for candidate in eligible:
        rung = situation.candidates[candidate.name].rung
        before = [
            c for c in unbeaten
            if situation.candidates[c.name].rung == rung and place[c.name] < place[candidate.name]
        ]  # fmt: skip
        if before:
            first = min(before, key=lambda c: place[c.name])
            rejected[candidate.name] = (
                f"`{candidate.name}` is not measurably better than `{first.name}` "
                f"({chance(probability_better(candidate, first, situation))} that it is better)."
            )
    return rejected


def _not_shown(chosen: Candidate, rival: Candidate, rope: float, situation: Situation) -> str:
    sure, gap = probability_better(chosen, rival, situation), rival.loss - chosen.loss
    if gap <= rope:
        how = "better" if gap > 0 else "worse"
        told = f"{number(abs(gap))} {how}, inside the ±{number(rope)} that count as equal"
    else:
        told = f"not shown to be better ({chance(sure)}, {SHOWN} is asked)"
    return f"`{chosen.name}` is more complex than `{rival.name}` and {told}."


def nearest(candidates: Iterable[Candidate], situation: Situation, goal: Goal) -> str:
    """The candidate that misses the fewest floors by the least; ``""`` where none is complete."""

    def distance(candidate: Candidate) -> tuple[int, float, float, float, str]:
        missed = shortfalls(candidate, goal.floors, situation.loss)
        excess = sum(min(m.excess, MOST_EXCESS) for m in missed)
        return len(missed), excess, candidate.loss, candidate.complexity, candidate.name

    complete = [c for c in candidates if np.isfinite(c.loss)]
    return min(complete, key=distance).name if complete else ""

"""The verdict in sentences: reasons, status and its remedy.

Every rung that is not chosen gets a sentence that says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from iceframe.balance.candidates import Candidate, Shortfall, shortfalls
from iceframe.balance.judgement import ENOUGH, Judgement, Rule
from iceframe.balance.wording import chance, listed, quantity, relative_complexity
from iceframe.core.values import Equilibrium, Status
from iceframe.measure.metrics import METRICS


def comparison(candidate: Candidate, best: Candidate, probability: float, rule: Rule) -> str:
    """How a rung compares with the one of the lowest loss."""
    name, other = f"`{candidate.name}`", f"`{best.name}`"
    if candidate is best:
        title = METRICS[rule.loss].title if rule.loss in METRICS else rule.loss
        if rule.unit == "points":
            return f"{name} has the highest {title}, {100 * (1 - best.loss):.1f} %."
        return f"{name} has the lowest {title}, {rule.amount(best.loss)}."
    gap = rule.amount(candidate.loss - best.loss)
    if np.isnan(probability):
        return f"{name} is {gap} worse than {other}; one fold cannot tell whether that matters."
    if probability >= ENOUGH:
        equal = np.isclose(candidate.loss, best.loss, rtol=1e-9)  # but for rounding
        how = (
            f"is as good as {other} within the"
            if equal or candidate.loss < best.loss
            else f"is {gap} worse than {other}, inside the"
        )
        return f"{name} {how} {rule.margin} ({chance(probability)})."
    return f"{name} is {gap} worse than {other}, outside the {rule.margin} ({chance(probability)})."


def physics(candidate: Candidate, other: Candidate, probability: float) -> str:
    """Why a rung's physical agreement is not enough."""
    sure = "" if np.isnan(probability) else f" ({chance(probability)} that they agree within 0.05)"
    return (
        f"The maps of `{candidate.name}` agree less with the physics than those of `{other.name}`: "
        f"PF* {candidate.value('pf_star'):.2f} against {other.value('pf_star'):.2f}{sure}."
    )


def shortfall_phrase(missed: Shortfall) -> str:
    """A floor that is not met, after the rung's name."""
    title = METRICS[missed.metric].title if missed.metric in METRICS else missed.metric
    label = f"{title} (floor `{missed.floor}`)"
    limit = quantity(missed.limit, missed.unit)
    if not np.isfinite(missed.value):
        return f"has no {label} to hold against the {limit} asked for"
    side = "above" if missed.upper else "below"
    return f"has a {label} of {quantity(missed.value, missed.unit)}, {side} the {limit} asked for"


def feasible(
    judged: Sequence[Judgement],
    chosen: Candidate,
    choices: Mapping[float, str],
    rule: Rule,
    exhausted: bool,
) -> Equilibrium:
    """The equilibrium around the chosen rung."""
    reasons = [_why_chosen(judged, chosen, rule)]
    names = sorted(
        set(choices.values()), key=lambda n: min(w for w, c in choices.items() if c == n)
    )
    spread = "; ".join(f"`{n}` for {weights_told(choices, n)}" for n in names)
    if len(names) > 1:
        reasons.append(f"The choice depends on the weight of C1 in the complexity: {spread}.")
    else:
        reasons.append("The choice stays the same while C1's weight runs from 0.25 to 0.75.")
    if not np.isfinite(chosen.complexity):
        reasons.append(f"The complexity of `{chosen.name}` was not measured; it was tried last.")
    reasons += [_why_not(j, chosen) for j in judged if j.candidate is not chosen]
    if exhausted:
        status = Status.BUDGET_EXHAUSTED
        remedy = (
            f"`{chosen.name}` is the choice among what was finished. Run the same command again "
            "with more --budget to finish the rest; nothing is computed twice."
        )
    elif len(names) > 1:
        status = Status.OSCILLATING
        remedy = (
            f"{listed(names)} are equally good and change places with the weight of C1: {spread}. "
            "Take the one whose explanation you can use and set a floor that only it meets, for "
            "example --floor min_transparency=0.6, or add data or folds until one is inferior."
        )
    else:
        status = Status.CONVERGED
        remedy = f"None needed: use `{chosen.name}`."
    return Equilibrium(chosen.name, status, remedy, tuple(reasons), _trajectory(judged))


def _why_chosen(judged: Sequence[Judgement], chosen: Candidate, rule: Rule) -> str:
    mine = next(j for j in judged if j.candidate is chosen)
    best = min((j.candidate for j in judged if j.stage in ("admitted", "loss", "physics")),
               key=lambda c: (c.loss, c.complexity, c.name))  # fmt: skip
    if chosen is best:
        simpler = any(j.candidate.complexity < chosen.complexity for j in judged)
        tail = " and no simpler rung is as good" if simpler else " and is the simplest"
        return mine.why.removesuffix(".") + ("," if simpler else "") + tail + "."
    if best.complexity > chosen.complexity:
        than = relative_complexity(chosen.complexity, best.complexity)
        return f"{mine.why.removesuffix('.')}, and is {than}."
    return mine.why


def _why_not(judgement: Judgement, chosen: Candidate) -> str:
    mine = judgement.candidate
    if not judgement.admitted:
        return judgement.why
    if np.isfinite(mine.complexity) and mine.complexity > chosen.complexity:
        compared = f"{mine.complexity:.2f} against {chosen.complexity:.2f}"
        return f"{judgement.why.removesuffix('.')}, but is more complex than needed ({compared})."
    if not np.isfinite(mine.complexity):
        return f"{judgement.why.removesuffix('.')}, but its complexity was not measured."
    return (
        f"{judgement.why.removesuffix('.')}, and as complex as `{chosen.name}`, which comes first."
    )


def weights_told(choices: Mapping[float, str], name: str) -> str:
    """The weights at which a rung is chosen, as ranges.

    >>> weights_told({0.25: "a", 0.3: "a", 0.35: "b", 0.4: "a"}, "a")
    '0.25 to 0.30 and 0.40'
    """
    runs: list[list[float]] = []
    previous = None
    for weight, choice in sorted(choices.items()):
        if choice == name:
            if previous == name:
                runs[-1].append(weight)
            else:
                runs.append([weight])
        previous = choice
    spans = [f"{r[0]:.2f} to {r[-1]:.2f}" if len(r) > 1 else f"{r[0]:.2f}" for r in runs]
    return " and ".join(spans)


def infeasible(
    judged: Sequence[Judgement], floors: Mapping[str, float], loss: str, exhausted: bool
) -> Equilibrium:
    """No rung may be chosen: say what stands in the way and what would help."""
    reasons = tuple(j.why for j in judged) or ("No rung was measured.",)
    status = Status.BUDGET_EXHAUSTED if exhausted else Status.INFEASIBLE
    more = "Run the same command again with more --budget. " if exhausted else ""
    return Equilibrium(
        None, status, more + _remedy(judged, floors, loss), reasons, _trajectory(judged)
    )


def _remedy(judged: Sequence[Judgement], floors: Mapping[str, float], loss: str) -> str:
    stages = {j.stage for j in judged}
    if "physics" in stages:
        return (
            "No rung is both accurate and in agreement with the physics: train the most accurate "
            "with physical sensitivities, or simulate more samples."
        )
    if "floor" in stages:
        near = [
            (j.candidate, shortfalls(j.candidate, floors, loss))
            for j in judged
            if j.stage == "floor"
        ]
        candidate, missed = min(
            near, key=lambda p: (len(p[1]), sum(m.excess for m in p[1]), p[0].name)
        )
        asked = " and ".join(
            f"{m.floor} at {quantity(m.value, m.unit)} instead of {quantity(m.limit, m.unit)}"
            if np.isfinite(m.value) else f"no {m.floor}"
            for m in missed
        )  # fmt: skip
        return (
            f"No rung meets every floor. `{candidate.name}` would with {asked}; "
            "or add rungs to the ladder, or samples."
        )
    if "coverage" in stages:
        return (
            "No rung's intervals hold what they promise, so the folds differ from one another: "
            "look for shifts and duplicates with `iceframe check`, split by specimen, add samples."
        )
    return "No rung was measured in full: see the reasons, mend what failed and run again."


def _trajectory(judged: Sequence[Judgement]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "rung": j.candidate.name,
            "complexity": j.candidate.value("complexity"),
            "loss": j.candidate.loss,
            "probability": j.probability,
            "admitted": j.admitted,
            "why": j.why,
        }
        for j in judged
    )

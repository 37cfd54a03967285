"""The decision: the simplest rung that is non-inferior to the best (DESIGN §4).

1. Rungs without complete fold losses are set aside, then those that miss a floor of the user, then
   those whose coverage is refuted: P(coverage < level − 0.05) ≥ 0.95 under a Beta posterior.
2. Of the rest, the one with the lowest loss is the reference. A rung is non-inferior if
   P(loss − reference ≤ ROPE) ≥ 0.5 by the correlated Bayesian t-test over paired folds; where
   physical agreement PF* was measured, the same holds for it with a ROPE of 0.05. The reference is
   the best of many, and by luck better than it is: a higher bar escalates needlessly (ADR 14).
3. The non-inferior rung of the lowest measured complexity is the equilibrium, if it stays so while
   the weight of C1 runs from 0.25 to 0.75.

With conformal intervals the burden of proof is on the evidence against coverage: demanding proof
*for* it would refuse every rung on a small data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.balance import verdict
from iceframe.balance.bayes import probability_share_below, probability_within
from iceframe.balance.candidates import (
    Candidate,
    check_floors,
    gather,
    higher_is_better,
    shortfalls,
)
from iceframe.balance.judgement import CONFIDENCE, ENOUGH, Judgement, Rule
from iceframe.balance.wording import chance
from iceframe.core.errors import UsageError
from iceframe.core.values import Equilibrium, Evidence, Task

COVERAGE_MARGIN = 0.05  # how far below its level a coverage may lie
PF_STAR_ROPE = 0.05  # on a scale from 0 (best model-free map) to 1 (the solver's own)
DUMMY = "mean"
DEFAULT_ROPE_SHARE = 0.02  # of the dummy's loss
MOST_ROPE_SHARE = 0.1  # of the dummy's loss: one measurement's error is not that of a mean loss
WEIGHTS = tuple(round(0.25 + 0.05 * i, 2) for i in range(11))


def decide(
    evidence: Sequence[Evidence],
    *,
    task: Task = "regression",
    loss: str | None = None,
    rope: float | None = None,
    n_train: float,
    n_test: float,
    floors: Mapping[str, float] | None = None,
    exhausted: bool = False,
    level: float = 0.9,
    rope_source: str = "repeat error",
) -> Equilibrium:
    """The equilibrium that the evidence supports.

    Parameters
    ----------
    evidence : rows of all rungs; the row of ``loss`` carries one value a fold, on the same folds
        for every rung. A failed rung may carry a NaN and its reason as ``note``.
    loss : metric to compare by; default ``mae``, or ``balanced_accuracy`` for a classification. Of
        a metric where higher is better, 1 − value is the loss.
    rope : difference of losses that does not matter, in the unit of the loss: the repeat error of
        experiment or solver (``rope_source`` names it), of which at most 10 % of the loss of
        ``mean`` counts. ``None``: 2 % of the loss of ``mean``.
    n_train, n_test : (mean) numbers of samples in the two parts of a fold.
    floors : limits by metric, upper where lower is better and lower otherwise, and ``max_error``
        (the loss), ``max_seconds``, ``min_transparency`` (PF*, else faithfulness).
    exhausted : the budget ran out before every rung was measured.
    level : nominal coverage of the intervals; looked up as ``coverage_90`` for 0.9.

    Raises
    ------
    UsageError : an unknown floor, or a ROPE below zero.
    """
    floors = dict(floors or {})
    check_floors(floors)
    if rope is not None and not rope >= 0:
        raise UsageError("The region of practical equivalence is below zero.", got=rope)
    loss = loss or ("mae" if task == "regression" else "balanced_accuracy")
    candidates = sorted(gather(evidence, loss), key=_by_complexity)
    rule = rule_for(candidates, loss, rope, rope_source, n_train, n_test, level)
    judged = _judge(candidates, rule, floors, exhausted)
    admitted = [j.candidate for j in judged if j.admitted]
    if not admitted:
        return verdict.infeasible(judged, floors, loss, exhausted)
    chosen = admitted[0]
    return verdict.feasible(judged, chosen, _choices(admitted), rule, exhausted)


def _by_complexity(candidate: Candidate, weight: float | None = None) -> tuple[float, float, str]:
    value = candidate.complexity if weight is None else candidate.complexity_at(weight)
    return value, candidate.loss if np.isfinite(candidate.loss) else np.inf, candidate.name


def _choices(admitted: Sequence[Candidate]) -> dict[float, str]:
    """The choice at each weight of C1."""
    return {w: min(admitted, key=lambda c, w=w: _by_complexity(c, w)).name for w in WEIGHTS}  # type: ignore[misc]


def rule_for(
    candidates: Sequence[Candidate],
    loss: str,
    rope: float | None,
    source: str,
    n_train: float,
    n_test: float,
    level: float,
) -> Rule:
    """The terms of the comparison: the loss, its unit, the ROPE and where it comes from."""
    rows = [c.evidence[loss] for c in candidates if loss in c.evidence]
    unit = next((r.unit for r in rows if r.unit), "")
    if higher_is_better(rows, loss):
        unit = "points"
    known = [c for c in candidates if np.isfinite(c.loss)]
    dummy = next((c for c in known if c.name == DUMMY), None)
    if rope is None:
        dummy = dummy or max(known, key=lambda c: c.loss, default=None)
        rope = DEFAULT_ROPE_SHARE * dummy.loss if dummy else 0.0
        because = (
            f"that count as equal, {DEFAULT_ROPE_SHARE * 100:.0f} % of the loss of `{dummy.name}`"
            if dummy
            else ""
        )
    elif dummy is not None and rope > MOST_ROPE_SHARE * dummy.loss:
        rope = MOST_ROPE_SHARE * dummy.loss
        because = (
            f"that count as equal, {MOST_ROPE_SHARE * 100:.0f} % of the loss of `{dummy.name}` "
            f"({source} is larger)"
        )
    else:
        because = f"that {source} explains"
    return Rule(loss, unit, float(rope), because, n_train, n_test, level)


def _judge(
    candidates: Sequence[Candidate], rule: Rule, floors: Mapping[str, float], exhausted: bool
) -> list[Judgement]:
    """One judgement a rung, in the order given."""
    expected = max((len(c.folds) for c in candidates), default=0)
    judged: dict[str, Judgement] = {}
    for candidate in candidates:
        refusal = (
            _incomplete(candidate, expected, exhausted)
            or _below_floor(candidate, floors, rule.loss)
            or _undercovered(candidate, rule)
        )
        if refusal is not None:
            judged[candidate.name] = refusal
    eligible = [c for c in candidates if c.name not in judged]
    if eligible:
        judged |= _compare(eligible, rule)
    return [judged[c.name] for c in candidates]


def _incomplete(candidate: Candidate, expected: int, exhausted: bool) -> Judgement | None:
    finite = sum(np.isfinite(f) for f in candidate.folds)
    if finite == expected and finite:
        return None
    missing = (
        "was not measured" if not finite else f"has a loss on {finite} of {expected} folds only"
    )
    when = ", because the budget ran out" if exhausted and not candidate.note else ""
    note = f": {candidate.note.rstrip('.')}" if candidate.note else when
    return Judgement(candidate, "incomplete", f"`{candidate.name}` {missing}{note}.")


def _below_floor(candidate: Candidate, floors: Mapping[str, float], loss: str) -> Judgement | None:
    missed = shortfalls(candidate, floors, loss)
    if not missed:
        return None
    parts = [verdict.shortfall_phrase(m) for m in missed]
    return Judgement(candidate, "floor", f"`{candidate.name}` {' and '.join(parts)}.")


def _undercovered(candidate: Candidate, rule: Rule) -> Judgement | None:
    row = candidate.evidence.get(f"coverage_{round(100 * rule.level)}")
    if row is None:
        return None
    limit = rule.level - COVERAGE_MARGIN
    probability = probability_share_below(row.value, row.n, limit)
    if not probability >= CONFIDENCE:
        return None
    why = (
        f"The {100 * rule.level:.0f} % intervals of `{candidate.name}` hold "
        f"{100 * row.value:.1f} % of {row.n} held-out samples, "
        f"less than {100 * limit:.0f} % ({chance(probability)})."
    )
    return Judgement(candidate, "coverage", why)


def _compare(eligible: Sequence[Candidate], rule: Rule) -> dict[str, Judgement]:
    best = min(eligible, key=lambda c: (c.loss, c.complexity, c.name))
    physical = [c for c in eligible if _pf_folds(c)]
    most_physical = max(physical, key=lambda c: c.value("pf_star"), default=None)
    return {c.name: _against(c, best, most_physical, rule) for c in eligible}


def _against(
    candidate: Candidate, best: Candidate, most_physical: Candidate | None, rule: Rule
) -> Judgement:
    """Compare one rung with the reference on loss, then on PF*."""
    if candidate is best:
        probability = 1.0
    else:
        probability = probability_within(
            candidate.folds, best.folds, rule.rope, n_train=rule.n_train, n_test=rule.n_test
        )
    why = verdict.comparison(candidate, best, probability, rule)
    if not probability >= ENOUGH:
        return Judgement(candidate, "loss", why, probability)
    mine = _pf_folds(candidate)
    if most_physical is None or candidate is most_physical or not mine:
        return Judgement(candidate, "admitted", why, probability)
    reference = _pf_folds(most_physical)
    agreement = float("nan")
    if len(mine) == len(reference):
        agreement = probability_within(
            [-v for v in mine], [-v for v in reference], PF_STAR_ROPE,
            n_train=rule.n_train, n_test=rule.n_test,
        )  # fmt: skip
    if agreement >= ENOUGH:
        return Judgement(candidate, "admitted", why, probability)
    return Judgement(
        candidate, "physics", verdict.physics(candidate, most_physical, agreement), probability
    )


def _pf_folds(candidate: Candidate) -> tuple[float, ...]:
    """PF* fold by fold; empty where it was not measured in full."""
    row = candidate.evidence.get("pf_star")
    if row is None or not np.isfinite(row.value):
        return ()
    folds = row.folds or (row.value,)
    return folds if np.all(np.isfinite(folds)) else ()

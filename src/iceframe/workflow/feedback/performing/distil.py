"""Distil: measure a glass box that learns from another rung's answers, and say what is lost.

In every fold the teacher is fitted to the training samples alone
(:mod:`iceframe.scale.distillation`). What is lost stands in the facts: the losses of teacher, of
the student and of the same glass box without a teacher on the same held-out samples, and how
closely the student follows its teacher.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from iceframe.balance.situation import candidate_name
from iceframe.core.errors import InputError
from iceframe.scale.distillation.student import Distilled
from iceframe.scale.rung import RUNGS
from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.performer import PERFORMERS, Performed, Performer

LOSSES = {"regression": "mae", "classification": "log_loss"}


@PERFORMERS.register("distil")
class Distil(Performer):
    """See the module."""

    name = "distil"

    def perform(self, arguments: Mapping[str, Any], bench: Bench) -> Performed:
        student, variant = str(arguments["student"]), str(arguments["variant"])
        alone = RUNGS[student].distils
        if not alone:
            raise InputError(
                "This rung has no teacher.",
                got=student,
                allowed=", ".join(name for name, kind in RUNGS.items() if kind.distils),
            )
        candidates = bench.measure([student], variant, str(arguments.get("teacher", "")))
        if bench.measured[candidates[0]].failed:
            return Performed(candidates)
        model = bench.fitted(candidates[0]).estimator
        assert isinstance(model, Distilled)
        told = model.account_
        metric = LOSSES[bench.data(variant).task or "regression"]
        losses = {
            who: _loss(bench, candidate_name(rung, variant), metric)
            for who, rung in (("teacher", told.teacher), ("alone", alone), ("student", student))
        }
        facts = {
            "teacher": told.teacher,
            "share": told.share,
            "unlabelled": told.rows,
            "fidelity": told.fidelity if math.isfinite(told.fidelity) else None,
            "metric": metric,
            "losses": losses,
        }
        return Performed(candidates, (_sentence(student, alone, facts),), facts)


def _loss(bench: Bench, candidate: str, metric: str) -> float | None:
    """The mean loss of a candidate; ``None`` where there is none."""
    if candidate not in bench.measured:
        return None
    evidence = bench.run_of(candidate).evidence
    rung = bench.measured[candidate].rung
    found = evidence[(evidence["rung"] == rung) & (evidence["metric"] == metric)]["value"]
    value = float(found.iloc[0]) if len(found) else float("nan")
    return value if math.isfinite(value) else None


def _sentence(student: str, alone: str, facts: Mapping[str, Any]) -> str:
    """What was lost, for a person.

    >>> losses = {"teacher": 1.0, "alone": 2.0, "student": 1.5}
    >>> facts = {"teacher": "gp", "fidelity": 0.9, "metric": "mae", "losses": losses}
    >>> _sentence("distilled_ebm", "ebm", facts)
    'distilled_ebm learned from gp (R² 0.90 to its answers): mae 1.5, gp 1, ebm 2.'
    >>> _sentence("distilled_ebm", "ebm", {**facts, "teacher": ""})
    'distilled_ebm is ebm: no teacher made it better inside the training samples.'
    >>> _sentence("distilled_ebm", "ebm", {**facts, "fidelity": None})
    'distilled_ebm learned from gp: mae 1.5, gp 1, ebm 2.'
    """
    if not facts["teacher"]:
        return f"{student} is {alone}: no teacher made it better inside the training samples."
    losses, teacher, metric = facts["losses"], facts["teacher"], facts["metric"]
    said = [
        f"{name} {losses[who]:.3g}"
        for who, name in (("student", metric), ("teacher", teacher), ("alone", alone))
        if losses[who] is not None
    ]
    fidelity = facts["fidelity"]
    alike = "" if fidelity is None else f" (R² {fidelity:.2f} to its answers)"
    return f"{student} learned from {teacher}{alike}: {', '.join(said)}."

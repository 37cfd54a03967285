"""Answers beside the map or the terms: which descriptors a network uses, what would change its
answer, and which samples it has seen that are like this one.

Each answers one question about one sample, and nothing is computed that was not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from iceframe.core.errors import UsageError
from iceframe.workflow.further.concepts import concepts_used
from iceframe.workflow.further.counterfactual import changed_structure
from iceframe.workflow.further.neighbours import seen_alike
from iceframe.workflow.further.subject import Subject


@dataclass(frozen=True)
class Questions:
    """What is asked of a sample beside its map or terms; see
    :meth:`iceframe.workflow.session.Run.explain_sample`."""

    concepts: bool = False
    counterfactual: float | str | None = None
    keep_volume_fraction: bool = False
    neighbours: int | None = None


def further_answers(asked: Questions, subject: Subject) -> dict[str, Any]:
    """Answers by name, as :class:`~iceframe.workflow.view.Explained` holds them.

    Raises
    ------
    UsageError : a question that does not apply to this model or these data.
    InputError : neighbours, and the run's data are gone.
    """
    answers: dict[str, Any] = {}
    if asked.keep_volume_fraction and asked.counterfactual is None:
        raise UsageError(
            "Only a counterfactual can keep the volume fraction.",
            where="--keep-volume-fraction",
            hint="add --counterfactual",
        )
    if asked.counterfactual is not None:
        answers["counterfactual"] = changed_structure(
            subject, asked.counterfactual, asked.keep_volume_fraction
        )
    if asked.concepts:
        answers["concepts"] = concepts_used(subject)
    if asked.neighbours is not None:
        answers["neighbours"] = seen_alike(subject, asked.neighbours)
    return answers

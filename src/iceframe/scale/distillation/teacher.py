"""The teacher: which rung it is, and what it answers, never about samples that it was fitted to.

The training samples are dealt into folds, and a teacher is fitted without each in turn. A training
sample is answered by the one that has not seen it, so that its answer is a prediction and not a
memory (of a forest, which remembers, the student would learn the noise once more); a sample without
a target is answered by the mean of all of them. Cross-fitted teachers: Dao, Kamath, Syrgkanis &
Mackey 2021, https://arxiv.org/abs/2104.09732.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import derive_seed
from iceframe.scale.distillation.made import made_rows
from iceframe.scale.fitting import check_fit, fit, inner_splits, loss
from iceframe.scale.rung import RUNGS, Inputs

if TYPE_CHECKING:
    from iceframe.scale.rung import Context

FOLDS = {"light": 4, "medium": 4, "heavy": 3, "extreme": 3}
"""Teachers by their effort."""

USUAL: Mapping[str, tuple[str, ...]] = {
    "image": ("cnn",),
    "crystal": ("chgnet_probe",),
    "table": ("extra_trees", "boosted_trees", "gp"),
}
"""Teachers among which one is chosen where none is named: strong, and affordable many times."""

MOST_FOR = {"gp": 1500}
"""Samples above which a usual teacher is too slow to be tried."""

MOST_ROWS = 6000
"""Most samples that only the teacher labels."""

CHECKED = 0.2
"""Of those, the share that the student does not learn from but is compared on."""


@dataclass(frozen=True)
class Lesson:
    """What a teacher says, of ``n`` training samples and of ``m`` others.

    Attributes
    ----------
    answers : about the training samples, ``(n,)``, or probabilities ``(n, k)``.
    rows : table ``(m, d)`` of samples without a target. row_answers : about them.
    loss : of the answers about the training samples (mean absolute error, or log loss).
    """

    answers: np.ndarray
    rows: np.ndarray
    row_answers: np.ndarray
    loss: float


def teach(
    teacher: str,
    settings: Mapping[str, Any],
    inputs: Inputs,
    y: np.ndarray,
    context: Context,
    per_sample: float,
) -> Lesson:
    """Fit ``teacher`` at ``settings`` and ask it; ``per_sample``: how many samples without a target
    for one with, at most :data:`MOST_ROWS` in all.

    These are the unlabelled samples, if there are any that the teacher can look at; else they are
    made (:func:`~iceframe.scale.distillation.made.made_rows`), if the teacher reads the table; else
    there are none.

    Raises
    ------
    UsageError : the teacher is unknown or cannot learn from these data.
    """
    check_teacher(teacher, inputs, context)
    rung = RUNGS[teacher]()
    seed = derive_seed(context.seed, "distillation", teacher)
    about = replace(context, seed=seed)
    others = unlabelled_for(teacher, inputs, round(min(per_sample * len(y), MOST_ROWS)), seed)
    shape = (context.n_classes,) if context.task == "classification" else ()
    answers = np.zeros((len(y), *shape))
    row_answers = np.zeros((0 if others is None else len(others), *shape))
    splits = list(inner_splits(y, context.task, FOLDS[rung.effort], seed))
    for train, test in splits:
        fitted = fit(rung, settings, inputs.take(train), y[train], about)
        answers[test] = fitted.predict(inputs.take(test))
        if others is not None:
            row_answers += fitted.predict(others) / len(splits)
    rows = np.zeros((0, context.n_features)) if others is None else others.table.values
    return Lesson(answers, rows, row_answers, loss(y, answers, context.task))


def unlabelled_for(teacher: str, inputs: Inputs, n: int, seed: int) -> Inputs | None:
    """At most ``n`` samples without a target that ``teacher`` can be asked about."""
    if n == 0:
        return None
    reads, given = RUNGS[teacher].input, inputs.unlabelled
    if given is not None and (reads == "table" or _has(given, reads)):
        order = np.random.default_rng(seed).permutation(len(given))
        return given.take(order[:n])
    return Inputs(made_rows(inputs.table, n, seed)) if reads == "table" else None


def usual_teachers(inputs: Inputs, context: Context) -> tuple[str, ...]:
    """The teachers to choose among for these data: the one that is named, or the usual ones.

    Raises
    ------
    UsageError : the one that is named is unknown or cannot learn from these data.
    """
    if context.teacher:
        check_teacher(context.teacher, inputs, context)
        return (context.teacher,)
    found = []
    for kind, names in USUAL.items():
        if kind == "table" or _has(inputs, kind):
            found += [name for name in names if len(inputs) <= MOST_FOR.get(name, len(inputs))]
    return tuple(name for name in found if not refusal(name, inputs, context))


def check_teacher(name: str, inputs: Inputs, context: Context) -> None:
    """Raise a :class:`UsageError` where this rung is unknown or cannot teach on these data."""
    why = refusal(name, inputs, context)
    if why:
        able = [n for n in RUNGS if not refusal(n, inputs, context)]
        raise UsageError(
            f"The rung '{name}' cannot be the teacher here.", got=why, allowed=", ".join(able)
        )


def refusal(name: str, inputs: Inputs, context: Context) -> str:
    """Why this rung cannot teach on these data; empty where it can.

    Raises
    ------
    UsageError : there is no such rung.
    """
    rung = RUNGS[name]
    if rung.distils:
        return "it has a teacher itself"
    try:
        if rung.input == "image" and inputs.images is not None:
            rung.check_images(inputs.images)
        # What a rung asks of targets is not at issue here: two classes are asked for by the rest.
        check_fit(rung(), inputs, np.arange(len(inputs)), context)
    except (UsageError, InputError) as error:
        return error.what
    return ""


def _has(inputs: Inputs, kind: str) -> bool:
    return (inputs.images if kind == "image" else inputs.crystals) is not None

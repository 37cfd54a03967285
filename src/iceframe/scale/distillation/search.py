"""Who teaches, and what the student learns from it, found inside the training samples.

The teacher is the one that errs least about samples that it was not fitted to. What the student
learns from it (:data:`LESSONS`), and the student's own settings, are those with which the student
errs least about the *truth*; the glass box without a teacher is among them. In every inner fold
teachers and students see its training samples alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.seeds import derive_seed
from iceframe.scale.distillation.student import MADE, answers_of, fitted_student, lesson_of
from iceframe.scale.distillation.teacher import teach, usual_teachers
from iceframe.scale.fitting import (
    TRIALS,
    fit,
    inner_splits,
    loss,
    lowest_loss,
    quiet_study,
    tune,
)
from iceframe.scale.rung import RUNGS, Context, Effort, Inputs, Rung

if TYPE_CHECKING:
    import optuna

LESSONS = ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, MADE), (0.5, MADE), (1.0, MADE))
"""λ, and how many samples only the teacher labels for each labelled one; the first is the glass box
alone."""

TEACHER_TRIALS = {"light": 8, "medium": 4, "heavy": 2, "extreme": 0}
STUDENT_TRIALS = {"light": 20, "medium": 10, "heavy": 8, "extreme": 6}
"""Tuning trials by effort: few, as every one fits several teachers, or students of many samples."""


def searched(
    student: Rung,
    effort: Effort,
    inputs: Inputs,
    y: np.ndarray,
    context: Context,
    *,
    trials: int,
    folds: int,
    groups: np.ndarray | None,
) -> dict[str, Any]:
    """The settings of a :class:`~iceframe.scale.distillation.student.Distilled`.

    ``trials``: of the usual number for this ``effort``; the searches of teacher and student are
    shortened in proportion. Arguments else as of :func:`iceframe.scale.fitting.tune`.
    ``inner`` of the result holds the losses of teacher and student in the inner folds.
    """
    seed = derive_seed(context.seed, "distillation", "search", student.name)
    part = trials / TRIALS[effort]
    splits = list(inner_splits(y, context.task, folds, seed, groups))
    name, told = _least_loss(_tuned(inputs, y, context, part, groups), inputs, y, context, splits)
    parts = [(inputs.take(train), y[train]) for train, _ in splits]
    lessons = [teach(name, told, x, target, context, MADE) for x, target in parts]
    offered = [
        pair for pair in LESSONS if pair[1] == 0 or all(len(lesson.rows) for lesson in lessons)
    ]

    def suggest(trial: optuna.Trial) -> dict[str, Any]:
        place = trial.suggest_categorical("lesson", tuple(range(len(offered))))
        share, made = offered[place]
        return {"share": share, "made": made, "student": student.space(trial, context)}

    def losses(settings: Mapping[str, Any]) -> Iterator[float]:
        share, made = lesson_of(settings)
        for (x, target), lesson, (_, test) in zip(parts, lessons, splits, strict=True):
            rows = lesson.rows if made else lesson.rows[:0]
            seen = replace(lesson, rows=rows, row_answers=lesson.row_answers[: len(rows)])
            model = fitted_student(student, settings["student"], x, target, context, seen, share)
            found = answers_of(model, inputs.table.values[test], context)
            yield loss(y[test], found, context.task)

    first = [{"lesson": place} for place in range(len(offered))]
    own = round(part * STUDENT_TRIALS[student.effort]) if _has_settings(student, context) else 0
    chosen, least = lowest_loss(suggest, losses, max(len(offered), own), seed, first)
    mean_teacher = float(np.mean([lesson.loss for lesson in lessons]))
    return {
        "teacher": name,
        "teacher_settings": dict(told),
        **chosen,
        "inner": {"teacher": mean_teacher, "student": least},
    }


Teacher = tuple[str, Mapping[str, Any]]
"""A rung and its settings."""


def _tuned(
    inputs: Inputs, y: np.ndarray, context: Context, part: float, groups: np.ndarray | None
) -> list[Teacher]:
    """The teachers to choose among, each with the settings that suit it."""
    found: list[Teacher] = []
    for name in usual_teachers(inputs, context):
        most = round(part * TEACHER_TRIALS[RUNGS[name].effort])
        found.append((name, tune(RUNGS[name](), inputs, y, context, trials=most, groups=groups)))
    return found


def _least_loss(
    teachers: Sequence[Teacher],
    inputs: Inputs,
    y: np.ndarray,
    context: Context,
    splits: Sequence[tuple[np.ndarray, np.ndarray]],
) -> Teacher:
    """The teacher that errs least over ``splits`` of the training samples."""
    if len(teachers) == 1:
        return teachers[0]
    means = []
    for name, settings in teachers:
        errors = []
        for train, test in splits:
            fitted = fit(RUNGS[name](), settings, inputs.take(train), y[train], context)
            errors.append(loss(y[test], fitted.predict(inputs.take(test)), context.task))
        means.append(float(np.mean(errors)))
    return teachers[int(np.argmin(means))]


def _has_settings(student: Rung, context: Context) -> bool:
    trial = quiet_study(context.seed, 1).ask()
    student.space(trial, context)
    return bool(trial.params)

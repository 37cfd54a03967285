"""A glass box that a teacher makes, as an estimator.

On the ``n`` labelled samples the target is ``λ t_i + (1 − λ) y_i`` with ``t_i`` the answer of a
teacher that has not seen sample i; on others it is the teacher's answer alone (Bucilă et al. 2006,
https://doi.org/10.1145/1150402.1150464; the mixture: Hinton et al. 2015,
https://arxiv.org/abs/1503.02531). With ``λ = 0`` and no other samples this is the glass box itself.

Of a classification the teacher's answers are probabilities. Each sample gets a label drawn from
(the mixture of) them: what a student learns from many such labels tends to the probabilities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.files import read_json, write_json
from iceframe.core.seeds import generator
from iceframe.scale.distillation.teacher import CHECKED, Lesson, teach, usual_teachers
from iceframe.scale.rung import Context, Inputs, Rung

SHARE = 0.5
MADE = 4.0
"""Samples that only the teacher labels, for each labelled one."""

ACCOUNT_FILE = "distillation.json"


@dataclass(frozen=True)
class Account:
    """What a fitted student was taught, and what of it is lost.

    ``teacher``: the rung, empty where there was none. ``share``: λ. ``rows``: samples that only the
    teacher labelled. ``teacher_loss``: mean absolute error, or log loss, of the teacher about
    training samples that it had not seen. ``fidelity``: R² of the student to the teacher's answers
    (over all classes' probabilities), on ``compared`` samples that the student did not learn from
    (``fresh``), or on its training samples where there are no others.
    """

    teacher: str = ""
    share: float = 0.0
    rows: int = 0
    teacher_loss: float = float("nan")
    fidelity: float = float("nan")
    compared: int = 0
    fresh: bool = False


class Distilled:
    """The rung ``student`` fitted to what a teacher says.

    Parameters
    ----------
    settings : ``teacher`` (a rung), ``teacher_settings``, ``share`` (λ), ``made`` (samples that
        only the teacher labels, for each labelled one) and ``student`` (settings of the student).

    Attributes
    ----------
    student_ : the fitted estimator of the student, all that is needed to predict.
    account_ : an :class:`Account`. classes_ : the class codes that it knows.
    """

    def __init__(self, student: Rung, settings: Mapping[str, Any], context: Context) -> None:
        self.student = student
        self.settings = settings
        self.context = context

    def fit(self, inputs: Inputs, y: np.ndarray) -> Distilled:
        """Fit the teacher and then the student to targets, or class codes, ``(n,)``.

        Raises
        ------
        UsageError : the teacher is unknown or cannot learn from these data.
        """
        share, made = lesson_of(self.settings)
        options = dict(self.settings.get("student", {}))
        if share == 0 and made == 0:
            self.account_ = Account()
            return self._keep(fitted_student(self.student, options, inputs, y, self.context))
        name = str(self.settings.get("teacher") or usual_teachers(inputs, self.context)[0])
        told = self.settings.get("teacher_settings", {})
        lesson = teach(name, told, inputs, y, self.context, made / (1 - CHECKED))
        kept = round((1 - CHECKED) * len(lesson.rows))
        seen = replace(lesson, rows=lesson.rows[:kept], row_answers=lesson.row_answers[:kept])
        model = fitted_student(self.student, options, inputs, y, self.context, seen, share)
        self._keep(model)
        fresh = kept < len(lesson.rows)
        x = lesson.rows[kept:] if fresh else inputs.table.values
        answers = lesson.row_answers[kept:] if fresh else lesson.answers
        fidelity = variance_explained(answers, self._answers(x))
        self.account_ = Account(name, share, kept, lesson.loss, fidelity, len(x), fresh)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        """What the student predicts from features ``(n, d)``."""
        return self.student_.predict(x)

    def predict_proba(self, x: np.ndarray) -> np.ndarray:
        """The student's probabilities ``(n, k)``, in the order of ``classes_``."""
        return self.student_.predict_proba(x)

    def save(self, folder: Path) -> None:
        """The student by its own means, and the account."""
        self.student.save(self.student_, folder)
        write_json(Path(folder) / ACCOUNT_FILE, asdict(self.account_))

    def restore(self, folder: Path) -> Distilled:
        """Read what :meth:`save` wrote.

        Raises
        ------
        InputError : the folder is damaged.
        """
        path = Path(folder) / ACCOUNT_FILE
        record = read_json(path)
        try:
            self.account_ = Account(**record)
        except TypeError as error:
            raise InputError(
                "This stored model is damaged.",
                where=path,
                got=f"{type(error).__name__}: {error}",
                hint="restore it from a copy, or run again",
            ) from error
        options = dict(self.settings.get("student", {}))
        return self._keep(self.student.load(Path(folder), options, self.context))

    def _keep(self, student: Any) -> Distilled:
        self.student_ = student
        if self.context.task == "classification":
            self.classes_ = student.classes_
        return self

    def _answers(self, x: np.ndarray) -> np.ndarray:
        return answers_of(self.student_, x, self.context)


def lesson_of(settings: Mapping[str, Any]) -> tuple[float, float]:
    """λ, and how many samples only the teacher labels, for each labelled one.

    Raises
    ------
    InputError : a share outside [0, 1], or a negative number.
    """
    share, made = float(settings.get("share", SHARE)), float(settings.get("made", MADE))
    if not 0 <= share <= 1:
        raise InputError("The teacher's share is no share.", got=share, allowed="0 to 1")
    if made < 0:
        raise InputError(
            "The number of samples to make is negative.", got=made, allowed="0 or more"
        )
    return share, made


def fitted_student(
    student: Rung,
    options: Mapping[str, Any],
    inputs: Inputs,
    y: np.ndarray,
    context: Context,
    lesson: Lesson | None = None,
    share: float = 0.0,
) -> Any:
    """The estimator of ``student``, fitted to the targets, or to the lesson with this share."""
    x, target = inputs.table.values, y
    if lesson is not None:
        x = np.concatenate([x, lesson.rows])
        target = _mixed(y, lesson, share, context)
    return student.build(options, context).fit(x, target)


def _mixed(y: np.ndarray, lesson: Lesson, share: float, context: Context) -> np.ndarray:
    """What the student shall say of the ``n`` labelled samples and of the others."""
    if context.task == "regression":
        labelled = share * lesson.answers + (1 - share) * y
        return np.concatenate([labelled, lesson.row_answers])
    truth = np.eye(context.n_classes)[y]
    chances = np.concatenate([share * lesson.answers + (1 - share) * truth, lesson.row_answers])
    drawn = generator(context.seed, "drawn labels").uniform(size=(len(chances), 1))
    total = np.cumsum(chances, axis=1)
    codes = (drawn * total[:, -1:] >= total).sum(axis=1)
    # So sure a teacher may draw one class alone, which nobody can learn from.
    return codes if len(np.unique(codes)) > 1 else np.concatenate([y, codes[len(y) :]])


def answers_of(estimator: Any, x: np.ndarray, context: Context) -> np.ndarray:
    """Predictions ``(n,)``, or probabilities ``(n, n_classes)``, of a student's estimator."""
    if context.task == "regression":
        return np.asarray(estimator.predict(x), float).reshape(len(x))
    full = np.zeros((len(x), context.n_classes))
    full[:, np.asarray(estimator.classes_, int)] = estimator.predict_proba(x)
    return full


def variance_explained(truth: np.ndarray, predicted: np.ndarray) -> float:
    """R² over all entries; NaN where ``truth`` does not vary.

    >>> variance_explained(np.array([1.0, 3.0]), np.array([1.0, 2.0]))
    0.5
    """
    total = float(np.sum((truth - truth.mean(axis=0)) ** 2))
    return 1 - float(np.sum((truth - predicted) ** 2)) / total if total > 0 else float("nan")

"""Intervals and sets that hold their level on new samples, from cross-validated residuals.

Regression ("CV" intervals; Barber, Candès, Ramdas & Tibshirani 2021, doi 10.1214/20-AOS1965, §1 and
§3): every training sample i has a residual R_i = |y_i − f_{-k(i)}(x_i)| under the model that was
fitted without its fold. The interval at x is ``f(x) ± q`` with the model f of all training samples
and q the ⌈level (n + 1)⌉-th smallest residual; with 80 samples or more, of the residuals whose
left-out prediction lies in the same range as f(x) (ADR 0015).

Classification, sets with the score s(x, c) = 1 − p_c(x) (LAC: Sadinle, Lei & Wasserman 2019,
doi 10.1080/01621459.2017.1395341): class c belongs to the set if its score under f is at most the
⌈level (n + 1)⌉-th smallest left-out score of the training samples' own classes.

Direction: coverage should be the level, and the interval or set small. Typical coverage is the
level, or a little more, since the fold models see fewer samples than f; unlike for CV+ there is no
worst-case guarantee, and a model that changes wildly with a few samples may fall short. Chosen over
CV+, which was measured to over-cover by up to six points for trees (ADR 0008). Trap: on average
over samples, not for each kind; and no longer where new samples differ from the training data.

Written here because MAPIE indexes arrays, and our images stay on disk behind an ``ImageSource``:
one implementation serves tables and images, and MAPIE (``method="base"``) is the oracle in the
tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.files import read_json, write_json
from iceframe.core.seeds import derive_seed
from iceframe.core.values import Task

if TYPE_CHECKING:
    from iceframe.scale.rung import Context, Inputs, Rung

FORMAT = 2
READABLE = (1, FORMAT)  # 1 has no left-out answers
FOLDS = {"light": 5, "medium": 5, "heavy": 3, "extreme": 3}


@dataclass(frozen=True)
class LeftOut:
    """What the models of the folds answered for the training samples that they had not seen, in
    the order of these samples.

    ``truth`` ``(n,)``: targets or class codes; ``predicted``: ``(n,)`` values or ``(n, k)``
    probabilities; ``fold`` ``(n,)``: which fold a sample was left out with; ``group`` ``(n,)``: of
    samples that were left out together, or None. Enough for thresholds by group, range or class
    (:mod:`iceframe.measure.uncertainty`).
    """

    truth: np.ndarray
    predicted: np.ndarray
    fold: np.ndarray
    group: np.ndarray | None = None

    def residuals(self) -> np.ndarray:
        """Signed ``y_i − f_{-k(i)}(x_i)`` ``(n,)`` of a regression."""
        return np.asarray(self.truth - self.predicted)

    def scores(self) -> np.ndarray:
        """Scores ``(n,)`` in the order of the samples; see :class:`Conformal`."""
        if self.predicted.ndim == 1:
            return np.abs(self.residuals())
        return np.asarray(1.0 - self.predicted[np.arange(len(self.truth)), self.truth.astype(int)])


@dataclass(frozen=True)
class Conformal:
    """Left-out ``scores`` ``(n,)`` of the training samples, ascending: absolute residuals in the
    unit of the target, or one minus the probability of the true class; and the answers that they
    come from, where these were kept."""

    task: Task
    level: float
    scores: np.ndarray
    left_out: LeftOut | None = None

    def interval(
        self, predicted: np.ndarray, level: float | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends ``(m,)`` around predictions ``(m,)`` of the model of all samples, in the unit of the
        target; infinite where n is too small for the level. See :meth:`half_widths`.

        Raises
        ------
        ValueError : for a classification.

        Examples
        --------
        Nine residuals 1…9; at 80 % the 8th of them counts.

        >>> conformal = Conformal("regression", 0.8, np.arange(1.0, 10.0))
        >>> low, high = conformal.interval(np.array([10.0]))
        >>> low.tolist(), high.tolist()
        ([2.0], [18.0])
        """
        half = self.half_widths(predicted, level)
        return np.asarray(predicted) - half, np.asarray(predicted) + half

    def half_widths(self, predicted: np.ndarray, level: float | None = None) -> np.ndarray:
        """Half the width ``(m,)`` of the interval around each prediction ``(m,)``.

        A threshold for each range of the predicted value where the left-out answers were kept and
        are enough for several (:class:`~iceframe.measure.uncertainty.mondrian.ByRange`), else one
        for all (ADR 15).

        Raises
        ------
        ValueError : for a classification.
        """
        from iceframe.measure.uncertainty.mondrian import ByRange

        if self.task != "regression":
            raise ValueError("intervals are for regressions; a classification has sets()")
        level, predicted = level or self.level, np.asarray(predicted, float)
        known = self.left_out
        if known is None or not np.isfinite(known.scores()).all():
            return np.full(predicted.shape, threshold(self.scores, level))
        return ByRange.fit(known, level).half_widths(predicted, level)

    def sets(self, probabilities: np.ndarray, level: float | None = None) -> np.ndarray:
        """Which classes remain possible, bool ``(m, k)``, given probabilities ``(m, k)``.

        The most probable class always remains, so that no set is empty: where the model is surer
        than the level, the coverage exceeds it.

        Raises
        ------
        ValueError : for a regression.

        Examples
        --------
        >>> conformal = Conformal("classification", 0.7, np.linspace(0.1, 0.9, 9))
        >>> conformal.sets(np.array([[0.8, 0.2], [0.5, 0.5]]))
        array([[ True, False],
               [ True,  True]])
        """
        if self.task != "classification":
            raise ValueError("sets are for classifications; a regression has interval()")
        probabilities = np.asarray(probabilities)
        sets = 1.0 - probabilities <= threshold(self.scores, level or self.level)
        sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
        return sets

    def save(self, path: Path) -> None:
        """Store as JSON."""
        body = {
            "format": FORMAT,
            "task": self.task,
            "level": self.level,
            "scores": self.scores.tolist(),
            "left_out": None if self.left_out is None else asdict(self.left_out),
        }
        write_json(path, body)

    @classmethod
    def load(cls, path: Path) -> Conformal:
        """Read what :meth:`save` stored.

        Raises
        ------
        InputError : the file is damaged or of another version.
        """
        record = read_json(path)
        try:
            if record["format"] not in READABLE:
                raise ValueError(f"format {record['format']}, this version reads {FORMAT}")
            task, level = record["task"], float(record["level"])
            if task not in ("regression", "classification") or not 0 < level < 1:
                raise ValueError(f"task {task!r} at level {level}")
            scores = np.asarray(record["scores"], float)
            if scores.ndim != 1 or len(scores) < 2 or np.any(np.diff(scores) < 0):
                raise ValueError("the scores are not an ascending list")
            left_out = _left_out(record.get("left_out"), scores)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                "The stored intervals are damaged or of another version.",
                where=path,
                got=f"{type(error).__name__}: {error}",
                hint="restore the folder from a copy, or run again",
            ) from error
        return cls(task, level, scores, left_out)


def _left_out(record: Mapping[str, Any] | None, scores: np.ndarray) -> LeftOut | None:
    if record is None:
        return None
    group = record["group"]
    left_out = LeftOut(
        np.asarray(record["truth"], float),
        np.asarray(record["predicted"], float),
        np.asarray(record["fold"], int),
        None if group is None else np.asarray(group),
    )
    shapes = {len(v) for v in vars(left_out).values() if v is not None}
    if shapes != {len(scores)} or not np.array_equal(np.sort(left_out.scores()), scores):
        raise ValueError("the scores are not those of the left-out answers")
    return left_out


def threshold(scores: np.ndarray, level: float) -> float:
    """The ⌈level (n + 1)⌉-th smallest of ascending ``scores`` ``(n,)``; infinite beyond the last.

    Examples
    --------
    >>> threshold(np.arange(1.0, 11.0), 0.9), threshold(np.arange(1.0, 9.0), 0.9)
    (10.0, inf)
    """
    rank = int(np.ceil(round(level * (len(scores) + 1), 9)))  # 0.9 * 10 is 9, not 9.0000001
    return float(scores[rank - 1]) if rank <= len(scores) else float("inf")


def calibrate(
    rung: Rung,
    settings: Mapping[str, Any],
    inputs: Inputs,
    y: np.ndarray,
    context: Context,
    *,
    level: float = 0.9,
    folds: int | None = None,
    groups: np.ndarray | None = None,
) -> Conformal:
    """Fit the rung on each fold's complement, at fixed settings, and score what was left out.

    Parameters
    ----------
    y : ``(n,)`` float, or class codes. level : nominal coverage, in (0, 1).
    folds : default by the rung's effort, see :data:`FOLDS`; never more than n. groups : ``(n,)``
        labels that stay together, so that a specimen's or a near-duplicate's residual is honest.

    Raises
    ------
    ValueError : a level outside (0, 1), or fewer than two samples.
    """
    from iceframe.scale.fitting import fit

    y = np.asarray(y)
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    if len(y) < 2:
        raise ValueError("calibration needs two samples or more")
    classes = () if context.task == "regression" else (context.n_classes,)
    predicted, fold = np.empty((len(y), *classes)), np.empty(len(y), int)
    parts = fold_parts(y, context.task, folds or FOLDS[rung.effort], context.seed, groups)
    for number, test in enumerate(parts):
        train = np.setdiff1d(np.arange(len(y)), test)
        fitted = fit(rung, settings, inputs.take(train), y[train], context)
        predicted[test], fold[test] = fitted.predict(inputs.take(test)), number
    left_out = LeftOut(y, predicted, fold, groups)
    return Conformal(context.task, level, np.sort(left_out.scores()), left_out)


def fold_parts(
    y: np.ndarray, task: Task, folds: int, seed: int, groups: np.ndarray | None
) -> list[np.ndarray]:
    """Test positions of each fold: grouped, else stratified by class, else random; n at most."""
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    n = len(y)
    folds = min(folds, n)
    state = derive_seed(seed, "conformal")
    x = np.zeros((n, 1))
    if groups is not None and len(np.unique(groups)) > 1:
        folds = min(folds, len(np.unique(groups)))
        kind: Any = GroupKFold(folds, shuffle=True, random_state=state)
    elif task == "classification" and np.min(np.unique(y, return_counts=True)[1]) >= folds:
        kind = StratifiedKFold(folds, shuffle=True, random_state=state)
    else:
        kind = KFold(folds, shuffle=True, random_state=state)
    return [test for _, test in kind.split(x, y, groups)]

"""Intervals and sets that hold their level on new samples: CV+ and cross-conformal sets.

Regression, CV+ (Barber, Candès, Ramdas & Tibshirani 2021, doi 10.1214/20-AOS1965, §3): with the
folds' models f_k and every training sample's left-out residual R_i = |y_i − f_k(i)(x_i)|, the
interval at x runs from the ⌊α(n+1)⌋-th smallest f_k(i)(x) − R_i to the ⌈(1−α)(n+1)⌉-th smallest
f_k(i)(x) + R_i.

Classification, cross-conformal sets (Romano, Sesia & Candès 2020, arXiv 2006.02544, §2.3) with the
score s(x, c) = 1 − p_c(x) (LAC: Sadinle, Lei & Wasserman 2019, doi 10.1080/01621459.2017.1395341):
class c belongs to the set unless (1−α)(n+1) or more training samples have a smaller score.

Direction: coverage should be the level, and the interval or set small. Guaranteed for exchangeable
samples is 1 − 2α, typical is 1 − α. Trap: on average over samples, not for each kind; and no
longer where new samples differ from the training data.

Written here because MAPIE indexes arrays, and our images stay on disk behind an ``ImageSource``:
one implementation serves tables and images, and MAPIE is the oracle in the tests. (For sets MAPIE
1.6 counts against α(n−1) where the paper has α(n+1) − 1; the paper's is used, at most one sample
wider.)
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.files import read_json, replacing, write_json
from iceframe.core.seeds import derive_seed
from iceframe.core.values import Task

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Context, Inputs, Rung

FORMAT = 1
RECORD = "conformal.json"
SCORES = "scores.npz"
ROWS = 512  # new samples compared with all training samples at once
FOLDS = {"light": 5, "medium": 5, "heavy": 3}


@dataclass(frozen=True)
class Conformal:
    """Calibrated models of one rung.

    ``models`` holds one fitted rung a fold; ``scores`` ``(n,)`` are the left-out residuals (in the
    unit of the target) or scores of the training samples, and ``member`` ``(n,)`` says which model
    left each sample out.
    """

    task: Task
    level: float
    models: tuple[Fitted, ...]
    scores: np.ndarray
    member: np.ndarray

    def interval(self, inputs: Inputs, level: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends ``(m,)`` in the unit of the target, infinite where n is too small.

        Raises
        ------
        ValueError : for a classification.
        """
        if self.task != "regression":
            raise ValueError("intervals are for regressions; a classification has sets()")
        predicted = np.stack([m.predict(inputs) for m in self.models])  # (folds, m)
        return plus_interval(predicted, self.scores, self.member, level or self.level)

    def sets(self, inputs: Inputs, level: float | None = None) -> np.ndarray:
        """Which classes remain possible, bool ``(m, k)``.

        The most probable class always remains, so that no set is empty: where the model is surer
        than the level, the coverage exceeds it.

        Raises
        ------
        ValueError : for a regression.
        """
        if self.task != "classification":
            raise ValueError("sets are for classifications; a regression has interval()")
        probabilities = np.stack([m.predict(inputs) for m in self.models])  # (folds, m, k)
        sets = cross_sets(1.0 - probabilities, self.scores, self.member, level or self.level)
        sets[np.arange(len(sets)), probabilities.mean(0).argmax(1)] = True
        return sets

    def to_folder(self, folder: Path) -> None:
        """Store without pickle; the record that marks it complete is written last."""
        folder = Path(folder)
        for k, model in enumerate(self.models):
            model.save(folder / f"fold{k}")
        with replacing(folder / SCORES) as temporary, temporary.open("wb") as file:
            np.savez(file, scores=self.scores, member=self.member)
        record = {
            "format": FORMAT,
            "task": self.task,
            "level": self.level,
            "models": len(self.models),
        }
        write_json(folder / RECORD, record)

    @classmethod
    def from_folder(cls, folder: Path) -> Conformal:
        """Read what :meth:`to_folder` stored.

        Raises
        ------
        InputError : the folder is damaged or of another version.
        """
        from iceframe.scale.fitting import Fitted

        folder = Path(folder)
        record = read_json(folder / RECORD)
        try:
            if record["format"] != FORMAT:
                raise ValueError(f"format {record['format']}, this version reads {FORMAT}")
            task, level = record["task"], float(record["level"])
            if task not in ("regression", "classification") or not 0 < level < 1:
                raise ValueError(f"task {task!r} at level {level}")
            stored = io.BytesIO((folder / SCORES).read_bytes())
            with np.load(stored, allow_pickle=False) as file:
                scores, member = file["scores"].astype(float), file["member"].astype(int)
            if scores.shape != member.shape or not np.all(
                (member >= 0) & (member < record["models"])
            ):
                raise ValueError("scores and models do not match")
        except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(
                "The stored intervals are damaged or of another version.",
                where=folder,
                got=f"{type(error).__name__}: {error}",
                hint="restore the folder from a copy, or run again",
            ) from error
        models = tuple(Fitted.load(folder / f"fold{k}") for k in range(record["models"]))
        return cls(task, level, models, scores, member)


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
    parts = _parts(y, context.task, folds or FOLDS[rung.effort], context.seed, groups)
    member, scores = np.empty(len(y), int), np.empty(len(y))
    models = []
    for k, test in enumerate(parts):
        train = np.setdiff1d(np.arange(len(y)), test)
        fitted = fit(rung, settings, inputs.take(train), y[train], context)
        predicted = fitted.predict(inputs.take(test))
        if context.task == "regression":
            scores[test] = np.abs(y[test] - predicted)
        else:
            scores[test] = 1.0 - predicted[np.arange(len(test)), y[test].astype(int)]
        member[test] = k
        models.append(fitted)
    return Conformal(context.task, level, tuple(models), scores, member)


def _parts(
    y: np.ndarray, task: Task, folds: int, seed: int, groups: np.ndarray | None
) -> list[np.ndarray]:
    """Test positions of each fold: grouped, else stratified by class, else random."""
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


def plus_interval(
    predicted: np.ndarray, residuals: np.ndarray, member: np.ndarray | Sequence[int], level: float
) -> tuple[np.ndarray, np.ndarray]:
    """CV+ ends ``(m,)`` from the folds' predictions ``(folds, m)`` and the residuals ``(n,)``.

    Examples
    --------
    One model that predicts 10; nine residuals 1…9; at 80 % the 8th of 9 from either side counts.

    >>> low, high = plus_interval(np.array([[10.0]]), np.arange(1.0, 10.0), np.zeros(9, int), 0.8)
    >>> low.tolist(), high.tolist()
    ([2.0], [18.0])
    """
    n, m = len(residuals), predicted.shape[1]
    # Rounding keeps (1 - 0.9) * 10 from becoming 0.9999999.
    below = int(np.floor(round((1.0 - level) * (n + 1), 9)))
    above = int(np.ceil(round(level * (n + 1), 9)))
    low, high = np.full(m, -np.inf), np.full(m, np.inf)
    for start in range(0, m, ROWS):
        rows = slice(start, start + ROWS)
        centre = predicted[np.asarray(member), rows]  # (n, rows)
        if below >= 1:
            low[rows] = np.partition(centre - residuals[:, None], below - 1, axis=0)[below - 1]
        if above <= n:
            high[rows] = np.partition(centre + residuals[:, None], above - 1, axis=0)[above - 1]
    return low, high


def cross_sets(
    scores: np.ndarray, calibration: np.ndarray, member: np.ndarray, level: float
) -> np.ndarray:
    """Cross-conformal sets, bool ``(m, k)``, from the folds' scores ``(folds, m, k)``.

    ``calibration`` ``(n,)`` are the left-out scores of the training samples' own classes.

    Examples
    --------
    >>> cross_sets(np.array([[[0.2, 0.8]]]), np.linspace(0.1, 0.9, 9), np.zeros(9, int), 0.7)
    array([[ True, False]])
    """
    n = len(calibration)
    smaller = np.zeros(scores.shape[1:])
    for k, score in enumerate(scores):
        mine = np.sort(calibration[np.asarray(member) == k])
        smaller += np.searchsorted(mine, score, side="left")  # calibration scores below
    return smaller < round(level * (n + 1), 9)

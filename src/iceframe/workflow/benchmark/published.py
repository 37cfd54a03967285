"""Published entries and their predictions, from files that the user has; and tests against them.

A table of entries has a row a task and algorithm with ``mean_mae`` (``std_mae``), of a
classification ``mean_balanced_accuracy`` or ``mean_rocauc`` (``std_rocauc``): entries of Matbench
v0.1 stored hard labels, so that their "ROC AUC" is balanced accuracy. A table of predictions has a
row a held-out sample (``task``, ``fold``, ``mbid``) and a column an algorithm, empty where there is
no prediction.

Two models are compared by their mean absolute errors fold by fold, with the correlated Bayesian
t-test (Corani & Benavoli 2015, doi:10.1007/s10994-015-5486-z), whose variance allows for folds that
share their training samples (Nadeau & Bengio 2003, doi:10.1023/A:1024068626366).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.balance.bayes import Difference, correlated_difference
from iceframe.core.errors import InputError
from iceframe.workflow.benchmark.tasks import BenchmarkTask, plain_name
from iceframe.workflow.benchmark.view import INTERVAL, NAN, Comparison

KEYS = ["task", "fold", "mbid"]
SAME_SCORE = 2e-4  # relative; published scores are rounded to four decimals


@dataclass(frozen=True)
class Entry:
    """A published algorithm's score on one task; ``std`` over its folds."""

    algorithm: str
    value: float
    std: float


def read_entries(path: Path) -> dict[str, tuple[Entry, ...]]:
    """Published entries by task; a task without any is not in the mapping.

    Raises
    ------
    InputError : an unreadable file, or one without the columns that are needed.
    """
    frame = _read(path)
    scores = ("mean_mae", "mean_balanced_accuracy", "mean_rocauc")
    _require(frame, ("task", "algorithm"), path)
    if not set(scores) & set(frame.columns):
        raise InputError(
            "This table of published entries has no score.",
            where=path,
            got=", ".join(frame.columns),
            allowed=", ".join(scores),
        )
    found: dict[str, list[Entry]] = {}
    for name, rows in frame.groupby(frame["task"].astype(str).map(plain_name), sort=False):
        for row in rows.to_dict("records"):
            value = _first_number(row, scores, path)
            std = _first_number(row, ("std_mae", "std_balanced_accuracy", "std_rocauc"), path)
            if np.isfinite(value):
                found.setdefault(str(name), []).append(Entry(str(row["algorithm"]), value, std))
    return {name: tuple(entries) for name, entries in found.items()}


def read_predictions(path: Path) -> pd.DataFrame:
    """Published predictions of held-out samples; ``task`` as it is called here, ``fold`` 0 to 4.

    Raises
    ------
    InputError : an unreadable file, a column missing, or a prediction that is not a number.
    """
    frame = _read(path)
    _require(frame, KEYS, path)
    frame["task"] = frame["task"].astype(str).map(plain_name)
    frame["fold"] = [_fold_number(fold, path) for fold in frame["fold"]]
    for name in frame.columns.difference(KEYS):
        try:
            frame[name] = pd.to_numeric(frame[name])
        except (ValueError, TypeError) as error:
            raise InputError(
                "Published predictions should be numbers.",
                where=f"{path}, column '{name}'",
                got=str(error),
            ) from error
    return frame


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except FileNotFoundError as error:
        raise InputError("There is no such file.", where=path) from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InputError("This is not a readable CSV table.", where=path, got=str(error)) from error


def _require(frame: pd.DataFrame, names: Sequence[str], path: Path) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(
            f"This table has no column '{missing[0]}'.",
            where=path,
            got=", ".join(map(str, frame.columns)),
            allowed=", ".join(names),
        )


def _first_number(row: Mapping[Any, Any], names: Sequence[str], path: Path) -> float:
    for name in names:
        value = row.get(name)
        try:
            number = float(value) if value is not None else NAN
        except (TypeError, ValueError) as error:
            raise InputError(
                "A published score should be a number.",
                where=f"{path}, column '{name}', {row['task']}, {row['algorithm']}",
                got=value,
            ) from error
        if np.isfinite(number):
            return number
    return NAN


def _fold_number(fold: object, path: Path) -> int:
    text = str(fold).removeprefix("fold").removeprefix("_")
    try:
        return int(float(text))
    except ValueError as error:
        raise InputError(
            "A fold should be a number.", where=f"{path}, column 'fold'", got=fold, allowed="0 … 4"
        ) from error


def compare(
    task: BenchmarkTask,
    mine: pd.DataFrame,
    theirs: pd.DataFrame,
    entries: Sequence[Entry],
    where: Path,
) -> list[Comparison]:
    """Every rung against every algorithm that has a prediction for every sample of the task, the
    algorithm with the lowest error first.

    Parameters
    ----------
    mine : held-out predictions of our rungs: ``rung``, ``fold`` ("fold0", …), ``id``, ``y``,
        ``mean``. theirs : :func:`read_predictions`, of any tasks. entries : of this task, to say
        which of them a column of predictions belongs to: the one with its score.

    Raises
    ------
    InputError : the predictions are of other samples, or of other folds.
    """
    table = theirs[theirs["task"] == task.name].set_index("mbid")
    if table.empty or mine.empty or task.task != "regression":
        return []
    folds = {str(i): _fold_number(f, where) for i, f in mine[["id", "fold"]].to_numpy()}
    _require_same_folds(table, folds, task, where)
    truth = mine.drop_duplicates("id").set_index("id")["y"].astype(float)
    found = []
    for algorithm in table.columns.difference(KEYS, sort=False):
        predicted = table[algorithm].dropna()
        if not truth.index.isin(predicted.index).all():
            continue
        errors = (predicted.loc[truth.index] - truth).abs()
        losses = _by_fold(errors, folds)
        published = _entry_with(float(losses.mean()), entries)
        for rung, rows in mine.groupby("rung", sort=False):
            own = rows.set_index("id")
            if len(own) != len(truth):  # some folds are not finished
                continue
            ours = _by_fold((own["mean"].astype(float) - own["y"].astype(float)).abs(), folds)
            found.append(
                _comparison(str(rung), str(algorithm), published, ours, losses, len(truth))
            )
    order = {str(rung): place for place, rung in enumerate(mine["rung"].unique())}
    return sorted(found, key=lambda c: (order[c.rung], c.theirs))


def _require_same_folds(
    table: pd.DataFrame, folds: Mapping[str, int], task: BenchmarkTask, where: Path
) -> None:
    """Predictions from other folds were made by models that had seen some of the samples."""
    for name, fold in table["fold"].items():
        if str(name) not in folds or folds[str(name)] != fold:
            known = folds.get(str(name))
            raise InputError(
                f"These predictions of '{task.name}' are not on the official folds.",
                where=f"{where}, {name}",
                got=f"fold {fold}",
                allowed="a sample of the task" if known is None else f"fold {known}",
            )


def _by_fold(errors: pd.Series, folds: Mapping[str, int]) -> np.ndarray:
    """Mean absolute error of each fold ``(k,)``."""
    return np.asarray(errors.groupby(errors.index.map(folds)).mean().sort_index())


def _entry_with(value: float, entries: Sequence[Entry]) -> str:
    """The published entry whose score these predictions have; empty where there is none."""
    near = min(entries, key=lambda entry: abs(entry.value - value), default=None)
    same = near is not None and abs(near.value - value) <= SAME_SCORE * abs(value)
    return near.algorithm if near is not None and same else ""


def _comparison(
    rung: str, algorithm: str, published: str, ours: np.ndarray, theirs: np.ndarray, n: int
) -> Comparison:
    n_test = n / len(ours)
    posterior = correlated_difference(
        ours.tolist(), theirs.tolist(), n_train=n - n_test, n_test=n_test
    )
    low, high = interval_of(posterior)
    return Comparison(
        rung,
        algorithm,
        published,
        float(ours.mean()),
        float(theirs.mean()),
        posterior.location,
        low,
        high,
        posterior.probability_at_most(0.0),
        n,
    )


def interval_of(posterior: Difference, level: float = INTERVAL) -> tuple[float, float]:
    """The central interval of a posterior; NaN where one fold leaves the scale unknown.

    Examples
    --------
    >>> low, high = interval_of(Difference(1.0, 2.0, 4))
    >>> round(low, 3), round(high, 3)    # 1 ± 2.132 · 2
    (-3.264, 5.264)
    """
    from scipy import special

    if posterior.dof < 1:
        return NAN, NAN
    half = float(special.stdtrit(posterior.dof, 0.5 + level / 2)) * posterior.scale
    return posterior.location - half, posterior.location + half

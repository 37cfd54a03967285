"""The ladder as a scikit-learn estimator: ``LadderSearchCV().fit(X, y).predict(X)``."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Task
from iceframe.ingest import read

TARGET = "target"


class LadderSearchCV(BaseEstimator):
    """Choose the rung of the ladder by the equilibrium of its three axes, and use it.

    Parameters
    ----------
    ladder : names of rungs; all that fit the data when ``None``.
    splits, folds, seed, floors, workers, trials, shift : as in :func:`iceframe.run`.
    task : ``"regression"`` or ``"classification"``; found out from ``y`` when ``None``.
    out : folder of the run; a temporary one, removed with the estimator, when ``None``.

    Attributes
    ----------
    run_ : the :class:`~iceframe.workflow.session.Run`. best_rung_ : the chosen rung.
    evidence_ : the measured numbers. feature_names_in_, n_features_in_ : of the table.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 3))
    >>> y = 2 * X[:, 0] + 0.1 * rng.normal(size=60)
    >>> search = LadderSearchCV(["mean", "ridge"], folds=3, workers=1, shift=False).fit(X, y)
    >>> search.best_rung_
    'ridge'
    """

    def __init__(
        self,
        ladder: Sequence[str] | None = None,
        *,
        splits: str = "auto",
        folds: int = 5,
        seed: int = 0,
        floors: Mapping[str, float] | None = None,
        workers: int | None = None,
        trials: int | None = None,
        shift: bool = True,
        task: Task | None = None,
        out: str | Path | None = None,
    ) -> None:
        self.ladder = ladder
        self.splits = splits
        self.folds = folds
        self.seed = seed
        self.floors = floors
        self.workers = workers
        self.trials = trials
        self.shift = shift
        self.task = task
        self.out = out

    def fit(self, X: Any, y: Any) -> Self:
        """Climb the ladder over ``X`` ``(n, d)`` and ``y`` ``(n,)``."""
        from iceframe.workflow.session import run

        frame = _frame(X)
        frame[TARGET] = np.asarray(y)
        data = read(frame, TARGET, task=self.task, features=list(frame.columns[:-1]))
        out = self.out
        if out is None:
            temporary = tempfile.mkdtemp(prefix="iceframe-")
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)
            out = Path(temporary) / "run"
        self.run_ = run(
            data,
            ladder=self.ladder,
            out=out,
            splits=self.splits,
            folds=self.folds,
            seed=self.seed,
            floors=self.floors,
            workers=self.workers,
            trials=self.trials,
            shift=self.shift,
        )
        self.best_rung_ = self.run_.equilibrium.rung
        self.evidence_ = self.run_.evidence
        self.feature_names_in_ = np.array(frame.columns[:-1], dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predictions ``(n,)``: numbers, or class names."""
        table = self._answers(X)
        return table["mean" if "mean" in table else "predicted"].to_numpy()

    def predict_interval(self, X: Any) -> np.ndarray:
        """Calibrated 90 % intervals ``(n, 2)`` of a regression."""
        return self._answers(X)[["low", "high"]].to_numpy()

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities ``(n, k)`` in the order of the sorted class names."""
        table = self._answers(X)
        return table[[c for c in table if str(c).startswith("p_")]].to_numpy()

    def _answers(self, X: Any) -> pd.DataFrame:
        check_is_fitted(self, "run_")
        frame = _frame(X)
        if list(frame.columns) != list(self.feature_names_in_):
            raise InputError(
                "The columns differ from those of fit.",
                got=", ".join(map(str, frame.columns)),
                allowed=", ".join(map(str, self.feature_names_in_)),
            )
        return self.run_.predict(Dataset(frame, features=tuple(frame.columns)))


def _frame(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        frame = X.copy()
    else:
        values = np.asarray(X)
        frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(values.shape[1])])
    frame.index = pd.Index([str(i) for i in range(len(frame))])
    return frame

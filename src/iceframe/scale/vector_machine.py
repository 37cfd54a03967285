"""A support vector classifier with calibrated probabilities, also when a class is rare.

Platt 1999 (sigmoid on held-out decision values), one against the rest for more classes:
Zadrozny & Elkan 2002, https://doi.org/10.1145/775047.775151.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data


class CalibratedSVC(ClassifierMixin, BaseEstimator):
    """An RBF support vector classifier with probabilities.

    A class with a single member cannot be held out; then the decision values go through a softmax
    without calibration.

    Parameters
    ----------
    C, gamma : as in :class:`sklearn.svm.SVC`.
    folds : held-out folds for the calibration, fewer where a class is smaller.
    """

    def __init__(
        self, C: float = 1.0, gamma: float = 1.0, folds: int = 3, random_state: int | None = None
    ) -> None:
        self.C = C
        self.gamma = gamma
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> CalibratedSVC:
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, counts = np.unique(y, return_counts=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier needs two classes or more, got one class: {y[0]!r}")
        machine = SVC(C=self.C, gamma=self.gamma)
        if counts.min() < 2:
            self.model_ = machine.fit(X, y)
            return self
        folds = StratifiedKFold(
            min(self.folds, int(counts.min())), shuffle=True, random_state=self.random_state
        )
        self.model_ = CalibratedClassifierCV(machine, cv=folds, ensemble=False).fit(X, y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        if isinstance(self.model_, CalibratedClassifierCV):
            return self.model_.predict_proba(X)
        decision = self.model_.decision_function(X)
        if decision.ndim == 1:
            decision = np.stack([-decision, decision], axis=1) / 2
        return softmax(decision, axis=1)

    def predict(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def machine(self) -> SVC:
        """The support vector machine that was fitted to all samples."""
        if isinstance(self.model_, CalibratedClassifierCV):
            return self.model_.calibrated_classifiers_[0].estimator
        return self.model_

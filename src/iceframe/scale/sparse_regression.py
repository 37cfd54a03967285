"""The Lasso on standardised features and on products of the strongest of them.

See :mod:`iceframe.scale.rungs.lasso` for formulas and references.
"""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted, validate_data

FOLDS = 5
PATH = 40  # values of α, from the one that drops everything to a thousandth of it
STEPS = 3000  # of coordinate descent; correlated columns converge slowly and to the same sum


class SparseRegressor(RegressorMixin, BaseEstimator):
    """Lasso with its penalty by inner cross-validation, and optional products of two features.

    Parameters
    ----------
    products : the number of strongest features whose pairwise products are offered.
    random_state : shuffles the inner folds.

    Attributes
    ----------
    members_ : int ``(terms, 2)``, the columns of each term; the second is −1 for a single feature.
    centres_, weights_ : ``(terms,)``; a term is ``weight (z_j z_k − centre)``.
    intercept_ : the mean of the training targets. term_spread_ : standard deviation of each term.
    """

    def __init__(self, products: int = 0, random_state: int | None = None) -> None:
        self.products = products
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> SparseRegressor:
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        y = np.asarray(y, dtype=np.float64)
        self.intercept_ = float(y.mean())
        single = np.column_stack([np.arange(X.shape[1]), np.full(X.shape[1], -1)])
        self._path(X, y, single)
        kept = np.flatnonzero(self.weights_)
        if self.products and len(kept) > 1:
            strongest = kept[np.argsort(-self.term_spread_[kept], kind="stable")]
            pairs = combinations(sorted(strongest[: self.products].tolist()), 2)
            self._path(X, y, np.concatenate([single, np.array(list(pairs))]))
        return self

    def predict(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        return self.intercept_ + self._terms(X).sum(axis=1)

    def contributions(self, X: np.ndarray) -> np.ndarray:
        """What each column adds to the mean: ``(n, d)``; half a product to each of its two."""
        terms = self._terms(X)
        paired = self.members_[:, 1] >= 0
        by_column = np.zeros_like(X)
        for side in (0, 1):
            used = paired if side else np.ones(len(paired), bool)
            half = np.where(paired[used], 0.5, 1.0)
            np.add.at(by_column.T, self.members_[used, side], (terms[:, used] * half).T)
        return by_column

    def bent(self) -> bool:
        """Whether a product stayed, so that the model is not a plain weighted sum."""
        return bool(np.any(self.weights_[self.members_[:, 1] >= 0]))

    def _path(self, x: np.ndarray, y: np.ndarray, members: np.ndarray) -> None:
        """Fit the terms ``members``; each is standardised for the penalty, then scaled back."""
        raw = _products(x, members)
        self.members_, self.centres_ = members, raw.mean(axis=0)
        width = raw.std(axis=0)
        width[width < 1e-12] = np.inf  # a constant column, which cannot contribute
        folds = KFold(min(FOLDS, len(y)), shuffle=True, random_state=self.random_state)
        model = LassoCV(alphas=PATH, cv=folds, max_iter=STEPS, random_state=self.random_state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit((raw - self.centres_) / width, y - self.intercept_)
        self.intercept_ = self.intercept_ + float(model.intercept_)
        self.weights_ = model.coef_ / width
        self.term_spread_ = np.abs(model.coef_)

    def _terms(self, x: np.ndarray) -> np.ndarray:
        return (_products(x, self.members_) - self.centres_) * self.weights_


def _products(x: np.ndarray, members: np.ndarray) -> np.ndarray:
    """``z_j``, or ``z_j z_k`` where a second column is named: ``(n, terms)``."""
    second = np.where(members[:, 1] < 0, 1.0, x[:, members[:, 1]])
    return x[:, members[:, 0]] * second

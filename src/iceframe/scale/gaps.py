"""Columns without a single value, for models that take gaps but not nothing at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class EmptyColumnsAsZero(TransformerMixin, BaseEstimator):
    """Columns that were empty when fitted become zero, and stay so; other gaps stay gaps.

    Examples
    --------
    >>> x = np.array([[np.nan, 1.0], [np.nan, np.nan]])
    >>> EmptyColumnsAsZero().fit_transform(x).tolist()
    [[0.0, 1.0], [0.0, nan]]
    """

    def fit(self, X: Any, y: Any = None) -> EmptyColumnsAsZero:
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        self.empty_ = np.isnan(X).all(axis=0)
        return self

    def transform(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False, copy=True
        )
        X[:, self.empty_] = 0.0
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

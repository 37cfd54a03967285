"""Decision trees that know what they saw: leaf counts for probabilities, gaps for their rules.

``p_c = (n_c + 1) / (n + k)`` in a leaf of ``n`` samples, ``n_c`` of them of class ``c``, for ``k``
classes (Laplace correction): Provost & Domingos 2003, https://doi.org/10.1023/A:1024099825458.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor


class TreeRegressor(DecisionTreeRegressor):
    """A scikit-learn regression tree; ``saw_missing_`` ``(d,)`` marks columns with gaps."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None, check_input: bool = True) -> Any:
        super().fit(X, y, sample_weight, check_input)
        self.saw_missing_ = _columns_with_gaps(X, self.n_features_in_)
        return self


class TreeClassifier(DecisionTreeClassifier):
    """A scikit-learn classification tree whose probabilities are never exactly 0 or 1.

    Examples
    --------
    >>> tree = TreeClassifier(max_depth=1).fit([[0.0], [0.0], [1.0]], [0, 0, 1])
    >>> tree.predict_proba([[0.0]])
    array([[0.75, 0.25]])
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, check_input: bool = True) -> Any:
        super().fit(X, y, sample_weight, check_input)
        self.saw_missing_ = _columns_with_gaps(X, self.n_features_in_)
        return self

    def predict_proba(self, X: Any, check_input: bool = True) -> Any:
        shares = super().predict_proba(X, check_input)
        size = self.tree_.weighted_n_node_samples[self.apply(X)][:, None]
        if isinstance(shares, list):  # several outputs
            return [_corrected(each, size) for each in shares]
        return _corrected(shares, size)

    def node_probabilities(self) -> np.ndarray:
        """Corrected probabilities ``(nodes, k)`` of every node, for a single output."""
        return _corrected(self.tree_.value[:, 0, :], self.tree_.weighted_n_node_samples[:, None])


def _corrected(shares: np.ndarray, size: np.ndarray) -> np.ndarray:
    return (shares * size + 1.0) / (size + shares.shape[1])


def _columns_with_gaps(x: Any, n_columns: int) -> np.ndarray:
    if issparse(x):  # scikit-learn takes no gaps there
        return np.zeros(n_columns, bool)
    gaps: np.ndarray = np.isnan(np.asarray(x, dtype=np.float64))
    return np.any(gaps, axis=0)

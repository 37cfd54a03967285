"""A probability estimation tree: leaf shares with the Laplace correction.

``p_c = (n_c + 1) / (n + k)`` in a leaf of ``n`` samples, ``n_c`` of them of class ``c``, for ``k``
classes: Provost & Domingos 2003, https://doi.org/10.1023/A:1024099825458.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier


class LaplaceTreeClassifier(DecisionTreeClassifier):
    """A scikit-learn decision tree whose probabilities are never exactly 0 or 1.

    Examples
    --------
    >>> tree = LaplaceTreeClassifier(max_depth=1).fit([[0.0], [0.0], [1.0]], [0, 0, 1])
    >>> tree.predict_proba([[0.0]])
    array([[0.75, 0.25]])
    """

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

"""Extra trees that answer with the median of the samples in the leaves, not with their mean.

A forest gives every training sample a weight at ``x``: the mean over its trees of 1 / (samples in
the leaf) where the sample shares ``x``'s leaf. Its usual answer is the mean under these weights,
which has the least squared error; the median under the same weights has the least absolute error
and is not moved by a few far-off samples. Reference: Meinshausen 2006 (quantile regression
forests), https://www.jmlr.org/papers/v7/meinshausen06a.html.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.utils.validation import check_is_fitted

ROWS = 1024  # samples whose weights are held at a time


class MedianExtraTrees(ExtraTreesRegressor):
    """:class:`sklearn.ensemble.ExtraTreesRegressor` whose answer is the weighted median.

    Attributes
    ----------
    leaves_ : int32 ``(n, trees)``, where each training sample ended. targets_ : ``(n,)``.

    Examples
    --------
    One leaf with the targets 0, 0 and 9, whose mean is 3:

    >>> forest = MedianExtraTrees(5, max_depth=1, min_samples_leaf=3, random_state=0)
    >>> forest.fit([[0.0], [1.0], [2.0]], [0.0, 0.0, 9.0]).predict([[1.0]]).tolist()
    [0.0]
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MedianExtraTrees:
        super().fit(X, y, sample_weight)
        order = np.argsort(np.asarray(y, dtype=np.float64), kind="stable")
        self.targets_ = np.asarray(y, dtype=np.float64)[order]
        self.leaves_ = self.apply(X)[order].astype(np.int32)
        return self

    def predict(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        leaves = self.apply(X)
        counts = np.array([tree.tree_.node_count for tree in self.estimators_])
        offsets = np.concatenate([[0], np.cumsum(counts)])
        members = _one_hot(self.leaves_ + offsets[:-1], int(offsets[-1]))
        size = np.maximum(np.asarray(members.sum(axis=0)).ravel(), 1.0)
        members = members.T.tocsr()
        answers = np.empty(len(leaves))
        for start in range(0, len(leaves), ROWS):
            part = leaves[start : start + ROWS] + offsets[:-1]
            weights = _one_hot(part, int(offsets[-1]), 1 / size) @ members
            answers[start : start + ROWS] = _medians(weights.tocsr(), self.targets_)
        return answers


def _one_hot(columns: np.ndarray, width: int, values: np.ndarray | None = None) -> csr_matrix:
    """``(n, width)`` with an entry at each of the ``(n, trees)`` columns."""
    rows = np.arange(len(columns) + 1) * columns.shape[1]
    flat = columns.ravel()
    data = np.ones(len(flat)) if values is None else values[flat]
    return csr_matrix((data, flat, rows), shape=(len(columns), width))


def _medians(weights: csr_matrix, targets: np.ndarray) -> np.ndarray:
    """The weighted median of ascending ``targets`` ``(n,)`` for each row of weights."""
    weights.sort_indices()
    total = np.cumsum(weights.data)
    ends = weights.indptr[1:] - 1
    before = np.concatenate([[0.0], total[ends[:-1]]])
    middle = before + (total[ends] - before) / 2
    # Cumulated sums hold rounding errors: half of a weight is meant, not a hair more.
    place = np.searchsorted(total, middle * (1 - 1e-12))
    return np.asarray(targets[weights.indices[np.clip(place, weights.indptr[:-1], ends)]])

"""Additive models of tables: one for each binned feature and for each pair of features.

``s(x) = b + Σ_j f_j(x_j) + Σ_{j<k} f_jk(x_j, x_k)``, each ``f`` a step function on bins. A pair
may hold what a single feature could; :meth:`Tables.purified` moves it there, so that each part is
unique: ``f_jk`` has the mean zero over either feature for all values of the other, and ``f_j`` the
mean zero. This is the functional analysis of variance (Lengerich et al. 2020,
https://arxiv.org/abs/1911.04974). Means are taken as if features were independent, each with its
own distribution in the training samples: their joint distribution is known at as many points as
there are samples, and on fine bins a pair's noise at those points would pass for single features.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np


@dataclass
class Tables:
    """``base`` ``(k,)``, ``single`` ``(d, B, k)``, ``pairs`` int ``(P, 2)``, ``double``
    ``(P, B, B, k)``: scores of ``k`` outputs for ``d`` features of at most ``B`` bins."""

    base: np.ndarray
    single: np.ndarray
    pairs: np.ndarray
    double: np.ndarray

    @classmethod
    def zeros(cls, features: int, bins: int, outputs: int) -> Tables:
        """Nothing yet, with a table for every pair."""
        pairs = np.array(list(combinations(range(features), 2)), int).reshape(-1, 2)
        return cls(
            np.zeros(outputs),
            np.zeros((features, bins, outputs)),
            pairs,
            np.zeros((len(pairs), bins, bins, outputs)),
        )

    def of_single(self, codes: np.ndarray) -> np.ndarray:
        """``f_j`` of bin codes ``(n, d)``: ``(n, d, k)``."""
        return self.single[np.arange(codes.shape[1]), codes]

    def of_pairs(self, codes: np.ndarray) -> np.ndarray:
        """``f_jk`` of bin codes ``(n, d)``: ``(n, P, k)``."""
        first, second = codes[:, self.pairs[:, 0]], codes[:, self.pairs[:, 1]]
        return self.double[np.arange(len(self.pairs)), first, second]

    def purified(self, codes: np.ndarray) -> Tables:
        """The same function with all that single features can say said by them.

        ``codes`` ``(n, d)`` are the training samples, whose counts are the weights.
        """
        bins = self.single.shape[1]
        weight = np.stack([np.bincount(column, minlength=bins) for column in codes.T]) / len(codes)
        first, second = weight[self.pairs[:, 0]], weight[self.pairs[:, 1]]  # (P, B)
        over_second = np.einsum("pabk,pb->pak", self.double, second)
        over_first = np.einsum("pabk,pa->pbk", self.double, first)
        overall = np.einsum("pak,pa->pk", over_second, first)
        double = self.double - over_second[:, :, None] - over_first[:, None]
        double += overall[:, None, None]
        single = self.single.copy()
        np.add.at(single, self.pairs[:, 0], over_second)
        np.add.at(single, self.pairs[:, 1], over_first - overall[:, None])
        centre = np.einsum("db,dbk->dk", weight, single)
        return Tables(
            self.base + centre.sum(axis=0), single - centre[:, None, :], self.pairs, double
        )

    def kept(self, pairs: np.ndarray) -> Tables:
        """Only the pairs at these positions."""
        return Tables(self.base, self.single, self.pairs[pairs], self.double[pairs])


def bin_edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Edges between at most ``bins`` bins of one column's values (ascending, maybe none).

    Midpoints between all values where they are few; else half of the edges at quantiles, where the
    samples are, and half at equal distances, for the sparse ends.

    Examples
    --------
    >>> bin_edges(np.array([0.0, 2.0, 2.0, 4.0]), 8).tolist()
    [1.0, 3.0]
    """
    distinct = np.unique(values[np.isfinite(values)])
    if len(distinct) <= bins:
        return (distinct[1:] + distinct[:-1]) / 2
    half = bins // 2
    known = values[np.isfinite(values)]
    dense = np.quantile(known, np.linspace(0, 1, half + 1)[1:-1])
    wide = np.linspace(distinct[0], distinct[-1], bins - half + 1)[1:-1]
    return np.unique(np.concatenate([dense, wide]))

"""Boosting of randomised trees of depth two, kept as tables: an additive model with pairs.

A tree of depth two asks about at most two features on any path, so that a sum of such trees is a
sum of functions of single features and of pairs, which are written into tables as they are learned
(:mod:`iceframe.scale.pair_tables`): nothing is lost. Each tree draws its cuts at random, sees a
random part of the samples, and corrects the sum before it by the ``rate``: averaged over more than
a thousand such trees the steps become as smooth as the data allow.

Regression: the negative gradient of the squared error. Classes: that of the log loss under a
softmax, with Newton's step in the leaves. References: Friedman 2001, algorithms 1 and 6,
https://doi.org/10.1214/aos/1013203451; parts of the samples: Friedman 2002,
https://doi.org/10.1016/S0167-9473(01)00065-2; random cuts: Geurts, Ernst & Wehenkel 2006,
https://doi.org/10.1007/s10994-006-6226-1; additive models with pairs: Lou et al. 2013,
https://doi.org/10.1145/2487575.2487579.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.tree import ExtraTreeRegressor
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from iceframe.scale.pair_tables import Tables, bin_edges

DEPTH = 2
SMALLEST_CURVATURE = 1e-3  # of the log loss in a leaf: where all is certain, no step is taken


class _PairBoosting(BaseEstimator):
    """What the regressor and the classifier share.

    Parameters
    ----------
    rounds : trees. rate : the part of each tree that is added.
    leaf : fewest samples in a leaf. part : of the samples that a tree sees, drawn anew.
    features : part of the features among which each question is chosen.
    bins : most bins of a feature. random_state : draws samples and cuts.
    """

    def __init__(
        self,
        rounds: int = 1500,
        rate: float = 0.05,
        leaf: int = 2,
        part: float = 0.7,
        features: float = 1.0,
        bins: int = 64,
        random_state: int | None = None,
    ) -> None:
        self.rounds = rounds
        self.rate = rate
        self.leaf = leaf
        self.part = part
        self.features = features
        self.bins = bins
        self.random_state = random_state

    def _boost(self, x: np.ndarray, target: np.ndarray, base: np.ndarray) -> None:
        """Learn tables of ``k`` outputs for ``target`` ``(n, k)``, from the constant ``base``."""
        self._learn_bins(x)
        codes = self.codes(x)
        places = np.take_along_axis(self.centres_.T, codes, axis=0).astype(np.float32)
        rng = np.random.default_rng(self.random_state)
        tables = Tables.zeros(x.shape[1], self.centres_.shape[1], len(base))
        tables.base = base
        scores = np.tile(base, (len(x), 1))
        size = max(2, min(len(x), round(self.part * len(x))))
        for seed in rng.integers(2**31 - 1, size=self.rounds):
            index = rng.permutation(len(x))[:size]
            residual = self._residual(target, scores)
            tree = ExtraTreeRegressor(
                max_depth=DEPTH,
                min_samples_leaf=min(self.leaf, size),
                max_features=self.features,
                random_state=int(seed),
            ).fit(places[index], residual[index])
            nodes = tree.apply(places)
            values = self.rate * self._leaves(tree.tree_, nodes[index], residual[index])
            scores += values[nodes]
            _write(tables, tree.tree_, values, self.centres_)
        pure = tables.purified(codes)
        used = np.flatnonzero(np.abs(pure.double).max(axis=(1, 2, 3), initial=0.0) > 0)
        pure = pure.kept(used)
        self.base_, self.single_, self.pairs_, self.double_ = (
            pure.base,
            pure.single,
            pure.pairs,
            pure.double,
        )
        self.single_spread_ = pure.of_single(codes).std(axis=0)
        self.double_spread_ = pure.of_pairs(codes).std(axis=0)

    def _learn_bins(self, x: np.ndarray) -> None:
        """Edges ``(d, B)`` padded by infinity, and each bin's place on the feature's axis.

        The first bin holds missing values, left of all others.
        """
        edges = [bin_edges(column, self.bins) for column in x.T]
        width = max(len(e) for e in edges) + 2
        self.edges_ = np.full((x.shape[1], width - 2), np.inf)
        self.centres_ = np.zeros((x.shape[1], width))
        self.usual_ = np.zeros(x.shape[1], int)
        self.low_, self.high_ = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for j, column in enumerate(x.T):
            self.edges_[j, : len(edges[j])] = edges[j]
            known = column[np.isfinite(column)]
            if not len(known):
                continue
            self.low_[j], self.high_[j] = known.min(), known.max()
            reach = np.concatenate([[self.low_[j]], edges[j], [self.high_[j]]])
            middle = (reach[1:] + reach[:-1]) / 2
            self.centres_[j, 1 : len(middle) + 1] = middle
            self.centres_[j, len(middle) + 1 :] = middle[-1]
            span = max(float(np.ptp(known)), 1e-12)
            self.centres_[j, 0] = middle[0] - 0.1 * span
            if len(known) == len(column):  # no gap to learn from: a gap is the median
                self.usual_[j] = 1 + np.searchsorted(edges[j], np.median(known))

    def codes(self, x: np.ndarray) -> np.ndarray:
        """Bins ``(n, d)`` of values ``(n, d)``."""
        found = np.empty(x.shape, int)
        for j, column in enumerate(x.T):
            found[:, j] = 1 + np.searchsorted(self.edges_[j], column)
            found[np.isnan(column), j] = self.usual_[j]
        return found

    def tables(self) -> Tables:
        """The fitted tables."""
        return Tables(self.base_, self.single_, self.pairs_, self.double_)

    def count_parameters(self) -> int:
        """Entries of the tables that are not zero, and the constants."""
        entries = np.count_nonzero(self.single_) + np.count_nonzero(self.double_)
        return int(entries + self.base_.size)

    def contributions(self, X: Any) -> np.ndarray:
        """Scores ``(n, d, k)``; a pair's is split equally between its two features."""
        codes, tables = self.codes(np.asarray(X, dtype=np.float64)), self.tables()
        by_column = tables.of_single(codes)
        halves = (tables.of_pairs(codes) / 2).swapaxes(0, 1)
        for side in (0, 1):
            np.add.at(by_column.swapaxes(0, 1), tables.pairs[:, side], halves)
        return by_column

    def _scores(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        return self.base_ + self.contributions(X).sum(axis=1)

    def _residual(self, target: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return target - scores

    def _leaves(self, tree: Any, nodes: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """Values ``(nodes, k)`` to add: the mean residual."""
        return tree.value[:, :, 0]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class PairBoostingRegressor(RegressorMixin, _PairBoosting):
    """Additive regression with pairs."""

    def fit(self, X: Any, y: Any) -> PairBoostingRegressor:
        X, y = validate_data(
            self,
            X,
            y,
            dtype=np.float64,
            y_numeric=True,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2,
        )
        y = np.asarray(y, dtype=np.float64)
        self.scale_ = float(y.std()) or 1.0
        self._boost(X, ((y - y.mean()) / self.scale_)[:, None], np.zeros(1))
        for table in (self.single_, self.double_, self.single_spread_, self.double_spread_):
            table *= self.scale_
        self.base_ = self.base_ * self.scale_ + y.mean()
        return self

    def predict(self, X: Any) -> np.ndarray:
        return self._scores(X)[:, 0]


class PairBoostingClassifier(ClassifierMixin, _PairBoosting):
    """Additive scores with pairs under a softmax."""

    def fit(self, X: Any, y: Any) -> PairBoostingClassifier:
        X, y = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2
        )
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"Classifier needs two classes or more, got one class: {y[0]!r}")
        target = np.eye(len(self.classes_))[codes]
        start = np.log(target.mean(axis=0))
        self._boost(X, target, start - start.mean())
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return softmax(self._scores(X), axis=1)

    def predict(self, X: Any) -> np.ndarray:
        chances = self.predict_proba(X)
        return self.classes_[np.argmax(chances, axis=1)]

    def _residual(self, target: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return target - softmax(scores, axis=1)

    def _leaves(self, tree: Any, nodes: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """Friedman's step: ``(K − 1)/K Σ r / Σ |r| (1 − |r|)`` over the samples of a leaf."""
        k = residual.shape[1]
        rise, curvature = np.zeros((tree.node_count, k)), np.zeros((tree.node_count, k))
        np.add.at(rise, nodes, residual)
        np.add.at(curvature, nodes, np.abs(residual) * (1 - np.abs(residual)))
        there = np.bincount(nodes, minlength=tree.node_count)[:, None]
        floor = SMALLEST_CURVATURE * np.maximum(there, 1)
        return (k - 1) / k * rise / np.maximum(curvature, floor)


def _write(tables: Tables, tree: Any, values: np.ndarray, centres: np.ndarray) -> None:
    """Add a tree of depth two with node ``values`` ``(nodes, k)`` to the tables."""
    left, right, feature = tree.children_left, tree.children_right, tree.feature
    if left[0] < 0:  # no question
        tables.base = tables.base + values[0]
        return
    root = int(feature[0])
    low = (centres[root].astype(np.float32) <= tree.threshold[0])[:, None]
    for child, here in ((left[0], low), (right[0], ~low)):
        if left[child] < 0:
            tables.single[root] += here * values[child]
            continue
        second = int(feature[child])
        below = (centres[second].astype(np.float32) <= tree.threshold[child])[:, None]
        step = np.where(below, values[left[child]], values[right[child]])  # (B, k)
        if second == root:
            tables.single[root] += here * step
        elif root < second:
            tables.double[_position(root, second, len(tables.single))] += (
                here[:, :, None] * step[None]
            )
        else:
            tables.double[_position(second, root, len(tables.single))] += step[:, None] * here[None]


def _position(first: int, second: int, features: int) -> int:
    """Where the pair ``first < second`` stands among all pairs, in their usual order."""
    return first * (2 * features - first - 1) // 2 + second - first - 1

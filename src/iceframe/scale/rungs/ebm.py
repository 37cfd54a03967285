"""Explainable boosting machine: an additive model of shape functions, with a few pairs.

``g(E[y]) = b₀ + Σ_j f_j(x_j) + Σ_{jk} f_jk(x_j, x_k)``, each ``f`` a table of steps learned by
boosting in turn. Reference: Lou, Caruana, Gehrke & Hooker 2013, https://doi.org/10.1145/2487575.2487579;
software: Nori et al. 2019, https://arxiv.org/abs/1909.09223.

Its cost is capped: coarse bins, eight bags, and where there are many columns only the ones that
extra trees find most useful inside the training fold. It is not tuned: on 200 steels the inner
losses of eleven set-ups lay within 3 % of each other, so a search picked at random, and cost more
than all other rungs together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from iceframe.scale.log_odds import against_others, binary_scores
from iceframe.scale.preprocessing import chosen_columns, screened, screening, select, spread
from iceframe.scale.rung import RUNGS, Context, Rung

BAGS = 8
BINS, PAIR_BINS = 64, 16  # pair tables cost the square of their bins
PAIRS = 30  # of features, the strongest first
MOST_COLUMNS = 25
LEAF = 3  # samples


@RUNGS.register("ebm")
class EBMRung(Rung):
    """A sum of learned curves of single features, and of a few pairs."""

    name = "ebm"
    title = "Explainable boosting machine"
    summary = "A sum of learned curves, one a feature, and of a few tables of pairs."
    reference = "Lou et al. 2013, https://doi.org/10.1145/2487575.2487579"
    family = "additive"
    glass_box = True
    effort = "heavy"
    trusted = (
        "iceframe.scale.boosting.BoostedClassifier",
        "iceframe.scale.boosting.BoostedRegressor",
        "sklearn.tree._tree.Tree",
    )

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.pipeline import Pipeline

        from iceframe.scale.boosting import BoostedClassifier, BoostedRegressor

        columns = chosen_columns(settings, context)
        n_columns = min(int(settings.get("columns", MOST_COLUMNS)), len(columns))
        kind = BoostedRegressor if context.task == "regression" else BoostedClassifier
        model = kind(
            interactions=_pairs(settings, n_columns, context),
            min_samples_leaf=int(settings.get("leaf", LEAF)),
            learning_rate=0.1,
            feature_types=["continuous"] * n_columns,
            max_bins=BINS,
            max_interaction_bins=PAIR_BINS,
            outer_bags=BAGS,
            smoothing_rounds=200,
            interaction_smoothing_rounds=50,
            max_rounds=1000,
            early_stopping_rounds=50,
            early_stopping_tolerance=1e-4,
            n_jobs=1,
            random_state=context.seed,
        )
        return Pipeline(
            [
                ("select", select(columns)),
                ("screen", screening(n_columns, len(columns), context)),
                ("model", model),
            ]
        )

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray:
        """Contributions of single features; a pair's is split equally between its two features."""
        model = estimator["model"]
        columns = screened(estimator)
        by_term = _scores(model, estimator[:-1].transform(x), context)
        by_column = np.zeros((len(x), len(columns), *by_term.shape[2:]))
        for position, members in enumerate(model.term_features_):
            for member in members:
                by_column[:, member] += by_term[:, position] / len(members)
        return spread(by_column, columns, context.n_features)

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """Mean absolute contribution of each term, largest first; single features with a curve."""
        model = estimator["model"]
        names = [context.feature_names[column] for column in screened(estimator)]
        importance = np.asarray(model.term_importances())
        rows = []
        for position in np.argsort(-importance, kind="stable"):
            members = model.term_features_[position]
            row = {
                "term": " × ".join(names[member] for member in members),
                "importance": float(importance[position]),
                "features": [names[member] for member in members],
            }
            if len(members) == 1 and model.term_scores_[position].ndim == 1:
                row.update(_curve(model, position))
            rows.append(row)
        return rows

    def parameters(self, estimator: Any) -> int:
        tables = estimator["model"].term_scores_
        return int(sum(table.size for table in tables) + np.size(estimator["model"].intercept_))


def _pairs(settings: Mapping[str, Any], n_columns: int, context: Context) -> int:
    """How many pairs: none for three classes or more, where interpret cannot show them."""
    if context.n_classes > 2:
        return 0
    return min(int(settings.get("pairs", PAIRS)), n_columns * (n_columns - 1) // 2)


def _scores(model: Any, x: np.ndarray, context: Context) -> np.ndarray:
    """Contributions ``(n, terms)``, or to every class's log-odds ``(n, terms, k)``."""
    scores = model.eval_terms(x)
    if context.task == "regression":
        return scores
    if scores.ndim == 2:  # two classes: interpret gives the logit of the second
        scores = binary_scores(scores)
    full = np.zeros((*scores.shape[:2], context.n_classes))
    full[..., model.classes_] = against_others(scores)
    return full


def _curve(model: Any, position: int) -> dict[str, list[float]]:
    """The steps of a single feature's curve as a polyline.

    The first and last entries of a term's table belong to missing and unknown values.
    """
    feature = model.term_features_[position][0]
    low, high = model.feature_bounds_[feature]
    if not np.isfinite(low + high):  # a column without a single value
        return {}
    edges = np.concatenate([[low], model.bins_[feature][0], [high]])
    heights = model.term_scores_[position][1:-1]
    return {
        "x": np.repeat(edges, 2)[1:-1].tolist(),
        "y": np.repeat(heights, 2).tolist(),
    }

"""Additive model of curves and pairs, boosted from randomised trees of depth two.

``g(E[y]) = b₀ + Σ_j f_j(x_j) + Σ_{jk} f_jk(x_j, x_k)``: the same kind of model as the explainable
boosting machine (Lou et al. 2013, https://doi.org/10.1145/2487575.2487579), found in another way.
There, pairs are chosen first and each feature is fitted in turn on coarse bins; here, every tree
chooses its own pair with random cuts (Geurts et al. 2006,
https://doi.org/10.1007/s10994-006-6226-1) on fine bins. On few samples with sharp dependence on
small fractions of an element that halves the distance to a forest that may use any interaction.

Where there are many columns only those that extra trees find most useful inside the training fold
are used, as more could not be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.scale.log_odds import against_others
from iceframe.scale.preprocessing import (
    chosen_columns,
    screened,
    screening,
    select,
    spread,
    suggest_blocks,
)
from iceframe.scale.rung import RUNGS, Context, Rung

if TYPE_CHECKING:
    import optuna

MOST_COLUMNS = 25
SHOWN_PAIRS = 30


@RUNGS.register("pair_boosting")
class PairBoostingRung(Rung):
    """A sum of learned curves of single features, and of tables of pairs."""

    name = "pair_boosting"
    title = "Boosted curves and pairs"
    summary = "A sum of step curves and pair tables, boosted from random trees of depth two."
    reference = "Lou et al. 2013, https://doi.org/10.1145/2487575.2487579"
    family = "additive"
    glass_box = True
    effort = "heavy"
    trusted = (
        "iceframe.scale.pair_boosting.PairBoostingClassifier",
        "iceframe.scale.pair_boosting.PairBoostingRegressor",
        "sklearn.tree._tree.Tree",
    )

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.pipeline import Pipeline

        from iceframe.scale.pair_boosting import PairBoostingClassifier, PairBoostingRegressor

        columns = chosen_columns(settings, context)
        most = min(int(settings.get("columns", MOST_COLUMNS)), len(columns))
        kind = PairBoostingRegressor if context.task == "regression" else PairBoostingClassifier
        model = kind(
            rate=float(settings.get("rate", 0.05)),
            leaf=int(settings.get("leaf", 2)),
            random_state=context.seed,
        )
        return Pipeline(
            [
                ("select", select(columns)),
                ("screen", screening(most, len(columns), context)),
                ("model", model),
            ]
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        # Leaves of 1 to 5 samples, and other rates, differ by less than inner folds can tell.
        return suggest_blocks(trial, context)

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray:
        """Contributions of single features; a pair's is split equally between its two features."""
        model = estimator["model"]
        scores = model.contributions(estimator[:-1].transform(x))
        if context.task == "regression":
            return spread(scores[:, :, 0], screened(estimator), context.n_features)
        full = np.zeros((*scores.shape[:2], context.n_classes))
        full[..., model.classes_] = against_others(scores)
        return spread(full, screened(estimator), context.n_features)

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """Terms by the standard deviation of their contribution over the training samples.

        A pair says only what its two features do not say alone. Single features have a curve,
        but for three classes or more.
        """
        model = estimator["model"]
        names = [context.feature_names[column] for column in screened(estimator)]
        rows = [
            {
                "term": names[j],
                "importance": float(importance),
                "features": [names[j]],
                **_curve(model, j),
            }
            for j, importance in enumerate(model.single_spread_.max(axis=1))
        ]
        strength = model.double_spread_.max(axis=1, initial=0.0)
        for position in np.argsort(-strength, kind="stable")[:SHOWN_PAIRS]:
            members = [names[member] for member in model.pairs_[position]]
            rows.append(
                {
                    "term": " × ".join(members),
                    "importance": float(strength[position]),
                    "features": members,
                }
            )
        return sorted(rows, key=lambda row: -row["importance"])

    def parameters(self, estimator: Any) -> int:
        return estimator["model"].count_parameters()


def _curve(model: Any, j: int) -> dict[str, list[float]]:
    """The steps of a single feature's curve as a polyline; of two classes, the second's score."""
    outputs = model.single_.shape[2]
    if outputs > 2 or not model.low_[j] < model.high_[j]:
        return {}
    inner = model.edges_[j][np.isfinite(model.edges_[j])]
    edges = np.concatenate([[model.low_[j]], inner, [model.high_[j]]])
    heights = model.single_[j, 1 : len(edges), -1] * outputs  # s₁ − s₀ = 2 s₁: they add to zero
    return {"x": np.repeat(edges, 2)[1:-1].tolist(), "y": np.repeat(heights, 2).tolist()}

"""Gradient-boosted trees on binned features: each small tree corrects the sum before it.

``f_m = f_{m−1} + η t_m`` with ``t_m`` the tree of at most ``L`` leaves that best fits the negative
gradient of the loss. Missing values go to the side of a cut that lowers the loss.
References: Friedman 2001, https://doi.org/10.1214/aos/1013203451; binning as in LightGBM, Ke et al.
2017 (the implementation is scikit-learn's).

The number of trees is not searched: 300 of them at the rates that are searched. Stopping early
would hold a tenth of the samples back, and materials data have few.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iceframe.scale.preprocessing import chosen_columns, select, suggest_blocks
from iceframe.scale.rung import RUNGS, Context, Rung

if TYPE_CHECKING:
    import optuna

TREES = 300


@RUNGS.register("boosted_trees")
class BoostedTreesRung(Rung):
    """Small trees added one by one, each to the errors of those before it."""

    name = "boosted_trees"
    title = "Boosted trees"
    summary = "A sum of 300 small trees, each fitted to what those before it left over."
    reference = "Friedman 2001, https://doi.org/10.1214/aos/1013203451"
    family = "trees"
    effort = "heavy"
    trusted = (
        "iceframe.scale.gaps.EmptyColumnsAsZero",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    )

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from sklearn.pipeline import Pipeline

        from iceframe.scale.gaps import EmptyColumnsAsZero

        kind: Any = HistGradientBoostingClassifier
        if context.task == "regression":
            kind = HistGradientBoostingRegressor
        model = kind(
            max_iter=TREES,
            learning_rate=float(settings.get("rate", 0.05)),
            max_leaf_nodes=int(settings.get("leaves", 15)),
            min_samples_leaf=int(settings.get("leaf", 5)),
            l2_regularization=float(settings.get("penalty", 1.0)),
            max_features=float(settings.get("share", 0.5)),
            early_stopping=False,
            random_state=context.seed,
        )
        return Pipeline(
            [
                ("select", select(chosen_columns(settings, context))),
                ("fill", EmptyColumnsAsZero()),  # binning fails on a column without a value
                ("model", model),
            ]
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {
            "rate": trial.suggest_float("rate", 0.01, 0.2, log=True),
            "leaves": trial.suggest_int("leaves", 4, 31, log=True),
            "leaf": trial.suggest_int("leaf", 2, 20, log=True),
            "penalty": trial.suggest_float("penalty", 0.01, 10.0, log=True),
            "share": trial.suggest_float("share", 0.1, 1.0),
            **suggest_blocks(trial, context),
        }

    def parameters(self, estimator: Any) -> int:
        """A feature and a threshold at each question, a value at each leaf."""
        total = 0
        for trees in estimator["model"]._predictors:  # one tree a class
            for tree in trees:
                leaves = int(tree.nodes["is_leaf"].sum())
                total += 2 * (len(tree.nodes) - leaves) + leaves
        return total

"""Extremely randomised trees: an average over many deep trees with random cuts.

Reference: Geurts, Ernst & Wehenkel 2006, https://doi.org/10.1007/s10994-006-6226-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iceframe.scale.preprocessing import chosen_columns, select, suggest_blocks
from iceframe.scale.rung import RUNGS, Context, Rung
from iceframe.scale.rungs.tree import count_parameters

if TYPE_CHECKING:
    import optuna

TREES = 200  # more changes the third digit of an error only, and costs in proportion


@RUNGS.register("extra_trees")
class ExtraTreesRung(Rung):
    """Many deep trees with random cuts, averaged."""

    name = "extra_trees"
    title = "Extra trees"
    summary = "The average of 200 deep trees whose cuts are drawn at random."
    reference = "Geurts et al. 2006, https://doi.org/10.1007/s10994-006-6226-1"
    effort = "medium"
    trusted = ("sklearn.tree._tree.Tree",)

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
        from sklearn.pipeline import Pipeline

        kind = ExtraTreesRegressor if context.task == "regression" else ExtraTreesClassifier
        model = kind(
            n_estimators=TREES,
            max_features=float(settings.get("share", 0.5)),
            min_samples_leaf=int(settings.get("leaf", 1)),
            random_state=context.seed,
            n_jobs=1,
        )
        return Pipeline([("select", select(chosen_columns(settings, context))), ("model", model)])

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {
            "share": trial.suggest_float("share", 0.1, 1.0),
            "leaf": trial.suggest_int("leaf", 1, 5),
            **suggest_blocks(trial, context),
        }

    def parameters(self, estimator: Any) -> int:
        return sum(count_parameters(tree.tree_) for tree in estimator["model"].estimators_)

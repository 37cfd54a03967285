"""Extremely randomised trees: an average over many deep trees with random cuts.

Reference: Geurts, Ernst & Wehenkel 2006, https://doi.org/10.1007/s10994-006-6226-1.

A regression answers with the mean of the samples that share a leaf, or with their median, as is
found better inside the training fold: losses are absolute errors, and where a few targets are ten
times the others (exfoliation energies) their mean is far from what is best
(:mod:`iceframe.scale.median_forest`).
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
    family = "trees"
    effort = "medium"
    trusted = ("iceframe.scale.median_forest.MedianExtraTrees", "sklearn.tree._tree.Tree")

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
        from sklearn.pipeline import Pipeline

        from iceframe.scale.median_forest import MedianExtraTrees

        kind: Any = ExtraTreesClassifier
        if context.task == "regression":
            median = settings.get("answer", "mean") == "median"
            kind = MedianExtraTrees if median else ExtraTreesRegressor
        model = kind(
            n_estimators=TREES,
            max_features=float(settings.get("share", 0.5)),
            min_samples_leaf=int(settings.get("leaf", 1)),
            random_state=context.seed,
            n_jobs=1,
        )
        return Pipeline([("select", select(chosen_columns(settings, context))), ("model", model)])

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        # A regression loses by few features a cut (Geurts et al. advise all), a class does not.
        least = 0.3 if context.task == "regression" else 0.1
        settings: dict[str, Any] = {
            "share": trial.suggest_float("share", least, 1.0),
            "leaf": trial.suggest_int("leaf", 1, 5),
        }
        if context.task == "regression":
            settings["answer"] = trial.suggest_categorical("answer", ["mean", "median"])
        return {**settings, **suggest_blocks(trial, context)}

    def parameters(self, estimator: Any) -> int:
        """Those of all trees; for the median also the leaves and targets of the samples."""
        model = estimator["model"]
        kept = model.leaves_.size + model.targets_.size if hasattr(model, "leaves_") else 0
        return kept + sum(count_parameters(tree.tree_) for tree in model.estimators_)

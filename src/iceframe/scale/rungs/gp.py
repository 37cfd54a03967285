"""Gaussian process with one length scale a feature.

Regression is exact, in float64, with hyper-parameters at the maximum of the marginal likelihood
times a prior whose length scales grow with ``√d`` (Hvarfner, Hellsten & Nardi 2024,
https://arxiv.org/abs/2402.02229). Classification is the same regression on log-transformed
Dirichlet pseudo-counts (Milios et al. 2018, https://arxiv.org/abs/1805.10915), whose probabilities
are calibrated without a further step. Reference: Rasmussen & Williams 2006,
https://doi.org/10.7551/mitpress/3206.001.0001.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iceframe.scale.preprocessing import chosen_columns, scaled, suggest_blocks
from iceframe.scale.rung import RUNGS, Context, Rung

if TYPE_CHECKING:
    import optuna


@RUNGS.register("gp")
class GPRung(Rung):
    """A distribution over smooth functions, conditioned on the training samples."""

    name = "gp"
    title = "Gaussian process"
    summary = "Smooth functions with one length scale a feature, conditioned on the data."
    reference = "Rasmussen & Williams 2006, https://doi.org/10.7551/mitpress/3206.001.0001"
    effort = "heavy"
    trusted = (
        "iceframe.scale.gaussian_process.ARDClassifier",
        "iceframe.scale.gaussian_process.ARDRegressor",
    )

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.gaussian_process import ARDClassifier, ARDRegressor

        kind = ARDRegressor if context.task == "regression" else ARDClassifier
        model = kind(kernel=settings.get("kernel", "rbf"), random_state=context.seed)
        return scaled(chosen_columns(settings, context), model)

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        kernel = trial.suggest_categorical("kernel", ["rbf", "matern52", "matern12"])
        return {"kernel": kernel, **suggest_blocks(trial, context)}

    def parameters(self, estimator: Any) -> int:
        return estimator["model"].count_parameters()

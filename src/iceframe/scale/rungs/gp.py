"""Gaussian process with one length scale a feature.

Regression is exact, in float64, with hyper-parameters at the maximum of the marginal likelihood
times a prior whose length scales grow with ``√d`` (Hvarfner, Hellsten & Nardi 2024,
https://arxiv.org/abs/2402.02229). Classification is the same regression on log-transformed
Dirichlet pseudo-counts (Milios et al. 2018, https://arxiv.org/abs/1805.10915); the pseudo-count,
which decides how confident its probabilities are, is tuned by log loss.
Reference: Rasmussen & Williams 2006, https://doi.org/10.7551/mitpress/3206.001.0001.
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
    family = "kernel"
    effort = "heavy"
    trusted = (
        "iceframe.scale.gaussian_process.ARDClassifier",
        "iceframe.scale.gaussian_process.ARDRegressor",
    )

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.gaussian_process import ARDClassifier, ARDRegressor

        options: dict[str, Any] = {
            "kernel": settings.get("kernel", "matern52"),
            "random_state": context.seed,
        }
        model: Any = ARDRegressor(**options)
        if context.task == "classification":
            model = ARDClassifier(pseudo_count=float(settings.get("pseudo_count", 0.1)), **options)
        return scaled(chosen_columns(settings, context), model)

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        from iceframe.scale.gaussian_process import KERNELS

        settings: dict[str, Any] = {"kernel": trial.suggest_categorical("kernel", KERNELS)}
        if context.task == "classification":
            settings["pseudo_count"] = trial.suggest_float("pseudo_count", 0.01, 0.3, log=True)
        return {**settings, **suggest_blocks(trial, context)}

    def parameters(self, estimator: Any) -> int:
        return estimator["model"].count_parameters()

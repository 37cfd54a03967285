"""Support vector machine with a radial basis function kernel.

``ŷ(x) = b + Σ_i a_i exp(−(g/d) ‖z − z_i‖²)`` over the support vectors, on ``d`` standardised
features; classes get probabilities by Platt's calibration on held-out decisions.
Reference: Cortes & Vapnik 1995, https://doi.org/10.1007/BF00994018; Smola & Schölkopf 2004,
https://doi.org/10.1023/B:STCO.0000035301.49549.88.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iceframe.scale.preprocessing import chosen_columns, scaled, suggest_blocks
from iceframe.scale.rung import RUNGS, Context, Rung

if TYPE_CHECKING:
    import optuna


@RUNGS.register("svm")
class SVMRung(Rung):
    """Weighted similarity to the support vectors."""

    name = "svm"
    title = "Support vector machine"
    summary = "A weighted sum of similarities to the hardest training samples (RBF kernel)."
    reference = "Cortes & Vapnik 1995, https://doi.org/10.1007/BF00994018"
    family = "kernel"
    trusted = (
        "iceframe.scale.vector_machine.CalibratedSVC",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.model_selection._split.StratifiedKFold",
    )

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.compose import TransformedTargetRegressor
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import SVR

        from iceframe.scale.vector_machine import CalibratedSVC

        columns = chosen_columns(settings, context)
        cost = float(settings.get("cost", 10.0))
        gamma = float(settings.get("gamma", 1.0)) / len(columns)
        if context.task == "classification":
            return scaled(columns, CalibratedSVC(C=cost, gamma=gamma, random_state=context.seed))
        model = SVR(C=cost, gamma=gamma, epsilon=float(settings.get("tube", 0.05)))
        return TransformedTargetRegressor(scaled(columns, model), transformer=StandardScaler())

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "cost": trial.suggest_float("cost", 0.1, 1000.0, log=True),
            "gamma": trial.suggest_float("gamma", 0.02, 20.0, log=True),
        }
        if context.task == "regression":
            settings["tube"] = trial.suggest_float("tube", 1e-3, 0.3, log=True)
        return {**settings, **suggest_blocks(trial, context)}

    def parameters(self, estimator: Any) -> int:
        """Support vectors with their weights, and the intercepts."""
        if hasattr(estimator, "regressor_"):
            machine = estimator.regressor_["model"]
        else:
            machine = estimator["model"].machine()
        vectors, weights = machine.support_vectors_, machine.dual_coef_
        return int(vectors.size + weights.size + machine.intercept_.size)

"""Linear regression with a quadratic penalty; its classifier is penalised logistic regression.

``ŷ = b₀ + Σ_j b_j z_j`` with ``z_j`` the standardised feature and ``b`` minimising
``‖y − ŷ‖² + α ‖b‖²``. Reference: Hoerl & Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.scale.log_odds import against_others, binary_scores
from iceframe.scale.preprocessing import chosen_columns, scaled, selected, spread, suggest_blocks
from iceframe.scale.rung import RUNGS, Context, Rung

if TYPE_CHECKING:
    import optuna


@RUNGS.register("ridge")
class RidgeRung(Rung):
    """A weighted sum of standardised features."""

    name = "ridge"
    title = "Ridge regression"
    summary = "A weighted sum of the standardised features, shrunk towards zero."
    reference = "Hoerl & Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634"
    family = "linear"
    glass_box = True

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.linear_model import LogisticRegression, Ridge

        penalty = float(settings.get("penalty", 1.0))
        model = (
            Ridge(alpha=penalty)
            if context.task == "regression"
            else LogisticRegression(C=1.0 / penalty, max_iter=2000)
        )
        return scaled(chosen_columns(settings, context), model)

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        penalty = trial.suggest_float("penalty", 1e-2, 1e4, log=True)
        return {"penalty": penalty, **suggest_blocks(trial, context)}

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray:
        z = estimator[:-1].transform(x)
        columns = selected(estimator)
        weights = estimator[-1].coef_
        if context.task == "regression":
            return spread(z * weights.reshape(1, -1), columns, context.n_features)
        by_class = z[:, :, None] * _class_weights(estimator, context)[None]
        return spread(by_class, columns, context.n_features)

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """Standardised coefficients, largest first; for classes one each (their log-odds)."""
        columns = selected(estimator)
        if context.task == "regression":
            weights = estimator[-1].coef_.reshape(-1, 1)
        else:
            weights = _class_weights(estimator, context)
        importance = np.abs(weights).mean(axis=1)
        rows = []
        for j in np.argsort(-importance, kind="stable"):
            row: dict[str, Any] = {
                "term": context.feature_names[columns[j]],
                "importance": float(importance[j]),
                "coefficient": [float(weight) for weight in weights[j]],
            }
            if weights.shape[1] <= 2:  # the quantity itself, or the log-odds of the second class
                row.update(
                    _line(estimator, j, float(weights[j, -1])), coefficient=row["coefficient"][-1]
                )
            rows.append(row)
        return rows

    def parameters(self, estimator: Any) -> int:
        return int(estimator[-1].coef_.size + np.size(estimator[-1].intercept_))


def _class_weights(estimator: Any, context: Context) -> np.ndarray:
    """Weights ``(d, k)`` of every class's log-odds; a class that was not seen has zeros."""
    model = estimator[-1]
    scores = binary_scores(model.coef_[0]) if len(model.classes_) == 2 else model.coef_.T
    weights = np.zeros((scores.shape[0], context.n_classes))
    weights[:, model.classes_] = against_others(scores)
    return weights


def _line(estimator: Any, j: int, weight: float) -> dict[str, list[float]]:
    """The straight line of one term from two standard deviations below the mean to two above."""
    centre, width = estimator["scale"].mean_[j], estimator["scale"].scale_[j]
    return {
        "x": [float(centre - 2 * width), float(centre + 2 * width)],
        "y": [float(-2 * weight), float(2 * weight)],
    }

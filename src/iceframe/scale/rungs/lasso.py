"""Linear regression that drops the features it does not need.

``ŷ = b₀ + Σ_j b_j z_j`` with ``z_j`` the standardised feature and ``b`` minimising
``‖y − ŷ‖² / 2n + α ‖b‖₁``; ``α`` is the value on the path with the lowest squared error in a
cross-validation inside the fit. Reference: Tibshirani 1996,
https://doi.org/10.1111/j.2517-6161.1996.tb02080.x; the path by coordinate descent: Friedman,
Hastie & Tibshirani 2010, https://doi.org/10.18637/jss.v033.i01.

With ``products``, a second regression has the pairwise products ``z_j z_k`` of the features that
the first found strongest beside the features themselves; so few that each can be read. Both are
Lassos: of the products, too, only the useful ones stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from iceframe.core.values import Task
from iceframe.scale.preprocessing import chosen_columns, scaled, selected, spread, suggest_blocks
from iceframe.scale.rung import RUNGS, Context, Rung

if TYPE_CHECKING:
    import optuna

STRONGEST = (0, 6, 10)
"""Features whose products may be offered: 0, 15 or 45 products."""


@RUNGS.register("lasso")
class LassoRung(Rung):
    """A weighted sum of few standardised features, and of few products of two."""

    name = "lasso"
    title = "Lasso"
    summary = "A weighted sum of the few features that are needed, others at exactly zero."
    reference = "Tibshirani 1996, https://doi.org/10.1111/j.2517-6161.1996.tb02080.x"
    family = "linear"
    glass_box = True
    effort = "medium"
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)
    trusted = ("iceframe.scale.sparse_regression.SparseRegressor",)

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.sparse_regression import SparseRegressor

        model = SparseRegressor(
            products=int(settings.get("products", 0)), random_state=context.seed
        )
        return scaled(chosen_columns(settings, context), model)

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {
            "products": trial.suggest_categorical("products", STRONGEST),
            **suggest_blocks(trial, context),
        }

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray:
        """``b_j z_j``; a product's contribution is split equally between its two features."""
        by_column = estimator["model"].contributions(estimator[:-1].transform(x))
        return spread(by_column, selected(estimator), context.n_features)

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """Features and products that stayed, by the size of their coefficient.

        The importance is the standard deviation of the term over the training samples. Where no
        product stayed, rows hold the ``coefficient`` of the standardised feature.
        """
        model = estimator["model"]
        names = [context.feature_names[column] for column in selected(estimator)]
        rows = []
        for j in np.argsort(-model.term_spread_, kind="stable"):
            if model.weights_[j] == 0:
                continue
            members = [names[member] for member in model.members_[j] if member >= 0]
            row: dict[str, Any] = {
                "term": " × ".join(members),
                "importance": float(model.term_spread_[j]),
                "features": members,
            }
            if len(members) == 1:
                row.update(_line(estimator, j))
            if not model.bent():
                row["coefficient"] = float(model.weights_[j])
            rows.append(row)
        return rows

    def parameters(self, estimator: Any) -> int:
        """Coefficients that are not zero, and the intercept."""
        return int(np.count_nonzero(estimator["model"].weights_)) + 1


def _line(estimator: Any, j: int) -> dict[str, list[float]]:
    """The straight line of one feature from two standard deviations below the mean to two above."""
    weight = float(estimator["model"].weights_[j])
    column = int(estimator["model"].members_[j][0])
    centre, width = estimator["scale"].mean_[column], estimator["scale"].scale_[column]
    return {
        "x": [float(centre - 2 * width), float(centre + 2 * width)],
        "y": [-2 * weight, 2 * weight],
    }

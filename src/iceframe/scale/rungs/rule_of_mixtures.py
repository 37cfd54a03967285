"""Rule of mixtures: every element contributes its fraction times a property of its own.

``ŷ = Σ_i x_i p_i`` over the atomic fractions ``x_i``, without an intercept. With ``p_i = m + d_i``
and fractions that add to one this is ``ŷ = m + Σ_i x_i d_i``; ``m`` and ``d`` minimise
``‖y − ŷ‖² + α s² ‖d‖²``, ``s`` the spread of the target: an element that the data say little of
is given the mean property ``m`` of the elements (``Σ_i d_i = 0`` at the minimum). So is an element
that was never seen, whose fraction is lacking in the sum.

It is Vegard's law for the target (Vegard 1921, https://doi.org/10.1007/BF01349680) with the
elements' values fitted instead of looked up; the penalty is that of ridge regression, Hoerl &
Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from iceframe.core.values import Task
from iceframe.scale.preprocessing import select, spread
from iceframe.scale.rung import RUNGS, Context, Rung

if TYPE_CHECKING:
    import optuna

FRACTIONS = "fractions"


@RUNGS.register("rule_of_mixtures")
class RuleOfMixturesRung(Rung):
    """The mean of the elements' effective properties, weighted by their fractions."""

    name = "rule_of_mixtures"
    title = "Rule of mixtures"
    summary = "Fractions of the elements times an effective property of each."
    reference = "Vegard 1921, https://doi.org/10.1007/BF01349680"
    family = "linear"
    blocks = (FRACTIONS,)
    glass_box = True
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import Pipeline

        return Pipeline(
            [
                ("select", select(_columns(context))),
                ("impute", SimpleImputer(strategy="mean", keep_empty_features=True)),
                ("model", Ridge(alpha=float(settings.get("penalty", 0.1)))),
            ]
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        # In units of samples of a pure element: 1 halves what one such sample says.
        return {"penalty": trial.suggest_float("penalty", 1e-4, 10.0, log=True)}

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray:
        """``x_i d_i``, what each element adds to the mean property."""
        return spread(
            estimator[:-1].transform(x) * estimator["model"].coef_,
            _columns(context),
            context.n_features,
        )

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """Each element's effective property ``p_i``, in the target's unit (``coefficient``).

        The importance is how far the property lies from the mean of the elements.
        """
        model = estimator["model"]
        rows = []
        for j in np.argsort(-np.abs(model.coef_), kind="stable"):
            change = float(model.coef_[j])
            rows.append(
                {
                    "term": context.feature_names[_columns(context)[j]],
                    "importance": abs(change),
                    "coefficient": float(model.intercept_) + change,
                    "x": [0.0, 1.0],
                    "y": [0.0, change],
                }
            )
        return rows

    def parameters(self, estimator: Any) -> int:
        return int(estimator["model"].coef_.size)


def _columns(context: Context) -> tuple[int, ...]:
    return tuple(context.blocks[FRACTIONS])

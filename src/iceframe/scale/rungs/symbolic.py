"""Symbolic regression: the simplest formula that says as much as the data support.

Sums of powers, products and quotients of columns, behind a logarithm, a reciprocal or a square root
where that says more, found by sparse regression in a large library of terms (SISSO: Ouyang et al.
2018, https://doi.org/10.1103/PhysRevMaterials.2.083802), refined by least squares in all constants
and by small changes. Errors are weighed against complexity; units are respected.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.scale.rung import RUNGS, Context, StatefulRung

if TYPE_CHECKING:
    import optuna


@RUNGS.register("symbolic")
class SymbolicRung(StatefulRung):
    """One formula of at most so many nodes."""

    name = "symbolic"
    title = "Symbolic regression"
    summary = "One formula, found in the data, that respects units and is as short as they allow."
    reference = "Ouyang et al. 2018, https://doi.org/10.1103/PhysRevMaterials.2.083802"
    family = "formula"
    glass_box = True
    effort = "heavy"
    tasks = ("regression",)

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.symbolic.estimator import FormulaRegressor

        return FormulaRegressor(
            names=context.feature_names,
            units=context.feature_units,
            target=context.target or "target",
            target_unit=context.target_unit,
            random_state=context.seed,
            **{key: settings[key] for key in OPTIONS if key in settings},
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {"most_nodes": trial.suggest_categorical("most_nodes", [12, 24, 40])}

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray:
        """Shapley values of the columns over all subsets, from the training mean."""
        return estimator.terms(x)

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """The formula, then each summand in words with its share of the variation."""
        formula = estimator.formula_
        rows: list[dict[str, Any]] = [
            {"term": "formula", "importance": 1.0, "rule": formula.text()}
        ]
        for words, share in zip(formula.words(), formula.shares, strict=True):
            rows.append({"term": words, "importance": share})
        return rows


OPTIONS = ("dimensions", "most_nodes", "most_columns", "generations")

"""Principal components of two-point statistics in a polynomial ridge regression: the MKS classic.

Reference: Kalidindi 2015, Hierarchical Materials Informatics; Cecen et al. 2018,
https://doi.org/10.1016/j.actamat.2017.11.053.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from iceframe.scale.rung import RUNGS, Context, Effort, StatefulRung

if TYPE_CHECKING:
    import optuna

# A polynomial of the third degree in all scores would have more terms than samples.
MOST_OF_THIRD_DEGREE = 8
# Largest lags in pixels; 0 is half the side. What decides a stiffness is mostly near.
REACHES = (4, 8, 16, 0)


@RUNGS.register("two_point_pca")
class TwoPointPCARung(StatefulRung):
    """A polynomial in the few numbers that two-point statistics vary by."""

    name = "two_point_pca"
    title = "Two-point statistics, polynomial"
    summary = "Principal components of the two-point statistics in a polynomial ridge regression."
    reference = "Cecen et al. 2018, https://doi.org/10.1016/j.actamat.2017.11.053"
    family = "two-point statistics"
    input: ClassVar[Literal["table", "image"]] = "image"
    effort: ClassVar[Effort] = "medium"

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.two_point_regression import TwoPointClassifier, TwoPointRegressor

        kind = TwoPointRegressor if context.task == "regression" else TwoPointClassifier
        degree = int(settings.get("degree", 2))
        components = int(settings.get("components", 10))
        if degree == 3:
            components = min(components, MOST_OF_THIRD_DEGREE)
        return kind(
            components=components,
            degree=degree,
            penalty=float(settings.get("penalty", 1.0)),
            reach=int(settings.get("reach", 8)),
            periodic=context.periodic,
            symmetries=tuple(context.symmetries),
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {
            "components": trial.suggest_int("components", 2, 30, log=True),
            "degree": trial.suggest_int("degree", 1, 3),
            "reach": trial.suggest_categorical("reach", REACHES),
            "penalty": trial.suggest_float("penalty", 1e-3, 1e3, log=True),
        }

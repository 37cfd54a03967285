"""A stack of the best rungs over tables: what the last per cent of accuracy costs.

See :mod:`iceframe.scale.stacking`. It is the top of the ladder for tables: nothing in it can be
read but the weights of its members, and it costs as much as all of them several times over.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iceframe.scale.rung import RUNGS, Context, Rung

MEMBERS = ("ridge", "svm", "gp", "pair_boosting", "extra_trees", "boosted_trees")
"""Unlike each other on purpose: straight, smooth and stepped models err in different places."""


@RUNGS.register("stack")
class StackRung(Rung):
    """A weighted mean of other rungs; the setting ``members`` names them."""

    name = "stack"
    title = "Stacked ensemble"
    summary = "A weighted mean of other rungs, with weights from predictions out of fold."
    reference = "van der Laan et al. 2007, https://doi.org/10.2202/1544-6115.1309"
    family = "stack"
    effort = "extreme"

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.stacking import StackedEnsemble

        return StackedEnsemble(settings.get("members", MEMBERS), context)

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """Members by weight."""
        rows = [
            {"term": model.rung.title, "importance": float(weight)}
            for model, weight in zip(estimator.fitted_, estimator.weights_, strict=True)
        ]
        return sorted(rows, key=lambda row: -row["importance"])

    def parameters(self, estimator: Any) -> int:
        """Those of all members, and the weights."""
        members = sum(model.rung.parameters(model.estimator) for model in estimator.fitted_)
        return int(members + len(estimator.weights_))

    def save(self, estimator: Any, folder: Path) -> None:
        estimator.save(folder)

    def load(self, folder: Path, settings: Mapping[str, Any], context: Context) -> Any:
        return self.build(settings, context).restore(folder)

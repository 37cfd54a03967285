"""A foundation model's energy per atom, corrected by a sum over the elements that can be read.

``y = Σ_el x_el b_el + c E_CHGNet + …``; see :mod:`iceframe.scale.foundation.energy_correction`. The
penalty is chosen inside the fit; tuned from outside is whether ionicity and volume, and whether
pairs of an element and an anion former take part. References: Deng et al. 2023 (CHGNet),
https://doi.org/10.1038/s42256-023-00716-3; Stevanović et al. 2012 (offsets),
https://doi.org/10.1103/PhysRevB.85.115104.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.scale.rung import RUNGS, Context, StatefulRung

if TYPE_CHECKING:
    import optuna


@RUNGS.register("foundation_correction")
class FoundationCorrection(StatefulRung):
    """Element offsets, a factor of CHGNet's energy, with ``pairs`` an offset a metal and anion, and
    with ``extended`` two more terms."""

    name = "foundation_correction"
    title = "Corrected foundation energy"
    summary = "A sum of element offsets and a factor of CHGNet's energy per atom."
    reference = (
        "Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3; "
        "Stevanović et al. 2012, https://doi.org/10.1103/PhysRevB.85.115104"
    )
    input = "crystal"
    pretrained = True
    glass_box = True
    tasks = ("regression",)

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.foundation.energy_correction import EnergyCorrection

        return EnergyCorrection(
            extended=bool(settings.get("extended", True)), pairs=bool(settings.get("pairs", True))
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {
            "extended": trial.suggest_categorical("extended", [False, True]),
            "pairs": trial.suggest_categorical("pairs", [False, True]),
        }

    def terms(self, estimator: Any, x: Any, context: Context) -> np.ndarray:
        return np.asarray(estimator.contributions(x))

    def term_names(self, estimator: Any, context: Context) -> tuple[str, ...]:
        return tuple(term.name for term in estimator.terms())

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """The terms: what one standard deviation more does, and in words what a step does."""
        rows: list[dict[str, Any]] = estimator.describe()
        return rows

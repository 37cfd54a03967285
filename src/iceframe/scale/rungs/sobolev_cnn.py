"""The small convolutional network, supervised also by the property's exact sensitivity.

For simulated two-phase structures the solver knows the derivative of the property to every pixel.
The loss asks the network's input gradient to agree with it; the weight is tuned inside the fold.
Reference: Czarnecki et al. 2017, Sobolev training, https://arxiv.org/abs/1706.04859.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from iceframe.core.values import Task
from iceframe.scale.rung import RUNGS, Context
from iceframe.scale.rungs.cnn import CNNRung

if TYPE_CHECKING:
    import optuna


@RUNGS.register("sobolev_cnn")
class SobolevCNNRung(CNNRung):
    """A small convolutional network that must also be right about every pixel's influence."""

    name = "sobolev_cnn"
    title = "Convolutional network, taught by physics"
    summary = (
        "The same network; its gradient is matched to the exact sensitivities of simulated data."
    )
    reference = "Czarnecki et al. 2017, https://arxiv.org/abs/1706.04859"
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        return super().build({"sobolev": 1.0, **settings, "alone": True}, context)

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 3e-3, 2e-2, log=True),
            "sobolev": trial.suggest_float("sobolev", 0.1, 10.0, log=True),
        }

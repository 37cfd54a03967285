"""A small convolutional network that looks at the pixels themselves.

Four convolutions on ever coarser grids and a global mean; circular padding where opposite edges
meet, and training images moved by the symmetries that leave the target unchanged. References:
LeCun et al. 1998, https://doi.org/10.1109/5.726791; Lin et al. 2014, global average pooling,
https://arxiv.org/abs/1312.4400; for effective properties Cecen et al. 2018,
https://doi.org/10.1016/j.actamat.2017.11.053.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from iceframe.scale.rung import RUNGS, Context, StatefulRung

if TYPE_CHECKING:
    import optuna


@RUNGS.register("cnn")
class CNNRung(StatefulRung):
    """A small convolutional network on the images."""

    name = "cnn"
    title = "Convolutional network"
    summary = "Four convolutions and a global mean, trained on the pixels themselves."
    reference = "LeCun et al. 1998, https://doi.org/10.1109/5.726791"
    input: ClassVar[Literal["table", "image"]] = "image"
    effort: ClassVar[Literal["light", "medium", "heavy"]] = "heavy"

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.image_network import ImageClassifier, ImageRegressor

        kind = ImageRegressor if context.task == "regression" else ImageClassifier
        return kind(
            sobolev=float(settings.get("sobolev", 0.0)),
            alone=bool(settings.get("alone", False)),
            learning_rate=float(settings.get("learning_rate", 1e-2)),
            dropout=float(settings.get("dropout", 0.0)),
            periodic=context.periodic,
            symmetries=tuple(context.symmetries),
            device=context.device,
            random_state=context.seed,
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {
            "learning_rate": trial.suggest_float("learning_rate", 3e-3, 2e-2, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.3),
        }

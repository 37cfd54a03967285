"""What the rungs that are a network on images share, and their variants taught by physics.

A rung says which network it is (:mod:`iceframe.scale.architectures`) and how it is trained by
default. Few samples are passed more often, so that training takes about as many steps; many are
passed at least a few times. :func:`supervised` makes the variant of a rung whose input gradient is
matched to exact sensitivities (:mod:`iceframe.scale.sobolev`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from iceframe.core.values import Task
from iceframe.scale.rung import Context, Effort, StatefulRung

if TYPE_CHECKING:
    import optuna

    from iceframe.core.dataset import ImageSource

# Nobody waits for more passes than this, however few the samples.
MOST_EPOCHS = 400


class ImageRung(StatefulRung):
    """A network on images.

    Class attributes
    ----------------
    architecture : the network's name. batch_size : samples a step.
    learning_rate : the highest, by default; tuned between a third and twice that.
    epochs, steps : passes over the samples, and steps, of which there are at least as many.
    """

    architecture: ClassVar[str]
    batch_size: ClassVar[int] = 32
    learning_rate: ClassVar[float] = 1e-2
    epochs: ClassVar[int] = 50
    steps: ClassVar[int] = 375

    input: ClassVar[Literal["table", "image"]] = "image"
    effort: ClassVar[Effort] = "heavy"

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.image_network import ImageClassifier, ImageRegressor

        kind = ImageRegressor if context.task == "regression" else ImageClassifier
        return kind(
            architecture=self.architecture,
            sobolev=float(settings.get("sobolev", 0.0)),
            alone=bool(settings.get("alone", False)),
            learning_rate=float(settings.get("learning_rate", self.learning_rate)),
            dropout=float(settings.get("dropout", 0.0)),
            batch_size=self.batch_size,
            epochs=int(settings.get("epochs", self.passes(context.n_samples))),
            periodic=context.periodic,
            symmetries=tuple(context.symmetries),
            device=context.device,
            random_state=context.seed,
        )

    def passes(self, n: int) -> int:
        """Passes over ``n`` samples that make the steps this rung wants."""
        wanted = -(-self.steps * self.batch_size // max(n, 1))
        return min(MOST_EPOCHS, max(self.epochs, wanted))

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        rate = self.learning_rate
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.3 * rate, 2 * rate, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.3),
        }


class Supervised:
    """Put before an :class:`ImageRung`: its network must also be right about every pixel's
    influence. ``weight``: of the sensitivities in the loss, by default; tuned inside the fold."""

    weight: ClassVar[float] = 3.0
    supervised: ClassVar[bool] = True
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)
    learning_rate: ClassVar[float]

    @classmethod
    def check_images(cls, images: ImageSource) -> None:
        from iceframe.scale.sobolev import supervised

        supervised(images)

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        settings = {"sobolev": self.weight, **settings, "alone": True}
        return super().build(settings, context)  # type: ignore[misc]

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        rate = self.learning_rate
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.3 * rate, 2 * rate, log=True),
            "sobolev": trial.suggest_float("sobolev", 0.1, 10.0, log=True),
        }

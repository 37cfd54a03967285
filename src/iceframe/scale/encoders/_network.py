"""What every encoder that is a torch network shares: reading, training, encoding, storage.

Training is :func:`iceframe.scale.training.train`: AdamW, one cycle of the learning rate, early
stopping on held-out images. Images larger than about 128² or 32³ are first reduced by area;
decoded images are enlarged again to the size that they had.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import derive_seed
from iceframe.scale.encoder import (
    Encoder,
    Fields,
    Progress,
    TrainingProgress,
    as_images,
    check_format,
    format_to_fit,
)
from iceframe.scale.image_format import PIXELS_PER_BATCH, ImageFormat

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from iceframe.core.dataset import ImageSource
    from iceframe.core.values import Representation
    from iceframe.scale.encoder_networks import Shape
    from iceframe.scale.image_batches import ImageBatches
    from iceframe.scale.training import Batch, Loss, Parts

BATCH_PIXELS = 2**20
"""Reduced pixels that go through a network at once; the widest layer holds a few times as many."""

LARGEST_BATCH = 256
LEAST_BATCH = 4
"""Batch statistics of fewer images than this say nothing."""

WEIGHT = "weight:"


@dataclass(kw_only=True, eq=False)
class NetworkEncoder(Encoder):
    """An encoder that is a torch network.

    Parameters
    ----------
    latents : how many numbers stand for an image. widths : channels of the convolutions, each of
        which halves the grid.
    symmetries : operations that leave what matters in the images unchanged (subset of flip,
        rotate90, translate); training images are moved by them.
    factor : whole factor by which images are reduced (default: by their size).
    patience : epochs without a better held-out loss before stopping.
    validation_fraction : share of the images held out to stop by.
    device : auto (CUDA where there is one), cpu, cuda, …. On the CPU a fit repeats exactly.
    """

    latents: int = 16
    widths: tuple[int, ...] = (16, 32, 64)
    symmetries: tuple[str, ...] = ()
    factor: int | None = None
    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    patience: int = 20
    validation_fraction: float = 0.15
    device: str = "auto"
    random_state: int = 0

    views: ClassVar[int] = 1

    def __post_init__(self) -> None:
        self.widths, self.symmetries = tuple(self.widths), tuple(self.symmetries)

    @abstractmethod
    def _build(self, shape: Shape, factors: int) -> nn.Module:
        """The untrained network; it has ``encode`` and, where the encoder decodes, ``decoder``."""

    @abstractmethod
    def _loss(self, shape: Shape, phases: bool) -> Loss:
        """The loss of the network's answer against ``(fields, factors)``: what a perfect decoder
        would give ``(b, fields, *grid)``, and standardised factors ``(b, k)``."""

    def _targets(self, factors: Representation | None, n: int) -> np.ndarray:
        """Standardised factors ``(n, k)``; learns their scale."""
        if factors is not None:
            raise UsageError(
                f"The encoder '{self.name}' learns from images alone.",
                got="factors: " + ", ".join(factors.names),
                hint="leave the factors out, or use the encoder 'aligned_vae'",
            )
        return np.zeros((n, 0))

    def _finish(
        self, images: ImageSource, factors: Representation | None, held: np.ndarray
    ) -> None:
        """Measure what is to be known of a fitted encoder on the images ``held`` out."""

    def settings(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"latent {i + 1}" for i in range(self.latents))

    def fit(
        self,
        images: ImageSource | np.ndarray,
        factors: Representation | None = None,
        *,
        kind: str = "grey",
        periodic: bool = False,
        progress: TrainingProgress | None = None,
    ) -> Self:
        from iceframe.scale.image_batches import Augmentation, ImageBatches, reduction
        from iceframe.scale.training import (
            Training,
            inner_parts,
            isolated,
            resolve_device,
            train,
        )

        vars(self).pop("format_", None)  # a fit that fails leaves nothing half fitted
        source = as_images(images, kind, periodic)
        found = format_to_fit(source)
        self._check_settings(found)
        augment = Augmentation(self.symmetries, found.periodic)
        target = self._targets(factors, len(source))
        seed = int(self.random_state)
        device = resolve_device(self.device)
        factor = int(self.factor or reduction((len(found.fields), *found.grid)))
        held = ImageBatches(Fields(source, found), factor)
        _require_variety(held)
        parts = inner_parts(len(source), self.validation_fraction, 1, seed)
        centre, width = held.moments(parts.training[0])
        network = self._network(found, factor, target.shape[1]).to(device)
        shape = self._shape(found, factor)
        scale = _Scale(centre, width, found)
        batch = self._batch(held, target, scale, augment, device)
        training = Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            validation_fraction=self.validation_fraction,
            evaluation_batch=max(LEAST_BATCH, _batch_size(shape)),
        )
        loss = self._loss(shape, bool(found.levels))
        with isolated(derive_seed(seed, "training"), device):
            history = train(network, batch, loss, parts, training, seed=seed, progress=progress)
        network.zero_grad(set_to_none=True)  # as much memory as the weights
        self.format_, self.factor_ = found, factor
        self.centre_, self.width_ = centre, width
        self.network_, self.history_ = network, history
        self.record_: dict[str, Any] = _record(len(source), parts, history)
        self._finish(source, factors, parts.validation[0])
        return self

    def _batch(
        self, held: ImageBatches, target: np.ndarray, scale: _Scale, augment: Any, device: Any
    ) -> Batch:
        """Batches for the training loop: standardised fields (``views`` of each image, one after
        the other), and what the loss compares with."""
        import torch

        factors = torch.as_tensor(target, dtype=torch.float32)
        seed = derive_seed(int(self.random_state), "views")

        def batch(index: Tensor, generator: torch.Generator | None) -> tuple[Any, Any]:
            x = held[index[0]]
            if generator is None and self.views > 1:
                # The same views in every epoch, so that losses can be compared.
                generator = torch.Generator().manual_seed(seed)
            if generator is not None:
                x = torch.cat([augment(x, generator) for _ in range(self.views)])
            x = x.to(device)
            standard = scale.standardised(x)
            seen = x if scale.phases else standard
            return standard, (seen, factors[index[0]].to(device))

        return batch

    def encode(
        self, images: ImageSource | np.ndarray, progress: Progress | None = None
    ) -> np.ndarray:
        self.require_fitted()
        source = as_images(images, self.format_.kind, self.format_.periodic)
        check_format(self.format_, source)
        return self._answers(source, self.network_.encode, len(self.names), progress)

    def _answers(
        self, source: ImageSource, part: Any, size: int, progress: Progress | None = None
    ) -> np.ndarray:
        """What ``part`` of the network says of each image: ``(n, size)``, float64."""
        import torch

        from iceframe.scale.image_batches import reduce
        from iceframe.scale.training import isolated

        read, n = Fields(source, self.format_), len(source)
        scale = _Scale(self.centre_, self.width_, self.format_)
        whole = max(1, PIXELS_PER_BATCH // int(np.prod(read.shape)))
        step = min(whole, _batch_size(self._shape(self.format_, self.factor_)))
        device = next(self.network_.parameters()).device
        answers = np.empty((n, size))
        with isolated(0, device), torch.inference_mode():
            for start in range(0, n, step):
                index = np.arange(start, min(start + step, n))
                x = reduce(torch.tensor(read.read(index)), self.factor_).to(device)
                answers[index] = part(scale.standardised(x)).cpu().numpy()
                if progress is not None:
                    progress(int(index[-1]) + 1, n)
        return answers

    def trunk_for_tuning(self) -> nn.Module:
        from iceframe.scale.encoder_trunk import Trunk

        self.require_fitted()
        return Trunk(self.network_)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        import torch

        from iceframe.scale.training import isolated

        if not self.decodes:
            return super().decode(latents)
        self.require_fitted()
        z = np.asarray(latents, np.float64)
        if z.ndim != 2 or z.shape[1] != len(self.names) or not np.isfinite(z).all():
            raise InputError(
                "Latents to decode must be finite numbers (n, d).",
                got=z.shape,
                allowed=f"d = {len(self.names)}: {', '.join(self.names)}",
            )
        scale = _Scale(self.centre_, self.width_, self.format_)
        size = _batch_size(self._shape(self.format_, self.factor_))
        device = next(self.network_.parameters()).device
        images = np.empty((len(z), *self.format_.shape), np.float32)
        with isolated(0, device), torch.inference_mode():
            for start in range(0, len(z), size):
                some = torch.as_tensor(z[start : start + size], dtype=torch.float32)
                answer = scale.seen(self.network_.decoder(some.to(device))).cpu().numpy()
                images[start : start + size] = self._pixels(answer)
        return images

    def _pixels(self, answer: np.ndarray) -> np.ndarray:
        """Pixel values ``(b, *shape)`` of reduced fields (or probabilities of phases)."""
        for axis, side in enumerate(self.format_.grid, start=2):
            place = np.minimum(np.arange(side) // self.factor_, answer.shape[axis] - 1)
            answer = answer.take(place, axis=axis)
        levels = np.asarray(self.format_.levels, np.float32)
        if not len(levels):
            return answer
        if len(levels) == 2:
            return levels[0] + answer * (levels[1] - levels[0])
        return levels[answer.argmax(axis=1)][:, None]

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {
            WEIGHT + name: value.detach().cpu().numpy()
            for name, value in self.network_.state_dict().items()
        }
        arrays |= {"centre": self.centre_, "width": self.width_}
        return arrays, {"factor": self.factor_, "record": self.record_}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        self._restore(arrays, values, 0)

    def _restore(
        self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any], factors: int
    ) -> None:
        import torch

        from iceframe.scale.training import resolve_device

        self._check_settings(self.format_)
        self.factor_, self.record_ = int(values["factor"]), dict(values["record"])
        self.centre_ = np.array(arrays["centre"], np.float64)
        self.width_ = np.array(arrays["width"], np.float64)
        if not (self.centre_.shape == self.width_.shape == (len(self.format_.fields),)):
            raise ValueError("the scale does not fit the image format")
        self.network_ = self._network(self.format_, self.factor_, factors)
        self.network_.load_state_dict(
            {
                name.removeprefix(WEIGHT): torch.as_tensor(np.array(array))
                for name, array in arrays.items()
                if name.startswith(WEIGHT)
            }
        )
        self.network_.to(resolve_device(self.device)).eval()

    def _shape(self, found: ImageFormat, factor: int) -> Shape:
        from iceframe.scale.encoder_networks import Shape

        grid = tuple(side // factor for side in found.grid)
        return Shape(len(found.fields), grid, found.periodic, self.widths)

    def _network(self, found: ImageFormat, factor: int, factors: int) -> Any:
        """A network with weights drawn from the seed."""
        import torch

        from iceframe.scale.training import isolated

        with isolated(derive_seed(int(self.random_state), "weights")):
            network = self._build(self._shape(found, factor), factors)
        if len(found.grid) == 2:  # about twice as fast on a CPU
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def _check_settings(self, found: ImageFormat) -> None:
        grid = found.grid
        wrong = {
            "latents": self.latents < 1,
            "widths": not self.widths or min(self.widths) < 1,
            "epochs": self.epochs < 1,
            "batch_size": self.batch_size < LEAST_BATCH,
            "factor": self.factor is not None and not 1 <= self.factor <= min(grid) // 2,
            "validation_fraction": not 0 < self.validation_fraction <= 0.5,
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise UsageError(
                    f"This value of '{name}' cannot be used.",
                    where=f"encoder '{self.name}'",
                    got=getattr(self, name),
                )
        if "rotate90" in self.symmetries and len(set(grid)) > 1:
            raise UsageError(
                "Quarter turns are a symmetry only of images with equal sides.",
                got=grid,
                hint="leave out 'rotate90'",
            )


class _Scale:
    """Between fields as they are and fields as the network sees them."""

    def __init__(self, centre: np.ndarray, width: np.ndarray, found: ImageFormat) -> None:
        self.view = (-1, *(1 for _ in found.grid))
        self.centre, self.width = centre, width
        self.phases = bool(found.levels)

    def _like(self, values: np.ndarray, x: Tensor) -> Tensor:
        return x.new_tensor(values).view(self.view)

    def standardised(self, x: Tensor) -> Tensor:
        return (x - self._like(self.centre, x)) / self._like(self.width, x)

    def seen(self, output: Tensor) -> Tensor:
        """Fields, or probabilities of phases, of a decoder's answer."""
        if not self.phases:
            return output * self._like(self.width, output) + self._like(self.centre, output)
        return output.sigmoid() if output.shape[1] == 1 else output.softmax(dim=1)


def _batch_size(shape: Shape) -> int:
    pixels = shape.fields * int(np.prod(shape.grid))
    return max(1, min(LARGEST_BATCH, BATCH_PIXELS // pixels))


def _require_variety(held: ImageBatches) -> None:
    """Refuse a set in which every pixel of every image is the same."""
    import torch

    first = None
    for start in range(0, len(held), LARGEST_BATCH):
        x = held[torch.arange(start, min(start + LARGEST_BATCH, len(held)))].flatten(2)
        first = x[:1, :, :1] if first is None else first
        if bool((x != first).any()):
            return
    raise InputError(
        "Every pixel of every image is the same: there is nothing to learn.",
        hint="check that the images were read as they should be",
    )


def _record(n: int, parts: Parts, history: Any) -> dict[str, Any]:
    """What a person should know of a fit, as JSON values."""
    best = int(history.best_epoch[0])
    return {
        "images": n,
        "held out": int(parts.validation.shape[1]),
        "epochs": len(history.validation),
        "best epoch": best + 1,
        "held-out loss": float(history.validation[best, 0]),
    }

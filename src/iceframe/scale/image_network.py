"""Networks on images, as scikit-learn style estimators.

Which network is said by name (:mod:`iceframe.scale.architectures`). The estimators take an
``ImageSource`` (read in batches) or an array ``(n, channels, *grid)``. Large images are first
reduced by area. Where opposite edges meet, padding is circular; training images are moved by the
symmetries that the user allows, and by no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from iceframe.core.dataset import ImageSource
from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import derive_seed
from iceframe.scale.architectures import Problem, build
from iceframe.scale.image_batches import Augmentation, ImageBatches, as_source, reduce, reduction
from iceframe.scale.network_estimator import NetworkEstimator
from iceframe.scale.sobolev import WithInputGradient, gradient_batches, sobolev_loss
from iceframe.scale.training import (
    Batch,
    Loss,
    Training,
    inner_parts,
    isolated,
    resolve_device,
    train,
)

PREDICTION_BATCH = 64


class _ImageNetwork(NetworkEstimator):
    """What both tasks share. ``architecture``: name of the network; ``symmetries``: subset of
    flip, rotate90, translate; ``factor``: reduction of the images (default: by their size);
    ``sobolev``: weight of the supervision by sensitivities (:mod:`iceframe.scale.sobolev`);
    ``alone``: samples do not meet in a normalisation, as supervision needs."""

    def __init__(
        self,
        *,
        architecture: str = "small",
        periodic: bool = False,
        symmetries: Sequence[str] = (),
        factor: int | None = None,
        dropout: float = 0.0,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 1e-2,
        weight_decay: float = 0.01,
        patience: int = 30,
        validation_fraction: float = 0.15,
        loss: str = "huber",
        label_smoothing: float = 0.05,
        sobolev: float = 0.0,
        alone: bool = False,
        device: str = "cpu",
        random_state: int | None = 0,
    ) -> None:
        self.architecture = architecture
        self.periodic = periodic
        self.symmetries = symmetries
        self.factor = factor
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.sobolev = sobolev
        self.alone = alone
        self.device = device
        self.random_state = random_state

    def fit(self, X: ImageSource | np.ndarray, y: np.ndarray) -> Any:
        """Train on images ``X`` and targets or classes ``y`` ``(n,)``, or several targets
        ``(n, k)``, such as the components of a tensor."""
        source = as_source(X, self.periodic)
        y = np.asarray(y)
        if len(source) != len(y) or len(source) == 0:
            raise InputError("Images and targets must match.", got=(len(source), len(y)))
        self.image_shape_ = np.array(source.shape)
        self.factor_ = int(self.factor or reduction(source.shape))
        target = self._set_target(y)
        images = ImageBatches(source, self.factor_)
        parts = inner_parts(
            len(y),
            self.validation_fraction,
            1,
            self._seed,
            y if self.task == "classification" else None,
        )
        self.centre_, self.width_ = images.moments(parts.training[0])
        device = resolve_device(self.device)
        augment = Augmentation(self.symmetries, self.periodic)

        def batch(index: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
            x = images[index[0]]
            if generator is not None:
                x = augment(x, generator)
            return x.to(device), target[index[0]].to(device)  # (b, c, *grid), (b, 1) or (b,)

        self.network_ = self._build().to(device)
        module: nn.Module = self.network_
        loss, examples = self._loss(), cast(Batch, batch)
        if self.sobolev > 0:
            module, loss, examples = self._supervised(source, images, target, parts.training[0])
        settings = Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
        )
        with isolated(derive_seed(self._seed, "training"), device):
            self.history_ = train(module, examples, loss, parts, settings, seed=self._seed)
        self.network_.eval()
        return self

    def _supervised(
        self, source: ImageSource, images: ImageBatches, target: Tensor, training: np.ndarray
    ) -> tuple[nn.Module, Loss, Batch]:
        """The network with its input gradient, the loss on both, and the batches with both."""
        if self.task != "regression" or not self.alone or self._outputs > 1:
            raise UsageError(
                "Supervision by sensitivities is for regressions of one target whose samples do "
                "not mix.",
                got=f"{self.task} of {self._outputs}, alone={self.alone}",
                allowed="regression of 1, alone=True",
            )
        device = next(self.network_.parameters()).device
        slopes = gradient_batches(source, self.factor_)
        augment = Augmentation(self.symmetries, self.periodic)
        scale = float(self.scale_)
        size = float(slopes[torch.as_tensor(training)].double().square().mean().sqrt()) / scale
        if size == 0:
            raise InputError("The sensitivities are all zero: the target does not vary with them.")
        channels = source.shape[0]

        def batch(index: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Any]:
            both = torch.cat([images[index[0]], slopes[index[0]] / scale], dim=1)
            if generator is not None:
                both = augment(both, generator)  # maps move with their images
            both = both.to(device)
            y = target[index[0]].to(device)
            return both[:, :channels], (y, both[:, channels:], size)

        return WithInputGradient(self.network_), sobolev_loss(self._loss(), self.sobolev), batch

    def _network(self) -> nn.Module:
        channels, *grid = self.image_shape_
        problem = Problem(
            channels=int(channels),
            grid=tuple(int(side) // self.factor_ for side in grid),
            outputs=self._outputs,
            periodic=self.periodic,
            dropout=self.dropout,
            alone=self.alone,
        )
        network = build(self.architecture, problem)
        standardise = Standardise(self.centre_, self.width_, len(grid))
        module = nn.Sequential(standardise, network)
        # Channels last makes convolutions in two dimensions about twice as fast on a CPU.
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d):
                layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module

    def torch_model(self) -> nn.Module:
        """The whole model as one differentiable module in evaluation mode.

        It maps float32 images ``(n, channels, *grid)`` in the source's own scale and size to
        predictions ``(n, k)`` of ``k`` targets in their units, or to logits ``(n, k)`` in the
        order of ``classes_``.
        """
        check_is_fitted(self, "network_")
        if self.task == "classification":
            return WholeModel(self.network_, self.factor_, 1.0, 0.0).eval()
        return WholeModel(self.network_, self.factor_, self.scale_, self.shift_).eval()

    def _answers(self, X: ImageSource | np.ndarray) -> Tensor:
        """Standardised targets ``(n, 1)`` or logits ``(n, k)``, float64."""
        check_is_fitted(self, "network_")
        source = as_source(X, self.periodic)
        if tuple(source.shape) != tuple(self.image_shape_):
            raise InputError(
                "These images have another shape than those the model was trained on.",
                got=tuple(source.shape),
                allowed=tuple(int(side) for side in self.image_shape_),
                hint="read them with the same size",
            )
        device = next(self.network_.parameters()).device
        answers = [torch.zeros(0, self._outputs)]
        with isolated(0, device), torch.no_grad():
            for start in range(0, len(source), PREDICTION_BATCH):
                index = np.arange(start, min(start + PREDICTION_BATCH, len(source)))
                x = torch.from_numpy(np.array(source.read(index), np.float32))
                answers.append(self.network_(reduce(x, self.factor_).to(device)).cpu())
        return torch.cat(answers).double()


class ImageRegressor(RegressorMixin, _ImageNetwork):
    """A network for a number, or for several."""

    task = "regression"

    def predict(self, X: ImageSource | np.ndarray) -> np.ndarray:
        """Predictions ``(n,)``, or ``(n, k)`` of several targets, in the target's unit."""
        return self._in_unit(self._answers(X).numpy())


class ImageClassifier(ClassifierMixin, _ImageNetwork):
    """A network for a class."""

    task = "classification"

    def predict_proba(self, X: ImageSource | np.ndarray) -> np.ndarray:
        """Probabilities ``(n, k)`` in the order of ``classes_``."""
        return self._answers(X).softmax(dim=1).numpy()

    def predict(self, X: ImageSource | np.ndarray) -> np.ndarray:
        """The most probable class of each image ``(n,)``."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]


class Standardise(nn.Module):
    """Each channel less its mean, over its standard deviation."""

    centre: Tensor
    width: Tensor

    def __init__(self, centre: np.ndarray, width: np.ndarray, dimensions: int) -> None:
        super().__init__()
        shape = (-1, *(1 for _ in range(dimensions)))
        self.register_buffer("centre", torch.as_tensor(centre, dtype=torch.float32).view(shape))
        self.register_buffer("width", torch.as_tensor(width, dtype=torch.float32).view(shape))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.centre) / self.width


class WholeModel(nn.Module):
    """Reduction, network and scale of the targets: ``scale * network(reduce(x)) + shift``.

    ``scale`` and ``shift``: one number, or one for each output.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, factor: int, scale: Any, shift: Any) -> None:
        super().__init__()
        self.network, self.factor = network, factor
        # Buffers, so that they go to the device of the network.
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32).view(-1))
        self.register_buffer("shift", torch.as_tensor(shift, dtype=torch.float32).view(-1))

    def forward(self, x: Tensor) -> Tensor:
        return self.network(reduce(x, self.factor)) * self.scale + self.shift

"""A property read off an encoder's latents: by a linear probe, or by tuning the encoder as well.

**Probe.** The encoder is fitted to the training images without their labels. On its standardised
latents ``z``: a ridge regression ``y = w·z + b``, its penalty by leave-one-out error, or a logistic
regression, its penalty by the log loss over inner folds. What a linear model can read is what the
encoder has laid open (Alain & Bengio 2016, https://arxiv.org/abs/1610.01644).

**Tuned.** The network ``x → w·e(x) + b`` starts at the probe's solution, and all of it is trained
on the labels at a low rate. Starting from random ``w`` would first bend the encoder towards a head
that means nothing (Kumar et al. 2022, https://arxiv.org/abs/2202.10054). The batch norms keep the
statistics that they learned without labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from iceframe.core.dataset import ImageSource
from iceframe.core.errors import InputError
from iceframe.core.seeds import derive_seed
from iceframe.core.values import Task
from iceframe.scale.encoder import ENCODERS, Encoder, Fields, check_format
from iceframe.scale.encoder_trunk import (
    FieldsOf,
    FixedStatistics,
    factor_of,
    linear_head,
    standardise_for,
)
from iceframe.scale.fitting import inner_splits, loss
from iceframe.scale.image_batches import as_source, reduce
from iceframe.scale.image_network import ImageClassifier, ImageRegressor, WholeModel
from iceframe.scale.log_odds import SoftmaxAnswers, logistic_scores
from iceframe.scale.named_factors import named_factors
from iceframe.scale.training import isolated

PENALTIES = np.logspace(-4, 6, 21)
"""Of the ridge regression, for standardised latents."""

STRENGTHS = np.logspace(-3, 2, 6)
"""Inverse penalties of the logistic regression."""

STEPS, FEW_STEPS, MOST_EPOCHS = 400, 100, 150
"""Steps of tuning; those of a large network, which are expensive and start from more; and the most
passes over few images that are made for them."""

LARGE = 1_000_000
"""Weights."""

FOLDS = 5
ENCODER, TRUNK = "encoder:", "trunk:"
BATCH = 64


class _EncoderModel(BaseEstimator):
    """What all share. ``encoder``: its name; ``settings``: its constructor's arguments;
    ``periodic``: of images given as arrays."""

    task: Task

    def __init__(
        self,
        *,
        encoder: str,
        settings: Mapping[str, Any] | None = None,
        periodic: bool = False,
        random_state: int | None = 0,
    ) -> None:
        self.encoder = encoder
        self.settings = settings
        self.periodic = periodic
        self.random_state = random_state

    def fit(self, X: ImageSource | np.ndarray, y: np.ndarray) -> Any:
        """Fit to images ``X`` and targets or classes ``y`` ``(n,)``, or several targets ``(n, k)``;
        the encoder sees ``X`` only.

        Raises
        ------
        InputError : fewer than ten images, images that are all one constant, NaN.
        """
        source = as_source(X, self.periodic)
        y = np.asarray(y)
        if len(source) != len(y):
            raise InputError("Images and targets must match.", got=(len(source), len(y)))
        encoder = ENCODERS[self.encoder](**dict(self.settings or {}))
        factors = None
        if encoder.uses_factors:  # half of the latents stay free for what they do not say
            factors = named_factors(source, most=int(getattr(encoder, "latents", 2)) // 2)
        self.encoder_ = encoder.fit(source, factors)
        z = self.encoder_.encode(source)
        centre, width = z.mean(axis=0), z.std(axis=0)
        width = np.where(width > 1e-7 * max(width.max(), 1e-30), width, 1.0)
        weights, intercept = self._fit_head((z - centre) / width, y)  # (k, d), (k,)
        # In the layout that storage keeps: products of another one round differently.
        self.weights_ = np.ascontiguousarray(weights / width)
        self.intercept_ = intercept - self.weights_ @ centre
        self._tune(source, y)
        return self

    def _tune(self, source: ImageSource, y: np.ndarray) -> None:
        """Train the encoder further, where that is asked for."""

    def _latents(self, source: ImageSource) -> np.ndarray:
        return self.encoder_.encode(source)

    def _trunk(self) -> nn.Module:
        return self.encoder_.trunk_for_tuning()

    def _outputs(self, X: ImageSource | np.ndarray) -> np.ndarray:
        """Predictions ``(n, k)`` before the link."""
        check_is_fitted(self, "weights_")
        source = X if isinstance(X, ImageSource) else self._like_fit(X)
        check_format(self.encoder_.format_, source)
        return self._latents(source) @ self.weights_.T + self.intercept_

    def _like_fit(self, X: np.ndarray) -> ImageSource:
        """An array as images of the kind seen at ``fit``."""
        from iceframe.scale.encoder import as_images

        known = self.encoder_.format_
        return as_images(X, known.kind, known.periodic)

    def torch_model(self) -> nn.Module:
        """The whole model, differentiable: images ``(n, channels, *grid)`` in their own scale to
        predictions ``(n, 1)`` or logits ``(n, k)``."""
        check_is_fitted(self, "weights_")
        head = linear_head(self.weights_, self.intercept_)
        known: Any = self.encoder_
        network = nn.Sequential(standardise_for(known), self._trunk(), head)
        device = next(network[1].parameters()).device
        whole = WholeModel(network.to(device), factor_of(known), 1.0, 0.0)
        return nn.Sequential(FieldsOf(known.format_).to(device), whole).eval()

    def n_parameters(self) -> int:
        """Fitted numbers: those of the trunk and of the head."""
        trunk = sum(p.numel() for p in self._trunk().parameters())
        return int(trunk + self.weights_.size + self.intercept_.size)

    def _fit_head(self, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that :meth:`restore` needs."""
        held, about = self.encoder_.whole_state()
        arrays = {ENCODER + name: array for name, array in held.items()}
        arrays |= {"weights": self.weights_, "intercept": self.intercept_}
        values: dict[str, Any] = {"encoder": about}
        if self.task == "classification":
            values["classes"] = self.classes_.tolist()
        else:
            values["several"] = self.several_
        return arrays, values

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Any:
        """Become the fitted estimator that gave this state, on the CPU.

        Raises
        ------
        InputError : the state does not belong to an estimator with these settings.
        """
        about = dict(values.get("encoder") or {})
        if about.get("encoder") != self.encoder or "weights" not in arrays:
            raise InputError(
                "This stored model does not fit its settings.",
                got=about.get("encoder"),
                allowed=self.encoder,
                hint="restore the rung's folder from a copy, or delete it and run again",
            )
        if "device" in about["settings"]:
            about["settings"] = {**about["settings"], "device": "cpu"}
        self.encoder_ = Encoder.from_state(_part(arrays, ENCODER), about)
        self.weights_, self.intercept_ = np.array(arrays["weights"]), np.array(arrays["intercept"])
        if self.task == "classification":
            self.classes_ = np.array(values["classes"])
        else:
            self.several_ = bool(values["several"])
        return self


class _Tuned(_EncoderModel):
    """The encoder's network is trained on the labels, too.

    ``epochs``, ``batch_size``, ``learning_rate``: of this second training (default: as many epochs
    as make :data:`STEPS`, or :data:`FEW_STEPS`); ``symmetries``: operations that leave the target
    unchanged, by which its images are moved.
    """

    def __init__(
        self,
        *,
        encoder: str,
        settings: Mapping[str, Any] | None = None,
        periodic: bool = False,
        symmetries: tuple[str, ...] = (),
        epochs: int | None = None,
        batch_size: int = 32,
        learning_rate: float = 2e-3,
        random_state: int | None = 0,
    ) -> None:
        super().__init__(
            encoder=encoder, settings=settings, periodic=periodic, random_state=random_state
        )
        self.symmetries = symmetries
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate

    def _tune(self, source: ImageSource, y: np.ndarray) -> None:
        known: Any = self.encoder_
        kind = _TunedRegressor if self.task == "regression" else _TunedClassifier
        trunk = known.trunk_for_tuning()
        steps = STEPS if sum(p.numel() for p in trunk.parameters()) < LARGE else FEW_STEPS
        epochs = self.epochs or min(MOST_EPOCHS, max(1, steps * self.batch_size // len(y)))
        trainer = kind(
            periodic=known.format_.periodic,
            symmetries=tuple(self.symmetries),
            factor=factor_of(known),
            epochs=epochs,
            patience=epochs,  # a probe that is nearly constant is slow to leave its place
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            device=str(next(trunk.parameters()).device),
            random_state=derive_seed(int(self.random_state or 0), "tuning"),
        )
        trainer.start_at(known, self.weights_, self.intercept_)
        trainer.fit(Fields(source, known.format_), y)
        trained: Any = trainer.network_
        _, self.trunk_, head = trained.network
        weights, bias = (p.detach().cpu().double().numpy() for p in (head.weight, head.bias))
        if self.task == "regression":  # the network answers in standardised targets
            weights = weights * np.reshape(trainer.scale_, (-1, 1))
            bias = bias * trainer.scale_ + trainer.shift_
        self.weights_, self.intercept_ = weights, bias

    def _trunk(self) -> nn.Module:
        return self.trunk_

    def _latents(self, source: ImageSource) -> np.ndarray:
        known: Any = self.encoder_
        fields = Fields(source, known.format_)
        device = next(self.trunk_.parameters()).device
        standardise = standardise_for(known).to(device)
        latents = np.empty((len(source), self.weights_.shape[1]))
        with isolated(0, device), torch.inference_mode():
            for start in range(0, len(source), BATCH):
                index = np.arange(start, min(start + BATCH, len(source)))
                x = reduce(torch.tensor(fields.read(index)), factor_of(known)).to(device)
                latents[index] = self.trunk_(standardise(x)).cpu().numpy()
        return latents

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, values = super().state()
        tuned = self.trunk_.state_dict().items()
        return arrays | {TRUNK + name: value.cpu().numpy() for name, value in tuned}, values

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Any:
        super().restore(arrays, values)
        self.trunk_ = self.encoder_.trunk_for_tuning().eval()
        held = {name: torch.as_tensor(array) for name, array in _part(arrays, TRUNK).items()}
        try:
            self.trunk_.load_state_dict(held)
        except RuntimeError as error:
            raise InputError(
                "This stored network does not fit its settings.",
                got=str(error).splitlines()[0],
                hint="restore the rung's folder from a copy, or delete it and run again",
            ) from error
        return self


class _Regression:
    task: Task = "regression"

    def _fit_head(self, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import RidgeCV

        y = np.asarray(y, float)
        self.several_ = y.ndim == 2
        model = RidgeCV(PENALTIES, alpha_per_target=self.several_).fit(z, y)
        return model.coef_.reshape(-1, z.shape[1]), np.atleast_1d(np.float64(model.intercept_))

    def predict(self, X: ImageSource | np.ndarray) -> np.ndarray:
        """Predictions ``(n,)``, or ``(n, k)`` of several targets, in the target's unit."""
        outputs = self._outputs(X)  # type: ignore[attr-defined]
        return outputs if self.several_ else outputs[:, 0]


class _Classification(SoftmaxAnswers):
    task: Task = "classification"
    random_state: int | None

    def _fit_head(self, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.linear_model import LogisticRegression

        self.classes_, codes = np.unique(y, return_inverse=True)
        strength = _strength(z, codes, int(self.random_state or 0))
        model = LogisticRegression(C=strength, max_iter=5000).fit(z, codes)
        return logistic_scores(model)


class ProbeRegressor(_Regression, RegressorMixin, _EncoderModel):
    """Ridge regression on an encoder's latents."""


class ProbeClassifier(_Classification, ClassifierMixin, _EncoderModel):
    """Logistic regression on an encoder's latents."""


class TunedRegressor(_Regression, RegressorMixin, _Tuned):
    """A linear head on an encoder, both trained on the targets."""


class TunedClassifier(_Classification, ClassifierMixin, _Tuned):
    """A linear head on an encoder, both trained on the classes."""


class _Start:
    """For an image network: begin with an encoder's trunk and a head that is fitted already."""

    task: Any

    def start_at(self, encoder: Any, weights: np.ndarray, intercept: np.ndarray) -> None:
        self._encoder, self._head = encoder, (weights, intercept)

    def _network(self) -> nn.Module:
        weights, intercept = self._head
        if self.task == "regression":  # the network answers in standardised targets
            scale, shift = self.scale_, self.shift_  # type: ignore[attr-defined]
            weights, intercept = weights / np.reshape(scale, (-1, 1)), (intercept - shift) / scale
        trunk = self._encoder.trunk_for_tuning()
        head = linear_head(weights, intercept)
        return FixedStatistics(nn.Sequential(standardise_for(self._encoder), trunk, head))


class _TunedRegressor(_Start, ImageRegressor):
    pass


class _TunedClassifier(_Start, ImageClassifier):
    pass


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _strength(z: np.ndarray, codes: np.ndarray, seed: int) -> float:
    """The inverse penalty with the lowest log loss over inner folds; 1 where none can be made."""
    from sklearn.linear_model import LogisticRegression

    total = np.zeros(len(STRENGTHS))
    for train, test in inner_splits(codes, "classification", FOLDS, seed):
        known = np.unique(codes[train])
        if len(known) < 2:
            continue
        for i, strength in enumerate(STRENGTHS):
            model = LogisticRegression(C=strength, max_iter=5000).fit(z[train], codes[train])
            probabilities = np.zeros((len(test), codes.max() + 1))
            probabilities[:, known] = model.predict_proba(z[test])
            total[i] += loss(codes[test], probabilities, "classification") * len(test)
    return float(STRENGTHS[total.argmin()]) if total.any() else 1.0

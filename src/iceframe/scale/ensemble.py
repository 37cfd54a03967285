"""A deep ensemble of small perceptrons on a table, as scikit-learn style estimators.

``ŷ(x) = (1/m) Σ_i f_i(x)``: members differ in their weights at the start, their order of samples
and the slice they stop by, and are trained side by side. Missing values are filled by the median
and columns standardised, both learned from the training data.

Reference: Lakshminarayanan et al. 2017, https://arxiv.org/abs/1612.01474.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from iceframe.core.seeds import derive_seed
from iceframe.scale.network_estimator import NetworkEstimator
from iceframe.scale.networks import PerceptronEnsemble
from iceframe.scale.training import Training, inner_parts, isolated, resolve_device, train

# Standardised features beyond this many standard deviations are held there: a network says
# nothing sensible far outside its data, and columns with heavy tails would dominate it.
CLIP = 10.0

# Rows that go through the members at once while predicting.
PREDICTION_BATCH = 4096


class _Ensemble(NetworkEstimator):
    """What both tasks share. ``columns``: positions of the columns to use (default: all);
    ``hidden``: widths of the hidden layers; the rest as in :class:`Training`."""

    def __init__(
        self,
        *,
        members: int = 5,
        hidden: Sequence[int] = (64, 64),
        columns: Sequence[int] | None = None,
        dropout: float = 0.0,
        epochs: int = 100,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.03,
        patience: int = 30,
        validation_fraction: float = 0.15,
        loss: str = "huber",
        label_smoothing: float = 0.05,
        device: str = "cpu",
        random_state: int | None = 0,
    ) -> None:
        self.members = members
        self.hidden = hidden
        self.columns = columns
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: np.ndarray, y: np.ndarray) -> Any:
        """Train on ``X`` ``(n, d)``, NaN where missing, and ``y`` ``(n,)``."""
        numeric = self.task == "regression"
        X, y = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=numeric
        )
        if not numeric:
            check_classification_targets(y)
        self._set_columns(X)
        target = self._set_target(y)
        device = resolve_device(self.device)
        parts = inner_parts(
            len(X), self.validation_fraction, self.members, self._seed, None if numeric else y
        )
        settings = self._training()
        table = torch.as_tensor(self._prepared(X))
        self.network_ = self._start(table, target).to(device)
        table, target = table.to(device), target.to(device)

        def batch(index: Tensor, _: torch.Generator | None) -> tuple[Tensor, Tensor]:
            index = index.to(device)
            return table[index], target[index]  # (m, b, d), (m, b, 1) or (m, b)

        with isolated(derive_seed(self._seed, "training"), device):
            self.history_ = train(
                self.network_, batch, self._loss(), parts, settings, seed=self._seed
            )
        return self

    def _training(self) -> Training:
        return Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
        )

    def _start(self, table: Tensor, target: Tensor) -> nn.Module:
        """The untrained network, given what it will be trained on."""
        return self._build()

    def _network(self) -> nn.Module:
        inputs = len(self.centre_)
        return PerceptronEnsemble(
            self.members, inputs, tuple(self.hidden), self._outputs, self.dropout
        )

    def _set_columns(self, X: np.ndarray) -> None:
        chosen = self._chosen(X)
        empty = np.isnan(chosen).all(axis=0)
        self.median_ = np.zeros(chosen.shape[1])
        self.median_[~empty] = np.nanmedian(chosen[:, ~empty], axis=0)
        filled = np.where(np.isnan(chosen), self.median_, chosen)
        self.centre_ = filled.mean(axis=0)
        width = filled.std(axis=0)
        self.width_ = np.where(width > 1e-12 * np.abs(self.centre_), width, 1.0)

    def _chosen(self, X: np.ndarray) -> np.ndarray:
        return X if self.columns is None else X[:, list(self.columns)]

    def _prepared(self, X: np.ndarray) -> np.ndarray:
        """The chosen columns, filled and standardised: float32 ``(n, d)``."""
        chosen = self._chosen(X)
        filled = np.where(np.isnan(chosen), self.median_, chosen)
        z = (filled - self.centre_) / self.width_
        return np.clip(z, -CLIP, CLIP).astype(np.float32)

    def _outputs_of_members(self, X: np.ndarray) -> Tensor:
        """Standardised targets ``(m, n, 1)`` or logits ``(m, n, k)``."""
        check_is_fitted(self, "network_")
        X = self._checked(X)
        device = next(self.network_.parameters()).device
        found = [torch.zeros(self.members, 0, self._outputs)]
        with isolated(0, device), torch.no_grad():
            for part in torch.as_tensor(self._prepared(X)).split(PREDICTION_BATCH):
                x = part.to(device)
                found.append(self.network_(x.expand(self.members, *x.shape)).cpu())
        return torch.cat(found, dim=1).double()

    def _checked(self, X: np.ndarray) -> np.ndarray:
        return validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)


class EnsembleRegressor(RegressorMixin, _Ensemble):
    """Mean of the members' predictions."""

    task = "regression"

    def members_predict(self, X: np.ndarray) -> np.ndarray:
        """Each member's prediction ``(m, n)``, in the target's unit."""
        return self._outputs_of_members(X)[:, :, 0].numpy() * self.scale_ + self.shift_

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predictions ``(n,)`` for ``X`` ``(n, d)``."""
        return self.members_predict(X).mean(axis=0)


class EnsembleClassifier(ClassifierMixin, _Ensemble):
    """Mean of the members' probabilities."""

    task = "classification"

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities ``(n, k)`` in the order of ``classes_``."""
        return self._outputs_of_members(X).softmax(dim=-1).mean(dim=0).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class of each row ``(n,)``."""
        best = self.predict_proba(X).argmax(axis=1)
        return self.classes_[best]

"""What every network estimator shares: targets in, weights out, nothing pickled.

scikit-learn's contract (https://scikit-learn.org/stable/developers/develop.html): constructors
store, ``fit`` computes, fitted names end in ``_``. A fitted estimator is its weights and a few
arrays and values, which :meth:`NetworkEstimator.state` and :meth:`NetworkEstimator.restore` move
in and out as plain NumPy and JSON.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from iceframe.core.errors import InputError
from iceframe.core.seeds import derive_seed
from iceframe.scale.training import (
    Loss,
    RegressionLoss,
    classification_loss,
    isolated,
    regression_loss,
)

WEIGHT = "weight:"
# Attributes that describe a fit but do not decide a prediction.
NOT_STORED = ("history_", "network_")


class NetworkEstimator(BaseEstimator):
    """Base of the estimators: the task's loss and scale, seeds, and storage of the state."""

    task: str
    random_state: int | None
    loss: str
    label_smoothing: float

    @abstractmethod
    def _network(self) -> nn.Module:
        """The untrained network, its shape given by fitted attributes."""

    def _build(self) -> nn.Module:
        """A network with weights drawn from the seed."""
        with isolated(derive_seed(self._seed, "weights")):
            return self._network()

    @property
    def _seed(self) -> int:
        return 0 if self.random_state is None else int(self.random_state)

    @property
    def _outputs(self) -> int:
        return int(np.size(self.shift_)) if self.task == "regression" else len(self.classes_)

    def _set_target(self, y: np.ndarray) -> Tensor:
        """Learn the scale of the target ``(n,)``, or of each of several ``(n, k)`` (or the
        classes), and return it as the loss wants it."""
        if self.task == "regression":
            y = np.asarray(y, float)
            self.shift_, spread = y.mean(axis=0), y.std(axis=0)
            # Below rounding, a spread is that of a constant target.
            constant = spread <= 1e-12 * np.abs(self.shift_)
            self.scale_ = np.where(constant, 1.0, spread)[()]
            standard = torch.as_tensor((y - self.shift_) / self.scale_, dtype=torch.float32)
            return standard.view(len(y), -1)

        self.classes_, codes = np.unique(y, return_inverse=True)
        return torch.as_tensor(codes, dtype=torch.int64)

    def _in_unit(self, standard: np.ndarray) -> np.ndarray:
        """Predictions ``(n,)``, or ``(n, k)`` of several targets, of standardised ones."""
        answers = standard * self.scale_ + self.shift_
        return answers[:, 0] if np.ndim(self.shift_) == 0 else answers

    def _loss(self) -> Loss:
        if self.task == "classification":
            return classification_loss(self.label_smoothing)
        return regression_loss(cast(RegressionLoss, self.loss))

    def n_parameters(self) -> int:
        """Number of fitted weights."""
        return sum(p.numel() for p in self.network_.parameters())

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that :meth:`restore` needs."""
        arrays = {
            WEIGHT + name: value.detach().cpu().numpy()
            for name, value in self.network_.state_dict().items()
        }
        values: dict[str, Any] = {}
        for name, value in vars(self).items():
            if not name.endswith("_") or name.startswith("_") or name in NOT_STORED:
                continue
            if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
                arrays[name] = value
            else:
                values[name] = value.tolist() if isinstance(value, np.ndarray) else value
        return arrays, values

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Any:
        """Become the fitted estimator that gave this state.

        Raises
        ------
        InputError : the state does not belong to an estimator with these settings.
        """
        for name, value in values.items():
            if not name.endswith("_"):
                raise InputError("This stored network has an unknown entry.", got=name)
            setattr(self, name, np.array(value) if isinstance(value, list) else value)
        for name, array in arrays.items():
            if not name.startswith(WEIGHT):
                setattr(self, name, array)
        weights = {
            name.removeprefix(WEIGHT): torch.as_tensor(np.array(array))
            for name, array in arrays.items()
            if name.startswith(WEIGHT)
        }
        try:
            self.network_ = self._build()
            self.network_.load_state_dict(weights)
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(
                "This stored network does not fit its settings.",
                got=str(error).splitlines()[0],
                hint="restore the rung's folder from a copy, or delete it and run again",
            ) from error
        self.network_.eval()
        return self

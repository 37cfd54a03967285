"""Deep ensembles of attention networks on compositions, as scikit-learn style estimators.

The table holds atomic fractions of elements and, beside them, plain columns (process, temperature,
space group) that join after the elements. Gaps in plain columns are filled as in
:mod:`iceframe.scale.ensemble`; a missing composition is one element that nothing is known of.

References: Wang et al. 2021, CrabNet, doi:10.1038/s41524-021-00545-1; Lakshminarayanan et al. 2017,
https://arxiv.org/abs/1612.01474.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from iceframe.core.errors import UsageError
from iceframe.scale.composition_network import CompositionEnsemble
from iceframe.scale.element_features import element_regression
from iceframe.scale.ensemble import (
    PREDICTION_BATCH,
    EnsembleClassifier,
    EnsembleRegressor,
    _Ensemble,
)
from iceframe.scale.training import Training, isolated


class _CompositionEnsemble(_Ensemble):
    """What both tasks share.

    Parameters
    ----------
    elements : atomic numbers of the fractions. columns : positions of the fractions (default: the
        first ones). plain : positions of the columns that join after the elements.
    width, layers, heads : of the network. The rest as in :class:`Training`.
    """

    network_: CompositionEnsemble

    def __init__(
        self,
        *,
        elements: Sequence[int],
        columns: Sequence[int] | None = None,
        plain: Sequence[int] = (),
        members: int = 3,
        width: int = 64,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
        epochs: int = 60,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.03,
        average: float = 0.05,
        patience: int = 30,
        validation_fraction: float = 0.15,
        loss: str = "absolute",
        label_smoothing: float = 0.05,
        device: str = "cpu",
        random_state: int | None = 0,
    ) -> None:
        self.elements = elements
        self.columns = columns
        self.plain = plain
        self.members = members
        self.width = width
        self.layers = layers
        self.heads = heads
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.average = average
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.loss = loss
        self.label_smoothing = label_smoothing
        self.device = device
        self.random_state = random_state

    def attention(self, X: np.ndarray) -> np.ndarray:
        """How much each element is looked at ``(n, e)``, in the order of ``elements``: the mean
        over members, blocks and heads of the attention that its token gets, from every token in
        proportion to its amount. Rows sum to 1; elements that are not there have 0.

        Attention is what the network looks at, not what its answer depends on.
        """
        check_is_fitted(self, "network_")
        X = self._checked(X)
        device = next(self.network_.parameters()).device
        table = torch.as_tensor(self._prepared(X))
        found = [torch.zeros(0, len(self.elements))]
        with isolated(0, device), torch.inference_mode():
            for part in table.split(PREDICTION_BATCH):
                x = part.to(device).expand(self.members, *part.shape)
                _, weights, tokens = self.network_.with_attention(x)
                share = tokens.amounts / tokens.amounts.sum(dim=-1, keepdim=True)  # (m, n, t)
                # (m, n, blocks, heads, t, t) -> what each token gets (n, t)
                seen = (
                    torch.einsum("mnbhqk,mnq->mnbhk", weights, share).mean(dim=(2, 3)).mean(dim=0)
                )
                there = seen.new_zeros(len(part), len(self.elements))
                there.scatter_add_(1, tokens.columns[0], seen)
                found.append(there.cpu())
        return torch.cat(found).double().numpy()

    def _set_columns(self, X: np.ndarray) -> None:
        columns = self._fraction_columns
        if max(columns, default=-1) >= X.shape[1]:
            raise UsageError(
                "Fractions are sought in columns that are not there.",
                got=f"column {max(columns)}",
                allowed=f"0 to {X.shape[1] - 1}",
            )
        super()._set_columns(X)

    @property
    def _fraction_columns(self) -> list[int]:
        if self.columns is None:
            return list(range(len(self.elements)))
        return list(self.columns)

    def _chosen(self, X: np.ndarray) -> np.ndarray:
        return X[:, list(self.plain)]

    def _prepared(self, X: np.ndarray) -> np.ndarray:
        """Atomic fractions that add to 1 (or all 0, where none is known), then plain columns."""
        fractions = X[:, self._fraction_columns]
        fractions = np.where(fractions > 0, fractions, 0.0)  # NaN too
        total = fractions.sum(axis=1, keepdims=True)
        fractions = fractions / np.where(total > 0, total, 1.0)
        return np.hstack([fractions.astype(np.float32), super()._prepared(X)])

    def _training(self) -> Training:
        return replace(super()._training(), average=self.average)

    def _start(self, table: Tensor, target: Tensor) -> nn.Module:
        network = self._build()
        assert isinstance(network, CompositionEnsemble)
        if self.task == "regression":
            count = len(self.elements)
            fractions = np.zeros((len(table), 119))
            fractions[:, list(self.elements)] = table[:, :count].double().numpy()
            guess = element_regression(fractions, target.double().numpy())
            network.begin(torch.as_tensor(guess, dtype=torch.float32))
        return network

    def _network(self) -> nn.Module:
        return CompositionEnsemble(
            self.members,
            torch.as_tensor(list(self.elements)),
            self._outputs,
            plain=len(self.plain),
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            dropout=self.dropout,
        )


class CompositionRegressor(_CompositionEnsemble, EnsembleRegressor):
    """Mean of the members' predictions."""


class CompositionClassifier(_CompositionEnsemble, EnsembleClassifier):
    """Mean of the members' probabilities."""

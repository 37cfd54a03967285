"""Deep ensembles of crystal graph networks, as scikit-learn style estimators.

The network is :class:`~iceframe.scale.crystal_network.CrystalNetwork`; members differ in their
weights at the start, their order of samples and the slice they stop by. What an element adds
wherever it stands begins as a ridge regression of the target on the element fractions, so that the
network learns what is left.

Supervision by forces (``force_weight`` and ``fit(crystals, y, forces=…)``) adds
``w ⟨h((F − F*)/σ)⟩`` to the loss, Huber's loss ``h`` over components, with σ the root mean square
of the training forces.

References: Xie & Grossman 2018, doi:10.1103/PhysRevLett.120.145301; Lakshminarayanan et al. 2017,
https://arxiv.org/abs/1612.01474; Czarnecki et al. 2017, Sobolev training,
https://arxiv.org/abs/1706.04859.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, Literal, cast

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import derive_seed
from iceframe.scale.crystal_graph import CrystalGraphs, GraphBatch, crystal_graphs
from iceframe.scale.crystal_network import CrystalNetwork, WithForces
from iceframe.scale.element_features import element_regression
from iceframe.scale.network_estimator import NetworkEstimator
from iceframe.scale.sobolev import sobolev_loss
from iceframe.scale.training import (
    Batch,
    Parts,
    Training,
    inner_parts,
    isolated,
    resolve_device,
    train,
)

SHORTEST, LONGEST = 3.0, 8.0
"""Å, of a cutoff that follows from the number of neighbours: cells with much vacuum are left at the
longest."""

CHUNK_EDGES = 60_000
"""Edges that go through a network at once while predicting."""


class _CrystalEnsemble(NetworkEstimator):
    """What both tasks share.

    Parameters
    ----------
    members : networks. neighbours : about as many has a site. cutoff : Å within which sites are
        neighbours, where that is stated instead.
    width, layers : of the network. pool : ``"mean"`` for targets that stay the same in a repeated
        cell, ``"sum"`` for those that grow with it.
    force_weight : of the supervision by forces. The rest as in :class:`Training`.
    """

    def __init__(
        self,
        *,
        members: int = 3,
        neighbours: float = 20.0,
        cutoff: float | None = None,
        width: int = 64,
        layers: int = 3,
        pool: Literal["mean", "sum"] = "mean",
        dropout: float = 0.0,
        force_weight: float = 0.0,
        epochs: int = 100,
        batch_size: int = 32,
        learning_rate: float = 3e-3,
        weight_decay: float = 0.03,
        average: float = 0.05,
        patience: int = 40,
        validation_fraction: float = 0.1,
        loss: str = "absolute",
        label_smoothing: float = 0.05,
        device: str = "cpu",
        random_state: int | None = 0,
    ) -> None:
        self.members = members
        self.neighbours = neighbours
        self.cutoff = cutoff
        self.width = width
        self.layers = layers
        self.pool = pool
        self.dropout = dropout
        self.force_weight = force_weight
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

    def fit(self, X: Crystals, y: np.ndarray, forces: np.ndarray | None = None) -> Any:
        """Train on crystals and targets or classes ``y`` ``(n,)``; ``forces`` ``(m, 3)`` on their
        sites, in the target's unit (of the whole cell) per Å.

        Raises
        ------
        InputError : crystals, targets and forces do not match, or a crystal is empty.
        UsageError : forces for a classification, or a weight without forces.
        """
        y = np.asarray(y)
        if len(X) != len(y) or len(X) == 0:
            raise InputError("Crystals and targets must match.", got=(len(X), len(y)))
        self._check_forces(X, forces)
        self.cutoff_ = float(self.cutoff or cutoff_for(X, self.neighbours))
        graphs = self._graphs(X)
        self.degree_ = len(graphs.centre) / len(X.numbers)
        target = self._crystal_target(X, y)
        parts = inner_parts(
            len(y),
            self.validation_fraction,
            self.members,
            self._seed,
            y if self.task == "classification" else None,
        )
        device = resolve_device(self.device)
        self.network_ = self._start(X, target).to(device)
        loss, examples = self._loss(), _examples(graphs, target, device)
        if forces is not None:
            scale = float(self.scale_)
            wanted = torch.as_tensor(np.asarray(forces) / scale, dtype=torch.float32)
            loss = sobolev_loss(loss, self.force_weight)
            examples = _examples(graphs, target, device, wanted)
        settings = Training(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            average=self.average,
        )
        self.history_ = []
        for i, network in enumerate(self._members):
            module = network if forces is None else WithForces(network)
            own = Parts(parts.training[i : i + 1], parts.validation[i : i + 1])
            with isolated(derive_seed(self._seed, "training", i), device):
                seed = derive_seed(self._seed, "member", i)
                self.history_.append(train(module, examples, loss, own, settings, seed=seed))
        self.network_.eval()
        return self

    @property
    def _members(self) -> list[CrystalNetwork]:
        return list(cast(Iterable[CrystalNetwork], self.network_))

    def _graphs(self, X: Crystals) -> CrystalGraphs:
        """All sites within the cutoff: a limit to the nearest would make forces jump."""
        empty = np.flatnonzero(X.sizes == 0)
        if len(empty):
            raise InputError("A crystal holds no atoms.", where=X.names[empty[0]])
        return crystal_graphs(X, self.cutoff_, nearest=sys.maxsize)

    def _check_forces(self, X: Crystals, forces: np.ndarray | None) -> None:
        if (forces is None) != (self.force_weight == 0):
            raise UsageError(
                "Supervision by forces needs forces and a weight.",
                got=f"force_weight={self.force_weight}, {'no ' if forces is None else ''}forces",
                hint="give fit(crystals, y, forces=...) with force_weight above 0, or neither",
            )
        if forces is None:
            return
        if self.task != "regression":
            raise UsageError("Forces supervise a regression only.", got=self.task)
        shape = (len(X.numbers), 3)
        if np.shape(forces) != shape or not np.isfinite(forces).all():
            raise InputError(
                "Forces must be finite, three a site.", got=np.shape(forces), allowed=shape
            )

    def _crystal_target(self, X: Crystals, y: np.ndarray) -> Tensor:
        """The target as the loss wants it; sums are shifted and scaled by site."""
        if self.task == "classification" or self.pool == "mean":
            return self._set_target(y)
        sizes = X.sizes
        self._set_target(np.asarray(y, float) / sizes)
        standard = (y - sizes * self.shift_) / self.scale_
        return torch.as_tensor(standard, dtype=torch.float32).view(len(y), 1)

    def _start(self, X: Crystals, target: Tensor) -> nn.Module:
        """The untrained networks; what elements add begins as a regression on their fractions."""
        network = self._build()
        if self.task == "regression":
            amounts = np.zeros((len(X), 119))
            np.add.at(amounts, (X.owners, X.numbers), 1.0)
            if self.pool == "mean":
                amounts /= X.sizes[:, None]
            guess = element_regression(amounts, target.double().numpy())
            with torch.no_grad():
                for member in network:  # type: ignore[attr-defined]
                    member.reference.copy_(torch.as_tensor(guess))
        return network

    def _network(self) -> nn.Module:
        return nn.ModuleList(
            [
                CrystalNetwork(
                    self._outputs,
                    cutoff=self.cutoff_,
                    width=self.width,
                    layers=self.layers,
                    degree=self.degree_,
                    pool=self.pool,
                    dropout=self.dropout,
                )
                for _ in range(self.members)
            ]
        )

    def _answers_of_members(self, X: Crystals) -> Tensor:
        """Standardised targets ``(members, n, 1)`` or logits ``(members, n, k)``, float64."""
        return self._through(X, lambda network, graph: network(graph))

    def _sites_of_members(self, X: Crystals) -> Tensor:
        """What each site adds to them ``(members, m, k)``."""
        return self._through(X, lambda network, graph: network.sites(graph))

    def _through(self, X: Crystals, read: Any) -> Tensor:
        check_is_fitted(self, "network_")
        device = next(self.network_.parameters()).device
        graphs = self._graphs(X)
        found = [torch.zeros(self.members, 0, self._outputs, dtype=torch.float64)]
        with isolated(0, device), torch.inference_mode():
            for index in chunks(graphs):
                graph = graphs.batch(index, str(device))
                answers = [read(network, graph) for network in self._members]
                found.append(torch.stack(answers).cpu().double())
        return torch.cat(found, dim=1)


class CrystalRegressor(RegressorMixin, _CrystalEnsemble):
    """Mean of the members' predictions."""

    task = "regression"

    def members_predict(self, X: Crystals) -> np.ndarray:
        """Each member's prediction ``(members, n)``, in the target's unit."""
        standard = self._answers_of_members(X)[:, :, 0].numpy()
        shift = self.shift_ * (X.sizes if self.pool == "sum" else 1)
        return standard * self.scale_ + shift

    def predict(self, X: Crystals) -> np.ndarray:
        """Predictions ``(n,)``."""
        return self.members_predict(X).mean(axis=0)

    def site_contributions(self, X: Crystals) -> np.ndarray:
        """What each site adds ``(m,)``, in the target's unit: the prediction is the mean (or, with
        ``pool="sum"``, the sum) over the sites of a crystal."""
        standard = self._sites_of_members(X)[:, :, 0].mean(dim=0).numpy()
        return standard * self.scale_ + self.shift_

    def forces(self, X: Crystals) -> np.ndarray:
        """Forces on all sites ``(m, 3)``: minus the gradient of the sum of all sites' values to
        Cartesian positions, in the target's unit per Å."""
        check_is_fitted(self, "network_")
        device = next(self.network_.parameters()).device
        graphs = self._graphs(X)
        found = [torch.zeros(0, 3, dtype=torch.float64)]
        with isolated(0, device):
            for index in chunks(graphs):
                graph = graphs.batch(index, str(device))
                each = [WithForces(network).eval()(graph)[1] for network in self._members]
                found.append(torch.stack(each).mean(dim=0).cpu().double())
        return torch.cat(found).numpy() * self.scale_


class CrystalClassifier(ClassifierMixin, _CrystalEnsemble):
    """Mean of the members' probabilities."""

    task = "classification"

    def predict_proba(self, X: Crystals) -> np.ndarray:
        """Probabilities ``(n, k)`` in the order of ``classes_``."""
        return self._answers_of_members(X).softmax(dim=-1).mean(dim=0).numpy()

    def predict(self, X: Crystals) -> np.ndarray:
        """The most probable class of each crystal ``(n,)``."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def cutoff_for(crystals: Crystals, neighbours: float) -> float:
    """The radius in Å, to a tenth, of a sphere that holds as many sites of the median crystal, so
    that dense metals and loose salts both get a shell or two.

    Examples
    --------
    >>> nickel = Crystals(3.52 * np.eye(3)[None], np.array([0, 4]), np.full(4, 28),
    ...                   np.zeros((4, 3)), ("Ni",))
    >>> cutoff_for(nickel, 20), cutoff_for(nickel, 40)
    (3.7, 4.7)
    """
    volume = float(np.median(crystals.volumes / crystals.sizes))
    radius = (3 * neighbours * volume / (4 * np.pi)) ** (1 / 3)
    return round(min(max(radius, SHORTEST), LONGEST), 1)


def chunks(graphs: CrystalGraphs) -> Iterator[np.ndarray]:
    """All positions in order, about :data:`CHUNK_EDGES` edges at once."""
    group = graphs.edge_offsets[:-1] // CHUNK_EDGES
    yield from np.split(np.arange(len(graphs)), np.flatnonzero(np.diff(group)) + 1)


def _examples(
    graphs: CrystalGraphs, target: Tensor, device: torch.device, forces: Tensor | None = None
) -> Batch:
    """Batches of graphs and targets; with ``forces``, targets are those of :func:`sobolev_loss`."""
    size = 0.0 if forces is None else float(forces.double().square().mean().sqrt())
    if forces is not None and size == 0:
        raise InputError("The forces are all zero: there is nothing to learn from them.")
    offsets = torch.as_tensor(graphs.crystals.offsets)

    def batch(index: Tensor, _: torch.Generator | None) -> tuple[GraphBatch, Any]:
        index = index[0]
        graph, y = graphs.batch(index.numpy(), str(device)), target[index].to(device)
        if forces is None:
            return graph, y
        sizes = offsets[index + 1] - offsets[index]
        ends = sizes.cumsum(0)
        sites = torch.arange(int(ends[-1])) + (offsets[index] - ends + sizes).repeat_interleave(
            sizes
        )
        return graph, (y, forces[sites].to(device), size)

    return batch

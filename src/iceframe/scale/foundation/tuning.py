"""CHGNet trained further, end to end, on a target that is like an energy: intensive, one number.

    y(x) = correction(x) + s (E_w(x) − E_0(x))

``correction`` is the corrected energy of :mod:`iceframe.scale.foundation.energy_correction`, fitted
first: element offsets and a factor by least squares. ``E_0`` is the energy per atom of CHGNet as it
was published, ``E_w`` that of the network whose weights ``w`` are trained; they begin equal, so
that training starts at the correction and need not learn what a linear model knows (Kumar et al.
2022, https://arxiv.org/abs/2202.10054). ``s`` is the factor that the correction found for the
energy, or :data:`LEAST` of the target's spread over the energy's, whichever is larger.

Training: Huber loss on targets in units of what the correction leaves, AdamW along one cycle of the
learning rate, the norm of each parameter's gradient clipped. Of many samples a few are held out, on
which the best weights are chosen; few samples are all trained on, to the end of the cycle: thirty
held out choose by chance (:mod:`iceframe.scale.training`). Graphs are built once. Large batches are
computed in parts whose intermediate values are computed again on the way back, so that memory stays
bounded.

What CHGNet cannot describe is answered by the correction alone.

Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError
from iceframe.core.seeds import derive_seed
from iceframe.scale.foundation.batches import grouped
from iceframe.scale.foundation.chgnet_features import CHUNK, energies
from iceframe.scale.foundation.chgnet_network import EDGES_AT_ONCE, cost, graphs_of, new_network
from iceframe.scale.foundation.energy_correction import ENERGY, EnergyCorrection, damaged
from iceframe.scale.training import (
    History,
    Progress,
    Training,
    inner_parts,
    isolated,
    regression_loss,
    resolve_device,
    train,
)

LEAST = 0.3
CLIP = 1.0
"""Largest norm of one parameter's gradient."""

TRAINED_EDGES = 40_000
"""Bonds and angles whose intermediate values are held for the way back, some 50 kB each."""

WEIGHT, CORRECTION = "weight:", "correction:"

STEPS = 2500
"""Steps of training, where the number of passes is not given."""

FEWEST, MOST_PASSES = 10, 40

HELD_OUT, MANY = 0.05, 2000
"""Share that is held out to choose the best weights, and the samples from which on it is."""


def passes(n: int, batch_size: int) -> int:
    """Passes over ``n`` samples that make about :data:`STEPS` steps, within bounds."""
    return int(np.clip(round(STEPS * batch_size / max(n, 1)), FEWEST, MOST_PASSES))


class EnergyNetwork(nn.Module):
    """CHGNet as a network of a factor and a start: ``scale · (E_w − E_0)`` of a batch of graphs."""

    def __init__(self, network: Any, scale: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def energies(self, graphs: Sequence[Any]) -> Tensor:
        """``E_w`` in eV per atom ``(b,)``."""
        answer: Tensor = self.network(list(graphs), task="e")["e"]
        return answer

    def forward(self, batch: tuple[Sequence[Any], Tensor]) -> Tensor:
        """``batch``: graphs, and ``E_0`` of each ``(b,)``. Returns ``(1, b, 1)``."""
        from torch.utils.checkpoint import checkpoint

        graphs, start = batch
        groups = grouped([cost(graph) for graph in graphs], TRAINED_EDGES)
        parts = []
        for group in groups:
            some = [graphs[i] for i in group]
            if len(groups) > 1 and torch.is_grad_enabled():
                parts.append(checkpoint(self.energies, some, use_reentrant=False))
            else:
                parts.append(self.energies(some))
        return self.scale * (torch.cat(parts) - start)[None, :, None]


class TunedRegressor(RegressorMixin, BaseEstimator):
    """CHGNet, trained on crystals and a target ``(n,)``.

    Parameters
    ----------
    epochs : passes over the samples; by default :func:`passes`.
    learning_rate : the highest of the cycle.
    validation_fraction : share of the samples by which the best weights are chosen; by default
        :data:`HELD_OUT` of :data:`MANY` or more, and none of fewer.

    Attributes
    ----------
    correction_ : where it started. factor_ : ``s``. network_ : what was trained. history_ : losses.
    """

    def __init__(
        self,
        *,
        epochs: int | None = None,
        learning_rate: float = 2e-3,
        batch_size: int = 16,
        validation_fraction: float | None = None,
        device: str = "cpu",
        random_state: int | None = 0,
        progress: Progress | None = None,
    ) -> None:
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Crystals, y: np.ndarray) -> TunedRegressor:
        """Fit to crystals ``X`` and target ``y`` ``(n,)``.

        Raises
        ------
        InputError : CHGNet can describe fewer than two of the crystals.
        """
        y = np.asarray(y, float)
        self.correction_ = EnergyCorrection().fit(X, y)
        left = y - self.correction_.predict(X)
        start = energies(X)
        known = np.flatnonzero(np.isfinite(start))
        if len(known) < 2:
            raise InputError(
                "CHGNet can describe too few of these crystals to be trained on them.",
                got=len(known),
                allowed="2 or more, of elements up to plutonium, with neighbours within 6 Å",
            )
        self.factor_ = self._factor(y[known], start[known])
        unit = float(left[known].std()) or 1.0
        device = resolve_device(self.device)
        seed = derive_seed(int(self.random_state or 0), "tuning")
        with isolated(seed, device):
            self.network_ = EnergyNetwork(new_network(), self.factor_ / unit).to(device)
            _clip_gradients(self.network_)
            graphs = [g.to(device) for _, g in graphs_of(X, known) if g is not None]
            held = [
                torch.tensor(a, dtype=torch.float32, device=device) for a in (start, left / unit)
            ]
            self.history_ = self._train(graphs, held[0][known], held[1][known], seed)
        self.network_.cpu().eval()
        return self

    def _factor(self, y: np.ndarray, start: np.ndarray) -> float:
        """``s``, in the target's unit per eV per atom."""
        place = self.correction_.terms().index(ENERGY)
        found = float(self.correction_.coefficients_[place])
        least = LEAST * float(y.std()) / max(float(start.std()), 1e-6)
        return float(np.copysign(max(abs(found), least, 1e-12), found))

    def _train(self, graphs: list[Any], start: Tensor, target: Tensor, seed: int) -> History:
        n = len(graphs)

        def batch(
            index: Tensor, augment: torch.Generator | None
        ) -> tuple[tuple[list[Any], Tensor], Tensor]:
            (some,) = index
            return ([graphs[i] for i in some.tolist()], start[some]), target[some][None, :, None]

        epochs = self.epochs or passes(n, self.batch_size)
        held = self.validation_fraction
        if held is None:
            held = HELD_OUT if n >= MANY else 0.0
        settings = Training(
            epochs=epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=0.0,  # the weights to stay near are the published ones, not zero
            patience=epochs,
            validation_fraction=held,
            evaluation_batch=64,
        )
        parts = inner_parts(n, held, 1, seed)
        loss = regression_loss("huber")
        return train(self.network_, batch, loss, parts, settings, seed=seed, progress=self.progress)

    def predict(self, X: Crystals) -> np.ndarray:
        """Predictions ``(n,)``."""
        check_is_fitted(self, "network_")
        answers = self.correction_.predict(X)
        published = energies(X)
        known = np.flatnonzero(np.isfinite(published))
        with isolated(0), torch.inference_mode():
            for begin in range(0, len(known), CHUNK):
                index = known[begin : begin + CHUNK]
                graphs = [g for _, g in graphs_of(X, index) if g is not None]
                for group in grouped([cost(graph) for graph in graphs], EDGES_AT_ONCE):
                    tuned = self.network_.energies([graphs[i] for i in group]).numpy()
                    answers[index[group]] += self.factor_ * (tuned - published[index[group]])
        return answers

    def n_parameters(self) -> int:
        """Weights that were trained, and the correction's coefficients."""
        trained = sum(p.numel() for p in self.network_.parameters() if p.requires_grad)
        return int(trained + self.correction_.n_parameters())

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that :meth:`restore` needs."""
        held, about = self.correction_.state()
        arrays = {CORRECTION + name: array for name, array in held.items()}
        for name, value in self.network_.state_dict().items():
            arrays[WEIGHT + name] = value.cpu().numpy()
        return arrays, {"correction": about, "factor": self.factor_}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Any:
        """Become the fitted estimator that gave this state, on the CPU.

        Raises
        ------
        InputError : the state is of another estimator, or of other weights of CHGNet.
        """
        try:
            self.factor_ = float(values["factor"])
            about = dict(values["correction"])
            self.correction_ = EnergyCorrection().restore(_part(arrays, CORRECTION), about)
            self.network_ = EnergyNetwork(new_network())
            weights = {n: torch.tensor(np.array(a)) for n, a in _part(arrays, WEIGHT).items()}
            self.network_.load_state_dict(weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise damaged(str(error).splitlines()[0]) from error
        self.network_.eval()
        return self


def _clip_gradients(network: nn.Module) -> None:
    """Bound the norm of every parameter's gradient: one crystal must not undo the others."""

    def clipped(gradient: Tensor) -> Tensor:
        return gradient * (CLIP / gradient.norm().clamp(min=CLIP))

    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.register_hook(clipped)


def _part(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }

"""One small training loop for every network.

AdamW on minibatches, a learning rate that rises and falls along a cosine, early stopping on an
inner split with the best weights restored. A module may hold ``m`` networks side by side (their
parameters stacked along the first axis): each then has its own order of samples, its own inner
split, and its own best epoch, as if it had been trained alone.

Every random number (weights, order, augmentation, dropout) follows from one seed; torch's global
generators and its number of threads are as before when the loop ends, by whatever way it ends.
On the CPU one thread computes, because sums over several threads differ in their last digits and
training magnifies that.

References: Loshchilov & Hutter 2019, AdamW, https://arxiv.org/abs/1711.05101; Smith & Topin 2019,
one cycle, https://doi.org/10.1117/12.2520589; Prechelt 1998, early stopping,
https://doi.org/10.1007/3-540-49430-8_3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import derive_seed, generator

# Share of the steps in which the one-cycle schedule warms up, and where it starts.
WARM_UP = 0.25
START = 0.04
# Fewer samples than this are all trained on: an inner split of one or two decides nothing.
SMALLEST_SPLIT = 10
EVALUATION_BATCH = 256

# The absolute error is a parabola up to here, in standard deviations of the target.
ROUNDED = 0.1

RegressionLoss = Literal["huber", "mse", "absolute"]

# A network may return several tensors at once, and a target may be several: only the loss that is
# given beside them looks inside.
Batch = Callable[[Tensor, torch.Generator | None], tuple[Any, Any]]
Loss = Callable[[Any, Any], Tensor]
Progress = Callable[[int, int, float], None]


@dataclass(frozen=True)
class Training:
    """How to train. ``patience``: epochs without a better inner loss before stopping;
    ``validation_fraction``: share of the samples in the inner split; ``evaluation_batch``: samples
    that go through the network at once while validating, fewer where samples are large;
    ``average``: the share of all steps over which weights are averaged; that running mean, instead
    of the last weights, is then validated and kept (0: the last weights)."""

    epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    schedule: Literal["one-cycle", "cosine"] = "one-cycle"
    patience: int = 30
    validation_fraction: float = 0.15
    evaluation_batch: int = EVALUATION_BATCH
    average: float = 0.0

    def rate(self, progress: float) -> float:
        """Learning rate at ``progress`` in [0, 1] of all steps.

        Examples
        --------
        >>> settings = Training(learning_rate=1.0)
        >>> [round(settings.rate(p), 2) for p in (0, 0.25, 0.625, 1)]
        [0.04, 1.0, 0.5, 0.0]
        """
        if self.schedule == "one-cycle" and progress < WARM_UP:
            return self.learning_rate * (START + (1 - START) * _rise(progress / WARM_UP))
        start = WARM_UP if self.schedule == "one-cycle" else 0.0
        return self.learning_rate * (1 - _rise((progress - start) / (1 - start)))


def _rise(t: float) -> float:
    """Half a cosine from 0 to 1."""
    return 0.5 - 0.5 * math.cos(math.pi * t)


@dataclass(frozen=True)
class History:
    """Losses ``(epochs, m)`` on the training and the inner split, and the epoch kept ``(m,)``."""

    training: np.ndarray
    validation: np.ndarray
    best_epoch: np.ndarray


@dataclass(frozen=True)
class Parts:
    """Positions to train on ``(m, a)`` and to stop by ``(m, b)``, for each of ``m`` networks."""

    training: np.ndarray
    validation: np.ndarray


def inner_parts(
    n: int, fraction: float, members: int, seed: int, strata: np.ndarray | None = None
) -> Parts:
    """Inner splits of ``n`` samples, as different between members as their number allows.

    The samples are shuffled once (with ``strata`` ``(n,)``, dealt out evenly by class); member
    ``i`` holds out the ``i``-th slice. Few samples are all used for both.

    Examples
    --------
    >>> parts = inner_parts(20, 0.2, 2, seed=0)
    >>> parts.training.shape, parts.validation.shape
    ((2, 16), (2, 4))
    >>> len(np.intersect1d(parts.validation[0], parts.validation[1]))
    0
    """
    rng = generator(seed, "inner split")
    order = rng.permutation(n)
    if strata is not None:
        order = _dealt_by_class(order, np.asarray(strata)[order])
    held = round(n * fraction)
    if n < SMALLEST_SPLIT or held == 0:
        everything = np.tile(order, (members, 1))
        return Parts(everything, everything)
    starts = [(i * held) % n for i in range(members)]
    rolled = np.stack([np.roll(order, -start) for start in starts])
    return Parts(rolled[:, held:], rolled[:, :held])


def _dealt_by_class(order: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """``order`` rearranged so that every stretch of it holds the classes in proportion."""
    place = np.empty(len(order))
    for c in np.unique(classes):
        where = np.flatnonzero(classes == c)
        place[where] = (np.arange(len(where)) + 0.5) / len(where)
    return order[np.argsort(place, kind="stable")]


def resolve_device(name: str) -> torch.device:
    """``auto`` is CUDA where there is one, else the CPU.

    Raises
    ------
    UsageError : a device that torch does not know or that this machine lacks.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            "Unknown device.", got=name, allowed="auto, cpu, cuda, cuda:0, …"
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "There is no CUDA device.", got=name, allowed="auto, cpu", hint="use device 'auto'"
        )
    return device


@contextmanager
def isolated(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch inside the block and compute repeatably; everything is as before after it."""
    device = torch.device(device)
    threads = torch.get_num_threads()
    cuda = [device] if device.type == "cuda" else []
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=cuda))
        if cuda:
            stack.enter_context(torch.backends.cudnn.flags(deterministic=True, benchmark=False))
        else:
            stack.callback(torch.set_num_threads, threads)
            torch.set_num_threads(1)
        torch.manual_seed(seed)
        yield


def regression_loss(kind: RegressionLoss = "huber") -> Loss:
    """Loss of outputs ``(..., n, 1)`` against standardised targets ``(..., n, 1)``: ``(...)``.

    ``absolute`` is the absolute error, rounded off within a tenth of a standard deviation.
    """

    def loss(output: Tensor, y: Tensor) -> Tensor:
        if kind == "absolute":
            each = nn.functional.smooth_l1_loss(output, y, reduction="none", beta=ROUNDED)
            return each.mean(dim=(-2, -1))
        if kind == "mse":
            return (output - y).square().mean(dim=(-2, -1))
        return nn.functional.huber_loss(output, y, reduction="none").mean(dim=(-2, -1))

    return loss


def classification_loss(smoothing: float = 0.05) -> Loss:
    """Cross-entropy of logits ``(..., n, k)`` against codes ``(..., n)``: ``(...)``."""

    def loss(logits: Tensor, codes: Tensor) -> Tensor:
        each = nn.functional.cross_entropy(
            logits.flatten(0, -2), codes.flatten(), reduction="none", label_smoothing=smoothing
        )
        return each.view(codes.shape).mean(dim=-1)

    return loss


def train(
    module: nn.Module,
    batch: Batch,
    loss: Loss,
    parts: Parts,
    settings: Training,
    *,
    seed: int,
    progress: Progress | None = None,
) -> History:
    """Train ``module`` in place; it ends in evaluation mode with the best weights.

    Parameters
    ----------
    batch : ``batch(index, augment)`` gives inputs and targets for positions ``(m, b)``; ``augment``
        is a generator while training and ``None`` while validating.
    loss : of outputs and targets, one number a member.
    parts : who trains on what. With ``m > 1`` every parameter's first axis is the member.
    progress : called with the epoch (from 1), their number, and the mean inner loss.

    Raises
    ------
    InputError : the inner loss was never finite.
    """
    order = torch.Generator().manual_seed(derive_seed(seed, "order"))
    inner, held = torch.as_tensor(parts.training), torch.as_tensor(parts.validation)
    members, n = inner.shape
    optimiser = torch.optim.AdamW(
        module.parameters(), lr=1.0, weight_decay=settings.weight_decay, fused=True
    )
    steps = max(1, round(n / settings.batch_size))
    best = _Best(members)
    average = _Average(module, settings.average * settings.epochs * steps)
    losses: list[np.ndarray] = []
    validations: list[np.ndarray] = []
    for epoch in range(settings.epochs):
        module.train()
        shuffled = torch.stack([row[torch.randperm(n, generator=order)] for row in inner])
        total = torch.zeros(members)
        for step, index in enumerate(shuffled.tensor_split(steps, dim=1)):
            for group in optimiser.param_groups:
                group["lr"] = settings.rate((epoch * steps + step) / (settings.epochs * steps))
            x, y = batch(index, order)
            each = loss(module(x), y).reshape(members)
            optimiser.zero_grad()
            each.sum().backward()
            optimiser.step()
            average.update()
            total += each.detach().cpu() * index.shape[1] / n
        with average.in_place():
            validation = _evaluate(module, batch, loss, held, settings.evaluation_batch)
            best.update(epoch, validation, module)
        losses.append(total.numpy())
        validations.append(validation.numpy())
        if progress is not None:
            progress(epoch + 1, settings.epochs, float(validation.mean()))
        if epoch - int(best.epoch.max()) >= settings.patience:
            break
    best.restore(module)
    module.eval()
    return History(np.array(losses), np.array(validations), best.epoch.numpy().copy())


def _evaluate(module: nn.Module, batch: Batch, loss: Loss, held: Tensor, size: int) -> Tensor:
    """Mean loss of each member ``(m,)`` on its positions ``held`` ``(m, b)``."""
    module.eval()
    total = torch.zeros(len(held))
    with torch.no_grad():
        for index in held.split(size, dim=1):
            x, y = batch(index, None)
            total += loss(module(x), y).reshape(-1).cpu() * index.shape[1]
    return total / held.shape[1]


class _Average:
    """The running mean of a module's parameters, of the first few steps a plain mean (Polyak &
    Juditsky 1992, https://doi.org/10.1137/0330046). ``span``: the steps that it forgets within;
    over one step or less there is none."""

    def __init__(self, module: nn.Module, span: float) -> None:
        self.span, self.steps = max(1.0, span), 0
        self.parameters = [p.detach() for p in module.parameters()] if span > 1 else []
        self.means = [p.clone() for p in self.parameters]

    def update(self) -> None:
        """One more step was made."""
        self.steps += 1
        share = 1 / min(self.steps, self.span)
        for mean, parameter in zip(self.means, self.parameters, strict=True):
            mean.lerp_(parameter, share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the module has the mean weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for mean, parameter in zip(self.means, self.parameters, strict=True):
            last = parameter.clone()
            parameter.copy_(mean)
            mean.copy_(last)


class _Best:
    """The weights of each member at its lowest inner loss so far."""

    def __init__(self, members: int) -> None:
        self.loss = torch.full((members,), torch.inf)
        self.epoch = torch.full((members,), -1)
        self.weights: dict[str, Tensor] = {}

    def update(self, epoch: int, loss: Tensor, module: nn.Module) -> None:
        better = loss < self.loss  # False for NaN
        if not better.any():
            return
        self.loss = torch.where(better, loss, self.loss)
        self.epoch[better] = epoch
        for name, value in module.state_dict().items():
            if better.all() or name not in self.weights:
                self.weights[name] = value.detach().clone()
            else:
                self.weights[name][better] = value[better.to(value.device)]

    def restore(self, module: nn.Module) -> None:
        if (self.epoch < 0).any():
            raise InputError(
                "Training diverged: the loss on the inner split was never finite.",
                hint="lower the learning rate, or check the inputs for huge values",
            )
        module.load_state_dict(self.weights)

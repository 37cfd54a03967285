"""The training loop: seeds, inner splits, early stopping, and nothing global left changed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from iceframe.core.errors import InputError, UsageError
from iceframe.scale.training import (
    Parts,
    Training,
    classification_loss,
    inner_parts,
    isolated,
    regression_loss,
    resolve_device,
    train,
)

X = torch.linspace(-1, 1, 40)[:, None]
LINE = 2 * X + 1


def line_batch(index, augment):
    return X[index[0]], LINE[index[0]]


def fitted(seed=0, settings=None, **changes):
    settings = settings or Training(epochs=40, learning_rate=0.1, batch_size=10)
    with isolated(seed):
        module = nn.Linear(1, 1)
        parts = inner_parts(len(X), 0.2, 1, seed)
        arguments = {"batch": line_batch, "loss": regression_loss("mse"), "parts": parts}
        history = train(module, settings=settings, seed=seed, **(arguments | changes))
    return module, history


def test_a_line_is_found():
    module, _ = fitted()
    assert module.weight.item() == pytest.approx(2, abs=0.05)
    assert module.bias.item() == pytest.approx(1, abs=0.05)
    assert not module.training


def test_same_seed_same_weights_other_seed_other_weights():
    first, again, other = fitted(0)[0], fitted(0)[0], fitted(1)[0]
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)


def test_global_state_is_left_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    threads = torch.get_num_threads()
    torch.manual_seed(7)
    fitted(3)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_an_interrupt_passes_and_leaves_global_state_alone():
    def interrupt(epoch, epochs, loss):
        raise KeyboardInterrupt

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.set_num_threads(2)
    torch.manual_seed(7)
    try:
        with pytest.raises(KeyboardInterrupt):
            fitted(progress=interrupt)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert torch.equal(torch.rand(3), expected)


def test_progress_is_told():
    told = []
    fitted(
        settings=Training(epochs=3), progress=lambda epoch, n, loss: told.append((epoch, n, loss))
    )
    assert [t[:2] for t in told] == [(1, 3), (2, 3), (3, 3)]
    assert all(np.isfinite(t[2]) for t in told)


class Script(nn.Module):
    """Its weight is the number of steps taken; its inner losses are written beforehand."""

    def __init__(self, losses):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(losses.shape[1]))
        self.losses = losses
        self.epoch = -1

    def forward(self, x):
        if self.training:
            self.epoch += 1
            with torch.no_grad():
                self.weight += 1
            return self.weight * 0
        return self.losses[self.epoch]


@pytest.mark.parametrize("members", [1, 3])
def test_early_stopping_restores_the_best_of_each_member(members):
    curves = torch.tensor([[5.0, 3, 9], [4, 4, 8], [1, 5, 7], [2, 6, 6], [3, 7, 5]])[:, :members]
    module = Script(curves)
    parts = Parts(np.zeros((members, 4), int), np.zeros((members, 2), int))
    history = train(
        module,
        lambda index, augment: (index, index),
        lambda output, y: output,
        parts,
        Training(epochs=5, batch_size=4, weight_decay=0.0),
        seed=0,
    )
    best = [2, 0, 4][:members]
    assert history.best_epoch.tolist() == best
    assert module.weight.tolist() == [b + 1 for b in best]
    assert np.array_equal(history.validation, curves.numpy())


def test_patience_stops_early():
    curves = torch.tensor([[1.0], [2], [3], [4], [5], [0]])
    parts = Parts(np.zeros((1, 4), int), np.zeros((1, 2), int))
    settings = Training(epochs=6, patience=3, batch_size=4, weight_decay=0.0)
    history = train(Script(curves), lambda i, g: (i, i), lambda o, y: o, parts, settings, seed=0)
    assert len(history.validation) == 4
    assert history.best_epoch.tolist() == [0]


def test_divergence_is_said():
    def nothing(index, augment):
        return X[index[0]] * torch.nan, LINE[index[0]]

    with pytest.raises(InputError, match="diverged"):
        fitted(batch=nothing, settings=Training(epochs=2))


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
def test_learning_rate_ends_at_zero_and_peaks_at_its_value(schedule):
    settings = Training(learning_rate=0.5, schedule=schedule)
    rates = [settings.rate(p) for p in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(0.5)
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert (rates[0] < 0.1) == (schedule == "one-cycle")


def test_inner_splits_of_members_are_disjoint_and_cover_all():
    parts = inner_parts(50, 0.2, 5, seed=1)
    assert sorted(parts.validation.ravel()) == list(range(50))
    for inside, held in zip(parts.training, parts.validation, strict=True):
        assert sorted([*inside, *held]) == list(range(50))


def test_inner_splits_keep_class_proportions():
    classes = np.repeat([0, 1, 2], [60, 30, 10])
    for held in inner_parts(100, 0.2, 5, seed=1, strata=classes).validation:
        assert np.bincount(classes[held]) == pytest.approx([12, 6, 2], abs=1)


def test_few_samples_are_all_used():
    parts = inner_parts(5, 0.2, 2, seed=0)
    assert parts.training.shape == parts.validation.shape == (2, 5)


def test_losses_of_members_are_apart():
    output = torch.tensor([[[0.0], [2.0]], [[1.0], [1.0]]])
    target = torch.ones(2, 2, 1)
    assert regression_loss("mse")(output, target).tolist() == [1, 0]
    assert regression_loss("huber")(output, target).tolist() == [0.5, 0]
    logits = torch.zeros(2, 5, 3)
    loss = classification_loss(0.0)(logits, torch.zeros(2, 5, dtype=torch.int64))
    assert loss.tolist() == pytest.approx([np.log(3)] * 2)


def test_devices():
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in ("cpu", "cuda")
    with pytest.raises(UsageError, match="device"):
        resolve_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="CUDA"):
            resolve_device("cuda")


def test_averaged_weights_are_the_running_mean_and_are_what_is_validated_and_kept():
    """One step an epoch; the mean of the first three steps is a plain one."""
    seen = []

    class Watched(nn.Linear):
        def forward(self, x):
            seen.append((self.training, self.weight.item()))
            return super().forward(x)

    with isolated(0):
        module = Watched(1, 1)
        parts = inner_parts(len(X), 0.2, 1, 0)
        settings = Training(
            epochs=4, learning_rate=0.1, batch_size=len(X), average=2.5, weight_decay=0.0
        )
        history = train(module, line_batch, regression_loss("mse"), parts, settings, seed=0)
    steps = [weight for training, weight in seen if training]  # before each step
    validated = [weight for training, weight in seen if not training]
    assert validated[0] == pytest.approx(steps[1])
    assert validated[1] == pytest.approx((steps[1] + steps[2]) / 2)
    assert validated[2] == pytest.approx((steps[1] + steps[2] + steps[3]) / 3)
    assert module.weight.item() == validated[int(history.best_epoch[0])]
    assert len(set(steps)) == 4  # training goes on from the last weights, not from the mean


def test_averaging_calms_a_restless_end():
    """At a constant high rate on noisy targets, averaged weights are nearer to the line."""
    noise = torch.Generator().manual_seed(0)

    def noisy(index, augment):
        y = LINE[index[0]]
        return X[index[0]], y + (torch.randn(y.shape, generator=noise) if augment else 0)

    gaps = []
    for average in (0.0, 0.1):
        settings = Training(
            epochs=60, learning_rate=0.3, batch_size=4, average=average, schedule="cosine",
            patience=1000,
        )  # fmt: skip
        _, history = fitted(settings=settings, batch=noisy)
        gaps.append(np.median(history.validation[20:40]))
    assert gaps[1] < gaps[0] / 2


def test_the_absolute_loss_forgives_outliers_and_is_smooth_at_zero():
    loss = regression_loss("absolute")
    far = loss(torch.tensor([[10.0]]), torch.tensor([[0.0]]))
    near = loss(torch.tensor([[0.01]]), torch.tensor([[0.0]]))
    assert float(far) == pytest.approx(10, rel=0.01)
    assert float(near) == pytest.approx(0.01**2 / 0.2)

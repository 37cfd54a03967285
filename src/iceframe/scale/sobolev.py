"""Supervision of a network's input gradient by exact sensitivities (Sobolev training).

The loss of a sample with target ``y`` and sensitivity ``s = ∂y/∂x`` (both standardised) is

    ℓ(f(x), y) + w ⟨h((∂f/∂x − s) / σ)⟩,

the mean over pixels of Huber's loss ``h``, which outliers at sharp corners do not dominate; σ is
the root mean square of the sensitivities of the training samples, and ``w`` the weight.

Reference: Czarnecki et al. 2017, Sobolev training, https://arxiv.org/abs/1706.04859.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from iceframe.core.dataset import ArrayImages, ImageSource, SupervisedImages
from iceframe.core.errors import InputError
from iceframe.scale.image_batches import READ_BATCH, ImageBatches
from iceframe.scale.training import Loss


class WithInputGradient(nn.Module):
    """``x -> (f(x), ∂f/∂x)`` for a network ``(n, …) -> (n, 1)`` whose samples do not mix."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            output = self.network(x)
            (gradient,) = torch.autograd.grad(output.sum(), x, create_graph=self.training)
        return output, gradient


def sobolev_loss(value: Loss, weight: float) -> Loss:
    """Loss of ``(output, gradient)`` against ``(target, sensitivity)``, both divided by σ."""

    def loss(output: Any, target: Any) -> Tensor:
        (answer, gradient), (y, wanted, size) = output, target
        gap = nn.functional.huber_loss(gradient / size, wanted / size)
        return value(answer, y) + weight * gap

    return loss


def supervised(source: ImageSource) -> SupervisedImages:
    """The source, as one that knows sensitivities.

    Raises
    ------
    InputError : it knows none.
    """
    if isinstance(source, SupervisedImages) and source.supervised:
        return source
    raise InputError(
        "These images come without the target's sensitivity to their pixels.",
        hint="simulate two-phase structures with `sensitivities: true`, or leave out the "
        "rungs that are supervised by them",
    )


def gradient_batches(source: ImageSource, factor: int) -> ImageBatches:
    """The sensitivities of a source, by position, at the size that the network sees.

    A pixel of a reduced image is the mean of a cell: moving it moves the whole cell, so that its
    derivative is the cell's sum.

    Raises
    ------
    InputError : the source knows no sensitivities, or holds some that are not finite.
    """
    taught = supervised(source)
    parts = [
        taught.gradients(np.arange(start, min(start + READ_BATCH, len(source))))
        for start in range(0, len(source), READ_BATCH)
    ]
    values = np.concatenate(parts)
    if not np.isfinite(values).all():
        raise InputError(
            "Some sensitivities are not finite.",
            got=f"{len(np.unique(np.argwhere(~np.isfinite(values))[:, 0]))} images",
            hint="leave out the samples that did not converge (--drop-invalid)",
        )
    # Sums over cells; the batches take means.
    return ImageBatches(ArrayImages(values * factor ** (values.ndim - 2)), factor)

"""An encoder's network as part of a larger one, that is trained on labels or differentiated.

Images of phases are split into indicators, which have no slope. Between two neighbouring levels the
indicators are continued linearly here, ``m_i(x) = max(0, 1 − |x − l_i| / |l_{i±1} − l_i|)``: at the
levels themselves they are the indicators, and between them a pixel is part the one phase, part the
other.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from iceframe.scale.image_format import ImageFormat
from iceframe.scale.image_network import Standardise
from iceframe.scale.training import isolated

TRAINING_ONLY = ("decoder", "widen")
"""Parts of an encoder's network that encoding does not use."""


class Trunk(nn.Module):
    """A copy of the part of an encoder's network that encodes: ``(n, fields, *grid)``, reduced and
    standardised, to latents ``(n, d)``."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        for name in TRAINING_ONLY:
            if hasattr(self.network, name):
                delattr(self.network, name)

    def forward(self, x: Tensor) -> Tensor:
        return self.network.encode(x)  # type: ignore[operator]


class FieldsOf(nn.Module):
    """Images ``(n, channels, *grid)`` in their own scale to the scalar fields of their format, with
    a slope to every pixel."""

    levels: Tensor

    def __init__(self, image_format: ImageFormat) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(image_format.levels, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        levels = self.levels
        if len(levels) == 0:
            return x
        if len(levels) == 1:
            return torch.ones_like(x)
        if len(levels) == 2:
            return (x - levels[0]) / (levels[1] - levels[0])
        gaps = levels.diff()
        fields = []
        for i, level in enumerate(levels):
            below = (x - level) / gaps[max(i - 1, 0)]
            above = (level - x) / gaps[min(i, len(gaps) - 1)]
            fields.append((1 + torch.minimum(below, above)).clamp(0, 1))
        return torch.cat(fields, dim=1)


class FixedStatistics(nn.Module):
    """A network whose batch norms keep the statistics that they have, also while it is trained:
    it starts from what it was, and samples do not mix."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def train(self, mode: bool = True) -> FixedStatistics:
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def standardise_for(encoder: Any) -> nn.Module:
    """What comes before an encoder's trunk; nothing, where it has no scale of its own."""
    if not hasattr(encoder, "centre_"):
        return nn.Identity()
    return Standardise(encoder.centre_, encoder.width_, len(encoder.format_.grid))


def factor_of(encoder: Any) -> int:
    """The factor by which images are reduced before that."""
    return int(getattr(encoder, "factor_", 1))


def linear_head(weights: np.ndarray, intercept: np.ndarray) -> nn.Linear:
    """A linear layer ``(n, d)`` to ``(n, k)`` with these weights ``(k, d)`` and intercepts."""
    with isolated(0):
        head = nn.Linear(weights.shape[1], weights.shape[0])
    with torch.no_grad():
        head.weight.copy_(torch.tensor(weights, dtype=torch.float32))
        head.bias.copy_(torch.tensor(intercept, dtype=torch.float32))
    return head

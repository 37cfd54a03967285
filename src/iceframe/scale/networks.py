"""The architectures: a deep ensemble of small perceptrons, and a small convolutional network.

References: Lakshminarayanan et al. 2017, deep ensembles, https://arxiv.org/abs/1612.01474;
Lin et al. 2014, global average pooling, https://arxiv.org/abs/1312.4400.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

LAYERS = {
    2: (nn.Conv2d, nn.BatchNorm2d),
    3: (nn.Conv3d, nn.BatchNorm3d),
}
POOL = {2: nn.functional.avg_pool2d, 3: nn.functional.avg_pool3d}


class PerceptronEnsemble(nn.Module):
    """``m`` perceptrons side by side: ``(m, n, d)`` to ``(m, n, outputs)`` by batched products."""

    def __init__(
        self, members: int, inputs: int, hidden: Sequence[int], outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        sizes = [inputs, *hidden, outputs]
        self.weights = nn.ParameterList(
            [
                nn.Parameter(torch.randn(members, a, b) * math.sqrt((2 if i else 1) / a))
                for i, (a, b) in enumerate(pairwise(sizes))
            ]
        )
        self.biases = nn.ParameterList(
            [nn.Parameter(torch.zeros(members, 1, b)) for b in sizes[1:]]
        )
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x, weight)  # (m, n, a) (m, a, b) -> (m, n, b)
            if i < last:
                x = nn.functional.silu(x)
                x = nn.functional.dropout(x, self.dropout, self.training)
        return x


class Wrap(nn.Module):
    """Continue ``(n, channels, *grid)`` periodically by ``reach`` pixels at every edge.

    The same as torch's circular padding, a fifth faster in training, because concatenation keeps
    the memory format; and its gradient is folded in place, where that of slices is as many padded
    copies as there are slices.
    """

    def __init__(self, reach: int) -> None:
        super().__init__()
        self.reach = reach

    def forward(self, x: Tensor) -> Tensor:
        return _Wrapped.apply(x, self.reach)


class _Wrapped(torch.autograd.Function):
    """Continues at every edge. With :class:`_Folded`, its adjoint, any number of derivatives."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, reach: int) -> Tensor:
        ctx.reach = reach
        for axis in range(2, x.ndim):
            before = x.narrow(axis, x.shape[axis] - reach, reach)
            x = torch.cat([before, x, x.narrow(axis, 0, reach)], dim=axis)
        return x

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        return _Folded.apply(slopes[0], ctx.reach), None


class _Folded(torch.autograd.Function):
    """Adds what lies beyond every edge to where it was copied from."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, reach: int) -> Tensor:
        ctx.reach = reach
        for axis in range(2, y.ndim):
            side = y.shape[axis] - 2 * reach
            inner = y.narrow(axis, reach, side).clone()
            inner.narrow(axis, side - reach, reach).add_(y.narrow(axis, 0, reach))
            inner.narrow(axis, 0, reach).add_(y.narrow(axis, side + reach, reach))
            y = inner
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        return _Wrapped.apply(slopes[0], ctx.reach), None


def each_alone(channels: int) -> nn.Module:
    """Group normalisation (Wu & He 2018, https://arxiv.org/abs/1803.08494), about 6 channels
    each.
    """
    groups = max(g for g in range(1, max(1, channels // 6) + 1) if channels % g == 0)
    return nn.GroupNorm(groups, channels)


def padded_convolution(
    a: int, b: int, size: int, dimensions: int, periodic: bool
) -> list[nn.Module]:
    """Layers that convolve ``a`` channels into ``b`` and keep the grid: padded circularly where
    opposite edges meet, else by zeros. ``size`` is odd."""
    reach = size // 2
    convolution = LAYERS[dimensions][0]
    if periodic:
        return [Wrap(reach), convolution(a, b, size)]
    return [convolution(a, b, size, padding=reach)]


class Halve(nn.Module):
    """Means over cells of two pixels along every axis that has as many; what is left over at the
    far edge is a cell of its own."""

    def forward(self, x: Tensor) -> Tensor:
        cell = [min(2, side) for side in x.shape[2:]]
        return POOL[x.ndim - 2](x, cell, ceil_mode=True)


class SmallCNN(nn.Module):
    """Convolutions on ever coarser grids, a mean over the last grid, a linear map.

    Inputs ``(n, channels, *grid)``, outputs ``(n, outputs)``. With ``periodic`` every padding is
    circular, so that the answer does not change when the input is rolled by a multiple of
    :attr:`stride` (where that divides the grid). With ``alone`` a sample's answer does not depend
    on its batch while training either: groups of channels are normalised in place of batches.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        widths: Sequence[int] = (12, 24, 48, 48),
        *,
        dimensions: int = 2,
        periodic: bool = False,
        dropout: float = 0.0,
        alone: bool = False,
    ) -> None:
        super().__init__()
        convolution, batch_norm = LAYERS[dimensions]
        norm: Callable[[int], nn.Module] = each_alone if alone else batch_norm
        last = len(widths) - 1
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise([channels, *widths])):
            size, stride = (5, 2) if i == 0 else (3, 1)
            reach = size // 2
            if periodic:
                layers.append(Wrap(reach))
            layers.append(convolution(a, b, size, stride, 0 if periodic else reach, bias=False))
            layers += [norm(b), nn.SiLU()]
            if i < last:
                layers.append(Halve())
        self.features = nn.Sequential(*layers)
        self.stride = 2 ** (last + 1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (n, widths[-1], *grid / stride)
        return self.head(self.dropout(x.flatten(2).mean(dim=2)))

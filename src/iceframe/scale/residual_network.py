"""A residual convolutional network that looks at every pixel before it looks at fewer.

Each block adds what two convolutions make of its input to the input itself, so that depth does not
hinder training; the first blocks work on the full grid, where the strides of a small network have
already thrown the sharp detail away. Groups of channels are normalised, so that samples never mix.

References: He et al. 2016, identity mappings, https://arxiv.org/abs/1603.05027; Wu & He 2018,
group normalisation, https://arxiv.org/abs/1803.08494.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from iceframe.scale.networks import Halve, each_alone, padded_convolution


class ResidualBlock(nn.Module):
    """``x + conv(act(norm(conv(act(norm(x))))))`` for ``(n, width, *grid)``."""

    def __init__(self, width: int, dimensions: int, periodic: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [each_alone(width), nn.SiLU()]
            layers += padded_convolution(width, width, 3, dimensions, periodic)
        self.change = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.change(x)


class ResidualCNN(nn.Module):
    """Residual blocks on the full grid, then on ever coarser ones, a mean, a linear map.

    Inputs ``(n, channels, *grid)``, outputs ``(n, outputs)``. ``widths``: channels on each grid;
    ``blocks``: residual blocks on each.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        widths: Sequence[int] = (12, 24, 48),
        blocks: int = 1,
        *,
        dimensions: int = 2,
        periodic: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        layers = padded_convolution(channels, widths[0], 5, dimensions, periodic)
        layers += [ResidualBlock(widths[0], dimensions, periodic) for _ in range(blocks)]
        for a, b in pairwise(widths):
            layers += [each_alone(a), nn.SiLU(), Halve()]
            layers += padded_convolution(a, b, 3, dimensions, periodic)
            layers += [ResidualBlock(b, dimensions, periodic) for _ in range(blocks)]
        layers += [each_alone(widths[-1]), nn.SiLU()]
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (n, widths[-1], *coarsest grid)
        return self.head(self.dropout(x.flatten(2).mean(dim=2)))

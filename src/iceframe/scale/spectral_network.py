"""A network whose convolutions reach across the whole image: the Fourier neural operator.

An effective property is the mean of a local quantity that depends on the structure everywhere, by
the Green operator of the medium: a multiplication in Fourier space. A layer does the same with
learned numbers,

    h ← h + act(F⁻¹[R · F(h)] + K * h),

``R`` a matrix for each of the lowest wave vectors and ``K`` a 3-pixel convolution for what is
sharper than these. A perceptron at each pixel and the mean over pixels are the answer. Where
opposite edges meet, the answer does not change when the image is rolled by any number of pixels;
where they do not, the image is continued by its mirror image while it passes through.

References: Li et al. 2021, Fourier neural operator, https://arxiv.org/abs/2010.08895; for the
Green operator, Moulinec & Suquet 1998, https://doi.org/10.1016/S0045-7825(97)00218-1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from iceframe.scale.networks import LAYERS, padded_convolution

# Share of a side by which an image whose edges do not meet is continued on either side.
MIRRORED = 8


def lowest(side: int, modes: int) -> list[int]:
    """Positions of the wave numbers ``|k| < modes`` on a full axis of ``side`` of them.

    Examples
    --------
    >>> lowest(8, 2), lowest(3, 5)
    ([0, 1, 7], [0, 1, 2])
    """
    return [k for k in range(side) if min(k, side - k) < modes]


class SpectralConvolution(nn.Module):
    """Multiplies the lowest wave vectors of ``(n, width, *grid)`` by a learned matrix each."""

    kept: Tensor

    def __init__(self, width: int, grid: Sequence[int], modes: int) -> None:
        super().__init__()
        self.grid = tuple(grid)
        rows = [lowest(side, modes) for side in self.grid[:-1]]
        rows.append(list(range(min(modes, self.grid[-1] // 2 + 1))))
        # Positions of the kept wave vectors in the flattened half spectrum.
        half = (*self.grid[:-1], self.grid[-1] // 2 + 1)
        places = torch.cartesian_prod(*(torch.tensor(r) for r in rows)).view(-1, len(half))
        strides = torch.tensor([math.prod(half[i + 1 :]) for i in range(len(half))])
        self.half_spectrum = half
        self.register_buffer("kept", (places * strides).sum(dim=1), persistent=False)
        # The real and the imaginary part of a matrix for each wave vector.
        self.weight = nn.Parameter(torch.randn(len(places), width, width, 2) * (0.5 / width))

    def forward(self, x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        spectrum = torch.fft.rfftn(x, dim=axes).flatten(2)
        low = spectrum[:, :, self.kept].permute(2, 0, 1)  # (modes, n, width)
        low = torch.bmm(low, torch.view_as_complex(self.weight)).permute(1, 2, 0)
        full = torch.zeros_like(spectrum).index_copy(2, self.kept, low)
        return torch.fft.irfftn(full.unflatten(2, self.half_spectrum), s=self.grid, dim=axes)


class SpectralLayer(nn.Module):
    """One step: the spectral convolution and the local one, added to what came in."""

    def __init__(self, width: int, grid: Sequence[int], modes: int) -> None:
        super().__init__()
        self.far = SpectralConvolution(width, grid, modes)
        self.near = nn.Sequential(*padded_convolution(width, width, 3, len(grid), True))

    def forward(self, h: Tensor) -> Tensor:
        return h + nn.functional.silu(self.far(h) + self.near(h))


class SpectralCNN(nn.Module):
    """Spectral layers at full resolution, a perceptron at each pixel, the mean over pixels.

    Inputs ``(n, channels, *grid)``, outputs ``(n, outputs)``. ``modes``: how many wave numbers are
    kept along each axis.
    """

    def __init__(
        self,
        channels: int,
        grid: Sequence[int],
        outputs: int,
        width: int = 16,
        layers: int = 4,
        modes: int = 12,
        *,
        periodic: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        dimensions = len(grid)
        self.reach = tuple(0 if periodic else side // MIRRORED for side in grid)
        whole = tuple(side + 2 * reach for side, reach in zip(grid, self.reach, strict=True))
        convolution = LAYERS[dimensions][0]
        self.lift = nn.Sequential(*padded_convolution(channels, width, 3, dimensions, True))
        self.layers = nn.Sequential(*(SpectralLayer(width, whole, modes) for _ in range(layers)))
        self.local = nn.Sequential(
            convolution(width, 2 * width, 1),
            nn.SiLU(),
            nn.Dropout(dropout),
            convolution(2 * width, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return (
            self.local(self._cropped(self.layers(self.lift(self._mirrored(x))))).flatten(2).mean(2)
        )

    def _mirrored(self, x: Tensor) -> Tensor:
        for axis, reach in enumerate(self.reach, start=2):
            if reach:
                before = x.narrow(axis, 0, reach).flip(axis)
                after = x.narrow(axis, x.shape[axis] - reach, reach).flip(axis)
                x = torch.cat([before, x, after], dim=axis)
        return x

    def _cropped(self, h: Tensor) -> Tensor:
        for axis, reach in enumerate(self.reach, start=2):
            h = h.narrow(axis, reach, h.shape[axis] - 2 * reach)
        return h

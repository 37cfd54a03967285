"""The network of the pre-trained micrograph encoder: images of any size to pooled features.

A picture ``I`` is seen twice: standardised as a whole, and standardised about each pixel,

``(I - m) / s`` and ``(I - m(x)) / √(s(x)² + (0.1 s)²)``,

with the mean and the standard deviation over the picture, and over about 36 pixels around ``x``.
A residual network follows that halves the resolution before every stage, by convolutions that see
every pixel. After every stage the mean and the standard deviation of each channel over the picture
are taken, ``p``. The latents are ``A p + b``, along the directions in which different structures
differ most for what different pictures of one structure do (Fisher's discriminants, each structure
a class of its own; :func:`discriminants`). Nothing depends on the pictures beside it, and nothing
on the size of the picture but its edges.

In training every convolution is followed by batch normalisation; for use this is multiplied into
the convolution (:func:`folded`), so that the network has no state but weights.

References: He et al. 2016, https://doi.org/10.1109/CVPR.2016.90 (residual networks); Jarrett et al.
2009, https://doi.org/10.1109/ICCV.2009.5459469 (local contrast normalisation); Ioffe & Szegedy
2015, https://arxiv.org/abs/1502.03167 (batch normalisation); Fisher 1936,
https://doi.org/10.1111/j.1469-1809.1936.tb02137.x (discriminants).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

WIDTHS = (40, 80, 144, 208)
"""Channels of the stages."""

DEPTHS = (1, 2, 2, 1)
"""Residual blocks of the stages."""

CELL, REACH = 4, 4
"""Local contrast is measured on squares of this many pixels, over this many squares each way."""

FLAT = 1e-3
"""Standard deviation, in units of the grey range, below which a picture counts as flat."""

LOCAL = 0.1
"""Share of a picture's standard deviation below which a neighbourhood counts as flat."""

SMALL = 1e-5


def seen(image: Tensor) -> Tensor:
    """``(n, 1, h, w)`` grey levels to ``(n, 2, h, w)``, standardised as a whole and locally.

    Examples
    --------
    >>> picture = torch.rand(1, 1, 40, 40)
    >>> torch.allclose(seen(picture), seen(0.5 * picture + 0.2), atol=1e-4)
    True
    """
    mean = image.mean(dim=(2, 3), keepdim=True)
    spread = (image - mean).square().mean(dim=(2, 3), keepdim=True).sqrt()
    whole = (image - mean) / spread.clamp(min=FLAT)

    def around(x: Tensor) -> Tensor:
        coarse = nn.functional.avg_pool2d(x, CELL, ceil_mode=True, count_include_pad=False)
        coarse = nn.functional.avg_pool2d(
            coarse, 2 * REACH + 1, stride=1, padding=REACH, count_include_pad=False
        )
        return nn.functional.interpolate(
            coarse, size=x.shape[2:], mode="bilinear", align_corners=False
        )

    apart = whole - around(whole)
    local = apart / (around(apart.square()) + LOCAL**2).sqrt()
    return torch.cat([whole, local], dim=1)


class Layer(nn.Module):
    """A convolution, normalised in training; with a bias in use."""

    def __init__(self, a: int, b: int, size: int, stride: int, normalised: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(a, b, size, stride, size // 2, bias=not normalised)
        self.norm: nn.Module = nn.BatchNorm2d(b) if normalised else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.convolution(x))


class Block(nn.Module):
    """``relu(x + f(relu(g(x))))`` with two convolutions ``f`` and ``g``."""

    def __init__(self, width: int, normalised: bool) -> None:
        super().__init__()
        self.first = Layer(width, width, 3, 1, normalised)
        self.second = Layer(width, width, 3, 1, normalised)

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.second(self.first(x).relu())).relu()


class MicrographNetwork(nn.Module):
    """``(n, 1, h, w)`` grey levels, at least 32 each way, to ``latents`` numbers each.

    With ``latents`` 0, as in training, to the pooled features ``(n, 2 Σ widths)`` themselves.

    Examples
    --------
    >>> picture = torch.rand(3, 1, 32, 45)
    >>> MicrographNetwork((4, 6), (0, 1)).eval()(picture).shape
    torch.Size([3, 20])
    >>> MicrographNetwork((4, 6), (0, 1), latents=5).eval()(picture).shape
    torch.Size([3, 5])
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        depths: Sequence[int] = DEPTHS,
        normalised: bool = False,
        latents: int = 0,
    ) -> None:
        super().__init__()
        self.widths, self.depths = tuple(widths), tuple(depths)
        self.enter = nn.ModuleList()
        self.blocks = nn.ModuleList()
        before = 2
        for i, (width, depth) in enumerate(zip(self.widths, self.depths, strict=True)):
            self.enter.append(Layer(before, width, 5 if i == 0 else 3, 2, normalised))
            self.blocks.append(nn.Sequential(*[Block(width, normalised) for _ in range(depth)]))
            before = width
        pooled = 2 * sum(self.widths)
        self.axes: nn.Module = nn.Linear(pooled, latents) if latents else nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        x = seen(image)
        pooled = []
        for enter, blocks in zip(self.enter, self.blocks, strict=True):
            x = blocks(enter(x).relu())
            flat = x.flatten(2).float()  # sums over many pixels need all digits
            variance, mean = torch.var_mean(flat, dim=2, correction=0)
            pooled += [mean, (variance + SMALL).sqrt()]
        return self.axes(torch.cat(pooled, dim=1))


def discriminants(
    a: np.ndarray, b: np.ndarray, count: int, shrinkage: float
) -> tuple[np.ndarray, np.ndarray]:
    """Directions that tell structures apart, whatever the picture.

    With the features standardised, ``T`` their covariance over all pictures and ``W`` that within
    structures, the directions ``x`` with the largest ``λ`` in ``T x = λ (W + s tr(W)/d) x``. The
    shrinkage ``s`` keeps out what hardly varies in either. Each has unit variance over ``T``.

    Parameters
    ----------
    a, b : features ``(n, d)`` of two pictures of each structure.
    count : number of directions.

    Returns
    -------
    ``A`` ``(count, d)`` and ``c`` ``(count,)``: features ``p`` become ``A p + c``.

    Examples
    --------
    The first feature is the structure's, the second the picture's.

    >>> rng = np.random.default_rng(0)
    >>> own, a, b = rng.normal(size=(3, 500))
    >>> axes, _ = discriminants(np.c_[own, a], np.c_[own, b], 1, 0.1)
    >>> abs(axes[0]).round(1).tolist()
    [1.0, 0.0]
    """
    from scipy.linalg import eigh

    both = np.concatenate([a, b]).astype(np.float64)
    centre, width = both.mean(axis=0), both.std(axis=0)
    width = np.maximum(width, 1e-3 * width.max())
    x, between = (both - centre) / width, (a - b) / width
    total = x.T @ x / len(x)
    within = between.T @ between / (2 * len(a))
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    found = eigh(total, within)[1][:, ::-1][:, :count]
    found = found / np.sqrt(np.einsum("ij,ik,kj->j", found, total, found))
    axes = found.T / width
    return axes, -axes @ centre


def folded(network: MicrographNetwork) -> MicrographNetwork:
    """The same function without batch normalisation, of a network in evaluation mode.

    ``γ (w*x - μ) / √(σ² + ε) + β`` is a convolution with the weights ``γ w / √(σ² + ε)``.
    """
    plain = MicrographNetwork(network.widths, network.depths)
    parts = dict(network.named_modules())
    with torch.no_grad():
        for name, layer in plain.named_modules():
            if not isinstance(layer, Layer):
                continue
            trained = parts[name]
            assert isinstance(trained, Layer)
            norm = trained.norm
            assert isinstance(norm, nn.BatchNorm2d)
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert layer.convolution.bias is not None
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            layer.convolution.weight.copy_(trained.convolution.weight * scale[:, None, None, None])
            layer.convolution.bias.copy_(norm.bias - scale * norm.running_mean)
    return plain.eval()

"""Networks that encoders share: convolutions to ever coarser grids, and back.

Grids are halved and rounded up, ``g → ⌈g/2⌉``, and the decoder enlarges to exactly the sizes that
were met on the way down, so that any size is possible (63 → 32 → 16 → 8 → 16 → 32 → 63). Where
opposite edges meet, every convolution is continued circularly.

References: Masci et al. 2011, https://doi.org/10.1007/978-3-642-21735-7_7 (convolutional
autoencoder); Kingma & Welling 2014, https://arxiv.org/abs/1312.6114 (variational autoencoder);
Odena et al. 2016, https://doi.org/10.23915/distill.00003 (enlarge, then convolve).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from iceframe.scale.networks import LAYERS, Wrap

# The log variance of a latent stays within these: beyond, training has diverged already.
LOG_VARIANCE = (-12.0, 4.0)


class Shape(NamedTuple):
    """What a network must know of its images: the number of ``fields``, their ``grid``, whether
    opposite edges meet, and the ``widths`` (channels) of its convolutions."""

    fields: int
    grid: tuple[int, ...]
    periodic: bool
    widths: tuple[int, ...]

    @property
    def grids(self) -> list[tuple[int, ...]]:
        """The grid before the first convolution and after each.

        Examples
        --------
        >>> Shape(1, (63, 32), True, (8, 8, 8)).grids
        [(63, 32), (32, 16), (16, 8), (8, 4)]
        """
        grids = [tuple(self.grid)]
        for _ in self.widths:
            grids.append(tuple(math.ceil(side / 2) for side in grids[-1]))
        return grids

    @property
    def coarse(self) -> int:
        """Numbers that are left of an image on the coarsest grid."""
        return self.widths[-1] * math.prod(self.grids[-1])


def _convolution(a: int, b: int, shape: Shape, size: int, stride: int, bias: bool) -> list:
    """A convolution that keeps the grid (or halves it, rounded up), with the right edges."""
    convolution = LAYERS[len(shape.grid)][0]
    reach = size // 2
    padding = 0 if shape.periodic else reach
    layer = convolution(a, b, size, stride, padding, bias=bias)
    return [Wrap(reach), layer] if shape.periodic else [layer]


def trunk(shape: Shape) -> nn.Sequential:
    """``(n, fields, *grid)`` to ``(n, widths[-1], *coarsest grid)``."""
    norm = LAYERS[len(shape.grid)][1]
    # A first convolution over 5 pixels sees an interface and both sides of it.
    first = 5 if min(shape.grid) >= 8 else 3
    layers: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise([shape.fields, *shape.widths])):
        layers += _convolution(a, b, shape, first if i == 0 else 3, 2, bias=False)
        layers += [norm(b), nn.SiLU()]
    return nn.Sequential(*layers)


class Enlarge(nn.Module):
    """Repeat pixels until the grid has ``size``."""

    def __init__(self, size: Sequence[int]) -> None:
        super().__init__()
        self.size = tuple(size)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(x, size=self.size, mode="nearest")


class Interleave(nn.Module):
    """``(n, fields 2^D, *coarse)`` to ``(n, fields, *grid)``: every coarse pixel becomes a block of
    ``2^D``; where the grid is odd, what is over at the far edge is cut off."""

    def __init__(self, grid: Sequence[int]) -> None:
        super().__init__()
        self.grid = tuple(grid)

    def forward(self, x: Tensor) -> Tensor:
        coarse, axes = x.shape[2:], len(self.grid)
        x = x.reshape(len(x), -1, *(2 for _ in coarse), *coarse)
        order = [axis for i in range(axes) for axis in (2 + axes + i, 2 + i)]
        x = x.permute(0, 1, *order).reshape(*x.shape[:2], *(2 * side for side in coarse))
        for axis, side in enumerate(self.grid, start=2):
            x = x.narrow(axis, 0, side)
        return x


class Decoder(nn.Module):
    """Latents ``(n, d)`` to what the likelihood wants ``(n, fields, *grid)``: standardised grey
    levels, or logits of phases.

    The last step paints blocks of pixels from the grid before (Shi et al. 2016,
    https://arxiv.org/abs/1609.05158): twice as fast as convolving at full size, and here as
    accurate.
    """

    def __init__(self, latents: int, shape: Shape) -> None:
        super().__init__()
        norm = LAYERS[len(shape.grid)][1]
        grids = shape.grids
        self.start = (shape.widths[-1], *grids[-1])
        self.linear = nn.Linear(latents, shape.coarse)
        layers: list[nn.Module] = [nn.SiLU()]
        steps = zip(pairwise(reversed(shape.widths)), reversed(grids[1:-1]), strict=True)
        for (a, b), size in steps:
            layers += [Enlarge(size), *_convolution(a, b, shape, 3, 1, bias=False)]
            layers += [norm(b), nn.SiLU()]
        painted = shape.fields * 2 ** len(shape.grid)
        layers += _convolution(shape.widths[0], painted, shape, 3, 1, bias=True)
        self.layers = nn.Sequential(*layers, Interleave(shape.grid))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(self.linear(z).view(-1, *self.start))


class Autoencoder(nn.Module):
    """Trunk, a linear map to the latents, decoder; ``forward`` gives the reconstruction."""

    def __init__(self, shape: Shape, latents: int) -> None:
        super().__init__()
        self.trunk = trunk(shape)
        self.head = nn.Linear(shape.coarse, latents)
        # Latents without scale would let the decoder's weights drift; this fixes their spread.
        self.norm = nn.BatchNorm1d(latents, affine=False)
        self.decoder = Decoder(latents, shape)

    def encode(self, x: Tensor) -> Tensor:
        return self.norm(self.head(self.trunk(x).flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encode(x))


class Variational(NamedTuple):
    """What a variational network answers: the reconstruction, the mean and log variance of the
    free latents ``(n, d)``, and the aligned latents ``(n, k)``, where there are any."""

    output: Tensor
    mean: Tensor
    log_variance: Tensor
    aligned: Tensor


def drawn(mean: Tensor, log_variance: Tensor, training: bool) -> Tensor:
    """A sample of the posterior while training, its mean otherwise."""
    if not training:
        return mean
    return mean + (0.5 * log_variance).exp() * torch.randn_like(mean)


class VariationalAutoencoder(nn.Module):
    """Trunk, mean and variance of the latents, decoder.

    With ``aligned > 0`` the first latents are a perceptron of the trunk's mean over the grid: a
    factor such as a volume fraction describes the image as a whole, wherever its parts lie. The
    decoder sees them with noise of standard deviation ``noise`` and without a way back: it must
    use them, and cannot bend them to carry anything besides the factors.
    """

    def __init__(self, shape: Shape, free: int, aligned: int = 0, noise: float = 0.0) -> None:
        super().__init__()
        self.trunk = trunk(shape)
        self.free = nn.Linear(shape.coarse, 2 * free)
        self.noise = noise
        self.aligned = aligned
        if aligned:
            hidden = 64
            self.perceptron = nn.Sequential(
                nn.Linear(shape.widths[-1], hidden), nn.SiLU(), nn.Linear(hidden, aligned)
            )
        self.decoder = Decoder(aligned + free, shape)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log variance of the free latents, and the aligned latents."""
        features = self.trunk(x)
        mean, log_variance = self.free(features.flatten(1)).chunk(2, dim=1)
        aligned = mean[:, :0]
        if self.aligned:
            aligned = self.perceptron(features.flatten(2).mean(dim=2))
        return mean, log_variance.clamp(*LOG_VARIANCE), aligned

    def encode(self, x: Tensor) -> Tensor:
        """Aligned latents, then the posterior means of the free ones ``(n, k + d)``."""
        mean, _, aligned = self.posterior(x)
        return torch.cat([aligned, mean], dim=1)

    def forward(self, x: Tensor) -> Variational:
        mean, log_variance, aligned = self.posterior(x)
        given = aligned.detach()
        if self.training and self.aligned:
            given = given + self.noise * torch.randn_like(given)
        z = torch.cat([given, drawn(mean, log_variance, self.training)], dim=1)
        return Variational(self.decoder(z), mean, log_variance, aligned)


class Projected(nn.Module):
    """Trunk, mean over the grid, linear map to the latents; ``forward`` gives them widened, as the
    contrastive loss wants them."""

    def __init__(self, shape: Shape, latents: int, widened: int) -> None:
        super().__init__()
        self.trunk = trunk(shape)
        self.head = nn.Linear(shape.widths[-1], latents)
        self.widen = nn.Sequential(
            nn.Linear(latents, widened),
            nn.BatchNorm1d(widened),
            nn.SiLU(),
            nn.Linear(widened, widened),
        )

    def encode(self, x: Tensor) -> Tensor:
        return self.head(self.trunk(x).flatten(2).mean(dim=2))

    def forward(self, x: Tensor) -> Tensor:
        return self.widen(self.encode(x))


def log_likelihood(
    output: Tensor, fields: Tensor, phases: bool, where: Tensor | None = None
) -> Tensor:
    """Negative log-likelihood of ``fields`` per pixel and field, in nats: one number.

    Phases: Bernoulli (one field) or categorical (one field a phase), with the output as logits.
    Others: Gaussian about the output, with the variance that fits this batch best,
    ``½ ln mean (x − x̂)²`` up to a constant (Rybkin et al. 2021, https://arxiv.org/abs/2006.13202),
    floored at a thousandth of the data's spread. ``where`` ``(n, 1, *grid)``: the pixels that
    count; by default all.
    """
    if not phases:
        missed = (output - fields).square().mean(dim=1, keepdim=True)
        return 0.5 * torch.log(_mean(missed, where) + 1e-6)
    if fields.shape[1] == 1:
        binary = nn.functional.binary_cross_entropy_with_logits
        return _mean(binary(output, fields, reduction="none"), where)
    return _mean(-(fields * output.log_softmax(dim=1)).sum(dim=1, keepdim=True), where)


def _mean(values: Tensor, where: Tensor | None) -> Tensor:
    """The mean of values ``(n, 1, *grid)`` over all pixels, or those that count."""
    return values.mean() if where is None else values[where].mean()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence from N(0, 1), summed over latents, mean over images: one number in nats.

    Examples
    --------
    >>> divergence(torch.ones(4, 3), torch.zeros(4, 3)).item()
    1.5
    """
    each = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
    return each.sum(dim=1).mean()


def distance_correlation(x: Tensor, y: Tensor) -> Tensor:
    """Bias-corrected squared distance correlation of ``(n, p)`` and ``(n, q)``: one number.

    ``R*² = ⟨A, B⟩ / √(⟨A, A⟩⟨B, B⟩)`` with ``A``, ``B`` the U-centred distance matrices; for
    infinitely many samples it is 0 where, and only where, ``x`` and ``y`` are independent. It may
    be slightly negative by chance. Zero where it is undefined (``n < 4``, constant input).
    Székely & Rizzo 2014, https://doi.org/10.1214/14-AOS1255, eqs. 2.1, 2.4.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 50, dtype=torch.float64)[:, None]
    >>> round(distance_correlation(x, 3 * x).item(), 6)
    1.0
    """
    n = len(x)
    if n < 4:
        return x.new_zeros(())
    a, b = _centred_distances(x), _centred_distances(y)
    size = ((a * a).sum() * (b * b).sum()).clamp_min(1e-20).sqrt()
    return (a * b).sum() / size


def _centred_distances(x: Tensor) -> Tensor:
    """U-centred Euclidean distances ``(n, n)`` between rows, zero on the diagonal."""
    n = len(x)
    square = (x[:, None] - x[None]).square().sum(dim=2)
    # The root has no slope at zero; the diagonal is cut out, coinciding rows get a finite one.
    distance = (square + 1e-12).sqrt() * (1 - torch.eye(n, dtype=x.dtype, device=x.device))
    row = distance.sum(dim=1, keepdim=True) / (n - 2)
    centred = distance - row - row.T + distance.sum() / ((n - 1) * (n - 2))
    return centred * (1 - torch.eye(n, dtype=x.dtype, device=x.device))

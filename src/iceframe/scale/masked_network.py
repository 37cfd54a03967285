"""The network of the masked autoencoder: a transformer that sees some patches, one that paints.

Both tell places by the distances of tokens. He et al. 2022, https://arxiv.org/abs/2111.06377.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from iceframe.scale.encoder_networks import Shape
from iceframe.scale.transformer import Mixer, Tokens, Transformer, patch_for

LEAST_SPREAD = 0.01
"""Axes along which the mean token varies by less than this share of the first are not blown up."""

MOST_HEADS = 4


class Painted(NamedTuple):
    """What is painted ``(n, fields, *grid)``, and where it was hidden ``(n, 1, *grid)``."""

    output: Tensor
    hidden: Tensor


class MaskedAutoencoder(nn.Module):
    """Trunk on visible patches, decoder on all places; ``encode`` sees whole images.

    ``width`` and ``painting``: of the tokens that see and of those that paint; ``share``: of the
    patches that is hidden. In evaluation the same places are hidden in every epoch, so that losses
    can be compared.
    """

    centre: Tensor
    axes: Tensor

    def __init__(
        self,
        shape: Shape,
        latents: int,
        width: int,
        painting: int,
        depth: int,
        share: float,
        patch: int | None = None,
    ) -> None:
        super().__init__()
        tokens = Tokens(
            shape.fields, shape.grid, patch or patch_for(shape.grid), width, periodic=shape.periodic
        )
        self.trunk = Transformer(tokens, width, depth, heads_for(width))
        self.decoder = Painter(shape, tokens, width, painting)
        self.count = math.prod(tokens.counts)
        self.visible = min(max(1, round((1 - share) * self.count)), self.count - 1)
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("axes", torch.eye(width, latents))

    def mean_token(self, x: Tensor) -> Tensor:
        """The mean token of whole images ``(n, width)``."""
        return self.trunk(x)[0].mean(dim=1)

    def encode(self, x: Tensor) -> Tensor:
        """The mean token along its axes ``(n, latents)``."""
        return (self.mean_token(x) - self.centre) @ self.axes

    def turn_to(self, tokens: np.ndarray) -> None:
        """Take the principal axes of mean tokens ``(n, width)``, standardised, as the latents."""
        centred = tokens - tokens.mean(axis=0)
        _, spread, axes = np.linalg.svd(centred / np.sqrt(len(tokens)), full_matrices=False)
        missing = len(self.centre) - len(spread)  # with fewer images than entries
        spread, axes = np.pad(spread, (0, missing)), np.pad(axes, ((0, missing), (0, 0)))
        largest = np.abs(axes).argmax(axis=1)[:, None]
        axes = axes * np.where(np.take_along_axis(axes, largest, 1) < 0, -1, 1)  # one of two signs
        scaled = axes.T / np.maximum(spread, max(LEAST_SPREAD * spread[0], 1e-12))
        self.centre.copy_(torch.as_tensor(tokens.mean(axis=0)))
        self.axes.copy_(torch.as_tensor(scaled[:, : self.axes.shape[1]]))

    def forward(self, x: Tensor) -> Painted:
        seen = self._order(len(x)).to(x.device)[:, : self.visible]
        t, _ = self.trunk(x, seen)
        hidden = torch.ones(len(x), self.count, dtype=torch.bool, device=x.device)
        hidden = hidden.scatter(1, seen, False)
        return Painted(self.decoder(t, seen), self.decoder.spread(hidden))

    def _order(self, n: int) -> Tensor:
        """The patches of each image in random order ``(n, tokens)``."""
        generator = None if self.training else torch.Generator().manual_seed(0)
        return torch.rand(n, self.count, generator=generator).argsort(dim=1)


class Painter(nn.Module):
    """Tokens ``(n, v, width)`` that were seen, at their places, to fields ``(n, fields, *grid)``;
    at all other places stands one learned token."""

    def __init__(self, shape: Shape, tokens: Tokens, width: int, painting: int) -> None:
        super().__init__()
        self.grid, self.counts, self.patch = shape.grid, tokens.counts, tokens.patch
        self.enter = nn.Linear(width, painting)
        self.unseen = nn.Parameter(0.02 * torch.randn(painting))
        self.mixer = Mixer(tokens, painting, 1, heads_for(painting))
        self.paint = nn.Linear(painting, shape.fields * self.patch ** len(self.grid))

    def forward(self, t: Tensor, seen: Tensor) -> Tensor:
        every = self.unseen.expand(len(t), math.prod(self.counts), -1)
        entered = self.enter(t)
        every = every.scatter(1, seen[..., None].expand_as(entered), entered)
        return self.laid(self.paint(self.mixer(every)[0]))

    def laid(self, patches: Tensor) -> Tensor:
        """Patches ``(n, tokens, fields patch^D)`` side by side, cut to the grid."""
        axes = len(self.grid)
        x = patches.view(len(patches), *self.counts, -1, *(self.patch for _ in self.grid))
        order = [place for i in range(axes) for place in (1 + i, 2 + axes + i)]
        x = x.permute(0, 1 + axes, *order)
        x = x.reshape(*x.shape[:2], *(count * self.patch for count in self.counts))
        for axis, side in enumerate(self.grid, start=2):
            x = x.narrow(axis, 0, side)
        return x

    def spread(self, of_tokens: Tensor) -> Tensor:
        """One value a token ``(n, tokens)`` to all its pixels ``(n, 1, *grid)``."""
        pixels = self.patch ** len(self.grid)
        return self.laid(of_tokens[..., None].expand(-1, -1, pixels))


def heads_for(width: int) -> int:
    """As many heads as divide the width, at most four."""
    return max(h for h in range(1, MOST_HEADS + 1) if width % h == 0)

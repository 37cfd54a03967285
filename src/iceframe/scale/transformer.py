"""A vision transformer for small data, on images and volumes.

An image is cut into patches, each patch becomes a token, and ``L`` pre-norm blocks mix the tokens:

``t ← t + s₁ Attention(Norm t)``, ``t ← t + s₂ MLP(Norm t)``,
``Attention = softmax(q kᵀ/√c + b) v``

with learned scales ``s`` that start small. A linear map of the mean token is the answer. Where a
token lies is told in sines and cosines of its place, whose periods divide the image's side where
opposite edges meet: the two sides of an edge are then as near as they are on the torus.

- ``relative`` places enter as ``b``, a small perceptron of the sines and cosines of the *distance*
  of two tokens. The answer for a periodic image does not change when it is rolled by whole
  patches: there is nothing to learn by moving training images so.
- ``absolute`` places are added to the tokens, for what must know where it is (a masked
  autoencoder paints patches at places).

What helps where samples are few: a stem of convolutions before the patches are cut, few and narrow
blocks, dropping whole branches while training. Samples never mix, and everything is twice
differentiable (training on input gradients).

References: Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929; Xiao et al. 2021 (stem),
https://arxiv.org/abs/2106.14881; Touvron et al. 2021 (small scales),
https://arxiv.org/abs/2103.17239; Huang et al. 2016 (dropping branches),
https://arxiv.org/abs/1603.09382; Liu et al. 2022 (perceptron of distances),
https://arxiv.org/abs/2111.09883.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from iceframe.core.errors import UsageError
from iceframe.scale.networks import LAYERS, Wrap

Places = Literal["relative", "absolute", "none"]

FIRST_SCALE = 0.1
"""What a block's branches are multiplied by at first: deep stacks start near the identity."""

TOKENS = 64
"""About as many tokens make an image where the patch is not said."""

BIAS_HIDDEN = 32
STEM_GROUPS = 4


def patch_for(grid: Sequence[int], tokens: int = TOKENS) -> int:
    """The side of a patch, a power of two, that makes about ``tokens`` of them.

    Examples
    --------
    >>> patch_for((64, 64)), patch_for((32, 32, 32)), patch_for((15, 12)), patch_for((4, 4))
    (8, 8, 2, 1)
    """
    side = (math.prod(grid) / tokens) ** (1 / len(grid))
    return int(2 ** max(0, round(math.log2(side))))


def place_features(
    places: Tensor, sides: Sequence[float], tokens: Sequence[int], periodic: bool
) -> Tensor:
    """Sines and cosines of ``places`` ``(..., D)`` in pixels: ``(..., features)``.

    Along an axis of ``side`` pixels and ``t`` tokens, ``sin`` and ``cos`` of ``2π f x/side`` for
    ``f = 1 … ⌊t/2⌋``: all that ``t`` tokens on a ring can tell apart. Where edges do not meet, of
    ``π f x/side``, so that the two ends differ most.
    """
    turn = 2 * math.pi if periodic else math.pi
    found = []
    for axis, (side, count) in enumerate(zip(sides, tokens, strict=True)):
        waves = torch.arange(1, count // 2 + 1, dtype=torch.float64)
        angle = turn * waves * places[..., axis, None].double() / side
        found += [angle.sin(), angle.cos()]
    return torch.cat(found, dim=-1).float()


class Tokens(nn.Module):
    """Images ``(n, channels, *grid)`` to tokens ``(n, tokens, width)``, in row order.

    ``stem``: channels of convolutions before the patches are cut, each halving the grid; ``()``
    cuts the image itself. Where the patch does not divide the grid, the image is continued at its
    far edges: by itself where opposite edges meet, else by its last pixels.

    Attributes
    ----------
    counts : tokens along each axis. places : buffer ``(tokens, D)``, the first pixel of each.
    """

    places: Tensor

    def __init__(
        self,
        channels: int,
        grid: Sequence[int],
        patch: int,
        width: int,
        *,
        periodic: bool = False,
        stem: Sequence[int] = (),
    ) -> None:
        super().__init__()
        halved = 2 ** len(stem)
        if patch < 1 or patch % halved:
            raise UsageError(
                "The patch must be a multiple of 2 for every convolution of the stem.",
                got=f"patch {patch}, stem {tuple(stem)}",
            )
        self.grid, self.patch, self.periodic = tuple(grid), patch, periodic
        self.counts = tuple(math.ceil(side / patch) for side in grid)
        convolution = LAYERS[len(self.grid)][0]
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise([channels, *stem])):
            size = 5 if i == 0 else 3
            reach = size // 2
            if periodic:
                layers.append(Wrap(reach))
            layers.append(convolution(a, b, size, 2, 0 if periodic else reach, bias=False))
            layers += [nn.GroupNorm(math.gcd(b, STEM_GROUPS), b), nn.SiLU()]
        rest = patch // halved
        layers.append(convolution([channels, *stem][-1], width, rest, rest))
        self.layers = nn.Sequential(*layers)
        starts = [torch.arange(count) * patch for count in self.counts]
        places = torch.cartesian_prod(*starts).reshape(-1, len(self.grid))
        self.register_buffer("places", places, persistent=False)

    def continued(self, x: Tensor) -> Tensor:
        """``x`` as large as the patches together."""
        for axis, (side, count) in enumerate(zip(self.grid, self.counts, strict=True), start=2):
            whole = count * self.patch
            if whole != side:
                place = torch.arange(whole, device=x.device)
                place = place % side if self.periodic else place.clamp(max=side - 1)
                x = x.index_select(axis, place)
        return x

    def features(self) -> Tensor:
        """Sines and cosines of the tokens' places ``(tokens, features)``."""
        return place_features(self.places, self.grid, self.counts, self.periodic)

    def distances(self) -> Tensor:
        """Sines and cosines of the way from token to token ``(tokens, tokens, features)``."""
        way = self.places[None] - self.places[:, None]
        return place_features(way, self.grid, self.counts, self.periodic)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(self.continued(x)).flatten(2).transpose(1, 2)


def attend(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, fused: bool
) -> tuple[Tensor, Tensor | None]:
    """``softmax(q kᵀ/√c + b) v`` of ``(n, heads, tokens, c)``, and the weights unless ``fused``.

    The fused kernel is faster, keeps no weights, and cannot be differentiated twice.
    """
    if fused:
        return nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias), None
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    weights = (scores if bias is None else scores + bias).softmax(dim=-1)
    return weights @ v, weights


class Block(nn.Module):
    """Attention, then a perceptron on each token; both pre-normed, scaled and added.

    ``ratio``: width of the perceptron over that of the tokens; ``drop``: probability with which a
    sample goes past a branch while training.
    """

    def __init__(self, width: int, heads: int, ratio: float = 2.0, drop: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise UsageError("The heads must divide the width.", got=f"width {width}, {heads}")
        self.heads, self.drop = heads, drop
        hidden = round(ratio * width)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.mix = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width)
        )
        self.scales = nn.ParameterList(
            [nn.Parameter(torch.full((width,), FIRST_SCALE)) for _ in self.norms]
        )

    def forward(
        self, t: Tensor, bias: Tensor | None = None, fused: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens ``(n, tokens, width)``, and unless ``fused`` the attention weights ``(n, heads,
        tokens, tokens)``, whose rows (what a token looks at) sum to 1. ``bias``: added to the
        scores, ``(heads, tokens, tokens)`` or ``(n, heads, tokens, tokens)``."""
        n, tokens, width = t.shape
        mixed = self.mix(self.norms[0](t)).view(n, tokens, 3, self.heads, width // self.heads)
        q, k, v = mixed.permute(2, 0, 3, 1, 4)  # each (n, heads, tokens, c)
        seen, weights = attend(q, k, v, bias, fused)
        seen = self.join(seen.transpose(1, 2).reshape(n, tokens, width))
        t = t + self._kept(self.scales[0] * seen)
        return t + self._kept(self.scales[1] * self.perceptron(self.norms[1](t))), weights

    def _kept(self, branch: Tensor) -> Tensor:
        """The branch, left out for a share of the samples while training."""
        if not self.training or self.drop == 0:
            return branch
        kept = torch.rand(len(branch), 1, 1, device=branch.device) >= self.drop
        return branch * kept / (1 - self.drop)


class Mixer(nn.Module):
    """Blocks, the places of the tokens, and a last norm: tokens ``(n, tokens, width)`` to tokens.

    ``drop``: probability with which a sample goes past a branch of the last block while training,
    rising linearly from none at the first. ``tokens`` say where they lie.
    """

    where: Tensor

    def __init__(
        self,
        tokens: Tokens,
        width: int,
        depth: int,
        heads: int,
        *,
        places: Places = "relative",
        ratio: float = 2.0,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        where = tokens.distances() if places == "relative" else tokens.features()
        features = where.shape[-1]
        self.places = places if features else "none"
        if self.places == "absolute":
            self.place = nn.Linear(features, width)
        if self.places == "relative":
            self.bias = nn.Sequential(
                nn.Linear(features, BIAS_HIDDEN),
                nn.SiLU(),
                nn.Linear(BIAS_HIDDEN, depth * heads, bias=False),
            )
        self.register_buffer("where", where, persistent=False)
        self.blocks = nn.ModuleList(
            [Block(width, heads, ratio, drop * i / max(1, depth - 1)) for i in range(depth)]
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self, t: Tensor, seen: Tensor | None = None, fused: bool = True
    ) -> tuple[Tensor, list[Tensor]]:
        """Tokens after the last block, and unless ``fused`` the attention weights of every block
        ``(n, heads, tokens, tokens)``. ``seen`` ``(n, v)``: which tokens ``t`` are, where they are
        not all of them in order."""
        if self.places == "absolute":
            t = t + self.place(self.where if seen is None else self.where[seen])
        attention = []
        for block, bias in zip(self.blocks, self._biases(seen), strict=True):
            t, weights = block(t, bias, fused)
            if weights is not None:
                attention.append(weights)
        return self.norm(t), attention

    def _biases(self, seen: Tensor | None) -> list[Tensor | None]:
        """What is added to the scores of each block."""
        if self.places != "relative":
            return [None] * len(self.blocks)
        bias = self.bias(self.where)  # (tokens, tokens, depth heads)
        if seen is not None:
            bias = bias[seen[:, :, None], seen[:, None, :]]  # (n, v, v, depth heads)
        return list(bias.movedim(-1, -3).chunk(len(self.blocks), dim=-3))


class Transformer(nn.Module):
    """Images ``(n, channels, *grid)`` to tokens that have seen each other ``(n, tokens, width)``.

    ``mixing``: as :class:`Mixer`.
    """

    def __init__(self, tokens: Tokens, width: int, depth: int, heads: int, **mixing: Any) -> None:
        super().__init__()
        self.tokens = tokens
        self.mixer = Mixer(tokens, width, depth, heads, **mixing)

    def forward(
        self, x: Tensor, seen: Tensor | None = None, fused: bool | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Tokens, and unless ``fused`` the attention weights of every block.

        ``seen`` ``(n, v)``: positions of the only tokens that are looked at, ``v`` a sample; the
        others do not enter. ``fused`` is by default what the second derivative allows: whoever
        asks for the slope along the images may ask for the slope of that.
        """
        if fused is None:
            fused = not (x.requires_grad and torch.is_grad_enabled())
        t = self.tokens(x)
        if seen is not None:
            t = t.take_along_dim(seen[..., None], dim=1)
        return self.mixer(t, seen, fused)


class VisionTransformer(nn.Module):
    """Images ``(n, channels, *grid)`` to ``(n, outputs)``: a linear map of the mean token.

    ``patch``: pixels along a patch (default: :func:`patch_for`, at least what the ``stem`` needs);
    ``drop``: as :class:`Transformer`; ``dropout``: of the mean token's entries.
    """

    def __init__(
        self,
        channels: int,
        grid: Sequence[int],
        outputs: int,
        patch: int | None = None,
        width: int = 96,
        depth: int = 4,
        heads: int = 4,
        periodic: bool = False,
        *,
        stem: Sequence[int] = (),
        places: Places = "relative",
        ratio: float = 2.0,
        drop: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        patch = patch or max(patch_for(grid), 2 ** len(stem))
        tokens = Tokens(channels, grid, patch, width, periodic=periodic, stem=stem)
        self.transformer = Transformer(
            tokens, width, depth, heads, places=places, ratio=ratio, drop=drop
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, outputs)

    @property
    def counts(self) -> tuple[int, ...]:
        """Tokens along each axis; they are in row order."""
        return self.transformer.tokens.counts

    def forward(self, x: Tensor) -> Tensor:
        tokens, _ = self.transformer(x)
        return self.head(self.dropout(tokens.mean(dim=1)))

    def with_attention(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The answer, and the attention weights of every block ``(n, heads, tokens, tokens)``, in
        the graph of the answer."""
        tokens, attention = self.transformer(x, fused=False)
        return self.head(self.dropout(tokens.mean(dim=1))), attention

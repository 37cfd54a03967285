"""Attention between the elements of a composition, and many such networks side by side.

A composition is a set of tokens, one for each element that is there: what is known of the element,
and its amount ``f`` in sines and cosines of ``f`` and of ``log f`` (amounts of a few parts in ten
thousand matter in steels). Blocks of attention let the tokens look at each other; the answer is

    head([Σ_i f_i t_i, plain columns]) + Σ_i f_i r_i,

with a number ``r_i`` for each element, the rule of mixtures that the network begins from.

References: Wang et al. 2021, CrabNet, doi:10.1038/s41524-021-00545-1; Vaswani et al. 2017,
attention, https://arxiv.org/abs/1706.03762.
"""

from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from iceframe.scale.element_features import feature_tensor
from iceframe.scale.transformer import Block

SMALLEST = 1e-5
"""Amounts below this look all the same on the logarithmic scale."""

WAVES = 8
"""Sines, each with its cosine, of an amount on each of the two scales; each twice as fast."""

FIRST_OWN = 0.1
"""Spread of what an element has of its own at first, beside its properties."""

NEVER = -1e9
"""Added to the score of a token that is not there."""


class Tokens(NamedTuple):
    """Compositions as tokens: ``numbers`` (0: none) and ``amounts`` ``(..., t)``, the columns
    ``(..., t)`` they stand in, most abundant first, and ``plain`` columns ``(..., p)``."""

    numbers: Tensor
    amounts: Tensor
    columns: Tensor
    plain: Tensor


def tokens_of(x: Tensor, elements: Tensor) -> Tokens:
    """Tokens of ``x`` ``(..., e + p)``: atomic fractions of ``elements`` ``(e,)``, then plain
    columns. A row without any element has one token, of an element that is not known.

    Examples
    --------
    >>> found = tokens_of(torch.tensor([[0.25, 0.0, 0.75], [0.0, 0.0, 0.0]]),
    ...                   torch.tensor([26, 27, 28]))
    >>> found.numbers.tolist(), found.amounts.tolist()
    ([[28, 26], [0, 0]], [[0.75, 0.25], [1.0, 0.0]])
    """
    fractions, plain = x[..., : len(elements)], x[..., len(elements) :]
    most = max(1, int((fractions > 0).sum(dim=-1).max())) if fractions.numel() else 1
    amounts, columns = fractions.topk(most, dim=-1)
    numbers = torch.where(amounts > 0, elements[columns], 0)
    unknown = (amounts[..., :1] <= 0).to(amounts)
    amounts = torch.cat([amounts[..., :1] + unknown, amounts[..., 1:]], dim=-1)
    return Tokens(numbers, amounts, columns, plain)


def amount_features(amounts: Tensor) -> Tensor:
    """Sines and cosines of amounts in [0, 1] on a linear and a logarithmic scale:
    ``(..., 4 WAVES)``."""
    logarithm = 1 - amounts.clamp(min=SMALLEST).log10() / math.log10(SMALLEST)
    scales = torch.stack([amounts, logarithm], dim=-1)  # both from 0 to 1
    waves = math.pi / 2 * 2 ** torch.arange(WAVES, device=amounts.device)
    angles = (scales[..., None] * waves).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class CompositionNetwork(nn.Module):
    """One network: numbers and amounts ``(n, t)`` and plain columns ``(n, p)`` to answers
    ``(n, outputs)`` and the attention weights of every block ``(n, blocks, heads, t, t)``."""

    features: Tensor

    def __init__(
        self,
        outputs: int,
        plain: int,
        *,
        width: int,
        layers: int,
        heads: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("features", feature_tensor(), persistent=False)  # (119, p)
        elements, properties = self.features.shape
        self.known = nn.Linear(properties, width)
        self.own = nn.Parameter(FIRST_OWN * torch.randn(elements, width))
        self.amount = nn.Linear(4 * WAVES, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(
            nn.Linear(width + plain, 2 * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, outputs),
        )
        self.reference = nn.Parameter(torch.zeros(elements, outputs))

    def forward(self, numbers: Tensor, amounts: Tensor, plain: Tensor) -> tuple[Tensor, Tensor]:
        t = (self.known(self.features) + self.own)[numbers] + self.amount(amount_features(amounts))
        bias = torch.where(amounts > 0, 0.0, NEVER)[:, None, None, :]  # (n, 1, 1, t)
        attention = []
        for block in self.blocks:
            t, weights = block(t, bias, fused=False)
            attention.append(weights)
        share = (amounts / amounts.sum(dim=1, keepdim=True))[..., None]
        pooled = (share * self.norm(t)).sum(dim=1)
        mixture = (share * self.reference[numbers]).sum(dim=1)
        answer = self.head(torch.cat([pooled, plain], dim=1)) + mixture
        return answer, torch.stack(attention, dim=1)


class CompositionEnsemble(nn.Module):
    """``m`` networks side by side: ``(m, n, e + p)`` to ``(m, n, outputs)``.

    Every parameter's first axis is the member, as :func:`iceframe.scale.training.train` has it;
    its name is the network's, with slashes for dots.
    """

    elements: Tensor
    features: Tensor

    def __init__(self, members: int, elements: Tensor, outputs: int, **shape: Any) -> None:
        super().__init__()
        networks = [CompositionNetwork(outputs, **shape) for _ in range(members)]
        self.register_buffer("elements", elements, persistent=False)
        self.register_buffer("features", feature_tensor(), persistent=False)
        named = [dict(network.named_parameters()) for network in networks]
        self.stacked = nn.ParameterDict(
            {
                name.replace(".", "/"): nn.Parameter(torch.stack([n[name].detach() for n in named]))
                for name in named[0]
            }
        )
        # The network itself holds no weights: a list hides it from the parameters of this module.
        self._plan = [copy.deepcopy(networks[0]).to("meta")]

    def begin(self, reference: Tensor) -> None:
        """Begin from what each element adds ``(119, outputs)``."""
        with torch.no_grad():
            self.stacked["reference"].copy_(reference)

    def forward(self, x: Tensor) -> Tensor:
        return self.with_attention(x)[0]

    def with_attention(self, x: Tensor) -> tuple[Tensor, Tensor, Tokens]:
        """Answers ``(m, n, outputs)``, attention weights ``(m, n, blocks, heads, t, t)``, whose
        rows (what a token looks at) sum to 1, and the tokens."""
        found = tokens_of(x, self.elements)
        plan = self._plan[0].train(self.training)
        features = self.features

        def one(weights: dict[str, Tensor], *tokens: Tensor) -> Any:
            return functional_call(plan, {**weights, "features": features}, tokens)

        weights = {name.replace("/", "."): value for name, value in self.stacked.items()}
        answers, attention = vmap(one, randomness="different")(
            weights, found.numbers, found.amounts, found.plain
        )
        return answers, attention, found

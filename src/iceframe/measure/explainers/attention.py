"""What a vision transformer looks at: its attention, followed from the answer to the image.

Block ``l`` mixes tokens by weights ``A_l`` ``(heads, tokens, tokens)`` whose rows sum to one: row
``i`` says what token ``i`` looks at. There is no class token: the answer reads the mean of all, so
that a row ``r`` of importances starts equal everywhere. It goes from the last block to the first.

* Rollout (Abnar & Zuidema 2020): ``r ← ½ r + ½ r ⟨A_l⟩`` from ``1/tokens``, with ``⟨·⟩`` the mean
  over heads. Half stays where it is, for the branch that goes past the attention.
* Gradient-weighted (Chefer, Gur & Wolf 2021, eq. 5 and 6): ``r ← r + r Ā_l`` with
  ``Ā_l = ⟨max(0, A_l ∂f/∂A_l)⟩`` from 1 (that the mean is read is in the derivative), less the
  start, which they leave out by reading the class token's row without its own column.

The second rule mixes powers of ``∂f``: of what two blocks do together it holds the square. Of a
logit that is as good as any; of a property in MPa another map would come out than in GPa. Here
``Ā`` is therefore first divided by its largest row sum, over all blocks of the image, and the map
multiplied by it: its terms of first order are theirs, and it is in the unit of the score. With one
block both are the same.

Neither sees what goes past the attention: a token is in the mean itself, and a transformer whose
task is a sum over patches need not look from one to another. It has a map nevertheless, of looks
that the answer hardly uses. See whether the map moves the score (insertion, deletion, flips)
before it is believed.

Weights are computed only while an explanation asks for them, by hooks: training and prediction go
through the fused kernel, which keeps none. The weights that are recorded are the ones that the
answer was computed with. A token's importance is put at the middle of its patch and interpolated
linearly between, around the edges where opposite ones meet.

References: Abnar & Zuidema 2020, https://arxiv.org/abs/2005.00928; Chefer, Gur & Wolf 2021,
https://arxiv.org/abs/2103.15679.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.measure.explainer import (
    EXPLAINERS,
    Background,
    ImageExplainer,
    Meaning,
    Needs,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from iceframe.measure.image_model import ImageModel
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.transformer import Tokens, Transformer

NO_ATTENTION = "it follows the attention of one vision transformer, and here is none"


class AttentionExplainer(ImageExplainer):
    """Importances of tokens, put on the image's grid."""

    needs: ClassVar[Needs] = "attention"
    meaning: ClassVar[Meaning] = "importance"

    def refusal(self, fitted: Fitted) -> str:
        unfit = super().refusal(fitted)
        if unfit:
            return unfit
        estimator = fitted.estimator
        if not hasattr(estimator, "torch_model") or transformer_of(estimator.torch_model()) is None:
            return f"{NO_ATTENTION} ('{fitted.rung.name}')"
        return ""

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        transformer = transformer_of(model.module)
        if transformer is None:
            raise UsageError(f"The explainer '{self.name}' cannot be used here: {NO_ATTENTION}.")

        def of(images: Tensor, codes: Tensor | None) -> Tensor:
            importance = self.of_tokens(model, transformer, images, codes)
            return on_grid(importance, transformer.tokens, tuple(images.shape[2:]))

        return model.in_batches(of, x, codes)

    @abstractmethod
    def of_tokens(
        self, model: ImageModel, transformer: Transformer, x: Tensor, codes: Tensor | None
    ) -> Tensor:
        """Importances ``(n, tokens)`` for the scores of images ``x``."""


@EXPLAINERS.register("attention_rollout")
class AttentionRollout(AttentionExplainer):
    """The share of each token in what the mean token has seen: a map sums, over tokens, to one.

    Trap: it does not know the question. It is the same for every output and every sign, counts a
    token that is looked at and then ignored, and takes half for the share of each attention,
    whatever the scales of the branches have learned.
    """

    name = "attention_rollout"
    title = "attention rollout"
    summary = "what the mean token has looked at, followed through all blocks"
    reference = "Abnar & Zuidema 2020, https://arxiv.org/abs/2005.00928"

    def of_tokens(
        self, model: ImageModel, transformer: Transformer, x: Tensor, codes: Tensor | None
    ) -> Tensor:
        import torch

        with torch.no_grad(), recorded(transformer) as attention:
            model.answer(x)
        row = _equal(attention[0], 1 / attention[0].shape[-1])
        for weights in reversed(attention):
            row = 0.5 * (row + row @ weights.mean(dim=1))
        return row[:, 0]


@EXPLAINERS.register("attention_gradient")
class AttentionGradient(AttentionExplainer):
    """Attention times the score's derivative to it, where that raises the score.

    Trap: what lowers the score is not seen: a property and its negative have different maps. And
    rows of attention sum to one, so that only differences of the derivative along a row mean
    anything; the rule takes it as it stands, and a common part of all values counts.
    """

    name = "attention_gradient"
    title = "gradient-weighted attention"
    summary = "attention that raises the score, followed through all blocks"
    reference = "Chefer, Gur & Wolf 2021, https://arxiv.org/abs/2103.15679"

    def of_tokens(
        self, model: ImageModel, transformer: Transformer, x: Tensor, codes: Tensor | None
    ) -> Tensor:
        import torch

        with torch.enable_grad(), recorded(transformer) as attention:
            # Through the image, so that there is a graph where all weights are frozen.
            answer = model.answer(x.detach().requires_grad_(), codes)
            slopes = torch.autograd.grad(answer.sum(), attention)
        raising = [
            (weights.detach() * slope).clamp(min=0).mean(dim=1)
            for weights, slope in zip(attention, slopes, strict=True)
        ]
        sums = torch.stack([part.sum(dim=-1) for part in raising])  # (blocks, n, tokens)
        strength = sums.amax(dim=(0, 2))[:, None, None]
        safe = torch.where(strength > 0, strength, torch.ones_like(strength))
        start = row = _equal(raising[0], 1.0)
        for part in reversed(raising):
            row = row + row @ (part / safe)
        return ((row - start) * strength)[:, 0]


def transformer_of(module: nn.Module) -> Transformer | None:
    """The one transformer in a module; ``None`` where there is none, or several."""
    from iceframe.scale.transformer import Transformer

    found = [part for part in module.modules() if isinstance(part, Transformer)]
    return found[0] if len(found) == 1 else None


@contextmanager
def recorded(transformer: Transformer) -> Iterator[list[Tensor]]:
    """A list that holds, after a call of the model while this lasts, the attention weights of every
    block ``(n, heads, tokens, tokens)``, first block first, in the graph of the answer."""
    attention: list[Tensor] = []

    def ask(module: nn.Module, args: Any, named: Any) -> Any:
        return args[:2], {**named, "fused": False}  # the third is `fused`, too

    def keep(module: nn.Module, args: Any, answer: Any) -> None:
        attention[:] = answer[1]

    hooks = [
        transformer.register_forward_pre_hook(ask, with_kwargs=True),
        transformer.register_forward_hook(keep),
    ]
    try:
        yield attention
    finally:
        for hook in hooks:
            hook.remove()


def on_grid(values: Tensor, tokens: Tokens, grid: tuple[int, ...]) -> Tensor:
    """Values of tokens ``(n, tokens)`` on the grid of the images: ``(n, *grid)``.

    A grid larger than the tokens' own was reduced by a whole factor before the patches were cut.
    """
    import torch

    factor = max(1, min(side // seen for side, seen in zip(grid, tokens.grid, strict=True)))
    fields = values.view(len(values), *tokens.counts)
    for axis, (side, count) in enumerate(zip(grid, tokens.counts, strict=True), start=1):
        weights = interpolation(side, count, tokens.patch * factor, tokens.periodic)
        matrix = torch.from_numpy(weights).to(values)
        fields = torch.tensordot(fields, matrix, dims=([axis], [1])).movedim(-1, axis)
    return fields


def interpolation(side: int, count: int, patch: int, periodic: bool) -> np.ndarray:
    """Weights ``(side, count)`` of ``count`` patches in each of ``side`` pixels; rows sum to one.

    Beyond the middle of the first and the last patch stands their own value, or, where opposite
    edges meet, the line from the last to the first.

    Examples
    --------
    >>> interpolation(4, 2, 2, periodic=False)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    >>> interpolation(4, 2, 2, periodic=True)[0]
    array([0.75, 0.25])
    """
    pixels = np.arange(side) + 0.5
    middles = (np.arange(count) + 0.5) * patch
    around = side if periodic else None
    units = np.eye(count)
    return np.stack([np.interp(pixels, middles, unit, period=around) for unit in units], axis=1)


def _equal(weights: Tensor, value: float) -> Tensor:
    """One value for every token that ``weights`` ``(n, …, tokens)`` look at: ``(n, 1, tokens)``."""
    return weights.new_full((len(weights), 1, weights.shape[-1]), value)

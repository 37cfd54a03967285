"""A differentiable model of images, as explainers and metrics ask it: one score an image.

Everything is asked in batches whose size follows from the number of voxels, so that memory stays
bounded, and answers for an image do not depend on which others are asked with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor, nn

    from iceframe.scale.fitting import Fitted

# As many as a core's caches like: 32 images of 64² are asked a third faster than 256.
VOXELS_AT_ONCE = 2**17
MOST_IMAGES = 256


class ImageModel:
    """A torch module as a function of images.

    Parameters
    ----------
    module : maps float32 images ``(n, channels, *grid)`` to ``(n, k)``: ``k`` targets, or the
        logits of ``k`` classes. It is put into evaluation mode.

    Examples
    --------
    >>> import torch
    >>> mean = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 1, bias=False))
    >>> _ = mean[1].weight.data.fill_(0.25)
    >>> model = ImageModel(mean)
    >>> model.scores(torch.ones(3, 1, 2, 2)).tolist()
    [1.0, 1.0, 1.0]
    >>> model.gradients(torch.ones(1, 1, 2, 2)).flatten().tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    def __init__(self, module: nn.Module) -> None:
        import torch

        self.module = module.eval()
        tensors = (*module.parameters(), *module.buffers())
        self.device = tensors[0].device if tensors else torch.device("cpu")

    @classmethod
    def of(cls, fitted: Fitted) -> ImageModel:
        """The model of a fitted image rung."""
        return cls(fitted.estimator.torch_model())

    def to_device(self, images: np.ndarray) -> Tensor:
        """Images as float32 where the model is."""
        import torch

        return torch.from_numpy(np.array(images, np.float32)).to(self.device)

    def answer(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """Scores ``(n,)`` of images ``x`` that torch can differentiate, all at once.

        ``codes`` ``(n,)``: which of the ``k`` outputs; the first if ``None``.
        """
        out = self.module(x)
        if codes is None:
            return out[:, 0]
        return out.gather(1, codes[:, None])[:, 0]

    def scores(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """Scores ``(n,)`` of images ``x`` ``(n, channels, *grid)``, without a graph."""
        import torch

        with torch.inference_mode():
            return self.in_batches(self.answer, x, codes)

    def gradients(self, x: Tensor, codes: Tensor | None = None) -> Tensor:
        """Derivatives of each score to its own image, of the shape of ``x``."""
        with frozen(self.module):
            return self.in_batches(self._gradient, x, codes)

    def in_batches(
        self,
        function: Callable[[Tensor, Tensor | None], Tensor],
        x: Tensor,
        codes: Tensor | None = None,
    ) -> Tensor:
        """``function(images, codes)``, whose answer has one row an image, over all images."""
        import torch

        parts = [function(x[i], None if codes is None else codes[i]) for i in batches_of(x)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)  # a cat of one is a copy

    def _gradient(self, x: Tensor, codes: Tensor | None) -> Tensor:
        import torch

        with torch.enable_grad():
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.answer(x, codes).sum(), x)
        return gradient


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Parameters that meanwhile want no gradient: nothing is kept or computed for them."""
    wanted = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_()


def batch_size(grid: tuple[int, ...]) -> int:
    """How many images of this grid are asked at once.

    Examples
    --------
    >>> batch_size((64, 64)), batch_size((32, 32, 32)), batch_size((512, 512, 512))
    (32, 4, 1)
    """
    return max(1, min(MOST_IMAGES, VOXELS_AT_ONCE // math.prod(grid)))


def batches_of(x: Tensor) -> Iterator[slice]:
    """Slices of the first axis of images ``(n, channels, *grid)``, at least one."""
    step = batch_size(tuple(x.shape[2:]))
    for start in range(0, max(len(x), 1), step):
        yield slice(start, start + step)

"""What a layer of a network holds of an image, and how the score depends on it.

Activations are averaged over positions (voxels or tokens). The slope of the score to the average is
the sum of its slopes over positions: all positions moved alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from iceframe.measure.image_model import ImageModel


class LayerTap:
    """One layer of a model: its activations ``(n, f)``, and the slopes of the scores to them.

    Parameters
    ----------
    one : any image ``(1, channels, *grid)``. layer : name of the module whose output is meant;
        default what enters the last layer with weights.

    Raises
    ------
    UsageError : no layer of that name, or none with weights.

    Examples
    --------
    >>> import torch
    >>> from iceframe.measure.image_model import ImageModel
    >>> network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 1))
    >>> x = torch.arange(4.0).view(1, 1, 2, 2)
    >>> tap = LayerTap(ImageModel(network), x)
    >>> tap.name, tap.activations(x).tolist()
    ('what enters 1', [[0.0, 1.0, 2.0, 3.0]])
    """

    def __init__(self, model: ImageModel, one: Tensor, layer: str | None = None) -> None:
        self.model = model
        if layer is None:
            self.module, name = self._last_with_weights(one)
            self.before = True
            self.name = f"what enters {name}"
        else:
            found = dict(model.module.named_modules())
            if layer not in found:
                raise UsageError(
                    "The network has no such layer.",
                    got=layer,
                    allowed=", ".join(name for name in found if name),
                )
            self.module, self.name, self.before = found[layer], layer, False

    def _last_with_weights(self, one: Tensor) -> tuple[nn.Module, str]:
        from torch import nn

        kinds = (nn.Linear, nn.Conv2d, nn.Conv3d)
        order: list[tuple[nn.Module, str]] = []

        def note(name: str) -> Any:
            return lambda module, *_: order.append((module, name))

        hooks = [
            module.register_forward_hook(note(name or "the network"))
            for name, module in self.model.module.named_modules()
            if isinstance(module, kinds)
        ]
        try:
            self.model.scores(one)
        finally:
            for hook in hooks:
                hook.remove()
        if not order:
            raise UsageError(
                "This network has no layer with weights to look at.", hint="name a layer"
            )
        return order[-1]

    @contextmanager
    def _listening(self) -> Iterator[list[Tensor]]:
        """The activations of the latest call, once the model was asked."""
        held: list[Tensor] = []
        if self.before:
            hook = self.module.register_forward_pre_hook(lambda _, given: held.append(given[0]))
        else:
            hook = self.module.register_forward_hook(lambda *given: held.append(given[2]))
        try:
            yield held
        finally:
            hook.remove()

    def _positions(self, activation: Tensor) -> tuple[int, ...]:
        """Axes that count positions: all but the sample and the channel."""
        from torch import nn

        last = activation.ndim == 3 or isinstance(self.module, nn.Linear)
        return tuple(range(1, activation.ndim - 1)) if last else tuple(range(2, activation.ndim))

    def activations(self, x: Tensor) -> np.ndarray:
        """Pooled activations ``(n, f)``, float64."""
        import torch

        def read(part: Tensor, codes: Tensor | None) -> Tensor:
            with self._listening() as held:
                self.model.answer(part, codes)
            positions = self._positions(held[-1])
            return held[-1].mean(dim=positions) if positions else held[-1]

        with torch.inference_mode():
            return self.model.in_batches(read, x).cpu().numpy().astype(float)

    def gradients(self, x: Tensor, codes: Tensor | None) -> np.ndarray:
        """Slope of each score to its pooled activations ``(n, f)``, float64."""
        import torch

        def read(part: Tensor, codes: Tensor | None) -> Tensor:
            with torch.enable_grad(), self._listening() as held:
                score = self.model.answer(part.detach().requires_grad_(), codes).sum()
                (slope,) = torch.autograd.grad(score, held[-1], allow_unused=True)
            slope = torch.zeros_like(held[-1]) if slope is None else slope
            positions = self._positions(slope)
            return slope.sum(dim=positions) if positions else slope

        return self.model.in_batches(read, x, codes).cpu().numpy().astype(float)

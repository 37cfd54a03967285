"""Integrals of a score's gradient along the straight way from one image to another.

``c = (x − b) ∫₀¹ ∂f/∂x (b + t (x − b)) dt``

(Sundararajan, Taly & Yan 2017, https://arxiv.org/abs/1703.01365), whose sum is ``f(x) − f(b)``. The
integral is taken by Gauss and Legendre's rule: of a smooth score, it is exact to rounding with few
points.

Where the network begins with layers that are affine, ``h = A x + a`` (standardisation, padding, a
convolution), a straight way of images is a straight way of ``h``, and the integral can be taken
there: ``∫ ∂f/∂x = Aᵀ ∫ ∂f/∂h``. These layers, often the ones on the finest grid, are then passed
twice forward and once backward in all, and not at every point. Nothing is approximated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.measure.image_model import ImageModel, batch_size, batches_of

if TYPE_CHECKING:
    from torch import Tensor, nn


def path_contributions(
    model: ImageModel, x: Tensor, start: Tensor, codes: Tensor | None, points: int
) -> Tensor:
    """What each value of ``x`` adds to the score of ``start``; both ``(n, channels, *grid)``.

    ``points``: where the gradient is asked on each way.
    """
    import torch

    first, rest = divided(model, x[:1])
    places, weights = np.polynomial.legendre.leggauss(points)
    share = torch.from_numpy((places + 1) / 2).to(x)
    at_once = batch_size(tuple(x.shape[2:]))

    def of(part: slice) -> Tensor:
        there, here = x[part].detach(), start[part]
        with torch.no_grad():
            low, high = first(here), first(there)

        def between(chosen: slice) -> Tensor:
            return torch.lerp(low[None], high[None], _leading_axis(share[chosen], low))

        code = None if codes is None else codes[part]
        slope = weighted_gradients(rest, low, between, weights / 2, code, at_once)
        with torch.enable_grad():
            there = there.requires_grad_()
            (slope,) = torch.autograd.grad(first(there), there, slope)
        return slope * (x[part] - here)

    return torch.cat([of(part) for part in batches_of(x)])


def weighted_gradients(
    model: ImageModel,
    x: Tensor,
    variants: Callable[[slice], Tensor],
    weights: np.ndarray,
    codes: Tensor | None,
    at_once: int,
) -> Tensor:
    """``Σ_k weights_k ∂f/∂x`` at variant ``k`` of every image, of the shape of ``x``.

    ``variants``: given a slice of ``k``, images ``(k, *x.shape)``. ``at_once``: about how many are
    asked together.
    """
    import torch

    total = torch.zeros_like(x)
    several = max(1, at_once // max(1, len(x)))
    for begin in range(0, len(weights), several):
        chosen = slice(begin, begin + several)
        these = variants(chosen)
        code = None if codes is None else codes.repeat(len(these))
        slopes = model.gradients(these.flatten(0, 1), code).unflatten(0, these.shape[:2])
        for slope, weight in zip(slopes, weights[chosen], strict=True):
            total.add_(slope, alpha=float(weight))
    return total


def _leading_axis(values: Tensor, x: Tensor) -> Tensor:
    """``values`` ``(k,)`` with axes to multiply ``(k, *x.shape)``."""
    return values.view(-1, *(1 for _ in x.shape))


def divided(model: ImageModel, probe: Tensor) -> tuple[nn.Module, ImageModel]:
    """``first`` and ``rest`` with ``rest(first(x))`` the scores of ``x``, and ``first`` affine.

    ``first`` holds (copies of) the affine layers through which alone the images enter. They are
    sought by passing ``probe`` ``(1, channels, *grid)``; without any, ``first`` does nothing and
    ``rest`` is the model itself.
    """
    import torch
    from torch import nn

    names = _leading(model.module, probe)
    if not names:
        return nn.Identity(), model
    whole = _folded(deepcopy(model.module)).requires_grad_(False)
    first = nn.Sequential(*(whole.get_submodule(name) for name in names))
    for name in names:
        whole.set_submodule(name, nn.Identity())
    blank = torch.zeros_like(probe)

    class Rest(nn.Module):
        """The network from the output of ``first`` on: what enters it is replaced by that."""

        def __init__(self) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, h: Tensor) -> Tensor:
            handle = whole.get_submodule(names[-1]).register_forward_hook(lambda *_: h)
            try:
                return self.whole(blank.expand(len(h), *blank.shape[1:]))
            finally:
                handle.remove()

    return first, ImageModel(Rest())


def _leading(module: nn.Module, probe: Tensor) -> list[str]:
    """Names of the affine layers that the images pass first, one after the other, and alone."""
    import torch

    names = {layer: name for name, layer in module.named_modules() if not list(layer.children())}
    calls: list[tuple[nn.Module, Any, Any]] = []

    def record(layer: nn.Module, given: Any, made: Any) -> None:
        calls.append((layer, given[0] if given else None, made))

    with torch.no_grad():
        _with_hooks(module, list(names), record, probe)
    times = Counter(layer for layer, _, _ in calls)
    passed, found = probe, []
    for layer, given, made in calls:
        if given is not passed or times[layer] > 1 or not isinstance(layer, _affine_layers()):
            break
        found.append(layer)
        passed = made
    if not found:
        return []

    # Does anything else look at the images? The score must not depend on them by another way.
    def cut(layer: nn.Module, given: Any, made: Any) -> Any:
        return made.detach().requires_grad_()

    with torch.enable_grad():
        x = probe.detach().clone().requires_grad_()
        score = _with_hooks(module, found[-1:], cut, x).sum()
        (other,) = torch.autograd.grad(score, x, allow_unused=True)
    return [] if other is not None else [names[layer] for layer in found]


def _with_hooks(module: nn.Module, layers: list[nn.Module], hook: Any, x: Tensor) -> Tensor:
    handles = [layer.register_forward_hook(hook) for layer in layers]
    try:
        return module(x)
    finally:
        for handle in handles:
            handle.remove()


def _affine_layers() -> tuple[type, ...]:
    """Kinds of layer that are affine in evaluation mode."""
    from torch import nn

    from iceframe.scale.image_network import Standardise
    from iceframe.scale.networks import Halve, Wrap

    pools = (nn.AvgPool2d, nn.AvgPool3d)
    norms = (nn.BatchNorm2d, nn.BatchNorm3d)
    return (nn.Conv2d, nn.Conv3d, *norms, *pools, nn.Identity, Standardise, Wrap, Halve)


def _folded(module: nn.Module) -> nn.Module:
    """The module with each batch normalisation made part of the convolution before it."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for row in [layer for layer in module.modules() if type(layer) is nn.Sequential]:
        for i in range(len(row) - 1):
            convolution, norm = row[i], row[i + 1]
            if not isinstance(convolution, nn.Conv2d | nn.Conv3d):
                continue
            if isinstance(norm, nn.BatchNorm2d | nn.BatchNorm3d) and norm.track_running_stats:
                row[i] = fuse_conv_bn_eval(convolution, norm)
                row[i + 1] = nn.Identity()
    return module

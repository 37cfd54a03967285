"""Grad-CAM: where the last feature maps that matter for the score are active.

``L = r(Σ_k w_k A_k)``,  ``w_k = mean over positions of ∂f/∂A_k``,

with ``A_k`` the last feature maps of more than one pixel, taken with the normalisation and the
activation that follow their convolution, and the map interpolated linearly to the grid of the
image. For a network that ends in a mean over positions and a linear layer, ``w_k A_k`` is what a
position adds to the score, up to a factor.

``r`` makes the importance. For a class it is the positive part, as in the paper: what speaks for
another class is no evidence for this one. For a number there is no other class: what lowers a
property explains it as much as what raises it, and ``r`` is the magnitude.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from iceframe.core.errors import UsageError
from iceframe.measure.explainer import EXPLAINERS, Background, ImageExplainer, Meaning
from iceframe.measure.image_model import frozen

if TYPE_CHECKING:
    from torch import Tensor, nn

    from iceframe.measure.image_model import ImageModel
    from iceframe.scale.fitting import Fitted


@EXPLAINERS.register("grad_cam")
class GradCAM(ImageExplainer):
    """Grad-CAM on the last feature maps of a convolutional network.

    Trap: the map is as coarse as these feature maps, 4 by 4 for an image of 64², whatever the
    interpolation makes of it; it cannot show a boundary. In a transformer the only convolutions
    are those that make the tokens, before any of them has looked at another.
    """

    name = "grad_cam"
    title = "Grad-CAM"
    summary = "where the last feature maps that matter for the score are active"
    reference = "Selvaraju et al. 2017, https://doi.org/10.1109/ICCV.2017.74"
    meaning: ClassVar[Meaning] = "importance"

    def refusal(self, fitted: Fitted) -> str:
        refused = super().refusal(fitted)
        if not refused and not _convolutions(fitted.estimator.torch_model()):
            return f"it looks at convolutions, and '{fitted.rung.name}' has none"
        return refused

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        """See :meth:`ImageExplainer.maps`. A model with one output is a regression.

        Raises
        ------
        UsageError : no convolution of the network leaves more than one pixel.
        """
        from torch.nn import functional

        layer = last_feature_map(model.module, x[:1])

        def coarse(x: Tensor, codes: Tensor | None) -> Tensor:
            return class_activation(model, layer, x, codes)

        found = model.in_batches(coarse, x, codes)  # (n, *coarse grid)
        way = {2: "bilinear", 3: "trilinear"}[x.ndim - 2]
        return functional.interpolate(found[:, None], tuple(x.shape[2:]), mode=way)[:, 0]


def class_activation(
    model: ImageModel, layer: nn.Module, x: Tensor, codes: Tensor | None
) -> Tensor:
    """``r(Σ_k w_k A_k)`` of the output of ``layer`` ``(n, k, *coarse)``: ``(n, *coarse)``."""
    import torch

    kept: list[Tensor] = []

    def cut(layer: nn.Module, given: Any, made: Tensor) -> Tensor:
        kept.append(made.detach().requires_grad_())
        return kept[-1]

    handle = layer.register_forward_hook(cut)
    try:
        with frozen(model.module), torch.enable_grad():
            out = model.module(x)
            score = out[:, 0] if codes is None else out.gather(1, codes[:, None])[:, 0]
            (slope,) = torch.autograd.grad(score.sum(), kept[-1])
    finally:
        handle.remove()
    weight = slope.flatten(2).mean(dim=2).view(*slope.shape[:2], *(1 for _ in x.shape[2:]))
    found = (weight * kept[-1].detach()).sum(dim=1)
    return found.abs() if out.shape[1] == 1 else found.clamp(min=0)


def last_feature_map(module: nn.Module, probe: Tensor) -> nn.Module:
    """The module that makes the last feature maps of more than one pixel.

    It is the last to answer in the shape of the last such convolution's answer to ``probe`` ``(1,
    channels, *grid)``: usually that convolution's activation, or the residual block that it is in.

    Raises
    ------
    UsageError : no convolution leaves more than one pixel.
    """
    import torch

    made: list[tuple[nn.Module, torch.Size]] = []

    def record(layer: nn.Module, given: Any, answer: Any) -> None:
        if isinstance(answer, torch.Tensor) and answer.ndim == probe.ndim:
            made.append((layer, answer.shape))

    handles = [layer.register_forward_hook(record) for layer in module.modules()]
    try:
        with torch.inference_mode():
            module(probe)
    finally:
        for handle in handles:
            handle.remove()
    convolutions = _convolutions(module)
    maps = [s for layer, s in made if layer in convolutions and math.prod(s[2:]) > 1]
    if not maps:
        raise UsageError(
            "Grad-CAM needs feature maps of more than one pixel, and this network has none.",
            got=f"{len(convolutions)} convolutions, images {tuple(probe.shape[2:])}",
            hint="use another explainer, such as integrated_gradients",
        )
    return [layer for layer, shape in made if shape == maps[-1]][-1]


def _convolutions(module: nn.Module) -> list[nn.Module]:
    from torch import nn

    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d | nn.Conv3d)]

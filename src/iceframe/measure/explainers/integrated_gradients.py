"""Integrated gradients: the gradient, averaged on the way from a baseline to the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iceframe.measure.explainer import EXPLAINERS, Background, ImageExplainer

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.image_model import ImageModel

STEPS = 64  # of the path integral


@EXPLAINERS.register("integrated_gradients")
class IntegratedGradients(ImageExplainer):
    """Path integral of the gradient from the mean background image, by the midpoint rule.

    Trap: at a pixel that is like the baseline it is zero by construction, whatever it does.
    """

    name = "integrated_gradients"
    title = "integrated gradients"
    summary = "the gradient along the way from the mean image, times the difference from it"
    reference = "Sundararajan, Taly & Yan 2017, https://arxiv.org/abs/1703.01365"

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        import torch

        assert background is not None
        base = self.baseline(x, background, seed)
        total = torch.zeros_like(x)
        for step in range(STEPS):
            share = (step + 0.5) / STEPS
            total += model.gradients(base + share * (x - base), codes)
        return (total / STEPS * (x - base)).sum(dim=1)

    def baseline(self, x: Tensor, background: Background, seed: int) -> Tensor:
        import torch

        return torch.from_numpy(background.mean)[None].to(x.device)

"""SmoothGrad: the input gradient, averaged over images with noise."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from iceframe.core.seeds import generator
from iceframe.measure.explainer import EXPLAINERS, Background, ImageExplainer, Meaning

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.image_model import ImageModel

NOISE = 0.15  # standard deviation over the range of the background; the paper finds 0.1 to 0.2 best
PAIRS = 16  # draws of the noise, each used with both signs


@EXPLAINERS.register("smooth_gradient")
class SmoothGradient(ImageExplainer):
    """``E Σ_c ∂f/∂x_c (x + σ z)``, ``z`` standard normal: the gradient of a blurred score.

    ``σ`` is :data:`NOISE` times the range of each channel in the background. The noise is the same
    for every image, and each draw is used with both signs: what is odd in it cancels, so that the
    map of a quadratic score is its gradient, exactly.

    Trap: of a two-phase structure, noise makes values between and beyond the phases, on which the
    model was not trained. A smooth map is not a truer one.
    """

    name = "smooth_gradient"
    title = "SmoothGrad"
    summary = "the input gradient, averaged over images with noise"
    reference = "Smilkov et al. 2017, https://arxiv.org/abs/1706.03825"
    meaning: ClassVar[Meaning] = "derivative"

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        import torch

        from iceframe.measure.image_model import batch_size, batches_of
        from iceframe.measure.straight_path import weighted_gradients

        assert background is not None
        low, high = background.range
        width = (NOISE * (high - low)).reshape(-1, *(1 for _ in x.shape[2:]))
        draws = generator(seed, "smooth_gradient").standard_normal((PAIRS, *x.shape[1:]))
        noise = torch.from_numpy((draws * width).astype(np.float32)).to(x.device)
        noise = torch.cat([noise, -noise])
        weights = np.full(len(noise), 1 / len(noise))
        at_once = batch_size(tuple(x.shape[2:]))

        def of(part: slice) -> Tensor:
            def noisy(chosen: slice) -> Tensor:
                return x[part] + noise[chosen, None]

            code = None if codes is None else codes[part]
            return weighted_gradients(model, x[part], noisy, weights, code, at_once)

        return torch.cat([of(part) for part in batches_of(x)]).sum(dim=1)

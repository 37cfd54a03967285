"""Integrated gradients: the gradient, averaged on the way from a baseline to the image.

``c_i = (x_i − b_i) ∫₀¹ ∂f/∂x_i (b + t (x − b)) dt``,  ``Σ c = f(x) − f(b)``.

What a map says depends on the baseline ``b``: it answers "why this score and not that of ``b``?".
The mean background image asks against an average structure, the other phase against the same
structure with its phases exchanged, structures of the same statistics against chance at the same
volume fraction. The integral is taken in :mod:`iceframe.measure.straight_path`.

References: Sundararajan, Taly & Yan 2017, https://arxiv.org/abs/1703.01365; Erion et al. 2021,
several baselines, https://doi.org/10.1038/s42256-021-00343-w.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.seeds import generator
from iceframe.measure.explainer import EXPLAINERS, Background, ImageExplainer

if TYPE_CHECKING:
    from torch import Tensor

    from iceframe.measure.image_model import ImageModel

POINTS = 32  # on the way from a baseline to the image
STRUCTURES = 8  # baselines of the same statistics, for each image
POINTS_OF_EACH = 16  # on the way from each of these


@EXPLAINERS.register("integrated_gradients")
class IntegratedGradients(ImageExplainer):
    """Path integral of the gradient from the mean background image.

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
        from iceframe.measure.straight_path import path_contributions

        assert background is not None
        start = self.baseline(x, background, seed).expand_as(x)
        return path_contributions(model, x, start, codes, POINTS).sum(dim=1)

    def baseline(self, x: Tensor, background: Background, seed: int) -> Tensor:
        import torch

        return torch.from_numpy(background.mean)[None].to(x.device)


@EXPLAINERS.register("integrated_gradients_other_phase")
class IntegratedGradientsOtherPhase(IntegratedGradients):
    """Path integral of the gradient from the same structure with its phases exchanged.

    The baseline of each channel is ``lo + hi − x``, with the lowest and highest value of the
    background. In a structure of two phases, or of two channels that mark one phase each, every
    voxel is then in the other phase. Of a grey image it is the negative: bright becomes dark,
    in the range of the background; a mean grey is its own negative, and gets no contribution.
    Three or more phases have no such opposite: use another baseline there.

    Trap: half-way between a structure and its negative lies the same even grey for every image, and
    around it the model is asked about pictures with ever less contrast, on which it was not
    trained.
    """

    name = "integrated_gradients_other_phase"
    title = "integrated gradients, other phase"
    summary = "the gradient along the way from the structure with its phases exchanged"

    def baseline(self, x: Tensor, background: Background, seed: int) -> Tensor:
        return background.flipped(x)


@EXPLAINERS.register("integrated_gradients_same_statistics")
class IntegratedGradientsSameStatistics(ImageExplainer):
    """The mean of the path integrals from several background structures of the same mean value.

    The baselines of an image are the :data:`STRUCTURES` images of the background that are nearest
    to it in the mean value of each channel (of phases: the volume fraction), copies of itself left
    out; the seed decides between equals. The map then shows where the pixels *lie*, at a volume
    fraction that both sides share. The maps sum to the score less the mean score of the baselines.

    Trap: eight structures are few. Where baselines differ much in score, another background gives
    another map.
    """

    name = "integrated_gradients_same_statistics"
    title = "integrated gradients, same statistics"
    summary = "the gradient along the ways from random structures of the same volume fraction"
    reference = "Erion et al. 2021, https://doi.org/10.1038/s42256-021-00343-w"

    def maps(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None = None,
        background: Background | None = None,
        seed: int = 0,
    ) -> Tensor:
        from iceframe.measure.straight_path import path_contributions

        assert background is not None
        start = structures(x, background, seed)
        several = start.shape[1]
        every = path_contributions(
            model,
            x.repeat_interleave(several, dim=0),
            start.flatten(0, 1),
            None if codes is None else codes.repeat_interleave(several),
            POINTS_OF_EACH,
        )
        return every.unflatten(0, (len(x), several)).mean(dim=1).sum(dim=1)

    def baseline_scores(
        self,
        model: ImageModel,
        x: Tensor,
        codes: Tensor | None,
        background: Background,
        seed: int,
    ) -> Tensor:
        start = structures(x, background, seed)
        several = start.shape[1]
        chosen = None if codes is None else codes.repeat_interleave(several)
        return model.scores(start.flatten(0, 1), chosen).view(len(x), several).mean(dim=1)


def structures(x: Tensor, background: Background, seed: int) -> Tensor:
    """Background images nearest in the mean of each channel: ``(n, several, channels, *grid)``.

    Images equal to the one that is explained are left out, unless there are no others.
    """
    import torch

    own = x.detach().cpu().double().flatten(2).mean(dim=2).numpy()  # (n, channels)
    order = generator(seed, "same statistics").permutation(len(background.images))
    means = background.means[order]
    several = min(STRUCTURES, len(order))
    found = []
    for image, mean in zip(x.detach().cpu().numpy(), own, strict=True):
        away = np.square(means - mean).sum(axis=1)
        nearest = order[np.argsort(away, kind="stable")]
        found.append(_others(image, nearest, background, several))
    return torch.from_numpy(np.stack(found)).to(x.device)


def _others(
    image: np.ndarray, nearest: np.ndarray, background: Background, several: int
) -> np.ndarray:
    """The first images that are not ``image`` itself: ``(several, channels, *grid)``."""
    read = background.images.read(nearest[: several + 1]).astype(np.float32)
    own = (read == image).reshape(len(read), -1).all(axis=1)
    ranked = read[np.argsort(own, kind="stable")]  # copies of the image come last
    return ranked[:several]

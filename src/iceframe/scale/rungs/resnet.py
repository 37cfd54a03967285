"""A deeper convolutional network, with residual blocks from the full resolution downwards.

References: He et al. 2016, https://arxiv.org/abs/1603.05027; Wu & He 2018, group normalisation,
https://arxiv.org/abs/1803.08494.
"""

from __future__ import annotations

from typing import ClassVar

from iceframe.scale.image_rung import ImageRung
from iceframe.scale.rung import RUNGS, Effort


@RUNGS.register("resnet")
class ResNetRung(ImageRung):
    """A residual network on the images; an order of magnitude more work than ``cnn``."""

    name = "resnet"
    title = "Residual network"
    summary = "Residual blocks on the full image and on two coarser ones, and a global mean."
    reference = "He et al. 2016, https://arxiv.org/abs/1603.05027"
    effort: ClassVar[Effort] = "extreme"
    architecture = "residual"
    learning_rate = 5e-3
    epochs = 15
    steps = 600

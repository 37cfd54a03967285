"""A vision transformer: patches of the image, each of which looks at all others.

A stem of convolutions, few and narrow blocks, and branches dropped while training make it learn
from hundreds of images. Reference: Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929.
"""

from __future__ import annotations

from typing import ClassVar

from iceframe.scale.image_rung import ImageRung
from iceframe.scale.rung import RUNGS, Effort


@RUNGS.register("vit")
class TransformerRung(ImageRung):
    """A small vision transformer on the images."""

    name = "vit"
    title = "Vision transformer"
    summary = "Patches of the image as tokens, four blocks of attention, the mean token."
    reference = "Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929"
    effort: ClassVar[Effort] = "extreme"
    architecture = "transformer"
    learning_rate = 2e-3
    epochs = 50
    steps = 1000

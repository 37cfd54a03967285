"""A Fourier neural operator: convolutions that reach across the whole image.

Effective properties are means of a local field that depends on the structure everywhere; so is the
answer of this network. References: Li et al. 2021, https://arxiv.org/abs/2010.08895.
"""

from __future__ import annotations

from typing import ClassVar

from iceframe.scale.image_rung import ImageRung
from iceframe.scale.rung import RUNGS, Effort


@RUNGS.register("fno")
class FNORung(ImageRung):
    """Learned products in Fourier space beside small convolutions, at full resolution."""

    name = "fno"
    title = "Fourier neural operator"
    summary = "Learned Green operators beside 3-pixel convolutions, and the mean of a local answer."
    reference = "Li et al. 2021, https://arxiv.org/abs/2010.08895"
    effort: ClassVar[Effort] = "extreme"
    architecture = "spectral"
    learning_rate = 5e-3
    batch_size = 16
    epochs = 25
    steps = 800

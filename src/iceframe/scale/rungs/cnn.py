"""A small convolutional network that looks at the pixels themselves.

Four convolutions on ever coarser grids and a global mean; circular padding where opposite edges
meet, and training images moved by the symmetries that leave the target unchanged. References:
LeCun et al. 1998, https://doi.org/10.1109/5.726791; Lin et al. 2014, global average pooling,
https://arxiv.org/abs/1312.4400; for effective properties Cecen et al. 2018,
https://doi.org/10.1016/j.actamat.2017.11.053.
"""

from __future__ import annotations

from iceframe.scale.image_rung import ImageRung
from iceframe.scale.rung import RUNGS


@RUNGS.register("cnn")
class CNNRung(ImageRung):
    """A small convolutional network on the images."""

    name = "cnn"
    title = "Convolutional network"
    summary = "Four convolutions and a global mean, trained on the pixels themselves."
    reference = "LeCun et al. 1998, https://doi.org/10.1109/5.726791"
    architecture = "small"

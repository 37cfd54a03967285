"""Latents of the pre-trained micrograph encoder as features, so that any tabular rung may use them.

The encoder (:mod:`iceframe.scale.encoders.micrographs`) was trained on simulated micrographs and
learns nothing here: the features of an image depend on that image alone. They have no names that a
person could read; where that matters, use the other descriptors.

The network's weights come with the package. A stored model holds their digest, and is refused where
the weights are others: its features would mean something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import InputError
from iceframe.core.hashing import content_hash
from iceframe.scale.descriptor import (
    DESCRIPTORS,
    Feature,
    ImageDescriptor,
    refuse_unmasked,
)
from iceframe.scale.image_format import ImageFormat

if TYPE_CHECKING:
    from iceframe.scale.encoders.micrographs import Micrographs


@DESCRIPTORS.register("micrograph_latents")
class MicrographLatents(ImageDescriptor):
    """What a network that was trained on simulated micrographs sees in an image."""

    name = "micrograph_latents"
    title = "Micrograph latents"
    summary = "Latents of the pre-trained micrograph encoder; two dimensions, 32 pixels or more."
    reference = "He et al. 2016, https://doi.org/10.1109/CVPR.2016.90"
    default = False

    @cached_property
    def _encoder(self) -> Micrographs:
        from iceframe.scale.encoders.micrographs import Micrographs

        return Micrographs().for_format(self.format)

    def features(self) -> list[Feature]:
        """One a latent."""
        return [Feature(f"micrograph {name}", "", self.name) for name in self._encoder.names]

    def columns(self) -> list[Feature]:
        """The same whatever the channels or phases: the network sees one plane of grey levels."""
        return self.features()

    def describe(self, batch: np.ndarray, valid: np.ndarray | None = None) -> np.ndarray:
        """Latents ``(b, d)`` of images ``(b, channels, *grid)``, of which every pixel is valid."""
        if valid is not None and not valid.all():
            refuse_unmasked(self)
        return self.measure(batch)

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, channels, *grid)`` -> ``(b, d)``: all channels at once."""
        return self._encoder.encode(ArrayImages(fields, self.format.periodic, self.format.kind))

    def fit_format(self, image_format: ImageFormat) -> Self:
        vars(self).pop("_encoder", None)
        return super().fit_format(image_format)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "weights": _digest()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        if state["weights"] != _digest():
            raise InputError(
                "The micrograph encoder has other weights than when this model was made.",
                got=_digest(),
                allowed=state["weights"],
                hint="install the version of the package that made it, or run again",
            )
        return super().from_state(state)


def _digest() -> str:
    from iceframe.scale.encoders.micrographs import packaged_weights

    weights = packaged_weights()
    return content_hash(*(weights[name] for name in sorted(weights)))

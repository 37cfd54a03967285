"""A masked autoencoder: paint what is hidden, from what is seen.

A vision transformer sees a random quarter of an image's patches. A light one, given what the first
made of them and the same learned token at every hidden place, paints the hidden patches; the loss
is their negative log-likelihood (Bernoulli or categorical for phases, Gaussian for grey levels),
and theirs alone. To paint a patch from its surroundings is to know how the structure goes on.

As in the paper the encoder sees visible patches only: it is faster, and has never met a token that
stands for nothing when later whole images come. Patches are cut without a stem of convolutions,
which would carry hidden pixels into visible tokens. Unlike there, places are told by the distances
between tokens, so that a periodic image has no origin.

``encode`` sees the whole image: the mean token, turned to its ``d`` principal axes over the
training images and standardised (largest variance first). Nothing is trained through these
latents, and they do not decode: what they leave out, the tokens keep.

Reference: He et al. 2022, https://arxiv.org/abs/2111.06377.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.scale.encoder import ENCODERS
from iceframe.scale.encoders._network import NetworkEncoder

if TYPE_CHECKING:
    from torch import Tensor, nn

    from iceframe.core.dataset import ImageSource
    from iceframe.core.values import Representation
    from iceframe.scale.encoder_networks import Shape
    from iceframe.scale.image_format import ImageFormat
    from iceframe.scale.masked_network import Painted
    from iceframe.scale.training import Loss

MOST_IMAGES = 4000
"""Training images whose mean tokens give the principal axes."""


@ENCODERS.register("masked_autoencoder")
@dataclass(kw_only=True, eq=False)
class MaskedAutoencoder(NetworkEncoder):
    """``widths``: of the tokens that see and of those that paint; ``depth``: blocks that see (one
    paints); ``hidden``: share of the patches that is hidden while training; ``patch``: pixels along
    a patch (default: such that an image has about 64). What lies deeper in a hidden patch than the
    structure is correlated cannot be known: patches should not be larger than its features."""

    name = "masked_autoencoder"
    title = "Masked autoencoder"
    summary = "A transformer that paints hidden patches; its mean token, turned to its main axes."
    reference = "He et al. 2022, https://arxiv.org/abs/2111.06377"

    widths: tuple[int, ...] = (96, 64)
    depth: int = 4
    hidden: float = 0.75
    patch: int | None = None
    learning_rate: float = 2e-3

    def _build(self, shape: Shape, factors: int) -> nn.Module:
        from iceframe.scale.masked_network import MaskedAutoencoder

        seen, painting = self.widths
        return MaskedAutoencoder(
            shape, self.latents, seen, painting, self.depth, self.hidden, self.patch
        )

    def _loss(self, shape: Shape, phases: bool) -> Loss:
        from iceframe.scale.encoder_networks import log_likelihood

        def loss(answer: Painted, target: Any) -> Tensor:
            return log_likelihood(answer.output, target[0], phases, answer.hidden)

        return loss

    def _finish(
        self, images: ImageSource, factors: Representation | None, held: np.ndarray
    ) -> None:
        """Learn the principal axes of the mean token, from images that were trained on."""
        training = np.setdiff1d(np.arange(len(images)), held)
        chosen = images.take((training if len(training) else held)[:MOST_IMAGES])
        network = self.network_
        network.turn_to(self._answers(chosen, network.mean_token, self.widths[0]))

    def _check_settings(self, found: ImageFormat) -> None:
        super()._check_settings(found)
        wrong = {
            "widths": len(self.widths) != 2,
            "latents": self.latents > self.widths[0],
            "depth": self.depth < 1,
            "hidden": not 0 < self.hidden < 1,
            "patch": self.patch is not None and not 1 <= self.patch <= max(found.grid) // 2,
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise UsageError(
                    f"This value of '{name}' cannot be used.",
                    where=f"encoder '{self.name}'",
                    got=getattr(self, name),
                    allowed=ALLOWED[name],
                )


ALLOWED = {
    "widths": "two numbers",
    "latents": "at most the first of 'widths'",
    "depth": "1 or more",
    "hidden": "above 0, below 1",
    "patch": "at most half of the longest side",
}

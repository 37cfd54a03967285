"""A convolutional autoencoder: an image through a narrow gap and back.

Minimises the negative log-likelihood of the image given ``d`` latents ``z = e(x)``:
``−ln p(x | z)``, Bernoulli or categorical for phases, Gaussian for grey levels. The latents are
standardised over the training images (a batch norm without scale), and not otherwise ordered: only
together do they mean something. Reference: Masci et al. 2011,
https://doi.org/10.1007/978-3-642-21735-7_7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iceframe.scale.encoder import ENCODERS
from iceframe.scale.encoders._network import NetworkEncoder

if TYPE_CHECKING:
    from torch import Tensor, nn

    from iceframe.scale.encoder_networks import Shape
    from iceframe.scale.training import Loss


@ENCODERS.register("autoencoder")
@dataclass(kw_only=True, eq=False)
class Autoencoder(NetworkEncoder):
    """Convolutions down to ``latents`` numbers and up again."""

    name = "autoencoder"
    title = "Convolutional autoencoder"
    summary = "The few numbers from which a network best paints the image again."
    reference = "Masci et al. 2011, https://doi.org/10.1007/978-3-642-21735-7_7"
    decodes = True

    def _build(self, shape: Shape, factors: int) -> nn.Module:
        from iceframe.scale.encoder_networks import Autoencoder

        return Autoencoder(shape, self.latents)

    def _loss(self, shape: Shape, phases: bool) -> Loss:
        from iceframe.scale.encoder_networks import log_likelihood

        def loss(output: Tensor, target: Any) -> Tensor:
            return log_likelihood(output, target[0], phases)

        return loss

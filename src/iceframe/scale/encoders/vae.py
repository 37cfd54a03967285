"""A β-variational autoencoder: latents that vary independently of each other.

Minimises, per pixel, ``−E_q ln p(x | z) + β KL(q(z | x) ‖ N(0, 1))`` with a Gaussian
``q(z | x)`` of diagonal covariance; ``β = 1`` is the evidence bound, ``β > 1`` trades likelihood
for latents that are apart. Latents whose divergence is not worth paying for fall back to N(0, 1)
and mean nothing: :meth:`VAE.active` counts the others. ``encode`` gives the means of ``q``.

References: Kingma & Welling 2014, https://arxiv.org/abs/1312.6114; Higgins et al. 2017, β-VAE,
https://openreview.net/forum?id=Sy2fzU9gl; Burda et al. 2016 (active units),
https://arxiv.org/abs/1509.00519.
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
    from iceframe.scale.encoder_networks import Shape, Variational
    from iceframe.scale.image_format import ImageFormat
    from iceframe.scale.training import Loss

ACTIVE_VARIANCE = 0.01
"""Variance over images of a latent's mean above which it says something (Burda et al. 2016)."""


@ENCODERS.register("vae")
@dataclass(kw_only=True, eq=False)
class VAE(NetworkEncoder):
    """``beta``: weight of the divergence; 1 is the evidence bound."""

    name = "vae"
    title = "β-variational autoencoder"
    summary = "Latents that paint the image again and are kept apart from each other."
    reference = "Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl"
    decodes = True

    beta: float = 2.0

    def active(self, images: ImageSource | np.ndarray) -> np.ndarray:
        """Which latents ``(d,)`` say something: boolean, by the variance of their means."""
        return self.encode(images).var(axis=0) > ACTIVE_VARIANCE

    def _build(self, shape: Shape, factors: int) -> nn.Module:
        from iceframe.scale.encoder_networks import VariationalAutoencoder

        return VariationalAutoencoder(shape, self.latents)

    def _loss(self, shape: Shape, phases: bool) -> Loss:
        bound = evidence_bound(shape, phases, self.beta)

        def loss(answer: Variational, target: Any) -> Tensor:
            return bound(answer, target[0])

        return loss

    def _check_settings(self, found: ImageFormat) -> None:
        super()._check_settings(found)
        if not self.beta >= 0:
            raise UsageError("The weight 'beta' must not be negative.", got=self.beta)


def evidence_bound(shape: Shape, phases: bool, beta: float) -> Any:
    """``(answer, fields)`` to the negative bound per pixel, with the divergence times ``beta``."""
    from iceframe.scale.encoder_networks import divergence, log_likelihood

    values = float(np.prod(shape.grid)) * (1 if phases else shape.fields)

    def bound(answer: Variational, fields: Tensor) -> Tensor:
        paid = beta * divergence(answer.mean, answer.log_variance) / values
        return log_likelihood(answer.output, fields, phases) + paid

    return bound

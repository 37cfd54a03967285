"""A contrastive encoder: what stays the same when an image is moved by its symmetries.

Two views of each image, moved at random by the allowed symmetries, are encoded and widened to
``p`` numbers; over a batch (VICReg)

``25 mean ‖u − v‖²/p + 25 mean_j max(0, 1 − sd_j) + (1/p) Σ_{i≠j} cov_ij²``

(the second term as the mean, the third as the sum over the two views) draws the views of one image
together, keeps every number spread over images, and keeps the numbers apart from each other. There
are no views that a material does not allow: no crops enlarged, no grey levels changed. The latents
are a mean over the grid. There is no decoder.

With few symmetries and a periodic network the first term is soon met, and what is learned is
mostly decided by the other two. Reference: Bardes, Ponce & LeCun 2022, VICReg, eqs. 1 to 6,
https://arxiv.org/abs/2105.04906.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from iceframe.core.errors import UsageError
from iceframe.scale.encoder import ENCODERS
from iceframe.scale.encoders._network import NetworkEncoder

if TYPE_CHECKING:
    from torch import Tensor, nn

    from iceframe.scale.encoder_networks import Shape
    from iceframe.scale.image_format import ImageFormat
    from iceframe.scale.training import Loss

# Weights of the three terms, and the number that keeps a root's slope finite: as in the paper.
INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0
SMALL = 1e-4


@ENCODERS.register("contrastive")
@dataclass(kw_only=True, eq=False)
class Contrastive(NetworkEncoder):
    """``symmetries`` must hold at least one; ``widened``: numbers that the loss compares.

    Flips mirror what leans, quarter turns mix directions: name only what changes nothing that
    matters.
    """

    name = "contrastive"
    title = "Contrastive encoder (VICReg)"
    summary = "What stays the same when an image is moved by its symmetries."
    reference = "Bardes, Ponce & LeCun 2022, https://arxiv.org/abs/2105.04906"
    views: ClassVar[int] = 2

    symmetries: tuple[str, ...] = ("flip", "translate")
    widened: int = 64

    def _build(self, shape: Shape, factors: int) -> nn.Module:
        from iceframe.scale.encoder_networks import Projected

        return Projected(shape, self.latents, self.widened)

    def _loss(self, shape: Shape, phases: bool) -> Loss:
        def loss(output: Tensor, target: Any) -> Tensor:
            return vicreg(*output.chunk(2))

        return loss

    def _check_settings(self, found: ImageFormat) -> None:
        super()._check_settings(found)
        if not self.symmetries:
            raise UsageError(
                "A contrastive encoder needs at least one symmetry.",
                allowed="flip, rotate90, translate",
                hint="name what changes nothing that matters in these images",
            )
        if self.widened < 2:
            raise UsageError("This value of 'widened' cannot be used.", got=self.widened)


def vicreg(u: Tensor, v: Tensor) -> Tensor:
    """The loss of two views ``(n, p)`` of ``n`` images: one number."""
    n, p = u.shape
    total = INVARIANCE * (u - v).square().mean()
    if n < 2:
        return total
    for x in (u, v):
        centred = x - x.mean(dim=0)
        covariance = centred.T @ centred / (n - 1)
        variance = covariance.diagonal()
        spread = (variance + SMALL).sqrt()
        total = total + VARIANCE / 2 * (1 - spread).relu().mean()
        apart = covariance.square().sum() - variance.square().sum()
        total = total + COVARIANCE * apart / p
    return total

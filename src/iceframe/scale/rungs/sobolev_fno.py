"""The Fourier neural operator, supervised also by the property's exact sensitivity.

For simulated structures the solver knows the derivative of the property to every pixel. The loss
asks the network's input gradient to agree with it; the weight is tuned inside the fold.
Reference: Czarnecki et al. 2017, Sobolev training, https://arxiv.org/abs/1706.04859.
"""

from __future__ import annotations

from iceframe.scale.image_rung import Supervised
from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs.fno import FNORung


@RUNGS.register("sobolev_fno")
class SobolevFNORung(Supervised, FNORung):
    """A Fourier neural operator that must also be right about every pixel's influence."""

    name = "sobolev_fno"
    title = "Fourier neural operator, taught by physics"
    summary = "`fno`, its gradient matched to the exact sensitivities of simulated data."
    reference = "Czarnecki et al. 2017, https://arxiv.org/abs/1706.04859"
    untaught = "fno"

"""Two explainable boosting machines: whether the target is zero, and how much where it is not.

See :mod:`iceframe.scale.hurdle` for the combination and :mod:`iceframe.scale.rungs.ebm` for the
machines. Its terms are exact: both machines are sums, and what the answer gains by them is shared
among features without a remainder.
"""

from __future__ import annotations

from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs._hurdle import HurdleRung
from iceframe.scale.rungs.ebm import EBMRung


@RUNGS.register("hurdle_ebm")
class HurdleEBMRung(HurdleRung):
    """Learned curves for the chance of a value, and for the value."""

    name = "hurdle_ebm"
    title = "Explainable boosting machine with a hurdle"
    summary = "Learned curves for whether the target is zero, and for how much where it is not."
    family = "additive"
    base = EBMRung
    glass_box = True
    effort = "heavy"
    trusted = ("iceframe.scale.hurdle.HurdleRegressor", *EBMRung.trusted)

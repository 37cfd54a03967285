"""Explainable boosting machine, distilled: see :mod:`iceframe.scale.distillation`."""

from __future__ import annotations

from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs._distilled import BUCILA, DistilledRung
from iceframe.scale.rungs.ebm import EBMRung


@RUNGS.register("distilled_ebm")
class DistilledEBMRung(DistilledRung):
    """``ebm``, taught by another rung."""

    name = "distilled_ebm"
    title = "Explainable boosting machine, distilled"
    summary = "Learned curves and pairs, fitted to the answers of a stronger model."
    reference = f"{BUCILA}; {EBMRung.reference}"
    distils = "ebm"
    student = EBMRung

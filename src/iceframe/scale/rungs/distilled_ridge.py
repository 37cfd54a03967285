"""Ridge regression, distilled: see :mod:`iceframe.scale.distillation`."""

from __future__ import annotations

from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs._distilled import BUCILA, DistilledRung
from iceframe.scale.rungs.ridge import RidgeRung


@RUNGS.register("distilled_ridge")
class DistilledRidgeRung(DistilledRung):
    """``ridge``, taught by another rung."""

    name = "distilled_ridge"
    title = "Ridge regression, distilled"
    summary = "A weighted sum of all features, fitted to the answers of a stronger model."
    reference = f"{BUCILA}; {RidgeRung.reference}"
    distils = "ridge"
    student = RidgeRung

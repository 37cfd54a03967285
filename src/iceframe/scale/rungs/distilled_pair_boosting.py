"""Boosted curves and pairs, distilled: see :mod:`iceframe.scale.distillation`."""

from __future__ import annotations

from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs._distilled import BUCILA, DistilledRung
from iceframe.scale.rungs.pair_boosting import PairBoostingRung


@RUNGS.register("distilled_pair_boosting")
class DistilledPairBoostingRung(DistilledRung):
    """``pair_boosting``, taught by another rung."""

    name = "distilled_pair_boosting"
    title = "Boosted curves and pairs, distilled"
    summary = "Step curves and pair tables, fitted to the answers of a stronger model."
    reference = f"{BUCILA}; {PairBoostingRung.reference}"
    distils = "pair_boosting"
    student = PairBoostingRung

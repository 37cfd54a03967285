"""Lasso, distilled: see :mod:`iceframe.scale.distillation`."""

from __future__ import annotations

from typing import ClassVar

from iceframe.core.values import Task
from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs._distilled import BUCILA, DistilledRung
from iceframe.scale.rungs.lasso import LassoRung


@RUNGS.register("distilled_lasso")
class DistilledLassoRung(DistilledRung):
    """``lasso``, taught by another rung."""

    name = "distilled_lasso"
    title = "Lasso, distilled"
    summary = "A weighted sum of few features, fitted to the answers of a stronger model."
    reference = f"{BUCILA}; {LassoRung.reference}"
    distils = "lasso"
    student = LassoRung
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)

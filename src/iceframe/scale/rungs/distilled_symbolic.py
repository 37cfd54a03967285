"""Symbolic regression, distilled: see :mod:`iceframe.scale.distillation`."""

from __future__ import annotations

from typing import ClassVar

from iceframe.core.values import Task
from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs._distilled import BUCILA, DistilledRung
from iceframe.scale.rungs.symbolic import SymbolicRung


@RUNGS.register("distilled_symbolic")
class DistilledSymbolicRung(DistilledRung):
    """``symbolic``, taught by another rung."""

    name = "distilled_symbolic"
    title = "Symbolic regression, distilled"
    summary = "One formula, fitted to the answers of a stronger model."
    reference = f"{BUCILA}; {SymbolicRung.reference}"
    distils = "symbolic"
    student = SymbolicRung
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)

"""Decision tree, distilled: see :mod:`iceframe.scale.distillation`."""

from __future__ import annotations

from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs._distilled import BUCILA, DistilledRung
from iceframe.scale.rungs.tree import TreeRung


@RUNGS.register("distilled_tree")
class DistilledTreeRung(DistilledRung):
    """``tree``, taught by another rung."""

    name = "distilled_tree"
    title = "Decision tree, distilled"
    summary = "At most five yes/no questions, fitted to the answers of a stronger model."
    reference = f"{BUCILA}; {TreeRung.reference}"
    distils = "tree"
    student = TreeRung

"""Two forests of extra trees: whether the target is zero, and how much where it is not.

See :mod:`iceframe.scale.hurdle` for the combination, :mod:`iceframe.scale.rungs.extra_trees` for
the forests.
"""

from __future__ import annotations

from iceframe.scale.rung import RUNGS
from iceframe.scale.rungs._hurdle import HurdleRung
from iceframe.scale.rungs.extra_trees import ExtraTreesRung


@RUNGS.register("hurdle_trees")
class HurdleTreesRung(HurdleRung):
    """A forest for the chance of a value, and one for the value."""

    name = "hurdle_trees"
    title = "Extra trees with a hurdle"
    summary = "A forest for whether the target is zero, and one for how much where it is not."
    family = "trees"
    base = ExtraTreesRung
    effort = "heavy"
    trusted = ("iceframe.scale.hurdle.HurdleRegressor", *ExtraTreesRung.trusted)

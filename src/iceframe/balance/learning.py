"""How a loss falls with the number of samples: a power law, loss ~ n^-b.

Reference: Hestness et al. 2017, https://arxiv.org/abs/1712.00409. Where a rung was measured on two
variants of the data that differ in their number of samples, b is the slope between the two of the
largest numbers; where it was not, 1/2, as of the standard error of a mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.balance.situation import Situation

if TYPE_CHECKING:
    from iceframe.balance.standing import Standing

USUAL = 0.5
FEWEST = 0.02  # of an exponent: below it, a hundred times the samples bring less than a tenth
MOST = 2.0


def trained_on(situation: Situation, variant: str) -> int:
    """How many samples a fold trains on, on a variant of the data."""
    held = round(situation.n_test)
    n = int(situation.variants.get(variant, {}).get("n") or situation.n)
    return max(n - held, 1)


def exponent(now: Standing, rung: str) -> tuple[float, bool]:
    """The exponent b of a rung, and whether it was measured."""
    points: dict[int, float] = {}  # of variants of one size the last one counts
    for variant in now.situation.variants:
        c = now.at(rung, variant)
        if c is not None and c.loss > 0 and np.isfinite(c.loss):
            points[trained_on(now.situation, variant)] = c.loss
    if len(points) < 2:
        return USUAL, False
    (few, before), (many, after) = sorted(points.items())[-2:]
    return float(np.clip(np.log(before / after) / np.log(many / few), FEWEST, MOST)), True

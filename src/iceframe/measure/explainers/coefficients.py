"""The coefficients of a linear model: what one unit more of a feature does to the score.

A linear model tells the terms ``t_j(x) = w_j (x_j − c_j)``, and with them, between any two values
``a`` and ``b`` of each feature, ``w_j = (t_j(b) − t_j(a)) / (b_j − a_j)``, in the score's unit per
the feature's own. The terms are those of :mod:`iceframe.measure.explainers.terms`; this is their
derivative. That they are straight lines is checked, not believed: the slopes of two unequal parts
of the range must agree.

Reference: the model itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.measure.explainer import (
    EXPLAINERS,
    Attributions,
    Meaning,
    Needs,
    TableExplainer,
    explained_codes,
    picked,
)
from iceframe.measure.explainers.terms import PROBABILITY_FLOOR

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs

SPLIT = 0.38
"""Where the range is cut in two: not in the middle, about which a bent curve may be symmetric."""

STRAIGHT, ROUNDING = 1e-6, 1e-10
"""A term's change over the whole range, by its slope in the first part and in the second, may
differ by this part of itself, and by this part of the largest change of all terms."""


@EXPLAINERS.register("coefficients")
class Coefficients(TableExplainer):
    """Derivative of the score to each feature, exact; the same for all samples, or for all of one
    class, whose score is its log-odds.

    Trap: coefficients in different units cannot be compared with each other; times the difference
    from the mean they are the terms. Of correlated features one may take what belongs to another.
    A feature that is missing in a sample keeps its coefficient.
    """

    name = "coefficients"
    title = "coefficients"
    summary = "what one unit more of each feature does to the score of a linear model"
    reference = "the model itself"
    needs: ClassVar[Needs] = "glass box"
    meaning: ClassVar[Meaning] = "derivative"

    def refusal(self, fitted: Fitted) -> str:
        unfit = super().refusal(fitted)
        if unfit:
            return unfit
        if not any("coefficient" in row for row in fitted.describe()):
            return f"it reads the coefficients of linear models, and '{fitted.rung.name}' has none"
        return ""

    def _explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        seed: int,
        codes: np.ndarray | None,
    ) -> Attributions:
        from iceframe.scale.log_odds import log_odds

        slopes = _slopes(fitted, background)  # (d,) or (d, k)
        predicted = fitted.predict(inputs)
        codes = explained_codes(fitted, inputs, codes)
        if fitted.context.task == "classification":
            predicted = log_odds(np.clip(predicted, PROBABILITY_FLOOR, 1.0))
            values = slopes.T[codes]
        else:
            values = np.tile(slopes, (len(inputs), 1))
        undefined = np.full(len(inputs), np.nan)
        return Attributions(
            self.title,
            values,
            picked(predicted, codes),
            undefined,
            undefined,
            codes,
            tuple(inputs.table.names),
            self.meaning,
            self.reference,
        )


def _slopes(fitted: Fitted, background: Inputs) -> np.ndarray:
    """Slopes of the terms ``(d,)``, or ``(d, k)`` of classes, over the range of the background.

    Raises
    ------
    UsageError : the terms are not straight lines.
    """
    from iceframe.core.values import Representation
    from iceframe.scale.rung import Inputs

    table = background.table
    low, high = _range(table.values)
    levels = np.stack([low, low + SPLIT * (high - low), high])
    terms = fitted.terms(Inputs(Representation(levels, table.names, table.units, table.blocks)))
    assert terms is not None
    first, second = np.diff(terms, axis=0)  # (d,) or (d, k)
    change = np.abs(first) + np.abs(second)
    bend = np.abs(first / SPLIT - second / (1 - SPLIT))
    if np.any(bend > STRAIGHT * change + ROUNDING * change.max(initial=0.0)):
        raise UsageError(
            f"The terms of '{fitted.rung.name}' are not straight lines: it has no coefficients.",
            hint="explain it by its terms",
        )
    width = (high - low).reshape(-1, *(1,) * (terms.ndim - 2))
    return (first + second) / width


def _range(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two different values of every column ``(n, d)``: its ends, or around what it has only."""
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=0)
    high = np.where(known, values, -np.inf).max(axis=0)
    empty = ~known.any(axis=0)
    low, high = np.where(empty, 0.0, low), np.where(empty, 0.0, high)
    return low, np.where(high > low, high, low + np.maximum(1.0, np.abs(low)))

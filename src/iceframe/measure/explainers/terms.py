"""The terms of a glass box, read and not estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.measure.explainer import (
    EXPLAINERS,
    Attributions,
    Explainer,
    explained_codes,
    picked,
    relative_gap,
)
from iceframe.measure.table_model import affordable_draws, few_rows

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs

PROBABILITY_FLOOR = 1e-300  # keeps log-odds finite


@EXPLAINERS.register("terms")
class Terms(Explainer):
    """Exact terms of an additive model less their mean over the background.

    For an additive model this *is* the interventional Shapley value (Štrumbelj & Kononenko 2014,
    https://doi.org/10.1007/s10115-013-0679-x); the gap checks that they add up.
    """

    name = "terms"
    title = "exact terms"
    summary = "the terms of a glass box, against their mean"
    reference = "the model itself"
    input = "table"
    needs = "glass box"

    def refusal(self, fitted: Fitted) -> str:
        # A glass box may look at a table or at crystals.
        if fitted.rung.glass_box and fitted.rung.input != "image":
            return ""
        return f"it reads glass boxes, and '{fitted.rung.name}' is none"

    def _explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        seed: int,
        codes: np.ndarray | None,
    ) -> Attributions:
        from iceframe.scale.log_odds import log_odds

        rows = few_rows(background, affordable_draws(*inputs.table.values.shape), seed)
        terms = fitted.terms(inputs)
        assert terms is not None
        predicted, reference = fitted.predict(inputs), fitted.predict(rows)
        codes = explained_codes(fitted, inputs, codes)
        there = fitted.terms(rows)
        assert there is not None
        centred = terms - there.mean(0)
        if fitted.context.task == "classification":
            predicted = log_odds(np.clip(predicted, PROBABILITY_FLOOR, 1.0))
            reference = log_odds(np.clip(reference, PROBABILITY_FLOOR, 1.0))
            centred = centred[np.arange(len(codes)), :, codes]
        prediction = picked(predicted, codes)
        mean = reference.mean(0)
        baseline = np.full(len(prediction), mean) if mean.ndim == 0 else mean[codes]
        gap = relative_gap(centred.sum(1), prediction, baseline)
        return Attributions(
            self.title, centred, prediction, baseline, gap, codes, fitted.term_names(),
            reference=self.reference,
        )  # fmt: skip

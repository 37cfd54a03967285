"""Attention of a composition network: which elements it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from iceframe.measure.explainer import (
    EXPLAINERS,
    Attributions,
    Meaning,
    TableExplainer,
    explained_codes,
    picked,
)

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs


@EXPLAINERS.register("element_attention")
class ElementAttention(TableExplainer):
    """The attention that the token of each element gets, from all tokens in proportion to their
    amounts, averaged over members, blocks and heads; 0 for columns that are no elements.

    Trap: attention is what a network looks at, not what its answer depends on (Jain & Wallace 2019,
    arXiv 1902.10186): read it beside its measured faithfulness.
    """

    name = "element_attention"
    title = "attention to elements"
    summary = "how much a network of compositions looks at each element"
    reference = "Wang et al. 2021, doi 10.1038/s41524-021-00545-1"
    needs = "attention"
    meaning: ClassVar[Meaning] = "importance"

    def refusal(self, fitted: Fitted) -> str:
        refused = super().refusal(fitted)
        if not refused and not hasattr(fitted.estimator, "attention"):
            return f"it reads attention to elements, and '{fitted.rung.name}' has none"
        return refused

    def _explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        seed: int,
        codes: np.ndarray | None,
    ) -> Attributions:
        x = inputs.table.values
        codes = explained_codes(fitted, inputs, codes)
        values = np.zeros(x.shape)
        values[:, list(fitted.context.blocks["fractions"])] = fitted.estimator.attention(x)
        undefined = np.full(len(x), np.nan)
        return Attributions(
            self.title,
            values,
            picked(fitted.predict(inputs), codes),
            undefined,
            undefined,
            codes,
            tuple(inputs.table.names),
            self.meaning,
            self.reference,
        )

"""Permutation importance: how much the score changes when one feature is another sample's.

``I_j = ⟨(f(x) − f(x with x_j from x'))²⟩`` over pairs of different background rows ``x, x'``: the
mean squared change of the score, in its unit squared. It is Breiman's (2001) importance, estimated
over pairs as the loss under switching of Fisher, Rudin & Dominici (2019), for the squared loss
against the model's own answers: no labels are needed, and a model that is wrong is explained as it
is. For ``f = b + Σ w_j x_j`` it is ``2 w_j²`` times the variance of the feature.

References: Breiman 2001, https://doi.org/10.1023/A:1010933404324; Fisher, Rudin & Dominici 2019,
https://jmlr.org/papers/v20/18-760.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.seeds import generator
from iceframe.measure.explainer import (
    EXPLAINERS,
    Attributions,
    Meaning,
    TableExplainer,
    explained_codes,
    picked,
)
from iceframe.measure.table_model import affordable_draws, few_rows, table_function

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs

MOST_ROWS = 200
"""Background rows that are used."""


@EXPLAINERS.register("permutation")
class Permutation(TableExplainer):
    """Mean squared change of the score; the same for all samples, or for all of one class.

    Rows are permuted by cyclic shifts of a random order: no row meets itself, and with as many
    shifts as there are other rows all pairs are used and nothing is left to chance.

    Trap: it asks the model about combinations that may not exist, where features are correlated,
    and what it answers there may outweigh the rest (Hooker, Mentch & Zhou 2021,
    https://doi.org/10.1007/s11222-021-10057-z). Of two features that say the same, each is
    important only as far as the model happens to use it.
    """

    name = "permutation"
    title = "permutation importance"
    summary = "the mean squared change of the score when a feature is taken from another sample"
    reference = "Breiman 2001, https://doi.org/10.1023/A:1010933404324"
    meaning: ClassVar[Meaning] = "importance"

    def _explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        seed: int,
        codes: np.ndarray | None,
    ) -> Attributions:
        predict = table_function(fitted, inputs)
        codes = explained_codes(fitted, inputs, codes)
        rows = few_rows(background, MOST_ROWS, seed).table.values
        m, d = rows.shape
        if m < 2:
            raise InputError(
                "Permutation importance compares samples of the background.",
                got=m,
                allowed="two or more",
            )
        rows = rows[generator(seed, "permutation importance").permutation(m)]
        shifts = min(m - 1, affordable_draws(m, d))
        there = predict(rows).reshape(m, -1)  # (m, outputs)
        importance = np.empty((there.shape[1], d))
        for j in range(d):
            changed = np.repeat(rows[None], shifts, axis=0)
            for shift in range(shifts):
                changed[shift, :, j] = np.roll(rows[:, j], shift + 1)
            answer = predict(changed.reshape(-1, d)).reshape(shifts, m, -1)
            importance[:, j] = np.mean((answer - there) ** 2, axis=(0, 1))
        undefined = np.full(len(inputs), np.nan)
        return Attributions(
            self.title,
            importance[np.maximum(codes, 0)],  # a regression has one output
            picked(predict(inputs.table.values), codes),
            undefined,
            undefined,
            codes,
            tuple(inputs.table.names),
            self.meaning,
            self.reference,
        )

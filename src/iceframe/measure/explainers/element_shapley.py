"""Shapley values of elements: what each element of a crystal adds to the answer of any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.seeds import generator
from iceframe.measure.element_swaps import DRAWS, Players, answers, substitutes
from iceframe.measure.explainer import (
    EXPLAINERS,
    Attributions,
    CrystalExplainer,
    explained_codes,
    picked,
    relative_gap,
)

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs


@EXPLAINERS.register("element_shapley")
class ElementShapley(CrystalExplainer):
    """Interventional Shapley values by permutation sampling: elements are swapped one after the
    other for drawn ones (:mod:`iceframe.measure.element_swaps`), in every order and its reverse.

    The baseline is the mean answer with all elements swapped. Elements that a crystal does not hold
    are NaN.

    Trap: swapped crystals keep their cell and may not exist.
    """

    name = "element_shapley"
    title = "Shapley values of elements"
    summary = "what each element adds, averaged over orders in which elements are swapped in"
    reference = "Štrumbelj & Kononenko 2014, https://doi.org/10.1007/s10115-013-0679-x"

    def _explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        seed: int,
        codes: np.ndarray | None,
    ) -> Attributions:
        assert inputs.crystals is not None
        assert background.crystals is not None
        players = Players.of(inputs.crystals)
        codes = explained_codes(fitted, inputs, codes)
        drawn = substitutes(players, background.crystals, DRAWS, seed)
        n, d = players.present.shape
        longest = int(players.present.sum(axis=1).max(initial=0))
        # One player after the other becomes itself: step s shows the first s of the order.
        order = _orders(players.present, seed)  # (DRAWS, n, longest), −1 where there is none
        shown = np.zeros((DRAWS, n, longest + 1, d), bool)
        for step in range(longest):
            shown[:, :, step + 1] = shown[:, :, step]
            draw, crystal = np.nonzero(order[:, :, step] >= 0)
            shown[draw, crystal, step + 1, order[draw, crystal, step]] = True
        by = np.where(shown, players.numbers, drawn[:, None, None, :])
        index = np.broadcast_to(np.arange(n)[None, :, None], shown.shape[:3]).ravel()
        said = answers(fitted, inputs, players, index, by.reshape(-1, d))
        said = picked(said, codes[index]).reshape(DRAWS, n, longest + 1)
        values = np.where(players.present, 0.0, np.nan)
        for step in range(longest):
            draw, crystal = np.nonzero(order[:, :, step] >= 0)
            gain = said[draw, crystal, step + 1] - said[draw, crystal, step]
            np.add.at(values, (crystal, order[draw, crystal, step]), gain / DRAWS)
        prediction = picked(fitted.predict(inputs), codes)
        baseline = said[:, :, 0].mean(axis=0)
        gap = relative_gap(np.nansum(values, axis=1), prediction, baseline)
        return Attributions(
            self.title, values, prediction, baseline, gap, codes, players.names,
            reference=self.reference,
        )  # fmt: skip


def _orders(present: np.ndarray, seed: int) -> np.ndarray:
    """Orders of the elements of each crystal ``(draws, n, longest)``, every second one the reverse
    of the one before; they depend on how many elements a crystal has, not on the others."""
    counts = present.sum(axis=1)
    longest = int(counts.max(initial=0))
    order = np.full((DRAWS, len(present), longest), -1)
    for count in np.unique(counts[counts > 0]):
        rng = generator(seed, "element orders", int(count))
        one = np.stack([rng.permutation(count) for _ in range(DRAWS // 2)])
        both = np.stack([one, one[:, ::-1]], axis=1).reshape(DRAWS, count)
        rows = np.flatnonzero(counts == count)
        columns = np.nonzero(present[rows])[1].reshape(len(rows), count)
        order[:, rows, :count] = columns[:, both].swapaxes(0, 1)
    return order

"""Shapley values: what each feature adds to the prediction, averaged over orders of revealing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.seeds import derive_seed, generator
from iceframe.measure.explainer import (
    EXPLAINERS,
    Attributions,
    TableExplainer,
    explained_codes,
    picked,
    relative_gap,
)
from iceframe.measure.table_model import (
    ROWS,
    affordable_draws,
    balanced_draws,
    few_rows,
    table_function,
)

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs


@EXPLAINERS.register("shapley")
class Shapley(TableExplainer):
    """Interventional Shapley values by permutation sampling (Captum's ``ShapleyValueSampling``),
    absent features taken from random background rows.

    Trap: it asks the model about combinations that may not exist, where features are correlated.
    """

    name = "shapley"
    title = "interventional Shapley values"
    summary = "what each feature adds, averaged over orders in which features are revealed"
    reference = "Štrumbelj & Kononenko 2014, https://doi.org/10.1007/s10115-013-0679-x"

    def _explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        seed: int,
        codes: np.ndarray | None,
    ) -> Attributions:
        return shapley_values(fitted, inputs, background, seed=seed, codes=codes)


def shapley_values(
    fitted: Fitted,
    inputs: Inputs,
    background: Inputs,
    *,
    seed: int = 0,
    permutations: int | None = None,
    codes: np.ndarray | None = None,
) -> Attributions:
    """Permutation sampling, each permutation from another row of the background.

    ``permutations``: orders in which features are revealed, per sample; default 32, down to 8 for
    many samples and features. No more background rows are used than that, and the baseline is
    their mean prediction.
    """
    import torch
    from captum.attr import ShapleyValueSampling

    predict = table_function(fitted, inputs)
    x = inputs.table.values
    n, d = x.shape
    permutations = permutations or affordable_draws(n, d)
    rows = few_rows(background, permutations, seed).table.values
    predicted = predict(x)
    codes = explained_codes(fitted, inputs, codes)

    rng = generator(seed, "attribution", "background")
    at_once = max(1, min(d, ROWS // n))
    total = np.zeros((n, d))
    row = rows[0]

    def game(known: torch.Tensor) -> torch.Tensor:
        """The answer where ``known`` (0 or 1, ``(copies of n, d)``) tells which features are."""
        copies = len(known) // n
        values = np.where(known.numpy() > 0, np.tile(x, (copies, 1)), row)
        return torch.from_numpy(picked(predict(values), np.tile(codes, copies)))

    # The players are switches, not the features' values, so that missing values stay missing.
    sampler = ShapleyValueSampling(game)
    everything = torch.ones((n, d), dtype=torch.float64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "attribution", "permutations"))
        for draw in balanced_draws(len(rows), permutations, rng):
            row = rows[draw]
            values = sampler.attribute(everything, n_samples=1, perturbations_per_eval=at_once)
            total += values.numpy() / permutations
    there = predict(rows)
    prediction = picked(predicted, codes)
    baseline = np.full(n, there.mean()) if there.ndim == 1 else there.mean(0)[codes]
    gap = relative_gap(total.sum(1), prediction, baseline)
    names = tuple(inputs.table.names)
    return Attributions(
        Shapley.title, total, prediction, baseline, gap, codes, names, reference=Shapley.reference
    )

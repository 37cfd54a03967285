"""Contributions of sites: for models of crystals whose answer is a mean over sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.measure.element_swaps import Players
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


@EXPLAINERS.register("site_contributions")
class SiteContributions(CrystalExplainer):
    """The model's own terms: ``f = ⟨c_s⟩`` over the ``n`` sites ``s`` of a crystal. The value of an
    element is ``Σ (c_s − f₀) / n`` over its sites, with ``f₀`` the mean answer for the background;
    they add up to ``f − f₀``. Where the answer is a sum over sites: ``Σ (c_s − f₀/n)``.

    Trap: how a network shares its answer among sites is its own choice: another split would give
    the same answers.
    """

    name = "site_contributions"
    title = "contributions of sites"
    summary = "what the sites of each element add to an answer that is a mean over sites"
    reference = "Xie & Grossman 2018, https://doi.org/10.1103/PhysRevLett.120.145301"

    def refusal(self, fitted: Fitted) -> str:
        refused = super().refusal(fitted)
        if not refused and not hasattr(fitted.estimator, "site_contributions"):
            return f"the answers of '{fitted.rung.name}' are no mean over sites"
        return refused

    def _explain(
        self,
        fitted: Fitted,
        inputs: Inputs,
        background: Inputs,
        seed: int,
        codes: np.ndarray | None,
    ) -> Attributions:
        crystals = inputs.crystals
        assert crystals is not None
        players = Players.of(crystals)
        codes = explained_codes(fitted, inputs, codes)
        prediction = picked(fitted.predict(inputs), codes)
        baseline = np.full(len(inputs), fitted.predict(background).mean())
        sites = np.asarray(fitted.estimator.site_contributions(crystals), float)
        owners = crystals.owners
        values = np.where(players.present, 0.0, np.nan)
        weight = 1 / crystals.sizes[owners]
        pooled = sites if fitted.estimator.pool == "sum" else sites * weight
        share = pooled - baseline[owners] * weight
        np.add.at(values, (owners, players.place), share)
        gap = relative_gap(np.nansum(values, axis=1), prediction, baseline)
        return Attributions(
            self.title, values, prediction, baseline, gap, codes, players.names,
            reference=self.reference,
        )  # fmt: skip

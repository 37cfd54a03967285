"""Why a fitted rung answers as it does: the explainer that its kind of model calls for.

* Glass boxes: their exact terms. * Other table rungs: interventional Shapley values. * Image rungs:
  integrated gradients from the mean of the background images. * Crystal rungs: the contributions
  of their sites, else Shapley values of the elements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.measure.explainer import EXPLAINERS, Attributions

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs


def default_explainer(fitted: Fitted, inputs: Inputs) -> str:
    """The name of the explainer that is used where none is named."""
    if fitted.rung.input == "image":
        return "integrated_gradients"
    if fitted.rung.input == "crystal":
        own = EXPLAINERS["site_contributions"]()
        return "element_shapley" if own.refusal(fitted) else "site_contributions"
    if fitted.rung.glass_box and fitted.terms(inputs.take(np.arange(1))) is not None:
        return "terms"
    return "shapley"


def attribute(
    fitted: Fitted,
    inputs: Inputs,
    background: Inputs,
    *,
    explainer: str | None = None,
    seed: int = 0,
    codes: np.ndarray | None = None,
) -> Attributions:
    """Attributions of the predictions for ``inputs`` against ``background``.

    ``explainer``: a name in :data:`~iceframe.measure.explainer.EXPLAINERS`; default what fits the
    model (:func:`default_explainer`). The rest as for
    :meth:`~iceframe.measure.explainer.Explainer.explain`.

    Trap: an interventional attribution asks the model about combinations that may not exist, where
    features are correlated.
    """
    chosen = EXPLAINERS[explainer or default_explainer(fitted, inputs)]()
    return chosen.explain(fitted, inputs, background, seed=seed, codes=codes)

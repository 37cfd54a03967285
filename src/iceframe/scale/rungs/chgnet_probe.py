"""CHGNet's embedding, read by a smooth function; see
:mod:`iceframe.scale.foundation.embedding_probe`.

Nothing is tuned from outside: length, noise and penalty are chosen inside the fit.
References: Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3; Alain & Bengio 2016,
https://arxiv.org/abs/1610.01644.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iceframe.scale.rung import RUNGS, Context, StatefulRung


@RUNGS.register("chgnet_probe")
class ChgnetProbe(StatefulRung):
    """Kernel ridge regression, or logistic regression, on the embedding and the corrected
    energy's terms."""

    name = "chgnet_probe"
    title = "CHGNet, kernel probe"
    summary = "A smooth function of the embedding that CHGNet learned from calculated energies."
    reference = (
        "Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3; "
        "Alain & Bengio 2016, https://arxiv.org/abs/1610.01644"
    )
    input = "crystal"
    pretrained = True
    effort = "medium"

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.foundation.embedding_probe import ProbeClassifier, ProbeRegressor

        kind = ProbeRegressor if context.task == "regression" else ProbeClassifier
        return kind(random_state=context.seed)

"""CHGNet's network, trained on the labels; see :mod:`iceframe.scale.foundation.tuning`.

Nothing is tuned from outside, for one fit takes long: see the settings ``epochs``,
``learning_rate`` and ``batch_size``.

References: Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3; Kumar et al. 2022,
https://arxiv.org/abs/2202.10054.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iceframe.scale.rung import RUNGS, Context, StatefulRung

LEARNING_RATE = 2e-3


@RUNGS.register("chgnet_tuned")
class ChgnetTuned(StatefulRung):
    """It starts at the corrected foundation energy, and all of the network is trained."""

    name = "chgnet_tuned"
    title = "CHGNet, fine-tuned"
    summary = "The corrected energy of CHGNet, whose network is then trained on the labels."
    reference = (
        "Deng et al. 2023, https://doi.org/10.1038/s42256-023-00716-3; "
        "Kumar et al. 2022, https://arxiv.org/abs/2202.10054"
    )
    input = "crystal"
    pretrained = True
    effort = "extreme"
    tasks = ("regression",)

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.foundation.tuning import TunedRegressor

        return TunedRegressor(
            epochs=settings.get("epochs"),
            learning_rate=float(settings.get("learning_rate", LEARNING_RATE)),
            batch_size=int(settings.get("batch_size", 16)),
            device=context.device,
            random_state=context.seed,
        )

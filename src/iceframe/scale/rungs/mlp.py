"""A deep ensemble of small perceptrons.

Five networks that differ in their random start and in the data they stop by; their mean is the
prediction. Reference: Lakshminarayanan et al. 2017, https://arxiv.org/abs/1612.01474.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from iceframe.scale.preprocessing import chosen_columns, suggest_blocks
from iceframe.scale.rung import RUNGS, Context, Effort, StatefulRung

if TYPE_CHECKING:
    import optuna

WIDTHS = (32, 64, 128)


@RUNGS.register("mlp")
class MLPRung(StatefulRung):
    """Five small fully connected networks on the table, averaged."""

    name = "mlp"
    title = "Neural network ensemble"
    summary = "Five small fully connected networks on the table, averaged."
    reference = "Lakshminarayanan et al. 2017, https://arxiv.org/abs/1612.01474"
    family = "network"
    effort: ClassVar[Effort] = "heavy"

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.ensemble import EnsembleClassifier, EnsembleRegressor

        columns = chosen_columns(settings, context)
        width = int(settings.get("width", 64))
        kind = EnsembleRegressor if context.task == "regression" else EnsembleClassifier
        return kind(
            hidden=(width, width),
            columns=None if len(columns) == context.n_features else columns,
            dropout=float(settings.get("dropout", 0.0)),
            weight_decay=float(settings.get("weight_decay", 0.03)),
            # Large tables need no more steps than middling ones, but larger batches.
            batch_size=32 if context.n_samples < 2000 else 256,
            device=context.device,
            random_state=context.seed,
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        return {
            "width": trial.suggest_categorical("width", WIDTHS),
            "dropout": trial.suggest_float("dropout", 0.0, 0.3),
            "weight_decay": trial.suggest_float("weight_decay", 1e-3, 1.0, log=True),
            **suggest_blocks(trial, context),
        }

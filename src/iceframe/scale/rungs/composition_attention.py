"""Attention between the elements of a composition: a deep ensemble of small networks.

Elements look at each other in blocks of attention; the answer is read from their mean, weighted by
amount, with the plain columns of the table beside it. References: Wang et al. 2021 (CrabNet),
doi:10.1038/s41524-021-00545-1; Lakshminarayanan et al. 2017, https://arxiv.org/abs/1612.01474.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from iceframe.scale.rung import RUNGS, Context, Effort, StatefulRung

if TYPE_CHECKING:
    import optuna

FRACTIONS = "fractions"

# Blocks that only say again what the fractions say: they join where tuning finds that they help.
OF_COMPOSITION = ("magpie", "alloy", "oxidation")

WIDTHS = (48, 64, 96)

EPOCHS = 60

# Many samples are passed in larger batches.
MANY = 2000


@RUNGS.register("composition_attention")
class CompositionAttentionRung(StatefulRung):
    """Three networks of attention between elements, averaged."""

    name = "composition_attention"
    title = "Composition attention network"
    summary = "Elements of a composition look at each other; three small networks, averaged."
    reference = "Wang et al. 2021 (CrabNet), https://doi.org/10.1038/s41524-021-00545-1"
    family = "network"
    blocks = (FRACTIONS,)
    effort: ClassVar[Effort] = "heavy"

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.composition_estimator import (
            CompositionClassifier,
            CompositionRegressor,
        )

        columns = tuple(context.blocks[FRACTIONS])
        many = context.n_samples >= MANY
        kind = CompositionRegressor if context.task == "regression" else CompositionClassifier
        return kind(
            elements=tuple(_atomic_number(context.feature_names[c]) for c in columns),
            columns=columns,
            plain=_plain(context, bool(settings.get("statistics", False))),
            width=int(settings.get("width", 64)),
            dropout=float(settings.get("dropout", 0.1)),
            epochs=int(settings.get("epochs", EPOCHS)),
            batch_size=128 if many else 32,
            device=context.device,
            random_state=context.seed,
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        found: dict[str, Any] = {
            "width": trial.suggest_categorical("width", WIDTHS),
            "dropout": trial.suggest_float("dropout", 0.0, 0.3),
        }
        if any(context.blocks.get(name) for name in OF_COMPOSITION):
            found["statistics"] = trial.suggest_categorical("statistics", (False, True))
        return found


def _plain(context: Context, statistics: bool) -> tuple[int, ...]:
    """Positions of the columns that join after the elements."""
    taken = set(context.blocks[FRACTIONS])
    if not statistics:
        taken |= {c for name in OF_COMPOSITION for c in context.blocks.get(name, ())}
    return tuple(c for c in range(context.n_features) if c not in taken)


def _atomic_number(name: str) -> int:
    """Of the element in ``"Fe fraction"``; 0 where that is none, an element nothing is known of."""
    from iceframe.scale.descriptors._compositions import symbols

    symbol = name.removesuffix(" fraction")
    return symbols().index(symbol) + 1 if symbol in symbols() else 0

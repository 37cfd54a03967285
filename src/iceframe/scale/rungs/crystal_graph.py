"""A graph network on crystals: sites exchange messages along the edges of a crystal graph.

Gated messages as in Xie & Grossman 2018, doi:10.1103/PhysRevLett.120.145301, with a smooth cutoff
so that energies have continuous forces, and three networks averaged as in Lakshminarayanan et al.
2017, https://arxiv.org/abs/1612.01474. The answer is the mean over sites of a value of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from iceframe.scale.rung import RUNGS, Context, Effort, StatefulRung

if TYPE_CHECKING:
    import optuna

LEARNING_RATE = 3e-3
# About as many has a site: a shell or two, or some more. Time grows with them.
NEIGHBOURS = (20.0, 40.0)
# Few samples go in smaller batches.
BATCH, SMALL_BATCH, MANY = 32, 16, 1000
# Few samples are passed more often, so that training takes about as many steps.
EPOCHS, MOST_EPOCHS, STEPS = 80, 300, 1500


@RUNGS.register("crystal_graph")
class CrystalGraphRung(StatefulRung):
    """Three graph networks on crystals, averaged."""

    name = "crystal_graph"
    title = "Crystal graph network"
    summary = (
        "Sites of a crystal exchange messages with their neighbours; three networks, averaged."
    )
    reference = "Xie & Grossman 2018, https://doi.org/10.1103/PhysRevLett.120.145301"
    input: ClassVar[Literal["table", "image", "crystal"]] = "crystal"
    effort: ClassVar[Effort] = "extreme"

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.crystal_estimator import CrystalClassifier, CrystalRegressor

        kind = CrystalRegressor if context.task == "regression" else CrystalClassifier
        n = context.n_samples
        batch = BATCH if n >= MANY else SMALL_BATCH
        return kind(
            neighbours=float(settings.get("neighbours", NEIGHBOURS[0])),
            learning_rate=float(settings.get("learning_rate", LEARNING_RATE)),
            epochs=int(settings.get("epochs", passes(n, batch))),
            batch_size=batch,
            device=context.device,
            random_state=context.seed,
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        rate = LEARNING_RATE
        return {
            "learning_rate": trial.suggest_float("learning_rate", 0.3 * rate, 2 * rate, log=True),
            "neighbours": trial.suggest_categorical("neighbours", NEIGHBOURS),
        }


def passes(n: int, batch: int) -> int:
    """Passes over ``n`` samples in batches, so that there are about :data:`STEPS` or more.

    Examples
    --------
    >>> passes(100, 16), passes(6000, 32)
    (240, 80)
    """
    return min(MOST_EPOCHS, max(EPOCHS, STEPS * batch // max(n, 1)))

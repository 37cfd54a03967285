"""What the hurdle rungs share: one base rung, built as a classifier and as a regressor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from iceframe.core.values import Task
from iceframe.scale.rung import Context, Rung

if TYPE_CHECKING:
    import optuna

CERTAIN = 1e-9  # chances nearer to 0 or 1 give log-odds without digits


class HurdleRung(Rung):
    """Zero or not by one model of the family ``base``, how much by another."""

    base: ClassVar[type[Rung]]
    reference = "Cragg 1971, https://doi.org/10.2307/1909582"
    tasks: ClassVar[tuple[Task, ...]] = ("regression",)

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.hurdle import HurdleRegressor

        return HurdleRegressor(
            self.base().build(settings, _gate(context)),
            self.base().build(settings, context),
            scale=str(settings.get("scale", "plain")),
            answer=str(settings.get("mixture", "median")),  # the base may have an "answer"
            random_state=context.seed,
        )

    def space(self, trial: optuna.Trial, context: Context) -> dict[str, Any]:
        from iceframe.scale.hurdle import SCALES

        scale = trial.suggest_categorical("scale", SCALES)
        return {"scale": scale, **self.base().space(trial, context)}

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray | None:
        """Exact contributions to the answer, by ``shared_contributions`` of the hurdle."""
        from scipy.special import logit

        from iceframe.scale.hurdle import shared_contributions

        amount = self.base().terms(estimator.amount_, x, context)
        if estimator.gate_ is None or amount is None:
            return amount
        gate = self.base().terms(estimator.gate_, x, _gate(context))
        assert gate is not None
        chance = np.clip(estimator.gate_.predict_proba(x)[:, 1], CERTAIN, 1 - CERTAIN)
        start = (
            float(np.median(logit(chance) - gate[:, :, 1].sum(axis=1))),
            float(np.median(estimator.amount_.predict(x) - amount.sum(axis=1))),
        )
        return shared_contributions(estimator, gate[:, :, 1], amount, start)

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        """What decides between zero and not (in log-odds), then what decides the amount.

        The two have different units: importances are shares of all of their own model.
        """
        amount = self.base().describe(estimator.amount_, context)
        if estimator.gate_ is None:
            return amount
        gate = self.base().describe(estimator.gate_, _gate(context))
        rows = _named(gate, "log-odds of a value") + _named(amount, "the value")
        return sorted(rows, key=lambda row: -row["importance"])

    def parameters(self, estimator: Any) -> int:
        total = self.base().parameters(estimator.amount_)
        if estimator.gate_ is not None:
            total += self.base().parameters(estimator.gate_) + len(estimator.residuals_)
        return total


def _gate(context: Context) -> Context:
    return replace(context, task="classification", n_classes=2)


def _named(rows: list[dict[str, Any]], of: str) -> list[dict[str, Any]]:
    total = sum(abs(row["importance"]) for row in rows) or 1.0
    found = []
    for row in rows:
        named = {k: v for k, v in row.items() if k != "coefficient"}
        named.update(term=f"{of}: {row['term']}", importance=row["importance"] / total)
        found.append(named)
    return found

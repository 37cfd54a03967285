"""Who answers: the chosen model where its gate lets it, else the first simpler one whose gate does.

The gate of a simpler model is fitted on the calibration samples that every model before it refused,
each refused by a gate that had not seen it: its promise is about what it is asked. A model without
a finite interval there, or with one wider than ``widest``, is never fallen back to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from iceframe.core.errors import InputError
from iceframe.steer.gate import Calibration, Fit, Gate, fit_gate

SMALLEST = 10
"""Refused samples below which no simpler model is tried."""


@dataclass(frozen=True)
class Cascade:
    """Gates by the model's name, in the order in which they are asked; the first is the chosen."""

    gates: Mapping[str, Gate]

    @property
    def chosen(self) -> str:
        """The model that is asked first."""
        return next(iter(self.gates))

    def route(self, signals: Mapping[str, np.ndarray]) -> np.ndarray:
        """For each of ``m`` samples the place in ``gates`` of the model that answers, or −1.

        ``signals``: ``(m, s)`` for each model.
        """
        first = signals[self.chosen]
        found = np.full(len(first), -1)
        for place, (name, gate) in enumerate(self.gates.items()):
            open_still = found < 0
            found[open_still & gate.passes(signals[name])] = place
        return found


def fit_cascade(
    calibrations: Mapping[str, Calibration],
    *,
    target: float = 0.1,
    confidence: float = 0.9,
    level: float = 0.9,
    share: float = 1.0,
    widest: float = float("inf"),
    seed: int = 0,
) -> tuple[Cascade, Fit]:
    """Gates for several models on the same held-out samples, and the fit of the first of them.

    Parameters
    ----------
    calibrations : by model; the rows of all are the same samples. The first model is the chosen
        one, the others are asked in this order where it is refused.
    share : of the samples like the training data at most so much is answered by the first model,
        and of what it refuses by each of the others.
    widest : largest usual half width of the intervals of a model that is fallen back to.

    Raises
    ------
    InputError : no model, or calibrations of different lengths.
    """
    if len({len(c) for c in calibrations.values()}) != 1:
        raise InputError("The calibration data of all models must hold the same samples.")
    promise = {
        "target": target,
        "confidence": confidence,
        "level": level,
        "share": share,
        "seed": seed,
    }
    gates: dict[str, Gate] = {}
    first: Fit | None = None
    refused = np.ones(len(next(iter(calibrations.values()))), bool)
    for name, data in calibrations.items():
        if first is None:
            first = fit_gate(data, **promise)  # type: ignore[arg-type]
            gates[name], refused = first.gate, ~first.passed
            continue
        if refused.sum() < SMALLEST:
            break
        # What was refused is strange or hard, and one population.
        mine = data.take(refused)
        found = fit_gate(replace(mine, strange=np.zeros(len(mine), bool)), **promise)  # type: ignore[arg-type]
        if np.isfinite(found.gate.threshold) and found.gate.quantile * data.unit <= widest:
            gates[name] = found.gate
            refused[refused] = ~found.passed
    assert first is not None
    return Cascade(gates), first

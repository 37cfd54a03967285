"""Why a sample is answered or not, in a few words."""

from __future__ import annotations

from math import exp

import numpy as np

from iceframe.steer.asking import NOVEL
from iceframe.steer.gate import Gate

UNCERTIFIED = (
    "a risk of {target:g} cannot be promised: {bad} of {samples} held-out answers were badly wrong"
)
TOO_FEW = (
    "a risk of {target:g} cannot be promised: it takes {needed} held-out samples, "
    "there are {samples}"
)


def usual(p_value: float) -> str:
    """Of a sample that is answered."""
    if p_value > NOVEL:
        return "like the training data"
    return "novel, but such answers were right"


def refusals(
    gate: Gate, signals: np.ndarray, p_values: np.ndarray, unit: str, regression: bool
) -> list[str]:
    """Why ``gate`` refuses each of the samples with ``signals`` ``(m, s)``."""
    if not np.isfinite(gate.threshold):
        promise = gate.promise
        samples = promise.samples + promise.strange
        text = TOO_FEW if samples < promise.needed else UNCERTIFIED
        said = text.format(
            target=promise.target, bad=promise.wrong, samples=samples, needed=promise.needed
        )
        return [said] * len(signals)
    outside = gate.beyond(signals)
    beyond = np.asarray(outside.any(axis=1))
    decisive = np.where(beyond, outside.argmax(axis=1), gate.shares(signals).argmax(axis=1))
    found = []
    for row, p_value, j, far in zip(signals, p_values, decisive, beyond, strict=True):
        said = _signal(gate.names[j], float(row[j]), float(p_value), unit, regression)
        found.append(f"{said}, beyond all tested" if far else said)
    return found


def _signal(name: str, value: float, p_value: float, unit: str, regression: bool) -> str:
    amount = f"{value:.3g} {unit}".rstrip()
    words = {
        "disagreement": f"the models differ by {amount}" if regression else "the models disagree",
        "doubt": f"the surest class has a probability of {1 - value:.2f}",
        "local error": f"answers near it are off by {amount}"
        if regression
        else "answers near it are often wrong",
        "novelty": f"unlike the training data (p = {p_value:.2g})",
        "missing": "columns are missing",
        "spread": f"the trees of a forest differ by {amount}",
        "company": f"it and others beside it are unlike the training data (p = {exp(-value):.2g})",
        "unexplained": f"{amount} of the answer cannot be read"
        if regression
        else "the glass box answers otherwise",
    }
    return words[name]

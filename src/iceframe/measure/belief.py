"""May an explanation be believed: as a picture of its model, and as a picture of the material.

The two are kept apart. A picture of the *model* may be believed where it predicts what the model
does when a part is changed (faithfulness), where another seed draws the same picture (stability),
and where a network of random weights would draw another (randomisation). A picture of the
*material* may be believed where the property itself changes as the picture says (physical
agreement); where no physics can be computed this is unknown, however good the rest looks.

Nothing is averaged: the worst of what was measured decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Answer = Literal["yes", "partly", "no", "unknown"]

GOOD, POOR = 0.7, 0.3
"""Correlations and agreements from which a picture is good, and below which it is none."""

_REASONS: Mapping[str, Mapping[Answer, str]] = {
    "faithfulness": {
        "yes": "it foretells what the model does when a part is changed",
        "partly": "it foretells only roughly what the model does when a part is changed",
        "no": "it does not foretell what the model does when a part is changed",
    },
    "seed_stability": {
        "yes": "another seed draws the same picture",
        "partly": "another seed draws a picture that is only alike",
        "no": "another seed draws another picture",
    },
    "mprt": {
        "yes": "a network of random weights draws another picture",
        "no": "a network of random weights draws a picture as orderly",
    },
}


@dataclass(frozen=True)
class Belief:
    """Whether an explanation may be believed. ``sentence`` says both answers and why."""

    of_model: Answer
    of_material: Answer
    sentence: str


def believe(scores: Mapping[str, float], *, exact: bool = False) -> Belief:
    """Judge an explanation by its scores.

    Parameters
    ----------
    scores : any of ``faithfulness``, ``seed_stability``, ``mprt`` (similarity to the map of random
        weights: lower is better) and ``pf_star``; NaN and absent ones are unknown.
    exact : the explanation is the model itself, as the terms of a glass box are.

    Examples
    --------
    >>> believe({"faithfulness": 0.9, "seed_stability": 0.8, "pf_star": 0.1}).sentence
    'A true picture of the model, but not of the material: what it calls important is not what \
changes the property (physical agreement 0.10).'
    >>> believe({"faithfulness": 0.1}).of_model
    'no'
    """
    known = {name: value for name, value in scores.items() if math.isfinite(value)}
    of_model, reason = _of_model(known)
    if exact:
        of_model, reason = "yes", "the terms are the model"
    of_material = _grade(known["pf_star"]) if "pf_star" in known else "unknown"
    return Belief(of_model, of_material, _sentence(of_model, reason, of_material, known))


def _grade(value: float) -> Answer:
    if value >= GOOD:
        return "yes"
    return "partly" if value >= POOR else "no"


def _of_model(known: Mapping[str, float]) -> tuple[Answer, str]:
    """The worst answer of those measured, and the reason for it."""
    grades: dict[str, Answer] = {
        name: _grade(known[name]) for name in ("faithfulness", "seed_stability") if name in known
    }
    if "faithfulness" not in grades:
        return "unknown", ""
    if "mprt" in known:
        grades["mprt"] = "yes" if known["mprt"] < GOOD else "no"
    order: tuple[Answer, ...] = ("no", "partly", "yes")
    worst = min(grades, key=lambda name: order.index(grades[name]))
    return grades[worst], _REASONS[worst][grades[worst]]


def _sentence(
    of_model: Answer, reason: str, of_material: Answer, known: Mapping[str, float]
) -> str:
    if of_model == "no":
        return f"Not to be believed: {reason}."
    if of_model == "unknown" and of_material == "unknown":
        return "Unknown: nothing was measured that could tell."
    pictures = {
        "yes": "A true picture of the model",
        "partly": "A rough picture of the model",
        "unknown": "How true it is to the model was not measured",
    }
    start = pictures[of_model] + (f" ({reason})" if of_model == "partly" else "")
    if of_material == "unknown":
        start += f" ({reason})" if of_model == "yes" else ""
        return f"{start}. Whether the material agrees is unknown: no physics was computed."
    said = {
        "yes": "and of the material: the property changes as it says",
        "partly": "and in part of the material: the property changes only roughly as it says",
        "no": "but not of the material: what it calls important is not what changes the property",
    }
    return f"{start}, {said[of_material]} (physical agreement {known['pf_star']:.2f})."

"""The least change of a sample's two-phase structure that moves its prediction as asked.

The search is :mod:`iceframe.measure.beyond_maps.counterfactual`; where the data state the law, the
solver says whether the material would follow.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.workflow.further.subject import network_of
from iceframe.workflow.physics import properties_of, testable
from iceframe.workflow.view import Counterfactual

if TYPE_CHECKING:
    from iceframe.measure.beyond_maps.counterfactual import Counterfactuals
    from iceframe.workflow.further.subject import Subject

_REMEDIES = {
    "REACHED": "",
    "STUCK": "ask for a smaller change: no flip that was tried moves the answer further",
    "TOO_MANY": "ask for a smaller change: half of the structure would not do",
}


def changed_structure(subject: Subject, wish: float | str, keep: bool) -> Counterfactual:
    """What would make the model answer as wished, see :func:`change_asked`, or with a class.

    Raises
    ------
    UsageError : a model that reads no images, images that are not of two phases, or a wish that
        cannot be.
    """
    import torch

    from iceframe.measure.beyond_maps.counterfactual import REFERENCE, counterfactuals

    model = network_of(subject, "--counterfactual", "Structures are changed for networks")
    source = subject.inputs.images
    assert source is not None
    image = source.read([0])
    options: dict[str, Any] = {"levels": _two_levels(image), "periodic": source.periodic}
    classes = tuple(subject.run.header["classes"])
    code = subject.code
    if code is None:
        delta = change_asked(wish, float(subject.fitted.predict(subject.inputs)[0]))
        options["delta"], asked = delta, f"{delta:+.4g} {subject.unit}".rstrip()
    else:
        code = _class_asked(wish, classes, code)
        options["to"] = torch.tensor([code], device=model.device)
        asked = f"the class '{classes[code]}'"
    x = model.to_device(image)
    found = counterfactuals(model, x, keep_volume_fraction=keep, **options)
    before, after = float(found.before[0]), float(found.after[0])
    if code is not None:
        ends = torch.cat([x, model.to_device(found.images)])
        with torch.inference_mode():
            before, after = model.module(ends).softmax(dim=1)[:, code].tolist()
    phases, changed, status = found.phases[0], found.changed[0], found.status[0]
    remedy = _REMEDIES[status]
    solved, says = _solver_says(subject, found)
    return Counterfactual(
        asked=asked,
        phases=phases,
        changed=changed,
        before=before,
        after=after,
        reached=not remedy,
        remedy=remedy,
        unit=subject.unit,
        fraction_before=float(phases.mean()),
        fraction_after=float((phases ^ changed).mean()),
        at_boundary=bool(found.at_boundary[0]),
        kept_volume_fraction=keep,
        solved=solved,
        sentence=f"{_change_in_words(changed, remedy, asked)} {says}".rstrip(),
        reference=REFERENCE,
    )


def _solver_says(subject: Subject, found: Counterfactuals) -> tuple[dict[str, Any] | None, str]:
    """The property before and after as plain values, and whether making it would have worked."""
    from iceframe.measure.beyond_maps.counterfactual import solved
    from iceframe.physics.components import component_pair

    law = subject.one.law
    if not found.flips[0]:
        return None, ""
    if law is None or not testable(subject.one):
        return None, "Whether the material would follow is unknown: no physics was computed."
    pair = component_pair(law.kind, law.component, found.phases.ndim - 1)
    truth = replace(solved(found, properties_of(law), pair), unit=subject.unit)
    numbers = {name: float(getattr(truth, name)[0]) for name in ("before", "after", "ratio")}
    judged = {name: bool(getattr(truth, name)[0]) for name in ("agrees", "worked")}
    return numbers | judged, truth.sentence(0)


def change_asked(wish: float | str, prediction: float) -> float:
    """The change of the prediction that is asked for: a number, or per cent of the prediction's
    size, with a sign: ``+`` raises, ``-`` lowers.

    Raises
    ------
    UsageError : neither a number nor per cent, or no change at all.

    Examples
    --------
    >>> change_asked("-2.5", 50.0), change_asked("+10%", -50.0)
    (-2.5, 5.0)
    """
    text = str(wish).strip().replace("\N{MINUS SIGN}", "-")
    try:
        share = text.endswith("%")
        change = float(text[:-1]) / 100 * abs(prediction) if share else float(text)
    except ValueError:
        change = float("nan")
    if not math.isfinite(change) or change == 0:
        raise UsageError(
            "The change of the prediction must be a number other than 0, or per cent.",
            where="--counterfactual",
            got=wish,
            allowed="for example 2.5, -2.5, +10% or -10%",
        )
    return change


def _class_asked(wish: float | str, classes: tuple[str, ...], predicted: int) -> int:
    """The code of the class that the model shall answer."""
    others = tuple(name for code, name in enumerate(classes) if code != predicted)
    if wish not in others:
        raise UsageError(
            "The model answers so already."
            if wish == classes[predicted]
            else "The model knows no such class.",
            where="--counterfactual",
            got=wish,
            allowed=", ".join(others),
        )
    return classes.index(str(wish))


def _two_levels(image: np.ndarray) -> tuple[float, float]:
    """The pixel values of the two phases of an image ``(1, channels, *grid)``."""
    values = np.unique(image)
    if image.shape[1] != 1 or len(values) > 2 or (len(values) == 1 and values[0] not in (0, 1)):
        got = f"{len(values)} different values" if image.shape[1] == 1 else "several channels"
        raise UsageError(
            "Counterfactual structures need images of two phases.",
            where="--counterfactual",
            got=got,
            allowed="two values in one channel",
            hint="segment the images into two phases and run again",
        )
    if set(values.tolist()) <= {0.0, 1.0}:
        return 0.0, 1.0
    return float(values[0]), float(values[1])


def _change_in_words(changed: np.ndarray, remedy: str, asked: str) -> str:
    noun = "pixel" if changed.ndim == 2 else "voxel"
    flips = int(changed.sum())
    if not flips:
        return f"No change of structure was found that moves the prediction; {remedy}."
    share = f"{flips} of {changed.size} {noun}s ({flips / changed.size:.2%})"
    if not remedy:
        return f"Changing {share} would make the model answer as asked: {asked}."
    return f"Not reached: {asked}. The closest that was found changes {share}; {remedy}."

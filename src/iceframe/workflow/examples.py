"""One explained sample as a plain value, for reports and pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.core.values import Explanation
from iceframe.measure.conformal import Conformal
from iceframe.scale.fitting import Fitted
from iceframe.scale.rung import Inputs
from iceframe.workflow.view import Example

MOST_CONTRIBUTIONS = 20  # of a table; the rest adds up to "all others"


def example_of(
    explanation: Explanation,
    fitted: Fitted,
    conformal: Conformal,
    inputs: Inputs,
    sample: str,
    truth: Any,
    classes: tuple[str, ...],
) -> Example:
    """The sample ``inputs`` (one row) with its prediction, interval and explanation."""
    predicted = fitted.predict(inputs)
    known: dict[str, Any] = {"id": sample, "truth": _plain(truth), "method": explanation.method}
    gap = explanation.completeness_gap
    known["completeness_gap"] = float(gap) if np.isfinite(gap) else None
    if fitted.context.task == "regression":
        low, high = conformal.interval(predicted)
        known |= {"prediction": float(predicted[0]), "low": float(low[0]), "high": float(high[0])}
    else:
        code = int(predicted[0].argmax())
        known |= {"prediction": classes[code], "probability": float(predicted[0, code])}
    if fitted.rung.input == "image":
        assert inputs.images is not None
        image = inputs.images.read([0])[0].mean(axis=0)
        return Example(**known, image=picture(image), map=picture(np.asarray(explanation.values)))
    if fitted.rung.input == "crystal":
        assert inputs.crystals is not None
        given = amounts(inputs.crystals, explanation.names)
    else:
        given = inputs.table.values[0]
    names, values, contributions = _largest(explanation, given)
    return Example(**known, names=names, feature_values=values, contributions=contributions)


def as_row(example: Example) -> dict[str, Any]:
    """The example without its pictures, as JSON values."""
    return {k: v for k, v in vars(example).items() if k not in ("image", "map", "physics")}


def amounts(crystals: Crystals, symbols: tuple[str, ...]) -> np.ndarray:
    """Atomic fraction of each element in the first crystal ``(len(symbols),)``; NaN of what is no
    element, as the terms of a glass box may be."""
    from pymatgen.core import Element

    numbers = crystals.take([0]).numbers
    found = [
        np.mean(numbers == Element(symbol).Z) if Element.is_valid_symbol(symbol) else np.nan
        for symbol in symbols
    ]
    return np.array(found, float)


def _largest(
    explanation: Explanation, x: np.ndarray
) -> tuple[tuple[str, ...], tuple[Any, ...], tuple[float, ...]]:
    """The largest contributions; what is not there (an element of other crystals) has none."""
    contributions = np.asarray(explanation.values, float)
    order = np.argsort(-np.abs(contributions), kind="stable")
    order = order[np.isfinite(contributions[order])]
    kept, rest = order[:MOST_CONTRIBUTIONS], order[MOST_CONTRIBUTIONS:]
    names = [explanation.names[i] for i in kept]
    # Interactions of a glass box have no single value.
    values = [_plain(x[i]) if i < len(x) else None for i in kept]
    numbers = [float(contributions[i]) for i in kept]
    if len(rest):
        names.append(f"all {len(rest)} others")
        values.append(None)
        numbers.append(float(contributions[rest].sum()))
    return tuple(names), tuple(values), tuple(numbers)


def picture(volume: np.ndarray) -> np.ndarray:
    """A picture ``(h, w)``: the image itself, or the middle slice of a volume."""
    while volume.ndim > 2:
        volume = volume[len(volume) // 2]
    return np.asarray(volume, np.float32)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    number = float(value)
    return number if np.isfinite(number) else None

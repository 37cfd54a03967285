"""One explained sample as a folder: a page to read, and the same numbers for a script.

``explanation.html`` is self-contained; ``explanation.json`` holds all values, and beside it lies
``attributions.csv`` (tables) or ``map.npy`` (images, on the image's own grid).
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.core.files import replacing, write_json, write_text
from iceframe.core.values import Explanation, Task
from iceframe.report.figures.maps import draw_maps
from iceframe.report.numbers import finite, number
from iceframe.report.page import asset, template
from iceframe.report.summary.learned import case_of
from iceframe.workflow.view import Example

SHOWN_BARS = 20


def write_explanation(explanation: Explanation, example: Example, folder: Path) -> Path:
    """Write why a model answered as it did for one sample; returns the path of the page.

    Raises
    ------
    InputError : if ``folder`` cannot be written to.
    """
    folder = Path(folder)
    write_json(folder / "explanation.json", _plain(explanation, example))
    if example.image is None:
        write_text(folder / "attributions.csv", _table(explanation, example))
    else:
        with replacing(folder / "map.npy") as temporary:
            np.save(temporary, np.asarray(explanation.values))
    page = folder / "explanation.html"
    write_text(page, render(explanation, example))
    return page


def render(explanation: Explanation, example: Example) -> str:
    """The page as text."""
    from markupsafe import Markup

    task: Task = "classification" if example.probability is not None else "regression"
    pictures, limit = draw_maps([example])
    return template("explanation.html").render(
        style=Markup(asset("report.css")),
        case=case_of(example, pictures[0], task, "", bars=SHOWN_BARS),
        task=task,
        limit=limit,
        target=explanation.target,
        baseline=number(explanation.baseline) if finite(explanation.baseline) else "",
        reference=explanation.reference,
    )


def _plain(explanation: Explanation, example: Example) -> dict[str, object]:
    """Everything but the map, as JSON values; what is not finite is ``null``."""
    body: dict[str, object] = {
        "sample": str(example.id),
        "target": explanation.target,
        "method": explanation.method,
        "reference": explanation.reference,
        "truth": _finite_or_text(example.truth),
        "prediction": _finite_or_text(example.prediction),
        "low": _finite_or_text(example.low),
        "high": _finite_or_text(example.high),
        "probability": _finite_or_text(example.probability),
        "explained_value": _finite_or_text(explanation.prediction),
        "baseline": _finite_or_text(explanation.baseline),
        "completeness_gap": _finite_or_text(explanation.completeness_gap),
    }
    if example.image is None:
        body["contributions"] = {
            name: _finite_or_text(value)
            for name, value in zip(explanation.names, np.ravel(explanation.values), strict=True)
        }
    return body


def _finite_or_text(value: object) -> object:
    if isinstance(value, str) or value is None:
        return value
    return float(value) if finite(value) else None  # type: ignore[arg-type]


def _table(explanation: Explanation, example: Example) -> str:
    """Contributions, largest first, with the feature's value where the sample shows it."""
    known = dict(zip(example.names, example.feature_values, strict=False))
    table = pd.DataFrame(
        {
            "feature": explanation.names,
            "value": [known.get(name) for name in explanation.names],
            "contribution": np.ravel(explanation.values),
        }
    )
    order = np.argsort(-np.abs(table["contribution"].to_numpy(float)), kind="stable")
    stream = io.StringIO()
    table.iloc[order].to_csv(stream, index=False)
    return stream.getvalue()

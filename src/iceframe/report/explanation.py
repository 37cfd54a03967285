"""One explained sample as a folder: a page to read, and the same numbers for a script.

``explanation.html`` is self-contained; ``explanation.json`` holds all values, and beside it lies
``attributions.csv`` (tables) or ``map.npy`` (images, on the image's own grid) and
``physics.npy`` where the property can be computed. What else was asked has a section and a key of
its own (:mod:`iceframe.report.further`); ``counterfactual.npy`` holds the phases of a changed
structure.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.core.files import replacing, write_json, write_text
from iceframe.core.values import Explanation, Task
from iceframe.report.figures.maps import draw_maps
from iceframe.report.further import change_of, plain_answers, seen_of, use_of
from iceframe.report.numbers import finite, number
from iceframe.report.page import asset, template
from iceframe.report.summary.learned import case_of
from iceframe.report.words import word
from iceframe.workflow.view import Example, Explained

SHOWN_BARS = 20


def write_explanation(explained: Explained, folder: Path) -> Path:
    """Write why a model answered as it did for one sample; returns the path of the page.

    Raises
    ------
    InputError : if ``folder`` cannot be written to.
    """
    folder, example = Path(folder), explained.example
    write_json(folder / "explanation.json", _plain(explained))
    if example.image is None:
        write_text(folder / "attributions.csv", _table(explained.explanation, example))
    else:
        _save(folder / "map.npy", explained.explanation.values)
        if example.physics is not None:
            _save(folder / "physics.npy", example.physics)
    change = explained.counterfactual
    if change is not None:
        _save(folder / "counterfactual.npy", (change.phases ^ change.changed).astype(np.uint8))
    page = folder / "explanation.html"
    write_text(page, render(explained))
    return page


def _save(path: Path, values: np.ndarray) -> None:
    with replacing(path) as temporary:
        np.save(temporary, np.asarray(values))


def render(explained: Explained) -> str:
    """The page as text."""
    from markupsafe import Markup

    explanation, example = explained.explanation, explained.example
    task: Task = "classification" if example.probability is not None else "regression"
    maps = draw_maps([example])
    return template("explanation.html").render(
        style=Markup(asset("report.css")),
        case=case_of(example, maps.pictures[0], task, "", bars=SHOWN_BARS),
        task=task,
        limit=maps.limit,
        physics_limit=maps.physics_limit,
        target=explanation.target,
        baseline=number(explanation.baseline) if finite(explanation.baseline) else "",
        reference=explanation.reference,
        trust=explained.trust.sentence,
        scores=[
            (word(name).label, word(name).tip, number(value))
            for name, value in explained.trust.scores.items()
        ],
        use=None if explained.concepts is None else use_of(explained.concepts),
        change=None if explained.counterfactual is None else change_of(explained),
        seen=None if explained.neighbours is None else seen_of(explained),
    )


def _plain(explained: Explained) -> dict[str, object]:
    """Everything but the maps, as JSON values; what is not finite is ``null``."""
    explanation, example, trust = explained.explanation, explained.example, explained.trust
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
        "believed": {
            "of_model": trust.of_model,
            "of_material": trust.of_material,
            "sentence": trust.sentence,
            "scores": {name: _finite_or_text(value) for name, value in trust.scores.items()},
        },
    }
    if example.image is None:
        body["contributions"] = {
            name: _finite_or_text(value)
            for name, value in zip(explanation.names, np.ravel(explanation.values), strict=True)
        }
    return body | plain_answers(explained)


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

"""All figures of one report, by the place where they stand; a figure that has no data is absent."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from iceframe.report.figures.axes import triangle
from iceframe.report.figures.calibration import intervals, reliability
from iceframe.report.figures.front import pareto
from iceframe.report.figures.learned import curves, importances
from iceframe.report.figures.material import target
from iceframe.report.figures.path import path
from iceframe.report.figures.predictions import confusion, parity
from iceframe.report.figures.style import Drawing
from iceframe.report.scores import Row, Scores
from iceframe.report.summary import Summary
from iceframe.workflow.view import RunView


@dataclass(frozen=True)
class Drawings:
    """The figures; those of one rung come as pairs of rung and figure, the chosen rung first."""

    triangle: Drawing
    pareto: Drawing | None
    predictions: tuple[tuple[Row, Drawing], ...]
    intervals: Drawing | None
    reliability: Drawing | None
    importances: dict[str, Drawing]
    curves: dict[str, Drawing]
    target: Drawing | None
    path: Drawing | None


def draw(view: RunView, scores: Scores, summary: Summary) -> Drawings:
    """Draw everything that the run has data for."""
    terms = {item.row.name: item for item in summary.learned}
    bars = {k: importances(v.terms, v.n_terms, v.signed) for k, v in terms.items()}
    shapes = {k: curves(v.curves, view.classes, view.unit) for k, v in terms.items()}
    return Drawings(
        triangle=triangle(scores),
        pareto=pareto(scores),
        predictions=_predictions(view, scores),
        intervals=intervals(scores, view.predictions, view.unit, summary.level, view.task),
        reliability=reliability(view.predictions, scores.rows, view.classes),
        importances={k: d for k, d in bars.items() if d},
        curves={k: d for k, d in shapes.items() if d},
        target=target(view.predictions, view.target, view.unit, view.task),
        path=_path(view),
    )


def _path(view: RunView) -> Drawing | None:
    """The way of the search that led here, if one did."""
    if view.path is None:
        return None
    way = view.path
    return path(way.steps, way.evidence, chosen=way.chosen, loss=way.loss)


def _predictions(view: RunView, scores: Scores) -> tuple[tuple[Row, Drawing], ...]:
    """One figure a rung: the chosen one first, else the best."""
    first = view.equilibrium.rung or scores.best(scores.loss)
    drawings = []
    for row in sorted(scores.rows, key=lambda r: r.name != first):
        table = view.predictions[view.predictions["rung"] == row.name]
        drawing = _of_rung(view, table)
        if drawing:
            drawings.append((row, drawing))
    return tuple(drawings)


def _of_rung(view: RunView, table: pd.DataFrame) -> Drawing | None:
    if view.task == "classification":
        return confusion(table, view.classes)
    return parity(table, view.target, view.unit, float(view.settings.get("level", 0.9)))

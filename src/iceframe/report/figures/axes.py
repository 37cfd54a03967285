"""The triangle: complexity, fidelity and transparency of every rung, side by side."""

from __future__ import annotations

from iceframe.report.figures.rows import Panel, panel_rows
from iceframe.report.figures.style import Drawing
from iceframe.report.numbers import finite
from iceframe.report.scores import Score, Scores
from iceframe.report.words import word


def triangle(scores: Scores) -> Drawing:
    """Three aligned panels, rows in the order of measured complexity."""
    loss = word(scores.loss)
    unit = scores.unit(scores.loss)
    direction = {"lower": "lower is better", "higher": "higher is better"}
    panels = (
        Panel(
            "Complexity",
            "0 a constant, 1 memorises all",
            _column(scores, "complexity"),
            span=_span(_column(scores, "complexity"), 0.0, None),
        ),
        Panel(
            "Fidelity",
            ", ".join(filter(None, [loss.label.lower(), unit])),
            _column(scores, scores.loss),
            tick_format=".0%" if loss.show == "percent" else None,
        ),
        Panel(
            "Transparency",
            "faithfulness, 1 is perfect",
            _column(scores, "faithfulness"),
            span=_span(_column(scores, "faithfulness"), 0.0, 1.0),
        ),
    )
    figure, height, narrow = panel_rows(scores.rows, panels)
    note = direction.get(scores.better(scores.loss), "")
    return Drawing(
        figure,
        "The three axes, measured on the same folds",
        f"Rungs from simple to complex. Dots are means over folds, lines are 95 % intervals; for "
        f"{loss.label.lower()}, {note or 'see the table'}.",
        height,
        narrow,
    )


def _column(scores: Scores, metric: str) -> tuple[Score, ...]:
    return tuple(scores.get(row.name, metric) for row in scores.rows)


def _span(column: tuple[Score, ...], low: float, high: float | None) -> tuple[float, float] | None:
    """An axis that holds all intervals and at least ``low`` to ``high``."""
    values = [v for s in column for v in (s.value, s.low, s.high) if finite(v)]
    if not values:
        return (low, high if high is not None else 1.0)
    bottom, top = min([low, *values]), max(values)
    top = max(top, high) if high is not None else top
    margin = 0.04 * ((top - bottom) or 1.0)
    return (bottom - margin, top + margin)

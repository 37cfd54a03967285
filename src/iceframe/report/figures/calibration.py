"""Calibration: do the intervals keep their promise, and how wide must they be for that?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from iceframe.measure.uncertainty.scores import calibration_curve
from iceframe.report.figures.rows import Panel, panel_rows
from iceframe.report.figures.style import Drawing, axis, canvas, safe
from iceframe.report.numbers import finite
from iceframe.report.palette import ACCENT, FAINT, PAPER
from iceframe.report.scores import Row, Score, Scores

if TYPE_CHECKING:
    import plotly.graph_objects as go

BINS = 10
LEVELS = 20


def intervals(
    scores: Scores, predictions: pd.DataFrame, unit: str, level: float, task: str
) -> Drawing | None:
    """Coverage against the promised level, and the width of the intervals (or size of the sets)."""
    coverage = tuple(scores.get(row.name, "coverage") for row in scores.rows)
    widths = tuple(_widths(predictions, row.name, unit, task) for row in scores.rows)
    if not any(score.known for score in (*coverage, *widths)):
        return None
    sets = task == "classification"
    hint = "mean number of classes" if sets else "median and middle 90 %"
    panels = (
        Panel(
            "Coverage",
            f"dashed: the promised {100 * level:.0f} %",
            coverage,
            span=_span(coverage, level),
            reference=level,
            tick_format=".0%",
        ),
        Panel(
            "Set size" if sets else "Interval width",
            f"{hint}, {unit}" if unit and not sets else hint,
            widths,
            span=_from_zero(widths),
        ),
    )
    figure, height, narrow = panel_rows(scores.rows, panels)
    caption = (
        "Intervals are made from held-out errors (conformal prediction). Coverage left of the "
        "dashed line promises too much, right of it too little. Narrow and honest is best."
    )
    return Drawing(figure, "Do the intervals keep their promise?", caption, height, narrow)


def _widths(predictions: pd.DataFrame, rung: str, unit: str, task: str) -> Score:
    """Median width and its 5th to 95th percentile; for classes the mean size of the sets."""
    table = predictions[predictions["rung"] == rung]
    if task == "classification":
        sizes = table["set_size"].dropna() if "set_size" in table else pd.Series(dtype=float)
        return Score("set_size", float(sizes.mean()) if len(sizes) else float("nan"))
    if not {"low", "high"} <= set(table.columns):
        return Score("interval_width", float("nan"))
    width = (table["high"].astype(float) - table["low"].astype(float)).to_numpy()
    width = width[np.isfinite(width)]
    if not len(width):
        return Score("interval_width", float("nan"))
    low, middle, high = np.quantile(width, [0.05, 0.5, 0.95])
    return Score("interval_width", float(middle), float(low), float(high), unit=unit)


def _span(column: tuple[Score, ...], level: float) -> tuple[float, float]:
    values = [v for s in column for v in (s.value, s.low, s.high) if finite(v)] + [level]
    low = min(min(values), level - 0.06)
    high = max(max(values), level + 0.06)
    return (max(0.0, low - 0.01), min(1.005, high + 0.01))


def _from_zero(column: tuple[Score, ...]) -> tuple[float, float] | None:
    values = [v for s in column for v in (s.value, s.high) if finite(v)]
    return (0.0, 1.06 * max(values)) if values and max(values) > 0 else None


def reliability(
    predictions: pd.DataFrame, rows: tuple[Row, ...], classes: tuple[str, ...]
) -> Drawing | None:
    """How often what is stated comes true, the chosen rung in front: the probability of a class,
    or the level of an interval."""
    columns = [f"p_{name}" for name in classes] or ["needed_level"]
    if not set(columns) <= set(predictions.columns):
        return None
    figure = canvas(400)
    figure.add_shape(
        type="line", x0=0, y0=0, x1=1, y1=1, layer="below",
        line={"color": FAINT, "width": 1.2, "dash": "5px,4px"},
    )  # fmt: skip
    found = False
    for row in sorted(rows, key=lambda r: r.chosen):
        table = predictions[predictions["rung"] == row.name].dropna(subset=columns)
        if len(table):
            found = True
            _curve(figure, row, *(_of_classes(table, classes) if classes else _of_levels(table)))
    if not found:
        return None
    text = _PROBABILITIES if classes else _LEVELS
    figure.update_layout(
        xaxis=axis(text["x"], range=[-0.02, 1.02], tickformat=".0%"),
        yaxis=axis(text["y"], range=[-0.02, 1.02], tickformat=".0%"),
        margin={"l": 64, "r": 12, "t": 12, "b": 56},
    )
    return Drawing(figure, text["title"], text["caption"], 400, {"height": 340})


_PROBABILITIES = {
    "title": "Can its probabilities be believed?",
    "x": "Probability given to the class",
    "y": "Share that is of the class",
    "caption": (
        "All classes pooled, in bins of equal counts. On the dashed line, a stated 70 % comes true "
        "in 70 % of cases; below it the model is overconfident. Blue is the chosen rung."
    ),
}
_LEVELS = {
    "title": "Do the intervals hold at every level?",
    "x": "Level that is asked for",
    "y": "Held-out samples inside",
    "caption": (
        "On the dashed line, intervals at 70 % hold 70 % of the held-out samples; below it they "
        "are too narrow, above it too wide. Blue is the chosen rung."
    ),
}


def reliability_bins(
    probability: np.ndarray, hit: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean probability, observed share and count in bins of equal counts.

    Examples
    --------
    >>> p, share, n = reliability_bins(np.array([0.1, 0.9]), np.array([False, True]))
    >>> p.tolist(), share.tolist(), n.tolist()
    ([0.1, 0.9], [0.0, 1.0], [1, 1])
    """
    order = np.argsort(probability, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    mean = np.array([probability[part].mean() for part in parts])
    share = np.array([hit[part].mean() for part in parts])
    return mean, share, np.array([len(part) for part in parts])


def _of_classes(
    table: pd.DataFrame, classes: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Stated probability, share that came true, and words for each bin."""
    probability = table[[f"p_{name}" for name in classes]].to_numpy(float)
    truth = table["y"].astype(str).to_numpy()[:, None] == np.array(classes)[None]
    stated, share, count = reliability_bins(probability.ravel(), truth.ravel())
    words = [
        f"stated {100 * p:.0f} %, came true {100 * s:.0f} %<br>{n} cases"
        for p, s, n in zip(stated, share, count, strict=True)
    ]
    return stated, share, words


def _of_levels(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Level of the intervals, share of samples inside, and words for each level."""
    needed = table["needed_level"].to_numpy(float)
    levels = np.arange(1, LEVELS) / LEVELS
    share = calibration_curve(needed, levels)
    words = [
        f"at {100 * p:.0f} %, {100 * s:.0f} % of {len(needed)} samples are inside"
        for p, s in zip(levels, share, strict=True)
    ]
    return levels, share, words


def _curve(
    figure: go.Figure, row: Row, stated: np.ndarray, share: np.ndarray, words: list[str]
) -> None:
    import plotly.graph_objects as go

    colour = ACCENT if row.chosen else FAINT
    figure.add_trace(
        go.Scatter(
            x=stated,
            y=share,
            mode="lines+markers",
            line={"color": colour, "width": 2.2 if row.chosen else 1},
            marker={"size": 8 if row.chosen else 4, "line": {"color": PAPER, "width": 1}},
            opacity=1 if row.chosen else 0.75,
            hovertext=[f"<b>{safe(row.title)}</b><br>{text}" for text in words],
            hoverinfo="text",
        )
    )

"""Predicted against measured, and for classes the confusion matrix: held-out samples only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from iceframe.report.figures.style import (
    Drawing,
    axis,
    canvas,
    capped,
    drawn_points,
    light,
    safe,
    short,
    with_unit,
)
from iceframe.report.numbers import finite, number
from iceframe.report.palette import (
    ACCENT,
    ACCENT_HAZE,
    FAINT,
    INK,
    PAPER,
    SEQUENCE_HIGH,
    SEQUENCE_LOW,
    WARM,
    WARM_HAZE,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAX_CLASSES = 25


def parity(table: pd.DataFrame, target: str, unit: str, level: float) -> Drawing | None:
    """Predicted against measured with intervals; misses stand out. ``None`` where nothing is."""
    table = table[np.isfinite(table["y"].astype(float)) & np.isfinite(table["mean"].astype(float))]
    if table.empty:
        return None
    height, n = 520, len(table)
    drawn = table.iloc[drawn_points(n)]
    figure = canvas(height)
    span = _span(drawn)
    _diagonal(figure, span)
    missed = _missed(drawn)
    whole = _missed(table)
    for out, colour, haze in ((False, ACCENT, ACCENT_HAZE), (True, WARM, WARM_HAZE)):
        part = drawn[missed == out]
        if len(part):
            _intervals(figure, part, haze)
            _points(figure, part, colour, unit)
    figure.update_layout(
        xaxis=axis(with_unit(f"Measured {target}", unit), range=span, nticks=7),
        yaxis=axis(with_unit("Predicted", unit), range=span, nticks=7),
        margin={"l": 64, "r": 12, "t": 12, "b": 56},
    )
    share = f"{100 * whole.mean():.1f} %" if _has_intervals(table) else ""
    caption = "Held-out samples; the dashed line is perfect."
    if share:
        caption += (
            f" Vertical lines are {100 * level:.0f} % intervals; orange ones miss the truth "
            f"({share} of all; {100 * (1 - level):.0f} % are expected to)."
        )
    return Drawing(
        figure,
        "Predicted against measured",
        caption + capped(n, len(drawn)),
        height,
        {"height": 400, "margin.l": 48},
    )


def _has_intervals(table: pd.DataFrame) -> bool:
    return {"low", "high"} <= set(table.columns) and bool(table["low"].notna().any())


def _missed(table: pd.DataFrame) -> np.ndarray:
    if not _has_intervals(table):
        return np.zeros(len(table), bool)
    y = table["y"].to_numpy(float)
    return (y < table["low"].to_numpy(float)) | (y > table["high"].to_numpy(float))


def _span(table: pd.DataFrame) -> list[float]:
    """One range for both axes; a few very wide intervals do not squeeze all the points."""
    values = [table["y"].to_numpy(float), table["mean"].to_numpy(float)]
    low, high = min(v.min() for v in values), max(v.max() for v in values)
    if _has_intervals(table):
        ends = table[["low", "high"]].to_numpy(float)
        ends = ends[np.isfinite(ends)]
        low = min(low, float(np.quantile(ends, 0.02)))
        high = max(high, float(np.quantile(ends, 0.98)))
    margin = 0.04 * ((high - low) or 1.0)
    return [float(low - margin), float(high + margin)]


def _diagonal(figure: go.Figure, span: list[float]) -> None:
    figure.add_shape(
        type="line", x0=span[0], y0=span[0], x1=span[1], y1=span[1], layer="below",
        line={"color": FAINT, "width": 1.2, "dash": "5px,4px"},
    )  # fmt: skip


def _intervals(figure: go.Figure, part: pd.DataFrame, colour: str) -> None:
    """All intervals as one line with gaps: a single path is fast to draw."""
    import plotly.graph_objects as go

    if not _has_intervals(part):
        return
    y = part["y"].to_numpy(float)
    gap = np.full(len(part), np.nan)
    xs = np.column_stack([y, y, gap]).ravel()
    ys = np.column_stack([part["low"].to_numpy(float), part["high"].to_numpy(float), gap]).ravel()
    figure.add_trace(
        go.Scatter(
            x=light(xs), y=light(ys), mode="lines", hoverinfo="skip", connectgaps=False,
            line={"color": colour, "width": 1 if len(part) > 400 else 1.4},
        )
    )  # fmt: skip


def _points(figure: go.Figure, part: pd.DataFrame, colour: str, unit: str) -> None:
    import plotly.graph_objects as go

    n = len(part)
    figure.add_trace(
        go.Scatter(
            x=light(part["y"]),
            y=light(part["mean"]),
            mode="markers",
            marker={
                "size": 7 if n < 400 else 5,
                "color": colour,
                "line": {"color": PAPER, "width": 0.8 if n < 400 else 0.4},
                "opacity": 0.9,
            },
            hovertext=[_hover(row, unit) for row in part.to_dict("records")],
            hoverinfo="text",
        )
    )


def _hover(row: dict, unit: str) -> str:
    unit = f" {safe(unit)}" if unit else ""
    text = f"<b>{short(row['id'], 40)}</b><br>measured {number(row['y'], 4)}{unit}"
    text += f"<br>predicted {number(row['mean'], 4)}{unit}"
    if finite(row.get("low")) and finite(row.get("high")):
        text += f"<br>interval {number(row['low'], 4)} to {number(row['high'], 4)}{unit}"
    return text


def confusion(table: pd.DataFrame, classes: tuple[str, ...]) -> Drawing | None:
    """Rows are the truth, columns the prediction, colours the share of each row."""
    import plotly.graph_objects as go

    if table.empty or not classes:
        return None
    counts = pd.crosstab(table["y"].astype(str), table["mean"].astype(str))
    order = [c for c in classes if c in counts.index or c in counts.columns]
    cut = ""
    if len(order) > MAX_CLASSES:
        frequent = table["y"].astype(str).value_counts().index[:MAX_CLASSES]
        cut = f" The {MAX_CLASSES} most frequent of {len(order)} classes are drawn."
        order = [c for c in order if c in frequent]
    values = counts.reindex(index=order, columns=order, fill_value=0).to_numpy()
    total = counts.reindex(index=order, fill_value=0).to_numpy().sum(axis=1, keepdims=True)
    share = np.divide(values, total, out=np.zeros(values.shape), where=total > 0)
    names = [short(c, 18) for c in order]
    height = max(280, min(640, 120 + 46 * len(order)))
    figure = canvas(height)
    figure.add_trace(
        go.Heatmap(
            z=light(share),
            x=list(range(len(order))),
            y=list(range(len(order))),
            zmin=0,
            zmax=1,
            colorscale=[[0, SEQUENCE_LOW], [1, SEQUENCE_HIGH]],
            showscale=False,
            xgap=3,
            ygap=3,
            hovertext=[
                [
                    f"<b>{names[i]}</b> called <b>{names[j]}</b><br>{values[i, j]} of {total[i, 0]}"
                    f" ({100 * share[i, j]:.0f} %)"
                    for j in range(len(order))
                ]
                for i in range(len(order))
            ],
            hoverinfo="text",
        )
    )
    _counts(figure, values, share)
    places = {"tickmode": "array", "tickvals": list(range(len(order))), "ticktext": names}
    figure.update_layout(
        xaxis=axis("Predicted", **places, showgrid=False, side="bottom"),
        yaxis=axis("True", **places, showgrid=False, autorange="reversed"),
        margin={"l": 64, "r": 12, "t": 12, "b": 56},
    )
    caption = (
        "Held-out samples: counts, shaded by the share of each true class. Off the diagonal are "
        f"the mistakes.{cut}"
    )
    return Drawing(figure, "Confusion matrix", caption, height, {"height": min(height, 400)})


def _counts(figure: go.Figure, values: np.ndarray, share: np.ndarray) -> None:
    if len(values) > 12:
        return
    for i, j in np.ndindex(*values.shape):
        if values[i, j]:
            figure.add_annotation(
                x=j, y=i, text=str(values[i, j]), showarrow=False,
                font={"size": 13, "color": PAPER if share[i, j] > 0.5 else INK},
            )  # fmt: skip

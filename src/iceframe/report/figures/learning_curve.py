"""Error over the number of training samples, both logarithmic: one line and band a rung."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from iceframe.report.figures.style import Drawing, axis, canvas, safe, with_unit
from iceframe.report.numbers import finite, number
from iceframe.report.palette import CATEGORIES, INK, PAPER, SOFT
from iceframe.report.words import word
from iceframe.workflow.learning_curve.settings import as_error
from iceframe.workflow.learning_curve.view import CurveView

if TYPE_CHECKING:
    import plotly.graph_objects as go

BAND_OPACITY = 0.13
DASHES = ("solid", "dash", "dot")  # where there are more rungs than colours
LOWEST = 0.3  # bands that reach zero end at this part of the smallest mean error
HIGHEST = 30.0  # times the median error; a fit that went astray would flatten all the others
STEPS = (1, 1.5, 2, 3, 5, 7)


def error_label(metric: str) -> str:
    """What the vertical axis shows: the metric, or one minus it where higher is better."""
    label = word(metric).label
    if as_error(metric, 0.0) == 0.0:
        return label
    return f"1 − {label if label[1:] != label[1:].lower() or len(label) < 3 else label.lower()}"


def errors_of(view: CurveView) -> pd.DataFrame:
    """rung, size, error, low, high, n_repeats: the metric shown, as an error."""
    mine = view.curve[view.curve["metric"] == view.metric]
    errors = {name: as_error(view.metric, mine[name]) for name in ("mean", "low", "high")}
    if as_error(view.metric, 0.0) != 0.0:
        errors["low"], errors["high"] = errors["high"], errors["low"]
    return pd.DataFrame(
        {
            "rung": mine["rung"],
            "size": mine["size"],
            "error": errors["mean"],
            "low": errors["low"],
            "high": errors["high"],
            "n_repeats": mine["n_repeats"],
        }
    )


def learning_curves(view: CurveView) -> Drawing | None:
    """The picture; ``None`` where no error above zero was measured."""
    table = errors_of(view)
    table = table[table["error"] > 0]
    if table.empty:
        return None
    floor = LOWEST * float(table["error"].min())
    height = 500 + 14 * len(view.titles)
    figure = canvas(height)
    for place, rung in enumerate(view.titles):
        mine = table[table["rung"] == rung].sort_values("size")
        if len(mine):
            colour = CATEGORIES[place % len(CATEGORIES)]
            dash = DASHES[place // len(CATEGORIES) % len(DASHES)]
            _band(figure, mine, colour, floor)
            _line(figure, mine, rung, view, colour, dash)
            _needed(figure, rung, view, colour)
    _goal(figure, view)
    low, high, cut = _span(figure, HIGHEST * float(table["error"].median()))
    shown = {"tickmode": "array", "tickvals": list(view.sizes), "ticktext": _sizes(view.sizes)}
    figure.update_layout(
        xaxis=axis("Training samples", type="log", **shown),
        yaxis=axis(
            with_unit(error_label(view.metric), view.unit if _has_unit(view.metric) else ""),
            type="log",
            range=[low, high],
            tickmode="array",
            tickvals=ticks(10**low, 10**high),
            ticktext=[number(value) for value in ticks(10**low, 10**high)],
        ),
        showlegend=True,
        legend={
            "orientation": "h", "x": 0, "xanchor": "left", "y": -0.16, "yanchor": "top",
            "font": {"size": 12, "color": INK}, "bgcolor": "rgba(0,0,0,0)",
        },
        margin={"l": 64, "r": 16, "t": 16, "b": 56},
    )  # fmt: skip
    extrapolated = any(found.how == "extrapolated" for found in view.reached.values())
    return Drawing(
        figure,
        "Error over the number of training samples",
        "Lines are means over repeats, bands 95 % intervals of the mean; both axes are logarithmic."
        + (
            " Dots mark where a rung comes down to the error that was asked for."
            * bool(view.reached)
        )
        + (" Open dots at the end of thin lines are extrapolated." * extrapolated)
        + (f" Errors above {number(10**high)} are off the picture." * cut),
        height,
        {"margin.l": 52, "legend.font.size": 11},
    )


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high``, at even distances of their logarithm.

    Examples
    --------
    >>> ticks(8.0, 120.0)
    [10.0, 15.0, 20.0, 30.0, 50.0, 70.0, 100.0]
    >>> ticks(0.002, 30.0)
    [0.01, 0.1, 1.0, 10.0]
    """
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps = STEPS if high / low < 20 else (1, 2, 5) if high / low < 500 else (1,)
    return [
        float(f"{step}e{power}")
        for power in powers
        for step in steps
        if low <= float(f"{step}e{power}") <= high
    ]


def _has_unit(metric: str) -> bool:
    return metric in ("mae", "rmse")


def _sizes(sizes: tuple[int, ...]) -> list[str]:
    return [number(size) for size in sizes]


def _band(figure: go.Figure, mine: pd.DataFrame, colour: str, floor: float) -> None:
    import plotly.graph_objects as go

    known = mine[mine["low"].notna() & mine["high"].notna()]
    if len(known) < 2:
        return
    x, low, high = known["size"], known["low"].clip(lower=floor), known["high"].clip(lower=floor)
    figure.add_trace(
        go.Scatter(
            x=[*x, *x[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor=colour,
            opacity=BAND_OPACITY,
            mode="none",
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def _line(
    figure: go.Figure, mine: pd.DataFrame, rung: str, view: CurveView, colour: str, dash: str
) -> None:
    import plotly.graph_objects as go

    figure.add_trace(
        go.Scatter(
            x=mine["size"].tolist(),
            y=mine["error"].tolist(),
            mode="lines+markers",
            line={"color": colour, "width": 2, "dash": dash},
            marker={"size": 6, "color": colour},
            name=safe(rung),
            hovertext=[
                f"<b>{safe(view.titles[rung])}</b><br>{number(row.size)} samples: "
                f"{number(row.error)}"
                + (f"<br>{number(row.low)} to {number(row.high)}" if finite(row.low) else "")
                for row in mine.itertuples()
            ],
            hoverinfo="text",
        )
    )


def _needed(figure: go.Figure, rung: str, view: CurveView, colour: str) -> None:
    """A dot where the rung reaches the goal; open, at the end of its power law, beyond the data."""
    import plotly.graph_objects as go

    found = view.reached.get(rung)
    if found is None or found.how not in ("measured", "extrapolated"):
        return
    goal = as_error(view.metric, view.wanted)
    beyond = found.how == "extrapolated"
    law = view.laws[rung]
    if beyond and law.identifiable:
        x = np.geomspace(max(view.sizes), max(found.size, max(view.sizes)), 24)
        figure.add_trace(
            go.Scatter(
                x=x.tolist(),
                y=law.at(x).tolist(),
                mode="lines",
                line={"color": colour, "width": 1.2, "dash": "dot"},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[found.size],
            y=[goal],
            mode="markers",
            marker={
                "size": 12,
                "color": PAPER if beyond else colour,
                "line": {"color": colour if beyond else PAPER, "width": 2},
            },
            hovertext=f"{safe(view.titles[rung])}: {number(np.ceil(found.size))} samples"
            + (" (extrapolated)" if beyond else ""),
            hoverinfo="text",
            showlegend=False,
            cliponaxis=False,
        )
    )


def _goal(figure: go.Figure, view: CurveView) -> None:
    if view.wanted is None:
        return
    goal = float(as_error(view.metric, view.wanted))
    figure.add_shape(
        type="line", xref="paper", x0=0, x1=1, yref="y", y0=goal, y1=goal,
        line={"color": INK, "width": 1.2, "dash": "dash"},
    )  # fmt: skip
    figure.add_annotation(
        xref="paper", x=1, yref="y", y=float(np.log10(goal)), showarrow=False,
        xanchor="right", yanchor="bottom", text=f"wanted: {number(goal)}",
        font={"size": 12, "color": SOFT},
    )  # fmt: skip


def _span(figure: go.Figure, most: float) -> tuple[float, float, bool]:
    """Limits of the vertical axis, as powers of ten: everything drawn up to ``most``, with a
    margin; and whether anything lies above."""
    values = [float(v) for trace in figure.data for v in trace.y]
    values += [float(shape.y0) for shape in figure.layout.shapes]
    top = min(max(values), most)
    low, high = float(np.log10(min(values))), float(np.log10(top))
    margin = 0.06 * (high - low) or 0.3
    lines = [float(v) for trace in figure.data if trace.mode != "none" for v in trace.y]
    return low - margin, high + margin, max(lines) > 10 ** (high + margin)

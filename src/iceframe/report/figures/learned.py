"""What a model learned as a whole: importances, coefficients, and the shapes of its terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.report.figures.style import Drawing, axis, canvas, light, safe, short
from iceframe.report.numbers import number
from iceframe.report.palette import ACCENT, CATEGORIES, INK, LINE, SOFT, WARM

if TYPE_CHECKING:
    import plotly.graph_objects as go

Term = Mapping[str, Any]


def importances(terms: Sequence[Term], n_terms: int, signed: bool) -> Drawing | None:
    """The most important terms as bars; coefficients keep their sign."""
    import plotly.graph_objects as go

    if not terms:
        return None
    key = "coefficient" if signed else "importance"
    values = [float(term[key]) for term in terms]
    height = 56 + 25 * len(terms)
    figure = canvas(height)
    figure.add_trace(
        go.Bar(
            x=values,
            y=list(range(len(terms))),
            orientation="h",
            marker={
                "color": [WARM if signed and v > 0 else ACCENT for v in values],
                "line": {"width": 0},
            },
            width=0.62,
            hovertext=[
                f"<b>{safe(term['term'])}</b><br>{number(value)}"
                for term, value in zip(terms, values, strict=True)
            ],
            hoverinfo="text",
        )
    )
    figure.update_layout(
        xaxis=axis("Coefficient of the standardised feature" if signed else "Importance", nticks=6)
        | {"zeroline": signed, "zerolinecolor": SOFT, "zerolinewidth": 1},
        yaxis=axis(
            showgrid=False, autorange="reversed", tickmode="array",
            tickvals=list(range(len(terms))), ticktext=[short(t["term"], 34) for t in terms],
        ) | {"tickfont": {"size": 12, "color": INK}},
        margin={"l": 8, "r": 12, "t": 4, "b": 48},
    )  # fmt: skip
    shown = f"The {len(terms)} largest of {n_terms} terms. " if n_terms > len(terms) else ""
    sign = "Orange raises the prediction with the feature, blue lowers it." if signed else ""
    labels = [short(t["term"], 20) for t in terms]
    return Drawing(
        figure,
        "Which features count",
        f"{shown}{sign}".strip(),
        height,
        {"yaxis.ticktext": labels},
    )


def curves(terms: Sequence[Term], classes: tuple[str, ...], unit: str) -> Drawing | None:
    """The shape of each of the top terms: what it adds to the prediction along its feature."""
    if not terms:
        return None
    columns = min(3, len(terms))
    n_rows = -(-len(terms) // columns)
    height = 60 + 190 * n_rows
    figure = canvas(height)
    span = _shared_span(terms)
    narrow: dict[str, Any] = {"height": 60 + 180 * len(terms)}
    for i, term in enumerate(terms):
        suffix = "" if i == 0 else str(i + 1)
        x_domain, y_domain = (
            _cell(i % columns, columns, 0.07),
            _cell(n_rows - 1 - i // columns, n_rows, 0.16),
        )
        _shape(figure, term, suffix, classes)
        text_axis = isinstance(term["x"][0], str)
        figure.layout[f"xaxis{suffix}"] = axis(
            domain=x_domain, anchor=f"y{suffix}", nticks=4, automargin=False,
            **({"type": "category"} if text_axis else {}),
        )  # fmt: skip
        figure.layout[f"yaxis{suffix}"] = axis(
            domain=y_domain, anchor=f"x{suffix}", range=span, nticks=4, automargin=False,
            showticklabels=i % columns == 0,
        ) | {"zeroline": True, "zerolinecolor": LINE, "zerolinewidth": 1.5}  # fmt: skip
        figure.add_annotation(
            x=0, xref=f"x{suffix} domain", y=1, yref=f"y{suffix} domain", xanchor="left",
            yanchor="bottom", yshift=4, showarrow=False, align="left",
            text=f"<b>{short(term['term'], 30)}</b>", font={"size": 12, "color": INK},
        )  # fmt: skip
        narrow[f"xaxis{suffix}.domain"] = [0, 1]
        narrow[f"yaxis{suffix}.domain"] = _cell(
            len(terms) - 1 - i, len(terms), 0.08 * 6 / len(terms)
        )
        narrow[f"yaxis{suffix}.showticklabels"] = True
    figure.update_layout(margin={"l": 52, "r": 12, "t": 28, "b": 32})
    average = any(term.get("average", False) for term in terms)
    way = " on average, the others as they occur (partial dependence)" if average else ""
    adds = f"what it adds to the prediction{f', {unit}' if unit else ''}{way}"
    caption = f"Horizontal: the feature. Vertical: {adds}; the same scale in every panel."
    if classes:
        adds = f"what it adds to the log-odds of the class{way}"
        caption = f"Horizontal: the feature. Vertical: {adds}."
    return Drawing(figure, "How they act", caption, height, narrow)


def _cell(i: int, n: int, gap: float) -> list[float]:
    """The ``i``-th of ``n`` equal parts of the unit interval, with gaps."""
    width = (1 - gap * (n - 1)) / n
    start = i * (width + gap)
    return [start, min(1.0, start + width)]


def _lines(term: Term) -> np.ndarray:
    """A term's curve as ``(points, lines)``: one line, or one a class."""
    y = np.asarray(term["y"], float)
    return y[:, None] if y.ndim == 1 else y


def _shared_span(terms: Sequence[Term]) -> list[float]:
    values = np.concatenate([_lines(term).ravel() for term in terms])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
    margin = 0.08 * ((high - low) or 1.0)
    return [low - margin, high + margin]


def _shape(figure: go.Figure, term: Term, suffix: str, classes: tuple[str, ...]) -> None:
    import plotly.graph_objects as go

    lines = _lines(term)
    text_axis = isinstance(term["x"][0], str)
    xs = [short(level, 14) for level in term["x"]] if text_axis else light(term["x"])
    straight = len(term["x"]) == 2 or term.get("average", False)
    for k in range(lines.shape[1]):
        name = safe(classes[k]) if lines.shape[1] > 1 and k < len(classes) else ""
        figure.add_trace(
            go.Scatter(
                x=xs,
                y=light(lines[:, k]),
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
                mode="markers" if text_axis else "lines",
                line={
                    "color": CATEGORIES[k % len(CATEGORIES)],
                    "width": 2,
                    "shape": "linear" if straight else "hv",
                },
                marker={"size": 8, "color": CATEGORIES[k % len(CATEGORIES)]},
                hovertemplate=(f"{name}<br>" if name else "")
                + "%{x:.4~g} → %{y:.3~g}<extra></extra>",
                name=name,
            )
        )

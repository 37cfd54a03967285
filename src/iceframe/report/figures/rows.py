"""Aligned panels of dots and intervals: one row a rung, one panel a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iceframe.report.figures.style import axis, canvas, safe
from iceframe.report.palette import ACCENT, BAND, FAINT, INK, PAPER, SOFT
from iceframe.report.scores import Row, Score

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROW_HEIGHT = 34
HEAD = 58
FOOT = 40


@dataclass(frozen=True)
class Panel:
    """One column of dots: heading, hint, one score a rung, and perhaps a line to compare with."""

    heading: str
    hint: str
    scores: tuple[Score, ...]
    span: tuple[float, float] | None = None
    reference: float | None = None
    tick_format: str | None = None


def panel_rows(
    rows: Sequence[Row], panels: Sequence[Panel]
) -> tuple[go.Figure, int, dict[str, Any]]:
    """The figure, its height, and its layout for small screens (panels stacked)."""
    height = HEAD + FOOT + ROW_HEIGHT * len(rows)
    figure = canvas(height)
    gap = 0.045
    width = (1 - gap * (len(panels) - 1)) / len(panels)
    narrow = _stacked(rows, len(panels))
    for i, panel in enumerate(panels):
        start = i * (width + gap)
        _panel(figure, rows, panel, i, (start, start + width))
    figure.update_layout(margin={"l": 8, "r": 12, "t": HEAD, "b": FOOT})
    return figure, height, narrow


def _suffix(i: int) -> str:
    return "" if i == 0 else str(i + 1)


def _panel(
    figure: go.Figure, rows: Sequence[Row], panel: Panel, i: int, domain: tuple[float, float]
) -> None:
    x, y = f"x{_suffix(i)}", f"y{_suffix(i)}"
    known = [(k, r, s) for k, (r, s) in enumerate(zip(rows, panel.scores, strict=True)) if s.known]
    if panel.reference is not None:
        _reference(figure, panel.reference, len(rows), x, y)
    for chosen in (False, True):
        _dots(figure, [item for item in known if item[1].chosen == chosen], chosen, x, y)
    for k, score in enumerate(panel.scores):
        if not score.known:
            _unknown(figure, k, score, x, y)
    for k, row in enumerate(rows):
        if row.chosen:
            figure.add_shape(
                type="rect", xref=f"{x} domain", yref=y, x0=0, x1=1, y0=k - 0.5, y1=k + 0.5,
                fillcolor=BAND, line={"width": 0}, layer="below",
            )  # fmt: skip
    _heading(figure, panel, x, y)
    extra: dict[str, Any] = {"range": list(panel.span)} if panel.span else {}
    if panel.tick_format:
        extra["tickformat"] = panel.tick_format
    figure.layout[f"xaxis{_suffix(i)}"] = axis(domain=list(domain), anchor=y, nticks=5, **extra)
    figure.layout[f"yaxis{_suffix(i)}"] = axis(
        anchor=x, range=[len(rows) - 0.5, -0.5], tickmode="array",
        tickvals=list(range(len(rows))), ticktext=[_label(row) for row in rows],
        showticklabels=i == 0, showgrid=False,
    ) | {"tickfont": {"size": 12.5, "color": INK}}  # fmt: skip


def _reference(figure: go.Figure, value: float, n_rows: int, x: str, y: str) -> None:
    """A dashed line behind the dots and in front of the grid."""
    import plotly.graph_objects as go

    figure.add_trace(
        go.Scatter(
            x=[value, value], y=[-0.5, n_rows - 0.5], xaxis=x, yaxis=y, mode="lines",
            line={"color": SOFT, "width": 1.5, "dash": "4px,3px"}, hoverinfo="skip",
        )
    )  # fmt: skip


def _label(row: Row) -> str:
    name = safe(row.name)
    return f"<b>{name}</b>" if row.chosen else name


def _dots(
    figure: go.Figure, items: list[tuple[int, Row, Score]], chosen: bool, x: str, y: str
) -> None:
    import plotly.graph_objects as go

    if not items:
        return
    colour = ACCENT if chosen else SOFT
    scores = [score for _, _, score in items]
    figure.add_trace(
        go.Scatter(
            x=[s.value for s in scores],
            y=[k for k, _, _ in items],
            xaxis=x,
            yaxis=y,
            mode="markers",
            marker={
                "size": 11 if chosen else 9,
                "color": [PAPER if row.glass else colour for _, row, _ in items],
                "line": {"color": colour, "width": 2.2},
                "opacity": 1,
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [_reach(s.high, s.value) for s in scores],
                "arrayminus": [_reach(s.value, s.low) for s in scores],
                "color": colour,
                "thickness": 2.2 if chosen else 1.6,
                "width": 0,
            },
            hovertext=[
                f"<b>{safe(row.title)}</b><br>{safe(score.full)}"
                + ("<br>glass box" if row.glass else "")
                for _, row, score in items
            ],
            hoverinfo="text",
            cliponaxis=False,
        )
    )


def _reach(high: float, low: float) -> float:
    reach = high - low
    return max(reach, 0.0) if reach == reach else 0.0


def _unknown(figure: go.Figure, k: int, score: Score, x: str, y: str) -> None:
    figure.add_annotation(
        x=0, xref=f"{x} domain", y=k, yref=y, text="not measured", showarrow=False, xanchor="left",
        xshift=6, font={"size": 11, "color": FAINT}, bgcolor=PAPER,
        hovertext=safe(score.note) or None,
    )  # fmt: skip


def _heading(figure: go.Figure, panel: Panel, x: str, y: str) -> None:
    figure.add_annotation(
        x=0, xref=f"{x} domain", y=1, yref=f"{y} domain", xanchor="left", yanchor="bottom",
        align="left", showarrow=False, yshift=6,
        text=f"<b>{safe(panel.heading)}</b><br>"
        f'<span style="font-size:11px;color:{SOFT}">{safe(panel.hint)}</span>',
        font={"size": 13, "color": INK},
    )  # fmt: skip


def _stacked(rows: Sequence[Row], n_panels: int) -> dict[str, Any]:
    """Panels one above the other, each with its own labels."""
    inner = ROW_HEIGHT * 0.82 * len(rows)
    total = n_panels * inner + (n_panels - 1) * (HEAD + FOOT)
    changes: dict[str, Any] = {"height": round(total + HEAD + FOOT)}
    for i in range(n_panels):
        top = 1 - i * (inner + HEAD + FOOT) / total
        changes[f"xaxis{_suffix(i)}.domain"] = [0, 1]
        changes[f"yaxis{_suffix(i)}.domain"] = [max(0.0, top - inner / total), top]
        changes[f"yaxis{_suffix(i)}.showticklabels"] = True
    return changes

"""The Pareto front: what complexity buys in error, and what it costs in faithfulness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iceframe.report.figures.style import Drawing, axis, canvas, safe, with_unit
from iceframe.report.palette import ACCENT, FAINT, HAZE, INK, PAPER, SEQUENTIAL, SOFT
from iceframe.report.scores import Row, Score, Scores
from iceframe.report.words import word

if TYPE_CHECKING:
    import plotly.graph_objects as go

Point = tuple[Row, Score, Score, Score]


def pareto(scores: Scores) -> Drawing | None:
    """Complexity against loss, coloured by faithfulness; ``None`` where nothing was measured."""
    points = [_point(scores, row) for row in scores.rows]
    points = [p for p in points if p[1].known and p[2].known]
    if not points:
        return None
    height = 430
    figure = canvas(height)
    higher = scores.better(scores.loss) == "higher"
    front = non_dominated([(p[1].value, p[2].value) for p in points], higher)
    _front_line(figure, [points[i] for i in front])
    _dots(figure, [p for p in points if p[3].known], known=True)
    _dots(figure, [p for p in points if not p[3].known], known=False)
    _ring(figure, [p for p in points if p[0].chosen])
    _labels(figure, points)
    loss = word(scores.loss)
    percent = {"tickformat": ".0%"} if loss.show == "percent" else {}
    figure.update_layout(
        xaxis=axis("Complexity →", range=[0, 1.14 * max(*(p[1].value for p in points), 0.05)]),
        yaxis=axis(with_unit(loss.label, scores.unit(scores.loss)), nticks=7, **percent),
        margin={"l": 64, "r": 24, "t": 16, "b": 56},
    )
    chosen = any(row.chosen for row, *_ in points)
    ring = "The ring marks the chosen rung. " if chosen else ""
    return Drawing(
        figure,
        "What complexity buys",
        "The line joins rungs that nothing simpler beats. Best is "
        f"{'top' if higher else 'bottom'} left. {ring}Lines are 95 % intervals.",
        height,
        {"height": 380, "margin.l": 48},
    )


def non_dominated(points: list[tuple[float, float]], higher: bool = False) -> list[int]:
    """Positions of the points that no simpler point equals or betters, from simple to complex.

    Examples
    --------
    >>> non_dominated([(0.1, 5.0), (0.2, 6.0), (0.3, 4.0)])
    [0, 2]
    >>> non_dominated([(0.1, 0.5), (0.2, 0.9)], higher=True)
    [0, 1]
    """
    sign = -1.0 if higher else 1.0
    order = sorted(range(len(points)), key=lambda i: (points[i][0], sign * points[i][1]))
    front: list[int] = []
    for i in order:
        if not front or sign * points[i][1] < sign * points[front[-1]][1]:
            front.append(i)
    return front


def _point(scores: Scores, row: Row) -> Point:
    return (
        row,
        scores.get(row.name, "complexity"),
        scores.get(row.name, scores.loss),
        scores.get(row.name, "faithfulness"),
    )


def _front_line(figure: go.Figure, front: list[Point]) -> None:
    import plotly.graph_objects as go

    figure.add_trace(
        go.Scatter(
            x=[p[1].value for p in front],
            y=[p[2].value for p in front],
            mode="lines",
            line={"color": FAINT, "width": 1.5, "shape": "hv"},
            hoverinfo="skip",
        )
    )


def _dots(figure: go.Figure, points: list[Point], *, known: bool) -> None:
    import plotly.graph_objects as go

    if not points:
        return
    marker: dict = {
        "size": 15,
        "line": {"color": PAPER, "width": 1.5},
        "opacity": 1,
    }
    if known:
        marker |= {
            "color": [p[3].value for p in points],
            "colorscale": [list(stop) for stop in SEQUENTIAL],
            "cmin": 0,
            "cmax": 1,
            "showscale": False,
        }
    else:
        marker["color"] = FAINT
    figure.add_trace(
        go.Scatter(
            x=[p[1].value for p in points],
            y=[p[2].value for p in points],
            mode="markers",
            marker=marker,
            error_x=_bars([p[1] for p in points]),
            error_y=_bars([p[2] for p in points]),
            hovertext=[_hover(p) for p in points],
            hoverinfo="text",
            cliponaxis=False,
        )
    )


def _bars(scores: list[Score]) -> dict:
    def reach(a: float, b: float) -> float:
        return max(a - b, 0.0) if a == a and b == b else 0.0

    return {
        "type": "data",
        "symmetric": False,
        "array": [reach(s.high, s.value) for s in scores],
        "arrayminus": [reach(s.value, s.low) for s in scores],
        "color": HAZE,
        "thickness": 1.4,
        "width": 0,
    }


def _hover(point: Point) -> str:
    row, complexity, loss, faith = point
    return (
        f"<b>{safe(row.title)}</b><br>complexity {safe(complexity.full)}"
        f"<br>{safe(word(loss.metric).label.lower())} {safe(loss.full)}"
        f"<br>faithfulness {safe(faith.full)}"
    )


def _ring(figure: go.Figure, chosen: list[Point]) -> None:
    import plotly.graph_objects as go

    figure.add_trace(
        go.Scatter(
            x=[p[1].value for p in chosen],
            y=[p[2].value for p in chosen],
            mode="markers",
            marker={"size": 25, "symbol": "circle-open", "color": ACCENT, "line": {"width": 2.2}},
            hoverinfo="skip",
            cliponaxis=False,
        )
    )


def _labels(figure: go.Figure, points: list[Point]) -> None:
    """Names above and right of the dots, clear of the front; below where that place is taken."""
    xs, ys = [p[1].value for p in points], [p[2].value for p in points]
    width, height = max(0.0, *xs) or 1.0, (max(ys) - min(ys)) or 1.0
    above: list[tuple[float, float]] = []
    for row, complexity, loss, _ in points:
        x, y = complexity.value / width, loss.value / height
        crowded = any(abs(x - a) < 0.13 and abs(y - b) < 0.08 for a, b in above)
        if not crowded:
            above.append((x, y))
        figure.add_annotation(
            x=complexity.value, y=loss.value, showarrow=False, xanchor="left", xshift=5,
            yshift=-19 if crowded else 19,
            text=f"<b>{safe(row.name)}</b>" if row.chosen else safe(row.name),
            font={"size": 12, "color": INK if row.chosen else SOFT},
        )  # fmt: skip

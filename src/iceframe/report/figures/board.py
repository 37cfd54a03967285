"""Error over complexity on one task: our rungs as dots, published entries as lines.

Of a published entry the complexity is not known, so that it is drawn across the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iceframe.report.figures.front import non_dominated
from iceframe.report.figures.style import Drawing, axis, canvas, safe, short, with_unit
from iceframe.report.numbers import finite, number, percent
from iceframe.report.palette import ACCENT, FAINT, HAZE, INK, PAPER, SOFT
from iceframe.report.words import word
from iceframe.workflow.benchmark.view import Line, TaskBoard

if TYPE_CHECKING:
    import plotly.graph_objects as go

HEIGHT = 460
APART = 0.035  # of the picture's height: labels that are nearer to each other are left out
STEPS = 24  # points along a line that can be hovered over


def board_front(task: TaskBoard) -> Drawing | None:
    """The picture of a task; ``None`` where no rung has both numbers."""
    ours = [line for line in task.ours if finite(line.complexity) and finite(line.value)]
    if not ours:
        return None
    figure = canvas(HEIGHT)
    right = 1.14 * max(*(line.complexity for line in ours), 0.05)
    bottom, top = _span([*ours, *task.published])
    labels = _published(figure, task, right, APART * (top - bottom))
    _front(figure, ours, task.better == "higher")
    _dots(figure, task, ours)
    _names(figure, ours, right, top - bottom)
    share = word(task.metric).show == "percent"
    figure.update_layout(
        xaxis=axis("Complexity →", range=[0, right]),
        yaxis=axis(
            with_unit(word(task.metric).label, task.unit),
            range=[bottom, top],
            nticks=7,
            **({"tickformat": ".0%"} if share else {}),
        ),
        margin={"l": 64, "r": 150 if task.published else 24, "t": 16, "b": 56},
    )
    best = "top" if task.better == "higher" else "bottom"
    return Drawing(
        figure,
        "What complexity buys",
        f"Dots are rungs, hollow ones glass boxes, with 90 % intervals; best is {best} left, and "
        "the stepped line joins rungs that nothing simpler beats."
        + (
            " Lines across are published entries, whose complexity is not known; hover to read "
            "their names."
        )
        * bool(task.published),
        HEIGHT,
        {
            "margin.l": 48,
            "margin.r": 16,
            **{f"annotations.{i}.visible": False for i in range(labels)},
        },
    )


def _span(lines: Sequence[Line]) -> tuple[float, float]:
    """Limits of the vertical axis that hold every value and every interval of a rung."""
    ends = [v for line in lines for v in (line.value, line.low, line.high) if finite(v)]
    margin = 0.06 * ((max(ends) - min(ends)) or abs(ends[0]) or 1.0)
    return min(ends) - margin, max(ends) + margin


def _value(task: TaskBoard, value: float) -> str:
    text = percent(value)[0] if word(task.metric).show == "percent" else number(value)
    return f"{text} {task.unit}".strip()


def _published(figure: go.Figure, task: TaskBoard, right: float, apart: float) -> int:
    """A line across for each entry, named at its end where there is room; the number of names."""
    import plotly.graph_objects as go

    named: list[float] = []
    for line in task.published:
        figure.add_trace(
            go.Scatter(
                x=[right * i / STEPS for i in range(STEPS + 1)],
                y=[line.value] * (STEPS + 1),
                mode="lines",
                line={"color": FAINT, "width": 1, "dash": "dot"},
                hovertext=f"<b>{safe(line.name)}</b><br>rank {line.rank}: "
                f"{safe(_value(task, line.value))}",
                hoverinfo="text",
            )
        )
        if all(abs(line.value - other) >= apart for other in named):
            named.append(line.value)
            figure.add_annotation(
                x=1, xref="paper", y=line.value, text=short(line.name, 24), showarrow=False,
                xanchor="left", xshift=6, font={"size": 10.5, "color": FAINT},
            )  # fmt: skip
    return len(named)


def _front(figure: go.Figure, ours: Sequence[Line], higher: bool) -> None:
    import plotly.graph_objects as go

    front = non_dominated([(line.complexity, line.value) for line in ours], higher)
    figure.add_trace(
        go.Scatter(
            x=[ours[i].complexity for i in front],
            y=[ours[i].value for i in front],
            mode="lines",
            line={"color": FAINT, "width": 1.5, "shape": "hv"},
            hoverinfo="skip",
        )
    )


def _dots(figure: go.Figure, task: TaskBoard, ours: Sequence[Line]) -> None:
    import plotly.graph_objects as go

    colours = [ACCENT if line.chosen else SOFT for line in ours]
    figure.add_trace(
        go.Scatter(
            x=[line.complexity for line in ours],
            y=[line.value for line in ours],
            mode="markers",
            marker={
                "size": 13,
                "color": [
                    PAPER if line.glass_box else colour
                    for line, colour in zip(ours, colours, strict=True)
                ],
                "line": {"color": colours, "width": 2.2},
                "opacity": 1,
            },
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [_reach(line.high, line.value) for line in ours],
                "arrayminus": [_reach(line.value, line.low) for line in ours],
                "color": HAZE,
                "thickness": 1.4,
                "width": 0,
            },
            hovertext=[
                f"<b>{safe(line.title)}</b><br>rank {line.rank}: {safe(_value(task, line.value))}"
                f"<br>complexity {number(line.complexity, 2)}"
                f"<br>faithfulness {number(line.faithfulness, 2)}"
                for line in ours
            ],
            hoverinfo="text",
            cliponaxis=False,
        )
    )


def _reach(upper: float, lower: float) -> float:
    return max(upper - lower, 0.0) if finite(upper) and finite(lower) else 0.0


def _names(figure: go.Figure, ours: Sequence[Line], width: float, height: float) -> None:
    """Names above and right of the dots; below where that place is taken."""
    above: list[tuple[float, float]] = []
    for line in ours:
        x, y = line.complexity / width, line.value / (height or 1.0)
        crowded = any(abs(x - a) < 0.11 and abs(y - b) < 0.06 for a, b in above)
        if not crowded:
            above.append((x, y))
        right = x > 0.75
        figure.add_annotation(
            x=line.complexity, y=line.value, showarrow=False,
            xanchor="right" if right else "left", xshift=-5 if right else 5,
            yshift=-17 if crowded else 17,
            text=f"<b>{safe(line.name)}</b>" if line.chosen else safe(line.name),
            font={"size": 12, "color": INK if line.chosen else SOFT},
        )  # fmt: skip

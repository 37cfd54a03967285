"""The path of a search through the three axes: what was tried, what was kept, where it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from iceframe.balance.standing import TRANSPARENCIES
from iceframe.report.figures.style import Drawing, axis, canvas, safe, short, with_unit
from iceframe.report.numbers import finite, number
from iceframe.report.palette import ACCENT, FAINT, INK, PAPER, SOFT
from iceframe.report.words import word

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from iceframe.balance.state import Step

GAP = 0.12  # between the panels, of the width
HEIGHT = 400
DECADE = 10.0  # losses that differ by more are drawn on a logarithmic axis


@dataclass(frozen=True)
class Point:
    """A candidate on the path: the ``number`` of its step, what was done and what became of it."""

    name: str
    number: int
    action: str
    kept: bool
    why: str
    origin: str  # the candidate that led before


def path(
    steps: Sequence[Step], evidence: pd.DataFrame, *, chosen: str | None, loss: str
) -> Drawing | None:
    """Complexity against loss, and against transparency, one point a candidate.

    Parameters
    ----------
    steps : the trajectory (:func:`iceframe.balance.record.steps_of`).
    evidence : one row a candidate and metric: ``rung``, ``metric``, ``value``, ``unit``.
    chosen : the candidate of the equilibrium. loss : the metric that the decision compares.

    ``None`` where no candidate has a complexity and a loss.
    """
    values = _values(evidence)
    points = [p for p in _points(steps) if _known(values, p.name, loss)]
    if not points:
        return None
    transparency = next(
        (m for m in TRANSPARENCIES if any((p.name, m) in values for p in points)), ""
    )
    panels = [loss, *([transparency] if transparency else [])]
    figure = canvas(HEIGHT)
    for i, metric in enumerate(panels):
        shown = [p for p in points if (p.name, metric) in values]
        _panel(figure, shown, values, metric, chosen, i)
        _axes(figure, evidence, shown, values, metric, i, len(panels))
    figure.update_layout(margin={"l": 64, "r": 24, "t": 20, "b": 56})
    kept = sum(p.kept and p.number > 0 for p in points)
    tried = len({p.number for p in points if p.number})
    ring = "The ring marks the equilibrium. " if any(p.name == chosen for p in points) else ""
    return Drawing(
        figure,
        "The path through the three axes",
        f"{tried} actions were measured, {kept} kept. Arrows go from the candidate that led to "
        "what an action measured, numbered in order: full where it was kept, dotted where it was "
        f"rejected. {ring}Grey points were measured before the first action.",
        HEIGHT,
        _narrow(len(panels)),
    )


def _values(evidence: pd.DataFrame) -> dict[tuple[str, str], float]:
    rows = evidence[["rung", "metric", "value"]].itertuples(index=False)
    return {(str(r), str(m)): float(v) for r, m, v in rows if finite(v)}


def _known(values: Mapping[tuple[str, str], float], name: str, loss: str) -> bool:
    return (name, "complexity") in values and (name, loss) in values


def _points(steps: Sequence[Step]) -> list[Point]:
    found: dict[str, Point] = {}
    leader = ""
    for step in steps:
        action = step.proposal.action if step.proposal else "start"
        for name in step.candidates:
            found.setdefault(
                name,
                Point(name, step.number, action, step.verdict.kept, step.verdict.why, leader),
            )
        leader = step.leader
    return list(found.values())


def _panel(
    figure: go.Figure,
    points: Sequence[Point],
    values: Mapping[tuple[str, str], float],
    metric: str,
    chosen: str | None,
    i: int,
) -> None:
    """The points of one panel, the arrows to them, and the ring."""
    import plotly.graph_objects as go

    x, y = _names(i)
    there = {p.name: (values[p.name, "complexity"], values[p.name, metric]) for p in points}
    for kind in ("start", "rejected", "kept"):
        mine = [p for p in points if _kind(p) == kind]
        if mine:
            figure.add_trace(
                go.Scatter(
                    x=[there[p.name][0] for p in mine],
                    y=[there[p.name][1] for p in mine],
                    xaxis=x,
                    yaxis=y,
                    name=kind,
                    mode="markers",
                    marker=_marker(kind),
                    hovertext=[_hover(p, there[p.name], metric) for p in mine],
                    hoverinfo="text",
                    cliponaxis=False,
                )
            )
    if chosen in there:
        figure.add_trace(
            go.Scatter(
                x=[there[chosen][0]], y=[there[chosen][1]], xaxis=x, yaxis=y, name="equilibrium",
                mode="markers", hoverinfo="skip", cliponaxis=False,
                marker={
                    "size": 24, "symbol": "circle-open", "color": ACCENT, "line": {"width": 2.2},
                },
            )
        )  # fmt: skip
    scale = _Scale(metric, [y for _, y in there.values()])
    for point in points:
        if point.number and point.origin in there:
            _arrow(figure, there[point.origin], there[point.name], point, scale, (x, y))
    for group in _crowds(points, there, scale):
        _label(figure, group, there, chosen, scale, (x, y))


class _Scale:
    """Where a height lies on its axis, which is logarithmic where losses span a decade."""

    def __init__(self, metric: str, heights: Sequence[float]) -> None:
        spans = min(heights) > 0 and max(heights) > DECADE * min(heights)
        self.logarithmic = spans and metric not in TRANSPARENCIES

    def __call__(self, height: float) -> float:
        return math.log10(height) if self.logarithmic else height


def _crowds(
    points: Sequence[Point], there: Mapping[str, tuple[float, float]], scale: _Scale
) -> list[list[Point]]:
    """Points that are too near to one another for a label each."""
    wide = max(x for x, _ in there.values()) or 1.0
    heights = [scale(y) for _, y in there.values()]
    high = (max(heights) - min(heights)) or 1.0
    groups: list[list[Point]] = []
    for point in points:
        x, y = there[point.name]
        near = next(
            (
                g for g in groups
                if abs(there[g[0].name][0] - x) < 0.08 * wide
                and abs(scale(there[g[0].name][1]) - scale(y)) < 0.07 * high
            ),
            None,
        )  # fmt: skip
        if near is None:
            groups.append([point])
        else:
            near.append(point)
    return groups


def _kind(point: Point) -> str:
    if not point.number:
        return "start"
    return "kept" if point.kept else "rejected"


def _marker(kind: str) -> dict[str, Any]:
    colour = {"start": FAINT, "rejected": SOFT, "kept": ACCENT}[kind]
    return {
        "size": 11 if kind == "kept" else 9,
        "color": PAPER if kind == "rejected" else colour,
        "line": {"color": colour, "width": 1.8},
        "opacity": 1,
    }


def _arrow(
    figure: go.Figure,
    start: tuple[float, float],
    end: tuple[float, float],
    point: Point,
    scale: _Scale,
    axes: tuple[str, str],
) -> None:
    """A line with a head; annotations have no dotted shafts, so the shaft is a line of its own."""
    import plotly.graph_objects as go

    x, y = axes
    colour = ACCENT if point.kept else FAINT
    figure.add_trace(
        go.Scatter(
            x=[start[0], end[0]], y=[start[1], end[1]], xaxis=x, yaxis=y, mode="lines",
            name=f"action {point.number}", hoverinfo="skip",
            line={"color": colour, "width": 1.6 if point.kept else 1.1,
                  "dash": "solid" if point.kept else "dot"},
        )
    )  # fmt: skip
    low, high = scale(start[1]), scale(end[1])
    figure.add_annotation(
        x=end[0], y=high, ax=(start[0] + end[0]) / 2, ay=(low + high) / 2,
        xref=x, yref=y, axref=x, ayref=y, showarrow=True, arrowhead=2, arrowsize=1.1,
        arrowwidth=1.2, arrowcolor=colour, opacity=1, standoff=7, text="",
    )  # fmt: skip


def _label(
    figure: go.Figure,
    group: Sequence[Point],
    there: Mapping[str, tuple[float, float]],
    chosen: str | None,
    scale: _Scale,
    axes: tuple[str, str],
) -> None:
    """The numbers of the steps, and the name of the candidate that led last among them."""
    names = [p for p in group if p.kept]
    last = next((p for p in group if p.name == chosen), names[-1] if names else None)
    numbers = ", ".join(str(p.number) for p in group if p.number)
    text = f"{numbers} {short(last.name) if last else ''}".strip()
    place = there[(last or group[0]).name]
    won = last is not None and last.name == chosen
    most = max(x for x, _ in there.values())
    left = last is not None and place[0] > 0.55 * most  # where the panel ends soon
    figure.add_annotation(
        x=place[0], y=scale(place[1]), xref=axes[0], yref=axes[1], showarrow=False,
        xanchor="right" if left else "left", xshift=(-14 if won else -9) if left else 8,
        yshift=0 if won else 13 if last else -13, text=f"<b>{text}</b>" if won else text,
        font={"size": 11.5, "color": INK if last else SOFT},
    )  # fmt: skip


def _hover(point: Point, place: tuple[float, float], metric: str) -> str:
    done = "before the first action" if not point.number else f"{point.number}. {point.action}"
    became = "" if not point.number else ": kept" if point.kept else ": rejected"
    return (
        f"<b>{safe(point.name)}</b><br>{safe(done)}{became}<br>complexity {number(place[0])}"
        f"<br>{safe(word(metric).label.lower())} {number(place[1])}"
    )


def _names(i: int) -> tuple[str, str]:
    return ("x", "y") if i == 0 else (f"x{i + 1}", f"y{i + 1}")


def _axes(
    figure: go.Figure,
    evidence: pd.DataFrame,
    points: Sequence[Point],
    values: Mapping[tuple[str, str], float],
    metric: str,
    i: int,
    panels: int,
) -> None:
    width = (1 - GAP * (panels - 1)) / panels
    start = i * (width + GAP)
    rows = evidence[evidence["metric"] == metric]
    unit = next((str(u) for u in rows["unit"] if isinstance(u, str) and u), "")
    more: dict[str, Any] = {"tickformat": ".0%"} if word(metric).show == "percent" else {}
    if _Scale(metric, [values[p.name, metric] for p in points]).logarithmic:
        shown = _ticks([values[p.name, metric] for p in points])
        more |= {"type": "log", "tickvals": shown, "ticktext": [f"{v:g}" for v in shown]}
    x, y = _names(i)
    widest = max(*(values[p.name, "complexity"] for p in points), 0.05)
    figure.layout[f"xaxis{x[1:]}"] = axis(
        "Complexity →",
        domain=[start, start + width],
        anchor=y,
        range=[-0.04 * widest, 1.14 * widest],
        nticks=6,
    )
    figure.layout[f"yaxis{y[1:]}"] = axis(
        with_unit(word(metric).label, unit), anchor=x, **({"nticks": 7} | more)
    )


def _ticks(heights: Sequence[float]) -> list[float]:
    """1, 2 and 5 of every decade that is spanned.

    >>> _ticks([0.03, 0.4])
    [0.02, 0.05, 0.1, 0.2, 0.5]
    """
    low, high = math.floor(math.log10(min(heights))), math.ceil(math.log10(max(heights)))
    found = [round(m * 10.0**e, 12) for e in range(low, high + 1) for m in (1, 2, 5)]
    return [v for v in found if min(heights) / 2 <= v <= 2 * max(heights)]


def _narrow(panels: int) -> dict[str, Any]:
    """One panel above the other on small screens."""
    if panels == 1:
        return {"height": 360, "margin.l": 48}
    return {
        "height": 700,
        "margin.l": 48,
        "xaxis.domain": [0, 1],
        "yaxis.domain": [0.57, 1],
        "xaxis2.domain": [0, 1],
        "yaxis2.domain": [0, 0.43],
    }

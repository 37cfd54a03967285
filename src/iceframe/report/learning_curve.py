"""The page of a learning curve: one self-contained HTML file with its picture and its tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iceframe.core.files import write_text
from iceframe.measure.learning_curve import FARTHEST, PowerLaw, Reached
from iceframe.report.figures.learning_curve import learning_curves
from iceframe.report.numbers import MISSING, number, percent, with_interval
from iceframe.report.page import render_page
from iceframe.report.words import word
from iceframe.workflow.learning_curve.view import CurveView

REFERENCES = (
    "Learning curves and their power law: Viering & Loog 2023, doi:10.1109/TPAMI.2022.3220744",
    "Variance of a mean over overlapping test sets: Nadeau & Bengio 2003, "
    "doi:10.1023/A:1024068626366",
)


@dataclass(frozen=True)
class Line:
    """One rung in the tables: a cell a size, the samples it needs, its power law."""

    rung: str
    title: str
    cells: tuple[tuple[str, str], ...]
    needs: tuple[str, str]
    law: tuple[str, ...]


def write_learning_curve(view: CurveView, path: Path) -> Path:
    """Write the page of ``view`` to ``path``, whole or not at all, and return the path.

    Raises
    ------
    InputError : if ``path`` cannot be written to.
    """
    write_text(Path(path), render(view))
    return Path(path)


def render(view: CurveView) -> str:
    """The page as text."""
    return render_page(
        "learning_curve.html",
        created=view.created,
        view=view,
        headline=headline(view),
        goal=goal_text(view),
        metric=word(view.metric).label,
        columns=[number(size) for size in view.sizes],
        lines=[_line(rung, view) for rung in view.titles],
        figure=learning_curves(view),
        failures=[failure_text(failure, view.sizes) for failure in view.failures],
        references=REFERENCES,
    )


def headline(view: CurveView) -> str:
    """What the curve says, in one sentence."""
    goal = goal_text(view)
    if not goal:
        return f"How well {view.target} is predicted from how many samples"
    order = {"at the smallest size": 0, "measured": 0, "extrapolated": 1}
    there = [(order[f.how], f.size, rung) for rung, f in view.reached.items() if f.how in order]
    if not there:
        return f"No rung reaches {goal} with up to {number(max(view.sizes))} samples"
    beyond, _, rung = min(there)
    samples = needs_text(view.reached[rung], view.sizes)[0]
    if beyond:
        return f"No rung reaches {goal} here; {rung} might with {samples}"
    return f"{rung} reaches {goal} with {samples} samples"


def goal_text(view: CurveView) -> str:
    """The error asked for, in words; empty where none was."""
    if view.wanted is None:
        return ""
    unit = view.unit if view.unit and view.metric in ("mae", "rmse") else ""
    label = word(view.metric).label
    name = label if label == "R²" else f"{label[0].lower()}{label[1:]}"
    return f"{_article(name)}{name} of {_value(view.metric, view.wanted)}{f' {unit}' * bool(unit)}"


def needs_text(found: Reached, sizes: Sequence[int]) -> tuple[str, str]:
    """How many samples are needed, and the interval, as text.

    Examples
    --------
    >>> needs_text(Reached("measured", 61.2, 18.0, float("inf")), (16, 128))
    ('62', '18 to more than 128')
    >>> needs_text(Reached("at the smallest size", 16.0, 0.0, 22.0), (16, 128))
    ('16 or fewer', '16 or fewer to 22')
    >>> needs_text(Reached("not reached", float("nan"), 99.0, float("inf")), (16, 128))
    ('not reached within 128', '99 or more')
    """
    smallest, largest = f"{number(min(sizes))} or fewer", max(sizes)
    most = number(FARTHEST * largest if found.how == "extrapolated" else largest)

    def text(size: float) -> str:
        if size == 0.0:
            return smallest
        return number(math.ceil(size)) if math.isfinite(size) else f"more than {most}"

    if found.how == "not reached":
        least = f"{text(found.low)} or more" if 0 < found.low < math.inf else ""
        return f"not reached within {number(largest)}", least
    size = smallest if found.how == "at the smallest size" else text(found.size)
    if found.how == "extrapolated":
        size += " (extrapolated)"
    if math.isnan(found.low) or found.high == 0.0:
        return size, ""
    return size, f"{text(found.low)} to {text(found.high)}"


def law_text(law: PowerLaw) -> tuple[str, ...]:
    """Floor, exponent and their intervals, or why there are none."""
    if not law.identifiable:
        return (f"not identifiable: {law.reason}",)
    floor, floor_interval = with_interval(law.a, law.a_low, law.a_high)
    exponent, exponent_interval = with_interval(law.c, law.c_low, law.c_high)
    return (floor, floor_interval, number(law.b), exponent, exponent_interval)


def failure_text(failure: Mapping[str, Any], sizes: Sequence[int]) -> str:
    """One failure in a sentence.

    Examples
    --------
    >>> failure_text({"rung": "gp", "times": 2, "sizes": [16, 32], "message": "no."}, (16, 32))
    '`gp` failed at every size: no.'
    """
    held = list(failure["sizes"])
    where = f"{', '.join(number(size) for size in held)} samples"
    if held == list(sizes):
        where = "every size"
    return f"`{failure['rung']}` failed at {where}: {failure['message']}"


def _article(name: str) -> str:
    return "an " if name in ("R²", "accuracy") else "a "


def _value(metric: str, value: float) -> str:
    return percent(value)[0] if word(metric).show == "percent" else number(value)


def _line(rung: str, view: CurveView) -> Line:
    mine = view.curve[(view.curve["rung"] == rung) & (view.curve["metric"] == view.metric)]
    rows = mine.set_index("size")
    show = percent if word(view.metric).show == "percent" else with_interval
    cells = [
        show(rows["mean"][size], rows["low"][size], rows["high"][size])
        if size in rows.index
        else (MISSING, "")
        for size in view.sizes
    ]
    found = view.reached.get(rung)
    needs = needs_text(found, view.sizes) if found is not None else (MISSING, "")
    return Line(rung, view.titles[rung], tuple(cells), needs, law_text(view.laws[rung]))

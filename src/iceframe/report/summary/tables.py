"""The tables: a short one with the numbers that decide, and a full one with every number."""

from __future__ import annotations

from dataclasses import dataclass

from iceframe.report.numbers import MISSING
from iceframe.report.scores import Row, Scores
from iceframe.report.words import AXES, word


@dataclass(frozen=True)
class Cell:
    """A value and its interval as text; ``best`` where no rung has a better value."""

    text: str
    interval: str = ""
    note: str = ""
    best: bool = False


@dataclass(frozen=True)
class Heading:
    """A metric's heading."""

    label: str
    unit: str
    tip: str
    direction: str


@dataclass(frozen=True)
class Line:
    """One rung (key table) or one metric (full table) with its cells; ``group`` starts a block."""

    heading: Heading | None
    rung: Row | None
    cells: tuple[Cell, ...]
    group: str = ""


@dataclass(frozen=True)
class Matrix:
    """A table: headings across (key table) or rungs across (full table), and lines down."""

    headings: tuple[Heading, ...]
    rungs: tuple[Row, ...]
    lines: tuple[Line, ...]


_KEY = (
    "complexity",
    "gdf",
    "loss",
    "second",
    "coverage",
    "faithfulness",
    "stability",
    "fit_seconds",
)
_ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}


def key_table(scores: Scores) -> Matrix:
    """Rungs down, the deciding metrics across; columns that nobody measured are left out."""
    second = {"mae": "r2", "rmse": "r2"}.get(scores.loss, "log_loss")
    names = [{"loss": scores.loss, "second": second}.get(name, name) for name in _KEY]
    names = [name for name in names if any(scores.get(r.name, name).known for r in scores.rows)]
    names = list(dict.fromkeys(names))
    lines = tuple(
        Line(None, row, tuple(_cell(scores, row.name, name) for name in names))
        for row in scores.rows
    )
    return Matrix(tuple(heading(scores, name) for name in names), scores.rows, lines)


def full_table(scores: Scores) -> Matrix:
    """Metrics down, by axis; rungs across."""
    lines = []
    for axis, title in AXES.items():
        for i, name in enumerate(scores.metrics(axis)):
            cells = tuple(_cell(scores, row.name, name) for row in scores.rows)
            lines.append(Line(heading(scores, name), None, cells, title if i == 0 else ""))
    return Matrix((), scores.rows, tuple(lines))


def heading(scores: Scores, metric: str) -> Heading:
    """Label, unit, meaning and direction of a metric."""
    own = word(metric)
    return Heading(own.label, scores.unit(metric), own.tip, _ARROWS.get(scores.better(metric), ""))


def _cell(scores: Scores, rung: str, metric: str) -> Cell:
    score = scores.get(rung, metric)
    if not score.known:
        return Cell(MISSING, note=score.note)
    best = scores.better(metric) in ("higher", "lower") and _is_best(scores, rung, metric)
    return Cell(score.text, score.interval, score.note, best)


def _is_best(scores: Scores, rung: str, metric: str) -> bool:
    best = scores.best(metric)
    return best is not None and scores.get(rung, metric).value == scores.get(best, metric).value

"""What the page says, in plain values: the step between a run's data and the template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from iceframe.report.scores import Row, Scores
from iceframe.report.summary.learned import Learned, learned
from iceframe.report.summary.making import Making, making
from iceframe.report.summary.material import Material, material
from iceframe.report.summary.path import Tried, tried
from iceframe.report.summary.tables import Matrix, full_table, key_table
from iceframe.report.summary.verdict import Verdict, verdict
from iceframe.workflow.view import RunView

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True)
class Summary:
    """All sections of the report, without a word of HTML."""

    name: str
    target: str
    unit: str
    task: str
    created: str
    level: float
    facts: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    verdict: Verdict
    key_table: Matrix
    full_table: Matrix
    learned: tuple[Learned, ...]
    material: Material
    next_steps: tuple[str, ...]
    making: Making
    tried: tuple[Tried, ...]
    no_further: tuple[str, ...]

    @property
    def chosen(self) -> bool:
        """Whether a rung was chosen."""
        return any(row.chosen for row in self.rows)


def summarise(view: RunView, scores: Scores) -> Summary:
    """The page's contents from a run's values."""
    return Summary(
        name=view.name,
        target=view.target,
        unit=view.unit,
        task=view.task,
        created=moment(view.created),
        level=level_of(view),
        facts=_facts(view),
        rows=scores.rows,
        verdict=verdict(view, scores),
        key_table=key_table(scores),
        full_table=full_table(scores),
        learned=learned(view, scores),
        material=material(view, scores),
        next_steps=tuple(view.next_steps),
        making=making(view),
        tried=tried(view.path),
        no_further=() if view.path is None else view.path.reasons,
    )


def moment(text: str) -> str:
    """An ISO date and time as a person writes it; anything else as it is.

    Examples
    --------
    >>> moment("2026-11-02T09:05:31+00:00"), moment("yesterday")
    ('2 November 2026, 09:05 UTC', 'yesterday')
    """
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    months = "January February March April May June July August September October November December"
    zone = f" {when.tzname()}" if when.tzinfo else ""
    return f"{when.day} {months.split()[when.month - 1]} {when.year}, {when:%H:%M}{zone}"


def level_of(view: RunView) -> float:
    """The level of the intervals, 0.9 unless the run says otherwise."""
    return float(view.settings.get("level", 0.9))


def _facts(view: RunView) -> tuple[tuple[str, str], ...]:
    """The line above the title: what went in."""
    shape = view.facts.get("image_shape")
    counts: list[tuple[str, Any]] = [
        ("sample", view.facts.get("n")),
        ("feature", view.facts.get("n_features")),
        ("pixel", " × ".join(str(s) for s in tuple(shape)[1:]) if shape else None),
        ("class", len(view.classes)),
        ("rung", len(view.rungs)),
        ("fold", view.settings.get("folds")),
    ]
    return tuple((_several(word, count), str(count)) for word, count in counts if count)


def _several(word: str, count: Any) -> str:
    if count == 1:
        return word
    return f"{word}es" if word.endswith("s") else f"{word}s"

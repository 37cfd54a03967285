"""What the page says, in plain values: the step between a run's data and the template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from iceframe.report.scores import Row, Scores
from iceframe.report.summary.learned import Learned, learned
from iceframe.report.summary.making import Making, making
from iceframe.report.summary.material import Material, material
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


def summarise(view: RunView, scores: Scores) -> Summary:
    """The page's contents from a run's values."""
    return Summary(
        name=view.name,
        target=view.target,
        unit=view.unit,
        task=view.task,
        created=view.created,
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
    )


def level_of(view: RunView) -> float:
    """The level of the intervals, 0.9 unless the run says otherwise."""
    return float(view.settings.get("level", 0.9))


def _facts(view: RunView) -> tuple[tuple[str, str], ...]:
    """The line under the title: what went in."""
    facts: list[tuple[str, Any]] = [("samples", view.facts.get("n"))]
    if view.facts.get("n_features"):
        facts.append(("features", view.facts["n_features"]))
    shape = view.facts.get("image_shape")
    if shape:
        facts.append(("pixels", " × ".join(str(s) for s in tuple(shape)[1:])))
    if view.classes:
        facts.append(("classes", len(view.classes)))
    facts.append(("rungs", len(view.rungs)))
    folds = view.settings.get("folds")
    if folds:
        facts.append(("folds", folds))
    return tuple((label, str(value)) for label, value in facts if value is not None)

"""What each model learned: its terms, and single samples with the reasons for their predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from iceframe.core.values import Task
from iceframe.report.figures.maps import Pictures, draw_maps
from iceframe.report.numbers import finite, number, percent, plain_value, with_interval
from iceframe.report.scores import Row, Scores
from iceframe.workflow.view import Example, RungView, RunView

SHOWN_BARS = 8
SHOWN_TERMS = 15
SHOWN_CURVES = 6
SHOWN_RULES = 24


@dataclass(frozen=True)
class Bar:
    """One contribution: ``start`` and ``width`` in per cent of the track, zero in its middle."""

    name: str
    given: str
    text: str
    start: float
    width: float
    raises: bool


@dataclass(frozen=True)
class Strip:
    """Prediction, interval and truth on one line, in per cent of its length."""

    prediction: float
    truth: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Case:
    """One explained sample."""

    id: str
    prediction: str
    truth: str
    interval: str
    verdict: str
    missed: bool
    strip: Strip | None
    bars: tuple[Bar, ...]
    rest: str
    pictures: Pictures | None
    method: str
    gap: str


@dataclass(frozen=True)
class Learned:
    """What is to be read of one rung. ``curves`` and ``terms`` feed the figures."""

    row: Row
    summary: str
    terms: tuple[Mapping[str, Any], ...]
    curves: tuple[Mapping[str, Any], ...]
    rules: tuple[Mapping[str, Any], ...]
    n_rules: int
    n_terms: int
    signed: bool
    cases: tuple[Case, ...]
    limit: str
    physics_limit: str
    trust: str

    @property
    def empty(self) -> bool:
        return not (self.terms or self.rules or self.cases)


def learned(view: RunView, scores: Scores) -> tuple[Learned, ...]:
    """Every rung that has something to be read, the chosen one first."""
    rows = sorted(scores.rows, key=lambda row: not row.chosen)
    found = [_of_rung(view, row, view.rungs[row.name]) for row in rows if row.name in view.rungs]
    return tuple(item for item in found if not item.empty)


def _of_rung(view: RunView, row: Row, rung: RungView) -> Learned:
    terms = [t for t in rung.terms if finite(t.get("importance")) and not t.get("rule")]
    terms.sort(key=lambda t: -abs(float(t["importance"])))
    signed = bool(terms) and all(finite(t.get("coefficient")) for t in terms)
    rules = [t for t in rung.terms if t.get("rule")]
    kept = set(largest([float(t.get("importance", 0.0)) for t in rules], SHOWN_RULES))
    curves = tuple(t for t in terms if drawable(t))[:SHOWN_CURVES]
    maps = draw_maps(rung.examples)
    cases = tuple(
        case_of(example, picture, view.task, view.unit)
        for example, picture in zip(rung.examples, maps.pictures, strict=True)
    )
    return Learned(
        row=row,
        summary=rung.summary,
        terms=tuple(terms[:SHOWN_TERMS]),
        curves=() if rules else curves,
        rules=tuple(t for i, t in enumerate(rules) if i in kept),
        n_rules=len(rules),
        n_terms=len(terms),
        signed=signed,
        cases=cases,
        limit=maps.limit,
        physics_limit=maps.physics_limit,
        trust="" if rung.trust is None else rung.trust.sentence,
    )


def largest(values: Sequence[float], n: int) -> list[int]:
    """Positions of the ``n`` largest values, in their own order.

    Examples
    --------
    >>> largest([0.1, 0.5, 0.2, 0.4], 2)
    [1, 3]
    """
    return sorted(sorted(range(len(values)), key=lambda i: -values[i])[:n])


def drawable(term: Mapping[str, Any]) -> bool:
    """Whether a term has a curve over one axis: ``x`` and ``y`` of one length, at least two."""
    x, y = term.get("x"), term.get("y")
    if x is None or y is None or len(x) != len(y) or len(x) < 2:
        return False
    return all(np.isscalar(level) for level in x)


def case_of(
    example: Example, pictures: Pictures | None, task: Task, unit: str, bars: int = SHOWN_BARS
) -> Case:
    """One explained sample as the page shows it, with at most ``bars`` contributions."""
    text, interval, verdict, missed, strip = (
        _class_answer(example) if task == "classification" else _number_answer(example, unit)
    )
    shown, rest = _bars(example, bars)
    gap = percent(example.completeness_gap)[0] if finite(example.completeness_gap) else ""
    return Case(
        id=str(example.id),
        prediction=text,
        truth=_truth(example, unit),
        interval=interval,
        verdict=verdict,
        missed=missed,
        strip=strip,
        bars=shown,
        rest=rest,
        pictures=pictures,
        method=example.method,
        gap=gap,
    )


def _truth(example: Example, unit: str) -> str:
    if example.truth is None or (isinstance(example.truth, float) and math.isnan(example.truth)):
        return "not measured"
    text = plain_value(example.truth)
    return f"{text} {unit}".strip() if finite(example.truth) else text


_Answer = tuple[str, str, str, bool, Strip | None]


def _class_answer(example: Example) -> _Answer:
    share = percent(example.probability)[0] if finite(example.probability) else ""
    unknown = example.truth is None
    right = str(example.truth) == str(example.prediction)
    verdict = "" if unknown else ("right" if right else "wrong")
    return str(example.prediction), share, verdict, not (unknown or right), None


def _number_answer(example: Example, unit: str) -> _Answer:
    text, interval = with_interval(example.prediction, example.low, example.high)
    text = f"{text} {unit}".strip() if finite(example.prediction) else text
    verdict, missed = "", False
    if finite(example.truth) and finite(example.low) and finite(example.high):
        missed = not float(example.low or 0) <= float(example.truth) <= float(example.high or 0)
        verdict = "outside the interval" if missed else "inside the interval"
    return text, interval, verdict, missed, _strip(example)


def _strip(example: Example) -> Strip | None:
    points = [example.prediction, example.truth, example.low, example.high]
    known = [float(p) for p in points if finite(p)]
    if len(known) < 2 or max(known) == min(known) or not finite(example.prediction):
        return None
    low, high = min(known), max(known)
    span = high - low

    def place(value: Any) -> float | None:
        return round(6 + 88 * (float(value) - low) / span, 2) if finite(value) else None

    return Strip(
        place(example.prediction) or 0.0,
        place(example.truth),
        place(example.low),
        place(example.high),
    )


def _bars(example: Example, n: int) -> tuple[tuple[Bar, ...], str]:
    """The largest contributions; what the others add up to."""
    given = list(example.feature_values) + [None] * len(example.names)
    rows = [
        (name, value, float(part))
        for name, value, part in zip(example.names, given, example.contributions, strict=False)
        if finite(part)
    ]
    rows.sort(key=lambda row: -abs(row[2]))
    shown, others = rows[:n], rows[n:]
    largest = max((abs(part) for _, _, part in shown), default=0.0) or 1.0
    bars = []
    for name, value, part in shown:
        width = round(50 * abs(part) / largest, 2)
        start = 50.0 if part >= 0 else round(50.0 - width, 2)
        bars.append(Bar(name, _given(value), _signed(part), start, width, part >= 0))
    rest = ""
    if others:
        rest = f"All other features together: {_signed(sum(part for _, _, part in others))}"
    return tuple(bars), rest


def _given(value: Any) -> str:
    return "" if value is None else plain_value(value)


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value, 3)

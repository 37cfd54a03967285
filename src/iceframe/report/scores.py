"""Looks evidence up: one score a rung and metric, rungs in the order of measured complexity."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from iceframe.report.numbers import MISSING, finite, percent, seconds, with_interval
from iceframe.report.words import canonical, word
from iceframe.workflow.view import RunView

# The loss that a person reads first, by task, if the run does not name its own.
_LOSSES = {
    "regression": ("mae", "rmse"),
    "classification": ("balanced_accuracy", "accuracy", "log_loss"),
}


@dataclass(frozen=True)
class Score:
    """One measured number with its interval; NaN where it could not be measured."""

    metric: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    better: str = "neither"
    unit: str = ""
    n: int = 0
    note: str = ""
    decimals: int | None = None

    @property
    def known(self) -> bool:
        return finite(self.value)

    @cached_property
    def _texts(self) -> tuple[str, str]:
        show = word(self.metric).show
        if show == "percent":
            return percent(self.value, self.low, self.high)
        if show == "seconds":
            return seconds(self.value), ""
        return with_interval(self.value, self.low, self.high, self.decimals)

    @property
    def text(self) -> str:
        """The value, to the digits that its interval supports."""
        return self._texts[0]

    @property
    def interval(self) -> str:
        """``low to high``, or nothing."""
        return self._texts[1]

    @property
    def full(self) -> str:
        """Value, unit and interval in a line."""
        text = self.text
        if self.unit and text != MISSING:
            text += f" {self.unit}"
        return f"{text} ({self.interval})" if self.interval else text


@dataclass(frozen=True)
class Row:
    """A rung as the figures and tables name it."""

    name: str
    title: str
    glass: bool
    chosen: bool
    input: str = ""


class Scores:
    """All evidence and costs of a run, by rung and metric."""

    def __init__(self, view: RunView) -> None:
        self._scores: dict[tuple[str, str], Score] = {}
        self._axes: dict[str, str] = {}
        for record in view.evidence.to_dict("records"):
            self._add(str(record["axis"]), record, view.unit)
        for record in view.costs.to_dict("records"):
            self._add("cost", record, "")
        self._align()
        self.rows = self._ordered(view)
        self.loss = self._loss(view)

    def _add(self, axis: str, record: dict[Any, Any], unit: str) -> None:
        name = canonical(str(record["metric"]))
        self._axes.setdefault(name, axis)
        key = (str(record["rung"]), name)
        if key in self._scores:
            return
        own_unit = str(record.get("unit") or "")
        self._scores[key] = Score(
            metric=name,
            value=_float(record["value"]),
            low=_float(record.get("low")),
            high=_float(record.get("high")),
            better=str(record.get("better") or "neither"),
            unit=own_unit or (unit if name in ("mae", "rmse") else ""),
            n=int(record["n"]) if finite(record.get("n")) else 0,
            note=str(record.get("note") or ""),
        )

    def _align(self) -> None:
        """Give all values of a metric the same decimals, so that a column can be compared."""
        for metric in self._axes:
            keys = [key for key in self._scores if key[1] == metric and self._scores[key].known]
            decimals = common_decimals([self._scores[key] for key in keys])
            for key in keys:
                self._scores[key] = replace(self._scores[key], decimals=decimals)

    def _ordered(self, view: RunView) -> tuple[Row, ...]:
        names = list(view.rungs) + [n for n, _ in self._scores if n not in view.rungs]
        names = list(dict.fromkeys(names))
        position = {name: i for i, name in enumerate(names)}

        def order(name: str) -> tuple[bool, float, int]:
            score = self.get(name, "complexity")
            return (not score.known, score.value if score.known else 0.0, position[name])

        chosen = view.equilibrium.rung
        rows = []
        for name in sorted(names, key=order):
            rung = view.rungs.get(name)
            title, glass, reads = (
                (rung.title, rung.glass_box, rung.input) if rung else (name, False, "")
            )
            rows.append(Row(name, title, glass, name == chosen, reads))
        return tuple(rows)

    def _loss(self, view: RunView) -> str:
        wanted = view.settings.get("loss")
        candidates = ([canonical(str(wanted))] if wanted else []) + list(_LOSSES[view.task])
        return next((name for name in candidates if name in self._axes), candidates[0])

    def get(self, rung: str, metric: str) -> Score:
        """The score of ``rung``; NaN where it was not measured."""
        name = canonical(metric)
        return self._scores.get((rung, name), Score(name, float("nan")))

    def metrics(self, axis: str) -> list[str]:
        """Metrics measured on ``axis``, in the order of the evidence."""
        return [name for name, own in self._axes.items() if own == axis]

    def better(self, metric: str) -> str:
        """``higher``, ``lower`` or ``neither``."""
        name = canonical(metric)
        return next((s.better for (_, m), s in self._scores.items() if m == name), "neither")

    def unit(self, metric: str) -> str:
        """The unit of a metric, or nothing."""
        name = canonical(metric)
        return next((s.unit for (_, m), s in self._scores.items() if m == name and s.unit), "")

    def best(self, metric: str) -> str | None:
        """The rung with the best value of ``metric``."""
        known = [row.name for row in self.rows if self.get(row.name, metric).known]
        if not known:
            return None
        pick = max if self.better(metric) == "higher" else min
        return pick(known, key=lambda name: self.get(name, metric).value)


def common_decimals(scores: list[Score]) -> int | None:
    """Decimals for one metric over all rungs: what the typical interval supports.

    Counts need none, shares of one get two; numbers that need an exponent keep their own.

    Examples
    --------
    >>> common_decimals([Score("mae", 87.3, 80.1, 94.9), Score("mae", 230.0, 214.0, 246.0)])
    0
    >>> common_decimals([Score("gdf", 58.2, 50.0, 66.0)]), common_decimals([Score("c2", 0.12)])
    (0, 2)
    """
    if not scores:
        return None
    show = word(scores[0].metric).show
    if show == "share":
        return 2
    largest = max(abs(score.value) for score in scores)
    if show == "count":
        return 0 if 10 <= largest < 1e6 else None
    halves = [(s.high - s.low) / 2 for s in scores if finite(s.low) and s.high > s.low]
    if not halves or largest >= 1e6:
        return None
    decimals = 1 - math.floor(math.log10(sorted(halves)[len(halves) // 2]))
    return max(0, decimals) if decimals <= 4 else None


def _float(value: Any) -> float:
    return float(value) if finite(value) else float("nan")

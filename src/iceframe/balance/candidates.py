"""What the decision knows of each rung, gathered from Evidence, and the user's floors."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from iceframe.core.errors import UsageError
from iceframe.core.values import Evidence
from iceframe.measure.complexity import composite
from iceframe.measure.metrics import METRICS

# Floors that stand for whichever metric was measured, in this order.
_FLOORS: dict[str, tuple[str, ...]] = {
    "max_error": (),
    "max_seconds": ("total_seconds", "fit_seconds"),
    "min_transparency": ("pf_star", "faithfulness"),
}


@dataclass(frozen=True)
class Candidate:
    """One rung: its paired fold losses (lower is better) and all its Evidence by metric."""

    name: str
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    loss: float = float("nan")
    folds: tuple[float, ...] = ()
    note: str = ""

    def value(self, metric: str) -> float:
        """The measured value, NaN where there is none."""
        row = self.evidence.get(metric)
        return float("nan") if row is None else float(row.value)

    @property
    def complexity(self) -> float:
        """Measured complexity, infinite where unknown, so that such a rung is tried last."""
        value = self.value("complexity")
        return value if np.isfinite(value) else float("inf")

    def complexity_at(self, weight: float) -> float:
        """Complexity with another weight of C1; as measured where a part is missing."""
        value = composite(self.value("c1"), self.value("c2"), self.value("c3"), weight)
        return value if np.isfinite(value) else self.complexity


def gather(evidence: Sequence[Evidence], loss: str) -> list[Candidate]:
    """One candidate a rung, sorted by name. Losses of metrics where higher is better are 1 − x."""
    rows: dict[str, dict[str, Evidence]] = {}
    for row in evidence:
        rows.setdefault(row.rung, {})[row.metric] = row
    upside_down = higher_is_better(evidence, loss)
    candidates = []
    for name in sorted(rows):
        row = rows[name].get(loss, Evidence(name, "fidelity", loss, float("nan")))
        folds = row.folds or ((row.value,) if np.isfinite(row.value) else ())
        folds = tuple(1.0 - f if upside_down else float(f) for f in folds)
        mean = float(np.mean(folds)) if folds else float("nan")
        candidates.append(Candidate(name, rows[name], mean, folds, row.note))
    return candidates


def higher_is_better(evidence: Sequence[Evidence], metric: str) -> bool:
    """Whether this metric grows as a model gets better, by the evidence, else by its definition."""
    said = next((row.better for row in evidence if row.metric == metric), None)
    if said in ("higher", "lower"):
        return said == "higher"
    return metric in METRICS and METRICS[metric].better == "higher"


def check_floors(floors: Mapping[str, float]) -> None:
    """Refuse floors on something that is not measured, or without a finite limit."""
    allowed = sorted([*METRICS.names(), *_FLOORS])
    for name, limit in floors.items():
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
            meant = f" Did you mean '{near[0]}'?" if near else ""
            raise UsageError(f"Unknown floor '{name}'.{meant}", allowed=", ".join(allowed))
        if not np.isfinite(limit):
            raise UsageError("A floor must be a finite number.", where=name, got=limit)


@dataclass(frozen=True)
class Shortfall:
    """A floor that a rung does not meet. ``excess`` is relative; infinite where not measured."""

    floor: str
    metric: str
    limit: float
    value: float
    unit: str
    upper: bool

    @property
    def excess(self) -> float:
        if not np.isfinite(self.value):
            return float("inf")
        return abs(self.value - self.limit) / max(abs(self.limit), 1e-12)


def shortfalls(candidate: Candidate, floors: Mapping[str, float], loss: str) -> list[Shortfall]:
    """Every floor that the rung misses: above an upper limit, below a lower one, not measured."""
    missed = []
    for floor, limit in floors.items():
        metric = metric_behind(floor, candidate, loss)
        row = candidate.evidence.get(metric)
        unit = row.unit if row is not None else ""
        if floor == "max_error":
            value, upper = candidate.loss, True
        else:
            value, upper = candidate.value(metric), METRICS[metric].better == "lower"
        met = value <= limit if upper else value >= limit  # False for NaN
        if not met:
            missed.append(Shortfall(floor, metric, float(limit), value, unit, upper))
    return missed


def metric_behind(floor: str, candidate: Candidate, loss: str) -> str:
    """The metric that a floor limits: itself, or of those that it stands for the first that was
    measured."""
    if floor == "max_error":
        return loss
    choices = _FLOORS.get(floor, (floor,))
    measured = [m for m in choices if np.isfinite(candidate.value(m))]
    return measured[0] if measured else choices[-1]

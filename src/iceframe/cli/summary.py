"""A run in a few lines, or as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iceframe.cli.console import show_ladder, show_trust

if TYPE_CHECKING:
    import pandas as pd

    from iceframe.workflow.session import Run

_REGRESSION = ("complexity", "mae", "r2", "coverage_90", "faithfulness")
_WHERE_MEASURED = ("pf_star",)
_CLASSIFICATION = ("complexity", "balanced_accuracy", "log_loss", "coverage_90", "faithfulness")


def show_rungs(finished: Run) -> None:
    """One line a rung: the three axes side by side."""
    task = finished.header["task"]
    metrics: tuple[str, ...] = _REGRESSION if task == "regression" else _CLASSIFICATION
    evidence = finished.evidence
    columns = evidence[["rung", "metric", "value"]].to_numpy()
    values = {(str(rung), str(metric)): float(value) for rung, metric, value in columns}
    measured = {metric for _, metric in values}
    metrics += tuple(metric for metric in _WHERE_MEASURED if metric in measured)
    order = sorted(
        dict.fromkeys(r for r, _ in values), key=lambda r: values.get((r, "complexity"), math.inf)
    )
    rows = []
    for rung in order:
        mark = "▸ " if rung == finished.equilibrium.rung else "  "
        row: dict[str, Any] = {"rung": mark + rung}
        for metric in metrics:
            row[metric] = number(values.get((rung, metric), float("nan")))
        rows.append(row)
    show_ladder(rows, ["rung", *metrics])


def show_belief(finished: Run) -> None:
    """Whether the explanations of the chosen rung may be believed."""
    from iceframe.workflow.viewing import trust_in

    rung = finished.equilibrium.rung
    if rung is not None:
        show_trust(rung, trust_in(finished, rung).sentence)


def number(value: float) -> str:
    """A number with three significant digits.

    >>> number(85.234), number(0.98765), number(float("nan"))
    ('85.2', '0.988', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def as_plain(finished: Run) -> dict[str, Any]:
    """The JSON of ``iceframe show --json``."""
    return {
        "equilibrium": finished.equilibrium.as_dict(),
        "evidence": records(finished.evidence),
        "cost": records(finished.costs),
        "audit": [finding.as_dict() for finding in finished.audit.findings],
        "data": dict(finished.header["facts"]),
        "unfinished": finished.unfinished,
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON values."""
    return [plain_numbers(row) for row in frame.to_dict("records")]


def plain_numbers(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A mapping as JSON values: what is not finite is ``None``."""
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value

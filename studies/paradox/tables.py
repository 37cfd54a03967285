"""What all answers share: columns that name a model, errors under shift, tables, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from studies.paradox.data import available
from studies.paradox.inference import Interval
from studies.paradox.pieces import Study

from iceframe.core.files import write_text

MODEL = ["rung", "contrast", "n", "seed"]
GROUP = ["rung", "contrast", "n"]


def wide(found: pd.DataFrame) -> pd.DataFrame:
    """One row a model: R² and error in every test set."""
    parts = [
        found.pivot_table(index=MODEL, columns="test", values=score).add_prefix(f"{score} ")
        for score in ("r2", "nmae", "r2_affine")
    ]
    return pd.concat(parts, axis=1).reset_index()


def shift_errors(found: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One row a model and shift: ``ln_error``, and in distribution ``ln_inside``.

    The error is the mean absolute one over the spread of the target; under a shift of contrast,
    which no model can know, √(1 − r²), what the best affine rescaling leaves.
    """
    table = wide(found)
    table["ln_inside"] = np.log(table["nmae inside"])
    rows = []
    for shift in available(study)[1:]:
        error = table[f"nmae {shift}"]
        if shift == "contrast":
            error = np.sqrt(np.maximum(1 - table["r2_affine contrast"], 1e-12))
        rows.append(table[[*MODEL, "ln_inside"]].assign(shift=shift, ln_error=np.log(error)))
    return pd.concat(rows, ignore_index=True)


def verdict(interval: Interval, sign: int) -> str:
    """*yes*, *no* (the opposite is shown) or *not shown*."""
    if not np.isfinite(interval.low) or not interval.excludes(0.0):
        return "not shown"
    return "yes" if sign * interval.value > 0 else "no, the opposite"


def save(study: Study, name: str, numbers: pd.DataFrame | None, texts: pd.DataFrame | None) -> None:
    """``tables/NAME.csv`` and ``tables/NAME.md``."""
    folder = study.out / "tables"
    if numbers is not None:
        write_text(folder / f"{name}.csv", numbers.to_csv(index=False))
    if texts is not None:
        write_text(folder / f"{name}.md", markdown(texts))


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown.

    >>> print(markdown(pd.DataFrame({"a": [1], "b": ["x"]})), end="")
    | a | b |
    |---|---|
    | 1 | x |
    """
    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * table.shape[1]]
    for row in table.itertuples(index=False):
        cells = [f"{c:g}" if isinstance(c, float) else str(c) for c in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def flat(intervals: Mapping[str, Interval]) -> dict[str, float]:
    """Value, low and high as columns."""
    found = {}
    for name, interval in intervals.items():
        found |= {name: interval.value, f"{name} low": interval.low, f"{name} high": interval.high}
    return found


def long(intervals: pd.Series) -> pd.DataFrame:
    parts = {"mean": "value", "low": "low", "high": "high", "seeds": "n"}
    return pd.DataFrame(
        {name: intervals.map(lambda i, a=a: getattr(i, a)) for name, a in parts.items()}
    ).reset_index()


def column_of(table: pd.DataFrame, name: str) -> Sequence[float]:
    return table[name].to_numpy(float) if name in table else []

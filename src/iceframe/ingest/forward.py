"""Folds that look ahead: the later samples, and those with the most extreme targets.

``forward``: samples are put in order by a number or a date, and cut into k + 1 blocks of about
equal size; step i trains on all blocks before block i and is tested on block i. Samples of one
value are never parted.

``extremes``: the tenth of the samples with the lowest target and the tenth with the highest are
each tested on once, by models trained on the eight tenths between them alone: can a model find
materials that are better than all that it has seen? Leaving a region out whole instead of samples
at random follows Meredig et al. 2018, doi:10.1039/C8ME00012C.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Fold
from iceframe.ingest.coordinates import finite, is_numeric

END = 0.1
"""Share of the samples at each end of the target."""
TIED_END = 0.2
"""An end that ties (many materials without a band gap, say) enlarge beyond this share is none."""
_DAY_FIRST = re.compile(r"^\s*(\d{1,2})[-/.](\d{1,2})[-/.]\d{4}")


def forward_folds(data: Dataset, column: str, steps: int) -> tuple[list[Fold], list[str]]:
    """``steps`` folds, each trained on what comes before it in ``column``, and notes.

    Raises
    ------
    InputError : the column holds neither numbers nor dates, or fewer different values than blocks.
    """
    order = _in_order(data, column)
    known = np.flatnonzero(~np.isnan(order))
    values, counts = np.unique(order[known], return_counts=True)
    if len(values) < steps + 1:
        raise InputError(
            f"'{column}' has too few different values to go forward in steps.",
            where=f"--splits forward:{column}",
            got=f"{len(values)} values for {steps} steps",
            allowed=f"at least {steps + 1} values",
            hint=f"use --folds {len(values) - 1}" if len(values) > 2 else "name another column",
        )
    block = np.searchsorted(_cuts(np.cumsum(counts), steps), np.arange(len(values)), side="right")
    place = np.full(len(data), -1)
    place[known] = block[np.searchsorted(values, order[known])]
    folds = [
        Fold(f"step{i}", np.flatnonzero((place >= 0) & (place < i)), np.flatnonzero(place == i))
        for i in range(1, steps + 1)
    ]
    sizes = ", ".join(str(len(fold.test)) for fold in folds)
    notes = [
        f"In order of '{column}': the first {int((place == 0).sum())} samples are only trained on; "
        f"each step tests on the next ({sizes}) and trains on all before them."
    ]
    if len(known) < len(data):
        notes.append(f"{len(data) - len(known)} samples without '{column}' take no part.")
    return folds, notes


def _cuts(ends: np.ndarray, steps: int) -> np.ndarray:
    """Where blocks begin, as positions among the distinct values: as near to equal as ties allow.

    ``ends``: how many samples have that value or a lower one.
    """
    cuts: list[int] = []
    for i in range(1, steps + 1):
        first = cuts[-1] + 1 if cuts else 1
        last = len(ends) - (steps - i) - 1  # the later blocks need a value each
        wanted = ends[-1] * i / (steps + 1)
        candidates = np.arange(first, last + 1)
        cuts.append(int(candidates[np.argmin(np.abs(ends[candidates - 1] - wanted))]))
    return np.array(cuts)


def _in_order(data: Dataset, column: str) -> np.ndarray:
    """Numbers that sort as the column does: float64 ``(n,)``, NaN where missing."""
    values = data.table[column]
    if is_numeric(values):
        return finite(values)
    present = values.notna().to_numpy()
    texts = values[present].astype(str).str.strip()
    dates = pd.to_datetime(
        texts, format="mixed", dayfirst=_day_first(texts, column), errors="coerce", utc=True
    )
    if dates.isna().any() or not present.any():
        wrong = texts[dates.isna().to_numpy()]
        raise InputError(
            f"'{column}' holds neither numbers nor dates: nothing comes before anything.",
            where=f"--splits forward:{column}",
            got=repr(wrong.iloc[0]) if len(wrong) else "no values",
            allowed="numbers, or dates such as 2024-03-31",
            hint="name another column, or use --splits grouped:COLUMN",
        )
    order = np.full(len(values), np.nan)
    order[present] = (dates - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy(float)
    return order


def _day_first(texts: pd.Series, column: str) -> bool:
    """Whether 03/04/2024 is in April, as the other dates of the column tell."""
    parts = [match for text in texts if (match := _DAY_FIRST.match(text))]
    day = any(int(match[1]) > 12 for match in parts)
    month = any(int(match[2]) > 12 for match in parts)
    if parts and day == month and not all(match[1] == match[2] for match in parts):
        raise InputError(
            f"Whether the day or the month comes first in '{column}' cannot be told.",
            where=f"--splits forward:{column}",
            got=repr(texts.iloc[0]),
            hint="write the dates as 2024-03-31",
        )
    return day


def extreme_folds(data: Dataset) -> tuple[list[Fold], list[str]]:
    """The folds ``lowest`` and ``highest``, and notes.

    Raises
    ------
    UsageError : the target is a class.
    InputError : too few different values, so that no end is extreme.
    """
    if data.task != "regression":
        raise UsageError(
            "Classes have no extremes: the target must be a number.",
            where="--splits extremes",
            hint="use --splits stratified or leave-out:COLUMN",
        )
    y = data.y
    ends = max(1, round(END * len(y)))
    ordered = np.sort(y)
    outer = {"lowest": y <= ordered[ends - 1], "highest": y >= ordered[-ends]}
    notes = []
    for name, end in list(outer.items()):
        if end.sum() > max(ends, TIED_END * len(y)):
            del outer[name]
            notes.append(
                f"{int(end.sum())} samples share the {name} target ({y[end][0]:g}): there is "
                "nothing extreme at that end, so it is not tested."
            )
    if not outer:
        raise InputError(
            "Too many samples share the lowest and the highest target: there are no extremes.",
            where="--splits extremes",
            got=f"{len(np.unique(y))} different values in {len(y)} samples",
            hint="use --splits random",
        )
    middle = np.flatnonzero(~np.any(list(outer.values()), axis=0))
    folds = [Fold(name, middle, np.flatnonzero(end)) for name, end in outer.items()]
    limits = " and ".join(
        f"{'≤' if name == 'lowest' else '≥'} {(np.max if name == 'lowest' else np.min)(y[end]):g}"
        for name, end in outer.items()
    )
    notes.insert(
        0,
        f"Tested on the targets {limits}, trained on the {len(middle)} samples between: scores are "
        "for targets that no model has seen.",
    )
    return folds, notes

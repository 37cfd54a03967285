"""The target: regression or classification, and which rows have no usable value of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.values import Task
from iceframe.ingest.columns import Column
from iceframe.ingest.quantities import parse_numbers

MIN_SAMPLES = 8
"""Fewer samples cannot be split into folds that measure anything."""

MAX_CODES = 10
"""At most this many distinct integers are taken for class codes."""

ROWS_PER_CODE = 5
"""… and only where each comes this often on average."""

NAMED_ROWS = 5


@dataclass(frozen=True)
class Target:
    """The settled target: ``values`` float64 or class names (object), ``good`` bool ``(n,)``."""

    values: pd.Series
    task: Task
    good: np.ndarray
    notes: tuple[str, ...] = ()


def settle(column: Column, ids: Sequence[str], task: Task | None, drop_invalid: bool) -> Target:
    """Decide the task and check every value; bad rows are named, or left out and counted.

    Raises
    ------
    InputError : text among numbers, missing or infinite values (unless ``drop_invalid``).
    """
    if column.kind in ("date", "nested"):
        raise InputError(
            "This target is neither a number nor a class.", where=column.name, got=column.kind
        )
    if column.kind == "empty":
        raise InputError("The target is empty.", where=column.name)
    settled, why = _task(column, task)
    values = _classes(column) if settled == "classification" else _numbers(column)
    texts = (
        ~column.missing & values.isna().to_numpy()
        if settled == "regression"
        else np.zeros(len(values), bool)
    )
    infinite = np.zeros(len(values), bool)
    if settled == "regression":
        infinite = np.isinf(values.to_numpy(float))
    notes = (
        [f"Target '{column.name}': {settled} ({why}; the option task overrules it)."] if why else []
    )
    notes += [f"Target '{column.name}': {note}." for note in column.notes]
    for bad, what, got in (
        (texts, "The target should be a number, but some rows hold text.", column.raw),
        (infinite, "Some rows have an infinite target.", column.raw),
        (column.missing, "Some rows have no target (missing or NaN).", None),
    ):
        if not bad.any():
            continue
        if not drop_invalid:
            raise InputError(
                what,
                where=f"column '{column.name}', {name_rows(bad, ids)}",
                got=_shown(got[bad].iloc[0]) if got is not None else "missing",
                hint="repair these rows, or leave them out with --drop-invalid (drop_invalid=True)",
            )
        notes.append(f"{what[:-1]}: {int(bad.sum())} left out ({name_rows(bad, ids)}).")
    return Target(values, settled, ~(texts | infinite | column.missing), tuple(notes))


def _shown(value: object) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def check_variety(values: pd.Series, task: Task, name: str) -> None:
    """Enough samples and something to learn.

    Raises
    ------
    InputError : fewer than 8 samples, one class, as many classes as samples, a constant target.
    """
    if len(values) < MIN_SAMPLES:
        raise InputError(
            f"There {'is' if len(values) == 1 else 'are'} too few samples to measure anything.",
            got=f"{len(values)} with a usable target '{name}'",
            allowed=f"at least {MIN_SAMPLES}; intervals become useful from about 50",
        )
    if task == "classification" and values.nunique() * 2 > len(values):
        raise InputError(
            "Almost every sample has a class of its own.",
            where=f"column '{name}'",
            got=f"{values.nunique()} classes for {len(values)} samples",
            hint="choose a target with fewer classes, or state --task regression",
        )
    if values.nunique() > 1:
        return
    if task == "classification":
        raise InputError(
            "All samples belong to one class.",
            where=f"column '{name}'",
            got=repr(values.iloc[0]),
            allowed="at least two classes",
        )
    raise InputError(
        "The target is constant: there is nothing to predict.",
        where=f"column '{name}'",
        got=values.iloc[0],
    )


def name_rows(bad: np.ndarray, ids: Sequence[str]) -> str:
    """The first bad rows by their number in the data (from 1) and their id.

    Examples
    --------
    >>> name_rows(np.array([False, True, True]), ["a", "b", "c"])
    'rows 2 (b), 3 (c)'
    """
    rows = np.flatnonzero(bad)
    shown = [
        str(row + 1) if ids[row] == f"row{row + 1}" else f"{row + 1} ({ids[row]})"
        for row in rows[:NAMED_ROWS]
    ]
    more = f" and {len(rows) - NAMED_ROWS} more" if len(rows) > NAMED_ROWS else ""
    return f"row{'s' if len(rows) > 1 else ''} {', '.join(shown)}{more}"


def _task(column: Column, stated: Task | None) -> tuple[Task, str]:
    if stated is not None:
        return stated, ""
    if column.kind == "boolean":
        return "classification", "true or false"
    if column.kind == "number":
        values = column.values.to_numpy(float)
        finite = values[np.isfinite(values)]
        codes = np.unique(finite)
        whole = bool(len(codes)) and bool((codes == np.round(codes)).all()) and not column.odd.any()
        # One distinct value is a constant number rather than a class without a counterpart.
        if whole and 2 <= len(codes) <= MAX_CODES and len(finite) >= ROWS_PER_CODE * len(codes):
            return "classification", f"{len(codes)} distinct integers"
        return "regression", ""
    texts = column.values[~column.missing].astype(str)
    numeric = parse_numbers(texts.tolist()).good.mean()
    repeated = texts.nunique() * 2 <= len(texts) and texts.nunique() <= 10 * MAX_CODES
    if numeric >= 0.5 and not (repeated and texts.nunique() <= MAX_CODES):
        return "regression", ""
    return "classification", "text"


def _numbers(column: Column) -> pd.Series:
    if column.kind in ("number", "boolean"):
        return column.values.astype(float)
    values = np.full(len(column.raw), np.nan)
    texts = [str(value) for value in column.values[~column.missing]]
    values[~column.missing] = parse_numbers(texts).values
    return pd.Series(values, column.raw.index)


def _classes(column: Column) -> pd.Series:
    names = np.full(len(column.raw), None, object)
    for i in np.flatnonzero(~column.missing):
        names[i] = class_name(column.values.iloc[i], column.kind == "boolean", column.raw.iloc[i])
    return pd.Series(names, column.raw.index)


def class_name(value: object, boolean: bool, raw: object) -> str:
    """How a class is written: ``True``/``False``, integers without a point, text as it stands."""
    if boolean:
        return str(bool(value))
    if isinstance(value, float):
        if value == value and value == round(value, 0) and abs(value) < 1e15:
            return str(int(value))
        return str(raw).strip()
    return str(value).strip()

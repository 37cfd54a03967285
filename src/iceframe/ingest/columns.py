"""What a column holds: numbers, booleans, dates, categories or something no model can use."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from iceframe.ingest.quantities import parse_numbers, unit_in_name

Kind = Literal["number", "boolean", "date", "text", "nested", "empty"]

MISSING = frozenset(
    (
        *("", "na", "n/a", "n.a.", "nan", "-nan", "null", "<na>", "nat", "-", "--", "–", "—", "?"),
        *("#n/a", "#na", "#value!", "#div/0!", "#ref!", "#num!"),
    )
)
"""Texts (lower case) that stand for a missing value; ``none`` does not, it may be a category, and
``Na``, written so, is sodium."""

_SODIUM = "Na"

MOSTLY = 0.8
"""A text column is numeric when at least this share of its values are numbers."""

_PROBE = 50

_DATE = re.compile(
    r"^\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
    r"|\d{1,2}\.? [A-Za-z]{3,9}\.? \d{4})"
    r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?\s*$"
)


@dataclass(frozen=True)
class Column:
    """One interpreted column.

    ``values``: float64 for numbers and booleans (NaN where missing), object otherwise (``None``
    where missing). ``missing`` and ``odd`` are bool ``(n,)``: absent values, and values that are
    present but are not numbers in a column of numbers (``raw`` still shows them).
    """

    name: str
    kind: Kind
    values: pd.Series
    raw: pd.Series
    missing: np.ndarray
    odd: np.ndarray
    unit: str = ""
    notes: tuple[str, ...] = ()


def interpret(series: pd.Series, decimal_comma: bool | None = None) -> Column:
    """Find out what a column holds; ``n`` values in, a :class:`Column` of ``n`` values out.

    Examples
    --------
    >>> column = interpret(pd.Series(["1,5 mm", "2,5 mm", ""], name="thickness"))
    >>> column.kind, column.values.tolist(), column.unit
    ('number', [1.5, 2.5, nan], 'mm')
    >>> interpret(pd.Series(["cast", "wrought"], name="route")).kind
    'text'
    """
    name = str(series.name)
    if series.dtype.kind in "fiu" and isinstance(series.dtype, np.dtype):
        return _plain_numbers(name, series)
    raw = _objects(series)
    missing = np.array([is_missing(value) for value in raw], bool)
    present = [value for value, absent in zip(raw, missing, strict=True) if not absent]
    odd = np.zeros(len(raw), bool)
    unit = unit_in_name(name)
    if not present:
        return Column(name, "empty", pd.Series(np.nan, series.index), raw, missing, odd, unit)
    kind = _kind(present)
    if kind in ("number", "boolean"):
        values = _scatter([_as_float(value) for value in present], missing)
        return Column(name, kind, pd.Series(values, series.index), raw, missing, odd, unit)
    if kind == "text":
        return _from_text(name, raw, missing, unit, decimal_comma)
    return Column(name, kind, raw.where(~missing, None), raw, missing, odd, unit)


def is_missing(value: Any) -> bool:
    """Whether a single cell is empty."""
    if isinstance(value, str):
        text = value.strip()
        return text.lower() in MISSING and text != _SODIUM
    if value is None or value is pd.NA or value is pd.NaT:
        return True
    return isinstance(value, float | np.floating | decimal.Decimal) and value != value


def _plain_numbers(name: str, series: pd.Series) -> Column:
    values = series.astype(float)
    missing = values.isna().to_numpy()
    kind: Kind = "empty" if missing.all() else "number"
    none = np.zeros(len(values), bool)
    return Column(name, kind, values, series, missing, none, unit_in_name(name))


def _objects(series: pd.Series) -> pd.Series:
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.astype(object)
    return series.astype(object) if series.dtype != object else series


def _kind(present: list[Any]) -> Kind:
    if all(isinstance(value, bool | np.bool_) for value in present):
        return "boolean"
    if all(isinstance(value, numbers.Real | decimal.Decimal | np.number) for value in present):
        return (
            "nested"
            if any(isinstance(v, complex | np.complexfloating) for v in present)
            else "number"
        )
    if all(
        isinstance(v, datetime.date | datetime.time | np.datetime64 | pd.Period) for v in present
    ):
        return "date"
    if all(isinstance(value, datetime.timedelta | np.timedelta64) for value in present):
        return "date"
    if all(isinstance(value, str | bool | numbers.Real | decimal.Decimal) for value in present):
        return "text"
    return "nested"


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond 1e308
        return float("inf") if value > 0 else float("-inf")


def _scatter(present: list[float], missing: np.ndarray) -> np.ndarray:
    values = np.full(len(missing), np.nan)
    values[~missing] = present
    return values


def _are_dates(texts: list[str]) -> bool:
    if not any(_DATE.match(text) for text in texts[:_PROBE]):
        return False
    return sum(bool(_DATE.match(text)) for text in texts) >= 0.9 * len(texts)


def _from_text(
    name: str, raw: pd.Series, missing: np.ndarray, unit: str, decimal_comma: bool | None
) -> Column:
    texts = [str(value).strip() for value, absent in zip(raw, missing, strict=True) if not absent]
    odd = np.zeros(len(raw), bool)
    if {text.lower() for text in dict.fromkeys(texts)} <= {"true", "false"}:
        truth = [float(text.lower() == "true") for text in texts]
        values = pd.Series(_scatter(truth, missing), raw.index)
        return Column(name, "boolean", values, raw, missing, odd, unit)
    if _are_dates(texts):
        return Column(name, "date", raw.where(~missing, None), raw, missing, odd, unit)
    found = parse_numbers(texts, decimal_comma)
    words = pd.Series([None] * len(raw), raw.index, dtype=object)
    words[~missing] = texts
    if found.good.mean() < MOSTLY:
        return Column(name, "text", words, raw, missing, odd, unit)
    if len(found.units) > 1:
        note = (
            f"mixes the units {', '.join(found.units)}: convert them to one to use it as a number"
        )
        return Column(name, "text", words, raw, missing, odd, unit, (note,))
    odd[np.flatnonzero(~missing)[~found.good]] = True
    values = pd.Series(_scatter(found.values.tolist(), missing), raw.index)
    notes = found.notes
    if found.units:
        notes += (f"the unit '{found.units[0]}' was taken off the numbers",)
    stated = found.units[0] if found.units else unit
    return Column(name, "number", values, raw, missing, odd, stated, notes)

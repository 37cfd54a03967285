"""The plain columns of a data set as numbers: for distances between samples, never for models.

Numeric columns stay as they are, a composition becomes its element fractions, and everything that
has no distance (text, and which cells are missing) goes into one integer key a row: samples whose
keys differ are never compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset

NORMAL_IQR = 1.349
"""Interquartile range of a normal distribution, in standard deviations."""


@dataclass(frozen=True)
class Coordinates:
    """``values`` float64 ``(n, d)`` (0 where missing), ``missing`` bool ``(n, d)``, ``names`` of
    the ``d`` columns, ``keys`` int ``(n,)``, and how many text columns went into the keys."""

    values: np.ndarray
    missing: np.ndarray
    names: tuple[str, ...]
    keys: np.ndarray
    n_text: int

    @property
    def empty(self) -> bool:
        """Whether there is nothing to compare samples by."""
        return not self.names and not self.n_text

    def spread(self) -> np.ndarray:
        """Robust standard deviation of each column ``(d,)``: IQR/1.349, or the plain one where
        more than half of the values are equal."""
        if not len(self.values) or not self.names:
            return np.zeros(len(self.names))
        values = np.where(self.missing, np.nan, self.values)
        spread = np.zeros(len(self.names))
        known = ~self.missing.all(axis=0)
        low, high = np.nanquantile(values[:, known], (0.25, 0.75), axis=0)
        deviation = np.nanstd(values[:, known], axis=0)
        spread[known] = np.where(high > low, (high - low) / NORMAL_IQR, deviation)
        return spread


def coordinates(data: Dataset) -> Coordinates:
    """Numbers and keys of the feature columns and the composition of ``data``.

    Examples
    --------
    >>> table = pd.DataFrame({"T": [20.0, 20.0], "route": ["cast", "forged"], "y": [1.0, 2.0]})
    >>> c = coordinates(Dataset(table, "y", "regression", ("T", "route")))
    >>> c.values.tolist(), c.names, c.keys.tolist()
    ([[20.0], [20.0]], ('T',), [0, 1])
    """
    numbers: dict[str, np.ndarray] = {}
    texts: list[np.ndarray] = []
    for name in data.features:
        column = data.table[name]
        if is_numeric(column):
            numbers[name] = finite(column)
        else:
            texts.append(pd.factorize(column.astype(object).where(column.notna(), "∅"))[0])
    if data.composition is not None:
        fractions, unread = element_fractions(data.table[data.composition])
        numbers |= fractions
        if unread.any():
            texts.append(unread)
    values = np.column_stack(list(numbers.values())) if numbers else np.zeros((len(data), 0))
    missing = np.isnan(values)
    keys = np.column_stack([missing.astype(int), *texts]) if texts else missing.astype(int)
    codes = np.unique(keys, axis=0, return_inverse=True)[1].ravel() if keys.size else None
    return Coordinates(
        np.where(missing, 0.0, values),
        missing,
        tuple(numbers),
        np.zeros(len(data), int) if codes is None else codes.astype(int),
        len(texts),
    )


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers or booleans."""
    return bool(pd.api.types.is_numeric_dtype(column))


def finite(column: pd.Series) -> np.ndarray:
    """A numeric column as float64 ``(n,)``, NaN where missing or infinite."""
    values = column.to_numpy(dtype=float, na_value=np.nan).copy()
    values[~np.isfinite(values)] = np.nan
    return values


def element_fractions(formulas: pd.Series) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Atomic fraction of every element that occurs, and a code ``(n,)`` for formulas that are not
    readable (0 where they are)."""
    from pymatgen.core import Composition

    from iceframe.ingest.compositions import plain_formula

    n = len(formulas)
    fractions: dict[str, np.ndarray] = {}
    unread = np.zeros(n, int)
    codes, distinct = pd.factorize(formulas.astype(str))
    rows = pd.Series(np.arange(n)).groupby(codes).indices
    for code, formula in enumerate(distinct):
        try:
            amounts = Composition(plain_formula(formula)).fractional_composition.get_el_amt_dict()
        except ValueError:
            unread[rows[code]] = code + 1
            continue
        for element, amount in amounts.items():
            fractions.setdefault(element, np.zeros(n))[rows[code]] = amount
    return {f"x({element})": fractions[element] for element in sorted(fractions)}, unread

"""Formulas as amounts of elements, parsed once each, and what their descriptors share.

Source of the parser: pymatgen, doi:10.1016/j.commatsci.2012.10.028.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.descriptor import Descriptor, Feature, Need, represent

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset

N_ELEMENTS = 118

SUM_TOLERANCE = 0.02
"""How far fractional amounts may be from adding to 1 or 100 before a note says so."""


@dataclass(frozen=True)
class Amounts:
    """Amounts of elements ``(n, 118)``, column Z − 1; rows of NaN where the formula is missing."""

    values: np.ndarray
    notes: tuple[str, ...]

    @property
    def fractions(self) -> np.ndarray:
        """Atomic fractions ``(n, 118)``."""
        return self.values / self.values.sum(axis=1, keepdims=True)


class CompositionDescriptor(Descriptor):
    """Features of compositions. A subclass names them and computes them from the amounts."""

    needs: ClassVar[Need] = "composition"

    column_: str

    @abstractmethod
    def features(self) -> Sequence[Feature]:
        """The features of one composition."""

    @abstractmethod
    def measure(self, held: Amounts) -> np.ndarray:
        """Features ``(n, d)`` of the compositions, NaN where undefined."""

    def fit(self, data: Dataset) -> Self:
        """Remember the column."""
        if data.composition is None:
            raise InputError(f"The descriptor '{self.name}' needs a composition.", where=data.name)
        self.column_ = data.composition
        return self

    def missing(self, data: Dataset) -> list[str]:
        """The composition column, where ``data`` lacks it."""
        return [] if composition_column(data, self.column_) else [self.column_]

    def transform(self, data: Dataset) -> Representation:
        """The features of every composition: float64 ``(n, d)``."""
        held = amounts(data.table[composition_column(data, self.column_)])
        self.notes = held.notes
        return represent(self.measure(held), self.features(), self.reference)

    def state(self) -> dict[str, Any]:
        """The column that the compositions were read from."""
        return {"column": self.column_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The descriptor with the stored column."""
        descriptor = cls()
        descriptor.column_ = str(state["column"])
        return descriptor


def composition_column(data: Dataset, fitted: str | None = None) -> str | None:
    """The column with the formulas: the one that ``data`` names, else the one fitted on."""
    if data.composition is not None and data.composition in data.table.columns:
        return data.composition
    return fitted if fitted in data.table.columns else None


def amounts(formulas: pd.Series) -> Amounts:
    """Parse formulas.

    Raises
    ------
    InputError : a formula that cannot be read, with the sample's id.

    Examples
    --------
    >>> water = amounts(pd.Series(["H2O"], index=["a"]))
    >>> water.values[0, [0, 7]].tolist(), water.fractions[0, 7].round(3)
    ([2.0, 1.0], np.float64(0.333))
    """
    table = np.zeros((len(formulas), N_ELEMENTS))
    odd: list[str] = []
    absent = formulas.isna().to_numpy()
    for row, (identity, formula) in enumerate(formulas.items()):
        if absent[row]:
            table[row] = np.nan
            continue
        try:
            numbers, values = _parse(str(formula))
        except ValueError as error:
            raise InputError(
                "A composition cannot be read.",
                where=f"column '{formulas.name}', row '{identity}'",
                got=f"{formula!r} ({error})",
                allowed="element symbols with amounts, for example Fe0.7Cr0.2Ni0.1 or Al2O3",
            ) from error
        table[row, numbers] = values
        if not _adds_up(values):
            odd.append(str(formula))
    notes = []
    if odd:
        notes.append(
            f"{len(odd)} formulas have amounts that are neither whole numbers nor add to 1 or 100 "
            f"(for example {odd[0]}); amounts are read as atomic ratios and divided by their sum."
        )
    if absent.any():
        notes.append(
            f"{int(absent.sum())} samples have no composition; their features are missing."
        )
    return Amounts(table, tuple(notes))


@lru_cache(maxsize=100_000)
def _parse(formula: str) -> tuple[list[int], list[float]]:
    """Columns (Z − 1) and amounts of one formula; ValueError where it cannot be read."""
    from pymatgen.core import Composition, Element

    found: dict[int, float] = {}
    for element, amount in Composition(formula).element_composition.items():
        if not isinstance(element, Element):
            raise ValueError(f"{element} is not an element")
        found[element.Z - 1] = found.get(element.Z - 1, 0.0) + float(amount)
    if not found:
        raise ValueError("no element with an amount above zero")
    return list(found), list(found.values())


def _adds_up(values: list[float]) -> bool:
    total = sum(values)
    whole = all(abs(v - round(v)) < 1e-6 for v in values)
    return whole or any(abs(total / target - 1) < SUM_TOLERANCE for target in (1, 100))


@lru_cache(maxsize=1)
def symbols() -> tuple[str, ...]:
    """Element symbols in the order of the columns of :class:`Amounts`."""
    from pymatgen.core import Element

    return tuple(Element.from_Z(z).symbol for z in range(1, N_ELEMENTS + 1))

"""What columns of a table say about space groups, where there are no coordinates.

The number of a space group passes through the plain columns as if 225 were more than 62. Here it is
read as what it means: the features of ``symmetry`` as far as a number, a Hermann–Mauguin symbol or
the name of a crystal system tells them.

Volume A of the International Tables for Crystallography, doi:10.1107/97809553602060000114.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.descriptor import DESCRIPTORS, Descriptor, Need, represent
from iceframe.scale.descriptors import _space_groups as groups

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset

_GROUP = re.compile(r"(^|[^a-z])(spg|sgr?|space ?group|spacegroup)([^a-z]|$)")
_SYSTEM = re.compile(r"(crys(tal)?s?.*sys)|((crystal|lattice) (family|class|system))")

READABLE = 0.9
"""Share of the values of a column that must be space groups for it to count as such a column."""


@DESCRIPTORS.register("space_group")
class SpaceGroup(Descriptor):
    """A column counts where its name says so (``spg_num``, ``space group``, ``crys_sys``, …) and at
    least 90 % of its values are space groups or crystal systems. A value that is none gives NaN,
    with a note."""

    name = "space_group"
    title = "Space group of a column"
    summary = "Crystal system, centring and point group that a space group column stands for."
    reference = "International Tables, Volume A, doi:10.1107/97809553602060000114"
    needs: ClassVar[Need] = "columns"

    @classmethod
    def suits(cls, data: Dataset) -> bool:
        """Whether a column holds space groups or crystal systems."""
        return any(columns_of(data))

    @property
    def needed(self) -> str:
        """What a data set must have, in words."""
        return "a column of space groups or crystal systems"

    @classmethod
    def reads(cls, data: Dataset) -> tuple[str, ...]:
        """Those columns."""
        return tuple(column for column in columns_of(data) if column)

    def fit(self, data: Dataset) -> Self:
        """Find the columns."""
        self.group_, self.system_ = columns_of(data)
        if self.group_ is None and self.system_ is None:
            raise InputError(
                "No column holds space groups.",
                where=data.source or data.name,
                got=", ".join(map(str, data.features)) or "no columns",
                allowed="a column such as 'space group' with numbers from 1 to 230 or symbols, or "
                "such as 'crystal system'",
            )
        return self

    def missing(self, data: Dataset) -> list[str]:
        """Fitted columns that ``data`` lacks."""
        return [c for c in (self.group_, self.system_) if c and c not in data.table.columns]

    def transform(self, data: Dataset) -> Representation:
        """Float64 ``(n, 16)``, NaN where a column does not tell."""
        values = np.full((len(data), len(groups.FEATURES)), np.nan)
        notes = []
        if self.system_ is not None:
            column = data.table[self.system_]
            systems = _systems(column)
            values = groups.system_features(systems)
            notes += _unread(column, systems < 0, "crystal systems")
        if self.group_ is not None:
            column = data.table[self.group_]
            numbers = _numbers(column)
            values = np.where((numbers > 0)[:, None], groups.features_of(numbers), values)
            notes += _unread(column, numbers == 0, "space groups")
        self.notes = tuple(notes)
        return represent(values, groups.FEATURES, self.reference)

    def state(self) -> dict[str, Any]:
        """The columns."""
        return {"group": self.group_, "system": self.system_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The descriptor with the stored columns."""
        descriptor = cls()
        descriptor.group_, descriptor.system_ = state["group"], state["system"]
        return descriptor


def columns_of(data: Dataset) -> tuple[str | None, str | None]:
    """The columns that hold space groups (rather numbers than symbols) and crystal systems."""
    known = [c for c in data.features if c in data.table.columns]
    found = [c for c in known if _named(_GROUP, c) and _mostly(data.table[c], _numbers)]
    found.sort(key=lambda c: not pd.api.types.is_numeric_dtype(data.table[c].dtype))
    systems = [c for c in known if _named(_SYSTEM, c) and _mostly(data.table[c], _systems, -1)]
    return next(iter(found), None), next(iter(systems), None)


def _named(pattern: re.Pattern[str], column: str) -> bool:
    words = re.sub(r"[_\-.\s]+", " ", str(column)).lower()
    return pattern.search(words) is not None


def _mostly(column: pd.Series, read: Any, none: int = 0) -> bool:
    held = column.dropna()
    return len(held) > 0 and bool((read(held) != none).mean() >= READABLE)


def _numbers(column: pd.Series) -> np.ndarray:
    """Space group numbers ``(n,)``, 0 where a value is none."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    good = (numbers >= 1) & (numbers <= 230) & (numbers == np.floor(numbers))
    found = np.where(good, numbers, 0).astype(int)
    text = np.isnan(numbers) & column.notna().to_numpy()
    if text.any():
        held = column[text].astype(str)
        found[text] = held.map({s: groups.number_of(s) for s in held.unique()}).to_numpy(int)
    return found


def _systems(column: pd.Series) -> np.ndarray:
    """Places in ``SYSTEMS`` ``(n,)``, −1 where a value is none."""
    known = {system: place for place, system in enumerate(groups.SYSTEMS)}
    known |= {"rhombohedral": known["trigonal"], "isometric": known["cubic"]}
    return column.astype(str).str.strip().str.lower().map(known).fillna(-1).to_numpy(int)


def _unread(column: pd.Series, bad: np.ndarray, what: str) -> list[str]:
    rows = np.flatnonzero(bad & column.notna().to_numpy())
    if not len(rows):
        return []
    return [
        f"Column '{column.name}': {len(rows)} values are no {what} "
        f"(for example {column.iloc[rows[0]]!r}); their features are missing."
    ]

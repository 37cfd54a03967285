"""The plain columns of a table: numbers as they are, categories as 0 or 1 each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.descriptor import DESCRIPTORS, Descriptor, Feature, Need, represent

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset

MAX_CATEGORIES = 20
"""Categories of one column that get a feature of their own; the rarer ones share one."""

OTHER = "(other)"
MISSING = "(missing)"


@DESCRIPTORS.register("columns")
class Columns(Descriptor):
    """Numeric columns pass through; a category becomes one 0/1 feature for each of its values.

    Missing numbers stay NaN. A missing category is a category of its own if the fitted data had
    one, else NaN. A category that was not there at fitting time counts as ``(other)`` where the
    column has that feature, else as none of the known ones, with a note.

    Columns form the block ``process`` beside a composition, else the block ``columns``.
    """

    name = "columns"
    title = "Columns of the table"
    summary = "Numeric columns as they are; each category as a 0/1 feature."
    reference = "Hastie, Tibshirani, Friedman 2009, §9.2.4, doi:10.1007/978-0-387-84858-7"
    needs: ClassVar[Need] = "columns"

    def fit(self, data: Dataset) -> Self:
        """Learn which columns are numbers and which categories the others have."""
        self.block_ = "process" if data.composition is not None else "columns"
        self.units_ = {c: data.units.get(c, "") for c in data.features}
        self.categories_: dict[str, list[str] | None] = {
            column: _categories(data.table[column]) for column in data.features
        }
        return self

    def missing(self, data: Dataset) -> list[str]:
        """Fitted columns that ``data`` lacks."""
        return [column for column in self.categories_ if column not in data.table.columns]

    def transform(self, data: Dataset) -> Representation:
        """Float64 ``(n, d)``.

        Raises
        ------
        InputError : text or an infinite number in a column that was numeric.
        """
        notes: list[str] = []
        parts: list[np.ndarray] = []
        features: list[Feature] = []
        for column, categories in self.categories_.items():
            if categories is None:
                parts.append(_numbers(data.table[column])[:, None])
                features.append(Feature(column, self.units_[column], self.block_))
            else:
                parts.append(_indicators(data.table[column], categories, notes))
                features += [Feature(f"{column} = {c}", "", self.block_) for c in categories]
        self.notes = tuple(notes)
        return represent(np.hstack(parts), features, self.reference)

    def state(self) -> dict[str, Any]:
        """Columns with their units and categories, and the block.

        A list, since JSON objects may lose their order and the models rely on that of the columns.
        """
        columns = [
            {"name": column, "unit": self.units_[column], "categories": categories}
            for column, categories in self.categories_.items()
        ]
        return {"block": self.block_, "columns": columns}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The descriptor with the stored columns."""
        descriptor = cls()
        descriptor.block_ = str(state["block"])
        descriptor.units_ = {str(c["name"]): str(c["unit"]) for c in state["columns"]}
        descriptor.categories_ = {
            str(c["name"]): None if c["categories"] is None else list(c["categories"])
            for c in state["columns"]
        }
        return descriptor


def _categories(column: pd.Series) -> list[str] | None:
    """Categories in the order of their features; ``None`` for a numeric column."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return None
    counts = column.dropna().astype(str).value_counts()
    common = sorted(sorted(counts.index, key=lambda c: (-counts[c], c))[:MAX_CATEGORIES])
    common += [OTHER] if len(counts) > MAX_CATEGORIES else []
    return common + ([MISSING] if column.isna().any() else [])


def _numbers(column: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    bad = (np.isnan(numbers) & column.notna().to_numpy()) | np.isinf(numbers)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            "A numeric column holds what is not a finite number.",
            where=f"column '{column.name}', row '{column.index[row]}'",
            got=repr(column.iloc[row]),
            allowed="a number, or nothing where it is not known",
        )
    return numbers


def _indicators(column: pd.Series, categories: list[str], notes: list[str]) -> np.ndarray:
    absent = column.isna().to_numpy()
    text = column.astype(str).to_numpy(dtype=object)
    text[absent] = MISSING
    unseen = ~absent & ~np.isin(text.astype(str), categories)
    if unseen.any():
        values = ", ".join(repr(v) for v in sorted(set(text[unseen]))[:3])
        treated = "counted as '(other)'" if OTHER in categories else "none of the known categories"
        notes.append(
            f"Column '{column.name}': {int(unseen.sum())} samples have categories that were not "
            f"there before ({values}); {treated}."
        )
    text[unseen] = OTHER
    indicators = (text[:, None] == np.array(categories, dtype=object)[None, :]).astype(float)
    if MISSING not in categories:
        indicators[absent] = np.nan
    return indicators

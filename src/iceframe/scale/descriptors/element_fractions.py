"""Atomic fractions of the elements in a composition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from iceframe.core.values import Representation
from iceframe.scale.descriptor import DESCRIPTORS, Descriptor, Feature, represent
from iceframe.scale.descriptors._compositions import amounts, composition_column, symbols

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset


@DESCRIPTORS.register("element_fractions")
class ElementFractions(Descriptor):
    """One feature for each element that occurs in the fitted data: its atomic fraction.

    An element that was not there at fitting time has no feature; the fractions of the others are
    still taken over all atoms, so that they no longer add to one, and a note names the element.
    """

    name = "element_fractions"
    title = "Element fractions"
    summary = "Atomic fraction of each element that occurs in the data."
    reference = "Ong et al. 2013 (pymatgen), doi:10.1016/j.commatsci.2012.10.028"
    needs: ClassVar[Literal["columns", "composition", "image"]] = "composition"

    def fit(self, data: Dataset) -> Self:
        """Learn which elements occur."""
        assert data.composition is not None
        self.column_ = data.composition
        present = np.nansum(amounts(data.table[self.column_]).values, axis=0) > 0
        self.elements_ = [s for s, there in zip(symbols(), present, strict=True) if there]
        return self

    def missing(self, data: Dataset) -> list[str]:
        """The composition column, where ``data`` lacks it."""
        return [] if composition_column(data, self.column_) else [self.column_]

    def transform(self, data: Dataset) -> Representation:
        """Atomic fractions: float64 ``(n, elements)`` in [0, 1], NaN without a composition."""
        held = amounts(data.table[composition_column(data, self.column_)])
        known = np.array([symbols().index(s) for s in self.elements_], int)
        unknown = np.setdiff1d(np.flatnonzero(np.nansum(held.values, axis=0) > 0), known)
        self.notes = held.notes
        if len(unknown):
            rows = int((held.values[:, unknown] > 0).any(axis=1).sum())
            named = ", ".join(symbols()[i] for i in unknown)
            self.notes += (
                f"{rows} samples hold elements that were not there before: {named}. "
                "Predictions for them are extrapolations.",
            )
        features = [Feature(f"{s} fraction", "", "fractions") for s in self.elements_]
        return represent(held.fractions[:, known], features, self.reference)

    def state(self) -> dict[str, Any]:
        """The elements and the column they were read from."""
        return {"column": self.column_, "elements": self.elements_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The descriptor with the stored elements."""
        descriptor = cls()
        descriptor.column_ = str(state["column"])
        descriptor.elements_ = [str(s) for s in state["elements"]]
        return descriptor

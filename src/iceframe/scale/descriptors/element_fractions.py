"""Atomic fractions of the elements in a composition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._compositions import (
    Amounts,
    CompositionDescriptor,
    amounts,
    symbols,
)

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset


@DESCRIPTORS.register("element_fractions")
class ElementFractions(CompositionDescriptor):
    """One feature for each element that occurs in the fitted data: its atomic fraction.

    An element that was not there at fitting time has no feature; the fractions of the others are
    still taken over all atoms, so that they no longer add to one, and a note names the element.
    """

    name = "element_fractions"
    title = "Element fractions"
    summary = "Atomic fraction of each element that occurs in the data."
    reference = "Ong et al. 2013 (pymatgen), doi:10.1016/j.commatsci.2012.10.028"

    def fit(self, data: Dataset) -> Self:
        """Learn which elements occur."""
        super().fit(data)
        present = np.nansum(amounts(data.table[self.column_]).values, axis=0) > 0
        self.elements_ = [s for s, there in zip(symbols(), present, strict=True) if there]
        return self

    def features(self) -> list[Feature]:
        """One feature an element."""
        return [Feature(f"{s} fraction", "", "fractions") for s in self.elements_]

    def measure(self, held: Amounts) -> np.ndarray:
        """Atomic fractions ``(n, elements)`` in [0, 1], NaN without a composition."""
        known = np.array([symbols().index(s) for s in self.elements_], int)
        unknown = np.setdiff1d(np.flatnonzero(np.nansum(held.values, axis=0) > 0), known)
        if len(unknown):
            rows = int((held.values[:, unknown] > 0).any(axis=1).sum())
            named = ", ".join(symbols()[i] for i in unknown)
            self.notes += (
                f"{rows} samples hold elements that were not there before: {named}. "
                "Predictions for them are extrapolations.",
            )
        return held.fractions[:, known]

    def state(self) -> dict[str, Any]:
        """The elements and the column they were read from."""
        return {**super().state(), "elements": self.elements_}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The descriptor with the stored elements."""
        descriptor = super().from_state(state)
        descriptor.elements_ = [str(s) for s in state["elements"]]
        return descriptor

"""What the descriptors of crystals share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.descriptor import Descriptor, Feature, Need, represent
from iceframe.scale.descriptors.magpie import PROPERTIES, element_table

if TYPE_CHECKING:
    from iceframe.core.dataset import Dataset


class CrystalDescriptor(Descriptor):
    """Features of crystals. A subclass names them and computes them, all crystals together.

    They do not depend on how a crystal is drawn: on the choice of the cell, its origin and
    orientation, and the order of the sites.
    """

    needs: ClassVar[Need] = "crystal"

    @abstractmethod
    def features(self) -> Sequence[Feature]:
        """The features of one crystal."""

    @abstractmethod
    def measure(self, crystals: Crystals) -> np.ndarray:
        """Features ``(n, d)`` of the crystals, NaN where undefined."""

    def fit(self, data: Dataset) -> Self:
        """Nothing is learned."""
        _crystals(self, data)
        return self

    def transform(self, data: Dataset) -> Representation:
        """The features of every crystal: float64 ``(n, d)``.

        Raises
        ------
        InputError : ``data`` has no crystals, or a cell without volume.
        """
        crystals = _crystals(self, data)
        values = self.measure(crystals)
        rows = np.flatnonzero(np.isnan(values).any(axis=1))
        named = ", ".join(crystals.names[i] for i in rows[:3]) + (", …" if len(rows) > 3 else "")
        self.notes = (
            (
                f"Some '{self.name}' features are undefined for {len(rows)} of {len(values)} "
                f"crystals (see the descriptor): {named}.",
            )
            if len(rows)
            else ()
        )
        return represent(values, self.features(), self.reference)

    def state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The descriptor, which learned nothing."""
        return cls()


def _crystals(descriptor: Descriptor, data: Dataset) -> Crystals:
    if data.crystals is None:
        raise InputError(
            f"The descriptor '{descriptor.name}' needs crystal structures.",
            where=data.source or data.name,
            hint="give structure files, or a table with a structure column",
        )
    return data.crystals


def of_elements(name: str) -> np.ndarray:
    """A property of the elements by Magpie's name ``(119,)``, one an atomic number; NaN where it is
    not known."""
    return _by_number()[list(PROPERTIES).index(name)]


@lru_cache(maxsize=1)
def _by_number() -> np.ndarray:
    table = element_table().T
    return np.concatenate([np.full((len(table), 1), np.nan), table], axis=1)


def over_sites(crystals: Crystals, values: np.ndarray) -> np.ndarray:
    """The sum over the sites of each crystal of ``values`` ``(m,)``: ``(n,)``."""
    return np.bincount(crystals.owners, weights=values, minlength=len(crystals))

"""Periodic crystals packed into arrays: what readers give and models take, thousands at once.

One crystal is a cell of three lattice vectors (Å) and sites, each one element at a fractional
coordinate. Sites of all crystals stand in one array, so that neighbour lists and networks work on
a batch without a loop; ``pymatgen`` objects are made on demand
(:func:`iceframe.ingest.crystals.structures`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from iceframe.core.hashing import content_hash


@dataclass(frozen=True)
class Crystals:
    """``n`` ordered crystals with ``m`` sites in all.

    Attributes
    ----------
    lattices : float64 ``(n, 3, 3)``, rows are the lattice vectors in Å.
    offsets : int64 ``(n + 1,)``; sites of crystal ``i`` are ``offsets[i]`` to ``offsets[i + 1]``.
    numbers : int64 ``(m,)``, atomic number of each site.
    fractional : float64 ``(m, 3)``, fractional coordinates.
    names : one a crystal, for messages: a file, or a row's id.

    Examples
    --------
    Two cubic cells, caesium chloride and polonium:

    >>> crystals = Crystals(
    ...     np.array([4.12 * np.eye(3), 3.35 * np.eye(3)]), np.array([0, 2, 3]),
    ...     np.array([55, 17, 84]), np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0, 0, 0]]),
    ...     ("CsCl", "Po"))
    >>> len(crystals), crystals.sizes.tolist(), crystals.take([1]).numbers.tolist()
    (2, [2, 1], [84])
    >>> crystals.cartesian[1].tolist()
    [2.06, 2.06, 2.06]
    """

    lattices: np.ndarray
    offsets: np.ndarray
    numbers: np.ndarray
    fractional: np.ndarray
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        n, m = len(self.lattices), len(self.numbers)
        if self.lattices.shape != (n, 3, 3) or self.fractional.shape != (m, 3):
            raise ValueError(
                f"lattices {self.lattices.shape}, fractional {self.fractional.shape} of {m} sites"
            )
        if len(self.offsets) != n + 1 or self.offsets[0] != 0 or self.offsets[-1] != m:
            raise ValueError(f"offsets {self.offsets} for {n} crystals with {m} sites")
        if len(self.names) != n:
            raise ValueError(f"{len(self.names)} names for {n} crystals")

    def __len__(self) -> int:
        return len(self.lattices)

    @property
    def sizes(self) -> np.ndarray:
        """Number of sites of each crystal ``(n,)``."""
        return np.diff(self.offsets)

    @cached_property
    def owners(self) -> np.ndarray:
        """The crystal of each site ``(m,)``."""
        return np.repeat(np.arange(len(self)), self.sizes)

    @cached_property
    def cartesian(self) -> np.ndarray:
        """Cartesian coordinates of the sites in Å ``(m, 3)``."""
        return np.einsum("mi,mij->mj", self.fractional, self.lattices[self.owners])

    @property
    def volumes(self) -> np.ndarray:
        """Volume of each cell in Å³ ``(n,)``."""
        return np.abs(np.linalg.det(self.lattices))

    @cached_property
    def fingerprint(self) -> str:
        """A content hash of cells, species and coordinates; names do not count."""
        return content_hash(self.lattices, self.offsets, self.numbers, self.fractional)

    def take(self, index: Sequence[int] | np.ndarray) -> Crystals:
        """The crystals at positions ``index``, in that order."""
        index = np.asarray(index, int)
        sizes = self.sizes[index]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        sites = np.repeat(self.offsets[index] - offsets[:-1], sizes) + np.arange(offsets[-1])
        return Crystals(
            self.lattices[index],
            offsets,
            self.numbers[sites],
            self.fractional[sites],
            tuple(self.names[i] for i in index),
        )

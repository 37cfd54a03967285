"""Energies and forces of atoms that attract and repel each other in pairs, exactly.

Morse's potential between elements ``a`` and ``b``, brought to zero smoothly:

    φ(d) = D (e^{−2α(d − r)} − 2 e^{−α(d − r)}) s(d),     E = ½ Σ_ij φ(d_ij),
    F_i = Σ_j φ'(d_ij) (r_j − r_i)/d_ij,

over all ordered pairs of sites, periodic images included. The switch ``s`` is 1 up to ``onset`` and
0 from ``cutoff`` on, with two continuous derivatives. Between unlike elements the depth is the
geometric mean times a ``mixing`` factor, ``α`` and ``r`` are arithmetic means.

A ground truth that costs nothing: what a model has learned of forces can be held against it.

References: Morse 1929, doi:10.1103/PhysRev.34.57; the metals' values of :data:`METALS` are those
of Girifalco & Weizer 1959, doi:10.1103/PhysRev.114.687.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from iceframe.core.errors import InputError


class Morse(NamedTuple):
    """``depth`` in eV, ``steepness`` in 1/Å, ``distance`` of the minimum in Å."""

    depth: float
    steepness: float
    distance: float


METALS: Mapping[int, Morse] = {
    13: Morse(0.2703, 1.1646, 3.253),  # aluminium
    28: Morse(0.4205, 1.4199, 2.780),  # nickel
    29: Morse(0.3429, 1.3588, 2.866),  # copper
}
"""By atomic number."""


class Answer(NamedTuple):
    """``energies`` of the cells in eV ``(n,)`` and ``forces`` on the sites in eV/Å ``(m, 3)``."""

    energies: np.ndarray
    forces: np.ndarray


@dataclass(frozen=True)
class PairPotential:
    """Morse's potential for each of ``elements`` (atomic number to :class:`Morse`).

    Examples
    --------
    Two nickel atoms at their distance: the energy is minus the depth, and nothing pulls.

    >>> nickel = PairPotential({28: METALS[28]})
    >>> vectors = np.array([[2.78, 0, 0], [-2.78, 0, 0]])
    >>> found = nickel(np.array([28, 28]), np.zeros(2, int), 1, np.array([0, 1]),
    ...                np.array([1, 0]), vectors)
    >>> found.energies.round(4).tolist(), float(np.abs(found.forces).max())
    ([-0.4205], 0.0)
    """

    elements: Mapping[int, Morse]
    mixing: float = 1.0
    onset: float = 4.0
    cutoff: float = 5.0

    def __call__(
        self,
        numbers: np.ndarray,
        owners: np.ndarray,
        crystals: int,
        centre: np.ndarray,
        neighbour: np.ndarray,
        vectors: np.ndarray,
    ) -> Answer:
        """Energies of ``crystals`` cells and forces on their sites.

        Parameters
        ----------
        numbers, owners : atomic number and cell of each site ``(m,)``.
        centre, neighbour : sites of each ordered pair within ``cutoff`` ``(e,)``; farther pairs add
            nothing. vectors : from centre to neighbour, in Å ``(e, 3)``.

        Raises
        ------
        InputError : an element that the potential does not know.
        """
        known = np.array(sorted(self.elements))
        foreign = np.setdiff1d(numbers, known)
        if len(foreign):
            raise InputError(
                "This potential does not know an element.",
                got=f"atomic number {foreign[0]}",
                allowed=", ".join(map(str, known)),
            )
        table = np.array([self.elements[int(z)] for z in known])
        first, second = (np.searchsorted(known, numbers[end]) for end in (centre, neighbour))
        depth = np.sqrt(table[first, 0] * table[second, 0])
        depth = depth * np.where(first == second, 1.0, self.mixing)
        steepness, minimum = (table[first, 1:] + table[second, 1:]).T / 2
        d = np.sqrt((vectors**2).sum(axis=1))
        attraction = np.exp(-steepness * (d - minimum))
        value = depth * (attraction**2 - 2 * attraction)
        slope = -2 * depth * steepness * (attraction**2 - attraction)
        switch, fall = self._switch(d)
        energies = np.bincount(owners[centre], value * switch / 2, minlength=crystals)
        along = (slope * switch + value * fall)[:, None] * vectors / d[:, None]
        forces = np.stack(
            [np.bincount(centre, along[:, k], minlength=len(numbers)) for k in range(3)], axis=1
        )
        return Answer(energies, forces)

    def _switch(self, d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The switch and its derivative ``(e,)``."""
        width = self.cutoff - self.onset
        t = np.clip((d - self.onset) / width, 0.0, 1.0)
        value = 1 - t**3 * (10 - 15 * t + 6 * t**2)
        return value, -30 * t**2 * (1 - t) ** 2 / width

"""Crystals with elements swapped: what a model is asked when an element is "taken away".

An element cannot be left out of a crystal, so it is replaced: all its sites take another element of
the same kind (metal or nonmetal), drawn as often as the sites of the background hold it, the same
one for all sites. Cell and coordinates stay. Elements are the players: a crystal has as many as its
formula has symbols.

Trap: a crystal with a swapped element in an unrelaxed cell may not exist, and a model may never
have seen one like it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.core.seeds import generator

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs

DRAWS = 8
"""Swaps that an answer is averaged over."""

CRYSTALS_AT_ONCE = 2048


@dataclass(frozen=True)
class Players:
    """The elements of ``n`` crystals.

    Attributes
    ----------
    numbers : atomic numbers of all elements that occur, rising ``(d,)``.
    present : bool ``(n, d)``. fractions : atomic fractions ``(n, d)``.
    place : for each site its column ``(m,)``.
    """

    numbers: np.ndarray
    present: np.ndarray
    fractions: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, crystals: Crystals) -> Players:
        """The elements of each crystal.

        Examples
        --------
        >>> salt = Crystals(4.12 * np.eye(3)[None], np.array([0, 2]), np.array([55, 17]),
        ...                 np.array([[0, 0, 0], [0.5, 0.5, 0.5]]), ("CsCl",))
        >>> Players.of(salt).names, Players.of(salt).fractions.tolist()
        (('Cl', 'Cs'), [[0.5, 0.5]])
        """
        numbers, place = np.unique(crystals.numbers, return_inverse=True)
        counts = np.zeros((len(crystals), len(numbers)))
        np.add.at(counts, (crystals.owners, place), 1)
        sizes = np.maximum(crystals.sizes, 1)[:, None]
        return cls(numbers, counts > 0, counts / sizes, place)

    @property
    def names(self) -> tuple[str, ...]:
        """Symbols of the elements ``(d,)``."""
        return tuple(_symbols()[z] for z in self.numbers)


def substitutes(players: Players, background: Crystals, draws: int, seed: int) -> np.ndarray:
    """Atomic numbers ``(draws, d)`` that stand in for each element.

    Of the same kind, and another one; the element itself where the background has no other.
    """
    known, counts = np.unique(background.numbers, return_counts=True)
    metal = _is_metal()
    result = np.empty((draws, len(players.numbers)), np.int64)
    for column, z in enumerate(players.numbers):
        rng = generator(seed, "element swaps", int(z))  # whatever the other elements are
        fit = (metal[known] == metal[z]) & (known != z)
        if not fit.any():
            result[:, column] = z
            continue
        share = counts[fit] / counts[fit].sum()
        result[:, column] = rng.choice(known[fit], size=draws, p=share)
    return result


def swapped(crystals: Crystals, players: Players, index: np.ndarray, by: np.ndarray) -> Crystals:
    """Copies of the crystals ``index`` ``(b,)`` with elements replaced as ``by`` ``(b, d)`` says:
    the new atomic number of each column of ``players``."""
    copies = crystals.take(index)
    places = Crystals(  # the columns of the sites, carried along
        crystals.lattices, crystals.offsets, players.place, crystals.fractional, crystals.names
    ).take(index)
    numbers = by[copies.owners, places.numbers]
    return Crystals(copies.lattices, copies.offsets, numbers, copies.fractional, copies.names)


def answers(
    fitted: Fitted, like: Inputs, players: Players, index: np.ndarray, by: np.ndarray
) -> np.ndarray:
    """What the model says of :func:`swapped` crystals: ``(b,)`` or ``(b, k)``."""
    from iceframe.scale.rung import Inputs

    assert like.crystals is not None
    parts = []
    for start in range(0, len(index), CRYSTALS_AT_ONCE):
        few = slice(start, start + CRYSTALS_AT_ONCE)
        changed = swapped(like.crystals, players, index[few], by[few])
        parts.append(fitted.predict(Inputs(like.table.take(index[few]), crystals=changed)))
    return np.concatenate(parts)


@lru_cache(maxsize=1)
def _symbols() -> dict[int, str]:
    from pymatgen.core import Element

    return {z: Element.from_Z(z).symbol for z in range(1, 119)}


@lru_cache(maxsize=1)
def _is_metal() -> np.ndarray:
    """Whether an element is a metal or a metalloid, by atomic number ``(119,)``."""
    from pymatgen.core import Element

    found = np.zeros(119, bool)
    for z in range(1, 119):
        element = Element.from_Z(z)
        found[z] = element.is_metal or element.is_metalloid
    return found

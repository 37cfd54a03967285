"""Rows of ASE databases, whatever they are stored in: one crystal, its energy, its key-value pairs.

Reference: Larsen et al. (2017), doi:10.1088/1361-648X/aa680e.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import Entry
from iceframe.ingest.readers._crystals import ordered, single_values

if TYPE_CHECKING:
    from pymatgen.core import Structure


@dataclass(frozen=True)
class AseRow:
    """Atomic numbers ``(m,)``, positions in Å ``(m, 3)`` and cell ``(3, 3)``, which may still be of
    other lengths; in which directions it repeats; the energy in eV and the key-value pairs."""

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    periodic: tuple[bool, ...]
    energy: Any
    pairs: Any


def entry_of(row: AseRow, name: str, where: str) -> Entry:
    """The crystal of one row.

    Raises
    ------
    InputError : the row holds none; names the site where one is at fault.
    """
    if not isinstance(row.pairs, Mapping):
        raise InputError(
            "The key-value pairs of this row cannot be read.", where=where, got=repr(row.pairs)[:60]
        )
    values = dict(row.pairs)
    if isinstance(row.energy, float | int):
        values = {"energy": row.energy, **values}
    columns, notes = single_values(values)
    return Entry(_structure(row, where), name, columns, notes)


def _structure(row: AseRow, where: str) -> Structure:
    numbers, positions, cell = (a.ravel() for a in (row.numbers, row.positions, row.cell))
    if len(positions) != 3 * len(numbers) or len(cell) != 9:
        raise InputError(
            "This row does not hold a crystal.",
            where=where,
            got=f"{len(numbers)} atoms, {len(positions)} coordinates, {len(cell)} of the cell",
            allowed="three coordinates an atom, nine numbers for the cell",
        )
    if not cell.any():
        raise InputError(
            "This row has no cell.",
            where=where,
            hint="molecules and clusters are no crystals; leave them out",
        )
    if row.periodic != (True, True, True):
        shown = ", ".join("yes" if one else "no" for one in row.periodic)
        raise InputError(
            "This row does not repeat in all three directions.",
            where=where,
            got=f"pbc {shown}",
            allowed="yes, yes, yes",
            hint="a sheet in a cell with vacuum may be stored so; a molecule is no crystal",
        )
    symbols = [_symbol(int(number)) for number in numbers]
    return ordered(cell.reshape(3, 3), symbols, positions.reshape(-1, 3), where, cartesian=True)


def _symbol(number: int) -> str:
    from ase.data import chemical_symbols

    return chemical_symbols[number] if 0 < number < len(chemical_symbols) else f"Z={number}"

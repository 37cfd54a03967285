"""VASP's POSCAR and CONTCAR: scale, cell, elements, counts, positions.

The elements stand on a line of their own (VASP 5 and later), or behind the positions, or on the
first line; where they stand nowhere the file is refused, for only a POTCAR would know them.

    first line: anything
    scale factor s, three of them, or minus the volume
    a_x a_y a_z
    b_x b_y b_z
    c_x c_y c_z
    Cs Cl
    1 1
    [Selective dynamics]
    Direct | Cartesian (Cartesian positions are scaled, too)
    x y z [flags] [element]

Reference: Kresse & Furthmüller (1996), doi:10.1103/PhysRevB.54.11169.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, Entry, StructureReader, bare_suffix
from iceframe.ingest.readers._crystals import known_symbol, ordered, text_of

if TYPE_CHECKING:
    from pymatgen.core import Structure

_NAME = re.compile(r"(POSCAR|CONTCAR)([\W_\d].*)?", re.IGNORECASE)
_MOST_LINES = 20
"""VASP breaks long lists of elements into lines of 20; nothing reasonable takes more lines."""


@READERS.register("poscar")
class Poscar(StructureReader):
    """One crystal, ordered by construction."""

    title = "POSCAR, CONTCAR (VASP)"
    summary = "Files named POSCAR… or CONTCAR…, or with these suffixes; elements must be named."
    reference = "doi:10.1103/PhysRevB.54.11169"
    suffixes = (".poscar", ".contcar", ".vasp")

    @classmethod
    def claims(cls, path: Path) -> bool:
        """By the suffix, or by a name like ``POSCAR_12`` that has no other format's suffix."""
        if bare_suffix(path) in cls.suffixes:
            return True
        others = (suffix for _, kind in READERS.items() for suffix in kind.suffixes)
        return _NAME.fullmatch(path.name) is not None and bare_suffix(path) not in others

    def read(self, path: Path) -> list[Entry]:
        structure, notes = _structure(text_of(path).splitlines(), path)
        return [Entry(structure, path.name, notes=notes)]


def _structure(lines: list[str], path: Path) -> tuple[Structure, tuple[str, ...]]:
    scale = _numbers(lines, 1, path, (1, 3), "the scale factor, or three")
    lattice = np.array([_numbers(lines, row, path, (3,), "a lattice vector") for row in (2, 3, 4)])
    factors = _factors(scale, lattice, path)
    names, counts, row = _species(lines, path)
    flags = _word(lines, row, path).lower().startswith("s")
    row += flags
    mode = _word(lines, row, path).lower()
    if mode[0] not in "dck":
        raise InputError(
            "This line should say how positions are given.",
            where=_line(path, row),
            got=lines[row].strip()[:60],
            allowed="Direct or Cartesian",
        )
    n = sum(counts)
    first = row + 1
    present = len(lines) - first
    if n > present:
        raise InputError(
            "Positions are missing.", where=path, got=f"{present} lines", allowed=f"{n} sites"
        )
    rows = range(first, first + n)
    positions = np.array([_numbers(lines, i, path, (3,), "a position") for i in rows]).reshape(n, 3)
    symbols, notes = _symbols(lines, names, counts, rows, 6 if flags else 3, path)
    cartesian = mode[0] in "ck"
    positions = positions * factors if cartesian else positions
    cell = lattice * factors
    return ordered(cell, symbols, positions, str(path), cartesian=cartesian), notes


def _factors(scale: np.ndarray, lattice: np.ndarray, path: Path) -> np.ndarray:
    """What x, y, z are multiplied by; a negative number is the volume that the cell should have."""
    if len(scale) == 1 and scale[0] < 0:
        volume = abs(np.linalg.det(lattice))
        if not volume > 0:
            raise InputError("This crystal has no usable cell.", where=path, got="no volume")
        scale = np.cbrt(-scale / volume)
    if not (scale > 0).all():
        raise InputError(
            "This scale factor is not usable.",
            where=_line(path, 1),
            got=" ".join(f"{x:g}" for x in scale),
            allowed="one number other than 0, or three above 0",
        )
    return np.broadcast_to(scale, 3)


def _species(lines: list[str], path: Path) -> tuple[list[str] | None, list[int], int]:
    """Names (``None`` in VASP 4), counts, and the row behind them."""
    names: list[str] = []
    row = 5
    while row < min(len(lines), 5 + _MOST_LINES) and not _are_counts(words := _words(lines, row)):
        if not words:
            break
        # VASP 6 appends what it knows of the potential: Mg_pv/f474ac0d
        names += [re.split(r"[_/]", word)[0] for word in words]
        row += 1
    counts: list[int] = []
    while row < len(lines) and _are_counts(words := _words(lines, row)):
        counts += [int(word) for word in words]
        row += 1
    if not counts or (names and len(names) != len(counts)):
        raise InputError(
            "Each element needs its number of atoms.",
            where=_line(path, 5),
            got=f"{len(names)} names and {len(counts)} counts",
            allowed="a line such as 'Cs Cl', then one such as '1 1'",
        )
    return names or None, counts, row


def _symbols(
    lines: list[str],
    names: list[str] | None,
    counts: list[int],
    rows: range,
    column: int,
    path: Path,
) -> tuple[Sequence[str], tuple[str, ...]]:
    """The element of each site."""
    if names is not None:
        return np.repeat(names, counts).tolist(), ()
    behind = [words[column] if len(words := _words(lines, i)) > column else "" for i in rows]
    if all(map(known_symbol, behind)):
        return behind, ()
    first = _words(lines, 0)
    if len(first) == len(counts) and all(map(known_symbol, first)):
        note = "The elements were taken from the first line of a POSCAR that has no line for them."
        return np.repeat(first, counts).tolist(), (note,)
    raise InputError(
        "This file does not say which elements it holds.",
        where=_line(path, 5),
        got=lines[5].strip()[:60],
        allowed="a line with one symbol for each count, such as 'Cs Cl', before the counts",
        hint="add the line; the order is that of the POTCAR",
    )


def _words(lines: list[str], row: int) -> list[str]:
    """The words of a line, comments left out."""
    return re.split(r"[!#]", lines[row])[0].split() if row < len(lines) else []


def _word(lines: list[str], row: int, path: Path) -> str:
    words = _words(lines, row)
    if not words:
        raise InputError("This file ends too early.", where=_line(path, row))
    return words[0]


def _are_counts(words: list[str]) -> bool:
    # At most nine digits: more atoms than that are no count but a slip.
    return bool(words) and all(re.fullmatch(r"\d{1,9}", word) for word in words)


def _numbers(
    lines: list[str], row: int, path: Path, lengths: tuple[int, ...], what: str
) -> np.ndarray:
    """The numbers at the start of a line: as many of ``lengths`` as there are, at most."""
    values: list[float] = []
    for word in _words(lines, row)[: max(lengths)]:
        try:
            values.append(float(re.sub("[dD]", "e", word)))  # Fortran writes 1.0D0
        except ValueError:
            break
    usable = [length for length in lengths if length <= len(values)]
    if not usable:
        raise InputError(
            f"This line should hold {what}.",
            where=_line(path, row),
            got=repr(lines[row].strip()[:60]) if row < len(lines) else "the end of the file",
            allowed=f"{max(lengths)} numbers" if len(lengths) == 1 else "1 or 3 numbers",
        )
    return np.array(values[: max(usable)])


def _line(path: Path, row: int) -> str:
    return f"{path}, line {row + 1}"

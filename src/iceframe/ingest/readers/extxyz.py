"""Extended XYZ: frames of positions in Å, with the cell and values of the frame on a line.

    2
    Lattice="4.1 0 0 0 4.1 0 0 0 4.1" Properties=species:S:1:pos:R:3 pbc="T T T" energy=-6.3
    Cs 0.00 0.00 0.00
    Cl 2.05 2.05 2.05

A frame needs ``Lattice`` and must repeat in all three directions (``pbc``, by default it does).
The line of values is parsed by ASE. Single numbers and words on it become columns.

References: https://github.com/libAtoms/extxyz (the format);
Larsen et al. (2017), doi:10.1088/1361-648X/aa680e (ASE).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, Entry, StructureReader
from iceframe.ingest.readers._crystals import (
    entry_name,
    entry_place,
    ordered,
    single_values,
    some,
    text_of,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

_OF_THE_FORMAT = ("Lattice", "Properties", "pbc")
_DEFAULT_PROPERTIES = "species:S:1:pos:R:3"


class _Frame(NamedTuple):
    comment: str
    rows: list[str]
    line: int
    missing: int


@READERS.register("extxyz")
class ExtendedXyz(StructureReader):
    """One crystal a frame."""

    title = "Extended XYZ"
    summary = "Frames with Lattice; energies and other single values become columns."
    reference = "https://github.com/libAtoms/extxyz"
    suffixes = (".extxyz", ".xyz")

    def read(self, path: Path) -> list[Entry]:
        frames = list(_frames(text_of(path).splitlines(), path))
        return some([_entry(frame, path, i, len(frames)) for i, frame in enumerate(frames)], path)


def _frames(lines: list[str], path: Path) -> Iterator[_Frame]:
    at = 0
    while at < len(lines):
        text = lines[at].strip()
        if not text:  # empty lines between or behind frames
            at += 1
            continue
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise InputError(
                "A frame should begin with its number of atoms.",
                where=f"{path}, line {at + 1}",
                got=repr(text[:60]),
                hint="is the number of the frame before right?",
            )
        n = int(text)
        rows = lines[at + 2 : at + 2 + n]
        comment = lines[at + 1] if at + 1 < len(lines) else ""
        yield _Frame(comment, rows, at + 1, n - len(rows))
        at += 2 + n


def _entry(frame: _Frame, path: Path, index: int, n: int) -> Entry:
    name, where = entry_name(path, index, n), f"{entry_place(path, index, n)} (line {frame.line})"
    try:
        values = _values(frame.comment, where)
        structure = _structure(frame, values, where)
    except InputError as fault:
        return Entry(None, name, fault=fault)
    columns, notes = single_values({k: v for k, v in values.items() if k not in _OF_THE_FORMAT})
    return Entry(structure, name, columns, notes)


def _values(comment: str, where: str) -> Mapping[str, Any]:
    from ase.io.extxyz import key_val_str_to_dict

    try:
        return key_val_str_to_dict(comment)
    except (ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
        raise InputError(
            "The second line of this frame cannot be read.",
            where=where,
            got=f"{comment[:60]!r}: {error}",
            allowed='key=value, as in Lattice="4.1 0 0 0 4.1 0 0 0 4.1" energy=-6.3',
        ) from error


def _structure(frame: _Frame, values: Mapping[str, Any], where: str) -> Structure:
    if frame.missing:
        raise InputError("This frame is cut off.", where=where, got=f"{frame.missing} atoms less")
    lattice = _lattice(values, where)
    symbols, positions = _atoms(frame, values.get("Properties", _DEFAULT_PROPERTIES), where)
    return ordered(lattice, symbols, positions, where, cartesian=True)


def _lattice(values: Mapping[str, Any], where: str) -> np.ndarray:
    lattice = values.get("Lattice")
    if lattice is None:
        raise InputError(
            "This frame has no cell.",
            where=where,
            allowed='Lattice="a_x a_y a_z b_x b_y b_z c_x c_y c_z" in Å on its second line',
            hint="molecules and clusters are no crystals; leave them out",
        )
    periodic = np.ravel(values.get("pbc", True))
    if not (periodic.dtype == bool and periodic.all()):
        raise InputError(
            "This frame does not repeat in all three directions.",
            where=where,
            got="pbc=" + " ".join("T" if x is np.True_ or x is True else "F" for x in periodic)
            if periodic.dtype == bool
            else f"pbc={values['pbc']}",
            allowed='pbc="T T T"',
            hint="a sheet in a cell with vacuum may be written so; a molecule is no crystal",
        )
    return np.asarray(lattice, float).T  # ASE gives the vectors as columns


def _atoms(frame: _Frame, properties: Any, where: str) -> tuple[list[str], np.ndarray]:
    """Elements and positions, from the columns that ``properties`` names."""
    columns = _columns(str(properties), where)
    symbols, rows = [], []
    for index, line in enumerate(frame.rows):
        words = line.split()
        try:
            symbols.append(words[columns["species"]])
            rows.append([float(word) for word in words[columns["pos"] : columns["pos"] + 3]])
            if len(rows[-1]) < 3:
                raise IndexError
        except (ValueError, IndexError) as error:
            raise InputError(
                "This line should hold an element and its position.",
                where=f"{where}, site {index + 1} of {len(frame.rows)}",
                got=repr(line[:60]),
                allowed=f"columns {properties}",
            ) from error
    return symbols, np.array(rows, float).reshape(-1, 3)


def _columns(properties: str, where: str) -> dict[str, int]:
    """The first column of each property: ``species:S:1:pos:R:3`` gives 0 and 1."""
    words = properties.split(":")
    starts: dict[str, int] = {}
    at = 0
    for name, width in zip(words[::3], words[2::3], strict=False):
        starts[name] = at
        at += int(width) if width.isdecimal() and len(width) < 4 else 1
    if len(words) % 3 or not {"species", "pos"} <= set(starts):
        raise InputError(
            "This frame does not say where elements and positions stand.",
            where=where,
            got=f"Properties={properties[:60]}",
            allowed=f"such as Properties={_DEFAULT_PROPERTIES}",
        )
    return starts

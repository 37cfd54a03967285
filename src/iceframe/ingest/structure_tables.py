"""Crystals that stand in the cells of a table.

One column of pymatgen structures (as objects, as Matbench's dictionaries, as JSON text), or of CIF
text; or three columns: the cell (``a b c α β γ``, or three vectors in Å), the species of the sites
and their fractional coordinates. Matbench: Dunn et al. 2020, doi:10.1038/s41524-020-00406-3.

Of a dictionary the cell, species and coordinates are read and nothing else: what else it may hold
could name any class to be made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.ingest.columns import is_missing
from iceframe.ingest.reader import Entry, structure_reader
from iceframe.ingest.readers._crystals import ordered
from iceframe.ingest.readers.pymatgen_json import structure_from
from iceframe.ingest.roles import compact

if TYPE_CHECKING:
    from pymatgen.core import Structure

LATTICES = frozenset(("lattice", "cell", "latticeparameters", "cellparameters", "unitcell"))
SPECIES = frozenset(("species", "elements", "atoms", "symbols", "atomicnumbers", "numbers"))
FRACTIONAL = frozenset(
    (
        *("frac", "fraccoords", "fraccoord", "fraccoordinates", "fractional"),
        *("fractionalcoordinates", "scaledpositions", "abc"),
    )
)
_PROBE = 20
_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What libraries raise on cells that hold something else."""

_CIF = re.compile(r"^\s*(#[^\n]*\n\s*)*data_|_cell_length_a", re.IGNORECASE)
_SPLIT = re.compile(r"[\s,;\[\]()'\"]+")


@dataclass(frozen=True)
class Held:
    """The ``columns`` that hold crystals, one entry a row, and a sentence that says so."""

    columns: tuple[str, ...]
    entries: tuple[Entry, ...]
    note: str


def crystals_in_columns(frame: pd.DataFrame) -> Held | None:
    """The crystals in the cells of a table; ``None`` where there are none.

    Examples
    --------
    >>> table = pd.DataFrame({"lattice": ["4.12 4.12 4.12 90 90 90"], "species": ["Cs Cl"],
    ...     "frac": ["0 0 0 0.5 0.5 0.5"], "gap": [6.3]})
    >>> held = crystals_in_columns(table)
    >>> held.columns, held.entries[0].structure.formula
    (('lattice', 'species', 'frac'), 'Cs1 Cl1')
    """
    single = {name: read for name in frame.columns if (read := _kind(frame[name])) is not None}
    if single:
        chosen = min(single, key=lambda name: "structure" not in compact(str(name)))
        entries = single[chosen](frame[chosen])
        note = f"Column '{chosen}' holds the crystals."
        if others := ", ".join(f"'{name}'" for name in single if name != chosen):
            note += f" So do {others}, which are not used (--drop '{chosen}' takes the next)."
        return Held(tuple(map(str, single)), tuple(entries), note)
    parts = [_named(frame, names) for names in (LATTICES, SPECIES, FRACTIONAL)]
    if any(part is None for part in parts):
        return None
    columns = tuple(str(part) for part in parts)
    if not _are_cells(frame[columns[0]]):
        return None
    entries = [_guarded(_from_parts, cells, row) for row, cells in enumerate(_rows(frame, columns))]
    listed = ", ".join(f"'{name}'" for name in columns)
    return Held(columns, tuple(entries), f"Columns {listed} hold the crystals.")


def _kind(column: pd.Series) -> Callable[[pd.Series], list[Entry]] | None:
    """How a column of whole crystals is read."""
    if column.dtype.kind in "fiub":
        return None
    probe = _first(column)
    if not probe:
        return None
    for fits, read in (
        (_is_structure, _objects),
        (_is_dictionary, _dictionaries),
        (_is_json, _texts_of_json),
        (_is_cif, _texts_of_cif),
    ):
        if sum(map(fits, probe)) > len(probe) / 2:
            return read
    return None


def _first(column: pd.Series) -> list[Any]:
    """The first few values that are there."""
    return list(islice((value for value in column if not is_missing(value)), _PROBE))


def _is_structure(value: Any) -> bool:
    return all(hasattr(value, name) for name in ("lattice", "frac_coords", "species_and_occu"))


def _is_dictionary(value: Any) -> bool:
    return isinstance(value, Mapping) and {"lattice", "sites"} <= value.keys()


def _plain(value: Any) -> Any:
    """Lists for the arrays that Parquet gives."""
    if isinstance(value, Mapping):
        return {key: _plain(held) for key, held in value.items()}
    if isinstance(value, list | np.ndarray):
        return [_plain(held) for held in value]
    return value


def _is_json(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("{") and '"lattice"' in value


def _is_cif(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value and _CIF.search(value) is not None


def _objects(column: pd.Series) -> list[Entry]:
    return [_guarded(_as_structure, value, row) for row, value in enumerate(column)]


def _dictionaries(column: pd.Series) -> list[Entry]:
    return [
        _guarded(lambda held, where: structure_from(_plain(held), where), value, row)
        for row, value in enumerate(column)
    ]


def _texts_of_json(column: pd.Series) -> list[Entry]:
    return [
        _guarded(lambda text, where: structure_from(json.loads(text), where), value, row)
        for row, value in enumerate(column)
    ]


def _texts_of_cif(column: pd.Series) -> list[Entry]:
    entries = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "cell.cif"
        reader = structure_reader(path)
        assert reader is not None
        for row, value in enumerate(column):
            name = row_name(row)
            if is_missing(value):
                entries.append(_absent(name))
                continue
            path.write_text(str(value), encoding="utf-8")
            try:
                entries.append(replace(reader.read(path)[0], name=name))
            except InputError as error:
                fault = InputError(
                    error.what, where=name, got=error.got, allowed=error.allowed, hint=error.hint
                )
                entries.append(Entry(None, name, fault=fault))
    return entries


def row_name(row: int) -> str:
    """How a row without an id is called, counted from 1.

    Examples
    --------
    >>> row_name(0)
    'row1'
    """
    return f"row{row + 1}"


def _absent(name: str) -> Entry:
    fault = InputError("There is no crystal in this row.", where=name, got="an empty cell")
    return Entry(None, name, fault=fault)


def _guarded(make: Callable[[Any, str], Structure], value: Any, row: int) -> Entry:
    """The crystal that ``make`` makes of a cell; what it cannot read is a fault of that row."""
    name = row_name(row)
    if isinstance(value, tuple) and any(is_missing(part) for part in value):
        return _absent(name)
    if not isinstance(value, tuple) and is_missing(value):
        return _absent(name)
    try:
        with np.errstate(all="ignore"):  # what is not finite is told by the checks, with its site
            return Entry(make(value, name), name)
    except InputError as error:
        fault = error
    except _UNREADABLE as error:
        fault = InputError(
            "This row holds no readable crystal.",
            where=name,
            got=f"{type(error).__name__}: {str(error)[:200]}",
        )
    return Entry(None, name, fault=fault)


def _as_structure(value: Any, where: str) -> Structure:
    if not _is_structure(value):
        raise TypeError(f"not a structure but {type(value).__name__}")
    return value


def _named(frame: pd.DataFrame, names: frozenset[str]) -> str | None:
    return next((str(c) for c in frame.columns if compact(str(c)) in names), None)


def _are_cells(column: pd.Series) -> bool:
    """Whether most values hold the six or nine numbers of a cell."""
    sizes = []
    for value in _first(column):
        try:
            sizes.append(_numbers(value).size)
        except _UNREADABLE:
            sizes.append(0)
    return bool(sizes) and float(np.mean(np.isin(sizes, (6, 9)))) > 0.5


def _rows(frame: pd.DataFrame, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*[frame[name] for name in columns], strict=True))


def _numbers(value: Any) -> np.ndarray:
    if isinstance(value, str):
        return np.array([float(word) for word in _SPLIT.split(value) if word])
    if isinstance(value, Mapping):
        return np.array(value["matrix"], float).ravel()
    return np.concatenate([np.ravel(np.asarray(part, float)) for part in value])


def _from_parts(cells: tuple[Any, Any, Any], where: str) -> Structure:
    from pymatgen.core import Element, Lattice

    cell, kinds, positions = cells
    numbers = _numbers(cell)
    if numbers.size not in (6, 9):
        raise InputError(
            "This crystal has no usable cell.",
            where=where,
            got=f"{numbers.size} numbers",
            allowed="a, b, c, α, β, γ, or three vectors, in Å and degrees",
        )
    words = list(kinds) if not isinstance(kinds, str) else [w for w in _SPLIT.split(kinds) if w]
    fractional = _numbers(positions)
    if fractional.size != 3 * len(words):
        raise InputError(
            "Species and coordinates do not match.",
            where=where,
            got=f"{len(words)} species, {fractional.size} coordinates",
            allowed="three fractional coordinates a species",
        )
    symbols = [
        Element.from_Z(int(word)).symbol if str(word).isdigit() else str(word) for word in words
    ]
    matrix = (
        numbers.reshape(3, 3)
        if numbers.size == 9
        else Lattice.from_parameters(*numbers.tolist()).matrix
    )
    return ordered(matrix, symbols, fractional.reshape(-1, 3), where)

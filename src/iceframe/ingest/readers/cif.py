"""Crystallographic information files (CIF): cell, symmetry and sites.

A file is taken at its word, or not at all. Refused: a site whose symbol is no element (``Kx`` is
not read as K), groups of atoms given as one site (``OH``, ``Wat``), hydrogens that are counted but
not placed, symmetry that is stated but not understood or does not fit the cell. Occupancies are
never scaled, and sites never dropped, but for those of occupancy 0. Told: a file that states no
symmetry, operations taken from the name of the space group, sites put onto a symmetry element, a
stated formula that is not that of the sites. Words are told apart by pymatgen.

References: Hall, Allen & Brown (1991), doi:10.1107/S010876739101067X (CIF);
Ong et al. (2013), doi:10.1016/j.commatsci.2012.10.028 (pymatgen).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, Entry, StructureReader
from iceframe.ingest.readers._crystals import (
    ELEMENTS_ALLOWED,
    entry_name,
    entry_place,
    known_symbol,
    shared_sites,
    site_place,
    some,
    text_of,
)
from iceframe.ingest.readers._symmetry import Operations, expand, of_group, parse, unusable

if TYPE_CHECKING:
    from pymatgen.core import Structure

_CELL = tuple(f"_cell_length_{x}" for x in "abc") + tuple(
    f"_cell_angle_{x}" for x in ("alpha", "beta", "gamma")
)
_COORDINATES = tuple(f"_atom_site_fract_{x}" for x in "xyz")
_LABEL, _TYPE, _OCCUPANCY = "_atom_site_label", "_atom_site_type_symbol", "_atom_site_occupancy"
_HYDROGENS = "_atom_site_attached_hydrogens"
_OPERATIONS = (
    *("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz"),
    *("_space_group_symop_magn_operation.xyz", "_space_group_symop_magn_operation_xyz"),
)
_CENTRINGS = ("_space_group_symop_magn_centering.xyz", "_space_group_symop_magn_centering_xyz")
_GROUPS = (
    *("_symmetry_space_group_name_H-M", "_space_group_name_H-M_alt", "_space_group_name_Hall"),
    *("_space_group_IT_number", "_symmetry_Int_Tables_number"),
)
_MAGNETIC_GROUPS = re.compile("_space_group_magn.*(name|number)", re.IGNORECASE)
_MOST_CHARACTERS = 64 << 20
_LONGEST_LINE = 20_000
"""The format allows 2048; quotes are sought through a line again and again."""
_MOST_COPIES = 500_000
"""Sites times operations: no usable cell has so many."""
_ROUNDING = 1e-3
"""Occupancies are often printed with three digits."""
_TOLD = 1e-4
"""Å. Moves onto a symmetry element by less are rounding."""
_SEVERAL_ATOMS = ("OH", "O-H", "Wat", "wat", "NO3")
_NOT_STATED = ("", "?", ".")


@READERS.register("cif")
class Cif(StructureReader):
    """One crystal a data block; blocks without a cell and sites are passed over."""

    title = "CIF"
    summary = "One crystal a data block; symmetry expanded, mends told or refused."
    reference = "doi:10.1107/S010876739101067X"
    suffixes = (".cif",)

    def read(self, path: Path) -> list[Entry]:
        text = text_of(path)
        if len(text) > _MOST_CHARACTERS:
            raise InputError("This file is too large.", where=path, allowed="64 MiB unpacked")
        if max(map(len, text.splitlines()), default=0) > _LONGEST_LINE:
            raise InputError(
                "A line of this file is too long.",
                where=path,
                allowed=f"{_LONGEST_LINE} characters; the format allows 2048",
            )
        blocks = list(_blocks(text))
        held = [block for block in blocks if "_atom_site_" in block]
        held = held or [block for block in blocks if "_cell_" in block]
        entries = [_entry(block, path, i, len(held)) for i, block in enumerate(held)]
        return some(entries, path)


def _blocks(text: str) -> Iterator[str]:
    """The data blocks, all named alike; a line ``data_…`` inside a text field begins none."""
    block: list[str] = []
    inside = False
    for line in text.splitlines():
        heads = re.match(r"\s*data_", line, re.IGNORECASE)
        if line.startswith(";"):
            inside = not inside
        elif heads and inside:
            line = "data-" + line[heads.end() :]  # pymatgen would begin a block here
        elif heads:
            if block:
                yield "\n".join(block)
            block = ["data_block"]
            continue
        if block:
            block.append(line)
    if block:
        yield "\n".join(block)


def _entry(block: str, path: Path, index: int, n: int) -> Entry:
    name, where = entry_name(path, index, n), entry_place(path, index, n)
    try:
        structure, notes = _crystal(block, where)
    except InputError as error:
        return Entry(None, name, fault=error)
    except Exception as error:  # a parser of free text: on damaged files it can fail in any way
        fault = InputError(
            "This CIF cannot be read.",
            where=where,
            got=f"{type(error).__name__}: {str(error)[:200]}",
            hint="open it in a crystal viewer and save it again",
        )
        return Entry(None, name, fault=fault)
    return Entry(structure, name, notes=notes)


def _crystal(block: str, where: str) -> tuple[Structure, tuple[str, ...]]:
    from pymatgen.core import Lattice

    data = _items(block)
    sites, notes = _sites(data, where)
    with np.errstate(all="ignore"):  # what is no number is told by the checks, with its site
        lattice = Lattice.from_parameters(*(_number(data[key], f"{where}, {key}") for key in _CELL))
        operations, assumed = _operations(data, lattice.matrix, where)
        if len(sites) * len(operations) > _MOST_COPIES:
            raise InputError(
                "This cell holds too many atoms.",
                where=where,
                got=f"{len(sites)} sites and {len(operations)} symmetry operations",
            )
        positions = np.array([site.position for site in sites], float).reshape(-1, 3)
        copies, owners, moved = expand(positions, operations, lattice.matrix)
    if moved > _TOLD:
        assumed += ("Sites close to a symmetry element were put onto it (0.3333 becomes 1/3).",)
    all_sites = [sites[i] for i in owners]
    structure = shared_sites(
        lattice, [site.parts for site in all_sites], copies, [site.label for site in all_sites]
    )
    by_name = not _listed(data, *_OPERATIONS)
    return structure, (*notes, *assumed, *_formula(data, structure, by_name, where))


def _items(block: str) -> dict[str, Any]:
    """What the block says, by lower-case names: a text, or a list of texts from a loop."""
    from pymatgen.io.cif import CifFile

    with warnings.catch_warnings():  # of words that belong to nothing: what is needed is checked
        warnings.simplefilter("ignore")
        items = next(iter(CifFile.from_str(block).data.values())).data
    return {name.lower(): value for name, value in items.items()}


class _Site(NamedTuple):
    parts: dict[str, float]
    position: tuple[float, ...]
    label: str


def _sites(data: Mapping[str, Any], where: str) -> tuple[list[_Site], list[str]]:
    """Sites as they are written, those at one position together."""
    _require_cell_and_sites(data, where)
    labels = data[_LABEL]
    held: dict[tuple[float, ...], _Site] = {}
    odd = empty = False
    for index, label in enumerate(labels):
        at = site_place(where, index, len(labels), label)
        symbol, guessed = _symbol(data, index, at)
        odd |= guessed
        position = tuple(_number(data[key][index], f"{at}, {key}") for key in _COORDINATES)
        occupancy = _occupancy(data, index, at)
        empty |= occupancy == 0
        if occupancy > 0:
            place = tuple(round(x % 1, 4) % 1 for x in position)
            site = held.setdefault(place, _Site({}, position, label))
            site.parts[symbol] = site.parts.get(symbol, 0.0) + occupancy
    notes = ["Sites of occupancy 0 were left out."] if empty else []
    if odd:
        notes.append("Labels such as OW1 were read as elements, for no others are stated.")
    return list(held.values()), notes


def _require_cell_and_sites(data: Mapping[str, Any], where: str) -> None:
    missing = [key for key in _CELL if str(data.get(key, "")).strip() in _NOT_STATED]
    if missing:
        raise InputError(
            "This crystal has no cell.",
            where=where,
            got=f"no {', '.join(missing)}",
            allowed="three lengths in Å and three angles in degrees",
        )
    absent = [key for key in (_LABEL, *_COORDINATES) if not isinstance(data.get(key), list)]
    if absent:
        raise InputError(
            "This crystal has no sites.",
            where=where,
            got=f"no {', '.join(absent)}",
            allowed="a loop with labels and fractional coordinates",
        )
    if any(_number(text, where, 0.0) for text in _listed(data, _HYDROGENS)):
        raise InputError(
            "This crystal has hydrogens that are counted, but not placed.",
            where=where,
            got=_HYDROGENS,
            hint="add them with a crystal editor, or leave the crystal out",
        )


def _listed(data: Mapping[str, Any], *names: str) -> list[str]:
    """The texts under the first of these names that there is."""
    found: str | list[str] = next((data[name] for name in names if data.get(name)), [])
    return [found] if isinstance(found, str) else list(found)


def _symbol(data: Mapping[str, Any], index: int, at: str) -> tuple[str, bool]:
    """The element of a site, of its type symbol (``Fe3+``) or else of its label (``Fe1``).

    The second value tells whether a label had to be guessed at (``OW1``, ``NA1``).
    """
    label = data[_LABEL][index]
    stated = data[_TYPE][index] if _TYPE in data else None
    text = label if stated is None else stated
    if " + " in text or text.startswith(_SEVERAL_ATOMS):
        raise InputError(
            "This site is not one atom.",
            where=at,
            got=repr(text),
            allowed=ELEMENTS_ALLOWED,
            hint="give each atom its own position",
        )
    found = re.match(r"[A-Za-z]+", text)
    letters = found.group() if found else ""
    candidates = [letters.title()]
    if letters in ("Ow", "Hw") or (stated is None and letters[1:].isupper()):
        # Labels go on behind the element as they like: OW1, CA2, HB.
        candidates += [letters[:2].title(), letters[:1]]
    for symbol in candidates:
        if symbol and known_symbol(symbol):
            return symbol, stated is None and symbol != letters
    raise InputError(
        "This is no chemical element.", where=at, got=repr(text), allowed=ELEMENTS_ALLOWED
    )


def _occupancy(data: Mapping[str, Any], index: int, at: str) -> float:
    """Atoms at this site; 1 where nothing is stated, or 1 but for rounding."""
    if _OCCUPANCY not in data:
        return 1.0
    occupancy = _number(data[_OCCUPANCY][index], f"{at}, {_OCCUPANCY}", 1.0)
    if not occupancy >= 0:
        raise InputError("This is no occupancy.", where=at, got=occupancy, allowed="0 to 1")
    return 1.0 if abs(occupancy - 1) < _ROUNDING else occupancy


def _number(text: Any, where: str, default: float | None = None) -> float:
    """A number, without its uncertainty: ``0.3333(2)``; ``.`` and ``?`` are not stated."""
    try:
        if default is not None and text in _NOT_STATED:
            return default
        return float(re.sub(r"\(.*", "", text))
    except (ValueError, TypeError) as error:
        raise InputError(
            "This is no number.", where=where, got=repr(text), allowed="such as 0.3333(2)"
        ) from error


def _operations(
    data: Mapping[str, Any], lattice: np.ndarray, where: str
) -> tuple[Operations, tuple[str, ...]]:
    """The symmetry operations, listed or of the stated space group; what was assumed."""
    listed = _listed(data, *_OPERATIONS)
    texts = {key: str(data.get(key.lower(), "")).strip() for key in _GROUPS}
    stated = tuple((key, text) for key, text in texts.items() if text not in _NOT_STATED)
    notes: tuple[str, ...] = ()
    if listed:
        operations = _parsed(listed, where)
        centrings = _listed(data, *_CENTRINGS)
        operations = operations.after(_parsed(centrings, where)) if centrings else operations
    elif all(re.sub(r"[\s_]", "", value).upper() in ("P1", "1") for _, value in stated):
        if magnetic := [key for key in data if _MAGNETIC_GROUPS.match(key)]:
            raise unusable(where, f"none are listed for {magnetic[0]}", [])
        operations = parse(("x,y,z",))
        if not stated:
            notes = ("No symmetry is stated: the sites were taken as all there are.",)
    else:
        found = of_group(stated)
        if found is None:
            names = ", ".join(value for _, value in stated)
            raise unusable(where, f"none are listed, and the group {names} is not known", [])
        operations = found
        notes = ("Symmetry operations are not listed; those of the stated space group were used.",)
    if fault := operations.fault(lattice):
        raise unusable(where, fault, listed)
    return operations, notes


def _parsed(texts: list[str], where: str) -> Operations:
    try:
        # Those of a magnetic group go on with the reversal of time.
        return parse(tuple(",".join(text.split(",")[:3]) for text in texts))
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise unusable(where, f"this is none: {error}", texts) from error


def _formula(
    data: Mapping[str, Any], structure: Structure, assumed: bool, where: str
) -> tuple[str, ...]:
    """Whether the stated sum formula is that of the sites, and the number of its units.

    Where the operations are ``assumed`` from the name of the group, another number of units means
    another choice of its origin or axes than the file's: such a crystal is refused.
    """
    from pymatgen.core import Composition

    stated = data.get("_chemical_formula_sum")
    if not isinstance(stated, str) or stated.strip() in _NOT_STATED:
        return ()
    try:
        unit = Composition(stated)
        expected = unit.fractional_composition
    except (ValueError, KeyError, TypeError, OverflowError, ZeroDivisionError):
        return ("A CIF states a formula that cannot be read.",)
    found = structure.composition
    if not expected.almost_equals(found.fractional_composition, rtol=0.02, atol=0.002):
        return ("The formula that a CIF states is not that of its sites.",)
    units = _number(data.get("_cell_formula_units_z", "."), where, 0.0)
    # pymatgen writes the content of the whole cell as the formula, and units all the same.
    meant = np.array([units, 1.0]) * unit.num_atoms
    if not units > 0 or (np.abs(found.num_atoms - meant) <= 0.02 * found.num_atoms).any():
        return ()
    if assumed:
        atoms = f"{found.num_atoms:g} atoms, and {units:g} units of {stated} are stated"
        raise unusable(where, f"none are listed; those of the group give {atoms}", [])
    return ("The number of formula units that a CIF states is not that of its sites.",)

"""Crystals in JSON, as pymatgen writes its structures: one, a list, or with values beside them.

    {"lattice": {"matrix": [[…], […], […]]}, "sites": [{"species": […], "abc": […]}, …], …}
    [{…}, {…}]
    {"structure": {…}, "band_gap": 1.2}
    [{"structure": {…}, "band_gap": 1.2}, …]

Classes that a file names (``@module``, ``@class``) are not looked up: nothing is imported on its
account. Lattice, species, positions and labels are read; everything else is left.

Reference: Ong et al. (2013), doi:10.1016/j.commatsci.2012.10.028.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import READERS, Entry, StructureReader, bare_suffix
from iceframe.ingest.readers._crystals import (
    ELEMENTS_ALLOWED,
    entry_name,
    entry_place,
    fractional,
    known_symbol,
    shared_sites,
    single_values,
    site_place,
    some,
    text_of,
)
from iceframe.ingest.readers._json_keys import first_keys

if TYPE_CHECKING:
    from pymatgen.core import Lattice, Structure


@READERS.register("pymatgen_json")
class PymatgenJson(StructureReader):
    """Structures as dictionaries; a JSON file of another kind is left to the table reader."""

    title = "pymatgen JSON"
    summary = "A Structure, a list of them, or each with values beside it; no class is looked up."
    reference = "doi:10.1016/j.commatsci.2012.10.028"
    suffixes = (".json",)

    @classmethod
    def claims(cls, path: Path) -> bool:
        """By the suffix and the first keys: tables end in ``.json``, too."""
        return bare_suffix(path) in cls.suffixes and is_structure_json(path)

    def read(self, path: Path) -> list[Entry]:
        try:
            value = json.loads(text_of(path))
        except (ValueError, RecursionError) as error:
            raise InputError("This is not readable JSON.", where=path, got=str(error)) from error
        items = value if isinstance(value, list) else [value]
        return some([_entry(item, path, i, len(items)) for i, item in enumerate(items)], path)


def is_structure_json(path: Path) -> bool:
    """Whether a JSON file begins like crystals, and not like a table; absent files do not."""
    keys = first_keys(path)
    return {"lattice", "sites"} <= keys or {"structure/lattice", "structure/sites"} <= keys


def _entry(item: Any, path: Path, index: int, n: int) -> Entry:
    name, where = entry_name(path, index, n), entry_place(path, index, n)
    values: Mapping[str, Any] = {}
    try:
        if isinstance(item, dict) and isinstance(item.get("structure"), dict):
            values = {key: value for key, value in item.items() if key != "structure"}
            item = item["structure"]
        structure = structure_from(item, where)
    except InputError as fault:
        return Entry(None, name, fault=fault)
    columns, notes = single_values(values)
    return Entry(structure, name, columns, notes)


def structure_from(value: Any, where: str) -> Structure:
    """A structure from the dictionary that pymatgen makes of one.

    Parameters
    ----------
    value : ``{"lattice": …, "sites": […]}``.
    where : file, or table and row, for messages.

    Raises
    ------
    InputError : parts are missing, or of another type; names the site.
    """
    sites = value.get("sites") if isinstance(value, dict) else None
    if not isinstance(sites, list):
        raise InputError(
            "This is no structure.",
            where=where,
            got=", ".join(map(str, value))[:60] if isinstance(value, dict) else repr(value)[:60],
            allowed='{"lattice": {"matrix": …}, "sites": […]}, as Structure.as_dict() gives',
        )
    lattice = _lattice(value.get("lattice"), where)
    parts, positions, labels = [], [], []
    for index, site in enumerate(sites):
        at = site_place(where, index, len(sites), _shown(site))
        parts.append(_parts(site, at))
        positions.append(_position(site, lattice, at))
        labels.append(label if isinstance(label := site.get("label"), str) else None)
    return shared_sites(lattice, parts, np.array(positions, float).reshape(-1, 3), labels)


def _lattice(value: Any, where: str) -> Lattice:
    from pymatgen.core import Lattice

    value = value if isinstance(value, dict) else {"matrix": value}
    periodic = value.get("pbc", True)
    if periodic is not True and list(periodic if isinstance(periodic, list) else []) != [True] * 3:
        raise InputError(
            "This crystal does not repeat in all three directions.",
            where=where,
            got=f"pbc {periodic}",
            allowed="[true, true, true]",
            hint="a sheet in a cell with vacuum may be stored so",
        )
    lengths = [value.get(key) for key in ("a", "b", "c", "alpha", "beta", "gamma")]
    with np.errstate(all="ignore"):  # what is not finite is told by the checks
        if (matrix := _numbers(value.get("matrix"), (3, 3))) is not None:
            return Lattice(matrix)
        if (numbers := _numbers(lengths, (6,))) is not None:
            return Lattice.from_parameters(*numbers)
    raise InputError(
        "This crystal has no cell.",
        where=where,
        got=repr(value)[:60],
        allowed='"lattice": {"matrix": [[…], […], […]]} or {"a": …, …, "gamma": …}',
    )


def _numbers(value: Any, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        array = np.array(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    # By the type that they have: NumPy would make a number of nothing and of words.
    return array.astype(float) if array.shape == shape and array.dtype.kind in "iuf" else None


def _parts(site: Any, at: str) -> dict[str, float]:
    """Elements and occupancies; oxidation states and spins are left."""
    species = site.get("species") if isinstance(site, dict) else None
    parts: dict[str, float] = {}
    for one in species if isinstance(species, list) and species else [None]:
        symbol = one.get("element") if isinstance(one, dict) else None
        amount = _numbers(one.get("occu", 1), ()) if isinstance(one, dict) else None
        if not isinstance(symbol, str) or amount is None or not amount >= 0:
            raise InputError(
                "This site cannot be read.",
                where=at,
                got=repr(site)[:80],
                allowed='"species": [{"element": "Fe", "occu": 1}]',
            )
        if not known_symbol(symbol):
            raise InputError(
                "This is no chemical element.",
                where=at,
                got=repr(symbol),
                allowed=ELEMENTS_ALLOWED,
            )
        parts[symbol] = parts.get(symbol, 0.0) + float(amount)
    return parts


def _position(site: Mapping[str, Any], lattice: Lattice, at: str) -> np.ndarray:
    if (position := _numbers(site.get("abc"), (3,))) is not None:
        return position
    if (cartesian := _numbers(site.get("xyz"), (3,))) is not None:
        return fractional(lattice.matrix, cartesian, at)
    raise InputError(
        "This site has no position.", where=at, got=repr(site)[:80], allowed='"abc": [x, y, z]'
    )


def _shown(site: Any) -> str:
    species = site.get("species") if isinstance(site, dict) else None
    first = species[0] if isinstance(species, list) and species else None
    return str(first.get("element", "?"))[:12] if isinstance(first, dict) else "?"

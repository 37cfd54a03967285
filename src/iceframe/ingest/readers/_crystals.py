"""What readers of crystals share: text, names of entries, and structures of named elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.reader import Entry, read_bytes

if TYPE_CHECKING:
    from pymatgen.core import Lattice, Structure

ELEMENTS_ALLOWED = "symbols of the periodic table, H to Og"


def text_of(path: Path) -> str:
    """The text in a file. What is no UTF-8 can only stand in comments, and is replaced."""
    return read_bytes(path).decode("utf-8-sig", errors="replace")


def entry_name(path: Path, index: int, n: int) -> str:
    """``file``, or ``file#index`` where the file holds ``n`` > 1 crystals."""
    return path.name if n == 1 else f"{path.name}#{index}"


def entry_place(path: Path, index: int, n: int) -> str:
    """The same for messages, with the whole path."""
    return str(path) if n == 1 else f"{path}#{index}"


def some(entries: list[Entry], path: Path) -> list[Entry]:
    """Entries of which at least one holds a structure; otherwise the first fault is raised."""
    if not entries:
        raise InputError("This file holds no crystals.", where=path)
    if all(entry.structure is None for entry in entries):
        raise next(entry.fault for entry in entries if entry.fault is not None)
    return entries


def site_place(where: str, index: int, n: int, symbol: str) -> str:
    """A site in words, counted from 1."""
    return f"{where}, site {index + 1} of {n} ({symbol})"


def known_symbol(symbol: str) -> bool:
    """Whether this is an element, or one of the isotopes D and T."""
    from pymatgen.core import Element

    return Element.is_valid_symbol(symbol)


def ordered(
    lattice: np.ndarray,
    symbols: Sequence[str],
    positions: np.ndarray,
    where: str,
    *,
    cartesian: bool = False,
) -> Structure:
    """A structure of one atom a site.

    Parameters
    ----------
    lattice : ``(3, 3)``, rows are vectors in Å.
    symbols : elements, one a site.
    positions : ``(sites, 3)``, fractional, or in Å where ``cartesian``.
    where : the file or frame, for messages.

    Raises
    ------
    InputError : a symbol is no element (the site is named), or the cell has no inverse.
    """
    from pymatgen.core import Structure

    unknown = {symbol for symbol in set(symbols) if not known_symbol(symbol)}
    for index, symbol in enumerate(symbols if unknown else ()):
        if symbol in unknown:
            raise InputError(
                "This is no chemical element.",
                where=site_place(where, index, len(symbols), symbol),
                got=repr(symbol),
                allowed=ELEMENTS_ALLOWED,
            )
    if cartesian:
        positions = fractional(lattice, positions, where)
    with np.errstate(all="ignore"):  # what is not finite is told by the checks, with its site
        return Structure(lattice, list(symbols), positions)


def shared_sites(
    lattice: Lattice,
    parts: Sequence[Mapping[Any, float]],
    positions: np.ndarray,
    labels: Sequence[str | None],
) -> Structure:
    """A structure whose sites may hold several elements, and more or less than one atom.

    Parameters
    ----------
    parts : elements and their occupancies, one mapping a site; nothing is scaled.
    positions : ``(sites, 3)``, fractional.
    labels : what the file calls the sites.
    """
    from pymatgen.core import Composition, PeriodicSite, Structure

    possible = [dict(part) if sum(part.values()) <= 1 else {next(iter(part)): 1} for part in parts]
    species = [next(iter(part)) if part == dict.fromkeys(part, 1) else part for part in possible]
    structure = Structure(lattice, species, positions, labels=list(labels))
    for index, part in enumerate(parts):
        if sum(part.values()) > 1:  # only so does pymatgen take what is to be refused later
            structure[index] = PeriodicSite(
                Composition(part), positions[index], lattice, label=labels[index], skip_checks=True
            )
    return structure


def fractional(lattice: np.ndarray, positions: np.ndarray, where: str) -> np.ndarray:
    """Cartesian positions in fractions of the cell; a cell without volume has none."""
    try:
        with np.errstate(all="ignore"):
            return np.linalg.solve(lattice.T, positions.T).T
    except np.linalg.LinAlgError as error:
        rows = "; ".join(" ".join(f"{x:.4g}" for x in row) for row in lattice)
        raise InputError(
            "This crystal has no usable cell.",
            where=where,
            got=f"lattice vectors {rows} Å",
            allowed="three vectors that span a volume",
        ) from error


def single_values(values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What can stand in a table's cell: single numbers, words, yes and no; and a note of the rest.

    Examples
    --------
    >>> single_values({"energy": np.float64(-3.5), "relaxed": True, "stress": np.zeros(6)})
    ({'energy': -3.5, 'relaxed': True}, ('Left out, for they are no single values: stress.',))
    """
    kept: dict[str, Any] = {}
    left: list[str] = []
    for name, value in values.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is None or isinstance(plain, bool | int | float | str):
            kept[str(name)] = plain
        else:
            left.append(str(name))
    shown = ", ".join(sorted(left))
    return kept, (f"Left out, for they are no single values: {shown}.",) if left else ()

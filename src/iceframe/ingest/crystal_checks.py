"""Which crystals can be used: whole atoms of known elements, in a cell, at possible distances.

A site must hold one atom of one element (occupancy 1), a cell must have a volume, and

- two atoms, periodic images included, must be at least ``max(0.5 Å, 0.5 (r_i + r_j))`` apart, ``r``
  the covalent radii of Cordero et al. (2008). The shortest bonds known reach 0.6 of the sum (Mo≡Mo
  0.63, Cr≡Cr 0.66, N≡N 0.77), and no bond is shorter than H–H, 0.74 Å;
- the density must lie between 0.01 and 30 g/cm³. The densest element, Os, has 22.6; a sheet or a
  molecule in a wide box of vacuum stays above 0.01, a mistaken unit (bohr, nm) seldom does.

Reference: Cordero et al. (2008), doi:10.1039/b801115j.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError
from iceframe.ingest.close_atoms import Pair, closest_pairs
from iceframe.ingest.crystals import pack
from iceframe.ingest.reader import Entry
from iceframe.physics.neighbours import VOLUME_TOLERANCE

if TYPE_CHECKING:
    from pymatgen.core import Structure

_SHOWN = 5
_ROUNDING = 1e-3
"""Occupancies are often printed with three digits: 0.334 + 0.667."""
_FARTHEST = 1e4
"""Fractional coordinates are of the order of 1; a larger one than this is a slip."""
_GRAMS = 1.66053906892
"""One unified atomic mass unit in an Å³, in g/cm³ (CODATA 2022)."""


@dataclass(frozen=True)
class Limits:
    """What is still a crystal.

    Attributes
    ----------
    shortest : the least distance of two atoms, as a fraction of the sum of their covalent radii.
    least : the least distance of any two atoms in Å.
    density : the least and the largest density in g/cm³.
    sites : the largest number of sites in a cell.
    """

    shortest: float = 0.5
    least: float = 0.5
    density: tuple[float, float] = (0.01, 30.0)
    sites: int = 2000


class Accepted(NamedTuple):
    """Crystals that can be used, their positions among the entries ``(n,)``, what was decided."""

    crystals: Crystals
    kept: np.ndarray
    notes: tuple[str, ...]


def accept(
    entries: Sequence[Entry], drop_invalid: bool = False, limits: Limits | None = None
) -> Accepted:
    """The entries that can be used, packed.

    Parameters
    ----------
    entries : what readers gave, in the order of the rows.
    drop_invalid : leave out the others, and say so, instead of raising.

    Raises
    ------
    InputError : some entry cannot be used (up to five are told in detail), or none can.
    """
    faults = check_crystals(entries, limits or Limits())
    if faults and (not drop_invalid or len(faults) == len(entries)):
        raise _refusal(faults, entries, drop_invalid)
    kept = np.array([i for i in range(len(entries)) if i not in faults], int)
    notes = _shared_notes([entries[i] for i in kept])
    if faults:
        told = "; ".join(_lines(faults, entries))
        notes.append(f"{len(faults)} of {len(entries)} crystals were left out. {told}.")
    chosen = [entries[i].structure for i in kept]
    names = [entries[i].name for i in kept]
    return Accepted(pack([s for s in chosen if s is not None], names), kept, tuple(notes))


def check_crystals(entries: Sequence[Entry], limits: Limits) -> dict[int, InputError]:
    """The first thing that is wrong with each crystal, by its position; sound ones are absent."""
    faults: dict[int, InputError] = {}
    whole = []
    for position, entry in enumerate(entries):
        error = _species_fault(entry, limits)
        if error is not None:
            faults[position] = error
        else:
            whole.append(position)
    structures = [s for i in whole if (s := entries[i].structure) is not None]
    crystals = pack(structures, [entries[i].name for i in whole])
    for at, error in _geometry_faults(crystals, structures, limits).items():
        faults[whole[at]] = error
    return dict(sorted(faults.items()))


def _species_fault(entry: Entry, limits: Limits) -> InputError | None:
    """What forbids packing: no structure, no sites, too many, or sites of parts or no atoms."""
    structure = entry.structure
    if structure is None:
        return entry.fault or InputError("There is no crystal here.", where=entry.name)
    if len(structure) == 0:
        return InputError("This crystal has no atoms.", where=entry.name)
    if len(structure) > limits.sites:
        return InputError(
            "This cell holds too many atoms.",
            where=entry.name,
            got=f"{len(structure)} sites",
            allowed=f"at most {limits.sites}",
            hint="use the primitive cell",
        )
    for index, site in enumerate(structure):
        parts = site.species
        if len(parts) == 1 and site.is_ordered and 0 < getattr(next(iter(parts)), "Z", 0) < 119:
            continue
        return _site_fault(structure, index, entry.name)
    return None


def _site_fault(structure: Structure, index: int, name: str) -> InputError:
    from pymatgen.core import DummySpecies

    parts = structure[index].species
    where = f"{name}, {site_name(structure, index)}"
    shown = " + ".join(f"{amount:.4g} {one}" for one, amount in parts.items()) or "nothing"
    unknown = [one for one in parts if isinstance(one, DummySpecies)]
    if unknown:
        return InputError(
            "This is no chemical element.",
            where=where,
            got=", ".join(one.symbol for one in unknown),
            allowed="symbols of the periodic table, H to Og",
        )
    if sum(parts.values()) > 1 + _ROUNDING:
        return InputError(
            "The occupancy of this site is above 1.",
            where=where,
            got=shown,
            allowed="at most one atom a site",
            hint="two atoms at one position are one too many, or these numbers are a slip",
        )
    return InputError(
        "This site is only partly occupied, or shared by several elements.",
        where=where,
        got=shown,
        allowed="one whole atom of one element",
        hint="order it first: choose a supercell in which every site is one atom (in pymatgen: "
        "OrderDisorderedStructureTransformation, or a special quasirandom structure)",
    )


def site_name(structure: Structure, index: int) -> str:
    """A site in words, counted from 1: ``site 3 of 8 (Cl, label Cl2)``."""
    site = structure[index]
    kind = "/".join(getattr(one, "symbol", str(one)) for one in site.species) or "empty"
    label = "" if site.label in (kind, site.species_string) else f", label {site.label}"
    return f"site {index + 1} of {len(structure)} ({kind}{label})"


def _geometry_faults(
    crystals: Crystals, structures: Sequence[Structure], limits: Limits
) -> dict[int, InputError]:
    faults = _cell_faults(crystals)
    faults |= _coordinate_faults(crystals, structures, faults)
    sound = np.array([i for i in range(len(crystals)) if i not in faults], int)
    left = crystals.take(sound)
    for at, pair in closest_pairs(left, limits.shortest, limits.least).items():
        faults[int(sound[at])] = _overlap(structures[int(sound[at])], left.names[at], pair)
    for at, error in _density_faults(left, limits).items():
        faults.setdefault(int(sound[at]), error)  # atoms too close say more than their density
    return faults


def _cell_faults(crystals: Crystals) -> dict[int, InputError]:
    """Cells that have no volume: not numbers, or vectors in one plane."""
    with np.errstate(all="ignore"):  # not-a-number and overflow are what is looked for
        lengths = np.linalg.norm(crystals.lattices, axis=-1)
        volumes = crystals.volumes
        flatness = volumes / np.prod(lengths, axis=-1)
    bad = ~(np.isfinite(crystals.lattices).all((1, 2)) & np.isfinite(volumes))
    bad |= ~(flatness > 1e-6) | ~(volumes > VOLUME_TOLERANCE) | ~(lengths > 1e-3).all(-1)
    faults = {}
    for at in np.flatnonzero(bad):
        shown = "; ".join(" ".join(f"{x:.4g}" for x in row) for row in crystals.lattices[at])
        faults[int(at)] = InputError(
            "This crystal has no usable cell.",
            where=crystals.names[at],
            got=f"lattice vectors {shown} Å",
            allowed="three vectors that span a volume",
        )
    return faults


def _coordinate_faults(
    crystals: Crystals, structures: Sequence[Structure], known: dict[int, InputError]
) -> dict[int, InputError]:
    bad = ~(np.abs(crystals.fractional) < _FARTHEST).all(-1)
    faults: dict[int, InputError] = {}
    for site in np.flatnonzero(bad):
        at = int(crystals.owners[site])
        if at in known or at in faults:
            continue
        shown = " ".join(f"{x:.4g}" for x in crystals.fractional[site])
        faults[at] = InputError(
            "This position is not usable.",
            where=f"{crystals.names[at]}, "
            + site_name(structures[at], int(site - crystals.offsets[at])),
            got=f"fractional coordinates {shown}",
            allowed="finite numbers, as a rule between 0 and 1",
        )
    return faults


def _density_faults(crystals: Crystals, limits: Limits) -> dict[int, InputError]:
    from ase.data import atomic_masses

    masses = np.bincount(
        crystals.owners, np.asarray(atomic_masses)[crystals.numbers], len(crystals)
    )
    densities = masses / crystals.volumes * _GRAMS
    low, high = limits.density
    return {
        int(at): InputError(
            "This density is not that of a solid.",
            where=crystals.names[at],
            got=f"{densities[at]:.3g} g/cm³ ({crystals.sizes[at]} atoms in "
            f"{crystals.volumes[at]:.4g} Å³)",
            allowed=f"{low:g} to {high:g} g/cm³",
            hint="are the lengths in Å?",
        )
        for at in np.flatnonzero((densities < low) | (densities > high))
    }


def _overlap(structure: Structure, name: str, pair: Pair) -> InputError:
    one, other = site_name(structure, pair.first), site_name(structure, pair.second)
    same = pair.first == pair.second
    return InputError(
        "An atom overlaps its own periodic image." if same else "Two atoms overlap.",
        where=f"{name}, {one}" if same else f"{name}, {one} and {other}",
        got=f"{pair.distance:.3g} Å apart",
        allowed=f"at least {pair.allowed:.3g} Å",
        hint="an atom may be listed twice, or the lengths may not be in Å",
    )


def _shared_notes(entries: Sequence[Entry]) -> list[str]:
    """What was assumed, once for all files alike."""
    files = defaultdict(list)
    for entry in entries:
        for note in dict.fromkeys(entry.notes):
            files[note].append(entry.name)
    notes = []
    for note, names in files.items():
        shown = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
        notes.append(f"{note} ({shown if len(names) < 2 else f'{len(names)} crystals: {shown}'})")
    return notes


def _refusal(faults: dict[int, InputError], entries: Sequence[Entry], dropping: bool) -> InputError:
    if len(entries) == 1:
        return faults[0]
    none_left = len(faults) == len(entries)
    hint = "repair these files"
    return InputError(
        "No crystal can be used."
        if none_left
        else f"{len(faults)} of {len(entries)} crystals cannot be used.",
        got="\n           ".join(_lines(faults, entries)),
        hint=hint if dropping or none_left else f"{hint}, or leave them out (--drop-invalid)",
    )


def _lines(faults: dict[int, InputError], entries: Sequence[Entry]) -> list[str]:
    """Some errors, each on a line, its file first as the data set calls it."""
    lines = []
    for position, error in list(faults.items())[:_SHOWN]:
        where, name = str(error.where), entries[position].name
        line = f"{where[max(where.find(name), 0) :]}: {error.what.removesuffix('.')}"
        if error.got is not None:
            line += f": {error.got}"
        if error.allowed is not None:
            line += f" (allowed: {error.allowed})"
        lines.append(line.replace("\n", " "))
    if len(faults) > _SHOWN:
        lines.append(f"and {len(faults) - _SHOWN} more")
    return lines

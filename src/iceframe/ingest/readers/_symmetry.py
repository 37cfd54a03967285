"""Symmetry of crystals as files state it: operations, and the copies that they make of a site.

An operation takes a fractional position ``f`` to ``R f + t``. Operations that bring a site within
0.1 Å of itself leave it where it is: it lies on a symmetry element and is put there exactly, by the
average of these images (so 0.3333 becomes a third); the other operations make its copies.

Reference: Hahn (ed.), International Tables for Crystallography A, doi:10.1107/97809553602060000100.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from iceframe.core.errors import InputError

_TERM = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)?(?:/(\d+))?\*?([xyz])?")
_SAME_SITE = 0.1
"""Å. An atom is never so close to a copy of itself: both are one, on a symmetry element."""
_OFF_THE_DECIMALS = 0.2718281828
_MISFIT = 0.02
"""Operations must keep lengths and angles of the cell; measured cells are off by much less."""


class Operations:
    """``k`` operations: rotations ``(k, 3, 3)`` and translations ``(k, 3)`` in fractions."""

    def __init__(self, rotations: np.ndarray, translations: np.ndarray) -> None:
        self.rotations, self.translations = rotations, translations

    def __len__(self) -> int:
        return len(self.rotations)

    def images(self, position: np.ndarray) -> np.ndarray:
        """Where the operations take one position ``(3,)``: ``(k, 3)``."""
        return self.rotations @ position + self.translations

    def after(self, others: Operations) -> Operations:
        """Every operation following every one of ``others``."""
        rotations = np.einsum("aij,bjk->abik", self.rotations, others.rotations)
        moved = np.einsum("aij,bj->abi", self.rotations, others.translations)
        moved += self.translations[:, None]
        return Operations(rotations.reshape(-1, 3, 3), moved.reshape(-1, 3))

    def fault(self, lattice: np.ndarray) -> str:
        """What forbids these operations in a cell ``(3, 3)``; empty where nothing does."""
        metric = lattice @ lattice.T
        turned = np.einsum("kji,jl,klm->kim", self.rotations, metric, self.rotations)
        lengths = np.sqrt(np.diag(metric))
        if not (np.abs(turned - metric) <= _MISFIT * np.outer(lengths, lengths)).all():
            return "they do not keep the lengths and angles of this cell"
        still = np.isclose(self.rotations, np.eye(3)).all((1, 2))
        whole = np.isclose(self.translations, np.round(self.translations)).all(1)
        return "" if (still & whole).any() else "x,y,z is not among them"


@lru_cache(maxsize=512)
def parse(texts: tuple[str, ...]) -> Operations:
    """Operations as files write them: ``-y, x-y, z+1/3``.

    Raises
    ------
    ValueError : one of them is no rotation with a translation.

    Examples
    --------
    >>> operations = parse(("x,y,z", "-y, x-y, z+1/3"))
    >>> operations.images(np.array([0.1, 0.0, 0.0]))[1].round(3).tolist()
    [0.0, 0.1, 0.333]
    """
    rotations = np.zeros((len(texts), 3, 3))
    translations = np.zeros((len(texts), 3))
    for k, text in enumerate(texts):
        rows = re.sub(r"\s", "", text).lower().split(",")
        if len(rows) != 3 or not all(rows):
            raise ValueError(text)
        for i, row in enumerate(rows):
            rotations[k, i], translations[k, i] = _row(row, text)
        if not np.isclose(abs(np.linalg.det(rotations[k])), 1):
            raise ValueError(text)
    return Operations(rotations, translations)


def _row(row: str, text: str) -> tuple[np.ndarray, float]:
    factors, shift, at = np.zeros(3), 0.0, 0
    while at < len(row):
        term = _TERM.match(row, at)
        if term is None or term.end() == at or not (term[2] or term[4]) or (at and not term[1]):
            raise ValueError(text)
        amount = float(term[2] or 1) / float(term[3] or 1) * (-1 if term[1] == "-" else 1)
        if term[4]:
            factors["xyz".index(term[4])] += amount
        else:
            shift += amount
        at = term.end()
    return factors, shift


@lru_cache(maxsize=512)
def of_group(stated: tuple[tuple[str, str], ...]) -> Operations | None:
    """Operations of a space group by its name or number, as CIF keys state it (by pymatgen)."""
    from pymatgen.io.cif import CifBlock, CifParser

    with warnings.catch_warnings():  # it tells what it looks up, and this is what is asked for
        warnings.simplefilter("ignore")
        parser = CifParser.from_str("data_none\n")
        found = parser.get_symops(CifBlock(dict(stated), [], "none"))
    told: list[str] = parser.warnings  # type: ignore[attr-defined]
    if any("Defaulting to P1" in warning for warning in told):
        return None
    return Operations(
        np.array([operation.rotation_matrix for operation in found]),
        np.array([operation.translation_vector for operation in found]),
    )


def orbit(
    position: np.ndarray, operations: Operations, lattice: np.ndarray
) -> tuple[np.ndarray, float]:
    """All copies of a site, and by how much (Å) it was moved onto its symmetry element.

    Parameters
    ----------
    position : ``(3,)``, fractional.
    lattice : ``(3, 3)``, rows are vectors in Å.

    Returns
    -------
    copies : ``(m, 3)``, from 0 to 1; the site itself comes first.

    Examples
    --------
    A mirror at x = 0 and a site 0.04 Å beside it:

    >>> mirror = parse(("x,y,z", "-x,y,z"))
    >>> copies, moved = orbit(np.array([0.01, 0.5, 0.5]), mirror, 4 * np.eye(3))
    >>> copies.tolist(), moved
    ([[0.0, 0.5, 0.5]], 0.04)
    """
    if len(operations) == 1:
        return position[None] % 1, 0.0
    images = operations.images(position)
    step = images - position
    step -= np.round(step)
    here = np.linalg.norm(step @ lattice, axis=1) < _SAME_SITE
    shift = step[here].mean(0)
    moved = float(np.linalg.norm(shift @ lattice))
    if moved > 0:
        images = operations.images(position + shift)
    # Equal but for rounding, now: cells of 1e-5 whose faces are at no decimal fraction.
    cells = np.floor(images * 1e5 + _OFF_THE_DECIMALS) % 1e5
    first = np.unique(cells, axis=0, return_index=True)[1]
    return images[np.sort(first)] % 1, moved


def expand(
    positions: np.ndarray, operations: Operations, lattice: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """The copies of all sites ``(m, 3)``, the site of each ``(m,)``, the farthest move in Å."""
    orbits = [orbit(position, operations, lattice) for position in positions]
    sites = np.repeat(np.arange(len(positions)), [len(copies) for copies, _ in orbits])
    return (
        np.concatenate([*(copies for copies, _ in orbits), np.empty((0, 3))]),
        sites,
        max((moved for _, moved in orbits), default=0.0),
    )


def unusable(where: str, got: str, listed: Sequence[str]) -> InputError:
    """The error for operations that cannot be used."""
    return InputError(
        "The symmetry operations cannot be used.",
        where=where,
        got=f"{got} ({'; '.join(listed[:3])}{' …' if len(listed) > 3 else ''})" if listed else got,
        allowed="such as x,y,z and -x,y+1/2,-z, in the axes of the cell",
    )

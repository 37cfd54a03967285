"""What the number of a space group says: system, point group, centring; a number itself is a label.

Volume A of the International Tables for Crystallography, doi:10.1107/97809553602060000114. The
tables are read from spglib: Togo, Shinohara and Tanaka 2024, doi:10.1080/27660400.2024.2384822.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from iceframe.scale.descriptor import Feature

BLOCK = "symmetry"

SYSTEMS = (
    "triclinic",
    "monoclinic",
    "orthorhombic",
    "tetragonal",
    "trigonal",
    "hexagonal",
    "cubic",
)

_LAST = (2, 15, 74, 142, 167, 194, 230)
"""The last space group of each system."""

CENTRINGS = ("primitive", "base", "body", "face", "rhombohedral")
_CENTRING_OF = {"P": 0, "A": 1, "B": 1, "C": 1, "I": 2, "F": 3, "R": 4}

_ORDERS = {
    **dict.fromkeys(("1",), 1),
    **dict.fromkeys(("-1", "2", "m"), 2),
    **dict.fromkeys(("3",), 3),
    **dict.fromkeys(("2/m", "222", "mm2", "4", "-4"), 4),
    **dict.fromkeys(("-3", "32", "3m", "6", "-6"), 6),
    **dict.fromkeys(("mmm", "4/m", "422", "4mm", "-42m", "-4m2"), 8),
    **dict.fromkeys(("-3m", "6/m", "622", "6mm", "-62m", "-6m2", "23"), 12),
    **dict.fromkeys(("4/mmm",), 16),
    **dict.fromkeys(("6/mmm", "m-3", "432", "-43m"), 24),
    **dict.fromkeys(("m-3m",), 48),
}
_CENTROSYMMETRIC = {
    "-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m"
}  # fmt: skip
_POLAR = {"1", "2", "m", "mm2", "4", "4mm", "3", "3m", "6", "6mm"}
_PROPER = {"1", "2", "222", "4", "422", "3", "32", "6", "622", "23", "432"}

FEATURES = (
    *(Feature(f"crystal system = {system}", "", BLOCK) for system in SYSTEMS),
    *(Feature(f"centring = {centring}", "", BLOCK) for centring in CENTRINGS),
    Feature("point group order", "", BLOCK),
    Feature("centrosymmetric", "", BLOCK),
    Feature("polar", "", BLOCK),
    Feature("chiral", "", BLOCK),
)
"""Of a space group; the last three are 0 or 1. Chiral: no operation turns left into right."""


@dataclass(frozen=True)
class _Tables:
    """``values`` ``(231, d)``: the features of each number, NaN for 0; ``numbers`` by symbol."""

    values: np.ndarray
    numbers: dict[str, int]


def features_of(numbers: np.ndarray) -> np.ndarray:
    """The :data:`FEATURES` of space groups ``(n,)``, 0 where not known: ``(n, d)``, NaN there.

    Examples
    --------
    Fm-3m (rock salt) and P4mm (a ferroelectric): order 48 with a centre, order 8 and polar.

    >>> features_of(np.array([225, 99]))[:, -4:].tolist()
    [[48.0, 1.0, 0.0, 0.0], [8.0, 0.0, 1.0, 0.0]]
    """
    return _tables().values[numbers]


def system_features(systems: np.ndarray) -> np.ndarray:
    """The features as far as the crystal system (its place in :data:`SYSTEMS`, −1 where not known)
    tells them ``(n, d)``: the others are NaN."""
    values = np.full((len(systems), len(FEATURES)), np.nan)
    known = systems >= 0
    values[known, : len(SYSTEMS)] = np.eye(len(SYSTEMS))[systems[known]]
    return values


def number_of(symbol: str) -> int:
    """The number of a Hermann–Mauguin symbol in any setting, 0 where there is none of that name.

    Examples
    --------
    >>> [number_of(s) for s in ("Fm-3m", "F m -3 m", "P6_3/mmc", "P 1 21/c 1", "Fm3m", "steel")]
    [225, 225, 194, 14, 225, 0]
    """
    return _tables().numbers.get(_plain(symbol), 0)


def _plain(symbol: str) -> str:
    """Without blanks and underscores, a bar as a minus sign, and no setting after a colon."""
    text = symbol.split(":")[0].replace("−", "-").replace("–", "-")
    return re.sub(r"[\s_()]", "", text)


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    import spglib

    values = np.full((231, len(FEATURES)), np.nan)
    numbers: dict[str, int] = {}
    old: dict[str, int] = {}
    with quiet_spglib():
        types: list[Any] = [spglib.get_spacegroup_type(hall) for hall in range(1, 531)]
    for found in types:
        for symbol in (found.international_short, found.international_full, found.international):
            for one in symbol.split("="):
                short = "".join(t for k, t in enumerate(one.split()) if k == 0 or t != "1")
                numbers.setdefault(_plain(one), found.number)
                old.setdefault(_plain(short), found.number)
                old.setdefault(_plain(one).replace("-", ""), found.number)
        if np.isnan(values[found.number]).all():
            point = found.pointgroup_international
            system = int(np.searchsorted(_LAST, found.number))
            values[found.number] = [
                *np.eye(len(SYSTEMS))[system],
                *np.eye(len(CENTRINGS))[_CENTRING_OF[found.international_short[0]]],
                _ORDERS[point],
                point in _CENTROSYMMETRIC,
                point in _POLAR,
                point in _PROPER,
            ]
    # P2_1/n for P 1 2_1/n 1 and the older Fm3m for Fm-3m, where no other group is called so.
    return _Tables(values, {**old, **numbers})


@contextmanager
def quiet_spglib() -> Iterator[None]:
    """Keep to itself that spglib lowers the tolerance where a first try fails, and that a later
    version will raise an error instead of returning None."""
    name = "SPGLIB_WARNING"
    before = os.environ.get(name)
    os.environ[name] = "OFF"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="spglib")
            yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before

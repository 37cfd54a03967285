"""Crystals that are the same structure, whatever cell describes them.

Exact: cell and sites agree. Else two crystals are compared where their reduced formulas are equal
and their volumes per atom differ by less than 5 %: pymatgen's structure matcher reduces both to
primitive cells, maps one onto the other, and finds the root mean square displacement of the sites
in units of the cube root of the volume per atom (Ong et al. 2013,
doi:10.1016/j.commatsci.2012.10.028). Its default tolerances decide what is the same structure.

Many crystals of one formula (a trajectory, whose frames are alike) would make more pairs than
can be compared. Each is then compared with those of the nearest volume alone, and the answer says
that it is not complete.
"""

from __future__ import annotations

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.ingest.crystals import structures
from iceframe.ingest.formulas import crystal_codes

VOLUME = 0.05
"""Largest difference of the volumes per atom, in natural logarithms, of two copies."""
IDENTICAL_VOLUME = 0.005
IDENTICAL_RMS = 0.01
"""Below these two, what is left is rounding of the coordinates or another convergence."""
MOST_PAIRS = 3000
"""Pairs that are compared at most; each takes about 10 ms."""
_LENGTH = 3  # decimals of Å and of fractional coordinates that exact copies agree to


def similar_crystals(crystals: Crystals) -> tuple[np.ndarray, np.ndarray, list[str], bool]:
    """Sorted pairs of crystals ``(m, 2)``, the displacement between each ``(m,)``, its relation
    (``identical`` or ``same structure``), and whether all pairs that may be alike were compared.

    Families are given as pairs that link them, not as all of their pairs.

    Examples
    --------
    A cell, its supercell of two, and the same lattice with two elements:

    >>> one = [[0.0, 0, 0]]
    >>> two = [[0.0, 0, 0], [0.5, 0, 0]]
    >>> lattices = 3.0 * np.stack([np.eye(3), np.diag([2.0, 1, 1]), np.diag([2.0, 1, 1])])
    >>> crystals = Crystals(lattices, np.array([0, 1, 3, 5]), np.array([84, 84, 84, 55, 17]),
    ...     np.array(one + two + two), ("Po", "Po2", "CsCl"))
    >>> similar_crystals(crystals)[0].tolist()
    [[0, 1]]
    """
    written = _as_written(crystals)
    first = np.unique(written, return_index=True)[1]
    rows = np.arange(len(crystals))
    exact = np.column_stack([first[written], rows])[first[written] != rows]
    near, displacement, complete = _matched(crystals, np.sort(first))
    volume = np.log(crystals.volumes / np.maximum(crystals.sizes, 1))
    alike = (displacement < IDENTICAL_RMS) & (
        np.abs(volume[near[:, 0]] - volume[near[:, 1]]) < IDENTICAL_VOLUME
    )
    pairs = np.sort(np.vstack([exact, near]), axis=1)
    scores = np.concatenate([np.zeros(len(exact)), displacement])
    identical = np.concatenate([np.ones(len(exact), bool), alike])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    relation = ["identical" if same else "same structure" for same in identical[order]]
    return pairs[order], scores[order], relation, complete


def _as_written(crystals: Crystals) -> np.ndarray:
    """Labels ``(n,)``: crystals whose cells and sites are equal, in any order, share one."""
    fractional = np.round(crystals.fractional, _LENGTH) % 1.0
    sites = np.column_stack([crystals.owners, crystals.numbers, fractional])
    sites = sites[np.lexsort(sites.T[::-1])]
    lattices = np.round(crystals.lattices.reshape(len(crystals), 9), _LENGTH) + 0.0
    known: dict[bytes, int] = {}
    ends = crystals.offsets
    keys = [
        lattices[i].tobytes() + sites[ends[i] : ends[i + 1], 1:].tobytes()
        for i in range(len(crystals))
    ]
    return np.array([known.setdefault(key, len(known)) for key in keys], int)


def _matched(crystals: Crystals, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Pairs among ``rows`` that the matcher finds alike, their displacement, and whether none was
    passed over."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    candidates, complete = _candidates(crystals, rows)
    if not len(candidates):
        return np.zeros((0, 2), int), np.zeros(0), complete
    wanted = np.unique(candidates)
    made = dict(zip(wanted.tolist(), structures(crystals, wanted), strict=True))
    matcher = StructureMatcher()
    family = {int(row): int(row) for row in wanted}
    pairs, displacement = [], []
    for a, b in candidates.tolist():
        if _head(family, a) == _head(family, b):
            continue
        try:
            found = matcher.get_rms_dist(made[a], made[b])
        except ValueError:  # a cell so skewed that it cannot be reduced
            continue
        if found is not None:
            pairs.append((a, b))
            displacement.append(float(found[0]))
            family[_head(family, a)] = _head(family, b)
    return np.array(pairs, int).reshape(-1, 2), np.array(displacement, float), complete


def _head(family: dict[int, int], row: int) -> int:
    while family[row] != row:
        row = family[row]
    return row


def _candidates(crystals: Crystals, rows: np.ndarray) -> tuple[np.ndarray, bool]:
    """Pairs of one formula and similar volume, nearest volumes first; at most ``MOST_PAIRS``."""
    codes = crystal_codes(crystals)[rows]
    volume = np.log(crystals.volumes[rows] / np.maximum(crystals.sizes[rows], 1))
    order = np.lexsort((volume, codes))
    codes, volume, rows = codes[order], volume[order], rows[order]
    found: list[np.ndarray] = []
    count, step = 0, 1
    while step < len(rows):
        here = np.flatnonzero(
            (codes[step:] == codes[:-step]) & (volume[step:] - volume[:-step] < VOLUME)
        )
        if not len(here):
            break  # nor would a longer step find any: volumes ascend
        if count + len(here) > MOST_PAIRS:
            return _stacked(found), False
        found.append(np.column_stack([rows[here], rows[here + step]]))
        count += len(here)
        step += 1
    return _stacked(found), True


def _stacked(pairs: list[np.ndarray]) -> np.ndarray:
    return np.vstack(pairs) if pairs else np.zeros((0, 2), int)

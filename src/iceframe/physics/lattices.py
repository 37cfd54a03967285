"""Lattices: the shortest vectors that span one, many lattices at once.

A cell can be drawn in endless ways; Minkowski's is the one with the shortest vectors. In three
dimensions vectors |a| ≤ |b| ≤ |c| are reduced where no b ± a is shorter than b, and no c ± a, c ± b
or c ± a ± b shorter than c. Their lengths belong to the lattice and not to the drawing.

Nguyen and Stehlé 2009, doi:10.1145/1597036.1597050.
"""

from __future__ import annotations

from itertools import product

import numpy as np

MAX_PASSES = 200
"""Far above what double precision allows: a pass that changes a lattice shortens a vector."""

_SHORTER = 1 - 1e-10
_STEPS = np.array(list(product((0, -1, 1), repeat=2)))


def reduced_lattices(lattices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The shortest vectors of each lattice, shortest first.

    Parameters
    ----------
    lattices : ``(n, 3, 3)``, rows are the lattice vectors; no volume may be zero.

    Returns
    -------
    ``reduced`` ``(n, 3, 3)`` and whole numbers ``change`` ``(n, 3, 3)`` with
    ``reduced = change @ lattices``.

    Examples
    --------
    A cube of edge 2, drawn askew:

    >>> askew = np.array([[[2.0, 0, 0], [4, 2, 0], [-2, 6, 2]]])
    >>> reduced, change = reduced_lattices(askew)
    >>> np.linalg.norm(reduced[0], axis=1).tolist()
    [2.0, 2.0, 2.0]
    """
    lattices = np.asarray(lattices, float)
    change = np.broadcast_to(np.eye(3), lattices.shape).copy()
    active = np.arange(len(lattices))
    for _ in range(MAX_PASSES):
        if not len(active):
            break
        changed = _one_pass(change, lattices, active)
        active = active[changed]
    change = _sorted(change, lattices, np.arange(len(lattices)))
    return change @ lattices, np.rint(change).astype(np.int64)


def _sorted(change: np.ndarray, lattices: np.ndarray, which: np.ndarray) -> np.ndarray:
    held = change[which]
    order = np.argsort(((held @ lattices[which]) ** 2).sum(axis=2), axis=1, kind="stable")
    return np.take_along_axis(held, order[:, :, None], axis=1)


def _one_pass(change: np.ndarray, lattices: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Shorten the second vector by the first, the third by both; which lattices changed."""
    held = _sorted(change, lattices, which)
    basis = lattices[which]
    a, b = ((held @ basis)[:, k] for k in (0, 1))
    times = np.rint((a * b).sum(axis=1) / (a * a).sum(axis=1))
    changed = _replace(held, basis, 1, held[:, 1] - times[:, None] * held[:, 0])
    a, b, c = ((held @ basis)[:, k] for k in range(3))
    aa, bb, ab = ((p * q).sum(axis=1) for p, q in ((a, a), (b, b), (a, b)))
    ac, bc = ((p * c).sum(axis=1) for p in (a, b))
    area = np.maximum(aa * bb - ab**2, np.finfo(float).tiny)
    nearest = np.rint(np.stack([ac * bb - bc * ab, bc * aa - ac * ab], axis=1) / area[:, None])
    steps = nearest[:, None] + _STEPS  # (n, 9, 2): around the plane's nearest point
    tried = held[:, None, 2] - np.einsum("nks,nsi->nki", steps, held[:, :2])
    lengths = ((tried @ basis) ** 2).sum(axis=2)
    best = np.take_along_axis(tried, lengths.argmin(axis=1)[:, None, None], axis=1)[:, 0]
    changed |= _replace(held, basis, 2, best)
    change[which] = held
    return changed


def _replace(held: np.ndarray, basis: np.ndarray, row: int, new: np.ndarray) -> np.ndarray:
    """Put ``new`` where it is shorter than the vector that is there; whether it was."""
    old = held[:, row]
    lengths = [((v[:, None] @ basis) ** 2).sum(axis=(1, 2)) for v in (old, new)]
    shorter = lengths[1] < lengths[0] * _SHORTER
    held[shorter, row] = new[shorter]
    return shorter

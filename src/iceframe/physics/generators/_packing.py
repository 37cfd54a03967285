"""Packing of hard bodies in a periodic box: sizes, directions, places, and pushing apart.

Bodies start at random places (in clusters on request) and are pushed apart, pair by pair along the
contact normal, until none overlap: a collective rearrangement in the manner of force-biased packing
(Bezrukov, Bargiel and Stoyan 2002, Part. Part. Syst. Charact. 19, 111;
doi:10.1002/1521-4117(200205)19:2<111::AID-PPSC111>3.0.CO;2-M). Bodies keep their direction. All
samples of a batch move together in one array, and a sample stops on its own overlap, so that its
outcome does not depend on the others.

Vectors are in the order of the grid axes, x last. Lengths are in voxels.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from iceframe.core.errors import InputError
from iceframe.physics.generators._contact import Bodies, Ellipsoids, Rods, dot

__all__ = [
    "TOLERANCE",
    "Bodies",
    "Ellipsoids",
    "Rods",
    "axis_of",
    "ball",
    "diameters",
    "directions",
    "neighbours",
    "order_parameter",
    "pack",
    "relax",
    "require_packed",
    "scatter",
    "widest_gap",
]

# Log-normal sizes are cut at this many standard deviations: no grain larger than the box.
_TAIL = 2.0
# Pushing apart: rounds of sweeps between two searches of neighbours.
_ROUNDS, _SWEEPS, _SKIN = 40, 8, 1.0
# Overlap, in voxels, that a grid cannot tell from none.
TOLERANCE = 0.1
# Members of one cluster.
_CLUSTER = 8


def ball(dimension: int) -> float:
    """Area or volume of a disc or sphere of unit diameter."""
    return np.pi / 4 if dimension == 2 else np.pi / 6


def diameters(
    rng: np.random.Generator,
    mean: float,
    spread: float,
    total: float,
    unit: float,
    power: int,
    longest: float = np.inf,
) -> np.ndarray:
    """Log-normal sizes with ``Σ unit · size**power = total`` exactly, at least one.

    ``mean`` is the mean size and ``spread`` the standard deviation of its logarithm, both before
    all sizes are scaled by one number to meet ``total``. Tails beyond two deviations, and beyond
    ``longest`` (which must not lie under ``mean``), are drawn in.
    """
    typical = unit * mean**power
    most = int(np.ceil(4.0 * total / typical)) + 8
    z = np.clip(rng.standard_normal(most), -_TAIL, _TAIL)
    sizes = np.minimum(mean * np.exp(spread * z - spread**2 / 2), longest)
    reached = np.cumsum(unit * sizes**power)
    count = int(np.argmin(np.abs(reached - total))) + 1
    scale = (total / reached[count - 1]) ** (1 / power)
    if sizes[:count].max() * scale > longest:  # one more, and all of them shrink
        count += 1
        scale = (total / reached[count - 1]) ** (1 / power)
    return np.asarray(sizes[:count] * scale)


def axis_of(angle: float, elevation: float, dimension: int) -> np.ndarray:
    """Unit vector in grid order: ``angle`` degrees from x towards y, ``elevation`` towards z."""
    a, e = np.radians(angle), np.radians(elevation)
    if dimension == 2:
        return np.array([np.sin(a), np.cos(a)])
    return np.array([np.sin(e), np.cos(e) * np.sin(a), np.cos(e) * np.cos(a)])


def directions(
    rng: np.random.Generator, count: int, alignment: float, axis: np.ndarray
) -> np.ndarray:
    """Unit vectors ``(count, d)`` about ``axis`` with a mean order parameter of ``alignment``.

    The order parameter is ``<cos 2θ>`` in 2-D and ``<(3 cos² θ - 1) / 2>`` in 3-D. Isotropic
    directions are stretched along the axis: the angular central Gaussian distribution (Tyler 1987,
    doi:10.1093/biomet/74.3.579).
    """
    isotropic = rng.standard_normal((count, len(axis)))
    if alignment >= 1:
        return np.broadcast_to(axis, (count, len(axis))).copy()
    stretch = _stretch(float(alignment), len(axis))
    along = sum(isotropic[:, k] * axis[k] for k in range(len(axis)))
    turned = isotropic + ((stretch - 1) * along)[:, None] * axis
    return turned / np.sqrt(sum(turned[:, k] ** 2 for k in range(len(axis))))[:, None]


def order_parameter(vectors: np.ndarray, axis: np.ndarray) -> float:
    """Mean of ``cos 2θ`` (2-D) or ``(3 cos² θ - 1) / 2`` (3-D) about ``axis``."""
    d = len(axis)
    return float((d * np.mean((vectors @ axis) ** 2) - 1) / (d - 1))


@lru_cache(maxsize=4096)
def _stretch(alignment: float, dimension: int) -> float:
    if dimension == 2:
        return (1 + alignment) / (1 - alignment)
    log_stretch = np.linspace(1e-3, np.log(1e4), 4000)
    c = np.expm1(2 * log_stretch)
    squared = (1 + c) / c * (1 - np.arctan(np.sqrt(c)) / np.sqrt(c))
    return float(np.exp(np.interp(alignment, (3 * squared - 1) / 2, log_stretch)))


def scatter(
    rng: np.random.Generator, reach: np.ndarray, box: np.ndarray, clustering: float
) -> np.ndarray:
    """Random places ``(count, d)``; a share ``clustering`` of them lies about common centres.

    A Thomas process (Illian et al. 2008, Statistical Analysis of Spatial Point Patterns, sect.
    6.3): centres are uniform, members normal about them, about as wide as the members side by side.
    """
    count, d = len(reach), len(box)
    free = rng.random((count, d)) * box
    parents = rng.random((max(1, round(count / _CLUSTER)), d)) * box
    chosen = rng.integers(len(parents), size=count)
    width = 0.6 * np.mean(reach) * _CLUSTER ** (1 / d)
    near = parents[chosen] + width * rng.standard_normal((count, d))
    member = rng.random(count) < clustering
    return np.where(member[:, None], near, free) % box


def relax(
    bodies: Bodies, centres: np.ndarray, box: np.ndarray, rounds: int = _ROUNDS
) -> tuple[np.ndarray, np.ndarray]:
    """Push overlapping bodies apart.

    Parameters
    ----------
    bodies : of all samples; ``bodies.sample`` (m,) is sorted and counts from 0.
    centres : ``(m, d)``.

    Returns
    -------
    centres ``(m, d)`` within the box, and the deepest overlap left in each sample, voxels
    ``(samples,)``: at most :data:`TOLERANCE` where the packing succeeded.
    """
    centres = centres % box
    samples = int(bodies.sample[-1]) + 1
    depth = np.zeros(samples)
    moving = np.arange(len(centres))
    limit = bodies.reach * 0.5
    for _ in range(rounds):
        part = bodies.take(moving)
        i, j, shift = neighbours(centres[moving], part.sample, part.reach, box)
        place = [centres[moving, k] for k in range(len(box))]
        for sweep in range(_SWEEPS):
            r = [c[i] - c[j] + shift[:, k] for k, c in enumerate(place)]
            over, normal = part.contact(r, i, j)
            if sweep == 0:
                depth[part.sample] = 0.0
                np.maximum.at(depth, part.sample[i], over)
            push = np.flatnonzero(over > 0)
            a, b, half = i[push], j[push], 0.55 * over[push]
            move = [
                np.bincount(a, half * n[push], len(moving))
                - np.bincount(b, half * n[push], len(moving))
                for n in normal
            ]
            length = np.sqrt(dot(move, move))
            slow = np.minimum(1.0, limit[moving] / np.maximum(length, 1e-12))
            place = [c + slow * m for c, m in zip(place, move, strict=True)]
        unfinished = depth[part.sample] > TOLERANCE
        # A finished sample keeps the places at which its depth was measured.
        moved = np.stack(place, axis=1) % box
        centres[moving[unfinished]] = moved[unfinished]
        moving = moving[unfinished]
        if not len(moving):
            break
    return centres, depth


def neighbours(
    centres: np.ndarray, sample: np.ndarray, reach: np.ndarray, box: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of different bodies (and their periodic images) whose reaches meet.

    Returns
    -------
    i, j ``(p,)`` with ``i < j`` and shift ``(p, d)``, so that ``c_i - c_j + shift`` is the distance
    vector; sorted, so that the order within a sample does not depend on other samples.
    """
    from scipy.spatial import cKDTree

    d, m = len(box), len(centres)
    cutoff = 2 * float(reach.max()) + _SKIN
    images = [np.arange(-k, k + 1) for k in np.ceil(cutoff / box).astype(int)]
    points, owner, shifts = [centres], [np.arange(m)], [np.zeros((m, d))]
    for image in itertools.product(*images):
        if any(image):
            moved = centres + np.array(image) * box
            inside = np.flatnonzero(np.all((moved > -cutoff) & (moved < box + cutoff), axis=1))
            points.append(moved[inside])
            owner.append(inside)
            shifts.append(np.broadcast_to(np.array(image) * box, (len(inside), d)))
    of, by = np.concatenate(owner), np.concatenate(shifts)
    apart = sample[of] * (1.01 * cutoff)  # one more axis keeps the samples from one another
    tree = cKDTree(np.column_stack([np.concatenate(points), apart]))
    pairs = tree.query_pairs(cutoff, output_type="ndarray")
    pairs.sort(axis=1)
    real, other = pairs[:, 0], pairs[:, 1]
    keep = (real < m) & (real < of[other])
    i, j, shift = real[keep], of[other[keep]], -by[other[keep]]
    r = centres[i] - centres[j] + shift
    near = (r**2).sum(axis=1) < (reach[i] + reach[j] + _SKIN) ** 2
    i, j, shift = i[near], j[near], shift[near]
    order = np.lexsort((*shift.T, j, i))
    return i[order], j[order], shift[order]


def pack(
    bodies: Bodies,
    rngs: Sequence[np.random.Generator],
    box: np.ndarray,
    gap: np.ndarray,
    clustering: np.ndarray,
    attempts: int = 4,
    rounds: int = _ROUNDS,
) -> tuple[np.ndarray, np.ndarray]:
    """Places ``(m, d)`` without overlap and, where there is room, ``gap`` voxels apart.

    ``gap`` and ``clustering`` are one number a sample. A sample that does not come to rest is
    scattered anew, ``attempts`` times in all. The second result, ``(samples,)``, is the deepest
    overlap left of the bodies themselves; above :data:`TOLERANCE` the sample could not be packed.
    """
    first = np.searchsorted(bodies.sample, np.arange(len(rngs) + 1))
    wide = bodies.grown(gap[bodies.sample] / 2)
    centres = np.zeros((len(bodies.sample), len(box)))
    overlap = np.full(len(rngs), np.inf)
    pending = np.arange(len(rngs))
    for _ in range(attempts):
        rows = np.concatenate([np.arange(first[s], first[s + 1]) for s in pending.tolist()])
        start = [
            scatter(rngs[s], bodies.reach[first[s] : first[s + 1]], box, clustering[s])
            for s in pending.tolist()
        ]
        renumbered = np.repeat(np.arange(len(pending)), np.diff(first)[pending])
        part = replace(wide.take(rows), sample=renumbered)
        centres[rows], depth = relax(part, np.concatenate(start), box, rounds)
        overlap[pending] = np.maximum(depth - gap[pending], 0.0)
        pending = pending[overlap[pending] > TOLERANCE]
        if not len(pending):
            break
    return centres, overlap


def widest_gap(
    volume: Callable[[float], float], voxels: float, limit: float, wanted: float
) -> float:
    """The largest gap, up to ``wanted``, at which bodies grown by half of it fill ``limit``."""
    for gap in np.linspace(wanted, 0.0, 9):
        if volume(gap / 2) <= limit * voxels:
            return float(gap)
    return 0.0


def require_packed(overlap: np.ndarray, title: str, remedy: str) -> None:
    """Raise when a sample was left with an overlap ``(n,)`` that a grid can tell."""
    failed = np.flatnonzero(overlap > TOLERANCE)
    if len(failed):
        raise InputError(
            "The bodies cannot be packed without overlap.",
            where=f"{title}, sample {failed[0]} of this draw",
            got=f"an overlap of {overlap[failed[0]]:.2f} voxels after all attempts",
            allowed=f"up to {TOLERANCE} voxels",
            hint=f"take a smaller {remedy}",
        )

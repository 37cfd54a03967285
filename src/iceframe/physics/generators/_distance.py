"""Scaled distances from every voxel to bodies in a periodic box, and the cut through them.

The scaled distance of a body is 1 on its surface and 0 at its centre, so that all voxels whose
smallest scaled distance lies under a level are the union of all bodies grown or shrunk by that one
level. Taking the level that meets a wanted number of voxels gives the volume fraction exactly.

Only voxels in a window about each body are visited; should the level lie beyond the windows, they
are widened and the sample is done again, so that the result never depends on the window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from iceframe.physics.generator import cut

# Scaled distance of a voxel that no window covers.
FAR = 1e9
# Voxels that are visited at once.
_BLOCK = 2**20

# Offsets from the bodies' centres, one array an axis, broadcast to (bodies, *window), and the
# bodies' numbers -> scaled distances (bodies, *window).
Measure = Callable[[list[np.ndarray], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Stamped:
    """Visited voxels: flat position in ``(samples, *shape)``, value, and the body's number."""

    position: np.ndarray
    value: np.ndarray
    body: np.ndarray


def stamp(
    shape: tuple[int, ...],
    sample: np.ndarray,
    centres: np.ndarray,
    extent: np.ndarray,
    measure: Measure,
    limit: float,
) -> Stamped:
    """Values ``<= limit`` of ``measure`` on the voxels about each body.

    ``extent`` ``(m, d)`` is the half-width of each body along the axes at scaled distance 1; the
    measure must grow at least in proportion to the distance beyond it.
    """
    # Windows in steps of two voxels, so that few different ones are needed.
    half = 2 * np.ceil((extent * limit + 1) / 2).astype(int)
    sizes, group = np.unique(half, axis=0, return_inverse=True)
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for g, size in enumerate(sizes):
        members = np.flatnonzero(group.ravel() == g)
        step = max(1, _BLOCK // int(np.prod(2 * size + 1)))
        for start in range(0, len(members), step):
            rows = members[start : start + step]
            found.append(_window(shape, sample, centres, size, rows, measure, limit))
    return Stamped(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _window(
    shape: tuple[int, ...],
    sample: np.ndarray,
    centres: np.ndarray,
    size: np.ndarray,
    rows: np.ndarray,
    measure: Measure,
    limit: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    d = len(shape)
    base = np.rint(centres[rows]).astype(int)
    position = sample[rows].reshape(-1, *(1,) * d)
    offsets = []
    for k in range(d):
        reach = np.arange(-size[k], size[k] + 1)
        index = base[:, k, None] + reach
        spread = (len(rows), *(len(reach) if a == k else 1 for a in range(d)))
        offsets.append((index - centres[rows, k, None]).reshape(spread))
        position = position * shape[k] + (index % shape[k]).reshape(spread)
    value = measure(offsets, rows)
    near = value <= limit
    body = np.broadcast_to(rows.reshape(-1, *(1,) * d), value.shape)
    return position[near], value[near], body[near]


def nearest(samples: int, shape: tuple[int, ...], found: Stamped) -> tuple[np.ndarray, np.ndarray]:
    """Smallest value (``FAR`` where none) and its body (-1 where none), ``(samples, *shape)``."""
    score = np.full(samples * int(np.prod(shape)), FAR)
    np.minimum.at(score, found.position, found.value)
    body = np.full(score.size, -1, np.int64)
    first = found.value == score[found.position]
    body[found.position[first]] = found.body[first]
    return score.reshape(samples, *shape), body.reshape(samples, *shape)


def grow(
    shape: tuple[int, ...],
    sample: np.ndarray,
    centres: np.ndarray,
    extent: np.ndarray,
    measure: Measure,
    count: np.ndarray,
    limit: float = 1.4,
) -> tuple[np.ndarray, np.ndarray]:
    """Scaled distances ``(n, *shape)`` and nearest bodies, known on at least ``count`` voxels.

    ``sample`` ``(m,)`` is sorted and every one of the ``n = len(count)`` samples has a body.
    """
    n = len(count)
    score = np.empty((n, *shape))
    body = np.empty((n, *shape), np.int64)
    pending = np.arange(n)
    while len(pending):
        rows = np.flatnonzero(np.isin(sample, pending))
        part = np.searchsorted(pending, sample[rows])

        def of_rows(
            offsets: list[np.ndarray], local: np.ndarray, rows: np.ndarray = rows
        ) -> np.ndarray:
            return measure(offsets, rows[local])

        found = stamp(shape, part, centres[rows], extent[rows], of_rows, limit)
        value, owner = nearest(len(pending), shape, found)
        score[pending] = value
        body[pending] = np.where(owner < 0, -1, rows[owner])
        known = (value < FAR).reshape(len(pending), -1).sum(axis=1)
        pending = pending[known < count[pending]]
        limit *= 1.5
    return score, body


def touching(
    mask: np.ndarray, body: np.ndarray, sample: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bodies that hold a voxel, and the share of them with a face on another, ``(n,)`` each."""
    m, n = len(sample), len(mask)
    present = np.zeros(m, bool)
    present[body[mask]] = True
    touched = np.zeros(m, bool)
    for axis in range(1, mask.ndim):
        other = np.roll(body, -1, axis)
        meet = mask & np.roll(mask, -1, axis) & (body != other)
        touched[body[meet]] = True
        touched[other[meet]] = True
    count = np.bincount(sample, present, n)
    return count, np.bincount(sample, touched, n) / np.maximum(count, 1)


def fill(
    shape: tuple[int, ...],
    sample: np.ndarray,
    centres: np.ndarray,
    form: tuple[np.ndarray, Measure],
    count: np.ndarray,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Bodies that grow or shrink together until they hold ``count`` voxels ``(n,)``.

    ``form`` is what :func:`ellipsoid` or :func:`rod` return. Returns the voxels, uint8
    ``(n, *shape)``, and ``particle_count`` and ``touching_fraction`` as found on the grid.
    """
    score, body = grow(shape, sample, centres, *form, count)
    mask = cut(-score, count / np.prod(shape))
    present, touched = touching(mask, body, sample)
    return mask.astype(np.uint8), {"particle_count": present, "touching_fraction": touched}


def ellipsoid(axes: np.ndarray, long: np.ndarray, short: np.ndarray) -> tuple[np.ndarray, Measure]:
    """Half-widths ``(m, d)`` along the grid and the measure of ellipsoids of revolution."""
    extent = np.sqrt(short[:, None] ** 2 + (long**2 - short**2)[:, None] * axes**2)
    round_ = np.array_equal(long, short)

    def measure(x: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
        wide = (len(rows), *(1,) * len(x))
        squared = sum(c**2 for c in x) / short[rows].reshape(wide) ** 2
        if round_:
            return np.asarray(np.sqrt(squared))
        along = sum(c * axes[rows, k].reshape(wide) for k, c in enumerate(x))
        less = (1 / short[rows] ** 2 - 1 / long[rows] ** 2).reshape(wide)
        return np.asarray(np.sqrt(np.maximum(squared - less * along**2, 0.0)))

    return extent, measure


def rod(axes: np.ndarray, half: np.ndarray, radius: np.ndarray) -> tuple[np.ndarray, Measure]:
    """As :func:`ellipsoid` for spherocylinders: distance to the segment, over the radius."""
    extent = half[:, None] * np.abs(axes) + radius[:, None]

    def measure(x: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
        wide = (len(rows), *(1,) * len(x))
        along = sum(c * axes[rows, k].reshape(wide) for k, c in enumerate(x))
        squared = sum(c**2 for c in x) - along**2
        beyond = np.maximum(np.abs(along) - half[rows].reshape(wide), 0.0)
        return np.asarray(
            np.sqrt(np.maximum(squared, 0.0) + beyond**2) / radius[rows].reshape(wide)
        )

    return extent, measure

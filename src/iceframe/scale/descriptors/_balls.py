"""The largest ball that fits into a phase and covers a pixel, for every pixel of a batch.

With D(x) the distance from a pixel of the phase to the nearest pixel of another, centre to centre,
the ball {y: |y − x| < D(x)} lies in the phase, and the local thickness at p is

    T(p) = 2 max { D(x) : |p − x| < D(x) }

(Hildebrand, Rüegsegger 1997). Squares of distances are whole numbers, so that everything here is
exact. A ball that lies wholly in the ball of a neighbouring pixel is left out first, by the largest
distance that its own pixels have from that neighbour (the idea of the tables of Rémy and Thiel
2002, Pattern Recognition Letters 23, 649); the others are drawn from the largest to the smallest,
until the phase is covered.

Hildebrand, Rüegsegger 1997, doi:10.1046/j.1365-2818.1997.1340694.x
"""

from __future__ import annotations

from itertools import product

import numpy as np

_CANVAS = 2**24
"""Cells of the array that balls are drawn on at once."""

_DRAWN = 2**20
"""Cells that are drawn at once."""


def local_thickness(phase: np.ndarray, periodic: bool) -> np.ndarray:
    """T in pixels, 0 outside the phase: float64 ``(b, *grid)``.

    ``phase`` ``(b, *grid)`` bool. An image that the phase fills has no D: inf everywhere.

    Examples
    --------
    >>> bar = np.zeros((1, 5, 9), bool)
    >>> bar[0, 1:4, 1:8] = True
    >>> local_thickness(bar, periodic=False)[0, 2].tolist()
    [0.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 0.0]
    """
    thickness = np.zeros(phase.shape)
    full = phase.reshape(len(phase), -1).all(axis=1)
    thickness[full] = np.inf
    mixed = np.flatnonzero(~full)
    if not len(mixed):
        return thickness
    squared = squared_distance(phase[mixed], periodic)
    margins = _margins(int(squared.max()), phase.shape[1:])
    cells = int(np.prod([n + 2 * m for n, m in zip(phase.shape[1:], margins, strict=True)]))
    step = max(1, _CANVAS // cells)
    for start in range(0, len(mixed), step):
        part = slice(start, start + step)
        thickness[mixed[part]] = 2 * np.sqrt(_covered(squared[part], periodic))
    return thickness


def squared_distance(phase: np.ndarray, periodic: bool) -> np.ndarray:
    """D² int64 ``(b, *grid)``, 0 outside the phase; every image holds another phase somewhere."""
    first = _squared(phase)
    if not periodic or not phase.any():
        return first
    # The images of other phases beyond the border can only be nearer than those within.
    reach = int(np.ceil(np.sqrt(first.max())))
    width = [(0, 0), *((min(reach, (n + 1) // 2),) * 2 for n in phase.shape[1:])]
    inside = tuple(slice(w, w + n) for (w, _), n in zip(width, phase.shape, strict=True))
    return _squared(np.pad(phase, width, mode="wrap"))[inside]


def _squared(phase: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    # All images in one call; they are so far apart that none sees another.
    apart = 2.0 * sum(phase.shape[1:])
    distance = ndimage.distance_transform_edt(phase, sampling=(apart, *[1.0] * (phase.ndim - 1)))
    return np.rint(np.square(distance)).astype(np.int64)


def _covered(squared: np.ndarray, periodic: bool) -> np.ndarray:
    """The largest D² of the balls over each pixel, int64 ``(b, *grid)``."""
    grid = squared.shape[1:]
    values, position = np.unique(squared, return_inverse=True)
    position = position.reshape(squared.shape)
    offsets, norms = _offsets(int(values[-1]), grid)
    in_ball = np.searchsorted(norms, values)  # the ball of D² is the offsets up to here
    keep = (squared > 0) & ~_inside_neighbour(squared, position, offsets, in_ball, periodic)
    margins = _margins(int(values[-1]), grid)
    canvas = np.zeros(
        (len(squared), *(n + 2 * m for n, m in zip(grid, margins, strict=True))), np.int64
    )
    strides = np.array([int(np.prod(canvas.shape[k + 1 :])) for k in range(canvas.ndim)])
    kept = position[keep]
    order = np.argsort(kept, kind="stable")
    where = ((np.argwhere(keep) + np.array((0, *margins))) @ strides)[order]
    bounds = np.searchsorted(kept[order], np.arange(len(values) + 1))
    flat, away = canvas.ravel(), offsets @ strides[1:]
    phase, drawn = squared > 0, 0
    covered = np.zeros(len(squared), bool)
    for v in np.unique(kept)[::-1]:
        centres, ball = where[bounds[v] : bounds[v + 1]], away[: in_ball[v]]
        centres = centres[~covered[centres // strides[0]]]
        step = max(1, _DRAWN // len(ball))
        for start in range(0, len(centres), step):
            cells = centres[start : start + step, None] + ball
            flat[cells[flat[cells] == 0]] = values[v]
        drawn += len(centres) * len(ball)
        if drawn > canvas.size:  # few large balls may cover an image: the rest need no drawing
            seen = _cropped(canvas, grid, margins, periodic) > 0
            covered[:] = (seen | ~phase).reshape(len(squared), -1).all(axis=1)
            drawn = 0
    return np.where(phase, _cropped(canvas, grid, margins, periodic), 0)


def _margins(squared_radius: int, grid: tuple[int, ...]) -> tuple[int, ...]:
    """How far a ball reaches along each axis; what lies a whole side away is not in the image."""
    return tuple(min(int(np.ceil(np.sqrt(squared_radius))), n - 1) for n in grid)


def _offsets(squared_radius: int, grid: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Offsets ``(m, d)`` nearer than the radius, nearest first, and their squared lengths."""
    axes = [np.arange(-m, m + 1) for m in _margins(squared_radius, grid)]
    norms = np.asarray(sum(a**2 for a in np.meshgrid(*axes, indexing="ij", sparse=True)))
    near = np.argwhere(norms < squared_radius)
    held = norms[tuple(near.T)]
    order = np.argsort(held, kind="stable")
    return near[order] - _margins(squared_radius, grid), held[order]


def _inside_neighbour(
    squared: np.ndarray,
    position: np.ndarray,
    offsets: np.ndarray,
    in_ball: np.ndarray,
    periodic: bool,
) -> np.ndarray:
    """Whether the ball of each pixel lies in the ball of one of its neighbours."""
    d = squared.ndim - 1
    width = [(0, 0), *[(1, 1)] * d]
    around = np.pad(squared, width, mode="wrap") if periodic else np.pad(squared, width)
    inside = np.zeros(squared.shape, bool)
    for direction in product((-1, 0, 1), repeat=d):
        if not any(direction):
            continue
        # Largest squared distance of a ball's pixels from that neighbour: it must be in reach.
        far = np.maximum.accumulate(((offsets - direction) ** 2).sum(axis=1))
        needed = np.append(0, far)[in_ball]
        shifted = tuple(
            slice(1 + s, 1 + s + n) for s, n in zip(direction, squared.shape[1:], strict=True)
        )
        neighbour = around[(slice(None), *shifted)]
        # In an image narrower than its balls two equal ones may each reach all of the other: of
        # equals none is left out, so that the largest always stays.
        inside |= (neighbour > needed[position]) & (neighbour > squared)
    return inside


def _cropped(
    canvas: np.ndarray, grid: tuple[int, ...], margins: tuple[int, ...], periodic: bool
) -> np.ndarray:
    """The canvas without its margins, which lie on the far side of a periodic image."""
    for axis, (n, margin) in enumerate(zip(grid, margins, strict=True), start=1):
        canvas = np.moveaxis(canvas, axis, 0)
        core = canvas[margin : margin + n]
        if periodic and margin:
            core[n - margin :] = np.maximum(core[n - margin :], canvas[:margin])
            core[:margin] = np.maximum(core[:margin], canvas[margin + n :])
        canvas = np.moveaxis(core, 0, axis)
    return canvas

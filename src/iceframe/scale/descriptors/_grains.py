"""Grains of an image: connected pixels of one orientation or label, and what touches what.

Adjacent pixels (through faces) belong together where they do not differ: the same phase; a cubic
disorientation of at most 5 degrees; angles within 0.01 of their period; else all channels within
10⁻⁵. Drift inside a grain adds up without limit: only steps count. Of a periodic image, pieces that
meet across the border become one grain, and their pixels get coordinates that continue (whole
periods are added, see ``_components``), so that a grain has a centre and a shape unless it winds
round the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iceframe.scale.descriptors._components import positions
from iceframe.scale.descriptors._orientations import (
    angular_distance,
    disorientation,
    quaternions,
)
from iceframe.scale.image_format import ImageFormat

SAME_CRYSTAL = 5.0
"""Degrees up to which adjacent pixels are one cubic crystal."""

SAME_ANGLE = 0.01
"""Share of the period up to which angles of adjacent pixels are one."""

SAME_LEVEL = 1e-5
"""Values this close count as equal: above float32 rounding, below 1/65535 of the range."""


@dataclass(frozen=True)
class Grains:
    """Grains of a batch of images, numbered through all of them.

    ``labels`` int ``(b, *grid)`` from 0. One entry a grain: ``sample``, ``size`` in pixels int
    ``(m,)``; ``cuts`` int ``(m, d)``, how many of the two borders along each axis cut it (0 where
    the image is periodic); ``winds`` bool ``(m,)``, whether it winds round a periodic image;
    ``inertia`` ``(m, d, d)`` in px², second moments round its centre per pixel, each pixel a unit
    square (cube), axes in the order of the grid.
    """

    labels: np.ndarray
    sample: np.ndarray
    size: np.ndarray
    cuts: np.ndarray
    winds: np.ndarray
    inertia: np.ndarray


def grains(batch: np.ndarray, image_format: ImageFormat) -> Grains:
    """The grains of ``batch`` ``(b, channels, *grid)``.

    Examples
    --------
    >>> image = np.array([[[[0.2, 0.7, 0.7, 0.2]]]])
    >>> found = grains(image, ImageFormat((1, 1, 4), periodic=True, kind="grey"))
    >>> found.labels.tolist(), found.size.tolist(), found.inertia[0, 1, 1].round(4)
    ([[[0, 1, 1, 0]]], [2, 2], np.float64(0.3333))
    """
    values = comparable(batch, image_format)
    grid = batch.shape[2:]
    d, periodic = len(grid), image_format.periodic
    pieces, count = _connected(_steps(values, image_format, within=True))
    group, positions = np.arange(count), np.zeros((count, d), np.int64)
    winds = np.zeros(count, bool)
    if periodic:
        group, positions, winds = _joined(pieces, count, values, image_format)
    labels = group[pieces]
    flat, number = labels.ravel(), int(group.max(initial=-1)) + 1
    size = np.bincount(flat, minlength=number)
    sample = np.zeros(number, np.int64)
    sample[flat] = np.repeat(np.arange(len(batch)), int(np.prod(grid)))
    cuts = np.zeros((number, d), np.int64)
    if not periodic:
        for k in range(d):
            for face in (0, -1):
                cuts[np.unique(np.take(labels, face, axis=1 + k)), k] += 1
    inertia = _inertia(flat, size, pieces, positions, grid)
    return Grains(labels, sample, size, cuts, winds, inertia)


def adjacent(labels: np.ndarray, axis: int, periodic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Values of each pixel and of the next along ``axis`` of an array."""
    n = labels.shape[axis]
    if periodic:
        return labels, np.roll(labels, -1, axis=axis)
    return np.take(labels, range(n - 1), axis=axis), np.take(labels, range(1, n), axis=axis)


def contacts(found: Grains, periodic: bool) -> np.ndarray:
    """Pairs of grains that share a face of a pixel, each pair once: int ``(e, 2)``, rising."""
    number = len(found.size)
    keys = []
    for axis in range(1, found.labels.ndim):
        here, ahead = adjacent(found.labels, axis, periodic)
        apart = here != ahead
        low, high = np.minimum(here, ahead)[apart], np.maximum(here, ahead)[apart]
        keys.append(np.unique(low.astype(np.int64) * number + high))
    return np.stack(np.divmod(np.unique(np.concatenate(keys)), max(1, number)), axis=1)


def comparable(batch: np.ndarray, image_format: ImageFormat) -> np.ndarray:
    """Pixels ``(b, channels, *grid)`` as :func:`differ` compares them."""
    if image_format.levels:
        levels = np.asarray(image_format.levels)
        return np.searchsorted((levels[1:] + levels[:-1]) / 2, batch).astype(np.float64)
    if image_format.kind == "orientation" and image_format.shape[0] == 4:
        return quaternions(batch)
    return batch.astype(np.float64)


def differ(here: np.ndarray, ahead: np.ndarray, image_format: ImageFormat) -> np.ndarray:
    """Whether pixels ``(b, channels, …)`` belong to different grains: bool ``(b, …)``."""
    if image_format.kind == "orientation":
        if image_format.shape[0] == 4:
            return np.asarray(disorientation(here, ahead) > SAME_CRYSTAL)
        return np.asarray(angular_distance(here, ahead)[:, 0] > SAME_ANGLE)
    return np.asarray((np.abs(here - ahead) > SAME_LEVEL).any(axis=1))


def _steps(values: np.ndarray, image_format: ImageFormat, *, within: bool) -> list[np.ndarray]:
    """Along each axis, whether a pixel and the next belong together.

    ``within`` the image: one less than the side; else the last pixel and the first only.
    """
    found = []
    for axis in range(2, values.ndim):
        if within:
            here, ahead = adjacent(values, axis, periodic=False)
        else:
            here, ahead = (np.take(values, [at], axis=axis) for at in (-1, 0))
        found.append(~differ(here, ahead, image_format))
    return found


def _connected(together: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """Pieces of images, numbered from 0 through all: int ``(b, *grid)``, and how many."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    b = len(together[0])
    grid = tuple(t.shape[1 + k] + 1 for k, t in enumerate(together))
    number = np.arange(b * int(np.prod(grid)), dtype=np.int32).reshape(b, *grid)
    pairs = [adjacent(number, 1 + k, periodic=False) for k in range(len(grid))]
    origin = np.concatenate([p[0][t] for p, t in zip(pairs, together, strict=True)])
    to = np.concatenate([p[1][t] for p, t in zip(pairs, together, strict=True)])
    graph = coo_array((np.ones(len(to), bool), (origin, to)), shape=(number.size,) * 2)
    count, piece = connected_components(graph, directed=False)
    return piece.reshape(number.shape).astype(np.int64), int(count)


def _joined(
    pieces: np.ndarray, count: int, values: np.ndarray, image_format: ImageFormat
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The grain of each piece, the periods it lies away, and which grains wind."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    d, rows = pieces.ndim - 1, []
    for k, together in enumerate(_steps(values, image_format, within=False)):
        last, first = (np.take(pieces, [at], axis=1 + k)[together] for at in (-1, 0))
        rows.append(np.column_stack([last, first, np.full(len(last), k)]))
    origin, to, axis = np.unique(np.concatenate(rows), axis=0).T
    graph = coo_array((np.ones(len(to)), (origin, to)), shape=(count, count))
    number, group = connected_components(graph, directed=False)
    winding = np.zeros((len(to), d), np.int64)
    winding[np.arange(len(to)), axis] = 1
    place = positions(count, group, origin, to, winding)
    winds = np.zeros(number, bool)
    winds[group[origin[(place[to] - place[origin] != winding).any(axis=1)]]] = True
    return group, place, winds


def _inertia(
    flat: np.ndarray,
    size: np.ndarray,
    pieces: np.ndarray,
    positions: np.ndarray,
    grid: tuple[int, ...],
) -> np.ndarray:
    d = len(grid)
    centred = []
    for k, n in enumerate(grid):
        at = np.arange(n).reshape([-1 if axis == k else 1 for axis in range(d)])
        x = (at + n * positions[:, k][pieces]).ravel().astype(np.float64)
        centre = np.bincount(flat, x, len(size)) / size
        centred.append(x - centre[flat])
    inertia = np.empty((len(size), d, d))
    for k in range(d):
        for other in range(k + 1):
            moment = np.bincount(flat, centred[k] * centred[other], len(size)) / size
            inertia[:, k, other] = inertia[:, other, k] = moment + (k == other) / 12
    return inertia

"""Initial polycrystals for grain growth: periodic Voronoi cells, few order parameters.

Grains far apart may share an order parameter. They are coloured greedily, in the order of their
labels: each takes a colour that no neighbour has, the one whose nearest other bearer is furthest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from iceframe.core.errors import InputError


def voronoi_labels(shape: Sequence[int], grains: int, rng: np.random.Generator) -> np.ndarray:
    """Periodic Voronoi cells of ``grains`` random points: int32 ``shape``, labels from 0.

    A label may be absent if its cell holds no voxel's centre.

    Examples
    --------
    >>> voronoi_labels((8, 8), 1, np.random.default_rng(0)).max()
    np.int32(0)
    """
    from scipy.spatial import cKDTree

    size = tuple(int(s) for s in shape)
    if len(size) not in (2, 3) or min(size) < 1 or grains < 1:
        raise InputError(
            "A polycrystal needs a grid of two or three axes, and grains.",
            got=f"shape {size}, {grains} grains",
        )
    points = rng.random((grains, len(size))) * size
    centres = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), axis=-1)
    _, nearest = cKDTree(points, boxsize=size).query(centres.reshape(-1, len(size)))
    return nearest.reshape(size).astype(np.int32)


def color_grains(labels: np.ndarray, orders: int) -> np.ndarray:
    """Order parameters of a periodic map of grains, 1 in their own grains and 0 elsewhere.

    Parameters
    ----------
    labels : integers ``shape``, 0 or more: a grain each.
    orders : number of order parameters, 2 or more. Where a grain's neighbours hold all of them, it
        shares with the neighbour that is furthest, and merges with it: some 8 suffice in 2-D to
        keep neighbours apart, 20 or more to keep them apart for a while of growth.

    Returns
    -------
    float64 ``(orders, *shape)``, the sum over the orders is 1.

    Examples
    --------
    >>> color_grains(np.array([[0, 0, 1, 1]]), 2)[0].tolist()
    [[1.0, 1.0, 0.0, 0.0]]
    """
    labels = np.asarray(labels)
    if labels.ndim not in (2, 3) or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise InputError(
            "Grains must be whole numbers, 0 or more, on a grid.",
            got=f"{labels.dtype} of shape {labels.shape}",
        )
    if orders < 2:
        raise InputError("Grains need two order parameters or more.", got=orders, allowed=">= 2")
    present, compact = np.unique(labels, return_inverse=True)
    compact = compact.reshape(labels.shape)
    count = len(present)
    centres = _centres(compact, count)
    touching = _touching(compact, count)
    color = np.full(count, -1)
    for grain in range(count):
        nearest = np.full(orders, np.inf)
        done = color[:grain]
        apart = np.abs(centres[:grain] - centres[grain])
        apart = np.minimum(apart, np.array(labels.shape) - apart)
        np.minimum.at(nearest, done, np.sqrt((apart**2).sum(axis=1)))
        free = np.ones(orders, bool)
        free[done[touching[grain, :grain]]] = False
        nearest[~free if free.any() else np.zeros(orders, bool)] = -1
        color[grain] = int(np.argmax(nearest))
    grid = (1,) * labels.ndim
    return (color[compact] == np.arange(orders).reshape(-1, *grid)).astype(float)


def _centres(labels: np.ndarray, count: int) -> np.ndarray:
    """Periodic centres of the grains ``(count, d)``: the angle of the mean of e^{2πi x/side}."""
    voxels = np.bincount(labels.ravel(), minlength=count)
    centres = np.empty((count, labels.ndim))
    for axis, side in enumerate(labels.shape):
        angle = 2 * np.pi * np.indices(labels.shape, sparse=True)[axis] / side
        parts = [
            np.bincount(labels.ravel(), np.broadcast_to(f(angle), labels.shape).ravel(), count)
            for f in (np.cos, np.sin)
        ]
        turned = np.arctan2(parts[1] / voxels, parts[0] / voxels)
        centres[:, axis] = np.mod(turned / (2 * np.pi) * side, side)
    return centres


def _touching(labels: np.ndarray, count: int) -> np.ndarray:
    """Which grains share a voxel's face, edge or corner, across the borders: ``(count, count)``."""
    touching = np.zeros((count, count), bool)
    for step in np.ndindex(*(3,) * labels.ndim):
        other = np.roll(labels, [s - 1 for s in step], axis=tuple(range(labels.ndim)))
        touching[labels.ravel(), other.ravel()] = True
    np.fill_diagonal(touching, False)
    return touching

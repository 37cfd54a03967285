"""Periodic Voronoi and Laguerre cells on a voxel grid, shared by the generators.

Voxel ``x`` belongs to the seed ``i`` (or a periodic image of it) with the least power distance
``|S⁻¹ (x - p_i)|² - w_i``; all weights ``w`` equal gives Voronoi cells, and the stretch ``S``
elongates them. The power distance is a distance in one dimension more, to the seed lifted by
``√(w_max - w_i)``, so that a k-d tree over the images finds the owner and the runners-up.

The face towards the neighbour ``j`` is a plane; the distance of ``x`` to it is
``(D_j - D_i) / (2 |S⁻² (p_i - p_j)|)`` with ``D`` the power distance. The least of these is the
distance to the boundary, zero on it and growing into the cell.

Reference: Okabe, Boots, Sugihara & Chiu, Spatial Tessellations, 2nd ed. (2000), Wiley,
doi:10.1002/9780470317013; Aurenhammer, SIAM J. Comput. 16 (1987) 78, doi:10.1137/0216006.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

_BLOCK = 2**16  # voxels whose neighbours are looked at together


@dataclass(frozen=True)
class Cells:
    """Cells of one sample.

    ``label`` int32 ``shape``, 0 to ``count - 1``; ``seed`` ``(count,)``, the seeds that own at
    least one voxel; ``gap`` ``shape``, distance in voxels to the nearest face (a cell so large that
    it meets its own periodic image has a face there as well); ``corner`` ``shape``, distance to the
    second nearest face: both are small at triple junctions; ``offset`` ``(*shape, d)``, the way
    from the owner's nearest image to the voxel.
    """

    label: np.ndarray
    seed: np.ndarray
    gap: np.ndarray
    corner: np.ndarray
    offset: np.ndarray

    @property
    def count(self) -> int:
        """Number of cells."""
        return len(self.seed)

    def sizes(self) -> np.ndarray:
        """Equivalent diameter of each cell, in voxels, ``(count,)``."""
        volumes = np.bincount(self.label.ravel(), minlength=self.count)
        return equivalent_diameter(volumes, self.label.ndim)


def ball_volume(dimension: int) -> float:
    """Area of the disc, or volume of the sphere, of diameter 1."""
    return math.pi / 4 if dimension == 2 else math.pi / 6


def equivalent_diameter(volume: np.ndarray, dimension: int) -> np.ndarray:
    """Diameter of the disc or sphere of this area or volume."""
    return (np.asarray(volume, float) / ball_volume(dimension)) ** (1 / dimension)


def cell_count(shape: tuple[int, ...], diameter: float) -> int:
    """How many cells of mean volume ``v_d · diameter^d`` fit the grid; one at least."""
    voxels = float(np.prod(shape))
    return max(1, round(min(voxels, voxels / (ball_volume(len(shape)) * diameter ** len(shape)))))


def tessellate(
    shape: tuple[int, ...],
    seeds: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    stretch: np.ndarray | None = None,
    neighbours: int | None = None,
) -> Cells:
    """Cells of the seeds ``(m, d)``, in voxels and array order, on the periodic grid.

    ``weights`` ``(m,)`` are squared lengths; ``stretch`` ``(d, d)`` symmetric. ``neighbours``
    is how many of the nearest images are looked at for the faces: with 6 in 2-D and 8 in 3-D, all
    but one in a thousand of the distances are exact near the faces. The owner always is.
    """
    dimension = len(shape)
    neighbours = neighbours or 2 * dimension + 2
    squeeze = np.eye(dimension) if stretch is None else np.linalg.inv(stretch)
    search = _Images(shape, seeds, weights, squeeze)
    places = voxel_places(shape)
    voxels = len(places)
    owner = np.empty(voxels, np.int64)
    near = np.empty((voxels, 2))
    offset = np.empty((voxels, dimension))
    for start in range(0, voxels, _BLOCK):
        part = slice(start, min(start + _BLOCK, voxels))
        power, index = search.nearest(places[part], neighbours)
        first = index[:, 0]
        owner[part] = search.owner[first]
        offset[part] = places[part] - search.images[first]
        near[part] = _face_distances(power, search.images[index] @ (squeeze @ squeeze))
    present, label = _compact(owner, len(seeds))
    return Cells(
        label.astype(np.int32).reshape(shape),
        present,
        near[:, 0].reshape(shape),
        near[:, 1].reshape(shape),
        offset.reshape(*shape, dimension),
    )


def owners(shape: tuple[int, ...], seeds: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The seed that owns each voxel, ``shape``; as :func:`tessellate`, without the faces."""
    search = _Images(shape, seeds, weights, np.eye(len(shape)))
    places = voxel_places(shape)
    blocks = [places[start : start + _BLOCK] for start in range(0, len(places), _BLOCK)]
    found = []
    for block in blocks:
        index = search.nearest(block, 1)[1]
        found.append(search.owner[index[:, 0]])
    return np.concatenate(found).reshape(shape)


def _face_distances(power: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """The two least distances to a face, ``(voxels, 2)``, from the owner's and others' images.

    ``power`` ``(voxels, k)`` and ``normals`` ``(voxels, k, d)``, the owner first.
    """
    apart = np.linalg.norm(normals[:, :1] - normals[:, 1:], axis=2)
    # Two seeds in one place have no face between them; the voxel is then far from it.
    distance = (power[:, 1:] - power[:, :1]) / np.maximum(2 * apart, 1e-9)
    return np.partition(distance, 1, axis=1)[:, :2] if distance.shape[1] > 2 else distance


@lru_cache(maxsize=8)
def voxel_places(shape: tuple[int, ...]) -> np.ndarray:
    """Coordinates of all voxels, ``(voxels, d)`` float64, read-only."""
    places = np.indices(shape, dtype=float).reshape(len(shape), -1).T.copy()
    places.flags.writeable = False
    return places


class _Images:
    """Finds the nearest images of the seeds, each in the power distance.

    The k-th nearest image of a voxel lies within the distance found among some of the images; all
    images within that distance of the grid are then taken in, which makes the answer exact.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        seeds: np.ndarray,
        weights: np.ndarray | None,
        squeeze: np.ndarray,
    ) -> None:
        self.size = np.array(shape, float)
        self.seeds, self.squeeze = seeds, squeeze
        self.lift = None if weights is None else np.sqrt(weights.max() - weights)
        # Voxels along each axis for a length of 1 in the squeezed space.
        self.reach = np.linalg.norm(np.linalg.inv(squeeze), axis=1)
        spacing = (self.size.prod() / len(seeds)) ** (1 / len(shape))
        self._take_in(2.0 * spacing * self.reach)

    def _take_in(self, margin: np.ndarray) -> None:
        """Hold all images no further than ``margin`` from the grid."""
        from scipy.spatial import cKDTree

        self.margin = margin
        self.images, self.owner = _images_around(self.size, self.seeds, margin)
        lift = None if self.lift is None else self.lift[self.owner]
        self._tree = cKDTree(_lifted(self.images @ self.squeeze, lift))

    def nearest(self, places: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Power distances (up to a constant) and positions in ``images``, ``(voxels, count)``.

        ``images`` may grow in a call: positions hold until the next one.
        """
        points = _lifted(
            places @ self.squeeze, None if self.lift is None else np.zeros(len(places))
        )
        while True:
            distance, index = self._tree.query(points, k=[*range(1, count + 1)])
            radius = distance[:, -1].max()
            if np.isfinite(radius) and np.all(radius * self.reach <= self.margin):
                return distance**2, index
            # Rounding must not send the loop round again for the same radius.
            enough = radius * self.reach * (1 + 1e-9)
            self._take_in(enough if np.isfinite(radius) else 2 * self.margin + self.size)


def _lifted(points: np.ndarray, height: np.ndarray | None) -> np.ndarray:
    return points if height is None else np.column_stack([points, height])


def _images_around(
    size: np.ndarray, seeds: np.ndarray, margin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Images of the seeds no further than ``margin`` from the grid, and the seed of each."""
    turns = np.ceil(margin / size).astype(int)
    shifts = np.array(list(product(*(range(-t, t + 1) for t in turns))), float) * size
    images = (seeds[None] + shifts[:, None]).reshape(-1, len(size))
    owner = np.tile(np.arange(len(seeds)), len(shifts))
    inside = np.all((images >= -margin) & (images <= size - 1 + margin), axis=1)
    return images[inside], owner[inside]


def _compact(owner: np.ndarray, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Seeds that own voxels, and the owner of each voxel numbered among them."""
    present = np.flatnonzero(np.bincount(owner, minlength=seeds))
    number = np.full(seeds, -1)
    number[present] = np.arange(len(present))
    return present, number[owner]

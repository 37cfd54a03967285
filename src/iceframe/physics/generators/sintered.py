"""Sintered powder: a packing of grains whose necks grow with the degree of sintering.

Grains are packed as in :mod:`._packing`, to the density of a loose random packing; where more
porosity is asked for, whole grains are left out at random, which leaves pores of a grain's size.
The solid is a level cut through a sum of kernels, one a grain of radius ``R_i`` at ``c_i``,

    K(x) = Σ_i exp(-β (|x - c_i|² / R_i² - 1)),

a smooth union of spheres (Blinn 1982, ACM Trans. Graph. 1, 235; doi:10.1145/357306.357310). Large
``β`` gives spheres that meet in sharp necks; as ``β`` falls, solid moves from the free surface of
the grains into the necks, as surface diffusion does it, at a porosity that is met to one voxel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator, cut
from iceframe.physics.generators import _distance, _packing

# Density of the packing of grains, by dimension, and kernel exponents without and with sintering.
_PACKED = {2: 0.80, 3: 0.60}
_SHARP, _SMOOTH = 16.0, 1.5
# Rounds of pushing apart; overlaps that are left are necks.
_ROUNDS = 12
# Kernels under this value are left out.
_NEGLIGIBLE = 1e-4
# Mean number of voxel faces on a unit of surface, over all directions: 4/π and 3/2.
_FACES = {2: 4 / np.pi, 3: 1.5}


@GENERATORS.register("sintered")
class Sintered(Generator):
    """Powder grains joined by necks, at a given porosity."""

    title = "Sintered powder"
    summary = "Random packing of grains with necks; porosity and degree of sintering."
    reference = "Blinn 1982, ACM Trans. Graph. 1, 235"
    phase_names = ("solid", "pore")
    factors = (
        Factor("porosity", "share of the pores", 0.25, 0.05, 0.4, 0.005, 0.6),
        Factor("sintering", "0: grains barely joined, 1: necks filled", 0.5, 0, 1, 0, 1),
        Factor("size", "mean diameter of the grains", 8, 6, 12, 3, 1000, "voxel"),
        Factor("size_spread", "standard deviation of the logarithm of size", 0.1, 0, 0.3, 0, 0.5),
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`Generator.draw`. Measured: ``grain_count``, ``mean_diameter``,
        ``neck_ratio`` (mean neck width over mean grain diameter) and ``coordination`` (necks a
        grain)."""
        n, d, box = len(rngs), len(shape), np.array(shape, float)
        voxels = int(np.prod(shape))
        solid = voxels - np.rint(factors["porosity"] * voxels).astype(int)
        sizes, drop = [], []
        for s, rng in enumerate(rngs):
            size = _packing.diameters(
                rng,
                min(float(factors["size"][s]), box.min()),
                float(factors["size_spread"][s]),
                _PACKED[d] * voxels,
                _packing.ball(d),
                d,
                box.min(),
            )
            sizes.append(size)
            kept = np.cumsum(_packing.ball(d) * size**d) <= max(solid[s], 0.0)
            kept[0] = True  # sizes come in random order: the last ones are left out
            drop.append(~kept)
        sample = np.repeat(np.arange(n), [len(size) for size in sizes])
        radius = np.concatenate(sizes) / 2
        spheres = _packing.Ellipsoids(sample, np.zeros((len(radius), d)), radius, radius)
        centres, _ = _packing.pack(spheres, rngs, box, np.zeros(n), np.zeros(n), 1, _ROUNDS)
        kept = ~np.concatenate(drop)
        sample, radius, centres = sample[kept], radius[kept], centres[kept]
        beta = _SHARP * (_SMOOTH / _SHARP) ** factors["sintering"]
        union, body = _union(shape, sample, centres, radius, beta, solid)
        mask = cut(union, solid / voxels)
        ratio, necks = _necks(mask, body, sample, radius)
        measured = {
            "grain_count": np.bincount(sample, minlength=n),
            "mean_diameter": 2 * np.bincount(sample, radius, n) / np.bincount(sample, minlength=n),
            "neck_ratio": ratio,
            "coordination": necks,
        }
        return Drawn((~mask).astype(np.uint8), measured)


def _union(
    shape: tuple[int, ...],
    sample: np.ndarray,
    centres: np.ndarray,
    radius: np.ndarray,
    beta: np.ndarray,
    solid: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Logarithm of the kernel sum and the nearest grain, ``(n, *shape)``."""
    n, d, voxels = len(solid), len(shape), int(np.prod(shape))
    extent, measure = _distance.ellipsoid(np.zeros((len(radius), d)), radius, radius)
    # Every voxel that the cut may need, and every kernel that is not negligible there.
    score, body = _distance.grow(shape, sample, centres, extent, measure, solid, limit=1.5)
    reach = np.sqrt(1 - np.log(_NEGLIGIBLE) / beta)
    total = np.zeros(n * voxels)
    for s in range(n):
        rows = np.flatnonzero(sample == s)

        def of_sample(
            x: list[np.ndarray], local: np.ndarray, rows: np.ndarray = rows
        ) -> np.ndarray:
            return measure(x, rows[local])

        here = np.zeros(len(rows), int)
        found = _distance.stamp(shape, here, centres[rows], extent[rows], of_sample, reach[s])
        kernel = np.exp(-beta[s] * (found.value**2 - 1))
        total[s * voxels : (s + 1) * voxels] = np.bincount(found.position, kernel, voxels)
    together = total.reshape(score.shape)
    # Where every kernel is negligible the nearest grain alone decides, by its own kernel.
    lone = -beta.reshape(n, *(1,) * d) * (np.minimum(score, 1e3) ** 2 - 1)
    return np.where(together > 0, np.log(np.maximum(together, 1e-300)), lone), body


def _necks(
    mask: np.ndarray, body: np.ndarray, sample: np.ndarray, radius: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean neck width over mean diameter, and mean number of necks a grain, ``(n,)`` each."""
    n, d = len(mask), mask.ndim - 1
    pairs = []
    for axis in range(1, d + 1):
        other = np.roll(body, -1, axis)
        meet = mask & np.roll(mask, -1, axis) & (body != other) & (body >= 0) & (other >= 0)
        low, high = np.minimum(body[meet], other[meet]), np.maximum(body[meet], other[meet])
        pairs.append(low * len(sample) + high)
    key, faces = np.unique(np.concatenate(pairs), return_counts=True)
    area = faces / _FACES[d]
    width = area if d == 2 else 2 * np.sqrt(area / np.pi)
    of = sample[key // len(sample)]
    grains = np.bincount(sample, minlength=n)
    necks = np.bincount(of, minlength=n)
    mean = np.bincount(of, width, n) / np.maximum(necks, 1)
    return mean / (2 * np.bincount(sample, radius, n) / grains), 2 * necks / grains

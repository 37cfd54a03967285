"""Overlapping discs or spheres: the Boolean model, here the pores of a ceramic.

Centres are uniform and independent, so that spheres penetrate one another freely. At number density
``ρ`` and sphere volume ``v`` the expected fraction of pores is ``1 - exp(-ρ <v>)``, which sets the
number of spheres; all of them then grow or shrink by one factor, near 1, that meets the asked
fraction to one voxel. Two points at distance ``r`` both lie in the solid with probability
``exp(-ρ V₂(r))``, where ``V₂`` is the volume of the union of two spheres at distance ``r``
(Torquato 2002, Random Heterogeneous Materials, sect. 5.1; doi:10.1007/978-1-4757-6355-3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator, cut
from iceframe.physics.generators import _distance, _packing


@GENERATORS.register("overlapping_spheres")
class OverlappingSpheres(Generator):
    """Fully penetrable discs or spheres."""

    title = "Overlapping spherical pores"
    summary = "Boolean model of discs or spheres, placed independently; pores of a ceramic."
    reference = "Torquato 2002, Random Heterogeneous Materials, sect. 5.1"
    phase_names = ("solid", "pore")
    factors = (
        Factor("volume_fraction", "share of the pores", 0.2, 0.02, 0.5, 0.001, 0.95),
        Factor("size", "mean diameter of the pores", 7, 4, 12, 1.5, 1000, "voxel"),
        Factor("size_spread", "standard deviation of the logarithm of size", 0, 0, 0.4, 0, 0.8),
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`Generator.draw`. Measured: ``sphere_count`` and ``mean_diameter``."""
        n, d, voxels = len(rngs), len(shape), int(np.prod(shape))
        count = np.maximum(1, np.rint(factors["volume_fraction"] * voxels)).astype(int)
        sizes, places = [], []
        for s, rng in enumerate(rngs):
            # Sum of the volumes, overlaps counted as often as they occur.
            total = -voxels * np.log1p(-factors["volume_fraction"][s])
            size, spread = float(factors["size"][s]), float(factors["size_spread"][s])
            sizes.append(_packing.diameters(rng, size, spread, total, _packing.ball(d), d))
            places.append(rng.random((len(sizes[-1]), d)) * shape)
        sample = np.repeat(np.arange(n), [len(size) for size in sizes])
        radius = np.concatenate(sizes) / 2
        axes = np.zeros((len(radius), d))
        extent, measure = _distance.ellipsoid(axes, radius, radius)
        score, _ = _distance.grow(shape, sample, np.concatenate(places), extent, measure, count)
        phases = cut(-score, count / voxels)
        flat = phases.reshape(n, -1)
        level = np.where(flat, score.reshape(n, -1), 0.0).max(axis=1)
        measured = {
            "sphere_count": np.array([len(size) for size in sizes]),
            "mean_diameter": np.array([size.mean() for size in sizes]) * level,
        }
        return Drawn(phases.astype(np.uint8), measured)

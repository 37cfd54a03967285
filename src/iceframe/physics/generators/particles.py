"""Non-overlapping particles in a matrix: spheres, or ellipsoids of revolution.

Sizes are log-normal, places come from :mod:`._packing` (pushed apart from random places, one voxel
clear of one another where there is room), directions from an angular central Gaussian. All
particles then grow or shrink together by the cut through their scaled distance, which meets the
volume fraction to one voxel. The volume fraction that a random packing without overlap can reach
limits the factor: 0.84 for discs and 0.64 for spheres in theory (Torquato 2002, Random
Heterogeneous Materials, ch. 3; doi:10.1007/978-1-4757-6355-3), less for the random directions
that bodies keep here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from iceframe.core.errors import InputError
from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator
from iceframe.physics.generators import _distance, _packing

# Clear distance, in voxels, at which voxel maps of two bodies have no face in common.
_CLEAR = 1.2
# Fractions up to which the bodies are kept clear of one another, by dimension.
_ROOM = {2: 0.66, 3: 0.48}


@GENERATORS.register("particles")
class Particles(Generator):
    """Ellipses or ellipsoids of revolution that do not overlap."""

    title = "Particles in a matrix"
    summary = "Non-overlapping spheres or ellipsoids with size spread, alignment and clustering."
    reference = "Bezrukov, Bargiel, Stoyan 2002, Part. Part. Syst. Charact. 19, 111"
    phase_names = ("matrix", "particle")
    factors = (
        Factor(
            "volume_fraction",
            "share of the particles",
            0.25,
            0.05,
            0.5,
            0.005,
            0.65,
            dimensions=(2,),
        ),
        Factor(
            "volume_fraction",
            "share of the particles",
            0.25,
            0.05,
            0.4,
            0.005,
            0.5,
            dimensions=(3,),
        ),
        Factor("size", "mean diameter of the sphere of equal volume", 7, 5, 9, 3, 1000, "voxel"),
        Factor("size_spread", "standard deviation of the logarithm of size", 0.15, 0, 0.4, 0, 0.6),
        Factor("aspect", "long over short axis", 1, 1, 2.3, 1, 4),
        Factor(
            "angle", "direction of the long axes, from x towards y", 0, 0, 180, -360, 360, "degree"
        ),
        Factor("alignment", "order parameter: 0 random, 1 all along the angle", 0.5, 0, 1, 0, 1),
        Factor("clustering", "share of particles placed in clusters of about eight", 0, 0, 1, 0, 1),
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`Generator.draw`. Measured: ``particle_count``, ``mean_diameter``,
        ``touching_fraction`` (share of particles with a voxel face on another particle) and
        ``order_parameter``.

        Raises
        ------
        InputError : particles longer than the box, or too many to be packed.
        """
        n, d, box = len(rngs), len(shape), np.array(shape, float)
        voxels = int(np.prod(shape))
        count = np.maximum(1, np.rint(factors["volume_fraction"] * voxels)).astype(int)
        sizes, axes, order, gap = [], [], np.zeros(n), np.zeros(n)
        for s, rng in enumerate(rngs):
            f = {name: float(value[s]) for name, value in factors.items()}
            longest = box.min() / f["aspect"] ** (1 - 1 / d)
            if f["size"] > longest:
                raise InputError(
                    "A particle is longer than the box.",
                    where=f"{self.title}, sample {s} of this draw",
                    got=f"size {f['size']:.4g}, aspect {f['aspect']:.4g} in a box of {shape}",
                    allowed=f"a size up to {longest:.4g} at this aspect and shape",
                    hint="take a smaller size or aspect, or a larger shape",
                )
            size = _packing.diameters(
                rng, f["size"], f["size_spread"], count[s], _packing.ball(d), d, longest
            )
            axis = _packing.axis_of(f["angle"], 0.0, d)
            axes.append(_packing.directions(rng, len(size), f["alignment"], axis))
            sizes.append(size)
            order[s] = _packing.order_parameter(axes[-1], axis)
            long, short = half_axes(size, f["aspect"], d)
            gap[s] = _packing.widest_gap(partial(_volume, long, short, d), voxels, _ROOM[d], _CLEAR)
        sample = np.repeat(np.arange(n), [len(size) for size in sizes])
        every = np.concatenate(sizes)
        long, short = half_axes(every, factors["aspect"][sample], d)
        bodies = _packing.Ellipsoids(sample, np.concatenate(axes), long, short)
        centres, overlap = _packing.pack(bodies, rngs, box, gap, factors["clustering"])
        _packing.require_packed(
            overlap, self.title, "volume_fraction, aspect, size_spread or clustering"
        )
        form = _distance.ellipsoid(bodies.axes, long, short)
        phases, found = _distance.fill(shape, sample, centres, form, count)
        sized = {"mean_diameter": np.array([size.mean() for size in sizes])}
        return Drawn(phases, {**found, **sized, "order_parameter": order})


def _volume(long: np.ndarray, short: np.ndarray, dimension: int, by: float) -> float:
    """Of all ellipsoids with half-axes longer by ``by``."""
    product = (long + by) * (short + by) ** (dimension - 1)
    return float(product.sum()) * 2**dimension * _packing.ball(dimension)


def half_axes(
    size: np.ndarray, aspect: float | np.ndarray, dimension: int
) -> tuple[np.ndarray, np.ndarray]:
    """Long and short half-axes of ellipsoids of revolution with the volume of spheres ``size``."""
    short = size / 2 * np.asarray(aspect, float) ** (-1 / dimension)
    return short * aspect, short

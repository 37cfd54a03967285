"""Polycrystals of Voronoi grains.

Seeds fall at random and independently (Poisson-Voronoi); each voxel joins the grain of its nearest
seed. A stretch of the metric elongates all grains in one direction and keeps their volumes. Known
answers without stretch: six neighbours a grain in 2-D, on average; 15.54 in 3-D; the variance of
the cell areas is 0.280 of the squared mean, of the volumes 0.179.

Reference: Okabe, Boots, Sugihara & Chiu, Spatial Tessellations, 2nd ed. (2000), Wiley,
doi:10.1002/9780470317013; orientations: Schaeben 1997, see
:mod:`iceframe.physics.generators._polycrystal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator
from iceframe.physics.generators._cells import Cells, cell_count, tessellate
from iceframe.physics.generators._directions import ANGLE, TILT, stretch_matrix, unit_vectors
from iceframe.physics.generators._polycrystal import (
    BOUNDARY_FACTORS,
    GRAIN_SIZE,
    PHASE_NAMES,
    TEXTURE,
    assemble,
)

ELONGATION = Factor(
    "elongation",
    "length of the grains along the axis over that across it; below 1 they are flattened",
    1.0,
    1.0,
    4.0,
    0.1,
    10.0,
)


@GENERATORS.register("voronoi")
class Voronoi(Generator):
    """Grains around random seeds."""

    title = "Voronoi polycrystal"
    summary = (
        "Grains around random seeds, elongated if asked, each with a crystal orientation; "
        "grain boundaries as a phase on request."
    )
    reference = "Okabe et al. 2000, doi:10.1002/9780470317013"
    phase_names = PHASE_NAMES
    factors = (GRAIN_SIZE, ELONGATION, ANGLE, TILT, *BOUNDARY_FACTORS, TEXTURE)

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`iceframe.physics.generator.Generator.draw`."""
        return assemble(grains(shape, rngs, factors), rngs, factors)


def grains(
    shape: tuple[int, ...],
    rngs: Sequence[np.random.Generator],
    factors: Mapping[str, np.ndarray],
) -> list[Cells]:
    """Voronoi cells, one set for each of ``rngs``.

    ``factors`` holds ``grain_size`` and, if the grains are elongated, ``elongation``, ``angle``
    and (3-D) ``tilt``.
    """
    cells = []
    for i, rng in enumerate(rngs):
        count = cell_count(shape, factors["grain_size"][i])
        seeds = rng.random((count, len(shape))) * shape
        stretch = None
        if "elongation" in factors and factors["elongation"][i] != 1:
            tilt = factors["tilt"][i : i + 1] if "tilt" in factors else None
            axis = unit_vectors(len(shape), factors["angle"][i : i + 1], tilt)[0]
            stretch = stretch_matrix(factors["elongation"][i], axis)
        cells.append(tessellate(shape, seeds, stretch=stretch))
    return cells

"""What polycrystals share: crystal orientations, and grain boundaries as a phase.

Orientations follow the de la Vallée Poussin distribution around the sample's axes: the density is
``∝ cos^(2κ)(ω/2)`` in the rotation angle ``ω`` on SO(3), uniform at ``κ = 0``. As the volume
element is ``sin²(ω/2) dω``, ``cos²(ω/2)`` follows ``Beta(κ + ½, 3/2)``, and the axis is uniform.
No crystal symmetry is applied.

Reference: Schaeben, phys. stat. sol. (b) 200 (1997) 367,
doi:10.1002/1521-3951(199704)200:2<367::AID-PSSB367>3.0.CO;2-I.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.physics.generator import Drawn, Factor, cut
from iceframe.physics.generators._cells import Cells

GRAIN_SIZE = Factor(
    "grain_size",
    "diameter of the disc or sphere of mean grain volume",
    12.0,
    8.0,
    20.0,
    1.0,
    1e4,
    "voxel",
)
BOUNDARY_FACTORS = (
    Factor(
        "volume_fraction",
        "volume fraction of the grain boundaries as a phase; 0 leaves it to the thickness",
        0.0,
        0.0,
        0.3,
        0.0,
        1.0,
    ),
    Factor(
        "thickness",
        "thickness of the grain boundaries as a phase, where the volume fraction is 0; "
        "0 for no such phase",
        0.0,
        0.0,
        3.0,
        0.0,
        1e4,
        "voxel",
    ),
)
TEXTURE = Factor(
    "texture",
    "concentration κ of the crystal axes around the sample's; 0 for none",
    0.0,
    0.0,
    20.0,
    0.0,
    1e6,
)
PHASE_NAMES = ("grain interior", "grain boundary")


def orientations(rng: np.random.Generator, count: int, texture: float) -> np.ndarray:
    """``count`` unit quaternions ``(count, 4)``, scalar last and not negative."""
    scalar = np.sqrt(rng.beta(texture + 0.5, 1.5, count))
    axis = rng.standard_normal((count, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    return np.column_stack([axis * np.sqrt(1 - scalar**2)[:, None], scalar])


def assemble(
    cells: Sequence[Cells],
    rngs: Sequence[np.random.Generator],
    factors: Mapping[str, np.ndarray],
) -> Drawn:
    """Polycrystals of these cells: boundary phase, orientations, and the factors as they came out.

    Where a volume fraction is asked for, the voxels nearest to the faces make it up and the
    thickness is measured; else those within half the thickness of a face, and the volume fraction
    is measured.
    """
    gap = np.stack([c.gap for c in cells])
    thickness = factors["thickness"]
    within = (gap <= _cell(thickness / 2, gap)) & _cell(thickness > 0, gap)
    asked = factors["volume_fraction"]
    fraction = np.where(asked > 0, asked, within.reshape(len(gap), -1).mean(axis=1))
    boundary = cut(-gap, fraction)
    deepest = np.where(boundary, gap, 0).reshape(len(gap), -1).max(axis=1)
    measured = {
        "volume_fraction": boundary.reshape(len(gap), -1).mean(axis=1),
        "thickness": np.where(asked > 0, 2 * deepest, thickness),
        **grain_statistics(cells),
    }
    turns = [
        orientations(rng, c.count, kappa)
        for rng, c, kappa in zip(rngs, cells, factors["texture"], strict=True)
    ]
    labels = np.stack([c.label for c in cells])
    return Drawn(boundary.astype(np.uint8), measured, labels, tuple(turns))


def grain_statistics(cells: Sequence[Cells]) -> dict[str, np.ndarray]:
    """Number of grains, mean equivalent diameter, its coefficient of variation: ``(n,)`` each."""
    sizes = [c.sizes() for c in cells]
    return {
        "grain_count": np.array([len(s) for s in sizes], float),
        "mean_grain_size": np.array([s.mean() for s in sizes]),
        "grain_size_variation": np.array([s.std() / s.mean() for s in sizes]),
    }


def _cell(values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """``(n,)`` against ``(n, *shape)``."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))

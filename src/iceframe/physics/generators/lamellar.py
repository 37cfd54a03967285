"""Lamellar colonies, as in pearlite.

Colonies are Voronoi cells. In a colony with the lamella normal ``n`` the second phase takes the
crests of ``cos(2π (n·x + w λ g(x))/λ + φ)``, with the position ``x`` from the seed of the colony,
the spacing ``λ``, a phase ``φ`` at random, and a Gaussian random field ``g`` of unit variance and
length ``λ`` that bends the lamellae by ``w λ`` (root mean square). One level is used for all
colonies, so that the volume fraction is met.

A colony as large as the cell has no seam only if its wave fits the cell: the wave vector is then
rounded to a vector of the reciprocal lattice, ``2π m_i / L_i`` with whole ``m``, and the spacing
and the direction that result are reported.

Reference: Vander Voort, Practical Metallography 52 (2015), doi:10.3139/147.110357 (what the spacing
means and how it is measured; the model is ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator, cut
from iceframe.physics.generators._cells import Cells, cell_count, tessellate
from iceframe.physics.generators._directions import angles_of, unit_vectors
from iceframe.physics.generators._fields import gaussian_fields


@GENERATORS.register("lamellar")
class Lamellar(Generator):
    """Colonies of parallel lamellae."""

    title = "Lamellar colonies (pearlite)"
    summary = "Colonies of parallel lamellae, each with a direction of its own; straight or wavy."
    reference = "Vander Voort 2015, doi:10.3139/147.110357"
    phase_names = ("ferrite", "cementite")
    factors = (
        Factor("volume_fraction", "volume fraction of cementite", 0.25, 0.15, 0.5, 0.0, 1.0),
        Factor(
            "spacing",
            "distance from lamella to lamella, along their normal",
            8.0,
            6.0,
            14.0,
            3.0,
            1e4,
            "voxel",
        ),
        Factor(
            "colony_size",
            "diameter of the disc or sphere of mean colony volume; "
            "where it exceeds the cell, there is one colony",
            28.0,
            16.0,
            40.0,
            2.0,
            1e4,
            "voxel",
        ),
        Factor(
            "waviness",
            "displacement of the lamellae (root mean square) over their spacing",
            0.05,
            0.0,
            0.2,
            0.0,
            1.0,
        ),
        Factor(
            "alignment",
            "0: normals in any direction; 1: all normals along the stated one",
            0.0,
            0.0,
            1.0,
            0.0,
            1.0,
        ),
        Factor(
            "angle",
            "mean direction of the lamella normals, from x towards y",
            0.0,
            0.0,
            180.0,
            unit="degree",
        ),
        Factor(
            "tilt",
            "elevation of the mean normal out of the xy-plane, towards z",
            0.0,
            0.0,
            90.0,
            unit="degree",
            dimensions=(3,),
        ),
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`iceframe.physics.generator.Generator.draw`."""
        n = len(rngs)
        tilts = factors.get("tilt")
        means = unit_vectors(len(shape), factors["angle"], tilts)
        measured = {
            name: factors[name].copy() for name in ("spacing", "angle", "tilt") if name in factors
        }
        turns = np.empty((n, *shape))
        colonies: list[Cells] = []
        for i, rng in enumerate(rngs):
            count = cell_count(shape, factors["colony_size"][i])
            cells = tessellate(shape, rng.random((count, len(shape))) * shape)
            normals = scattered(rng, means[i], factors["alignment"][i], count)[cells.seed]
            waves = normals / factors["spacing"][i]
            if cells.count == 1:
                waves[0] = fitting_wave(waves[0], shape)
                measured["spacing"][i] = 1 / np.linalg.norm(waves[0])
                measured["angle"][i], tilt = angles_of(waves[0])
                if tilts is not None:
                    measured["tilt"][i] = tilt
            start = rng.random(count)[cells.seed]
            turns[i] = (waves[cells.label] * cells.offset).sum(axis=-1) + start[cells.label]
            colonies.append(cells)
        turns += self._bending(shape, rngs, factors)
        phases = cut(np.cos(2 * np.pi * turns), factors["volume_fraction"])
        measured["colony_count"] = np.array([c.count for c in colonies], float)
        measured["mean_colony_size"] = np.array([c.sizes().mean() for c in colonies])
        return Drawn(
            phases.astype(np.uint8), measured, grains=np.stack([c.label for c in colonies])
        )

    def _bending(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> np.ndarray:
        """Displacement of the lamellae in spacings, ``(n, *shape)``."""
        field = gaussian_fields(shape, rngs, {"length": factors["spacing"]})
        return factors["waviness"].reshape(-1, *(1,) * len(shape)) * field


def scattered(
    rng: np.random.Generator, mean: np.ndarray, alignment: float, count: int
) -> np.ndarray:
    """Unit vectors ``(count, d)`` around ``mean``, uniform in a cap that ``alignment`` narrows.

    At 0 the cap is the half circle or half sphere: without a sense, all directions are alike.
    """
    if len(mean) == 2:
        away = (1 - alignment) * np.pi * (rng.random(count) - 0.5)
        across = np.array([mean[1], -mean[0]])
        return np.cos(away)[:, None] * mean + np.sin(away)[:, None] * across
    cosine = 1 - (1 - alignment) * rng.random(count)
    sideways = rng.standard_normal((count, 3))
    sideways -= (sideways @ mean)[:, None] * mean
    sideways /= np.linalg.norm(sideways, axis=1, keepdims=True)
    return cosine[:, None] * mean + np.sqrt(1 - cosine**2)[:, None] * sideways


def fitting_wave(wave: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The wave vector (cycles per voxel) nearest to ``wave`` that fits the periodic cell, not 0.

    Examples
    --------
    >>> fitting_wave(np.array([0.0, 0.11]), (32, 32)).tolist()
    [0.0, 0.125]
    """
    cycles = wave * shape
    whole = np.rint(cycles)
    if not whole.any():
        longest = int(np.argmax(np.abs(cycles)))
        whole[longest] = 1.0
    return whole / shape

"""Dual-phase steel: martensite islands on the boundaries of ferrite grains.

Ferrite grains are Voronoi cells. With the distances ``d₁ ≤ d₂`` of a voxel to the two nearest grain
boundaries, martensite takes the highest voxels of

    ``-[c d₁ + (1-c) √(d₁² + d₂²)] / (s/2) + (1-c) g + b cos(2π m y/H + φ)``

where ``c`` is the continuity: at 1 martensite is a film of even thickness along all boundaries, at
0 it sits as separate islands of the size ``s`` at triple junctions, chosen by a Gaussian random
field ``g`` of length ``s/2``; ``b`` is the strength of the bands (planes of constant y, after
rolling). How much of the boundaries is covered and how the martensite is connected is measured.

Reference: Tasan et al., Annu. Rev. Mater. Res. 45 (2015) 391,
doi:10.1146/annurev-matsci-070214-021103 (what the structure looks like; the model is ours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.physics.generator import GENERATORS, Drawn, Factor, Generator, cut
from iceframe.physics.generators._cells import Cells
from iceframe.physics.generators._clusters import piece_sizes
from iceframe.physics.generators._fields import gaussian_fields
from iceframe.physics.generators._polycrystal import grain_statistics, orientations
from iceframe.physics.generators.voronoi import grains


@GENERATORS.register("dual_phase")
class DualPhase(Generator):
    """Martensite between ferrite grains."""

    title = "Dual-phase steel"
    summary = (
        "Martensite at the boundaries and triple junctions of ferrite grains, "
        "as separate islands or as a connected film, in bands if asked."
    )
    reference = "Tasan et al. 2015, doi:10.1146/annurev-matsci-070214-021103"
    phase_names = ("ferrite", "martensite")
    factors = (
        Factor("volume_fraction", "volume fraction of martensite", 0.25, 0.1, 0.5, 0.0, 1.0),
        Factor(
            "grain_size",
            "diameter of the disc or sphere of mean ferrite grain volume",
            16.0,
            10.0,
            24.0,
            1.0,
            1e4,
            "voxel",
        ),
        Factor("island_size", "size of the martensite islands", 5.0, 3.0, 8.0, 0.5, 1e4, "voxel"),
        Factor(
            "continuity",
            "0: separate islands at triple junctions; 1: an even film along all boundaries",
            0.4,
            0.0,
            1.0,
            0.0,
            1.0,
        ),
        Factor("banding", "strength of martensite bands across y", 0.0, 0.0, 1.0, 0.0, 1.0),
        Factor(
            "band_spacing",
            "distance from band to band; a whole number of bands fits the cell",
            32.0,
            16.0,
            64.0,
            2.0,
            1e4,
            "voxel",
        ),
    )

    def draw(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> Drawn:
        """See :meth:`iceframe.physics.generator.Generator.draw`."""
        ferrite = grains(shape, rngs, {"grain_size": factors["grain_size"]})
        bands, spacing = self._bands(shape, rngs, factors)
        islands = gaussian_fields(shape, rngs, {"length": factors["island_size"] / 2})
        turns = tuple(orientations(rng, c.count, 0.0) for rng, c in zip(rngs, ferrite, strict=True))

        each = (slice(None),) + (None,) * len(shape)
        continuity, size = factors["continuity"][each], factors["island_size"][each]
        gap = np.stack([c.gap for c in ferrite])
        junction = np.hypot(gap, np.stack([c.corner for c in ferrite]))
        distance = continuity * gap + (1 - continuity) * junction
        score = (1 - continuity) * islands - 2 * distance / size + bands
        martensite = cut(score, factors["volume_fraction"])
        measured = {
            "band_spacing": spacing,
            **grain_statistics(ferrite),
            **_connection(martensite, ferrite),
        }
        labels = np.stack([c.label for c in ferrite])
        return Drawn(martensite.astype(np.uint8), measured, labels, turns)

    def _bands(
        self,
        shape: tuple[int, ...],
        rngs: Sequence[np.random.Generator],
        factors: Mapping[str, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Part of the score that stands for the bands, and their true spacing."""
        height = shape[-2]
        number = np.maximum(np.rint(height / factors["band_spacing"]), 1)
        start = np.array([rng.random() for rng in rngs])
        turns = number[:, None] * np.arange(height) / height + start[:, None]
        wave = factors["banding"][:, None] * np.cos(2 * np.pi * turns)
        wave = wave.reshape(len(rngs), *(1,) * (len(shape) - 2), height, 1)
        return wave, height / number


def _connection(martensite: np.ndarray, ferrite: Sequence[Cells]) -> dict[str, np.ndarray]:
    """Covered share of the grain boundaries; number of islands; share of the largest of them."""
    covered, islands, largest = [], [], []
    for mask, cells in zip(martensite, ferrite, strict=True):
        at_boundary = cells.gap <= 0.5
        covered.append(mask[at_boundary].mean() if at_boundary.any() else 0.0)
        pieces = piece_sizes(mask)
        islands.append(len(pieces))
        largest.append(pieces[0] / pieces.sum() if len(pieces) else 0.0)
    return {
        "boundary_coverage": np.array(covered, float),
        "island_count": np.array(islands, float),
        "largest_island_share": np.array(largest, float),
    }

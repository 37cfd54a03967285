"""Two-point cross-correlations: how likely two points lie in two different phases.

For the indicators m_i, m_j of two phases

    S2(i,j)(r) = ½ ⟨ m_i(x) m_j(x + r) + m_j(x) m_i(x + r) ⟩

0 at r = 0, and the product of the volume fractions where nothing is correlated. The two orders are
averaged, so that r and −r give the same; averaged over all directions this is no loss. With the
autocorrelations S2 of ``two_point``, Σ_i S2(i) + 2 Σ_{i<j} S2(i,j) = 1 at every r. As the
probability that both ends lie in either phase is S2(i) + S2(j) + 2 S2(i,j), it follows from the
autocorrelation of the union of the two phases.

At the distances of ``two_point``, averaged over all directions and along each axis, for every pair
of phases; where pixels were not measured, over pairs of measured ones.

Torquato 2002, §2.2, doi:10.1007/978-1-4757-6355-3;
Niezgoda, Fullwood, Kalidindi 2008, doi:10.1016/j.actamat.2008.07.005
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import ClassVar

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.blocks import Block, Tally
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._correlation import PairSums, along, distances, radial
from iceframe.scale.descriptors._segmented import TalliedDescriptor, as_phase


@DESCRIPTORS.register("cross_correlations")
class CrossCorrelations(TalliedDescriptor):
    """Probability that two points lie in two given phases, by the vector between them."""

    name = "cross_correlations"
    title = "Two-point cross-correlations"
    summary = "Probability that two points lie in two different phases, for every pair of phases."
    reference = (
        "Torquato 2002, doi:10.1007/978-1-4757-6355-3; "
        "Niezgoda, Fullwood, Kalidindi 2008, doi:10.1016/j.actamat.2008.07.005"
    )
    default = False
    masked: ClassVar[bool] = True

    def features(self) -> list[Feature]:
        """For each pair of phases the function averaged over directions, and along each axis."""
        steps = distances(self.format.grid, self.format.longest)
        if not steps:
            raise InputError("Images are too small for correlations.", got=self.format.grid)
        names = []
        for i, j in self.pairs():
            names += [f"S2({i},{j})({r} px)" for r in steps]
            names += [f"S2({i},{j})({r} px along {a})" for a, _ in self.directions() for r in steps]
        return [Feature(name, "", "cross_correlations") for name in names]

    def columns(self) -> list[Feature]:
        """The features of one image: those of all its phases together."""
        return self.features()

    def tally(self, number: int) -> Tally:
        """Adds up products over pairs of pixels, of each phase and each union of two."""
        return _UnionTally(self, number)

    def pairs(self) -> list[tuple[int, int]]:
        """Numbers of the phases, each pair once; one phase only makes a pair with none."""
        return list(combinations(range(max(2, len(self.format.levels))), 2))


class _UnionTally(Tally):
    def __init__(self, descriptor: CrossCorrelations, number: int) -> None:
        held = descriptor.format
        self.descriptor, self.fields = descriptor, len(held.fields)
        self.phases = max(2, len(held.levels))
        self.images = number // self.fields
        kinds = self.phases + len(descriptor.pairs())
        self.sums = PairSums(
            self.images * kinds, held.grid, held.periodic, held.longest, mixed=False
        )
        self.halo = self.sums.most

    def add(self, block: Block) -> None:
        def read(
            start: tuple[int, ...], stop: tuple[int, ...]
        ) -> tuple[np.ndarray, np.ndarray | None]:
            fields, valid = block.read(start, stop)
            unions = self._unions(as_phase(fields))
            if valid is None or len(valid) == 1:
                return unions, valid
            return unions, np.repeat(valid[:: self.fields], len(unions) // self.images, axis=0)

        self.sums.add(replace(block, read=read))

    def finish(self) -> np.ndarray:
        products, _, number = self.sums.totals()
        probability = products / np.where(number > 0, number, np.nan)
        by_image = probability.reshape(self.images, -1, *probability.shape[1:])
        single, union = by_image[:, : self.phases], by_image[:, self.phases :]
        axes = [axis for _, axis in self.descriptor.directions()]
        known = self.descriptor.format
        steps = np.array(distances(known.grid, known.longest))
        columns = []
        for k, (i, j) in enumerate(self.descriptor.pairs()):
            cross = (union[:, k] - single[:, i] - single[:, j]) / 2
            columns += [radial(cross), *(along(cross, axis)[:, steps] for axis in axes)]
        return np.column_stack(columns)

    def _unions(self, fields: np.ndarray) -> np.ndarray:
        """Indicators of every phase and of every union of two: ``(images · kinds, *box)``."""
        held = fields.reshape(self.images, self.fields, *fields.shape[1:])
        if self.fields < self.phases:  # of two phases the second one is known
            held = np.concatenate([~held, held], axis=1)
        unions = [held[:, i] | held[:, j] for i, j in self.descriptor.pairs()]
        every = np.concatenate([held, np.stack(unions, axis=1)], axis=1)
        return every.reshape(-1, *fields.shape[1:])

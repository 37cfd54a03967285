"""Clusters: the connected pieces of a phase, and whether one of them spans the image.

Pixels are connected through their faces (4 neighbours in two dimensions, 6 in three), in a periodic
image also across its border. With s the number of pixels of a cluster, over the clusters of an
image of N pixels:

    number density (clusters / N), mean size ⟨s⟩, size-weighted mean Σ s² / Σ s, largest size,
    share of the phase in the largest cluster

A cluster percolates along an axis if it touches both faces of the image that are normal to it; in a
periodic image, if it holds a closed path that winds round that axis (Machta et al. 1996), which no
shift of the image changes. Given along each axis: whether one does (1 or 0), and the share of the
phase in the clusters that do; and the share in those that percolate along any axis.

Clusters that the border of a non-periodic image cuts count at the size inside it. What is connected
through pixels that were not measured is not known, so that a mask is refused. Where the phase
is absent there are 0 clusters, none percolates, and sizes and shares are undefined (NaN); where it
fills the image there is one cluster that percolates along every axis.

Stauffer, Aharony 1994, Introduction to Percolation Theory, doi:10.1201/9781315274386;
Machta, Choi, Lucke, Schweizer, Chayes 1996, doi:10.1103/PhysRevE.54.1332
"""

from __future__ import annotations

import numpy as np

from iceframe.scale.blocks import Block, Tally
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._components import ComponentCounter
from iceframe.scale.descriptors._segmented import TalliedDescriptor, as_phase, quotient


@DESCRIPTORS.register("clusters")
class Clusters(TalliedDescriptor):
    """Number, sizes and percolation of the connected pieces of a phase."""

    name = "clusters"
    title = "Clusters and percolation"
    summary = "Number, sizes and percolation of the connected pieces of a phase."
    reference = (
        "Stauffer, Aharony 1994, doi:10.1201/9781315274386; "
        "Machta et al. 1996, doi:10.1103/PhysRevE.54.1332"
    )
    default = False

    def features(self) -> list[Feature]:
        """Number, sizes, percolation along each axis."""
        size = self.volume_unit()
        axes = [a for a, _ in self.directions()]
        found = [
            ("number density of clusters", f"1/{size}"),
            ("mean cluster size", size),
            ("size-weighted mean cluster size", size),
            ("largest cluster size", size),
            ("share of the phase in the largest cluster", ""),
            *((f"percolates along {a}", "") for a in axes),
            *((f"share of the phase that percolates along {a}", "") for a in axes),
            ("share of the phase that percolates", ""),
        ]
        return [Feature(name, unit, "clusters") for name, unit in found]

    def tally(self, number: int) -> Tally:
        """Labels blocks, and joins labels that meet."""
        return _ClusterTally(self, number)


class _ClusterTally(Tally):
    def __init__(self, descriptor: Clusters, number: int) -> None:
        grid, self.number = descriptor.format.grid, number
        self.volume = float(np.prod(grid))
        self.axes = [axis for _, axis in descriptor.directions()]
        self.counter = ComponentCounter(number, grid, descriptor.format.periodic)

    def add(self, block: Block) -> None:
        self.counter.add(block.start, as_phase(block.core().fields))

    def finish(self) -> np.ndarray:
        found, b = self.counter.finish(), self.number
        size = found.size.astype(np.float64)
        number = np.bincount(found.sample, minlength=b).astype(np.float64)
        pixels = np.bincount(found.sample, size, b)
        largest = np.zeros(b)
        np.maximum.at(largest, found.sample, size)
        largest[number == 0] = np.nan
        spanning = [found.spans[:, axis] for axis in self.axes]
        in_spanning = [
            np.bincount(found.sample, size * spans, b)
            for spans in (*spanning, found.spans.any(axis=1))
        ]
        return np.column_stack(
            [
                number / self.volume,
                quotient(pixels, number),
                quotient(np.bincount(found.sample, size**2, b), pixels),
                largest,
                quotient(largest, pixels),
                *((held > 0).astype(float) for held in in_spanning[:-1]),
                *(quotient(held, pixels) for held in in_spanning),
            ]
        )

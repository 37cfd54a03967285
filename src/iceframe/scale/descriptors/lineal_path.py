"""Lineal-path function: how far one can go straight without leaving a phase.

L(r) is the probability that a segment of length r, from one pixel centre to another along an axis,
lies wholly in the phase, that is that all r + 1 pixels on it do. L(0) = f, the volume fraction;
L(1) = S2(1); L(r) ≤ S2(r), and L never rises. With H(ℓ) the number of runs of ℓ pixels,

    L(r) = Σ_ℓ H(ℓ) max(ℓ − r, 0) / N(r)

where N(r) is the number of segments in the image: lines × (n − r), or lines × n in a periodic
image, in which a line wholly in the phase holds n segments of every length. Where pixels were not
measured, only segments that lie wholly on measured ones count, in L as in N; where there is none,
L is undefined (NaN).

At distances of 1, 2, 3, 4, 6, 8, 12, … pixels up to half the shortest side, as for two-point
statistics, along each axis and averaged over the axes. A phase that is not there has L = 0, one
that fills the image L = 1; nothing is undefined there.

For overlapping discs or spheres of radius R at number density ρ, the space between them has
L(r) = exp(−ρ v(r)), v = πR² + 2Rr in two dimensions and 4πR³/3 + πR²r in three.

Lu, Torquato 1992, doi:10.1103/PhysRevA.45.922; Torquato 2002, §2.4 and §5.1,
doi:10.1007/978-1-4757-6355-3
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.blocks import Block, Tally
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._correlation import distances
from iceframe.scale.descriptors._runs import RunCounter, Runs
from iceframe.scale.descriptors._segmented import TalliedDescriptor, as_phase, quotient


@DESCRIPTORS.register("lineal_path")
class LinealPath(TalliedDescriptor):
    """Probability that a straight segment lies wholly in the phase, by its length."""

    name = "lineal_path"
    title = "Lineal-path function"
    summary = "Probability that a segment of a given length lies wholly in the phase."
    reference = "Lu, Torquato 1992, doi:10.1103/PhysRevA.45.922"
    default = False
    masked: ClassVar[bool] = True

    def features(self) -> list[Feature]:
        """The function averaged over the axes, from length 0 on, and along each axis."""
        steps = distances(self.format.grid)
        if not steps:
            raise InputError("Images are too small for a lineal path.", got=self.format.grid)
        names = [f"L({r} px)" for r in (0, *steps)]
        names += [f"L({r} px along {a})" for a, _ in self.directions() for r in steps]
        return [Feature(name, "", "lineal_path") for name in names]

    def tally(self, number: int) -> Tally:
        """Counts the runs of the phase along each axis, and those of measured pixels."""
        return _SegmentTally(self, number)


class _SegmentTally(Tally):
    def __init__(self, descriptor: LinealPath, number: int) -> None:
        self.number, self.format = number, descriptor.format
        axes = [axis for _, axis in descriptor.directions()]
        self.phase, self.valid = self._counters(axes), self._counters(axes)
        self.gaps = False

    def _counters(self, axes: list[int]) -> list[RunCounter]:
        grid, periodic = self.format.grid, self.format.periodic
        return [RunCounter(self.number, grid, axis, periodic) for axis in axes]

    def add(self, block: Block) -> None:
        fields, valid, _ = block.core()
        phase = as_phase(fields)
        for counter in self.phase:
            counter.add(block.start, phase, valid)
        if valid is not None:
            self.gaps = True
            for counter in self.valid:
                counter.add(block.start, np.broadcast_to(valid, phase.shape))

    def finish(self) -> np.ndarray:
        steps = np.array((0, *distances(self.format.grid)))
        curves = []
        for phase, valid in zip(self.phase, self.valid, strict=True):
            room = valid.finish() if self.gaps else None
            curves.append(lineal_path(phase.finish(), steps, room))
        return np.column_stack([np.mean(curves, axis=0), *(curve[:, 1:] for curve in curves)])


def lineal_path(found: Runs, lengths: np.ndarray, room: Runs | None = None) -> np.ndarray:
    """L ``(b, len(lengths))`` along one axis; ``lengths`` in pixels, each less than ``found.n``.

    ``room``: the runs of measured pixels; all are, where it is not given.

    Examples
    --------
    >>> from iceframe.scale.descriptors._runs import runs
    >>> line = np.array([[True, True, True, False, False, True, False, False]])
    >>> lineal_path(runs(line, 0, periodic=True), np.array([0, 1, 2, 3])).tolist()
    [[0.5, 0.25, 0.125, 0.0]]
    """
    return quotient(_segments(found, lengths), _segments(room or found.filled(), lengths))


def _segments(found: Runs, lengths: np.ndarray) -> np.ndarray:
    """How many segments of each length the runs hold."""
    in_run = np.maximum(np.arange(found.n + 1)[:, None] - lengths, 0).astype(np.float64)
    if found.periodic:
        in_run[-1] = found.n  # endless
    return (found.whole + found.open) @ in_run

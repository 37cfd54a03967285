"""Chord lengths: how long the pieces are that straight lines along the axes cut from a phase.

A chord is an unbroken row of ℓ pixels of the phase with another phase at both ends. Along each
axis, over all chords of all lines, with H(ℓ) the number of chords of length ℓ:

    mean Σ H ℓ / Σ H, standard deviation, median, 90th percentile,
    volume-weighted mean Σ H ℓ² / Σ H ℓ (the chord that a random point of the phase lies on)

and, over all axes together, the share of chords of 1, 2–3, 4–7, … pixels. A percentile is the least
length that this share of the chords does not exceed.

Only chords with both ends in sight are measured. Rows that the border of the image cuts are left
out, as their length is not known; so are those that go round a periodic image without an end. The
feature ``open share`` is the share of the phase's pixels that lies on such rows. As a long chord is
cut more often than a short one, the lengths are biased low where they come near the size of a
non-periodic image; the lineal path is not. Pixels that were not measured cut rows as the border
does. Where the phase is absent everything is undefined (NaN),
and where it has no whole chord along an axis (stripes, an image of one phase) the lengths along it
are; the open share is then 1.

For overlapping discs or spheres of radius R at number density ρ, chords of the space between them
are exponential, with mean 1/(2Rρ) in two dimensions and 1/(πR²ρ) in three; in whole pixels they
are geometric, p(ℓ) = (1 − q) q^(ℓ−1) with q = exp(−2Rρ) or exp(−πR²ρ).

Torquato, Lu 1993, doi:10.1103/PhysRevE.47.2950; Torquato 2002, §2.5, doi:10.1007/978-1-4757-6355-3
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from iceframe.scale.blocks import Block, Tally
from iceframe.scale.descriptor import DESCRIPTORS, Feature
from iceframe.scale.descriptors._runs import RunCounter, Runs
from iceframe.scale.descriptors._segmented import TalliedDescriptor, as_phase, quotient

_ALONG = (
    ("mean chord length", "px"),
    ("standard deviation of chord length", "px"),
    ("volume-weighted mean chord length", "px"),
    ("chord length, 50th percentile,", "px"),
    ("chord length, 90th percentile,", "px"),
    ("open share", ""),
)


@DESCRIPTORS.register("chord_length")
class ChordLength(TalliedDescriptor):
    """Distribution of the lengths of the chords of a phase along each axis."""

    name = "chord_length"
    title = "Chord lengths"
    summary = "Mean, spread and distribution of the straight pieces of a phase, by axis."
    reference = "Torquato, Lu 1993, doi:10.1103/PhysRevE.47.2950"
    default = False
    masked: ClassVar[bool] = True

    def features(self) -> list[Feature]:
        """Six features an axis, and the shares of the octaves of length."""
        found = [(f"{name} along {a}", unit) for a, _ in self.directions() for name, unit in _ALONG]
        found += [(f"share of chords of {label} px", "") for label in self._bins()]
        return [Feature(name, unit, "chord_length") for name, unit in found]

    def tally(self, number: int) -> Tally:
        """Counts the runs of the phase along each axis."""
        axes = [axis for _, axis in self.directions()]
        grid, periodic = self.format.grid, self.format.periodic
        counters = [RunCounter(number, grid, axis, periodic) for axis in axes]
        return _ChordTally(counters, len(self._bins()))

    def _bins(self) -> list[str]:
        """Octaves of length in words; the last one starts at or below half the shortest side."""
        last = max(0, int(np.log2(max(1, min(self.format.grid) // 2))))
        spans = [f"{2**k}–{2 ** (k + 1) - 1}" if k else "1" for k in range(last)]
        return [*spans, f"{2**last} or more"]


class _ChordTally(Tally):
    def __init__(self, counters: list[RunCounter], bins: int) -> None:
        self.counters, self.bins = counters, bins

    def add(self, block: Block) -> None:
        fields, valid, _ = block.core()
        for counter in self.counters:
            counter.add(block.start, as_phase(fields), valid)

    def finish(self) -> np.ndarray:
        columns, octaves = [], np.zeros((self.counters[0].b, self.bins))
        for counter in self.counters:
            found = counter.finish()
            columns += chord_statistics(found)
            # Position of the octave of each length: 1 -> 0; 2, 3 -> 1; 4 … 7 -> 2; …
            octave = np.log2(np.maximum(np.arange(found.n + 1), 1) + 0.5).astype(int)
            in_bin = np.minimum(octave, self.bins - 1)[:, None] == np.arange(self.bins)
            octaves += found.whole @ in_bin
        return np.column_stack([*columns, quotient(octaves, octaves.sum(axis=1, keepdims=True))])


def chord_statistics(found: Runs) -> list[np.ndarray]:
    """The six features of one axis, ``(b,)`` each.

    Examples
    --------
    Chords of 1 and 3 pixels, and two more pixels on a row that the border cuts:

    >>> from iceframe.scale.descriptors._runs import runs
    >>> line = np.array([[True, True, False, True, False, True, True, True, False]])
    >>> [round(float(v[0]), 3) for v in chord_statistics(runs(line, 0, periodic=False))]
    [2.0, 1.0, 2.5, 1.0, 3.0, 0.333]
    """
    length = np.arange(found.n + 1.0)
    whole = found.whole.astype(np.float64)
    number, pixels, squares = whole.sum(axis=1), whole @ length, whole @ length**2
    mean = quotient(pixels, number)
    # Centred, so that equal lengths give exactly 0.
    variance = quotient((whole * (length - np.nan_to_num(mean)[:, None]) ** 2).sum(axis=1), number)
    left_out = found.open @ length
    return [
        mean,
        np.sqrt(variance),
        quotient(squares, pixels),
        percentile(whole, 50),
        percentile(whole, 90),
        quotient(left_out, left_out + pixels),
    ]


def percentile(counts: np.ndarray, percent: int) -> np.ndarray:
    """Least value whose cumulative count reaches ``percent`` of the total, NaN where there is none.

    ``counts`` ``(b, m)`` of the values 0 … m − 1 -> ``(b,)``.

    Examples
    --------
    >>> percentile(np.array([[0, 3, 0, 1], [0, 0, 0, 0]]), 90).tolist()
    [3.0, nan]
    """
    total = counts.sum(axis=1)
    reached = 100 * np.cumsum(counts, axis=1) >= percent * total[:, None]
    return np.where(total > 0, reached.argmax(axis=1), np.nan)

"""Two-point statistics: how alike two points are, by the vector between them.

Segmented images, for the indicator m of a phase: S2(r) = ⟨m(x) m(x + r)⟩, the probability that both
ends of r lie in the phase; S2(0) = f, the volume fraction; S2 -> f² where nothing is correlated.
Grey images: the normalised autocovariance ρ(r) = ⟨(g(x) − ḡ)(g(x + r) − ḡ)⟩ / var(g), ρ(0) = 1.

Each is averaged over all directions, and taken along each axis, at distances of 1, 2, 3, 4, 6, 8,
12, … pixels up to half the shortest side, in a volume larger than memory up to a given distance
(see ``_correlation.distances``). Where pixels were not measured, only pairs of measured ones count,
and the mean ḡ and the variance are of those; S2 stays unbiased where the gaps do not depend on the
structure.

Torquato 2002, Random Heterogeneous Materials, §2.2, doi:10.1007/978-1-4757-6355-3;
by FFT: Cecen, Fast, Kalidindi 2016, doi:10.1186/s40192-015-0044-x
"""

from __future__ import annotations

from itertools import combinations
from typing import ClassVar

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.blocks import Block, Tally
from iceframe.scale.descriptor import DESCRIPTORS, Feature, ImageDescriptor
from iceframe.scale.descriptors._correlation import (
    PairSums,
    along,
    autocorrelation,
    decay_length,
    distances,
    radial,
)


@DESCRIPTORS.register("two_point")
class TwoPoint(ImageDescriptor):
    """Two-point probability of a phase, or autocovariance of the grey levels, and what follows.

    The block ``two_point`` holds the function itself. The block ``morphology`` holds the few
    numbers that a person reads off it: volume fraction, interface density along each axis
    (boundaries per pixel, 2 (S2(0) − S2(1))), the correlation length along each axis (where the
    normalised autocovariance falls to 1/e; half the shortest side where it does not), and the
    anisotropy, the logarithm of the ratio of two correlation lengths.
    """

    name = "two_point"
    title = "Two-point statistics"
    summary = "Probability that two points lie in one phase, or autocovariance of grey levels."
    reference = (
        "Torquato 2002, doi:10.1007/978-1-4757-6355-3; "
        "Cecen, Fast, Kalidindi 2016, doi:10.1186/s40192-015-0044-x"
    )

    by_blocks: ClassVar[bool] = True
    masked: ClassVar[bool] = True

    def features(self) -> list[Feature]:
        """Morphology, then the function averaged over directions and along each axis."""
        steps, axes = self._distances(), self._axes()
        if not steps:
            raise InputError("Images are too small for two-point statistics.", got=self.format.grid)
        segmented = bool(self.format.levels)
        found: list[tuple[str, str]] = []
        if segmented:
            found += [("volume fraction", "")]
            found += [(f"interface density along {a}", "1/px") for a in axes]
        found += [(f"correlation length along {a}", "px") for a in axes]
        found += [(f"anisotropy {a}/{b}", "") for a, b in combinations(axes, 2)]
        symbol = "S2" if segmented else "autocovariance"
        curve = [f"{symbol}({r} px)" for r in steps]
        curve += [f"{symbol}({r} px along {a})" for a in axes for r in steps]
        return [Feature(n, u, "morphology") for n, u in found] + [
            Feature(n, "", "two_point") for n in curve
        ]

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, d)``; NaN for what a constant image does not have."""
        values = fields.astype(np.float64)
        spatial = tuple(range(1, values.ndim))
        mean = values.mean(axis=spatial)
        centred = values - mean.reshape(-1, *[1] * len(spatial))
        variance = (centred**2).mean(axis=spatial)
        variance[np.ptp(values, axis=spatial) == 0] = np.nan
        covariance = autocorrelation(centred, self.format.periodic, self.format.longest)
        both = covariance
        if self.format.levels:
            both = autocorrelation(values, self.format.periodic, self.format.longest)
        return self.columns_of(mean, variance, covariance, both)

    def tally(self, number: int) -> Tally:
        """Adds up products over pairs of pixels."""
        return _PairTally(self, number)

    def columns_of(
        self, mean: np.ndarray, variance: np.ndarray, covariance: np.ndarray, both: np.ndarray
    ) -> np.ndarray:
        """The features, of mean and variance ``(b,)`` and ⟨(m − ⟨m⟩)(m' − ⟨m⟩)⟩, ⟨m m'⟩ by lag."""
        normalised = covariance / variance.reshape(-1, *[1] * (covariance.ndim - 1))
        lengths = [decay_length(profile) for profile in self._profiles(normalised)]
        anisotropy = [np.log(a / b) for a, b in combinations(lengths, 2)]
        if not self.format.levels:
            return np.column_stack([*lengths, *anisotropy, *self._curve(normalised)])
        interface = [2 * (p[:, 0] - p[:, 1]) for p in self._profiles(both)]
        return np.column_stack([mean, *interface, *lengths, *anisotropy, *self._curve(both)])

    def _axes(self) -> tuple[str, ...]:
        """Names of the axes, x first; the last axis of the grid is x."""
        return ("x", "y", "z")[: len(self.format.grid)]

    def _profiles(self, correlation: np.ndarray) -> list[np.ndarray]:
        """Values at lags 0, 1, … along x, y(, z): ``(b, m + 1)`` each."""
        return [along(correlation, axis) for axis in reversed(range(correlation.ndim - 1))]

    def _curve(self, correlation: np.ndarray) -> list[np.ndarray]:
        steps = np.array(self._distances())
        return [radial(correlation), *(p[:, steps] for p in self._profiles(correlation))]

    def _distances(self) -> tuple[int, ...]:
        return distances(self.format.grid, self.format.longest)


class _PairTally(Tally):
    def __init__(self, descriptor: TwoPoint, number: int) -> None:
        self.descriptor, held = descriptor, descriptor.format
        self.pairs = PairSums(number, held.grid, held.periodic, held.longest)
        self.halo = self.pairs.most
        self.lowest, self.highest = np.full(number, np.inf), np.full(number, -np.inf)

    def add(self, block: Block) -> None:
        self.pairs.add(block)
        fields, valid, _ = block.core()
        within = tuple(range(1, fields.ndim))
        known = True if valid is None else valid
        low = np.min(fields, axis=within, initial=np.inf, where=known)
        high = np.max(fields, axis=within, initial=-np.inf, where=known)
        self.halo = self.pairs.most
        self.lowest, self.highest = np.minimum(self.lowest, low), np.maximum(self.highest, high)

    def finish(self) -> np.ndarray:
        products, mixed, number = self.pairs.totals()
        centre = (slice(None), *[self.pairs.most] * (number.ndim - 1))
        number = np.where(number > 0, number, np.nan)
        both, mixed = products / number, mixed / number
        mean = mixed[centre] / 2
        by_lag = mean.reshape(-1, *[1] * (number.ndim - 1))
        covariance = both - by_lag * mixed + by_lag**2
        variance = np.where(self.lowest < self.highest, covariance[centre], np.nan)
        return self.descriptor.columns_of(mean, variance, covariance, both)

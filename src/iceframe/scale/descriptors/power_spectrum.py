"""At which wavelengths an image varies: the power spectrum, averaged over directions.

    P(k) = |F[w (g − ḡ)]|²
    feature_j = log10( mean of P over the band j / mean of P over all k ≠ 0 )

w is a Hann window (one where the image is periodic) and ḡ the mean under it; the bands are half an
octave of wavelength wide, from 2 pixels to half the shortest side. White noise gives 0 in every
band; the values do not depend on brightness or contrast. A band without power counts as 10⁻⁹ of
the mean.

Torquato 2002, §2.2.5 (spectral density), doi:10.1007/978-1-4757-6355-3;
Field 1987 (images), doi:10.1364/JOSAA.4.002379
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import ClassVar

import numpy as np
import scipy.fft
from scipy import sparse

from iceframe.core.errors import InputError
from iceframe.scale.descriptor import DESCRIPTORS, Feature, ImageDescriptor

LEAST_POWER = 1e-9
"""Least power of a band relative to the mean: about the rounding of a float32 image."""


@DESCRIPTORS.register("power_spectrum")
class PowerSpectrum(ImageDescriptor):
    """Share of the variation at each wavelength, on a logarithmic scale.

    For segmented images it holds what two-point statistics hold, so that it is a default for
    others only.
    """

    name = "power_spectrum"
    title = "Radial power spectrum"
    summary = "Variation by wavelength, relative to white noise, in half octaves."
    reference = (
        "Torquato 2002, §2.2.5, doi:10.1007/978-1-4757-6355-3; "
        "Field 1987, doi:10.1364/JOSAA.4.002379"
    )
    default_kinds: ClassVar[tuple[str, ...]] = ("grey", "multichannel", "orientation")

    def features(self) -> list[Feature]:
        """One feature a band of wavelengths."""
        edges = bands(self.format.grid)
        if len(edges) < 2:
            raise InputError("Images are too small for a power spectrum.", got=self.format.grid)
        return [
            Feature(f"log power at {1 / high:.3g}–{1 / low:.3g} px", "", "power_spectrum")
            for low, high in pairwise(edges)
        ]

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, bands)``; NaN for a constant image."""
        values = fields.astype(np.float64)
        axes = tuple(range(1, values.ndim))
        constant = np.ptp(values, axis=axes) == 0
        window = self._window()
        values -= (values * window).mean(axis=axes, keepdims=True) / window.mean()
        values *= window
        spectrum = scipy.fft.rfftn(values, axes=axes)
        power = (spectrum.real**2 + spectrum.imag**2).reshape(len(values), -1)
        in_bands, everywhere = _averages(self.format.grid)
        total = power @ everywhere
        total[constant] = np.nan
        relative = (in_bands @ power.T).T / total[:, None]
        return np.log10(np.maximum(relative, LEAST_POWER))

    def _window(self) -> np.ndarray:
        """Hann window on the grid, the same from both sides; one where the image is periodic."""
        window = np.ones(self.format.grid)
        if not self.format.periodic:
            for axis, n in enumerate(self.format.grid):
                profile = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2
                window *= profile.reshape([-1 if a == axis else 1 for a in range(window.ndim)])
        return window


def bands(grid: tuple[int, ...]) -> tuple[float, ...]:
    """Edges of the bands in cycles per pixel, lowest first, half an octave apart.

    Examples
    --------
    >>> [round(1 / edge, 2) for edge in bands((16, 16))]
    [8.0, 5.66, 4.0, 2.83, 2.0]
    """
    octaves = np.log2(min(grid) / 4) if min(grid) >= 4 else 0
    count = int(np.floor(2 * octaves + 1e-9))
    return tuple(0.5 * 2 ** (-k / 2) for k in range(count, -1, -1))


@lru_cache(maxsize=8)
def _averages(grid: tuple[int, ...]) -> tuple[sparse.csr_array, np.ndarray]:
    """Weights that average the half spectrum over each band, and over all of it but k = 0."""
    axes = [scipy.fft.fftfreq(n) for n in grid[:-1]] + [scipy.fft.rfftfreq(grid[-1])]
    frequency = np.sqrt(sum(f**2 for f in np.meshgrid(*axes, indexing="ij"))).ravel()
    # The half spectrum leaves out the conjugates of all columns but the first and, where the
    # number of columns of the image is even, the last.
    twice = np.full(len(axes[-1]), 2.0)
    twice[0] = 1
    if grid[-1] % 2 == 0:
        twice[-1] = 1
    count = np.broadcast_to(twice, tuple(map(len, axes))).ravel() * (frequency > 0)
    edges = bands(grid)
    rows = []
    for low, high in pairwise(edges):
        last = high == edges[-1]
        inside = (
            count * (frequency >= low - 1e-12) * (frequency < high + (1e-12 if last else -1e-12))
        )
        rows.append(inside / inside.sum())
    return sparse.csr_array(np.array(rows)), count / count.sum()

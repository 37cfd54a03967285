"""Gabor filters: how strong waves of each wavelength and direction are in a grey image.

In Fourier space a Gabor filter is a Gaussian around a frequency f in the direction θ:

    ĥ(u, v) = 2 exp( −(u' − f)² / 2σᵤ² − v'² / 2σᵥ² ),  u' along θ, v' across it
    f = 0.4, 0.2, 0.1, 0.05 cycles per pixel,  θ = 0, 30, …, 150 degrees from x towards y
    σᵤ = f / (3 √(2 ln 2)),  σᵥ = tan(π / 12) √(f² / (2 ln 2) − σᵤ²)

so that neighbours in f (an octave apart) and in θ meet at half of their height. The response
r = g ∗ h is complex, and |r| is the local amplitude of such waves: A for a wave A cos(2π f x).
With s the standard deviation of the image, the features are, for each filter,

    ⟨|r|⟩ / s,  sd(|r|) / s

and, for each wavelength, the means m of both over θ, which do not change when the image is turned
by a multiple of 30 degrees (other angles: nearly), and the directionality
|Σ ⟨|r|⟩ exp(2iθ)| / Σ ⟨|r|⟩: 0 for no direction.

None depends on brightness or contrast; a constant image has none (NaN). Wavelengths above half the
shortest side are left out. An image that is not periodic is continued by its mirror image, and
pixels nearer to its border than the length 1 / 2πσᵤ of a filter are left out. Volumes: mean over
all planes along the three axes.

Manjunath, Ma 1996, doi:10.1109/34.531803
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
import scipy.fft

from iceframe.core.errors import InputError
from iceframe.scale.descriptor import DESCRIPTORS, Feature, ImageDescriptor
from iceframe.scale.descriptors._wavelets import (
    PIXELS_AT_ONCE,
    Frame,
    folded,
    frequencies,
    halvings,
)

FREQUENCIES = (0.4, 0.2, 0.1, 0.05)
"""Centres of the filters in cycles per pixel, from 0.4 to 0.05 (Manjunath and Ma 1996, §3)."""

DIRECTIONS = 6
"""Number of directions over half a turn (Manjunath and Ma 1996, §3)."""

MARGIN = 16
"""Mirrored pixels at a border; with the 11 that are left out, 2.4 lengths of the longest filter."""

LEAST_SIDE = 8


@DESCRIPTORS.register("gabor")
class Gabor(ImageDescriptor):
    """Mean and spread of the amplitude of waves at four wavelengths and six directions."""

    name = "gabor"
    title = "Gabor filters"
    summary = "Amplitude of waves by wavelength and direction, and what rotation leaves of it."
    reference = "Manjunath, Ma 1996, doi:10.1109/34.531803"
    default = False
    default_kinds: ClassVar[tuple[str, ...]] = ("grey", "multichannel")

    def features(self) -> list[Feature]:
        """Two a filter, three a wavelength.

        Raises
        ------
        InputError : a side of less than 8 pixels.
        """
        if not self._frequencies() or min(self.format.grid) < LEAST_SIDE:
            raise InputError(
                "Images are too small for Gabor filters.",
                got=" × ".join(map(str, self.format.grid)),
                allowed=f"at least {LEAST_SIDE} pixels along each side",
            )
        found = []
        for f in self._frequencies():
            at = f"at {1 / f:g} px"
            found += [f"Gabor mean {at}, {180 * k // DIRECTIONS}°" for k in range(DIRECTIONS)]
            found += [f"Gabor spread {at}, {180 * k // DIRECTIONS}°" for k in range(DIRECTIONS)]
            found += [f"Gabor mean {at}", f"Gabor spread {at}", f"Gabor directionality {at}"]
        return [Feature(name, "", "gabor") for name in found]

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, 15 · wavelengths)``; NaN for a constant image."""
        axes = tuple(range(1, fields.ndim))
        spread = np.std(fields, axis=axes, keepdims=True, dtype=np.float64)
        spread[np.ptp(fields, axis=axes, keepdims=True) == 0] = np.nan
        centred = fields - fields.mean(axis=axes, keepdims=True, dtype=np.float64)
        scaled = np.nan_to_num(centred / spread).astype(np.float32)
        found = self._of_planes(scaled) if fields.ndim == 3 else self._of_volumes(scaled)
        pooled = []
        turn = np.exp(2j * np.pi * np.arange(DIRECTIONS) / DIRECTIONS)
        for mean, deviation in np.moveaxis(found, 0, 2):  # (b, directions) each
            total = mean.sum(axis=1)
            direction = np.divide(
                np.abs(mean @ turn), total, out=np.zeros_like(total), where=total > 0
            )
            pooled += [mean, deviation, mean.mean(axis=1), deviation.mean(axis=1), direction]
        values = np.column_stack(pooled)
        values[np.isnan(spread.reshape(-1))] = np.nan
        return values

    def _frequencies(self) -> tuple[float, ...]:
        side = min(self.format.grid)
        return tuple(f for f in FREQUENCIES if 1 / f <= side / 2)

    def _of_volumes(self, volumes: np.ndarray) -> np.ndarray:
        total = 0
        for axis in (1, 2, 3):
            planes = np.moveaxis(volumes, axis, 1)
            found = self._of_planes(planes.reshape(-1, *planes.shape[2:]))
            total = total + found.reshape(*planes.shape[:2], *found.shape[1:]).mean(axis=1)
        return np.asarray(total) / 3

    def _of_planes(self, planes: np.ndarray) -> np.ndarray:
        """Mean and spread of the amplitudes: ``(b, wavelengths, 2, directions)``."""
        grid = (planes.shape[1], planes.shape[2])
        wanted = self._frequencies()
        frame = Frame(grid, self.format.periodic, MARGIN, multiple=2 ** (len(FREQUENCIES) - 2))
        step = max(1, PIXELS_AT_ONCE // int(np.prod(frame.size)))
        found = np.empty((len(planes), len(wanted), 2, DIRECTIONS))
        for start in range(0, len(planes), step):
            part = slice(start, start + step)
            spectrum = scipy.fft.fft2(frame.around(planes[part]))
            for scale, f in enumerate(wanted):
                factor = 2 ** min(max(0, scale - 1), halvings(frame.size))
                for k in range(DIRECTIONS):
                    filtered = folded(spectrum * gabor_filter(frame.size, f, k), factor)
                    amplitude = np.abs(scipy.fft.ifft2(filtered))
                    inner = frame.inner(amplitude, factor, filter_length(f))
                    found[part, scale, :, k] = _mean_and_spread(inner)
        return found


def _mean_and_spread(amplitude: np.ndarray) -> np.ndarray:
    flat = amplitude.reshape(len(amplitude), -1)
    mean = flat.mean(axis=1)
    flat = flat - mean[:, None]
    return np.column_stack([mean, np.sqrt(np.einsum("bi,bi->b", flat, flat) / flat.shape[1])])


def filter_length(f: float) -> float:
    """1 / 2πσᵤ, the standard deviation in pixels of the filter along its wave.

    Examples
    --------
    >>> round(filter_length(0.05), 1)
    11.2
    """
    return float(3 * np.sqrt(2 * np.log(2)) / (2 * np.pi * f))


@lru_cache(maxsize=96)
def gabor_filter(grid: tuple[int, int], f: float, direction: int) -> np.ndarray:
    """ĥ of centre frequency ``f`` and direction 180° · ``direction`` / 6: float32 ``(h, w)``.

    Examples
    --------
    >>> round(float(gabor_filter((20, 20), 0.1, 0)[0, 2]), 6)    # at 2 / 20 cycles per pixel
    2.0
    """
    v, u = frequencies(grid)
    angle = np.pi * direction / DIRECTIONS
    along = u * np.cos(angle) + v * np.sin(angle)
    across = v * np.cos(angle) - u * np.sin(angle)
    width = 1 / (2 * np.pi * filter_length(f))
    height = np.tan(np.pi / (2 * DIRECTIONS)) * np.sqrt(f**2 / (2 * np.log(2)) - width**2)
    exponent = ((along - f) / width) ** 2 + (across / height) ** 2
    return np.asarray(2 * np.exp(-exponent / 2), np.float32)

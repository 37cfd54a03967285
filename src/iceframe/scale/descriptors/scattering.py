"""Wavelet scattering: how strong waves are, and how their strength itself varies over the image.

With Morlet wavelets ψ of scale j and direction θ, ∗ a convolution and ⟨·⟩ the mean over the image:

    S₁(j, θ) = ⟨|g ∗ ψ_jθ|⟩ / s,  s the standard deviation of the image
    S₂(j, θ, j', θ') = ⟨| |g ∗ ψ_jθ| ∗ ψ_j'θ' |⟩ / ⟨|g ∗ ψ_jθ|⟩,  j' > j

for scales j = 0 … 3 and 4 directions θ = 0, 45, 90, 135 degrees from x towards y. S₁ holds what a
power spectrum holds; S₂ tells sparse from dense and clustered from even, which no second moment of
the image does. Neither depends on brightness or contrast, and small deformations change both little
(Mallat 2012, theorem 2.12). In Fourier space, with ω in radians per pixel,

    ψ̂(ω) = G(ω − ξ) − κ G(ω),  G(ω) = exp(−σ² |ω|² / 2),  σ = 0.8 · 2ʲ, |ξ| = (3π/4) / 2ʲ

summed over its periods of 2π, and κ such that ψ̂(0) = 0. Centre wavelengths: 2.67 px · 2ʲ.

A constant image has no features (NaN); a ratio whose divisor is 0 is NaN. Scales whose wavelength
is above half the shortest side are left out. An image that is not periodic is continued by its
mirror image, and pixels nearer to its border than σ of the last wavelet are left out.

Mallat 2012, doi:10.1002/cpa.21413; Bruna, Mallat 2013, doi:10.1109/TPAMI.2012.230 (normalised
second order: §2.3; widths of the wavelets: those of ScatNet and Kymatio)
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import ClassVar

import numpy as np
import scipy.fft

from iceframe.core.errors import InputError
from iceframe.scale.descriptor import DESCRIPTORS, Feature, ImageDescriptor
from iceframe.scale.descriptors._segmented import quotient
from iceframe.scale.descriptors._wavelets import (
    PIXELS_AT_ONCE,
    Frame,
    folded,
    frequencies,
    halvings,
)

SCALES = 4
DIRECTIONS = 4
WIDTH = 0.8
"""Standard deviation of the finest wavelet in pixels."""

CENTRE = 3 * np.pi / 4
"""Frequency of the finest wavelet in radians per pixel."""

PERIODS = 2
"""Periods of 2π added at each side; beyond, the finest Gaussian is below 10⁻¹⁵."""


@DESCRIPTORS.register("scattering")
class Scattering(ImageDescriptor):
    """First and second order of a wavelet scattering transform, averaged over the image."""

    name = "scattering"
    title = "Wavelet scattering"
    summary = "Strength of waves by wavelength and direction, and how that strength varies."
    reference = "Mallat 2012, doi:10.1002/cpa.21413; Bruna, Mallat 2013, doi:10.1109/TPAMI.2012.230"
    default = False
    default_kinds: ClassVar[tuple[str, ...]] = ("grey", "multichannel")

    def features(self) -> list[Feature]:
        """One a wavelet, and one a pair of wavelets of which the second is the coarser.

        Raises
        ------
        InputError : a volume, or a side of less than 6 pixels.
        """
        if len(self.format.grid) != 2 or not self._scales():
            raise InputError(
                "These images are none for wavelet scattering.",
                got=" × ".join(map(str, self.format.grid)),
                allowed="two dimensions, at least 6 pixels along each",
            )
        found = [f"scattering {_label(*w)}" for w in wavelets(self._scales())]
        found += [f"scattering {_label(*a)} then {_label(*b)}" for a, b in paths(self._scales())]
        return [Feature(name, "", "scattering") for name in found]

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, h, w)`` -> ``(b, d)``; NaN for a constant image."""
        spread = np.std(fields, axis=(1, 2), dtype=np.float64)
        spread[np.ptp(fields, axis=(1, 2)) == 0] = np.nan
        first, second = scattering(fields, self._scales(), self.format.periodic)
        ahead = [a[0] * DIRECTIONS + a[1] for a, _ in paths(self._scales())]
        ratio = quotient(second, first[:, ahead])
        values = np.hstack([first / spread[:, None], ratio])
        values[np.isnan(spread)] = np.nan
        return values

    def _scales(self) -> int:
        side = min(self.format.grid)
        return sum(2 * np.pi / CENTRE * 2**j <= side / 2 for j in range(SCALES))


def wavelets(scales: int) -> list[tuple[int, int]]:
    """Scale and direction of every wavelet, the finest first."""
    return list(product(range(scales), range(DIRECTIONS)))


def paths(scales: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The pairs of wavelets of the second order."""
    every = wavelets(scales)
    return [(a, b) for a in every for b in every if b[0] > a[0]]


def scattering(images: np.ndarray, scales: int, periodic: bool) -> tuple[np.ndarray, np.ndarray]:
    """⟨|g ∗ ψ|⟩ and ⟨||g ∗ ψ| ∗ ψ'|⟩, neither divided: ``(b, wavelets)``, ``(b, paths)``.

    ``images`` ``(b, h, w)``. After a wavelet of scale j, every 2^(j−1)-th pixel is kept, or more
    where the sides of a periodic image cannot be halved. (Every 2ʲ-th is too few: the second order
    of smooth images is then off by up to a factor of 10 where it is small.)
    """
    frame = Frame(
        (images.shape[1], images.shape[2]), periodic, 2**scales, multiple=2 ** max(0, scales - 2)
    )
    deepest = halvings(frame.size)
    step = max(1, PIXELS_AT_ONCE // int(np.prod(frame.size)))
    first = np.empty((len(images), scales * DIRECTIONS))
    second = np.empty((len(images), len(paths(scales))))
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        batch = images[part].astype(np.float32)
        batch -= batch.mean(axis=(1, 2), keepdims=True)
        spectrum = scipy.fft.fft2(frame.around(batch))
        path = 0
        for i, (j, k) in enumerate(wavelets(scales)):
            kept = min(max(0, j - 1), deepest)
            strength = _modulus(spectrum, frame.size, (j, k), 0, kept)
            first[part, i] = _mean(frame.inner(strength, 2**kept, WIDTH * 2**j))
            if j == scales - 1:
                continue
            inner = scipy.fft.fft2(strength)
            for wavelet in wavelets(scales)[(j + 1) * DIRECTIONS :]:
                coarser = min(wavelet[0] - 1, deepest)
                varying = _modulus(inner, frame.size, wavelet, kept, coarser)
                inside = frame.inner(varying, 2**coarser, WIDTH * 2 ** wavelet[0])
                second[part, path] = _mean(inside)
                path += 1
    return first, second


def _mean(values: np.ndarray) -> np.ndarray:
    return np.asarray(values.mean(axis=(1, 2), dtype=np.float64))


def _modulus(
    spectrum: np.ndarray, grid: tuple[int, ...], wavelet: tuple[int, int], at: int, to: int
) -> np.ndarray:
    """|x ∗ ψ| at every 2^to-th pixel, from the spectrum of x at every 2^at-th one."""
    product_ = spectrum * _sampled(grid, *wavelet, at)
    return np.abs(scipy.fft.ifft2(folded(product_, 2 ** (to - at))))


@lru_cache(maxsize=128)
def _sampled(grid: tuple[int, ...], j: int, k: int, at: int) -> np.ndarray:
    """ψ̂ for images of which every 2^at-th pixel is kept: float32."""
    full = morlet((grid[0], grid[1]), j, k)
    return np.asarray(folded(full, 2**at) * 4**at, np.float32)


def morlet(grid: tuple[int, int], j: int, k: int) -> np.ndarray:
    """ψ̂ of scale ``j`` and direction 180° · ``k`` / 4: float64 ``(h, w)``.

    Examples
    --------
    >>> [round(float(morlet((16, 16), 1, 0)[0, i]), 3) + 0.0 for i in (0, 3)]
    [0.0, 0.971]
    """
    y, x = (2 * np.pi * f for f in frequencies(grid))
    angle, centre, width = np.pi * k / DIRECTIONS, CENTRE / 2**j, WIDTH * 2**j
    toward = centre * np.sin(angle), centre * np.cos(angle)
    turns = 2 * np.pi * np.arange(-PERIODS, PERIODS + 1)[:, None, None]

    def gaussian(at: tuple[float, float]) -> np.ndarray:
        rows = np.exp(-((width * (y + turns - at[0])) ** 2) / 2).sum(axis=0)
        columns = np.exp(-((width * (x + turns - at[1])) ** 2) / 2).sum(axis=0)
        return np.asarray(rows * columns)

    wave, envelope = gaussian(toward), gaussian((0.0, 0.0))
    return wave - wave[0, 0] / envelope[0, 0] * envelope


def _label(j: int, k: int) -> str:
    return f"{2 * np.pi / CENTRE * 2**j:.3g} px {180 * k // DIRECTIONS}°"

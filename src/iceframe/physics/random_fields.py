"""Two-phase microstructures: level cuts of periodic Gaussian random fields.

A stationary Gaussian field ``g`` with covariance ``exp(-½ rᵀ Λ⁻¹ r)`` is cut at the level that
gives the wanted volume fraction: ``phase = 1 where g > level``. White noise is filtered in Fourier
space by the square root of the spectral density, ``exp(-¼ ξᵀ Λ ξ)``, so that opposite edges meet.
``Λ = R diag(aℓ², ℓ²/a) Rᵀ``: the anisotropy ``a`` is the ratio of the two correlation lengths,
and their geometric mean is ``ℓ`` whatever ``a`` is.

Reference: Quiblier, J. Colloid Interface Sci. 98 (1984) 84, doi:10.1016/0021-9797(84)90481-8;
Roberts & Teubner, Phys. Rev. E 51 (1995) 4141, doi:10.1103/PhysRevE.51.4141.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from iceframe.core.errors import InputError
from iceframe.core.seeds import generator

REFERENCE = "Roberts & Teubner 1995, doi:10.1103/PhysRevE.51.4141"


def two_phase(
    n: int,
    shape: tuple[int, int],
    *,
    volume_fraction: ArrayLike = 0.5,
    length: ArrayLike = 4.0,
    anisotropy: ArrayLike = 1.0,
    angle: ArrayLike = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """Periodic two-phase images: uint8 ``(n, height, width)``, 1 in the phase that is counted.

    Parameters
    ----------
    n : number of images.
    shape : ``(height, width)`` in pixels.
    volume_fraction : of phase 1, in [0, 1]; met to the nearest pixel.
    length : correlation length ``ℓ`` of the Gaussian field, in pixels, above 0.
    anisotropy : ratio of long to short correlation length, at least 1.
    angle : direction of the long axis in degrees, from x (columns) towards y (rows).
    seed : image ``i`` depends on ``seed`` and ``i`` only, not on ``n``.

    The last four are one number for all images or ``(n,)``, one a sample.

    Raises
    ------
    InputError : for a value outside its range, or an array that is not ``(n,)``.

    Examples
    --------
    >>> images = two_phase(2, (8, 8), volume_fraction=[0.25, 0.5], seed=1)
    >>> images.shape, images.sum(axis=(1, 2)).tolist()
    ((2, 8, 8), [16, 32])
    """
    if n < 0 or len(shape) != 2 or min(shape) < 1:
        raise InputError(
            "The microstructures need a size.", got=(n, shape), allowed="n >= 0 and (height, width)"
        )
    fraction = _per_sample("volume_fraction", volume_fraction, n, 0.0, 1.0)
    scale = _per_sample("length", length, n, np.finfo(float).tiny, np.inf)
    ratio = _per_sample("anisotropy", anisotropy, n, 1.0, np.inf)
    degrees = _per_sample("angle", angle, n, -np.inf, np.inf)

    frequency_y = 2 * np.pi * np.fft.fftfreq(shape[0])[:, None]
    frequency_x = 2 * np.pi * np.fft.rfftfreq(shape[1])[None, :]
    images = np.zeros((n, *shape), np.uint8)
    for i in range(n):
        cosine, sine = np.cos(np.deg2rad(degrees[i])), np.sin(np.deg2rad(degrees[i]))
        along = cosine * frequency_x + sine * frequency_y
        across = cosine * frequency_y - sine * frequency_x
        exponent = scale[i] ** 2 * (ratio[i] * along**2 + across**2 / ratio[i])
        noise = generator(seed, "two_phase", i).standard_normal(shape)
        spectrum = np.fft.rfft2(noise) * np.exp(-0.25 * exponent)
        images[i] = _cut(np.fft.irfft2(spectrum, s=shape), fraction[i])
    return images


def _cut(field: np.ndarray, fraction: float) -> np.ndarray:
    """Phase 1 in the highest pixels, as many as come closest to ``fraction``."""
    count = round(fraction * field.size)
    highest = np.argsort(field, axis=None, kind="stable")[field.size - count :]
    phase = np.zeros(field.size, np.uint8)
    phase[highest] = 1
    return phase.reshape(field.shape)


def _per_sample(name: str, value: ArrayLike, n: int, low: float, high: float) -> np.ndarray:
    """``value`` as float64 ``(n,)``, every entry finite and in [low, high]."""
    array = np.asarray(value, float)
    if array.shape not in ((), (n,)):
        raise InputError(
            f"'{name}' must be one number or one a sample.",
            got=array.shape,
            allowed=f"() or ({n},)",
        )
    bad = ~np.isfinite(array) | (array < low) | (array > high)
    if bad.any():
        raise InputError(
            f"'{name}' is out of range.",
            got=np.atleast_1d(array)[np.atleast_1d(bad)][0],
            allowed=f"finite, from {low:.3g} to {high:.3g}",
        )
    return np.broadcast_to(array, (n,))

"""Periodic Gaussian random fields with a chosen spectrum, shared by the generators.

White noise is filtered in Fourier space by the square root of the spectral density, so that
opposite edges meet and the field is stationary. With the wave vector ``ξ`` (radians per voxel), the
stretch ``S`` (volume kept) and the length ``ℓ``, let ``s = ℓ² |S ξ|²``. The densities are

- gaussian: ``exp(-s/2)``, covariance ``exp(-r²/2)``;
- exponential: ``(1 + s)^(-(d+1)/2)``, covariance ``exp(-r)`` (the field of rough interfaces);
- shell: ``exp(-(√s - √d)² / (2 b² d))``, a band of relative width ``b`` around the wave number
  ``√d/ℓ``: bicontinuous structures with one wavelength, ``2πℓ/√d``;

where ``r = |S⁻¹ x|/ℓ``. The peak of the shell is placed so that a thin shell and the gaussian of
the same ``ℓ`` have the same ``ρ''(0) = -1/ℓ²``, hence the same mean distance ``πℓ`` between level
crossings at one half (Rice's formula). On the grid the density is taken at the wave vectors that
fit the cell, up to the Nyquist limit, without the mean; :func:`autocorrelation` gives the
covariance that results, exactly.

Reference: Quiblier, J. Colloid Interface Sci. 98 (1984) 84, doi:10.1016/0021-9797(84)90481-8;
Berk, Phys. Rev. Lett. 58 (1987) 2718, doi:10.1103/PhysRevLett.58.2718;
Roberts & Teubner, Phys. Rev. E 51 (1995) 4141, doi:10.1103/PhysRevE.51.4141.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from iceframe.physics.generator import Factor
from iceframe.physics.generators._directions import ANGLE, TILT, stretch_factors, unit_vectors

SPECTRA = ("gaussian", "exponential", "shell")

FIELD_FACTORS = (
    Factor("length", "length scale of the Gaussian field", 4.0, 2.0, 8.0, 0.01, 1e4, "voxel"),
    Factor(
        "spectrum",
        "spectrum of the field: 0 gaussian, 1 exponential (rough), 2 shell (one wavelength)",
        0.0,
        0.0,
        2.0,
        0.0,
        2.0,
        whole=True,
    ),
    Factor(
        "bandwidth", "width of the shell spectrum over its wave number", 0.2, 0.1, 0.4, 0.01, 2.0
    ),
    Factor(
        "anisotropy",
        "length along the axis over the length across it; below 1 the structure is flattened",
        1.0,
        1.0,
        4.0,
        0.05,
        20.0,
    ),
    ANGLE,
    TILT,
)


def gaussian_fields(
    shape: tuple[int, ...],
    rngs: Sequence[np.random.Generator],
    factors: Mapping[str, np.ndarray],
) -> np.ndarray:
    """One field for each of ``rngs``: float64 ``(n, *shape)``, mean 0, expected variance 1.

    ``factors`` holds ``length`` ``(n,)`` and, where they differ from their defaults, the rest of
    :data:`FIELD_FACTORS`.
    """
    axes = tuple(range(1, len(shape) + 1))
    noise = np.stack([rng.standard_normal(shape) for rng in rngs])
    spectrum = np.fft.rfftn(noise, axes=axes)
    spectrum *= np.sqrt(spectral_density(shape, len(rngs), factors))
    return np.fft.irfftn(spectrum, s=shape, axes=axes)


def autocorrelation(
    shape: tuple[int, ...], n: int, factors: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Covariance of the fields at every lag: float64 ``(n, *shape)``, 1 at lag 0."""
    density = spectral_density(shape, n, factors)
    return np.fft.irfftn(density, s=shape, axes=tuple(range(1, len(shape) + 1)))


def spectral_density(
    shape: tuple[int, ...], n: int, factors: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Density at the half set of wave vectors of ``rfftn``, ``(n, *half)``; its mean over all is 1.

    Only ratios of densities matter, so the largest is set to 1 before the exponential is taken:
    lengths far above the cell, or far below a voxel, do not underflow.
    """
    dimension = len(shape)
    values = {f.name: np.broadcast_to(factors.get(f.name, f.default), n) for f in FIELD_FACTORS}
    along, across = stretch_factors(dimension, values["anisotropy"])
    axis = unit_vectors(dimension, values["angle"], values["tilt"])
    waves = _wave_vectors(shape)
    cell = (slice(None),) + (None,) * dimension  # one number a sample, against the grid

    squared = sum(w**2 for w in waves)
    projected = sum(axis[:, i][cell] * waves[i] for i in range(dimension))
    length = values["length"]
    scaled = ((length * across) ** 2)[cell] * squared
    scaled = scaled + (length**2 * (along**2 - across**2))[cell] * projected**2
    scaled = np.maximum(scaled, 0)  # rounding, where the two terms cancel

    density = np.empty_like(scaled)
    for code in np.unique(values["spectrum"]):
        chosen = values["spectrum"] == code
        name, bandwidth = SPECTRA[int(code)], values["bandwidth"][chosen][cell]
        density[chosen] = _log_density(name, scaled[chosen], bandwidth, dimension)
    flat = density.reshape(n, -1)
    flat[:, 0] = -np.inf  # the mean; a level cut does not see it
    top = flat.max(axis=1, keepdims=True)
    flat -= np.where(np.isfinite(top), top, 0)  # a cell of one voxel has nothing but the mean
    np.exp(flat, out=flat)
    total = (density * _multiplicity(shape)).reshape(n, -1).sum(axis=1)
    return density * (np.prod(shape) / np.maximum(total, 1e-300))[cell]


def _log_density(name: str, scaled: np.ndarray, width: np.ndarray, dimension: int) -> np.ndarray:
    """Logarithm of the density at ``s``, up to a constant."""
    if name == "gaussian":
        return -0.5 * scaled
    if name == "exponential":
        return -0.5 * (dimension + 1) * np.log1p(scaled)
    return -0.5 * (np.sqrt(scaled / dimension) - 1) ** 2 / width**2


def _wave_vectors(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Components of the wave vectors of ``rfftn``, each broadcastable to the half grid."""
    lines = [np.fft.fftfreq(size) for size in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    return list(np.meshgrid(*(2 * np.pi * line for line in lines), indexing="ij", sparse=True))


def _multiplicity(shape: tuple[int, ...]) -> np.ndarray:
    """How often each column of the half grid stands in the full one."""
    times = np.full(shape[-1] // 2 + 1, 2.0)
    times[0] = 1
    if shape[-1] % 2 == 0:
        times[-1] = 1
    return times

"""Images whose signal no grey-level statistic tells of: it lies in how pixels stand to each other.

Periodic, 16 × 16. Families:

* ``elongated``: a grey random field, longer along one axis than along the other; the signal is
  the logarithm of that ratio. Brightness and contrast vary without meaning.
* ``two phases``: the same field cut into two phases whose fraction varies without meaning.
* ``pairs``: pairs of a bright and a dark pixel side by side; the signal is how many of them have
  the bright one on the left, less those on the right. Their number is always the same.
"""

from __future__ import annotations

import numpy as np

FAMILIES = ("elongated", "two phases", "pairs")
SIDE = 16
CORRELATION = 1.2  # voxels
RATIO = 1.2  # largest logarithm of the squared ratio of lengths
PAIRS = 12


def pictures(family: str, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """``n`` images float32 ``(n, 1, SIDE, SIDE)`` in [0, 1] and their signal ``(n,)``."""
    signal = rng.uniform(-1.0, 1.0, n)
    if family == "pairs":
        fields, signal = _pairs(n, rng)
        return _exposed(fields, rng), signal
    fields = _elongated(RATIO * signal, rng)
    if family == "elongated":
        return _exposed(fields, rng), signal
    fraction = rng.uniform(0.3, 0.5, n)
    cut = np.array([np.quantile(f, 1 - share) for f, share in zip(fields, fraction, strict=True)])
    return (fields > cut[:, None, None])[:, None].astype(np.float32), signal


def _elongated(ratio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian random fields ``(n, SIDE, SIDE)`` of zero mean and unit spread each."""
    waves = 2 * np.pi * np.fft.fftfreq(SIDE)
    down, along = np.meshgrid(waves**2, waves**2, indexing="ij")
    stretch = np.exp(ratio)[:, None, None]
    amplitude = np.exp(-0.25 * CORRELATION**2 * (along * stretch + down / stretch))
    white = rng.normal(size=(len(ratio), SIDE, SIDE))
    fields = np.fft.ifft2(np.fft.fft2(white) * amplitude).real
    fields -= fields.mean(axis=(1, 2), keepdims=True)
    return fields / fields.std(axis=(1, 2), keepdims=True)


def _pairs(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Pairs on a lattice of cells of 2 × 4, so that none touches another one's pixels."""
    rows, columns = SIDE // 2, SIDE // 4
    places = np.argsort(rng.random((n, rows * columns)), axis=1)[:, :PAIRS]
    number = rng.integers(0, PAIRS + 1, n)  # with the bright pixel on the left
    sign = np.where(np.arange(PAIRS) < number[:, None], 1.0, -1.0)
    fields = np.zeros((n, SIDE, SIDE))
    images = np.arange(n)[:, None]
    down, along = 2 * (places // columns), 4 * (places % columns) + 1
    fields[images, down, along] = 2.0 * sign
    fields[images, down, along + 1] = -2.0 * sign
    shift = rng.integers(SIDE, size=n)
    moved = (np.arange(SIDE)[None] + shift[:, None]) % SIDE
    fields = np.take_along_axis(fields, moved[:, :, None].repeat(SIDE, axis=2), axis=1)
    return fields, 2.0 * number / PAIRS - 1.0


def _exposed(fields: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey images of fields, each with a brightness and a contrast of its own."""
    n = len(fields)
    contrast = rng.uniform(0.06, 0.14, (n, 1, 1))
    brightness = rng.uniform(0.42, 0.58, (n, 1, 1))
    return np.clip(brightness + contrast * fields, 0.0, 1.0)[:, None].astype(np.float32)

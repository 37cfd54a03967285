"""Autocorrelation of images by Fourier transform, at chosen distances.

Formula, for a field m on a grid and a lag r:

    A(r) = 1/N(r) Σ_x m(x) m(x + r)

periodic: the sum wraps around and N(r) is the number of pixels. Otherwise the field is padded with
zeros, only pairs that both lie inside count, and N(r) = Π_i (n_i − |r_i|) is their number.
Radial: the mean of A over all lags whose length lies in [r − ½, r + ½) pixels.

Cecen, Fast, Kalidindi 2016, doi:10.1186/s40192-015-0044-x
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy.fft
from scipy import sparse

STEPS = (1.0, 1.5)
"""Distances in pixels: 1, and these multiples of each power of two from 2 on."""


def distances(grid: tuple[int, ...]) -> tuple[int, ...]:
    """Distances in pixels, about two an octave, up to half the shortest side.

    Examples
    --------
    >>> distances((64, 100))
    (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
    """
    most = min(grid) // 2
    found = {1, *(int(step * 2**k) for k in range(1, 20) for step in STEPS)}
    return tuple(sorted(d for d in found if d <= most))


def autocorrelation(fields: np.ndarray, periodic: bool) -> np.ndarray:
    """A(r) of each field for all lags up to half the shortest side.

    Parameters
    ----------
    fields : ``(b, *grid)``.

    Returns
    -------
    ``(b, *(2 m + 1))`` with zero lag in the centre and m half the shortest side.

    Examples
    --------
    Stripes one pixel wide, equal along x and alternating along y:

    >>> stripes = np.array([[1.0, 1, 1, 1], [0, 0, 0, 0]] * 2)[None]
    >>> autocorrelation(stripes, periodic=True)[0, :, 2].round(12).tolist()
    [0.5, 0.0, 0.5, 0.0, 0.5]
    """
    grid = fields.shape[1:]
    most = min(grid) // 2
    axes = tuple(range(1, fields.ndim))
    if periodic:
        size, pairs = grid, np.full((2 * most + 1,) * len(grid), float(np.prod(grid)))
    else:
        size = tuple(scipy.fft.next_fast_len(n + most, real=True) for n in grid)
        pairs = np.ones((1,) * len(grid))
        for axis, n in enumerate(grid):
            overlap = n - np.abs(np.arange(-most, most + 1.0))
            pairs = pairs * overlap.reshape([-1 if a == axis else 1 for a in range(len(grid))])
    spectrum = scipy.fft.rfftn(fields.astype(np.float64), s=size, axes=axes)
    power = spectrum.real**2 + spectrum.imag**2
    full = scipy.fft.irfftn(power, s=size, axes=axes)
    for axis in axes:
        full = np.take(full, np.arange(-most, most + 1), axis=axis, mode="wrap")
    return full / pairs


def radial(correlation: np.ndarray) -> np.ndarray:
    """Mean over directions at the distances of the grid: ``(b, *(2m+1))`` -> ``(b, d)``."""
    weights = _shells(correlation.shape[1:])
    return (weights @ correlation.reshape(len(correlation), -1).T).T


def along(correlation: np.ndarray, axis: int) -> np.ndarray:
    """Values at lags 0, 1, …, m along one axis of the grid: ``(b, m + 1)``."""
    most = correlation.shape[1] // 2
    index: list[slice | int] = [slice(None)] + [most] * (correlation.ndim - 1)
    index[1 + axis] = slice(most, None)
    return correlation[tuple(index)]


def decay_length(profile: np.ndarray) -> np.ndarray:
    """Distance in pixels at which a profile ``(b, m + 1)`` that starts at 1 first falls to 1/e.

    Linear between pixels; m where it never falls so low; NaN for a profile of NaN.

    Examples
    --------
    >>> decay_length(np.array([[1.0, 0.5, 0.0]])).round(3)
    array([1.264])
    """
    level = np.exp(-1.0)
    below = profile <= level
    first = np.where(below.any(axis=1), below.argmax(axis=1), profile.shape[1] - 1)
    rows = np.arange(len(profile))
    high, low = profile[rows, np.maximum(first - 1, 0)], profile[rows, first]
    with np.errstate(divide="ignore", invalid="ignore"):
        length = first - 1 + (high - level) / (high - low)
    never = ~below.any(axis=1)
    length = np.where(never, profile.shape[1] - 1.0, length)
    return np.where(np.isnan(profile).any(axis=1), np.nan, length)


@lru_cache(maxsize=8)
def _shells(size: tuple[int, ...]) -> sparse.csr_array:
    """Averaging weights ``(d, lags)`` of the shells around each distance."""
    most = size[0] // 2
    lags = np.meshgrid(*[np.arange(-most, most + 1.0)] * len(size), indexing="ij")
    length = np.sqrt(sum(lag**2 for lag in lags)).ravel()
    rows = []
    for distance in distances((2 * most,)):
        inside = (length >= distance - 0.5) & (length < distance + 0.5)
        rows.append(inside / inside.sum())
    return sparse.csr_array(np.array(rows))

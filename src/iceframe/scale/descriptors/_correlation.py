"""Correlations of images by Fourier transform, at chosen distances.

Formula, for a field m on a grid and a lag r:

    A(r) = 1/N(r) Σ_x m(x) m(x + r)

periodic: the sum wraps around and N(r) is the number of pixels. Otherwise the field is padded with
zeros, only pairs that both lie inside count, and N(r) = Π_i (n_i − |r_i|) is their number.
Radial: the mean of A over all lags whose length lies in [r − ½, r + ½) pixels.

Where some pixels were not measured, with v their indicator and m = 0 on them,

    A(r) = Σ_x m(x) m(x + r) / Σ_x v(x) v(x + r)

the mean over all pairs of measured pixels; undefined (NaN) where there is no such pair. A volume in
blocks gives these sums block by block, each correlated with its surroundings.

Cecen, Fast, Kalidindi 2016, doi:10.1186/s40192-015-0044-x
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

import numpy as np
import scipy.fft
from scipy import sparse

from iceframe.scale.blocks import Block

CACHED = 2**14
"""Pixels whose transforms stay in the processor's cache."""

STEPS = (1.0, 1.5)
"""Distances in pixels: 1, and these multiples of each power of two from 2 on."""


def reach(grid: tuple[int, ...], longest: int | None = None) -> int:
    """The largest distance in pixels: half the shortest side, at most ``longest``."""
    most = min(grid) // 2
    return most if longest is None else min(most, longest)


def distances(grid: tuple[int, ...], longest: int | None = None) -> tuple[int, ...]:
    """Distances in pixels, about two an octave, up to :func:`reach`.

    Examples
    --------
    >>> distances((64, 100))
    (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
    """
    most = reach(grid, longest)
    found = {1, *(int(step * 2**k) for k in range(1, 20) for step in STEPS)}
    return tuple(sorted(d for d in found if d <= most))


def autocorrelation(fields: np.ndarray, periodic: bool, longest: int | None = None) -> np.ndarray:
    """A(r) of each field for all lags up to :func:`reach` along each axis.

    Parameters
    ----------
    fields : ``(b, *grid)``.

    Returns
    -------
    ``(b, *(2 m + 1))`` with zero lag in the centre and m the reach.

    Examples
    --------
    Stripes one pixel wide, equal along x and alternating along y:

    >>> stripes = np.array([[1.0, 1, 1, 1], [0, 0, 0, 0]] * 2)[None]
    >>> autocorrelation(stripes, periodic=True)[0, :, 2].round(12).tolist()
    [0.5, 0.0, 0.5, 0.0, 0.5]
    """
    grid = fields.shape[1:]
    most = reach(grid, longest)
    axes = tuple(range(1, fields.ndim))
    size = grid
    if not periodic:
        size = tuple(scipy.fft.next_fast_len(n + most, real=True) for n in grid)
    result = np.empty((len(fields), *(2 * most + 1 for _ in grid)))
    # Negative lags lie at the far end of an axis.
    halves = [
        ((slice(0, most), slice(n - most, n)), (slice(most, None), slice(0, most + 1)))
        for n in size
    ]
    # As many fields at a time as stay in the processor's cache.
    group = max(1, CACHED // int(np.prod(size)))
    for start in range(0, len(fields), group):
        some = fields[start : start + group].astype(np.float64, copy=False)
        spectrum = scipy.fft.rfftn(some, s=size, axes=axes)
        power = spectrum.real**2 + spectrum.imag**2
        full = scipy.fft.irfftn(power, s=size, axes=axes)
        for chosen in product(*halves):
            to, origin = zip(*chosen, strict=True)
            result[start : start + group][(slice(None), *to)] = full[(slice(None), *origin)]
    result /= _pairs(grid, most, periodic)
    return result


def _pairs(grid: tuple[int, ...], most: int, periodic: bool) -> np.ndarray:
    """N(r) of an image without gaps, broadcastable to ``(2 most + 1, …)``."""
    if periodic:
        return np.full((1,) * len(grid), float(np.prod(grid)))
    overlaps = [n - np.abs(np.arange(-most, most + 1.0)) for n in grid]
    return np.prod(np.array(np.meshgrid(*overlaps, indexing="ij")), axis=0)


class PairSums:
    """Sums over all pairs of pixels of ``b`` fields that come in blocks, for all lags up to m.

    Each block is correlated with itself and the m pixels around it; what the blocks give is added
    up as spectra, so that there is one transform back. Of the lags r and −r one is computed.
    ``mixed``: whether the sums of m(x) v(x + r), which means and variances need, are wanted.
    """

    def __init__(
        self,
        b: int,
        grid: tuple[int, ...],
        periodic: bool,
        longest: int | None = None,
        *,
        mixed: bool = True,
    ) -> None:
        self.b, self.grid, self.periodic, self.mixed = b, grid, periodic, mixed
        self.most = reach(grid, longest)
        self.size: tuple[int, ...] = ()
        self.product: np.ndarray | None = None
        self.sums: dict[str, list[np.ndarray | None]] = {
            name: [None] * b for name in ("field", "mixed", "valid")
        }

    def add(self, block: Block) -> None:
        """Add the pairs whose first pixel lies in ``block``; the first block is the largest."""
        cut = [n < whole for n, whole in zip(block.size, self.grid, strict=True)]
        # Only lags with r >= 0 along the first axis are looked up, so that nothing is needed there
        # before the block.
        before = tuple(self.most if k and c else 0 for k, c in enumerate(cut))
        after = tuple(self.most if c else 0 for c in cut)
        if not self.size:
            self.size = self._transform_size(block.size, cut)
        part = block.around(before, after)
        place = tuple(k - taken for k, taken in zip(before, part.before, strict=True))
        core = tuple(slice(a, a + n) for a, n in zip(part.before, block.size, strict=True))
        known = inner = np.zeros(0)
        for i in range(self.b):
            field = part.fields[i]
            if part.valid is None:
                if not i:
                    known = self._box_spectrum(place, field.shape)
                    inner = np.conj(self._box_spectrum(before, block.size))
            else:
                valid = part.valid[min(i, len(part.valid) - 1)]
                field = np.where(valid, field, 0)
                if i < len(part.valid):  # else one for all
                    known = self._spectrum(valid, place)
                    inner = np.conj(self._spectrum(valid[core], before))
                    self._gather("valid", i, inner, known)
            there = self._spectrum(field, place)
            here = np.conj(self._spectrum(field[core], before) if any(cut) else there)
            if self.mixed:
                self._gather("mixed", i, here, known)
                self._gather("mixed", i, inner, there)
            self._gather("field", i, here, there)

    def totals(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Σ m(x) m(x+r), Σ m(x) v(x+r) + v(x) m(x+r), Σ v(x) v(x+r): ``(b, *(2m+1))`` each."""
        field, mixed = self._lags(self.sums["field"]), self._lags(self.sums["mixed"])
        if self.sums["valid"][0] is None:
            pairs = _pairs(self.grid, self.most, self.periodic)
            return field, mixed, np.broadcast_to(pairs, field.shape)
        valid = [one for one in self.sums["valid"] if one is not None]
        return field, mixed, np.broadcast_to(np.rint(self._lags(valid)), field.shape)

    def _transform_size(self, size: tuple[int, ...], cut: list[bool]) -> tuple[int, ...]:
        found = []
        for k, n in enumerate(size):
            if self.periodic and not cut[k]:
                found.append(n)
            else:
                room = 2 * self.most if k and cut[k] else self.most
                found.append(scipy.fft.next_fast_len(n + room, real=True))
        return tuple(found)

    def _spectrum(self, values: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
        padded = np.zeros(self.size)
        padded[tuple(slice(a, a + n) for a, n in zip(place, values.shape, strict=True))] = values
        return scipy.fft.rfftn(padded, overwrite_x=True)

    def _box_spectrum(self, place: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
        """Spectrum of a box of ones: the product of those along the axes."""
        found = np.ones((1,) * len(shape))
        for axis, (at, n, size) in enumerate(zip(place, shape, self.size, strict=True)):
            line = np.zeros(size)
            line[at : at + n] = 1
            transform = scipy.fft.rfft if axis == len(shape) - 1 else scipy.fft.fft
            found = found * transform(line).reshape(
                [-1 if k == axis else 1 for k in range(len(shape))]
            )
        return found

    def _gather(self, name: str, i: int, first: np.ndarray, second: np.ndarray) -> None:
        held = self.sums[name][i]
        if held is None:
            self.sums[name][i] = first * second
            return
        if self.product is None:  # kept: to ask for so much memory again and again takes its time
            self.product = np.empty_like(held)
        np.multiply(first, second, out=self.product)
        held += self.product

    def _lags(self, sums: Sequence[np.ndarray | None]) -> np.ndarray:
        m, d = self.most, len(self.grid)
        found = np.zeros((len(sums), *(2 * m + 1,) * d))
        for i, spectrum in enumerate(sums):
            if spectrum is None:  # not asked for
                continue
            full = scipy.fft.irfftn(spectrum, s=self.size)
            for axis in range(1, d):
                full = np.take(full, np.arange(-m, m + 1), axis=axis, mode="wrap")
            found[i, m:] = full[: m + 1]
            found[i, :m] = np.flip(full[1 : m + 1])
        return found


def radial(correlation: np.ndarray) -> np.ndarray:
    """Mean over directions at the distances of the grid: ``(b, *(2m+1))`` -> ``(b, d)``.

    Lags without a value (NaN) are left out.
    """
    weights = _shells(correlation.shape[1:])
    flat = correlation.reshape(len(correlation), -1).T
    undefined = np.isnan(flat)
    if not undefined.any():
        return (weights @ flat).T
    with np.errstate(invalid="ignore"):
        return ((weights @ np.where(undefined, 0, flat)) / (weights @ ~undefined)).T


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

"""Filtering by oriented waves in Fourier space: frequencies, borders, and sampling on the way back.

A filter given on the frequencies of an image is multiplied with its spectrum; of the result every
``factor``-th pixel along each axis is needed only, and only those are computed: in Fourier space,
parts of the spectrum that lie a whole number of sampling frequencies apart add up.
"""

from __future__ import annotations

import numpy as np
import scipy.fft

PIXELS_AT_ONCE = 1 << 18
"""Pixels filtered at once: a complex64 array of this size is 2 MB."""


def frequencies(grid: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies along y ``(h, 1)`` and along x ``(1, w)``, in cycles per pixel."""
    return scipy.fft.fftfreq(grid[0])[:, None], scipy.fft.fftfreq(grid[1])[None, :]


def folded(spectrum: np.ndarray, factor: int) -> np.ndarray:
    """Spectrum ``(…, h, w)`` of an image -> that of every ``factor``-th of its pixels.

    ``factor`` divides both sides.

    Examples
    --------
    >>> image = np.array([[1.0, 5.0, 2.0, 6.0], [0.0, 0.0, 0.0, 0.0]])
    >>> np.fft.ifft2(folded(np.fft.fft2(image), 2)).real.tolist()
    [[1.0, 2.0]]
    """
    if factor == 1:
        return spectrum
    *outer, h, w = spectrum.shape
    split = spectrum.reshape(*outer, factor, h // factor, factor, w // factor)
    mean: np.ndarray = split.mean(axis=(-4, -2))
    return mean


def halvings(grid: tuple[int, ...]) -> int:
    """How often all sides can be halved without a remainder.

    Examples
    --------
    >>> halvings((24, 40)), halvings((24, 41))
    (3, 0)
    """
    count = 0
    while all(n % 2 ** (count + 1) == 0 for n in grid):
        count += 1
    return count


class Frame:
    """What surrounds images while they are filtered, as a Fourier transform takes them as periodic.

    Nothing where they are; else at least ``margin`` pixels of their mirror image at each side, so
    that both sides are multiples of ``multiple``. The mirror images of opposite sides meet in the
    middle of what is added.
    """

    def __init__(
        self, grid: tuple[int, int], periodic: bool, margin: int, multiple: int = 1
    ) -> None:
        self.grid, self.periodic = grid, periodic
        self.widths: list[tuple[int, int]] = []
        for n in grid:
            total = n if periodic else _fast(n + 2 * margin, multiple)
            before = (total - n) // 2 // multiple * multiple
            self.widths.append((before, total - n - before))
        self.size = tuple(n + sum(w) for n, w in zip(grid, self.widths, strict=True))

    def around(self, images: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, *size)``."""
        if self.size == self.grid:
            return images
        return np.pad(images, [(0, 0), *self.widths], mode="symmetric")

    def inner(self, sampled: np.ndarray, factor: int, inset: float = 0.0) -> np.ndarray:
        """Of every ``factor``-th pixel of framed images those inside: a view ``(…, h, w)``.

        Of images that are not periodic those at least ``inset`` pixels from the border: nearer, the
        mirror image, in which slanted waves run the other way, has the larger say.
        """
        edge = 0 if self.periodic else int(np.ceil(inset))
        rows, columns = (
            slice(-(-(before + edge) // factor), -(-(before + n - edge) // factor))
            for n, (before, _) in zip(self.grid, self.widths, strict=True)
        )
        return sampled[..., rows, columns]


def _fast(least: int, multiple: int) -> int:
    """The smallest multiple from ``least`` on whose Fourier transform is fast."""
    count = -(-least // multiple)
    return multiple * int(scipy.fft.next_fast_len(count))

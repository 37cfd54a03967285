"""What images show in each place, against their own middle: blocks, strips along edges, grey tones.

In a micrograph of a homogeneous material no place is special: the mean grey of a block less the
mean grey of the middle is zero on average, whatever the material. Where it differs between groups,
something other than the material was recorded there. Tones of the whole picture (quantiles of the
grey levels) have no such reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from iceframe.core.dataset import ImageSource

BLOCKS = 16
"""Blocks along each axis, at most; each has two pixels or more along each axis."""

STRIPS = 24
"""Depths from each edge that are looked at, a pixel each; at most a quarter of the image."""

SATURATED = 0.98
"""Grey level from which a pixel is white, as overlays are; below one minus it, black."""

TONES = (0.02, 0.25, 0.5, 0.75, 0.98)
SIDES = ("top", "bottom", "left", "right")
TONE_PIXELS = 4096
"""Of each image, evenly spread, from which its tones are taken."""

BATCH_BYTES = 2**26
MIDDLE = (3 / 16, 13 / 16)
"""Where the middle begins and ends, as a share of each axis."""


@dataclass(frozen=True)
class Places:
    """What is in each place of ``n`` images of ``(height, width)`` pixels.

    ``blocks`` ``(n, r, c)``: mean grey less that of the middle; ``white``, ``black`` ``(n, r, c)``:
    the same of the share of saturated pixels; ``strips`` ``(n, 4, depth)``: mean grey of each line
    of pixels along the top, bottom, left and right edge, less that of the middle; ``tones``
    ``(n, 5)``: quantiles of the grey levels; ``mean`` ``(n,)``.
    """

    grid: tuple[int, int]
    blocks: np.ndarray
    white: np.ndarray
    black: np.ndarray
    strips: np.ndarray
    tones: np.ndarray
    mean: np.ndarray

    def edges(self, axis: int) -> np.ndarray:
        """First pixel of each block along an axis, and the end."""
        return _edges(self.grid[axis])


def places(images: ImageSource, watch: Callable[[int], None] | None = None) -> Places:
    """Read all ``images`` once; channels are averaged.

    Raises
    ------
    ValueError : volumes, or images of fewer than 8 pixels along an axis.
    """
    _, *grid = images.shape
    if len(grid) != 2 or min(grid) < 8:
        raise ValueError(f"pictures of 8 pixels and more, not {grid}")
    step = max(1, BATCH_BYTES // (4 * int(np.prod(images.shape))))
    parts = []
    for start in range(0, len(images), step):
        index = np.arange(start, min(start + step, len(images)))
        parts.append(_of_batch(images.read(index).mean(axis=1, dtype=np.float32)))
        if watch is not None:
            watch(int(index[-1]) + 1)
    return Places((grid[0], grid[1]), *(np.concatenate(held) for held in zip(*parts, strict=True)))


def _edges(size: int) -> np.ndarray:
    return np.linspace(0, size, min(BLOCKS, size // 2) + 1).round().astype(int)


def _averaging(edges: np.ndarray) -> np.ndarray:
    """Matrix ``(blocks, pixels)`` that averages the pixels of each block: float32."""
    block = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    member = block == np.arange(len(edges) - 1)[:, None]
    return (member / np.diff(edges)[:, None]).astype(np.float32)


def _of_batch(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Statistics of images ``(n, h, w)``, in the order of :class:`Places`."""
    n, height, width = x.shape
    rows, columns = _edges(height), _edges(width)
    middle = tuple(slice(*(round(share * side) for share in MIDDLE)) for side in (height, width))
    down, along = _averaging(rows), _averaging(columns)

    def in_blocks(values: np.ndarray) -> np.ndarray:
        mean = down @ values @ along.T  # (r, h) (n, h, w) (w, c)
        return mean.astype(float) - values[:, *middle].mean(axis=(1, 2), dtype=float)[:, None, None]

    depth = min(STRIPS, min(height, width) // 4)
    centre = x[:, *middle].mean(axis=(1, 2), dtype=float)[:, None, None]
    line, pile = x.mean(axis=2, dtype=float), x.mean(axis=1, dtype=float)
    strips = np.stack(
        [line[:, :depth], line[:, ::-1][:, :depth], pile[:, :depth], pile[:, ::-1][:, :depth]],
        axis=1,
    )
    flat = x.reshape(n, -1)
    some = flat[:, :: max(1, flat.shape[1] // TONE_PIXELS)]
    return (
        in_blocks(x),
        in_blocks((x >= SATURATED).astype(np.float32)),
        in_blocks((x <= 1 - SATURATED).astype(np.float32)),
        strips - centre,
        np.quantile(some, TONES, axis=1).T,
        flat.mean(axis=1, dtype=float),
    )

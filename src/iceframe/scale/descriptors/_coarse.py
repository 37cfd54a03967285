"""Images at coarser and coarser resolution: means over squares (cubes) of pixels."""

from __future__ import annotations

import numpy as np

LEAST_SIDE = 24
"""A level is used where at least so many pixels are left along each side: below it, shares and
means rest on a few hundred pixels."""


def block_mean(fields: np.ndarray, factor: int) -> np.ndarray:
    """Means over blocks of ``factor`` pixels along each axis of the grid of ``(b, *grid)``.

    What is left at the far edges is not used.

    Examples
    --------
    >>> block_mean(np.array([[[1.0, 3.0, 9.0], [5.0, 7.0, 9.0]]]), 2).tolist()
    [[[4.0]]]
    """
    if factor == 1:
        return fields
    counts = [n // factor for n in fields.shape[1:]]
    cut = fields[(slice(None), *(slice(0, n * factor) for n in counts))]
    split = cut.reshape(len(fields), *(size for n in counts for size in (n, factor)))
    return split.mean(axis=tuple(range(2, split.ndim, 2)))


def stays_periodic(grid: tuple[int, ...], factor: int) -> bool:
    """Whether blocks of ``factor`` pixels fill the grid, so that opposite edges still meet."""
    return all(n % factor == 0 for n in grid)

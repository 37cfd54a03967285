"""Runs: the unbroken rows of pixels of a phase along an axis, counted by their length.

A run is *whole* where a pixel of another phase lies at both of its ends. Otherwise it is *cut* by
the border of the image or, in a periodic image, goes round without an end. All lines of all images
are looked at together: a run starts and ends where neighbours differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Runs:
    """Number of runs by length: ``whole`` and ``open`` are int ``(b, n + 1)``.

    ``n`` is the number of pixels along the axis, ``lines`` the number of lines in an image.
    ``open`` holds the runs that the border cuts, at the length inside the image; in a periodic
    image it holds the endless ones, at length ``n``.
    """

    whole: np.ndarray
    open: np.ndarray
    lines: int
    periodic: bool

    @property
    def n(self) -> int:
        """Pixels along the axis."""
        return self.whole.shape[1] - 1


def runs(phase: np.ndarray, axis: int, periodic: bool) -> Runs:
    """The runs of ``phase`` ``(b, *grid)`` bool along ``axis`` of the grid.

    Examples
    --------
    One line; where the image is periodic, its first and its last run are one:

    >>> line = np.array([[True, True, False, True, False, False, True]])
    >>> found = runs(line, 0, periodic=False)
    >>> found.whole[0].tolist(), found.open[0].tolist()
    ([0, 1, 0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0, 0])
    >>> runs(line, 0, periodic=True).whole[0].tolist()
    [0, 1, 0, 1, 0, 0, 0, 0]
    """
    phase = np.moveaxis(phase, 1 + axis, -1)
    b, n = len(phase), phase.shape[-1]
    padded = np.zeros((*phase.shape[:-1], n + 1), bool)  # a gap between one line and the next
    padded[..., :n] = phase
    table = padded.reshape(b, -1, n + 1)
    total = _count_all(table)

    lead = table.argmin(axis=2)
    trail = np.where(lead == n, 0, table[:, :, n - 1 :: -1].argmin(axis=2)) if n else lead
    endless = _count(np.where(lead == n, n, 0), n)
    ends = _count(lead, n) - endless, _count(trail, n)
    if periodic:
        joined = _count(np.where(lead == n, 0, lead + trail), n)
        whole, left_open = total - endless - ends[0] - ends[1] + joined, endless
    else:
        left_open = endless + ends[0] + ends[1]
        whole = total - left_open
    return Runs(whole, left_open, table.shape[1], periodic)


def _count_all(table: np.ndarray) -> np.ndarray:
    """Runs by length in ``(b, lines, n + 1)``, the last column of which is False."""
    b, lines, width = table.shape
    flat = table.ravel()
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat.size and flat[0]:
        change = np.concatenate([[0], change])
    start, end = change[::2], change[1::2]
    number = np.diff(np.searchsorted(start, np.arange(b + 1) * lines * width))
    offset = np.repeat(np.arange(b) * width, number)
    return np.bincount(offset + (end - start), minlength=b * width).reshape(b, width)


def _count(length: np.ndarray, n: int) -> np.ndarray:
    """Histogram ``(b, n + 1)`` of ``length`` ``(b, lines)``; length 0 is not counted."""
    b, width = len(length), n + 1
    where = (length + np.arange(b)[:, None] * width).ravel()
    counts = np.bincount(where, minlength=b * width).reshape(b, width)
    counts[:, 0] = 0
    return counts

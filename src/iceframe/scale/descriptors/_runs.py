"""Runs: the unbroken rows of pixels of a phase along an axis, counted by their length.

A run is *whole* where a pixel of another phase lies at both of its ends. Otherwise it is *open*:
cut by the border of the image or by pixels that were not measured or, in a periodic image, going
round without an end. All lines of all images are looked at together: a run starts and ends where
neighbours differ. Where a volume comes in blocks, the run at the end of each line is carried on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Runs:
    """Number of runs by length: ``whole`` and ``open`` are int ``(b, n + 1)``.

    ``n`` is the number of pixels along the axis, ``lines`` the number of lines in an image.
    ``open`` holds the runs that are cut, at the length that is seen; in a periodic image also the
    endless ones, at length ``n``.
    """

    whole: np.ndarray
    open: np.ndarray
    lines: int
    periodic: bool

    @property
    def n(self) -> int:
        """Pixels along the axis."""
        return self.whole.shape[1] - 1

    def filled(self) -> Runs:
        """The runs of a phase that fills the images."""
        endless = np.zeros_like(self.open)
        endless[:, self.n] = self.lines
        return Runs(np.zeros_like(self.whole), endless, self.lines, self.periodic)


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
    counter = RunCounter(len(phase), phase.shape[1:], axis, periodic)
    counter.add((0,) * (phase.ndim - 1), phase)
    return counter.finish()


class RunCounter:
    """Counts the runs along ``axis`` of ``b`` images that come in blocks, in raster order."""

    def __init__(self, b: int, grid: tuple[int, ...], axis: int, periodic: bool) -> None:
        self.axis, self.periodic, self.n, self.b = axis, periodic, grid[axis], b
        face = (b, *(n for k, n in enumerate(grid) if k != axis))
        self.whole, self.open = np.zeros((2, b, self.n + 1), np.int64)
        # Of each line: the run that reaches the end of what was seen (0: none), and whether what
        # lies before it (before the next pixel, where there is none) is not known.
        self.length, self.cut = np.zeros(face, np.int32), np.ones(face, bool)
        # In a periodic image: the run at the beginning, and whether what follows it is not known.
        self.first, self.first_cut = np.zeros(face, np.int32), np.zeros(face, bool)

    def add(
        self, start: tuple[int, ...], phase: np.ndarray, valid: np.ndarray | None = None
    ) -> None:
        """Count the block ``phase`` ``(b, *size)`` at ``start``; ``valid`` of the same shape."""
        table = _lines(phase, self.axis)
        unknown = None
        if valid is not None:
            phase_known = _lines(np.broadcast_to(valid, phase.shape), self.axis)
            table &= phase_known
            unknown = ~phase_known.ravel()
        b, lines, width = table.shape
        m = width - 1
        flat = table.ravel()
        change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        if flat.size and flat[0]:
            change = np.concatenate([[0], change])
        begin, end = change[::2], change[1::2]
        length, line = end - begin, begin // width
        at_first, at_last = begin == line * width, end == line * width + m
        inner = ~(at_first | at_last)
        cut = None if unknown is None else unknown[begin[inner] - 1] | unknown[end[inner]]
        self._count(line[inner] // lines, length[inner], cut)
        lead, trail = np.zeros((2, b * lines), np.int64)
        lead[line[at_first]] = length[at_first]
        trail[line[at_last]] = length[at_last]
        after, before = np.zeros((2, b * lines), bool)
        if unknown is not None:
            edge = np.arange(b * lines) * width
            after = unknown[edge + np.minimum(lead, m - 1)]
            before = unknown[edge + np.maximum(m - trail - 1, 0)]
        self._carry(start, phase.shape[1:], lead, trail, after, before)

    def _carry(
        self,
        start: tuple[int, ...],
        size: tuple[int, ...],
        lead: np.ndarray,
        trail: np.ndarray,
        after: np.ndarray,
        before: np.ndarray,
    ) -> None:
        """Join the runs at the lines' beginnings, ``lead``, to those that were carried."""
        m, done = size[self.axis], start[self.axis]
        others = [k for k in range(len(size)) if k != self.axis]
        here = (slice(None), *(slice(start[k], start[k] + size[k]) for k in others))
        shape = self.length[here].shape
        carried, cut = self.length[here].ravel().astype(np.int64), self.cut[here].ravel()
        ended = (lead < m) if m else np.zeros(len(lead), bool)
        counted = ended
        if self.periodic:  # the run at the beginning of the image goes on at its end
            begun = ended & (carried == done)
            self.first[here] = np.where(
                begun.reshape(shape), (carried + lead).reshape(shape), self.first[here]
            )
            self.first_cut[here] = np.where(
                begun.reshape(shape), after.reshape(shape), self.first_cut[here]
            )
            counted = ended & ~begun
        counted = np.flatnonzero(counted & (carried + lead > 0))
        sample = counted // max(1, len(lead) // self.b)
        self._count(sample, (carried + lead)[counted], (cut | after)[counted])
        self.length[here] = np.where(ended, trail, carried + m).reshape(shape)
        self.cut[here] = np.where(ended, before, cut).reshape(shape)

    def finish(self) -> Runs:
        """The counts, when every block was added."""
        length, cut = self.length.reshape(self.b, -1), self.cut.reshape(self.b, -1)
        if self.periodic:
            first = self.first.reshape(self.b, -1)
            endless = length == self.n
            cut = cut | self.first_cut.reshape(self.b, -1) | endless
            length = np.where(endless, length, length + first)
        else:
            cut = np.ones_like(cut)
        sample, line = np.nonzero(length)
        self._count(sample, length[sample, line], cut[sample, line])
        return Runs(self.whole, self.open, length.shape[1], self.periodic)

    def _count(self, sample: np.ndarray, length: np.ndarray, cut: np.ndarray | None) -> None:
        where = sample * (self.n + 1) + length
        for counts, chosen in (
            (self.whole, where if cut is None else where[~cut]),
            (self.open, where[:0] if cut is None else where[cut]),
        ):
            if len(chosen):
                found = np.bincount(chosen, minlength=counts.size)
                counts += found.reshape(counts.shape)


def _lines(values: np.ndarray, axis: int) -> np.ndarray:
    """``(b, lines, n + 1)`` along ``axis``: the last column, False, parts the lines."""
    values = np.moveaxis(values, 1 + axis, -1)
    padded = np.empty((*values.shape[:-1], values.shape[-1] + 1), bool)
    padded[..., :-1], padded[..., -1] = values, False
    return padded.reshape(len(values), -1, padded.shape[-1])

"""Blocks: a volume looked at box by box, so that it need not fit into memory.

A *tally* gathers what features are made of, numbers that add up over blocks (counts of runs, of
neighbourhoods, of pairs of voxels, labels that meet at a face), and makes the features at the end.
Nothing is approximated: the features of a volume are the same however it is cut. An image in memory
is one block.

Blocks come in raster order, the last axis fastest, and fill the volume, so that what was carried
along an axis is at hand when the next block along it comes. A tally that looks beyond its block
asks for the voxels around it (:meth:`Block.around`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np

Box = tuple[tuple[int, ...], tuple[int, ...]]
"""First voxel along each axis, and one past the last."""

Read = Callable[[tuple[int, ...], tuple[int, ...]], tuple[np.ndarray, np.ndarray | None]]
"""Fields ``(b, *box)`` and their validity in a box that lies inside the volume."""

MOST_VOXELS = 2**24
"""Voxels of a block and what is read around it: 128 MiB as float64."""


class Part(NamedTuple):
    """A box of ``b`` fields ``(b, *box)``; ``valid`` bool ``(1 or b, *box)``, None for all.

    ``before``: by how many voxels it begins before the block.
    """

    fields: np.ndarray
    valid: np.ndarray | None
    before: tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """The box from ``start`` to ``stop`` of fields on ``grid``; ``read`` reads any box of them."""

    grid: tuple[int, ...]
    periodic: bool
    start: tuple[int, ...]
    stop: tuple[int, ...]
    read: Read

    @classmethod
    def whole(cls, fields: np.ndarray, periodic: bool, valid: np.ndarray | None = None) -> Block:
        """Fields ``(b, *grid)`` in memory as one block."""
        grid = fields.shape[1:]

        def read(start: tuple[int, ...], stop: tuple[int, ...]) -> tuple:
            box = (slice(None), *(slice(a, b) for a, b in zip(start, stop, strict=True)))
            return fields[box], None if valid is None else valid[box]

        return cls(grid, periodic, (0,) * len(grid), grid, read)

    @property
    def size(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return tuple(b - a for a, b in zip(self.start, self.stop, strict=True))

    def core(self) -> Part:
        """The block itself."""
        return Part(*self.read(self.start, self.stop), (0,) * len(self.grid))

    def around(self, before: tuple[int, ...], after: tuple[int, ...]) -> Part:
        """The block and so many voxels before and after it along each axis.

        Beyond the border they come from the other side of a periodic volume; of another one there
        are none, and the part is smaller.

        Examples
        --------
        >>> row = np.array([[1, 2, 3]])
        >>> Block.whole(row, periodic=True).around((1,), (2,)).fields.tolist()
        [[3, 1, 2, 3, 1, 2]]
        >>> Block.whole(row, periodic=False).around((1,), (2,)).fields.tolist()
        [[1, 2, 3]]
        """
        low = [a - k for a, k in zip(self.start, before, strict=True)]
        high = [b + k for b, k in zip(self.stop, after, strict=True)]
        if not self.periodic:
            low = [max(0, a) for a in low]
            high = [min(n, b) for n, b in zip(self.grid, high, strict=True)]
        taken = tuple(a - b for a, b in zip(self.start, low, strict=True))
        pieces = [_inside(*ends) for ends in zip(low, high, self.grid, strict=True)]
        if all(len(along) == 1 for along in pieces):
            (box,) = product(*pieces)
            return Part(*self.read(tuple(p[0] for p in box), tuple(p[1] for p in box)), taken)
        return Part(*self._assembled(pieces, low, high), taken)

    def _assembled(
        self, pieces: list[list[tuple[int, int, int]]], low: list[int], high: list[int]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        shape = tuple(b - a for a, b in zip(low, high, strict=True))
        fields = valid = None
        for box in product(*pieces):
            found, known = self.read(tuple(p[0] for p in box), tuple(p[1] for p in box))
            place = (slice(None), *(slice(at, at + b - a) for a, b, at in box))
            if fields is None:
                fields = np.empty((len(found), *shape), found.dtype)
                valid = None if known is None else np.empty((len(known), *shape), bool)
            fields[place] = found
            if valid is not None:
                valid[place] = known
        assert fields is not None
        return fields, valid


class Tally(ABC):
    """Gathers the features of ``b`` fields from their blocks.

    ``halo``: how many voxels around each block it reads.
    """

    halo: int = 0

    @abstractmethod
    def add(self, block: Block) -> None:
        """Count one more block."""

    @abstractmethod
    def finish(self) -> np.ndarray:
        """The features ``(b, d)``, when every block was added; NaN where undefined."""


def boxes(grid: tuple[int, ...], size: tuple[int, ...]) -> Iterator[Box]:
    """Boxes of ``size`` that fill ``grid`` in raster order; the last along an axis may be smaller.

    Examples
    --------
    >>> list(boxes((3, 2), (2, 2)))
    [((0, 0), (2, 2)), ((2, 0), (3, 2))]
    """
    for start in product(*(range(0, n, step) for n, step in zip(grid, size, strict=True))):
        ends = zip(start, size, grid, strict=True)
        yield start, tuple(min(a + step, n) for a, step, n in ends)


def block_size(grid: tuple[int, ...], halo: int, most: int = MOST_VOXELS) -> tuple[int, ...]:
    """Blocks that take the least work, if ``halo`` voxels around each are looked at with it.

    Each block holds at most ``most`` voxels with its surroundings, or as few as can be: ``halo``
    after it along the first axis and along those that are not cut, and on both sides elsewhere.

    Examples
    --------
    >>> block_size((128, 128, 128), 64)
    (128, 128, 128)
    >>> block_size((512, 512, 512), 1)
    (128, 256, 256)
    """
    choices = []
    cuts = [sorted({2**k for k in range(n.bit_length())}) for n in grid]
    for parts in product(*cuts):
        size = tuple(-(-n // k) for n, k in zip(grid, parts, strict=True))
        cut = [k > 1 and axis > 0 for axis, k in enumerate(parts)]
        read = [s + halo * (2 if both else 1) for s, both in zip(size, cut, strict=True)]
        volume = int(np.prod(read, dtype=object))
        work = int(np.prod(parts, dtype=object)) * volume
        choices.append((max(volume, most), work, parts, size))
    return min(choices)[-1]


def _inside(low: int, high: int, n: int) -> list[tuple[int, int, int]]:
    """``low`` to ``high`` as pieces of 0 to ``n``, which repeats: from, to, and where it lies."""
    pieces, at = [], low
    while at < high:
        begin = at % n
        length = min(n - begin, high - at)
        pieces.append((begin, begin + length, at - low))
        at += length
    return pieces

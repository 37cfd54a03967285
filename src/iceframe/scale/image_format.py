"""What the images of a data set have in common: shape, kind, phases, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.errors import InputError

if TYPE_CHECKING:
    from iceframe.core.dataset import ImageSource

PIXELS_PER_BATCH = 4_000_000
"""Pixels held at once; as float64 that is 32 MB, and a descriptor needs a few such arrays."""

MAX_PHASES = 16
"""An image with more distinct values than this is not a segmented one."""

PHASE_TOLERANCE = 1e-3
"""How far a pixel may lie from a phase's value: below 1/255, above float32 rounding."""


@dataclass(frozen=True)
class ImageFormat:
    """What the images of a data set have in common.

    ``shape`` is ``(channels, *grid)``; ``levels`` holds the pixel values that stand for the phases
    of segmented images, lowest first, and is empty for others. ``longest`` is the longest distance
    in pixels at which pairs of points are looked at; without it, half the shortest side.
    """

    shape: tuple[int, ...]
    periodic: bool
    kind: str
    levels: tuple[float, ...] = ()
    longest: int | None = None

    @classmethod
    def of(cls, images: ImageSource) -> ImageFormat:
        """The format of ``images``; segmented ones are read once to find their phases."""
        levels = _phase_levels(images) if images.kind == "phase" else ()
        return cls(tuple(images.shape), bool(images.periodic), images.kind, levels)

    @property
    def grid(self) -> tuple[int, ...]:
        """Height and width, or depth, height and width, in pixels."""
        return self.shape[1:]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the scalar fields that one image is described by.

        Segmented images: an indicator of each phase; where there are two phases, of the second
        one only, as the two add to one. Others: each channel.
        """
        if self.levels:
            return ("",) if len(self.levels) <= 2 else tuple(_numbered("phase", self.levels))
        channels = self.shape[0]
        return ("",) if channels == 1 else tuple(_numbered("channel", range(channels)))

    def split(self, batch: np.ndarray) -> np.ndarray:
        """The scalar fields of ``batch`` ``(b, *shape)``: ``(b, len(fields), *grid)``."""
        if not self.levels:
            return batch
        if len(self.levels) <= 2:
            return (np.abs(batch - self.levels[-1]) <= PHASE_TOLERANCE).astype(np.float32)
        phases = [np.abs(batch[:, 0] - level) <= PHASE_TOLERANCE for level in self.levels]
        return np.stack(phases, axis=1).astype(np.float32)


def _numbered(what: str, items: Sequence[float] | range) -> list[str]:
    return [f"{what} {i}" for i in range(len(items))]


def batches(images: ImageSource) -> list[np.ndarray]:
    """Positions of the images, in groups of at most :data:`PIXELS_PER_BATCH` pixels."""
    size = max(1, PIXELS_PER_BATCH // max(1, int(np.prod(images.shape))))
    return [np.arange(i, min(i + size, len(images))) for i in range(0, len(images), size)]


def _phase_levels(images: ImageSource) -> tuple[float, ...]:
    if images.shape[0] != 1:
        raise InputError(
            "A segmented image has one channel: the number of the phase.",
            got=f"{images.shape[0]} channels",
        )
    levels = np.empty(0, np.float32)
    for batch_index in batches(images):
        levels = np.unique(np.append(levels, np.unique(images.read(batch_index))))
        levels = levels[np.append(True, np.diff(levels) > PHASE_TOLERANCE)]
        if len(levels) > MAX_PHASES:
            raise InputError(
                "These images are said to be segmented, but hold too many distinct values.",
                where=images.names[int(batch_index[0])],
                got=f"more than {MAX_PHASES} values",
                allowed=f"at most {MAX_PHASES} phases",
                hint='say "kind": "grey" in dataset.json',
            )
    return tuple(float(level) for level in levels)

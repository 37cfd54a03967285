"""Descriptors of the shape of a phase: what they share.

Such a descriptor looks at the indicator of one phase, so that it needs segmented images. Of two
phases the second one is described (see ``ImageFormat.fields``), of more each in turn.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np

from iceframe.core.errors import InputError
from iceframe.scale.blocks import Block
from iceframe.scale.descriptor import ImageDescriptor
from iceframe.scale.image_format import ImageFormat


class SegmentedDescriptor(ImageDescriptor):
    """Features of the indicator of a phase; a subclass writes :meth:`measure_phase`."""

    default_kinds: ClassVar[tuple[str, ...]] = ("phase",)

    @abstractmethod
    def measure_phase(self, phase: np.ndarray) -> np.ndarray:
        """Features ``(b, d)`` of indicators ``(b, *grid)`` bool; NaN where undefined."""

    def fit_format(self, image_format: ImageFormat) -> Self:
        """Fit to the format of segmented images.

        Raises
        ------
        InputError : the images are not segmented.
        """
        if not image_format.levels:
            raise InputError(
                f"The descriptor '{self.name}' needs segmented images.",
                got=f"images of kind '{image_format.kind}'",
                allowed="images of kind 'phase'",
                hint='segment them and say "kind": "phase" in dataset.json',
            )
        return super().fit_format(image_format)

    def measure(self, fields: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` indicators as numbers -> ``(b, d)``."""
        return self.measure_phase(fields > 0.5)

    def directions(self) -> list[tuple[str, int]]:
        """Name and position in the grid of each axis, x first; the last of the grid is x."""
        d = len(self.format.grid)
        return [("xyz"[k], d - 1 - k) for k in range(d)]

    def volume_unit(self) -> str:
        """Unit of an area in two dimensions, of a volume in three."""
        return {1: "px", 2: "px²", 3: "px³"}[len(self.format.grid)]


class TalliedDescriptor(SegmentedDescriptor):
    """Features made of what adds up over blocks; a subclass writes :meth:`tally` only."""

    by_blocks: ClassVar[bool] = True

    def measure_phase(self, phase: np.ndarray) -> np.ndarray:
        """``(b, *grid)`` -> ``(b, d)``."""
        tally = self.tally(len(phase))
        tally.add(Block.whole(phase, self.format.periodic))
        return tally.finish()


def as_phase(fields: np.ndarray) -> np.ndarray:
    """Indicators as bool, whether they come as numbers or as bool."""
    return fields if fields.dtype == bool else fields > 0.5


def quotient(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``above / below`` in float64, NaN where ``below`` is 0."""
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)

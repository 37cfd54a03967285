"""Images in the size that a network sees: read in batches, reduced by area, kept where they fit,
and moved by the operations that leave the target unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from iceframe.core.dataset import ArrayImages, ImageSource
from iceframe.core.errors import InputError, UsageError

# Pixels that are worth a network's time: larger images are reduced to about this many.
TARGET_PIXELS = {2: 128**2, 3: 32**3}
CACHE_BYTES = 2**30
READ_BATCH = 64
SYMMETRIES = ("flip", "rotate90", "translate")
# Where edges do not meet, images are moved by up to this share of their size.
LARGEST_SHIFT = 0.125

POOL = {2: nn.functional.avg_pool2d, 3: nn.functional.avg_pool3d}


def as_source(images: Any, periodic: bool = False) -> ImageSource:
    """``images`` as an :class:`ImageSource`; arrays ``(n, channels, *grid)`` are wrapped.

    Raises
    ------
    InputError : an array of another shape, or with NaN or infinite values.
    """
    if isinstance(images, ImageSource):
        return images
    values = np.asarray(images)
    if values.ndim not in (4, 5) or values.dtype.kind not in "fiub":
        raise InputError(
            "Images must be numbers (n, channels, *grid).", got=(values.shape, str(values.dtype))
        )
    if not np.isfinite(values).all():
        raise InputError("Images hold NaN or infinite values.")
    return ArrayImages(values, periodic)


def reduction(shape: tuple[int, ...]) -> int:
    """The whole factor by which images ``(channels, *grid)`` are reduced along every axis.

    Examples
    --------
    >>> reduction((1, 64, 64)), reduction((1, 237, 322)), reduction((1, 512, 512))
    (1, 2, 4)
    """
    grid = shape[1:]
    ratio = (math.prod(grid) / TARGET_PIXELS[len(grid)]) ** (1 / len(grid))
    return max(1, min(round(ratio), *grid))


def reduce(x: Tensor, factor: int) -> Tensor:
    """Means over cells of ``factor`` pixels: ``(n, channels, *grid)`` to ``(…, *grid // factor)``.

    What is left over at the far edges, less than one cell, is cut off.
    """
    return x if factor == 1 else POOL[x.ndim - 2](x, factor)


class ImageBatches:
    """Reduced images of a source by position, in memory where they fit."""

    def __init__(self, source: ImageSource, factor: int) -> None:
        self.source, self.factor = source, factor
        pixels = source.shape[0] * math.prod(side // factor for side in source.shape[1:])
        self.held: Tensor | None = None
        if len(source) * pixels * 4 <= CACHE_BYTES:
            parts = [
                self._read(np.arange(start, min(start + READ_BATCH, len(source))))
                for start in range(0, len(source), READ_BATCH)
            ]
            self.held = torch.cat(parts) if parts else torch.zeros(0, *source.shape)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Tensor) -> Tensor:
        """Images at ``index`` ``(b,)``: float32 ``(b, channels, *grid // factor)``."""
        return self._read(index.numpy()) if self.held is None else self.held[index]

    def _read(self, index: np.ndarray) -> Tensor:
        return reduce(torch.from_numpy(np.array(self.source.read(index), np.float32)), self.factor)

    def moments(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each channel ``(channels,)`` over images ``index``."""
        total = torch.zeros(self.source.shape[0], dtype=torch.float64)
        square = torch.zeros_like(total)
        for start in range(0, len(index), READ_BATCH):
            x = self[torch.as_tensor(index[start : start + READ_BATCH])].double().flatten(2)
            total += x.mean(dim=2).sum(dim=0)
            square += x.square().mean(dim=2).sum(dim=0)
        mean = total.numpy() / len(index)
        variance = square.numpy() / len(index) - mean**2
        spread = np.sqrt(np.maximum(variance, 0.0))
        return mean, np.where(spread > 1e-6, spread, 1.0)


class Augmentation:
    """Random operations from the group that leaves the target unchanged.

    ``flip`` mirrors each axis; ``rotate90`` turns by quarters; ``translate`` rolls periodic images
    by any amount and moves others by up to an eighth, reflected at the edges. Flips and shifts
    are drawn for each image, the quarter turn for the whole batch (so that it stays a batch when
    images are not square) and the half turn for each image again.
    """

    def __init__(self, symmetries: Sequence[str], periodic: bool) -> None:
        unknown = sorted(set(symmetries) - set(SYMMETRIES))
        if unknown:
            raise UsageError(
                "Unknown image symmetry.", got=", ".join(unknown), allowed=", ".join(SYMMETRIES)
            )
        self.symmetries, self.periodic = frozenset(symmetries), periodic

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """``x`` ``(n, channels, *grid)``, moved; the last two axes may change places."""
        axes = range(2, x.ndim)
        flips = torch.zeros(len(x), x.ndim, dtype=torch.bool)
        if "rotate90" in self.symmetries:
            a, b = _two_of(list(axes), generator)
            if _coin(1, generator):
                x = x.rot90(1, (a, b))
            half = _coin(len(x), generator)
            flips[:, a] ^= half
            flips[:, b] ^= half
        if not self.symmetries & {"flip", "translate"} and not flips.any():
            return x
        # One look-up for all axes: where in its flattened image each pixel comes from.
        origin = torch.zeros(len(x), *(1 for _ in axes), dtype=torch.int64)
        for axis in axes:
            if "flip" in self.symmetries:
                flips[:, axis] ^= _coin(len(x), generator)
            place = self._positions(x.shape[axis], flips[:, axis], generator)
            view = [len(x), *(-1 if other == axis else 1 for other in axes)]
            origin = origin * x.shape[axis] + place.view(view)
        flat = origin.flatten(1)[:, None].expand(-1, x.shape[1], -1).to(x.device)
        return x.flatten(2).gather(2, flat).view(x.shape)

    def _positions(self, size: int, flip: Tensor, generator: torch.Generator) -> Tensor:
        """Where each pixel of an axis comes from ``(n, size)``."""
        place = torch.arange(size).expand(len(flip), size)
        place = torch.where(flip[:, None], size - 1 - place, place)
        if "translate" not in self.symmetries:
            return place
        if self.periodic:
            return (place + torch.randint(size, (len(flip), 1), generator=generator)) % size
        reach = int(size * LARGEST_SHIFT)
        shift = torch.randint(-reach, reach + 1, (len(flip), 1), generator=generator)
        place = (place + shift).abs()
        return torch.where(place >= size, 2 * (size - 1) - place, place)


def _coin(n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(n, generator=generator) < 0.5


def _two_of(axes: list[int], generator: torch.Generator) -> tuple[int, int]:
    """Two different axes, in order; for images always the two they have."""
    if len(axes) == 2:
        return axes[0], axes[1]
    order = torch.randperm(len(axes), generator=generator)[:2].sort().values.tolist()
    return axes[order[0]], axes[order[1]]

"""Masks beside images: where pixels were measured (any value but 0), and where not (0).

The masks of a folder of images lie in a folder of their own, each under the name of its image; the
suffix and the folders in the name may differ (``images/a.tif`` and ``a.png``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.core.dataset import ArrayImages, Dataset, ImageSource
from iceframe.core.errors import InputError
from iceframe.core.hashing import content_hash
from iceframe.ingest.folders import images_under, locate
from iceframe.ingest.opening import ImageOptions, open_images


@dataclass(frozen=True, eq=False)
class MaskedImages:
    """Images of which some pixels were not measured, as an image source.

    ``masks`` are of one channel, in the same order, above 0 where measured. What is hidden may hold
    any value; it is read as ``fill``, a value that measured pixels have.
    """

    images: ImageSource
    masks: ImageSource
    fill: float = 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.images.shape)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.images.names)

    @property
    def periodic(self) -> bool:
        return self.images.periodic

    @property
    def kind(self) -> str:
        return self.images.kind

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the images and of the masks."""
        return content_hash(self.images.fingerprint, self.masks.fingerprint)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Float32 ``(len(index), *shape)``."""
        known = self.measured(index)[:, None]
        return np.where(known, self.images.read(index), np.float32(self.fill))

    def measured(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Bool ``(len(index), *grid)``."""
        return self.masks.read(index)[:, 0] > 0

    def metadata(self) -> pd.DataFrame:
        """That of the images."""
        return self.images.metadata()

    def take(self, index: Sequence[int] | np.ndarray) -> MaskedImages:
        """The images at ``index``."""
        return replace(self, images=self.images.take(index), masks=self.masks.take(index))


def with_masks(data: Dataset, mask: np.ndarray | str | os.PathLike[str]) -> Dataset:
    """``data`` with images that were measured in part only.

    Descriptors leave out what was not measured, or refuse; whoever else reads the images sees an
    arbitrary value there.

    ``mask``: ``(*grid)`` for all images or ``(n, *grid)``, a folder, or the file of a single image.

    Raises
    ------
    InputError : a mask is missing or of another size than its image.
    """
    images = data.images
    if images is None:
        raise InputError("A mask needs images.", where=data.source or data.name)
    masks = _open(mask, data, images)
    return replace(data, images=MaskedImages(images, masks, _measured_value(images, masks)))


def _measured_value(images: ImageSource, masks: ImageSource) -> float:
    """The value of some measured pixel; 0 where there is none."""
    for i in range(len(images)):
        known = masks.read([i])[0, 0] > 0
        if known.any():
            return float(images.read([i])[0, 0][known][0])
    return 0.0


def _open(
    mask: np.ndarray | str | os.PathLike[str], data: Dataset, images: ImageSource
) -> ImageSource:
    grid = tuple(images.shape[1:])
    if isinstance(mask, np.ndarray):
        return _in_memory(mask, images, grid)
    path = locate(mask)
    files, pages = _files(path, images)
    root = path if path.is_dir() else path.parent
    known = data.recipe
    options = ImageOptions(
        size=tuple(known["size"]) if known.get("fit") else None,
        fit=known.get("fit"),
        pages=known.get("pages"),
        levels=(0.0, 1.0),  # of types without a range of their own: 0 stays 0
    )
    opened = open_images(root, files, pages, options).images
    if tuple(opened.shape[1:]) != grid:
        raise _other_size(path, opened.shape[1:], grid)
    return opened


def _in_memory(mask: np.ndarray, images: ImageSource, grid: tuple[int, ...]) -> ImageSource:
    if mask.shape == grid:
        mask = np.broadcast_to(mask, (len(images), *grid))
    if mask.shape != (len(images), *grid):
        raise _other_size(None, mask.shape, grid)
    return ArrayImages((mask != 0).astype(np.float32)[:, None], names=tuple(images.names))


def _files(path: Path, images: ImageSource) -> tuple[list[str], list[int | None]]:
    named = [name.partition("#") for name in images.names]
    pages = [int(page) if page else None for _, _, page in named]
    if not path.is_dir():
        if len({name for name, _, _ in named}) > 1:
            raise InputError(
                "One mask for many images.",
                where=path,
                got=f"{len(named)} images",
                hint="give a folder of masks that have the names of the images",
            )
        return [path.name] * len(named), pages
    found = [file.relative_to(path).as_posix() for file in images_under(path)]
    by_path = {str(Path(file).with_suffix("")): file for file in found}
    by_stem = {Path(file).stem: file for file in found}
    files, absent = [], []
    for name, _, _ in named:
        match = by_path.get(str(Path(name).with_suffix(""))) or by_stem.get(Path(name).stem)
        files.append(match or "")
        if match is None:
            absent.append(name)
    if absent:
        raise InputError(
            f"{len(absent)} of {len(named)} images have no mask.",
            where=path,
            got=", ".join(absent[:5]) + (", …" if len(absent) > 5 else ""),
            hint="a mask has the name of its image; one that hides nothing is 255 everywhere",
        )
    return files, pages


def _other_size(where: Path | None, got: tuple[int, ...], grid: tuple[int, ...]) -> InputError:
    return InputError(
        "Masks and images differ in size.",
        where=where,
        got=" × ".join(map(str, got)),
        allowed=" × ".join(map(str, grid)),
    )

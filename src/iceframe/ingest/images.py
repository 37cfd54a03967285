"""Images that stay on disk: one common shape, grey levels in [0, 1], read in batches.

How grey levels are scaled is decided once for a whole set, and stated: unsigned 8 and 16 bit by the
range of their type; floats that lie in [0, 1] as they are; all other types by the smallest and the
largest value in the set, which is stored so that new images are scaled alike.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.hashing import content_hash
from iceframe.ingest.fitting import Fit, fit_pixels
from iceframe.ingest.reader import Header, image_reader

CACHE_BYTES = 1 << 30
"""A set whose pixels take less than 1 GiB is decoded once and kept; larger sets are read anew."""

_THREADS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Frame:
    """One image of a set: a file (relative to the root), its page if it holds many, its header."""

    file: str
    page: int | None
    header: Header
    file_bytes: int

    @property
    def name(self) -> str:
        """The file, with ``#page`` (from 0) for one page of many."""
        return self.file if self.page is None else f"{self.file}#{self.page}"


@dataclass(frozen=True)
class Decoding:
    """How pixels become grey levels: the common size and how it was reached, and the scale.

    ``levels``: for kind ``phase`` all values that occur, in order (mapped to equal steps from 0 to
    1); else ``(low, high)`` for types without a natural range; ``None`` where the type decides.
    """

    size: tuple[int, ...]
    fit: Fit | None = None
    levels: tuple[float, ...] | None = None


@dataclass
class PixelStore:
    """Decoded pixels and file hashes that all views of one set share; never stored or sent."""

    keep: bool = False
    pixels: dict[str, np.ndarray] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        # Another process decodes anew: sending a gigabyte of pixels would take longer.
        return {"keep": self.keep, "pixels": {}, "digests": dict(self.digests)}


@dataclass(frozen=True)
class FolderImages:
    """Images in files, as an :class:`~iceframe.core.dataset.ImageSource`.

    ``root`` is the folder that ``frames`` are relative to.
    """

    root: Path
    frames: tuple[Frame, ...]
    decoding: Decoding
    kind: str = "grey"
    periodic: bool = False
    store: PixelStore = field(default_factory=PixelStore, compare=False, repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(1, height, width)`` or ``(1, depth, height, width)``."""
        return (1, *self.decoding.size)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """File names relative to the root."""
        return tuple(frame.name for frame in self.frames)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all files' bytes in order and of how they are decoded."""
        settings = [self.decoding.size, self.decoding.fit, self.decoding.levels, self.kind]
        files = dict.fromkeys(frame.file for frame in self.frames)
        fresh = [file for file in files if file not in self.store.digests]
        self.store.digests.update(zip(fresh, in_threads(self._digest, fresh), strict=True))
        parts = [(self.store.digests[frame.file], frame.page) for frame in self.frames]
        return content_hash(settings, parts)

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Float32 ``(len(index), *shape)`` in [0, 1]; a damaged file is an :class:`InputError`."""
        positions = np.asarray(index, int)
        images = np.empty((len(positions), *self.shape), np.float32)
        held = all(self.frames[i].name in self.store.pixels for i in positions)
        chosen = [self.frames[i] for i in positions]
        found = map(self.grey, chosen) if held else iter(in_threads(self.grey, chosen))
        for slot, values in zip(images, found, strict=True):
            slot[0] = values
        return images

    def metadata(self) -> pd.DataFrame:
        """What the files tell without their pixels: size, file size, bit depth, mode, numeric tags.

        One row an image, in order; ``mode`` is text, everything else numeric (NaN where absent).
        """
        rows = [
            {
                "file_bytes": frame.file_bytes / (1 if frame.page is None else frame.header.pages),
                "width": frame.header.width,
                "height": frame.header.height,
                "bits": frame.header.bits,
                "mode": frame.header.mode,
                **{f"tag {key}": value for key, value in sorted(frame.header.tags.items())},
            }
            for frame in self.frames
        ]
        return pd.DataFrame(rows, index=range(len(self)))

    def take(self, index: Sequence[int] | np.ndarray) -> FolderImages:
        """The images at ``index``; decoded pixels are shared, not copied."""
        return replace(self, frames=tuple(self.frames[i] for i in np.asarray(index, int)))

    def native(self, frame: Frame) -> np.ndarray:
        """Pixels of one image at the common size, in the file's own type."""
        held = self.store.pixels.get(frame.name)
        if held is not None:
            return held
        pixels = decode(self.root / frame.file, frame.page)
        pixels = fit_pixels(pixels, self.decoding.size, self.decoding.fit, self.kind, frame.name)
        if self.store.keep:
            self.store.pixels[frame.name] = pixels
        return pixels

    def grey(self, frame: Frame) -> np.ndarray:
        """Grey levels of one image: float32 at the common size."""
        return scale(self.native(frame), self.decoding.levels, self.kind, frame.name)

    def _digest(self, file: str) -> str:
        digest = hashlib.sha256()
        try:
            with (self.root / file).open("rb") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise InputError("This image cannot be read.", where=self.root / file) from error
        return digest.hexdigest()


def inspect(path: Path) -> tuple[Header, int]:
    """Header and size in bytes of an image file.

    Raises
    ------
    InputError : absent, empty, unknown or damaged file (named).
    """
    reader = image_reader(path)
    if reader is None:
        raise InputError("Images of this format are not known.", where=path, got=path.suffix)
    try:
        file_bytes = path.stat().st_size
    except OSError as error:
        raise InputError("File not found.", where=path) from error
    if file_bytes == 0:
        raise InputError(
            "This image is empty (0 bytes).",
            where=path,
            hint="restore it, or remove it from the data",
        )
    return reader.inspect(path), file_bytes


def decode(path: Path, page: int | None) -> np.ndarray:
    """Grey pixels in the file's own type: ``(h, w)`` or ``(depth, h, w)``."""
    reader = image_reader(path)
    if reader is None:
        raise InputError("Images of this format are not known.", where=path, got=path.suffix)
    return reader.pixels(path, page)


def scale(
    pixels: np.ndarray, levels: tuple[float, ...] | None, kind: str = "grey", name: str = ""
) -> np.ndarray:
    """Float32 grey levels in [0, 1].

    Examples
    --------
    >>> scale(np.array([0, 255], np.uint8), None).tolist()
    [0.0, 1.0]
    >>> scale(np.array([0, 170, 85], np.uint8), (0, 85, 170), "phase").tolist()
    [0.0, 1.0, 0.5]
    """
    if kind == "phase" and levels is not None:
        known = np.asarray(levels)
        step = np.searchsorted(known, pixels)
        step = np.minimum(step, len(known) - 1)
        if (known[step] != pixels).any():
            stray = np.unique(pixels[known[step] != pixels])[:5].tolist()
            raise InputError(
                "This image holds phases that the set does not have.",
                where=name,
                got=stray,
                allowed=list(levels),
            )
        return (step / max(1, len(known) - 1)).astype(np.float32)
    if pixels.dtype == bool:
        return pixels.astype(np.float32)
    if levels is None or pixels.dtype in (np.uint8, np.uint16):
        full = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1
        return (pixels / np.float32(full)).astype(np.float32)
    low, high = levels[0], levels[-1]
    spread = (high - low) or 1.0
    return np.clip((pixels.astype(np.float64) - low) / spread, 0, 1).astype(np.float32)


def in_threads(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """``work`` on every item, in order; decoders release the interpreter's lock."""
    listed = list(items)
    if len(listed) < 8 or _THREADS == 1:
        return [work(item) for item in listed]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, listed))

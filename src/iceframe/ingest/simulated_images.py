"""The images of a simulated data set: phases, orientations or first frames, read from Zarr.

Unpacked once and shared between views where they fit into memory, else read chunk by chunk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.hashing import content_hash

if TYPE_CHECKING:
    import zarr

ARRAYS = "images.zarr"
AGAIN = "simulate it again, in another folder, or restore it from a copy"

CACHE_BYTES = 256 << 20
"""Images that take less than 256 MiB are unpacked once and kept; more are read chunk by chunk."""


def open_array(folder: Path, name: str) -> zarr.Array[Any]:
    """An array of the data set in ``folder``, unread; all of its chunks are there."""
    import zarr

    path = folder / ARRAYS / name
    try:
        array = zarr.open_array(path, mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise InputError("These images cannot be opened.", where=path, hint=AGAIN) from error
    # An absent chunk would be read as zeros: every chunk was written, zeros too.
    if array.nchunks_initialized < array.nchunks:
        raise InputError(
            "Some of the images are gone.",
            where=path,
            got=f"{array.nchunks_initialized} of {array.nchunks} chunks",
            hint=AGAIN,
        )
    return array


@dataclass
class _Unpacked:
    """What all views of one set share; never sent to another process, which unpacks anew."""

    values: np.ndarray | None = None
    digest: str = ""

    def __getstate__(self) -> dict[str, Any]:
        return {"values": None, "digest": self.digest}


@dataclass(frozen=True, eq=False)
class SimulatedImages:
    """The images of a simulated set, as an :class:`~iceframe.core.dataset.ImageSource`.

    Of an evolution the image is the first frame: what is to come is to be predicted from it.
    Phases become equal steps from 0 to 1. Where grains are of one phase, the image is the cubic
    orientation factor along x, ``3 (a²b² + b²c² + c²a²)`` with the direction cosines a, b, c of x
    to the crystal's axes: 0 along ⟨100⟩, 1 along ⟨111⟩ (Nye 1985, ch. VIII: the compliance along x
    is linear in it).
    """

    folder: Path
    array: str
    grid: tuple[int, ...]
    levels: int
    rows: np.ndarray = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    kind: str = "phase"
    periodic: bool = True
    unpacked: _Unpacked = field(default_factory=_Unpacked, repr=False)
    sensitivity: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """``(1, height, width)`` or ``(1, depth, height, width)``."""
        return (1, *self.grid)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all pixels of the set and of which of them these are."""
        if not self.unpacked.digest:
            array, digest = open_array(self.folder, self.array), hashlib.sha256()
            for start in range(0, array.shape[0], array.chunks[0]):
                block = _unpack(array, start, start + array.chunks[0])
                digest.update(np.ascontiguousarray(block).data)
            self.unpacked.digest = digest.hexdigest()
        parts = [self.unpacked.digest, self.levels, self.kind, self.rows]
        if self.sensitivity is not None:
            parts.append(self.sensitivity)
        return content_hash(*parts)

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Float32 ``(len(index), *shape)`` in [0, 1]."""
        rows = self.rows[np.asarray(index, int)]
        native = self._native(rows)
        if self.array == "orientation":
            return orientation_factor(native)[:, None]
        if self.array == "frames":
            return np.clip(native, 0, 1)[:, None]
        return (native / max(1, self.levels - 1)).astype(np.float32)[:, None]

    @property
    def supervised(self) -> bool:
        """Whether the derivatives of the target to every pixel are stored."""
        return self.sensitivity is not None

    def gradients(self, index: Sequence[int] | np.ndarray) -> np.ndarray:
        """Derivatives of the target to the pixels: float32 ``(len(index), *shape)``."""
        if self.sensitivity is None:
            raise InputError(
                "These data hold no sensitivities of the target.",
                where=self.folder,
                hint="simulate with `sensitivities: true` and two phases",
            )
        rows = self.rows[np.asarray(index, int)]
        array = open_array(self.folder, "sensitivities")
        order = np.argsort(rows, kind="stable")
        found = np.empty((len(rows), *self.grid), np.float32)
        found[order] = array.oindex[rows[order], self.sensitivity, 0]
        return found[:, None]

    def metadata(self) -> pd.DataFrame:
        """Nothing beside the material: every image was made alike."""
        return pd.DataFrame(index=range(len(self)))

    def take(self, index: Sequence[int] | np.ndarray) -> SimulatedImages:
        """The images at ``index``; unpacked pixels are shared, not copied."""
        index = np.asarray(index, int)
        return replace(self, rows=self.rows[index], names=tuple(self.names[i] for i in index))

    def _native(self, rows: np.ndarray) -> np.ndarray:
        if self.unpacked.values is None:
            array = open_array(self.folder, self.array)
            if array.nbytes > CACHE_BYTES:
                return _chunkwise(array, rows, self.array == "frames")
            values = _unpack(array, 0, array.shape[0])
            self.unpacked.values = values[:, 0].copy() if self.array == "frames" else values
        return self.unpacked.values[rows]


def _unpack(array: zarr.Array[Any], start: int, stop: int) -> np.ndarray:
    try:
        return np.asarray(array[start:stop])
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            "These images are damaged.", where=array.store_path, got=error, hint=AGAIN
        ) from error


def _chunkwise(array: zarr.Array[Any], rows: np.ndarray, first: bool) -> np.ndarray:
    """``array[rows]``, every chunk unpacked once; of frames the ``first``."""
    found = np.empty((len(rows), *array.shape[2 if first else 1 :]), array.dtype)
    chunk = rows // array.chunks[0]
    for number in np.unique(chunk):
        start = int(number) * array.chunks[0]
        held = _unpack(array, start, start + array.chunks[0])
        here = chunk == number
        found[here] = held[rows[here] - start, 0] if first else held[rows[here] - start]
    return found


def orientation_factor(quaternions: np.ndarray) -> np.ndarray:
    """``3 (a²b² + b²c² + c²a²)`` float32 ``(n, *shape)`` of unit quaternions ``(n, 4, *shape)``.

    Scalar last; they turn the crystal's axes into the sample's.

    Examples
    --------
    >>> turned = np.array([[0, 0, 0, 1.0], [0, 0, np.sin(np.pi / 8), np.cos(np.pi / 8)]])
    >>> orientation_factor(turned[:, :, None]).round(3).ravel().tolist()
    [0.0, 0.75]
    """
    x, y, z, w = (quaternions[:, i] for i in range(4))
    a, b, c = 1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)
    a, b, c = a * a, b * b, c * c
    return np.clip(3 * (a * b + b * c + c * a), 0, 1).astype(np.float32)

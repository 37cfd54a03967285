"""One volume on disk that need not fit into memory: read box by box, never as a whole.

A NumPy array (``.npy``) and an uncompressed TIFF stack are mapped into memory; a compressed TIFF
stack is unpacked once into a temporary file (deleted at the end); of a Zarr array (format 3, or 2)
the chunks that are needed are unpacked. Axes are z, y, x.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.folders import locate
from iceframe.ingest.images import scale
from iceframe.ingest.opening import MAX_PHASES, ImageOptions, Kind
from iceframe.ingest.reader import image_reader
from iceframe.ingest.readers import npy, tiff

ZARR = ("zarr.json", ".zarray")
PLANES_BYTES = 64 << 20
"""A volume is surveyed some planes at a time: 64 MiB."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Volume:
    """A volume of ``shape`` (z, y, x) that is read box by box.

    ``origin``: where it begins in the array; ``levels``: as of
    :class:`~iceframe.ingest.images.Decoding`, known after :meth:`surveyed`; ``mask``: a volume of
    the same shape that is 0 where nothing was measured, which may then hold any value.
    """

    path: Path
    array: Any
    origin: tuple[int, ...]
    shape: tuple[int, ...]
    kind: Kind = "grey"
    periodic: bool = False
    levels: tuple[float, ...] | None = None
    mask: Volume | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def native(self, start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
        """A box in the file's own type."""
        ends = zip(self.origin, start, stop, strict=True)
        try:
            return np.asarray(self.array[tuple(slice(o + a, o + b) for o, a, b in ends)])
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError("This volume is damaged.", where=self.path, got=error) from error

    def read(self, start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
        """A box as float32 in [0, 1]; phases become equal steps."""
        values, known = self.native(start, stop), self.measured(start, stop)
        if known is not None:
            any_level = (self.levels or (0,))[0]
            values = np.where(known, values, np.array(any_level, values.dtype))
        return scale(values, self.levels, self.kind, self.name)

    def measured(self, start: Sequence[int], stop: Sequence[int]) -> np.ndarray | None:
        """Which voxels of a box were measured, bool; None where all were."""
        return None if self.mask is None else self.mask.native(start, stop) != 0

    def masked(self, mask: Volume) -> Volume:
        """The volume, measured only where ``mask`` is not 0.

        Raises
        ------
        InputError : they differ in size.
        """
        if mask.shape != self.shape:
            raise InputError(
                "Mask and volume differ in size.",
                where=mask.name,
                got=" × ".join(map(str, mask.shape)),
                allowed=" × ".join(map(str, self.shape)),
            )
        return replace(self, mask=mask)

    def cropped(self, box: Sequence[tuple[int, int]]) -> Volume:
        """The part from ``box[k][0]`` to ``box[k][1]`` along each axis k.

        Raises
        ------
        InputError : a box that is empty or does not lie in the volume.
        """
        inside = len(box) == 3 and all(
            0 <= a < b <= n for (a, b), n in zip(box, self.shape, strict=False)
        )
        if not inside:
            raise InputError(
                "This part does not lie in the volume.",
                where=self.name,
                got=",".join(f"{a}:{b}" for a, b in box),
                allowed=",".join(f"0:{n}" for n in self.shape) + " (z, y, x), or less",
            )
        origin = tuple(o + a for o, (a, _) in zip(self.origin, box, strict=True))
        mask = None if self.mask is None else self.mask.cropped(box)
        return replace(self, origin=origin, shape=tuple(b - a for a, b in box), mask=mask)

    def surveyed(self, progress: Progress | None = None) -> Volume:
        """The volume with its levels: the measured voxels are read once, in planes.

        Raises
        ------
        InputError : NaN or infinite values, or too many phases.
        """
        distinct, low, high = np.zeros(0), np.inf, -np.inf
        plane = int(np.prod(self.shape[1:])) * np.dtype(self.array.dtype).itemsize
        step = max(1, PLANES_BYTES // max(1, plane))
        for z in range(0, self.shape[0], step):
            ends = (z, 0, 0), (min(z + step, self.shape[0]), *self.shape[1:])
            values = self.native(*ends)
            measured = self.measured(*ends)
            known = values if measured is None else values[measured]
            self._refuse_gaps(known)
            if self.kind == "phase":
                distinct = self._more_phases(distinct, known)
            elif known.size:
                low, high = min(low, float(known.min())), max(high, float(known.max()))
            if progress is not None:
                progress(min(z + step, self.shape[0]), self.shape[0])
        if self.kind == "phase":
            return replace(self, levels=tuple(distinct.tolist()) or (0.0,))
        return replace(self, levels=self._grey_levels(low, high))

    def _refuse_gaps(self, values: np.ndarray) -> None:
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(
                "This volume holds NaN or infinite values.",
                where=self.name,
                hint="tell where nothing was measured with a mask, a volume of the same size that "
                "is 0 there",
            )

    def _more_phases(self, distinct: np.ndarray, values: np.ndarray) -> np.ndarray:
        few = values.dtype.itemsize == 1 and values.dtype.kind in "bu"
        found = np.flatnonzero(np.bincount(values.ravel())) if few else np.unique(values)
        distinct = np.union1d(distinct, found.astype(float))
        if len(distinct) > MAX_PHASES:
            raise InputError(
                "This volume is said to be segmented, but holds too many distinct values.",
                where=self.name,
                got=f"more than {MAX_PHASES} values",
                hint="segment it, or state kind=grey",
            )
        return distinct

    def _grey_levels(self, low: float, high: float) -> tuple[float, ...] | None:
        dtype = np.dtype(self.array.dtype)
        if str(dtype) in ("bool", "uint8", "uint16"):
            return None
        kept = dtype.kind == "f" and low >= 0 and high <= 1
        return (0.0, 1.0) if kept or low > high else (low, high)


def is_volume(path: Path) -> bool:
    """Whether ``path`` holds one volume: a Zarr array, or a file of many pages."""
    if path.is_dir():
        return any((path / name).is_file() for name in ZARR)
    reader = image_reader(path)
    return reader is not None and reader.inspect(path).pages > 1


def open_volume(
    path: str | os.PathLike[str], *, kind: Kind | None = None, periodic: bool = False
) -> Volume:
    """Open a volume, reading nothing but its header.

    Raises
    ------
    InputError : no such file, not a volume, a format that is not read, a damaged file.
    """
    kind = ImageOptions(kind=kind or "grey").kind  # an unknown one is refused
    found = locate(path)
    if found.is_dir():
        array = _zarr(found)
    elif found.suffix.lower() in npy.Npy.suffixes:
        array = npy._mapped(found)
    elif found.suffix.lower() in tiff.Tiff.suffixes:
        array = _stack(found)
    else:
        raise InputError("Volumes of this format are not read.", where=found, allowed=_ALLOWED)
    if len(array.shape) != 3 or 0 in array.shape or np.dtype(array.dtype).kind not in "biuf":
        raise InputError(
            "This is not one volume.",
            where=found,
            got=f"{array.dtype}, shape {tuple(array.shape)}",
            allowed="numbers with the axes z, y, x",
        )
    return Volume(found, array, (0, 0, 0), tuple(map(int, array.shape)), kind, periodic)


_ALLOWED = ".npy, .tif, .tiff, or the folder of a Zarr array"


def _zarr(folder: Path) -> Any:
    import zarr

    if not any((folder / name).is_file() for name in ZARR):
        raise InputError("There is no Zarr array in this folder.", where=folder, allowed=_ALLOWED)
    try:
        return zarr.open_array(folder, mode="r")
    except Exception as error:  # a group, a broken header, an unknown codec
        raise InputError(
            "This Zarr array cannot be opened.", where=folder, got=error, allowed="one array"
        ) from error


def _stack(path: Path) -> np.ndarray:
    with tiff._opened(path) as file:
        series = tiff._series(file, path)
        key = series.keyframe
        if "S" in series.axes or key.photometric.name != "MINISBLACK":
            raise InputError(
                "This stack does not hold plain grey levels.",
                where=path,
                got=key.photometric.name,
                hint="save it as grey levels or phases, black as 0",
            )
        values = series.asarray(out="memmap")
        planes = [n for axis, n in zip(series.axes, series.shape, strict=True) if axis not in "YX"]
    return values.reshape(int(np.prod(planes)), *values.shape[-2:])

"""Simulated data sets: what ``iceframe simulate`` writes, opened and read.

::

    DATASET/
      dataset.json      the manifest, written last: recipe, columns with roles and units, arrays
      recipe.yaml       the recipe, complete with its defaults
      samples.parquet   one row a sample: id, factors, conditions, properties, how they were solved
      images.zarr       ``phases`` uint8 (n, *shape); on request ``sensitivities``, ``grains``,
                        ``orientation``, ``frames``: Zarr format 3, one axis of samples first

While it is being made, ``unfinished.json`` and ``parts/`` stand in the place of the manifest.

Read as a :class:`~iceframe.core.dataset.Dataset`, the images are phases, opposite edges meet, and
models see the images and those columns only that the images do not show (drawn constants of the
phases). Factors and other properties are known because the data are simulated; naming them as
features overrules that.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.files import read_json
from iceframe.core.hashing import content_hash
from iceframe.ingest.building import build
from iceframe.ingest.folders import SIDECAR, Found
from iceframe.ingest.options import Options, with_sidecar
from iceframe.ingest.reader import RawTable
from iceframe.ingest.roles import require_column

if TYPE_CHECKING:
    import zarr

LAYOUT = "simulated"
FORMAT = 1
MANIFEST = SIDECAR
SAMPLES = "samples.parquet"
ARRAYS = "images.zarr"
RECIPE = "recipe.yaml"
UNFINISHED = "unfinished.json"
PARTS = "parts"

CACHE_BYTES = 256 << 20
"""Images that take less than 256 MiB are unpacked once and kept; more are read chunk by chunk."""

_NEEDED = ("samples", "shape", "columns", "arrays", "levels", "image")
_AGAIN = "simulate it again, in another folder, or restore it from a copy"


@dataclass(frozen=True)
class Simulated:
    """A finished data set on disk; takes the place of its folder wherever a path is expected.

    ``manifest`` holds the recipe, the ``columns`` with ``role`` and ``unit``, ``statuses`` (how
    many samples ended how) and ``notes``.
    """

    folder: Path
    manifest: Mapping[str, Any]

    def __fspath__(self) -> str:
        return str(self.folder)

    def __len__(self) -> int:
        return int(self.manifest["samples"])

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The table, indexed by sample id."""
        return _table(self.folder).set_index("id")

    def array(self, name: str) -> zarr.Array[Any]:
        """``phases``, ``sensitivities``, ``grains``, ``orientation`` or ``frames``, unread."""
        if name not in self.manifest["arrays"]:
            raise InputError(
                f"This data set has no array '{name}'.",
                where=self.folder,
                allowed=", ".join(self.manifest["arrays"]),
            )
        return _open_array(self.folder, name)

    @property
    def phases(self) -> zarr.Array[Any]:
        """uint8 ``(n, *shape)``, unread."""
        return self.array("phases")

    def sensitivities(self, column: str) -> np.ndarray:
        """Derivative of a property to the phases of every voxel: float32 ``(n, k − 1, *shape)``.

        Unit: the property's; NaN where the solution did not converge.
        """
        array = self.array("sensitivities")
        columns = [str(name) for name in array.attrs["columns"]]  # type: ignore[union-attr]
        require_column(column, columns, "sensitivity")
        try:
            return np.asarray(array[:, columns.index(column)])
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                "These sensitivities are damaged.", where=self.folder, got=error, hint=_AGAIN
            ) from error


def is_simulated(folder: Path) -> bool:
    """Whether a folder holds a simulated data set, finished or not."""
    if not folder.is_dir():
        return False
    if (folder / UNFINISHED).is_file():
        return True
    manifest = folder / MANIFEST
    if not manifest.is_file() or not (folder / ARRAYS).is_dir():
        return False
    body = read_json(manifest)
    return isinstance(body, dict) and body.get("layout") == LAYOUT


def open_simulated(folder: str | os.PathLike[str]) -> Simulated:
    """Open what :func:`iceframe.simulate` made.

    Raises
    ------
    InputError : no such data set, an unfinished one, a newer format, files that are gone.
    """
    root = Path(folder)
    if not is_simulated(root):
        raise InputError(
            "This is not a simulated data set.",
            where=root,
            allowed="a folder that `iceframe simulate` wrote",
        )
    manifest = root / MANIFEST
    if not manifest.is_file():
        raise InputError(
            "This simulation is not finished.",
            where=root,
            hint="repeat the command that started it; finished parts are kept: "
            f"iceframe simulate {root / RECIPE} --out {root}",
        )
    body = read_json(manifest)
    if body.get("format", 0) > FORMAT:
        raise InputError(
            "This data set was made by a newer version of ICEFrame.",
            where=root,
            got=f"format {body['format']}",
            allowed=f"up to {FORMAT}",
        )
    missing = [name for name in _NEEDED if name not in body]
    if missing:
        raise InputError(
            "The manifest is not whole.",
            where=manifest,
            got="no " + ", ".join(missing),
            hint=_AGAIN,
        )
    return Simulated(root, body)


def read_simulated(
    folder: Path, options: Options, *, kind_given: bool = False, periodic: bool | None = None
) -> Dataset:
    """A simulated data set as a :class:`Dataset`; see :func:`iceframe.ingest.reading.read`."""
    data = open_simulated(folder)
    frame = _table(folder)
    if len(frame) != len(data):
        raise InputError(
            "Table and manifest differ in their number of samples.",
            where=folder / SAMPLES,
            got=len(frame),
            allowed=len(data),
            hint=_AGAIN,
        )
    columns = {column["name"]: column for column in data.manifest["columns"]}
    _check_size(options.images.size, data)
    stated = {
        "kind": "phase" if data.manifest["image"] == "phases" else "grey",
        "periodic": True,
        "symmetries": columns.get(options.target or "", {}).get("symmetries", ["translate"]),
        "units": {n: c["unit"] for n, c in columns.items() if c.get("unit") and n in frame},
        **{k: data.manifest[k] for k in ("pixel_size", "pixel_unit") if k in data.manifest},
    }
    options = with_sidecar(options, stated, kind_given=kind_given, periodic=periodic)
    options, notes = _with_features(options, columns)
    images = _images(data, frame["id"], options)
    images = replace(images, sensitivity=_sensitivity_column(data, options.target))
    found = Found(
        RawTable(frame, layout=LAYOUT),
        folder,
        notes=(*data.manifest.get("notes", ()), *notes),
        images=images,
        layout=LAYOUT,
    )
    return build(found, options, folder.resolve().name, str(folder), [])


def _with_features(
    options: Options, columns: Mapping[str, Mapping[str, Any]]
) -> tuple[Options, list[str]]:
    """Models see what the images do not show: conditions. The rest is a privilege of simulation."""
    if options.features is not None:
        return options, []
    hidden = {options.target, *options.drop}
    chosen = [n for n, c in columns.items() if c["role"] == "condition" and n not in hidden]
    aside = [n for n, c in columns.items() if c["role"] in ("factor", "property")]
    aside = [name for name in aside if name not in hidden]
    notes = [
        "Factors and further properties are known because these data are simulated; they are not "
        f"features (name them to use them): {', '.join(aside)}."
    ]
    return replace(options, features=tuple(chosen)), notes if aside else []


def _check_size(size: Sequence[int] | None, data: Simulated) -> None:
    shape = data.manifest["shape"]
    if size is not None and list(size) != list(shape):
        raise InputError(
            "Simulated images have one size, and are not cut or resized.",
            where=data.folder,
            got=" × ".join(map(str, size)),
            allowed=" × ".join(map(str, shape)),
            hint="simulate with that shape",
        )


def _table(folder: Path) -> pd.DataFrame:
    path = folder / SAMPLES
    try:
        return pd.read_parquet(path)
    except FileNotFoundError as error:
        raise InputError("The table of samples is gone.", where=path, hint=_AGAIN) from error
    except (OSError, ValueError) as error:
        raise InputError(
            "The table of samples cannot be read.", where=path, got=error, hint=_AGAIN
        ) from error


def _open_array(folder: Path, name: str) -> zarr.Array[Any]:
    import zarr

    path = folder / ARRAYS / name
    try:
        array = zarr.open_array(path, mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise InputError("These images cannot be opened.", where=path, hint=_AGAIN) from error
    # An absent chunk would be read as zeros: every chunk was written, zeros too.
    if array.nchunks_initialized < array.nchunks:
        raise InputError(
            "Some of the images are gone.",
            where=path,
            got=f"{array.nchunks_initialized} of {array.nchunks} chunks",
            hint=_AGAIN,
        )
    return array


def _images(data: Simulated, ids: pd.Series, options: Options) -> SimulatedImages:
    name = str(data.manifest["image"])
    data.array(name)  # told now, not in the middle of a run
    return SimulatedImages(
        data.folder.resolve(),
        name,
        tuple(int(side) for side in data.manifest["shape"]),
        int(data.manifest["levels"]),
        np.arange(len(ids)),
        tuple(map(str, ids)),
        options.images.kind,
        options.images.periodic,
    )


def _sensitivity_column(data: Simulated, target: str | None) -> int | None:
    """Where the derivatives of the target stand; None where an image of phases is not their place.

    With two phases the pixel is the weight of the second one, and the derivative to it is stored.
    """
    arrays, levels = data.manifest["arrays"], int(data.manifest["levels"])
    if target is None or "sensitivities" not in arrays or levels != 2:
        return None
    if data.manifest["image"] != "phases":
        return None
    columns = [str(name) for name in data.array("sensitivities").attrs["columns"]]  # type: ignore[union-attr]
    return columns.index(target) if target in columns else None


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
            array, digest = _open_array(self.folder, self.array), hashlib.sha256()
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
        array = _open_array(self.folder, "sensitivities")
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
            array = _open_array(self.folder, self.array)
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
            "These images are damaged.", where=array.store_path, got=error, hint=_AGAIN
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

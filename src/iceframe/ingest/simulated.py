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

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.files import read_json
from iceframe.ingest.building import build
from iceframe.ingest.folders import SIDECAR, Found
from iceframe.ingest.law import law_of_recipe
from iceframe.ingest.options import Options, with_sidecar
from iceframe.ingest.reader import RawTable
from iceframe.ingest.roles import require_column
from iceframe.ingest.simulated_images import AGAIN, ARRAYS, SimulatedImages, open_array

if TYPE_CHECKING:
    import zarr

LAYOUT = "simulated"
FORMAT = 1
MANIFEST = SIDECAR
SAMPLES = "samples.parquet"
RECIPE = "recipe.yaml"
UNFINISHED = "unfinished.json"
PARTS = "parts"

_NEEDED = ("samples", "shape", "columns", "arrays", "levels", "image")


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
        return open_array(self.folder, name)

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
                "These sensitivities are damaged.", where=self.folder, got=error, hint=AGAIN
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
            hint=AGAIN,
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
            hint=AGAIN,
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
    if data.manifest["image"] == "phases":
        shape, recipe = data.manifest["shape"], data.manifest["recipe"]
        stated["physics"] = law_of_recipe(recipe, options.target, len(shape))
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
        raise InputError("The table of samples is gone.", where=path, hint=AGAIN) from error
    except (OSError, ValueError) as error:
        raise InputError(
            "The table of samples cannot be read.", where=path, got=error, hint=AGAIN
        ) from error


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

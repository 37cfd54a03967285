"""The folder of a data set in the making: begun once, resumed after a kill, finished in one step.

``unfinished.json`` (the recipe and the version) is written first, ``dataset.json`` last. Between
them a part is finished when its table lies in ``parts/``.
"""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import iceframe
from iceframe.core.errors import InputError
from iceframe.core.files import (
    TEMPORARY_PREFIX,
    read_json,
    replacing,
    unwritable,
    write_json,
    write_text,
)
from iceframe.core.hashing import content_hash
from iceframe.ingest.simulated import (
    FORMAT,
    LAYOUT,
    MANIFEST,
    PARTS,
    RECIPE,
    SAMPLES,
    UNFINISHED,
)
from iceframe.ingest.simulated_images import ARRAYS
from iceframe.workflow.simulate.arrays import ArrayPlan
from iceframe.workflow.simulate.evolving import FRAMES
from iceframe.workflow.simulate.parts import part_table
from iceframe.workflow.simulate.plan import Plan
from iceframe.workflow.simulate.recipe import Recipe

PACKAGES = ("numpy", "scipy", "torch", "zarr")
_LOCK = ".lock"


class SimulationFolder:
    """One output folder and the recipe that it must hold.

    Raises
    ------
    InputError : the folder holds something else, or another recipe's data.
    """

    def __init__(self, root: Path, recipe: Recipe) -> None:
        self.root = root
        self.recipe = recipe.plain()
        self._refuse_others()

    def finished(self) -> bool:
        """Whether the whole data set is there."""
        return (self.root / MANIFEST).is_file()

    def has_part(self, number: int) -> bool:
        """Whether a part is finished."""
        return part_table(self.root, number).is_file()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one writer; the lock dies with its process."""
        import filelock

        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(str(self.root / _LOCK))
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise InputError(
                "Another process is writing to this folder.",
                where=self.root,
                hint="wait for it to end, or choose another --out",
            ) from error
        except OSError as error:
            raise unwritable(self.root, error) from error
        try:
            yield
        finally:
            lock.release()

    def begin(self, plan: Plan) -> None:
        """Lay out an empty data set, or sweep up behind one that was killed."""
        self._sweep()
        any_part = any(self.has_part(number) for number in range(len(plan.parts())))
        if any_part and (self.root / UNFINISHED).is_file():
            return
        write_json(self.root / UNFINISHED, {"recipe": self.recipe, "version": iceframe.__version__})
        write_text(self.root / RECIPE, _yaml(self.recipe))
        try:
            shutil.rmtree(self.root / ARRAYS, ignore_errors=True)
            (self.root / PARTS).mkdir(exist_ok=True)
            create_arrays(self.root / ARRAYS, plan.arrays)
        except OSError as error:
            raise unwritable(self.root, error) from error

    def finish(self, plan: Plan) -> None:
        """Join the parts' tables and write the manifest; then nothing is left of the parts."""
        self._sweep()
        parts = [pd.read_parquet(part_table(self.root, i)) for i in range(len(plan.parts()))]
        table = pd.concat(parts, ignore_index=True)
        with replacing(self.root / SAMPLES) as temporary:
            table.to_parquet(temporary, index=False)
        write_json(self.root / MANIFEST, manifest(plan, self.recipe, table, self.root))
        self.tidy()

    def tidy(self) -> None:
        """Remove what only an unfinished data set needs; a kill may have come before."""
        with suppress(OSError):  # a finished data set may lie where nothing can be written
            (self.root / UNFINISHED).unlink(missing_ok=True)
        shutil.rmtree(self.root / PARTS, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what a killed process left half-written."""
        for pattern in (
            f"{TEMPORARY_PREFIX}*",
            f"{PARTS}/{TEMPORARY_PREFIX}*",
            f"{ARRAYS}/**/*.partial",
        ):
            for path in self.root.glob(pattern):
                path.unlink(missing_ok=True)

    def _refuse_others(self) -> None:
        root = self.root
        try:
            if root.exists() and not root.is_dir():
                raise InputError(
                    "The output is a file, not a folder.", where=root, hint="choose another --out"
                )
            held = [p.name for p in root.iterdir()] if root.exists() else []
        except OSError as error:
            raise unwritable(root, error) from error
        if MANIFEST in held and ARRAYS in held:
            body = read_json(root / MANIFEST)
            self._refuse_another_recipe(body.get("recipe", {}), "data set")
        elif UNFINISHED in held and not any((root / PARTS).glob("[0-9]*.parquet")):
            return  # nothing would be lost
        elif UNFINISHED in held:
            body = read_json(root / UNFINISHED)
            self._refuse_another_recipe(body["recipe"], "unfinished data set")
            if body["version"] != iceframe.__version__:
                raise InputError(
                    "This data set was begun by another version of ICEFrame.",
                    where=root,
                    got=body["version"],
                    allowed=iceframe.__version__,
                    hint="finish it with that version, or choose a new folder with --out",
                )
        elif any(name != _LOCK and not name.startswith(TEMPORARY_PREFIX) for name in held):
            raise InputError(
                "The output folder is not empty and holds no simulation.",
                where=root,
                got=", ".join(sorted(held)[:5]),
                hint="choose a new folder with --out, or empty this one",
            )

    def _refuse_another_recipe(self, theirs: Mapping[str, Any], what: str) -> None:
        mine, there = _flat(self.recipe), _flat(theirs)
        differing = sorted(k for k in mine | there if mine.get(k) != there.get(k))
        if differing:
            raise InputError(
                f"The output folder holds the {what} of another recipe.",
                where=self.root,
                got="; ".join(
                    f"{k}: {there.get(k, 'nothing')} there, {mine.get(k, 'nothing')} asked"
                    for k in differing[:5]
                ),
                hint="choose a new folder with --out, or go back to the recipe that is there: "
                f"{self.root / RECIPE}",
            )


def create_arrays(path: Path, arrays: tuple[ArrayPlan, ...]) -> None:
    """An empty Zarr group with every array of the plan."""
    import zarr
    from zarr.codecs import BloscCodec, ZstdCodec

    group = zarr.create_group(path)
    for array in arrays:
        whole = np.dtype(array.dtype).kind in "iu"
        group.create_array(
            array.name,
            shape=array.shape,
            chunks=array.chunks,
            dtype=array.dtype,
            # Labels repeat, which a plain codec finds; floats need their bits sorted first.
            compressors=ZstdCodec(level=3)
            if whole
            else BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle"),
            dimension_names=array.axes,
            attributes=dict(array.attributes),
        )


def manifest(
    plan: Plan, recipe: Mapping[str, Any], table: pd.DataFrame, root: Path
) -> dict[str, Any]:
    """The contents of ``dataset.json``."""
    columns = [{**column.plain(), **_range(table, column.name)} for column in plan.columns]
    bare = _of_one_phase(plan, root)
    found = table["status"].value_counts() if "status" in table else pd.Series(dtype=int)
    statuses = {str(name): int(count) for name, count in sorted(found.items())}
    voxel = plan.recipe.voxel
    return {
        "layout": LAYOUT,
        "format": FORMAT,
        "samples": len(table),
        "shape": list(plan.recipe.shape),
        "levels": plan.levels,
        "image": _image(plan, bare),
        "periodic": True,
        **({"pixel_size": voxel.size, "pixel_unit": voxel.unit} if voxel else {}),
        "units": {column.name: column.unit for column in plan.columns if column.unit},
        "columns": columns,
        "arrays": {
            array.name: {"shape": list(array.shape), "dtype": array.dtype, "axes": list(array.axes)}
            for array in plan.arrays
        },
        "generators": {
            family.name: {
                "title": family.kind.title,
                "reference": family.kind.reference,
                "phases": list(family.phase_names),
            }
            for family in plan.families
            if family.generated
        },
        "statuses": statuses,
        "notes": notes(plan, statuses, bare),
        "recipe": dict(recipe),
        "recipe_hash": content_hash(dict(recipe)),
        "versions": {
            "iceframe": iceframe.__version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
    }


def notes(plan: Plan, statuses: Mapping[str, int], bare: int) -> list[str]:
    """What a user should know: samples without a property, ``bare`` structures of one phase."""
    from iceframe.physics.homogenisation import SolveStatus
    from iceframe.physics.phase_field import EvolutionStatus

    status = SolveStatus if plan.recipe.evolution is None else EvolutionStatus
    said = [
        f"{count} of {len(plan)} samples have no property ({name}): {status(name).remedy}; "
        "or leave them out of a run with --drop-invalid."
        for name, count in sorted(statuses.items())
        if status(name).remedy
    ]
    if bare and not _of_crystals(plan) and plan.recipe.evolution is None:
        end = "; their properties are those of that phase" if statuses else ""
        said.append(f"{bare} of {len(plan)} samples hold one phase only{end}.")
    return said


def _image(plan: Plan, bare: int) -> str:
    """The array that models look at: frames, or orientations where phases tell nothing."""
    names = [array.name for array in plan.arrays]
    if FRAMES in names:
        return FRAMES
    oriented = "orientation" in names
    return "orientation" if oriented and (_of_crystals(plan) or bare == len(plan)) else "phases"


def _of_crystals(plan: Plan) -> bool:
    return plan.recipe.property is not None and plan.recipe.property.cubic is not None


def _of_one_phase(plan: Plan, root: Path) -> int:
    """Samples without any interface."""
    import zarr

    if not any(family.generated for family in plan.families):
        return 0
    array = zarr.open_array(root / ARRAYS / "phases", mode="r")
    count = 0
    for start in range(0, array.shape[0], array.chunks[0]):
        flat = np.asarray(array[start : start + array.chunks[0]])
        flat = flat.reshape(len(flat), -1)
        count += int((flat == flat[:, :1]).all(axis=1).sum())
    return count


def _range(table: pd.DataFrame, name: str) -> dict[str, float]:
    values = table[name]
    if values.dtype.kind not in "fiu" or not values.notna().any():
        return {}
    return {"low": float(values.min()), "high": float(values.max())}


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {k: v for n, one in value.items() for k, v in _flat(one, f"{name}.{n}").items()}
    return {name.removeprefix("."): value}


def _yaml(recipe: Mapping[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True, width=100))

"""The arrays of a data set: which there are, how they are cut into chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.physics.generator import Microstructures
from iceframe.workflow.simulate.columns import Column
from iceframe.workflow.simulate.families import Family, unknown_name
from iceframe.workflow.simulate.loading import Loaded

CHUNK_BYTES = 4 << 20


@dataclass(frozen=True)
class ArrayPlan:
    """One array of ``images.zarr``, the samples along its first axis."""

    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """``n`` samples of ``shape``; a part of ``part_size`` is a whole number of chunks."""

    n: int
    shape: tuple[int, ...]
    part_size: int

    def array(
        self, name: str, dtype: str, inner: Mapping[str, int] | None = None, **attributes: Any
    ) -> ArrayPlan:
        """One array; ``inner`` axes, by name, lie between the samples and the grid."""
        between = tuple((inner or {}).values())
        one = int(np.prod([*between, *self.shape])) * np.dtype(dtype).itemsize
        samples = self.part_size
        while samples > 1 and samples * one > CHUNK_BYTES:
            samples //= 2
        # One large volume a chunk would be more than a codec takes: components lie apart then.
        apart = samples == 1 and one > CHUNK_BYTES
        return ArrayPlan(
            name,
            (self.n, *between, *self.shape),
            (min(samples, self.n), *((1,) * len(between) if apart else between), *self.shape),
            dtype,
            ("sample", *(inner or {}), *("z", "y", "x")[-len(self.shape) :]),
            attributes,
        )


def structure_arrays(
    layout: Layout, families: tuple[Family, ...], first: list[Microstructures]
) -> list[ArrayPlan]:
    """What the generators make; ``first`` holds one structure of each."""
    if not first:
        return []
    phases = {family.name: list(family.phase_names) for family in families}
    arrays = [layout.array("phases", "uint8", phases=phases)]
    if all(micro.grains is not None for micro in first):
        arrays.append(layout.array("grains", "int32", meaning="labels from 0"))
    if all(micro.orientations is not None for micro in first):
        meaning = "unit quaternion, scalar last, from the crystal's axes to the sample's"
        arrays.append(layout.array("orientation", "float32", {"component": 4}, meaning=meaning))
    return arrays


def sensitivity_arrays(
    layout: Layout, loaded: Loaded, families: tuple[Family, ...], columns: tuple[Column, ...]
) -> list[ArrayPlan]:
    """The derivatives that the recipe asks for, in the order of their columns."""
    units = {column.name: column.unit for column in columns if column.role == "property"}
    names = _asked(loaded, list(units))
    if not names:
        return []
    counts = {len(family.phase_names) for family in families}
    if len(counts) > 1:
        raise InputError(
            "Sensitivities need generators of one number of phases.",
            where=loaded.where("sensitivities"),
            got=", ".join(f"{f.name}: {len(f.phase_names)}" for f in families),
        )
    inner = {"column": len(names), "phase": max(1, max(counts) - 1)}
    return [
        layout.array(
            "sensitivities",
            "float32",
            inner,
            columns=names,
            units=[units[name] for name in names],
            meaning="derivative to the weight of phase 1, 2, … in a voxel",
        )
    ]


def _asked(loaded: Loaded, properties: list[str]) -> list[str]:
    wanted = loaded.recipe.sensitivities
    if isinstance(wanted, bool):
        return properties if wanted else []
    for name in wanted:
        if name not in properties:
            raise InputError(
                unknown_name("component", name, properties),
                where=loaded.where("sensitivities"),
                allowed="true, or some of " + ", ".join(properties),
            )
    return [name for name in properties if name in wanted]

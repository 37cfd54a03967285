"""One part of a data set: generate, solve, write its chunks, and last its own table.

A part counts as finished when its table is there: it is written whole, after everything else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.files import replacing, unwritable
from iceframe.ingest.simulated import PARTS
from iceframe.ingest.simulated_images import ARRAYS
from iceframe.physics.components import tensor_names
from iceframe.workflow.simulate.columns import SOLVED
from iceframe.workflow.simulate.evolving import FRAMES, evolve_rows
from iceframe.workflow.simulate.families import Family
from iceframe.workflow.simulate.materials import material_values
from iceframe.workflow.simulate.plan import Plan

if TYPE_CHECKING:
    from iceframe.physics.generator import Microstructures
    from iceframe.physics.properties import Properties


def part_table(folder: Path, number: int) -> Path:
    """Where the table of a part lies."""
    return folder / PARTS / f"{number:06d}.parquet"


def make_part(plan: Plan, folder: Path, number: int) -> None:
    """Make and write part ``number``.

    Raises
    ------
    InputError : the disk is full or not writable.
    """
    part = plan.parts()[number]
    table, arrays = simulate_part(plan, part)
    try:
        write_arrays(folder / ARRAYS, part, arrays)
    except OSError as error:
        raise unwritable(folder / ARRAYS, error) from error
    with replacing(part_table(folder, number)) as temporary:
        table.to_parquet(temporary, index=False)


def simulate_part(plan: Plan, part: slice) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The rows of a part, and its slice of every array of the plan."""
    size = part.stop - part.start
    columns = {column.name: column for column in plan.columns}
    table = plan.table.iloc[part].reset_index(drop=True)
    for column in columns.values():
        if column.name not in table:
            table[column.name] = np.nan
    arrays = {a.name: np.zeros((size, *a.shape[1:]), a.dtype) for a in plan.arrays}
    for name, start in (("status", ""), ("iterations", 0), ("residual", 0.0), ("steps", 0)):
        if name in columns:
            table[name] = start
    for family in plan.families:
        rows = plan.rows(family, part)
        if not len(rows):
            continue
        here = rows - part.start
        micro = plan.microstructures(family, rows) if family.generated else None
        if micro is not None:
            for name, values in micro.factors.items():
                table.loc[here, name] = np.asarray(values, float)
            _keep_structure(micro, here, arrays)
            _solve(plan, family, micro, rows, here, table, arrays)
        if plan.recipe.evolution is not None:
            results, arrays[FRAMES][here] = evolve_rows(plan, family, micro, rows)
            table.loc[here, list(results)] = results.set_axis(here, axis=0)
    return table[list(columns)], arrays


def _keep_structure(micro: Microstructures, here: np.ndarray, arrays: dict[str, Any]) -> None:
    arrays["phases"][here] = micro.phases
    if "grains" in arrays:
        arrays["grains"][here] = micro.grains
    if "orientation" in arrays and micro.grains is not None and micro.orientations is not None:
        for row, grains, turns in zip(here, micro.grains, micro.orientations, strict=True):
            arrays["orientation"][row] = np.moveaxis(turns[grains], -1, 0)


def _solve(
    plan: Plan,
    family: Family,
    micro: Microstructures,
    rows: np.ndarray,
    here: np.ndarray,
    table: pd.DataFrame,
    arrays: dict[str, np.ndarray],
) -> None:
    from iceframe.physics.homogenisation import homogenize

    recipe = plan.recipe
    wanted = _sensitive(plan)
    for prop in recipe.property.asked() if recipe.property else ():
        names = tensor_names(prop, len(recipe.shape))
        sensitive = [name for name in names if name in wanted]
        found = homogenize(
            micro,
            _properties(plan, family, prop, micro, rows),
            tolerance=recipe.solver.tolerance,
            max_iterations=recipe.solver.max_iterations,
            precision=recipe.solver.precision,
            device=recipe.solver.device,
            sensitivities=bool(sensitive),
        )
        for (a, b), name in zip(found.pairs, names, strict=True):
            table.loc[here, name] = np.where(found.converged, found.tensor[:, a, b], np.nan)
        _keep_solution(found, here, table)
        if found.sensitivities is not None:
            for name in sensitive:
                derivative = found.sensitivities[:, names.index(name)]
                arrays["sensitivities"][here, wanted.index(name)] = derivative


def _sensitive(plan: Plan) -> list[str]:
    arrays = {array.name: array for array in plan.arrays}
    return list(arrays["sensitivities"].attributes["columns"]) if "sensitivities" in arrays else []


def _keep_solution(found: Any, here: np.ndarray, table: pd.DataFrame) -> None:
    """Of several properties, the worst: a row's status tells whether all of it can be used."""
    status, iterations, residual = SOLVED
    for row, new in zip(here, found.status, strict=True):
        old = str(table.at[row, status])
        if not old or new.remedy:  # what needs a remedy is the worse
            table.at[row, status] = str(new)
    table.loc[here, iterations] = np.maximum(table.loc[here, iterations], found.iterations)
    table.loc[here, residual] = np.maximum(table.loc[here, residual], found.residual)


def _properties(
    plan: Plan, family: Family, prop: str, micro: Microstructures, rows: np.ndarray
) -> Properties:
    from iceframe.physics.properties import Conductivity, CubicElasticity, Elasticity

    table = plan.table.iloc[rows]
    asked = getattr(plan.recipe.property, prop)
    if prop == "conductivity":
        return Conductivity(
            material_values(plan.recipe, table, family, prop, "values"), unit=asked.unit
        )
    if prop == "cubic":
        assert micro.orientations is not None  # the plan saw to it
        return CubicElasticity(
            asked.c11, asked.c12, asked.c44, micro.orientations, asked.state, asked.unit
        )
    young = material_values(plan.recipe, table, family, prop, "young")
    poisson = material_values(plan.recipe, table, family, prop, "poisson")
    shape = np.broadcast_shapes(young.shape, poisson.shape)
    return Elasticity(
        np.broadcast_to(young, shape), np.broadcast_to(poisson, shape), asked.state, asked.unit
    )


def write_arrays(path: Path, part: slice, arrays: dict[str, np.ndarray]) -> None:
    """Write the slice ``part`` of every array; the chunks of other parts are not touched."""
    import zarr

    # Chunks of zeros are written too, so that a chunk that is lost can be told from an empty one.
    with zarr.config.set({"array.write_empty_chunks": True}):
        for name, values in arrays.items():
            zarr.open_array(path / name, mode="r+")[part] = values

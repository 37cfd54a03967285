"""From a recipe to a plan: factors drawn for every sample, and parts that fit into memory.

Everything random follows from the recipe's seed and the name of what needs it: sample ``i`` is the
same whatever the number of workers, and the first samples do not change when more are asked for.
Parts depend on the recipe alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.seeds import derive_seed, generator
from iceframe.physics.generator import Microstructures
from iceframe.workflow.simulate.arrays import (
    ArrayPlan,
    Layout,
    sensitivity_arrays,
    structure_arrays,
)
from iceframe.workflow.simulate.columns import Column, result_columns
from iceframe.workflow.simulate.evolving import check_evolution, frame_arrays
from iceframe.workflow.simulate.families import Family, drawn, families_of
from iceframe.workflow.simulate.loading import Loaded
from iceframe.workflow.simulate.materials import conditions
from iceframe.workflow.simulate.recipe import Recipe

PART_VOXELS = 2**18  # solved and written together: 64 images of 64 × 64, 8 volumes of 32³
MOST_SAMPLES = 64  # in a part, so that progress shows and little is lost with a kill
CARD = 16  # times as much on a graphics card, which is not busy with less
LEAST_PARTS = 8  # where there are samples enough, so that workers have something to share


@dataclass(frozen=True)
class Plan:
    """All that a worker needs. ``table``: id, generator, factors and conditions of every sample."""

    recipe: Recipe
    families: tuple[Family, ...]
    table: pd.DataFrame
    part_size: int
    columns: tuple[Column, ...] = ()
    arrays: tuple[ArrayPlan, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    @property
    def levels(self) -> int:
        """Phases that the images may hold; 0 where samples start from noise."""
        return max(len(family.phase_names) for family in self.families)

    def parts(self) -> list[slice]:
        """The samples of each part, in order."""
        n, size = len(self), self.part_size
        return [slice(start, min(start + size, n)) for start in range(0, n, size)]

    def rows(self, family: Family, part: slice) -> np.ndarray:
        """Numbers of the samples in ``part`` that ``family`` makes."""
        inside = np.arange(part.start, part.stop)
        return inside[inside % len(self.families) == family.number]

    def microstructures(self, family: Family, rows: np.ndarray) -> Microstructures:
        """Generate the samples ``rows``, neighbours among those of their family."""
        factors = {f.name: self.table[f.name].to_numpy(float)[rows] for f in family.factors}
        seed = derive_seed(self.recipe.seed, "microstructures", family.name)
        first = int(rows[0]) // len(self.families)
        return family.kind().generate(
            len(rows), self.recipe.shape, seed=seed, first=first, **factors
        )


def make_plan(loaded: Loaded) -> Plan:
    """Check a recipe against what there is, and draw the factors of all samples.

    Raises
    ------
    UsageError : an unknown generator or preset (the nearest is offered).
    InputError : an unknown factor or phase, a range beyond what the generator takes, too few or too
        many values for its phases.
    """
    recipe = loaded.recipe
    families = families_of(loaded)
    constants = list(conditions(loaded, families))
    n = recipe.samples
    table = pd.DataFrame({"id": [f"s{i:05d}" for i in range(n)]})
    table["generator"] = [families[i % len(families)].name for i in range(n)]
    for name in dict.fromkeys(f.name for family in families for f in family.factors):
        table[name] = drawn(name, families, recipe)
    for column, draw in constants:
        table[column.name] = draw.numbers(n, generator(recipe.seed, "condition", column.name))
    scale = CARD if recipe.solver.device.startswith("cuda") else 1
    layout = Layout(n, tuple(recipe.shape), _part_size(n, int(np.prod(recipe.shape)), scale))
    bare = Plan(recipe, families, table, layout.part_size)
    # One structure of each family tells what it measures and whether it has grains.
    used = [f for f in families if f.generated and f.number < n]
    first = [bare.microstructures(f, bare.rows(f, slice(0, n))[:1]) for f in used]
    _require_grains(loaded, used, first)
    check_evolution(loaded, families, first)
    columns = (
        Column("id", "id"),
        Column("generator", "generator"),
        *_factor_columns(families, first),
        *(column for column, _ in constants),
        *result_columns(recipe),
    )
    arrays = (
        *structure_arrays(layout, families, first),
        *sensitivity_arrays(layout, loaded, families, columns),
        *frame_arrays(layout, recipe),
    )
    return Plan(recipe, families, table, layout.part_size, columns, arrays)


def _require_grains(loaded: Loaded, families: list[Family], first: list[Microstructures]) -> None:
    if loaded.recipe.property is None or loaded.recipe.property.cubic is None:
        return
    for family, micro in zip(families, first, strict=True):
        if micro.grains is None or micro.orientations is None:
            raise InputError(
                f"The generator '{family.name}' makes no oriented grains.",
                where=loaded.where("property.cubic"),
                hint="use a polycrystal, for instance voronoi, or elasticity instead of cubic",
            )


def _factor_columns(families: tuple[Family, ...], first: list[Microstructures]) -> list[Column]:
    declared = {factor.name: factor for family in families for factor in family.factors}
    names = dict.fromkeys([*declared, *(name for micro in first for name in micro.factors)])
    return [
        Column(
            name,
            "factor",
            declared[name].unit if name in declared else "",
            declared[name].meaning if name in declared else "as it came out",
        )
        for name in names
    ]


def _part_size(n: int, voxels: int, scale: int) -> int:
    """A power of two, so that chunks divide it: bounded by memory, and by what is worth sharing."""
    most = min(MOST_SAMPLES * scale, max(1, PART_VOXELS * scale // voxels))
    most = min(most, max(1, n // LEAST_PARTS))
    return 2 ** (most.bit_length() - 1)

"""Evolution: from initial fields to frames at the asked times, and what is measured on them.

A composition starts from the generator's two phases, else from white noise; grains start from those
of a polycrystal. Cahn–Hilliard frames hold the composition, from 0 to 1; grain growth's hold
``Σ ηᵢ²``, 1 within grains and less at their boundaries. Energy, sizes and counts are those of the
last frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.seeds import generator
from iceframe.physics.generator import Microstructures
from iceframe.workflow.simulate.arrays import ArrayPlan, Layout
from iceframe.workflow.simulate.families import Family
from iceframe.workflow.simulate.fields import METRES
from iceframe.workflow.simulate.loading import Loaded
from iceframe.workflow.simulate.recipe import CahnHilliardRecipe, GrainGrowthRecipe, Recipe

if TYPE_CHECKING:
    from iceframe.physics.phase_field import Evolution, Model
    from iceframe.workflow.simulate.plan import Plan

FRAMES = "frames"


def check_evolution(
    loaded: Loaded, families: tuple[Family, ...], first: list[Microstructures]
) -> None:
    """Refuse what cannot evolve, before anything is written.

    Raises
    ------
    InputError : not two phases, no grains, an interface that the voxels do not resolve.
    """
    wanted = loaded.recipe.evolution
    if wanted is None:
        return
    for family, micro in zip(families, first, strict=False):
        if isinstance(wanted, CahnHilliardRecipe) and len(family.phase_names) != 2:
            raise InputError(
                f"The generator '{family.name}' has not two phases to start from.",
                where=loaded.where("generator"),
                got=", ".join(family.phase_names),
                hint="leave the generator out to start from noise",
            )
        if isinstance(wanted, GrainGrowthRecipe) and micro.grains is None:
            raise InputError(
                f"The generator '{family.name}' makes no grains to grow.",
                where=loaded.where("generator"),
                hint="use a polycrystal, for instance voronoi",
            )
    try:
        model_of(loaded.recipe)
    except InputError as error:
        raise InputError(
            error.what,
            where=loaded.where("evolution"),
            got=error.got,
            allowed=error.allowed,
            hint=error.hint,
        ) from error


def model_of(recipe: Recipe) -> Model:
    """The phase-field model in SI units."""
    from iceframe.physics.phase_field import CahnHilliard, GrainGrowth

    wanted, voxel = recipe.evolution, recipe.voxel
    assert voxel is not None  # the recipe saw to it
    spacing = voxel.size * METRES[voxel.unit]
    if isinstance(wanted, CahnHilliardRecipe):
        return CahnHilliard(
            barrier=wanted.barrier,
            gradient_energy=wanted.gradient_energy,
            mobility=wanted.mobility,
            spacing=spacing,
        )
    assert isinstance(wanted, GrainGrowthRecipe)
    return GrainGrowth(
        orders=wanted.orders,
        boundary_width=wanted.boundary_width,
        boundary_energy=wanted.boundary_energy,
        boundary_mobility=wanted.boundary_mobility,
        spacing=spacing,
    )


def frame_arrays(layout: Layout, recipe: Recipe) -> list[ArrayPlan]:
    """The frames, one a time."""
    wanted = recipe.evolution
    if wanted is None:
        return []
    composition = isinstance(wanted, CahnHilliardRecipe)
    return [
        layout.array(
            FRAMES,
            "float32",
            {"time": len(wanted.times)},
            times=list(wanted.times),
            unit="s",
            meaning="composition, 0 to 1" if composition else "Σ ηᵢ², 1 within grains",
        )
    ]


def evolve_rows(
    plan: Plan,
    family: Family,
    micro: Microstructures | None,
    rows: np.ndarray,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Results of the samples ``rows``, and their frames float32 ``(len(rows), times, *shape)``."""
    from iceframe.physics.phase_field import evolve

    recipe = plan.recipe
    wanted = recipe.evolution
    assert wanted is not None
    done = evolve(
        _initial(plan, family, micro, rows),
        model_of(recipe),
        times=wanted.times,
        tolerance=wanted.tolerance,
        max_steps=wanted.max_steps,
        precision=recipe.solver.precision,
        device=recipe.solver.device,
    )
    composition = isinstance(wanted, CahnHilliardRecipe)
    frames = done.frames if composition else np.square(done.frames).sum(axis=2)
    measured = _separated(done, plan) if composition else _grown(done, plan)
    table = pd.DataFrame({**measured, "final_energy": done.energy[:, -1]})
    table[~done.finished] = np.nan
    table["status"] = [str(status) for status in done.status]
    table["steps"] = done.steps
    return table, frames.astype(np.float32)


def _initial(
    plan: Plan, family: Family, micro: Microstructures | None, rows: np.ndarray
) -> np.ndarray:
    wanted = plan.recipe.evolution
    if isinstance(wanted, GrainGrowthRecipe):
        from iceframe.physics.phase_field import color_grains

        assert micro is not None
        assert micro.grains is not None
        return np.stack([color_grains(grains, wanted.orders) for grains in micro.grains])
    if micro is not None:
        return micro.phases.astype(float)
    assert isinstance(wanted, CahnHilliardRecipe)
    mean = plan.table["composition"].to_numpy(float)[rows]
    fields = []
    for row, level in zip(rows, mean, strict=True):
        noise = generator(plan.recipe.seed, "noise", int(row)).standard_normal(plan.recipe.shape)
        fields.append(level + wanted.noise * (noise - noise.mean()))
    # Noise beyond the phases would be a composition that does not exist.
    return np.clip(np.stack(fields), 0.0, 1.0)


def _separated(done: Evolution, plan: Plan) -> dict[str, Any]:
    from iceframe.physics.phase_field import domain_size

    voxel = plan.recipe.voxel
    assert voxel is not None
    return {
        "final_domain_size": domain_size(done.frames[:, -1], len(plan.recipe.shape), voxel.size)
    }


def _grown(done: Evolution, plan: Plan) -> dict[str, Any]:
    from iceframe.physics.phase_field import grain_labels

    voxel, shape = plan.recipe.voxel, plan.recipe.shape
    assert voxel is not None
    counts = np.full(len(done.frames), np.nan)
    here = done.finished
    if here.any():
        counts[here] = grain_labels(done.frames[here, -1])[1]
    cell = float(np.prod(shape)) * voxel.size ** len(shape)
    size = "area" if len(shape) == 2 else "volume"
    return {"final_grain_count": counts, f"final_mean_grain_{size}": cell / counts}

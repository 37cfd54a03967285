"""What a simulation would cost, found by making a handful of its samples."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.workflow.processes import number_of_workers, one_thread
from iceframe.workflow.simulate.folder import create_arrays
from iceframe.workflow.simulate.loading import load_recipe
from iceframe.workflow.simulate.parts import simulate_part, write_arrays
from iceframe.workflow.simulate.plan import Plan, make_plan
from iceframe.workflow.simulate.recipe import Recipe

TRIED = 8  # samples
WELL = ("CONVERGED", "FINISHED")


@dataclass(frozen=True)
class Estimate:
    """What a recipe would make: ``samples`` of ``shape``, ``bytes`` on disk, ``seconds``.

    ``tried`` samples were made to find out; ``failed`` of them have no property. ``free`` bytes are
    left where the data set would lie. ``columns`` and ``arrays`` are what it would hold.
    """

    samples: int
    shape: tuple[int, ...]
    columns: tuple[str, ...]
    arrays: tuple[str, ...]
    workers: int
    parts: int
    seconds: float
    bytes: int
    free: int
    tried: int
    failed: int

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def estimate(
    recipe: Mapping[str, Any] | Recipe | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] = ".",
    workers: int | None = None,
) -> Estimate:
    """Check a recipe, make a handful of its samples, and say what all of them would cost.

    Nothing is written to ``out``; errors are those of :func:`iceframe.simulate`.
    """
    loaded = load_recipe(recipe)
    processes = number_of_workers(workers)
    plan = make_plan(loaded)
    part = slice(0, min(len(plan), TRIED, plan.part_size))
    with one_thread():
        simulate_part(plan, slice(0, 1))  # the first one pays for imports and plans
        start = time.perf_counter()
        table, arrays = simulate_part(plan, part)
        seconds = time.perf_counter() - start
    share = len(table) / len(plan)
    well = table["status"].isin(WELL) if "status" in table else table["id"].notna()
    processes = min(processes, len(plan.parts()))
    return Estimate(
        len(plan),
        tuple(plan.recipe.shape),
        tuple(column.name for column in plan.columns),
        tuple(array.name for array in plan.arrays),
        processes,
        len(plan.parts()),
        seconds / share / processes,
        int(_packed(plan, arrays) / share) + 100 * len(plan.columns) * len(plan) // 8,
        _free(Path(out)),
        len(table),
        int((~well).sum()),
    )


def _packed(plan: Plan, arrays: dict[str, np.ndarray]) -> int:
    """Bytes that the arrays of some samples take on disk."""
    part = slice(0, len(next(iter(arrays.values()))))
    with tempfile.TemporaryDirectory() as folder:
        create_arrays(Path(folder) / "images", plan.arrays)
        write_arrays(Path(folder) / "images", part, arrays)
        files = [p for p in Path(folder).rglob("*") if p.is_file() and p.name != "zarr.json"]
        return sum(path.stat().st_size for path in files)


def _free(out: Path) -> int:
    there = out.absolute()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free

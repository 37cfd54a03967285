"""The demo's data and run: two-phase microstructures and their effective conductivity.

Simulates the recipe ``conduction`` (Gaussian random fields cut at a level, of varied volume
fraction, length and anisotropy), and writes an ordinary image folder rather than a simulated data
set, so that a newcomer sees what their own data should look like.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from iceframe.core.errors import UsageError
from iceframe.core.files import read_json, replacing, write_json

if TYPE_CHECKING:
    from iceframe.workflow.execute import Watch
    from iceframe.workflow.session import Run
    from iceframe.workflow.simulate.plan import Plan

LADDER = ("mean", "ridge", "tree", "ebm", "extra_trees", "gp", "cnn")
TARGET = "conductivity"
COLUMN = "k_xx"  # of the simulation
# The demo's five minutes allow no more.
TRIALS = {"light": 10, "medium": 4, "heavy": 0, "extreme": 0}


def make_demo_data(folder: Path, *, samples: int = 300, seed: int = 0) -> Path:
    """Simulate the demo's image folder; an existing one of the same recipe is kept.

    Returns the folder: ``labels.csv`` (``file``, ``conductivity`` along x), PNG images,
    ``dataset.json``.
    """
    from PIL import Image

    if samples < 40:
        raise UsageError("The demo needs more samples.", got=samples, allowed="40 or more")
    plan = _plan(samples, seed)
    recipe = plan.recipe.plain()
    marker = folder / "dataset.json"  # written last
    if marker.exists() and read_json(marker).get("recipe") == recipe:
        return folder
    phases, conductivity = _simulated(plan)
    names = [f"microstructure{i:04d}.png" for i in range(samples)]
    for name, image in zip(names, phases, strict=True):
        with replacing(folder / name) as temporary:
            Image.fromarray(image * np.uint8(255)).save(temporary, format="PNG")
    with replacing(folder / "labels.csv") as temporary:
        labels = pd.DataFrame({"file": names, TARGET: np.round(conductivity, 5)})
        labels.to_csv(temporary, index=False)
    column = next(c for c in plan.columns if c.name == COLUMN)
    body = {
        "target": TARGET,
        "periodic": True,
        "kind": "phase",
        "symmetries": list(column.symmetries),
        "units": {TARGET: column.unit},
        "physics": {**recipe["property"], "component": COLUMN},
        "recipe": recipe,
    }
    voxel = plan.recipe.voxel
    if voxel is not None:
        body |= {"pixel_size": voxel.size, "pixel_unit": voxel.unit}
    write_json(marker, body)
    return folder


def _plan(samples: int, seed: int) -> Plan:
    import yaml

    from iceframe.workflow.simulate.loading import load_recipe
    from iceframe.workflow.simulate.plan import make_plan
    from iceframe.workflow.simulate.templates import template

    recipe = yaml.safe_load(template("conduction"))
    return make_plan(load_recipe({**recipe, "samples": samples, "seed": seed}))


def _simulated(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Phases uint8 ``(n, height, width)`` and conductivities along x ``(n,)``."""
    from iceframe.workflow.processes import one_thread
    from iceframe.workflow.simulate.parts import simulate_part

    with one_thread():
        parts = [simulate_part(plan, part) for part in plan.parts()]
    phases = np.concatenate([arrays["phases"] for _, arrays in parts])
    return phases, np.concatenate([table[COLUMN].to_numpy(float) for table, _ in parts])


def run_demo(
    folder: Path,
    out: Path,
    *,
    seed: int = 0,
    workers: int | None = None,
    watch: Watch | None = None,
) -> Run:
    """Climb the demo's ladder over the folder that :func:`make_demo_data` made."""
    from iceframe.ingest import read
    from iceframe.workflow.session import run

    data = read(folder, TARGET)
    return run(
        data,
        ladder=LADDER,
        out=out,
        seed=seed,
        workers=workers,
        shift=False,
        trials=TRIALS,
        command="iceframe demo",
        watch=watch,
    )

"""The demo's data and run: two-phase microstructures and their effective conductivity.

Simulates Gaussian random fields cut at a level, of varied volume fraction, correlation length and
anisotropy, and homogenises them. Writes an ordinary image folder, so that a newcomer sees what
their own data should look like.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from iceframe.core.errors import UsageError
from iceframe.core.files import read_json, replacing, write_json
from iceframe.core.seeds import generator

if TYPE_CHECKING:
    from iceframe.workflow.execute import Watch
    from iceframe.workflow.session import Run

SHAPE = (64, 64)  # pixels
CONTRAST = 50.0  # conductivity of the bright over the dark phase
VOLUME_FRACTION = (0.2, 0.8)
LENGTH = (2.0, 8.0)  # pixels
ANISOTROPY = (1.0, 4.0)  # ratio of the correlation lengths; the long one lies anywhere
LADDER = ("mean", "ridge", "tree", "ebm", "extra_trees", "gp", "cnn")
TARGET = "conductivity"
TRIALS = {"light": 10, "medium": 4, "heavy": 0}  # the demo's five minutes allow no more


def make_demo_data(folder: Path, *, samples: int = 300, seed: int = 0) -> Path:
    """Simulate the demo's image folder; an existing one of the same recipe is kept.

    Returns the folder: ``labels.csv`` (``file``, ``conductivity`` along x, in units of the dark
    phase's), PNG images, ``dataset.json``.
    """
    from PIL import Image

    from iceframe.physics.conduction import effective_conductivity
    from iceframe.physics.random_fields import two_phase

    if samples < 40:
        raise UsageError("The demo needs more samples.", got=samples, allowed="40 or more")
    recipe = {"samples": samples, "seed": seed, "shape": list(SHAPE), "contrast": CONTRAST}
    marker = folder / "dataset.json"  # written last
    if marker.exists() and read_json(marker).get("recipe") == recipe:
        return folder
    rng = generator(seed, "demo")
    phases = two_phase(
        samples,
        SHAPE,
        volume_fraction=rng.uniform(*VOLUME_FRACTION, samples),
        length=rng.uniform(*LENGTH, samples),
        anisotropy=rng.uniform(*ANISOTROPY, samples),
        angle=rng.uniform(0.0, 180.0, samples),
        seed=seed,
    )
    conductivity = effective_conductivity(phases, np.array([1.0, CONTRAST])).tensor[:, 0, 0]
    names = [f"microstructure{i:04d}.png" for i in range(samples)]
    for name, image in zip(names, phases, strict=True):
        with replacing(folder / name) as temporary:
            Image.fromarray(image * np.uint8(255)).save(temporary, format="PNG")
    with replacing(folder / "labels.csv") as temporary:
        labels = pd.DataFrame({"file": names, TARGET: np.round(conductivity, 5)})
        labels.to_csv(temporary, index=False)
    write_json(
        marker,
        {
            "target": TARGET,
            "periodic": True,
            "kind": "phase",
            "symmetries": ["flip", "translate"],
            "units": {TARGET: "k₁"},
            "recipe": recipe,
        },
    )
    return folder


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

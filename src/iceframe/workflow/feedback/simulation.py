"""New simulated samples, drawn from the recipe that made the data and solved by its law.

Generating structures is cheap, solving them is not: a pool of structures is drawn under another
seed, and those are solved whose labels are worth most (:func:`worth`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError
from iceframe.ingest.simulated import open_simulated
from iceframe.ingest.simulated_images import SimulatedImages
from iceframe.physics.components import component_pair
from iceframe.workflow.feedback.ladder import knows_sensitivities
from iceframe.workflow.physics import properties_of, testable
from iceframe.workflow.simulate.loading import load_recipe
from iceframe.workflow.simulate.parts import simulate_part
from iceframe.workflow.simulate.plan import make_plan

SOLVED = "solved.npz"
TABLE = "table.parquet"


def can_simulate(data: Dataset) -> bool:
    """Whether new samples can be made and solved as these were."""
    return isinstance(data.images, SimulatedImages) and testable(data)


def recipe_of(data: Dataset) -> Mapping[str, Any]:
    """The recipe that made these simulated images.

    Raises
    ------
    InputError : they were not simulated, or by a law that varies from sample to sample.
    """
    if not can_simulate(data):
        raise InputError(
            "New samples cannot be simulated: the recipe or the law of these data is not known.",
            where=data.source or data.name,
            hint="give a folder that `iceframe simulate` made, with a 'property' in its recipe",
        )
    assert isinstance(data.images, SimulatedImages)
    return dict(open_simulated(data.images.folder).manifest["recipe"])


def pool_of(data: Dataset, n: int, seed: int) -> Dataset:
    """``n`` new structures of the recipe that made ``data``, with its columns, not solved."""
    recipe = {k: v for k, v in recipe_of(data).items() if k not in ("property", "sensitivities")}
    plan = make_plan(load_recipe({**recipe, "samples": n, "seed": seed}))
    parts = [simulate_part(plan, part) for part in plan.parts()]
    known = pd.concat([table for table, _ in parts], ignore_index=True)
    table = known.reindex(columns=data.table.columns)
    table.index = pd.Index([f"new{seed}-{i:05d}" for i in range(n)], name=data.table.index.name)
    phases = np.concatenate([arrays["phases"] for _, arrays in parts])
    assert data.images is not None
    images = ArrayImages(
        phases[:, None].astype(np.float32),
        data.images.periodic,
        data.images.kind,
        tuple(table.index),
    )
    return replace(data, table=table, images=images)


def worth(disagreement: np.ndarray, novelty: np.ndarray) -> np.ndarray:
    """What a label of each sample is worth ``(n,)``: the mean of its ranks, in (0, 1].

    ``disagreement`` ``(n,)``: standard deviation of what a committee of models says (query by
    committee; Krogh & Vedelsby 1995, NeurIPS 7). ``novelty`` ``(n,)``: distance to what is known.

    >>> worth(np.array([1.0, 3.0, 2.0]), np.array([0.0, 2.0, 1.0])).round(3).tolist()
    [0.333, 1.0, 0.667]
    """
    from scipy.stats import rankdata

    return np.asarray((rankdata(disagreement) + rankdata(novelty)) / (2 * len(novelty)))


def solve_into(folder: Path, pool: Dataset, chosen: np.ndarray, solver: Mapping[str, Any]) -> None:
    """Solve the structures of ``pool`` at ``chosen`` and write what :func:`solved_from` reads."""
    from iceframe.physics.homogenisation import homogenize

    some = pool.take(chosen)
    assert some.images is not None
    assert some.law is not None
    phases = np.rint(some.images.read(np.arange(len(some)))[:, 0]).astype(np.uint8)
    found = homogenize(phases, properties_of(some.law), sensitivities=True, **solver)
    pair = component_pair(some.law.kind, some.law.component, phases.ndim - 1)
    assert found.sensitivities is not None
    good = found.converged
    np.savez_compressed(
        folder / SOLVED,
        phases=phases[good],
        target=found.tensor[good][:, pair[0], pair[1]],
        slopes=found.sensitivities[good, found.pairs.index(pair), :1].astype(np.float32),
    )
    some.table[good].to_parquet(folder / TABLE)


def with_solved(data: Dataset, folder: Path) -> Dataset:
    """``data``, and behind them the samples that :func:`solve_into` wrote.

    Sensitivities are kept where all samples then have them.
    """
    assert data.images is not None
    assert data.target is not None
    with np.load(folder / SOLVED, allow_pickle=False) as held:
        phases, target, slopes = held["phases"], held["target"], held["slopes"]
    table = pd.read_parquet(folder / TABLE)
    table[data.target] = target
    everything = np.arange(len(data))
    derivatives = None
    if knows_sensitivities(data):
        derivatives = np.concatenate([data.images.gradients(everything), slopes])  # type: ignore[attr-defined]
    images = ArrayImages(
        np.concatenate([data.images.read(everything), phases[:, None].astype(np.float32)]),
        data.images.periodic,
        data.images.kind,
        (*data.images.names, *map(str, table.index)),
        derivatives,
    )
    return replace(data, table=pd.concat([data.table, table]), images=images)

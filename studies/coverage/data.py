"""Data sets as arrays: one table of descriptors each, with what keeps samples together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from studies.coverage.pieces import SIMULATED, Study, shared_data
from studies.paradox.pieces import Piece

from iceframe.core.dataset import Dataset
from iceframe.core.files import replacing
from iceframe.core.seeds import generator
from iceframe.core.values import Representation, Task
from iceframe.ingest import make_splits, read
from iceframe.ingest.duplicates import duplicate_groups
from iceframe.scale.fitting import context_for
from iceframe.scale.represent import Representer
from iceframe.scale.rung import Context, Inputs
from iceframe.workflow.benchmark.tasks import read_task, task_named
from iceframe.workflow.demo import make_demo_data

MPEA_FEATURES = (
    "PROPERTY: Processing method",
    "PROPERTY: BCC/FCC/other",
    "PROPERTY: Type of test",
    "PROPERTY: Test temperature ($^\\circ$C)",
)
YEAR = "REFERENCE: year"
PHASE = "PROPERTY: BCC/FCC/other"


@dataclass(frozen=True)
class Table:
    """A data set of n samples: ``x`` ``(n, d)``; ``y`` targets or class codes; ``together``
    near-duplicates; ``cluster`` of similar samples; ``group`` and ``year``, empty where the data
    have none."""

    x: np.ndarray
    y: np.ndarray
    together: np.ndarray
    cluster: np.ndarray
    group: np.ndarray
    year: np.ndarray
    classes: int = 0

    @property
    def task(self) -> Task:
        return "classification" if self.classes else "regression"

    @property
    def inputs(self) -> Inputs:
        names = tuple(f"x{j}" for j in range(self.x.shape[1]))
        return Inputs(Representation(self.x, names, ("",) * len(names)))

    def context(self, seed: int) -> Context:
        return context_for(self.inputs, self.task, n_classes=self.classes, seed=seed)


def pieces(study: Study) -> list[Piece]:
    """One piece a data set."""
    return [Piece(name, path_of(study, name), partial(_make, study, name)) for name in study.there]


def path_of(study: Study, name: str) -> Path:
    return study.out / "data" / f"{name}.npz"


def load(study: Study, name: str) -> Table:
    """A data set that :func:`pieces` made."""
    with np.load(path_of(study, name), allow_pickle=False) as stored:
        arrays = {key: stored[key] for key in stored}
    return Table(**{**arrays, "classes": int(arrays["classes"])})


def _make(study: Study, name: str) -> None:
    table = (
        _simulated_table(study.samples) if name == "simulated_table" else _of(_read(study, name))
    )
    with replacing(path_of(study, name)) as temporary:
        np.savez(temporary, **vars(table))


def _read(study: Study, name: str) -> Dataset:
    if name in SIMULATED:
        return read(make_demo_data(study.out / "data" / name, samples=study.samples))
    tables = shared_data() / "tables"
    if name == "nims_fatigue":
        return read(tables / "nims_fatigue_agrawal2014.csv", "Fatigue")
    if name == "mpea":
        return read(
            tables / "mpea_borg2020.csv", "PROPERTY: YS (MPa)", composition="FORMULA",
            features=MPEA_FEATURES, drop_invalid=True,
        )  # fmt: skip
    if name == "uhcs":
        return read(shared_data() / "micrographs" / "uhcs", "constituent")
    return read_task(task_named(name), tables / f"matbench_{name}.json.bz2")


def _of(data: Dataset) -> Table:
    values = Representer().fit(data).transform(data).values
    y = data.table[data.target]
    codes = {label: code for code, label in enumerate(data.classes)}
    cluster = np.empty(len(data), int)
    for number, fold in enumerate(make_splits(data, "cluster", 5, 0).folds):
        cluster[fold.test] = number
    empty = np.empty(0)
    return Table(
        values,
        y.map(codes).to_numpy(int) if codes else y.to_numpy(float),
        duplicate_groups(data),
        cluster,
        data.table[PHASE].astype(str).to_numpy(str) if PHASE in data.table else empty,
        data.table[YEAR].to_numpy(float) if YEAR in data.table else empty,
        len(codes),
    )


def _simulated_table(n: int) -> Table:
    """A linear law whose noise grows fivefold along the third column."""
    rng = generator(0, "coverage study")
    x = rng.normal(size=(n, 4))
    group = np.where(x[:, 2] > 1.0, "noisy", "quiet")
    y = x @ [3.0, -2.0, 2.0, 0.0] + np.where(group == "noisy", 5.0, 1.0) * rng.normal(size=n)
    cluster = np.argsort(np.argsort(x[:, 0])) * 5 // n
    return Table(x, y, np.arange(n), cluster, group, np.empty(0))

"""Beyond the official folds: clusters left out, and the extremes of the target.

Random folds ask for samples like those seen. Two harder questions stand beside them: a cluster of
similar samples left out whole, and the highest or lowest values of the target left out. An error
means little there without what memory alone would have made, so every loss is also given relative
to that of the nearest training sample and of the mean.

Reference: Meredig et al. 2018, doi:10.1039/C8ME00012C.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.runstore import RunStore
from iceframe.core.values import Splits
from iceframe.ingest import make_splits
from iceframe.measure.summary import shift_evidence
from iceframe.workflow import prepare
from iceframe.workflow.benchmark.view import NAN, Elsewhere
from iceframe.workflow.execute import Watch, execute
from iceframe.workflow.plan import Unit, make_unit
from iceframe.workflow.session import Run

REFERENCE = "Errors relative to the nearest neighbour: Meredig et al. 2018, doi:10.1039/C8ME00012C"
EXTREMES = "extremes"
NEIGHBOUR, MEAN = "nearest_neighbour", "mean"
BASELINES = (MEAN, NEIGHBOUR)


@dataclass(frozen=True)
class Extremes:
    """Losses of every finished rung on the extremes: rung -> loss of each fold. ``notes`` say how
    they were split, or why they were not."""

    losses: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    unfinished: int = 0


def measure_extremes(
    data: Dataset,
    run: Run,
    folder: Path,
    *,
    workers: int,
    budget: float | None = None,
    watch: Watch | None = None,
) -> Extremes:
    """Tune and fit every rung of ``run`` without the extremes of the target, and predict these.

    The work is kept in ``folder`` as that of a run is, and continued from there.

    Raises
    ------
    InputError : ``folder`` holds something else, or cannot be written to.
    """
    settings = prepare.settings_from(run.header)
    if data.task == "classification":
        return Extremes(notes=("A classification has no extremes to leave out.",))
    try:
        splits = make_splits(data, EXTREMES, seed=settings.seed)
    except (InputError, UsageError) as error:
        return Extremes(notes=(f"The extremes were not left out: {error.what}",))
    identity = {**run.header["identity"], "what": "test on extremes", "splits": EXTREMES}
    header = {**run.header, "identity": identity}
    store = RunStore.create_or_open(folder, header)
    work = prepare.prepare(data, settings, run.store).work
    work = replace(work, shift=splits, root=store.root)
    units = [
        make_unit("shift", rung, fold.name, identity, fold.train, fold.test)
        for rung in settings.ladder
        for fold in splits.folds
    ]
    with store.locked():
        outcome = execute(units, store, work, workers=workers, budget=budget, watch=watch)
    failed = {u.rung: outcome.failures[u.key] for u in units if u.key in outcome.failures}
    left = sum(not store.finished(u.key) and u.key not in outcome.failures for u in units)
    return Extremes(_losses(units, store, splits), splits.notes, failed, left)


def _losses(units: Sequence[Unit], store: RunStore, splits: Splits) -> dict[str, tuple[float, ...]]:
    found = {}
    for rung in dict.fromkeys(unit.rung for unit in units):
        mine = [u for u in units if u.rung == rung and store.finished(u.key)]
        if len(mine) == len(splits.folds):
            parts = [pd.read_parquet(store.unit(u.key) / "predictions.parquet") for u in mine]
            found[rung] = shift_evidence(rung, parts, "regression")[0].folds
    return found


def elsewhere(run: Run, extremes: Extremes) -> list[Elsewhere]:
    """Losses on the official folds, on clusters and on the extremes, rung by rung."""
    evidence = run.evidence
    regression = run.header["task"] == "regression"
    metric = "mae" if regression else "balanced_accuracy"
    kinds: list[tuple[str, dict[str, tuple[float, ...]]]] = []
    for kind, name in (("random", metric), ("cluster", "leave_cluster_out")):
        rows = evidence[evidence["metric"] == name]
        upside_down = name == "balanced_accuracy"
        kinds.append(
            (
                kind,
                {
                    str(rung): tuple(1 - float(f) if upside_down else float(f) for f in folds)
                    for rung, folds in rows[["rung", "folds"]].to_numpy()
                },
            )
        )
    kinds.append((EXTREMES, dict(extremes.losses)))
    return [row for kind, losses in kinds for row in _relative(kind, losses)]


def _relative(kind: str, losses: Mapping[str, tuple[float, ...]]) -> list[Elsewhere]:
    means = {rung: float(np.mean(folds)) if folds else NAN for rung, folds in losses.items()}
    neighbour, mean = means.get(NEIGHBOUR, NAN), means.get(MEAN, NAN)
    return [
        Elsewhere(rung, kind, means[rung], _over(means[rung], neighbour),
                  _over(means[rung], mean), folds)
        for rung, folds in losses.items()
        if np.isfinite(means[rung])
    ]  # fmt: skip


def _over(value: float, baseline: float) -> float:
    return value / baseline if baseline > 0 else NAN

"""What the decision reads of every rung of a ladder, and how good each rung truly is.

The fold losses and the complexity are those of :func:`iceframe.run` under the same settings, number
for number (a test holds this); explanations and intervals, which cost two thirds of a run and on
which nothing here depends, are left out. The true loss is that of the rung's final model, which
learned from all samples of the data set, on fresh samples of the same truth.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from studies.planted_truth.truths import Planted

from iceframe.core.files import read_json, write_json
from iceframe.core.runstore import RunStore
from iceframe.core.seeds import derive_seed
from iceframe.core.values import Evidence
from iceframe.ingest.repeats import usual_repeats
from iceframe.measure.complexity import (
    Estimate,
    complexity_share,
    effective_features,
    non_additivity,
)
from iceframe.measure.fidelity import regression_scores
from iceframe.measure.summary import composite_estimate, from_estimate, from_folds
from iceframe.measure.table_model import model_function
from iceframe.scale.fitting import Fitted, fit, tune
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.workflow.plan import TAU_FRACTIONS, Unit, Workload, plan_units
from iceframe.workflow.prepare import Prepared, header_of, prepare
from iceframe.workflow.settings import RunSettings
from iceframe.workflow.units import perform

AT_ONCE = 1000  # fresh samples that a model is asked for at once


def measure(truth: Planted, settings: RunSettings, fresh: bool = True) -> dict[str, Any]:
    """Climb ``settings.ladder`` over a planted data set.

    Returns plain values: ``evidence`` (rows as mappings), ``n_train`` and ``n_test`` of a fold,
    ``rope`` (the audit's repeat error, or ``None``), ``true`` (rung -> true loss; empty unless
    ``fresh``) and ``seconds`` (rung -> processor seconds).
    """
    settings = replace(settings, repeats=usual_repeats(truth.data))
    with tempfile.TemporaryDirectory(prefix="planted-truth-") as folder:
        header = header_of(truth.data, settings, "planted truth")
        store = RunStore.create_or_open(Path(folder) / "run", header)
        prepared = prepare(truth.data, settings, store)
        units = plan_units(prepared.work, store.header["identity"])
        unseen = _represented(prepared, truth) if fresh else None
        rows: list[Evidence] = []
        true: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for rung in settings.ladder:
            start = time.process_time()
            mine = [u for u in units if u.rung == rung]
            losses = [_fold_loss(u, prepared.work) for u in mine if u.kind in ("fold", "repeat")]
            final = _fitted(next(u for u in mine if u.kind == "final"), prepared.work)
            freedom = _freedom(mine, final, prepared.work, Path(folder) / rung)
            rows += [_loss_row(rung, losses, prepared.work)]
            rows += _complexity(final, freedom, prepared.work)
            if unseen is not None:
                true[rung] = truth.loss(_predicted(final, unseen))
            seconds[rung] = round(time.process_time() - start, 2)
    folds = prepared.work.splits.folds
    repeat = prepared.audit.facts.get("repeat_error")
    return {
        "n": len(truth.data),
        "features": len(truth.data.features),
        "attainable": truth.attainable,
        "family": truth.family,
        "evidence": [_plain(row) for row in rows],
        "n_train": float(np.mean([len(f.train) for f in folds])),
        "n_test": float(np.mean([len(f.test) for f in folds])),
        "rope": float(repeat) if repeat else None,
        "true": true,
        "seconds": seconds,
    }


def evidence_of(record: Mapping[str, Any]) -> list[Evidence]:
    """The rows of a stored record."""
    return [Evidence(**{**row, "folds": tuple(row["folds"])}) for row in record["evidence"]]


def _plain(row: Evidence) -> dict[str, Any]:
    body = row.as_dict()
    kept = ("rung", "axis", "metric", "value", "low", "high", "better")
    return {name: body[name] for name in kept} | {"folds": list(row.folds)}


def _represented(prepared: Prepared, truth: Planted) -> Inputs:
    return Inputs(prepared.representer.transform(truth.fresh), truth.fresh.images)


def _predicted(fitted: Fitted, inputs: Inputs) -> np.ndarray:
    parts = [
        fitted.predict(inputs.take(np.arange(start, min(start + AT_ONCE, len(inputs)))))
        for start in range(0, len(inputs), AT_ONCE)
    ]
    return np.concatenate(parts)


def _fold_loss(unit: Unit, work: Workload) -> float:
    """The mean absolute error on what an outer fold held out."""
    fold = work.fold(unit)
    predicted = _fitted(unit, work, fold.train).predict(work.inputs.take(fold.test))
    return regression_scores(work.y[fold.test], predicted)["mae"]


def _fitted(unit: Unit, work: Workload, index: np.ndarray | None = None) -> Fitted:
    """The rung of a unit, tuned and fitted on the samples at ``index`` (all, where none)."""
    seed = derive_seed(work.settings.seed, unit.rung, unit.kind, unit.part)
    rung, context = RUNGS[unit.rung](), replace(work.context, seed=seed)
    index = np.arange(len(work.y)) if index is None else index
    inputs, y = work.inputs.take(index), work.y[index]
    trials = work.settings.trials[rung.effort]
    settings = tune(rung, inputs, y, context, trials=trials, groups=work.groups[index])
    return fit(rung, settings, inputs, y, context)


def _loss_row(rung: str, losses: list[float], work: Workload) -> Evidence:
    n, folds = len(work.y), len(work.splits.folds)
    return from_folds(rung, "mae", losses, n_train=n - n / folds, n_test=n / folds, n=n)


def _freedom(units: list[Unit], final: Fitted, work: Workload, folder: Path) -> Estimate:
    """C1, from the unit of a run that disturbs the targets of the final rung."""
    unit = next(u for u in units if u.kind == "gdf" and u.part == f"tau{TAU_FRACTIONS[0]}")
    folder.mkdir()
    write_json(folder / "final.json", {"settings": final.settings})
    perform(unit, work, folder, folder)
    found = read_json(folder / "gdf.json")
    known = {k: v for k, v in found.items() if k in Estimate.__dataclass_fields__}
    return complexity_share(Estimate(**{**known, "shares": ()}), int(found["n"]))


def _complexity(final: Fitted, c1: Estimate, work: Workload) -> list[Evidence]:
    """The complexity and its parts."""
    answers, phi = final.predict(work.inputs), work.inputs.table.values
    seed, direct = work.settings.seed, model_function(final, work.inputs)
    c2 = non_additivity(answers, phi, seed)
    c3 = effective_features(answers, phi, seed, predict=direct)
    parts = {"complexity": composite_estimate(c1, c2, c3), "c1": c1, "c2": c2, "c3": c3}
    return [from_estimate(final.rung.name, name, part) for name, part in parts.items()]

"""From finished units to what a run shows: evidence, costs, predictions, the equilibrium.

Everything here is derived: it can be made again from the units at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.balance.decision import decide
from iceframe.core.files import read_json, write_json
from iceframe.core.runstore import RunStore
from iceframe.core.values import Equilibrium, Evidence, Splits, Status
from iceframe.measure.summary import (
    complexity_evidence,
    fidelity_evidence,
    physics_evidence,
    shift_evidence,
    transparency_evidence,
)
from iceframe.scale.rung import RUNGS
from iceframe.workflow.advice import next_steps
from iceframe.workflow.execute import Outcome
from iceframe.workflow.finished import EVIDENCE
from iceframe.workflow.plan import TAU_FRACTIONS, Unit, Workload, plan_units
from iceframe.workflow.prepare import Prepared
from iceframe.workflow.settings import LEVEL, RunSettings

UNKNOWN = {"mae": float("nan"), "balanced_accuracy": float("nan")}
COSTS = "costs.parquet"
PREDICTIONS = "predictions.parquet"
EQUILIBRIUM = "equilibrium.json"


def write(
    staged: Path, store: RunStore, prepared: Prepared, settings: RunSettings, outcome: Outcome
) -> None:
    """Write the derived files of the run to ``staged``."""
    work = prepared.work
    units = plan_units(work, store.header["identity"])
    unit = store.header["unit"]
    failures = _failures(units, outcome)
    predictions = _predictions(units, store, work)
    evidence: list[Evidence] = []
    for rung in settings.ladder:
        mine = [u for u in units if u.rung == rung and store.finished(u.key)]
        rows = _rung_evidence(rung, mine, store, work, predictions, unit)
        if rung in failures and not any(e.metric in ("mae", "balanced_accuracy") for e in rows):
            metric = "mae" if work.context.task == "regression" else "balanced_accuracy"
            rows.append(Evidence(rung, "fidelity", metric, float("nan"), note=failures[rung]))
        evidence += rows
    costs = _costs(units, store)
    equilibrium = _decide(evidence, costs, prepared, settings, outcome.exhausted)
    unfinished = sum(not store.finished(u.key) and u.key not in outcome.failures for u in units)
    _evidence_frame(evidence).to_parquet(staged / EVIDENCE)
    costs.to_parquet(staged / COSTS)
    predictions.to_parquet(staged / PREDICTIONS)
    write_json(
        staged / EQUILIBRIUM,
        {
            "equilibrium": equilibrium.as_dict(),
            "failures": failures,
            "unfinished": unfinished,
            "finished": [u.rung for u in units if u.kind == "final" and store.finished(u.key)],
            "next_steps": next_steps(equilibrium, evidence, prepared.audit, work),
        },
    )


def _failures(units: Sequence[Unit], outcome: Outcome) -> dict[str, str]:
    failures: dict[str, str] = {}
    for unit in units:
        if unit.key in outcome.failures:
            failures.setdefault(unit.rung, f"{unit.kind} {unit.part}: {outcome.failures[unit.key]}")
    return failures


# -- predictions and costs -------------------------------------------------------------------------


def _predictions(units: Sequence[Unit], store: RunStore, work: Workload) -> pd.DataFrame:
    frames = []
    for unit in units:
        if unit.kind == "fold" and store.finished(unit.key):
            frame = pd.read_parquet(store.unit(unit.key) / "predictions.parquet")
            frame.insert(0, "rung", unit.rung)
            frame.insert(1, "fold", unit.part)
            frames.append(frame)
    if not frames:
        return pd.DataFrame(columns=["rung", "fold", "position", "id", "y", "mean"])
    table = pd.concat(frames, ignore_index=True)
    table.insert(3, "id", work.ids[table["position"].to_numpy()].astype(str))
    if work.context.task == "classification":
        table = _with_class_names(table, work.classes)
    return table


def _with_class_names(table: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    names = np.array(classes, dtype=object)
    codes = range(len(classes))
    probabilities = table[[f"p{c}" for c in codes]].to_numpy()
    sets = table[[f"s{c}" for c in codes]].to_numpy(bool)
    plain = table[["rung", "fold", "position", "id"]].copy()
    truth = table["y"].to_numpy(int)
    plain["y"] = names[truth]
    plain["mean"] = names[probabilities.argmax(axis=1)]
    for code, name in enumerate(classes):
        plain[f"p_{name}"] = probabilities[:, code]
    plain["set_size"] = sets.sum(axis=1)
    plain["covered"] = sets[np.arange(len(table)), truth]
    return plain


def _costs(units: Sequence[Unit], store: RunStore) -> pd.DataFrame:
    """Seconds a rung: mean fit and prediction of a fold, and all its units together."""
    rows = []
    for rung in dict.fromkeys(u.rung for u in units if u.kind != "truth"):
        laps = [
            (u.kind, read_json(store.unit(u.key) / "timing.json"))
            for u in units
            if u.rung == rung and store.finished(u.key)
        ]
        folds = [lap for kind, lap in laps if kind == "fold"]
        for name in ("fit_seconds", "predict_seconds"):
            if folds:
                rows.append((rung, name, float(np.mean([lap[name] for lap in folds]))))
        if laps:
            rows.append((rung, "total_seconds", float(sum(sum(lap.values()) for _, lap in laps))))
    return pd.DataFrame(rows, columns=["rung", "metric", "value"])


# -- evidence --------------------------------------------------------------------------------------


def _repeats(units: Sequence[Unit], store: RunStore, work: Workload) -> list[dict[str, float]]:
    """Scores on the folds of further partitions; those that are not there yet are unknown."""
    done = {u.part: store.unit(u.key) for u in units if u.kind == "repeat"}
    return [
        read_json(done[f.name] / "result.json")["scores"] if f.name in done else UNKNOWN
        for f in work.splits.repeats
    ]


def _rung_evidence(
    rung: str,
    units: Sequence[Unit],
    store: RunStore,
    work: Workload,
    predictions: pd.DataFrame,
    unit: str,
) -> list[Evidence]:
    folder = {(u.kind, u.part): store.unit(u.key) for u in units}
    seed = work.settings.seed
    rows: list[Evidence] = []
    folds = [path for (kind, _), path in folder.items() if kind == "fold"]
    if folds:
        mine = predictions[predictions["rung"] == rung]
        groups = None if work.labels is None else work.labels[mine["position"].to_numpy()]
        rows += fidelity_evidence(
            rung, mine, work.context.task, work.classes,
            n=len(work.y), unit=unit, groups=groups, seed=seed,
            repeats=_repeats(units, store, work),
        )  # fmt: skip
        quality = [read_json(path / "result.json")["transparency"] for path in folds]
        rows += transparency_evidence(rung, quality, seed=seed)
        physics = [read_json(path / "result.json").get("physics") for path in folds]
        rows += physics_evidence(rung, [found for found in physics if found], seed=seed)
    shift = [path for (kind, _), path in folder.items() if kind == "shift"]
    if shift:
        clusters = [pd.read_parquet(path / "predictions.parquet") for path in shift]
        rows += shift_evidence(rung, clusters, work.context.task, unit=unit, seed=seed)
    final = folder.get(("final", "all"))
    gdf = [folder[("gdf", f"tau{t}")] for t in TAU_FRACTIONS if ("gdf", f"tau{t}") in folder]
    if final is not None and len(gdf) == len(TAU_FRACTIONS):
        stored = [read_json(path / "gdf.json") for path in gdf]
        rows += complexity_evidence(rung, read_json(final / "final.json"), stored, seed=seed)
    return rows


def _evidence_frame(evidence: Sequence[Evidence]) -> pd.DataFrame:
    columns = list(Evidence.__dataclass_fields__)
    rows = [[getattr(e, name) for name in columns] for e in evidence]
    frame = pd.DataFrame(rows, columns=columns)
    frame["folds"] = [list(e.folds) for e in evidence]
    return frame


# -- the equilibrium -------------------------------------------------------------------------------


def _decide(
    evidence: Sequence[Evidence],
    costs: pd.DataFrame,
    prepared: Prepared,
    settings: RunSettings,
    exhausted: bool,
) -> Equilibrium:
    if not evidence:
        return Equilibrium(
            None,
            Status.BUDGET_EXHAUSTED,
            "give a larger budget, or a ladder of cheaper rungs",
            ("No rung was measured before the budget ran out.",),
        )
    seconds = [
        Evidence(str(rung), "cost", str(metric), float(value), better="lower", unit="s")
        for rung, metric, value in costs[["rung", "metric", "value"]].to_numpy()
    ]
    splits: Splits = prepared.work.splits
    repeat = prepared.audit.facts.get("repeat_error")
    return decide(
        [*evidence, *seconds],
        task=prepared.work.context.task,
        rope=float(repeat) if repeat else None,
        n_train=float(np.mean([len(f.train) for f in splits.folds])),
        n_test=float(np.mean([len(f.test) for f in splits.folds])),
        floors=settings.floors,
        exhausted=exhausted,
        level=LEVEL,
        rope_source="the repeat error of the data",
    )


def references(
    ladder: Sequence[str], representation: Sequence[str], evidence: pd.DataFrame
) -> tuple[str, ...]:
    """The bibliography of a run: its rungs, descriptors and metrics."""
    from iceframe.measure.metrics import METRICS

    used = [RUNGS[name].reference for name in ladder]
    used += list(representation)
    used += [METRICS[m].reference for m in dict.fromkeys(evidence["metric"]) if m in METRICS]
    return tuple(dict.fromkeys(r for r in used if r))

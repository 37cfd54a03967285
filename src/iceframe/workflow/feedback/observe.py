"""From the bench to the situation that the controller may know: plain values, nothing measured.

Where samples were left out of a variant, candidates were tested on different samples. Their scores
are then computed again from the held-out predictions of those that all variants test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from iceframe.balance.situation import GIVEN, Situation
from iceframe.core.dataset import Dataset
from iceframe.core.values import Audit, Evidence, Finding
from iceframe.measure.audits.planted import KIND
from iceframe.measure.summary import fidelity_evidence
from iceframe.workflow.auditing.session import SEVERITIES, audit_run
from iceframe.workflow.feedback.bench import Bench
from iceframe.workflow.feedback.ladder import facts_of, knows_sensitivities
from iceframe.workflow.feedback.simulation import can_simulate
from iceframe.workflow.physics import testable
from iceframe.workflow.prepare import labels_of
from iceframe.workflow.session import Run
from iceframe.workflow.settings import LEVEL


def observe(bench: Bench, ladder: Sequence[str], elapsed: float) -> Situation:
    """What was measured so far and what could be done; ``elapsed`` seconds were spent."""
    data = bench.data()
    splits = bench.splits()
    first = bench.run_of(next(iter(bench.measured)))
    repeat = first.audit.facts.get("repeat_error")
    task = data.task or "regression"
    return Situation(
        task=task,
        loss="mae" if task == "regression" else "balanced_accuracy",
        n=len(data),
        n_train=float(np.mean([len(f.train) for f in splits.folds])),
        n_test=float(np.mean([len(f.test) for f in splits.folds])),
        ladder=tuple(facts_of(name) for name in ladder),
        rope=float(repeat) if repeat else None,
        rope_source="the repeat error of the data",
        level=LEVEL,
        candidates=dict(bench.measured),
        evidence=tuple(evidence_of(bench)),
        findings=tuple(_findings(bench)),
        physics=testable(data),
        sensitivities=len(data) if knows_sensitivities(data) else 0,
        generator=can_simulate(data),
        unlabelled=0 if bench.unlabelled is None else len(bench.unlabelled),
        variants={
            name: {"n": len(variant.data), "by": variant.by}
            for name, variant in bench.variants.items()
        },
        elapsed=elapsed,
    )


def evidence_of(bench: Bench) -> list[Evidence]:
    """All rows of all candidates, under the candidates' names; costs too."""
    runs = {bench.folder_of(name): bench.run_of(name) for name in bench.measured}
    shared = _shared(bench, runs)
    rows: list[Evidence] = []
    for name, held in bench.measured.items():
        run = runs[bench.folder_of(name)]
        mine = _rows(run, held.rung)
        if shared is not None:
            mine = _on_shared(mine, run, held.rung, bench.data(held.variant), shared)
        seconds = run.costs[run.costs["rung"] == held.rung]
        mine += [
            Evidence(held.rung, "cost", str(metric), float(value), better="lower", unit="s")
            for metric, value in seconds[["metric", "value"]].to_numpy()
        ]
        rows += [replace(row, rung=name) for row in mine]
    return rows


def frame_of(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """Rows of evidence as a table, one column a field."""
    columns = list(Evidence.__dataclass_fields__)
    frame = pd.DataFrame([[getattr(e, c) for c in columns] for e in evidence], columns=columns)
    frame["folds"] = [list(e.folds) for e in evidence]
    return frame


def _rows(run: Run, rung: str) -> list[Evidence]:
    """The evidence of a run on one rung, as values again."""
    mine = run.evidence[run.evidence["rung"] == rung]
    found = []
    for row in mine.to_dict(orient="records"):
        body = {str(name): value for name, value in row.items()}
        found.append(Evidence(**{**body, "folds": tuple(map(float, body["folds"]))}))
    return found


def _shared(bench: Bench, runs: Mapping[Any, Run]) -> set[str] | None:
    """Ids that every variant tests; ``None`` where all test the same."""
    tested = [set(map(str, run.predictions["id"])) for run in runs.values() if len(run.predictions)]
    if not tested or all(ids == tested[0] for ids in tested):
        return None
    return set.intersection(*tested)


def _on_shared(
    rows: list[Evidence], run: Run, rung: str, data: Dataset, shared: set[str]
) -> list[Evidence]:
    """The same rows, those of fidelity from the samples that are ``shared``."""
    mine = run.predictions[run.predictions["rung"] == rung]
    mine = mine[mine["id"].astype(str).isin(shared)]
    if mine.empty:
        return rows
    labels = labels_of(data)
    again = fidelity_evidence(
        rung,
        mine,
        data.task or "regression",
        data.classes,
        n=len(data),
        unit=run.header["unit"],
        groups=None if labels is None else labels[mine["position"].to_numpy()],
        seed=run.header["identity"]["seed"],
    )
    new = {row.metric: row for row in again}
    return [new.get(row.metric, row) for row in rows]


def _findings(bench: Bench) -> list[dict[str, Any]]:
    """What audits found, and which variant of the data no longer has it and was measured; worst
    first.

    Beside the audit of the data as given: cues in pictures that tell the target
    (:mod:`iceframe.measure.audits.planted`), each with where it is; and what else tells the target
    of how samples were recorded, once the first such cue was taken out.
    """
    rows: list[dict[str, Any]] = []
    for state, audit in _audits(bench).items():
        recorded = _first_cue(audit, bench.data(state))
        for found in audit.findings:
            cue = recorded if found.code == "nuisance" else ""
            if state == GIVEN or (cue and cue not in {row["cue"] for row in rows}):
                rows.append(_row(found, cue))
    rows += planted_cues(bench)
    measured = {held.variant for held in bench.measured.values() if not held.failed}
    for row in rows:
        for name, variant in bench.variants.items():
            if name in measured and variant.lacks(row["code"], row["cue"]):
                row["repaired"] = name
    return sorted(rows, key=lambda row: SEVERITIES.index(row["severity"]))


def _audits(bench: Bench) -> dict[str, Audit]:
    """The audits of the data as given, and of every variant that a cue was taken out for."""
    held = {about.variant: name for name, about in reversed(bench.measured.items())}
    return {
        name: bench.run_of(held[name]).audit
        for name, variant in bench.variants.items()
        if name in held and (name == GIVEN or variant.by == "neutralise")
    }


def _first_cue(audit: Audit, data: Dataset) -> str:
    """The most telling of what was recorded that can be taken out; empty where nothing can."""
    cues = (_as_cue(name, data) for name in audit.facts.get("nuisance", {}).get("cues", []))
    return next((cue for cue in cues if cue), "")


def _row(found: Finding, cue: str) -> dict[str, Any]:
    return {
        "code": found.code,
        "severity": found.severity,
        "title": found.title,
        "remedy": found.remedy,
        "cue": cue,
        "samples": len(found.samples),
        "repaired": "",
    }


def planted_cues(bench: Bench) -> list[dict[str, Any]]:
    """Findings about cues in the pictures as given, looked for once."""
    data = bench.data()
    if data.images is None or data.images.kind == "phase":
        return []
    name = next(iter(bench.measured))
    found = audit_run(
        bench.run_of(name), data, rung=bench.measured[name].rung, only=(KIND,),
        out=bench.folder(),
    )  # fmt: skip
    return [dict(row) for row in found.for_controller() if row["cue"]]


def _as_cue(name: str, data: Dataset) -> str:
    """What the audit calls a cue, as :mod:`iceframe.ingest.neutral` does; empty where it cannot be
    taken out."""
    if name in data.features:
        return f"column {name}"
    return "brightness" if name == "mean grey" and data.images is not None else ""

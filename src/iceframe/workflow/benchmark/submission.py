"""Results in Matbench's own format, ready to be submitted: ``results.json.gz`` and ``info.json``.

One folder a rung, because a submission is one algorithm: choosing a rung by its score on the test
folds would be choosing on the test folds. ``results.json.gz`` is what Matbench's own package writes
and reads (version 0.6 of its format): for each task and fold ``data`` (sample id -> prediction),
``parameters`` (the settings tuned inside that fold), ``scores`` and ``uncertainty`` (none: Matbench
asks for standard deviations or 95 % intervals), and a SHA-256 over it all.

Classes are stored as true or false, as in the published entries, so that Matbench's ``rocauc`` is
balanced accuracy for all of them.

Reference: Dunn et al. 2020, doi:10.1038/s41524-020-00406-3.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.files import plain, read_json, replacing, write_json, write_text
from iceframe.scale.rung import RUNGS
from iceframe.workflow.benchmark.tasks import BENCHMARK, BenchmarkTask
from iceframe.workflow.session import Run

RESULTS, INFO, SCRIPT = "results.json.gz", "info.json", "run.py"
FORMAT = "0.6"
SMALLEST_TRUTH = 1e-5  # below it a relative error says nothing, and Matbench leaves it out
FILL = "FILL IN"


@dataclass(frozen=True)
class Finished:
    """A task and its run."""

    task: BenchmarkTask
    run: Run


def write_submissions(finished: Sequence[Finished], folder: Path, script: str) -> list[str]:
    """One subfolder of ``folder`` for each rung that is finished on all folds of some task.

    ``script``: the Python that makes these results again, kept beside them, since Matbench asks for
    the code of a submission. An ``info.json`` that is there stays, with what was filled in.

    Returns the rungs.
    """
    rungs = dict.fromkeys(rung for f in finished for rung in f.run.header["settings"]["ladder"])
    written = []
    for rung in rungs:
        tasks = {f.task.dataset: found for f in finished if (found := _task_results(rung, f))}
        if not tasks:
            continue
        stamp = max(f.run.created for f in finished)
        body = results(tasks, {"rung": rung, "seed": finished[0].run.header["settings"]["seed"]},
                       stamp)  # fmt: skip
        with (
            replacing(folder / rung / RESULTS) as temporary,
            temporary.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        ):
            packed.write(json.dumps(body, sort_keys=True).encode())
        if not (folder / rung / INFO).exists():
            write_json(folder / rung / INFO, info(rung, finished[0].run))
        write_text(folder / rung / SCRIPT, script)
        written.append(rung)
    return written


def results(
    tasks: Mapping[str, Mapping[str, Any]], about: Mapping[str, Any], created: str
) -> dict[str, Any]:
    """The whole of ``results.json``. ``created``: an ISO date and time."""
    body: dict[str, Any] = {
        "@module": "matbench.bench",
        "@class": "MatbenchBenchmark",
        "version": FORMAT,
        "benchmark_name": BENCHMARK,
        "tasks": {
            name: {
                "@module": "matbench.task",
                "@class": "MatbenchTask",
                "benchmark_name": BENCHMARK,
                "dataset_name": name,
                "results": dict(folds),
            }
            for name, folds in tasks.items()
        },
        "user_metadata": {"software": "ICEFrame", **about},
        "datestamp": datetime.fromisoformat(created).strftime("%Y.%m.%d %H:%M.%S"),
    }
    body = json.loads(json.dumps(body, default=plain))
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return {**body, "hash": digest}


def _task_results(rung: str, finished: Finished) -> dict[str, Any]:
    """Fold -> its results; empty unless every fold is finished."""
    run, task = finished.run, finished.task
    table = run.predictions
    mine = table[table["rung"] == rung]
    if len(mine) != task.samples:
        return {}
    folds = {}
    for number, fold in enumerate(run.splits.folds):
        rows = mine[mine["fold"] == fold.name].sort_values("position")
        folder = run.unit_folder(rung, f"fold-{fold.name}")
        assert folder is not None
        folds[f"fold_{number}"] = {
            "data": _predicted(rows, task),
            "parameters": read_json(folder / "result.json")["settings"],
            "scores": _scores(rows, task),
            "uncertainty": None,
        }
    return folds


def _predicted(rows: pd.DataFrame, task: BenchmarkTask) -> dict[str, Any]:
    if task.task == "regression":
        return dict(zip(rows["id"], rows["mean"].astype(float).tolist(), strict=True))
    return dict(zip(rows["id"], _true(rows["mean"]).tolist(), strict=True))


def _true(names: pd.Series) -> np.ndarray:
    """Names of classes as booleans ``(n,)``: the tasks' classes are true and false, or 1 and 0."""
    return names.astype(str).str.lower().isin(("true", "1", "1.0")).to_numpy(bool)


def _scores(rows: pd.DataFrame, task: BenchmarkTask) -> dict[str, float]:
    """The scores that Matbench keeps of a fold."""
    if task.task == "regression":
        y, predicted = rows["y"].to_numpy(float), rows["mean"].to_numpy(float)
        error = np.abs(predicted - y)
        large = np.abs(y) > SMALLEST_TRUTH
        return {
            "mae": float(error.mean()),
            "rmse": float(np.sqrt(np.mean(error**2))),
            "mape": float(np.mean(error[large] / np.abs(y[large]))) if large.any() else 0.0,
            "max_error": float(error.max()),
        }
    y, predicted = _true(rows["y"]), _true(rows["mean"])
    hits = float(np.sum(y & predicted))
    recalls = [float(np.mean(predicted[y == side] == side)) for side in np.unique(y)]
    balanced = float(np.mean(recalls))
    wrong = float(np.sum(y != predicted))
    return {
        "accuracy": float(np.mean(y == predicted)),
        "balanced_accuracy": balanced,
        "f1": 2 * hits / (2 * hits + wrong) if hits else 0.0,
        "rocauc": balanced,  # of hard labels: the two corners of their curve
    }


def info(rung: str, run: Run) -> dict[str, Any]:
    """The description that goes with a submission, with what only its author can say left open."""
    known = RUNGS[rung]
    versions = run.header["versions"]
    packages = [name for name in versions if name not in ("python", "system")]
    return {
        "authors": f"{FILL}: your names",
        "algorithm": f"{FILL}: a unique short name; this is ICEFrame's {rung}",
        "algorithm_long": f"{known.title}: {known.summary} Settings were tuned inside the training "
        "part of each official fold.",
        "bibtex_refs": [
            "@article{Dunn2020, title = {Benchmarking materials property prediction methods: the "
            "Matbench test set and Automatminer reference algorithm}, journal = {npj Computational "
            "Materials}, year = {2020}, doi = {10.1038/s41524-020-00406-3}}",
            f"@misc{{{rung}, note = {{{known.reference}}}}}",
        ],
        "notes": f"{FILL}, or leave empty: say so if this rung was picked among others by its "
        "score on these folds.",
        "requirements": {"python": [f"{name}=={versions[name]}" for name in packages]},
    }

"""From finished units to what a learning curve shows: curves, power laws, the samples needed.

Everything here is derived: it can be made again from the units at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.files import read_json, write_json
from iceframe.core.runstore import RunStore
from iceframe.core.seeds import generator
from iceframe.measure.learning_curve import (
    PowerLaw,
    Reached,
    complete,
    fit_power_law,
    mean_interval,
    reach,
)
from iceframe.workflow.execute import Outcome
from iceframe.workflow.learning_curve.settings import METRICS_OF, CurveSettings, as_error
from iceframe.workflow.learning_curve.subsets import Pools, part_name
from iceframe.workflow.learning_curve.unit import RESULT, CannotFit, CurveWork
from iceframe.workflow.plan import Unit

CURVE = "curve.csv"
REPEATS = "repeats.csv"
SUMMARY = "learning-curve.json"


def write(
    staged: Path,
    store: RunStore,
    work: CurveWork,
    pools: Pools,
    units: Sequence[Unit],
    settings: CurveSettings,
    outcome: Outcome,
    notes: Sequence[str],
) -> None:
    """Write the derived files of a learning curve to ``staged``."""
    repeats = _repeats(units, store, settings, METRICS_OF[work.context.task])
    curve = _curve(repeats, pools.shared)
    laws, reached = _answers(repeats, settings, pools.shared)
    repeats.to_csv(staged / REPEATS, index=False)
    curve.to_csv(staged / CURVE, index=False)
    write_json(
        staged / SUMMARY,
        {
            "metric": settings.metric,
            "wanted": settings.wanted,
            "sizes": settings.sizes,
            "n_test": float(np.mean([len(fold.test) for fold in pools.folds])),
            "laws": {rung: asdict(law) for rung, law in laws.items()},
            "reached": {rung: asdict(found) for rung, found in reached.items()},
            "failures": _failures(units, outcome, settings),
            "notes": [*notes, *_untuned(units, store, settings)],
            "unfinished": sum(
                not store.finished(u.key) and u.key not in outcome.failures for u in units
            ),
        },
    )


def by_part(units: Sequence[Unit]) -> dict[tuple[str, str], Unit]:
    """The units by rung and part."""
    return {(unit.rung, unit.part): unit for unit in units}


def _repeats(
    units: Sequence[Unit], store: RunStore, settings: CurveSettings, metrics: Sequence[str]
) -> pd.DataFrame:
    """One row a rung, size, repeat and metric."""
    known = by_part(units)
    rows: list[tuple[Any, ...]] = []
    for rung in settings.ladder:
        for size in settings.sizes:
            for repeat in range(settings.repeats):
                unit = known[rung, part_name(repeat, size)]
                if not store.finished(unit.key):
                    continue
                scores = read_json(store.unit(unit.key) / RESULT)["scores"]
                rows += [(rung, size, repeat, metric, scores[metric]) for metric in metrics]
    return pd.DataFrame(rows, columns=["rung", "size", "repeat", "metric", "value"])


def _curve(repeats: pd.DataFrame, shared: float) -> pd.DataFrame:
    """Mean and interval of each rung, size and metric; sizes without a value are left out."""
    rows: list[tuple[Any, ...]] = []
    for (rung, size, metric), part in repeats.groupby(["rung", "size", "metric"], sort=False):
        values = part["value"].dropna().to_numpy(float)
        if len(values):
            errors = np.array(mean_interval(as_error(str(metric), values), shared))
            if "accuracy" in str(metric):
                errors = np.minimum(errors, 1.0)
            mean, *limits = as_error(str(metric), errors)
            rows.append((rung, size, metric, mean, min(limits), max(limits), len(values)))
    columns = ["rung", "size", "metric", "mean", "low", "high", "n_repeats"]
    return pd.DataFrame(rows, columns=columns)


def error_table(repeats: pd.DataFrame, rung: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Sizes ``(s,)`` and errors ``(repeats, s)`` of a rung, without holes."""
    mine = repeats[(repeats["rung"] == rung) & (repeats["metric"] == metric)]
    table = mine.pivot(index="repeat", columns="size", values="value").sort_index(axis=1)
    errors = as_error(metric, table.to_numpy(float))
    rows, columns = complete(errors)
    return table.columns.to_numpy(float)[columns], errors[np.ix_(rows, columns)]


def _answers(
    repeats: pd.DataFrame, settings: CurveSettings, shared: float
) -> tuple[dict[str, PowerLaw], dict[str, Reached]]:
    """The power law of each rung and, where a goal was given, the samples that it needs."""
    laws, reached = {}, {}
    metric = settings.metric
    for rung in settings.ladder:
        sizes, errors = error_table(repeats, rung, metric)
        if not errors.size:
            laws[rung] = PowerLaw(False, "nothing was measured")
            continue
        rng = generator(settings.seed, "power law", rung, metric)
        laws[rung] = fit_power_law(sizes, errors, shared, rng)
        if settings.wanted is not None:
            rng = generator(settings.seed, "samples needed", rung, metric)
            wanted = as_error(metric, settings.wanted)
            reached[rung] = reach(sizes, errors, wanted, shared, rng)
    return laws, reached


def _failures(
    units: Sequence[Unit], outcome: Outcome, settings: CurveSettings
) -> list[dict[str, Any]]:
    """One entry a rung and message: the sizes at which it failed so, and how often."""
    known = by_part(units)
    found: dict[tuple[str, str], list[int]] = {}
    for rung in settings.ladder:
        for size in settings.sizes:
            for repeat in range(settings.repeats):
                message = outcome.failures.get(known[rung, part_name(repeat, size)].key)
                if message is not None:
                    message = message.removeprefix(f"{CannotFit.__name__}: ")
                    found.setdefault((rung, message), []).append(size)
    return [
        {"rung": rung, "message": message, "sizes": sorted(set(at)), "times": len(at)}
        for (rung, message), at in found.items()
    ]


def _untuned(units: Sequence[Unit], store: RunStore, settings: CurveSettings) -> list[str]:
    """A sentence for each rung that kept its default settings at some size, against its will."""
    sizes: dict[str, set[int]] = {}
    known = by_part(units)
    for rung in settings.ladder:
        for size in settings.sizes:
            for repeat in range(settings.repeats):
                unit = known[rung, part_name(repeat, size)]
                if store.finished(unit.key) and read_json(store.unit(unit.key) / RESULT)["untuned"]:
                    sizes.setdefault(rung, set()).add(size)
    notes = []
    for rung, at in sizes.items():
        named = ", ".join(map(str, sorted(at)))
        notes.append(
            f"`{rung}` kept its default settings in some repeats: at {named} samples there were "
            "too few to tune it."
        )
    return notes

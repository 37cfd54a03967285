"""From a task's run to its board: our rungs among the published entries, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.balance.bayes import correlated_difference
from iceframe.balance.wording import quantity
from iceframe.core.values import Better, Equilibrium
from iceframe.measure.metrics import METRICS
from iceframe.scale.rung import RUNGS
from iceframe.workflow.benchmark.generalisation import BASELINES, Extremes, elsewhere
from iceframe.workflow.benchmark.published import Entry, compare, interval_of
from iceframe.workflow.benchmark.tasks import BenchmarkTask
from iceframe.workflow.benchmark.view import NAN, Line, TaskBoard
from iceframe.workflow.session import Run

SAME_COMPLEXITY = 0.005  # as it is printed


def task_board(
    task: BenchmarkTask,
    run: Run,
    extremes: Extremes,
    entries: Sequence[Entry],
    predictions: pd.DataFrame | None,
    where: Path | None,
    notes: Sequence[str],
    folder: str,
) -> TaskBoard:
    """The board of a task. ``where``: the file of ``predictions``, for messages."""
    better: Better = METRICS[task.metric].better
    lines = ranked([*_own_lines(run, task), *_published_lines(entries)], better)
    compared = []
    if predictions is not None and where is not None:
        compared = compare(task, run.predictions, predictions, entries, where)
    exhausted = run.equilibrium.status == "BUDGET_EXHAUSTED"
    return TaskBoard(
        name=task.name,
        target=task.target,
        unit=task.unit,
        task=task.task,
        metric=task.metric,
        better=better,
        n=task.samples,
        folder=folder,
        lines=lines,
        comparisons=tuple(compared),
        elsewhere=tuple(elsewhere(run, extremes)),
        equilibrium=run.equilibrium.as_dict(),
        verdict=verdict(lines, run.equilibrium, task),
        notes=(*notes, *run.splits.notes, *extremes.notes),
        failures={**extremes.failures, **run.failures},
        unfinished=(run.unfinished if exhausted else 0) + extremes.unfinished,
    )


def _own_lines(run: Run, task: BenchmarkTask) -> list[Line]:
    """Our rungs that were measured on every fold; ``rank`` is not known yet."""
    sizes = [(len(fold.train), len(fold.test)) for fold in run.splits.folds]
    n_train, n_test = np.mean(sizes, axis=0)
    table = run.evidence.set_index(["rung", "metric"])
    values: Mapping[Any, float] = table["value"].to_dict()
    costs = run.costs[run.costs["metric"] == "total_seconds"].set_index("rung")["value"].to_dict()
    lines = []
    for rung in run.header["settings"]["ladder"]:
        if (rung, task.metric) not in values:
            continue
        folds = tuple(map(float, table["folds"][rung, task.metric]))
        if len(folds) != len(sizes) or not np.isfinite(folds).all():
            continue
        posterior = correlated_difference(folds, [0.0] * len(folds), n_train=n_train, n_test=n_test)
        low, high = interval_of(posterior)
        if task.task == "classification":
            low, high = max(low, 0.0), min(high, 1.0)

        def value(metric: str, rung: str = rung) -> float:
            return float(values.get((rung, metric), NAN))

        lines.append(
            Line(
                name=rung,
                ours=True,
                rank=0,
                value=float(np.mean(folds)),
                std=float(np.std(folds)),
                low=low,
                high=high,
                title=RUNGS[rung].title,
                glass_box=RUNGS[rung].glass_box,
                chosen=rung == run.equilibrium.rung,
                complexity=value("complexity"),
                c1=value("c1"),
                c2=value("c2"),
                c3=value("c3"),
                faithfulness=value("faithfulness"),
                coverage=value("coverage_90"),
                seconds=float(costs.get(rung, NAN)),
                folds=folds,
            )
        )
    return lines


def _published_lines(entries: Sequence[Entry]) -> list[Line]:
    return [Line(e.algorithm, ours=False, rank=0, value=e.value, std=e.std) for e in entries]


def ranked(lines: Sequence[Line], better: Better) -> tuple[Line, ...]:
    """The lines in order of their value, best first; equal ones share a rank.

    Examples
    --------
    >>> lines = [Line("a", True, 0, 3.0), Line("b", False, 0, 1.0), Line("c", False, 0, 1.0)]
    >>> [(line.name, line.rank) for line in ranked(lines, "lower")]
    [('b', 1), ('c', 1), ('a', 3)]
    """
    sign = -1.0 if better == "higher" else 1.0
    order = sorted(lines, key=lambda line: sign * line.value)
    return tuple(
        replace(line, rank=1 + sum(sign * other.value < sign * line.value for other in order))
        for line in order
    )


def verdict(lines: Sequence[Line], equilibrium: Equilibrium, task: BenchmarkTask) -> str:
    """Where the equilibrium stands, and what the best rung buys beyond it and beyond the best
    glass box, per added complexity."""
    ours = [line for line in lines if line.ours]
    chosen = next((line for line in ours if line.chosen), None)
    if not ours:
        return "No rung was measured on every fold."
    words = []
    if chosen is None:
        words.append(f"No rung is the equilibrium: {equilibrium.remedy.rstrip('.')}.")
    else:
        words.append(
            f"The equilibrium stands at `{chosen.name}`: {_score(chosen, task)}, complexity "
            f"{chosen.complexity:.2f}, rank {chosen.rank} of {len(lines)}"
            f"{_ahead(chosen, lines)}."
        )
    best = ours[0]  # the lines are in order
    glass = next((line for line in ours if line.glass_box), None)
    prices = []
    if chosen is not None and best is not chosen:
        prices.append(_price(best, chosen, "it", task))
    if glass is not None and glass is not best and glass is not chosen:
        prices.append(_price(best, glass, f"the best glass box, `{glass.name}`,", task))
    if prices:
        what = f"The best rung, `{best.name}` (rank {best.rank}), gains"
        words.append(f"{what} {', and '.join(prices)}.")
    elif len(ours) > 1:
        words.append("No rung has a lower error.")
    hardest = max(ours, key=lambda line: (np.nan_to_num(line.complexity), line.name))
    if hardest not in (best, chosen) and hardest.name not in BASELINES:
        words.append(
            f"The most complex rung, `{hardest.name}` (complexity {hardest.complexity:.2f}), "
            f"reaches {_score(hardest, task)}."
        )
    return " ".join(words)


def _ahead(line: Line, lines: Sequence[Line]) -> str:
    published = [other for other in lines if not other.ours]
    behind = sum(other.rank > line.rank for other in published)
    if not published:
        return ""
    entries = "entry" if len(published) == 1 else "entries"
    return f", ahead of {behind} of {len(published)} published {entries}"


def _price(best: Line, base: Line, called: str, task: BenchmarkTask) -> str:
    """What the best rung gains over another one, for how much more complexity."""
    gained, unit = abs(best.value - base.value), task.unit
    if task.task == "classification":
        gained, unit = 100 * gained, "points"
    added = best.complexity - base.complexity
    what = f"{quantity(gained, unit)} over {called}"
    if not np.isfinite(added):
        return what.rstrip(",")
    if added < SAME_COMPLEXITY:
        return f"{what} at no more complexity"
    return f"{what} for {added:.2f} more complexity ({quantity(gained / added / 10, unit)} per 0.1)"


def _score(line: Line, task: BenchmarkTask) -> str:
    if task.task == "classification":
        return f"a balanced accuracy of {100 * line.value:.1f} %"
    return f"a mean absolute error of {quantity(line.value, task.unit)}"

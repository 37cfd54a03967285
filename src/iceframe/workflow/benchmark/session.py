"""A benchmark from start to end: one run a task, the harder splits beside it, then the board.

::

    BOARD/
      board.json           everything that the board shows
      TASK/                the run, as ``iceframe run`` makes it
      extremes/TASK/       the same rungs, tested on the extremes of the target
      submission/RUNG/     results.json.gz, info.json and run.py in Matbench's format
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import write_json
from iceframe.scale.rung import RUNGS
from iceframe.workflow.benchmark import generalisation
from iceframe.workflow.benchmark.generalisation import BASELINES, Extremes, measure_extremes
from iceframe.workflow.benchmark.published import Entry, read_entries, read_predictions
from iceframe.workflow.benchmark.results import task_board
from iceframe.workflow.benchmark.submission import Finished, write_submissions
from iceframe.workflow.benchmark.tasks import (
    BENCHMARK,
    REFERENCE,
    TASKS,
    BenchmarkTask,
    find_tasks,
    read_task,
)
from iceframe.workflow.benchmark.view import BoardView, Shared, TaskBoard
from iceframe.workflow.execute import Progress, Watch
from iceframe.workflow.plan import Unit
from iceframe.workflow.processes import MOST_WORKERS, number_of_workers
from iceframe.workflow.session import run as run_ladder
from iceframe.workflow.settings import check_ladder, rungs_named

BOARD, EXTREMES, SUBMISSION = "board.json", "extremes", "submission"
EXAMPLES = 5
T_TEST = (
    "Correlated Bayesian t-test: Corani & Benavoli 2015, doi:10.1007/s10994-015-5486-z; its "
    "variance: Nadeau & Bengio 2003, doi:10.1023/A:1024068626366"
)


@dataclass(frozen=True)
class TaskProgress:
    """How far one task is; ``stage`` is ``ladder`` or ``extremes``."""

    task: str
    stage: str
    done: int
    total: int
    running: tuple[Unit, ...]
    remaining: float | None


TaskWatch = Callable[[TaskProgress], None]


@dataclass(frozen=True)
class Board:
    """A finished board. ``submissions``: the rungs that have a folder to submit."""

    folder: Path
    view: BoardView
    submissions: tuple[str, ...]


def matbench(
    tasks: Sequence[str] = (),
    *,
    data: str | Path,
    out: str | Path,
    ladder: Sequence[str] | None = None,
    descriptors: Sequence[str] | None = None,
    published: str | Path | None = None,
    published_predictions: str | Path | None = None,
    seed: int = 0,
    budget: float | None = None,
    workers: int | None = None,
    device: str = "auto",
    trials: int | None = None,
    shift: bool = True,
    command: str = "iceframe.workflow.benchmark.matbench",
    watch: TaskWatch | None = None,
) -> Board:
    """Climb the ladder on tasks of Matbench v0.1, with its own folds, and rank the rungs.

    Every rung is tuned inside the training part of each official fold, and never sees the test
    part. The mean and the nearest neighbour are on every board, as what others are measured by.

    Parameters
    ----------
    tasks : names of tasks; none: all that have a file in ``data``.
    data : folder with the official files.
    out : folder of the board. If it holds the same board, finished work is kept.
    ladder : names of rungs; those that do not fit a task are left out of it, with a note.
    published, published_predictions : files with others' scores and predictions; see
        :mod:`iceframe.workflow.benchmark.published`.
    budget : seconds after which no further unit of work starts; the board can be continued.
    shift : whether to test on clusters left out and on the extremes too.
    watch : called with a :class:`TaskProgress` after every step.

    Raises
    ------
    InputError : a file or folder is at fault.
    UsageError : an option is.
    """
    clock = _Clock(budget)
    folder = _board_folder(Path(out))
    found = find_tasks(Path(data), tasks)
    entries = read_entries(Path(published)) if published is not None else {}
    where = Path(published_predictions) if published_predictions is not None else None
    predictions = read_predictions(where) if where is not None else None
    loaded = [(task, read_task(task, path)) for task, path in found]
    ladders = {task.name: ladder_for(task, held, ladder) for task, held in loaded}
    finished: list[Finished] = []
    boards: list[TaskBoard] = []
    for task, held in loaded:
        if finished and clock.left() == 0:
            break
        names, notes = ladders[task.name]
        run = run_ladder(
            held,
            ladder=names,
            descriptors=descriptors,
            out=folder / task.name,
            splits="matbench",
            seed=seed,
            budget=clock.left(),
            workers=workers,
            device=device,
            trials=trials,
            shift=shift,
            command=command,
            watch=_of_task(watch, task.name, "ladder"),
        )
        extremes = Extremes()
        if shift:
            extremes = measure_extremes(
                held,
                run,
                folder / EXTREMES / task.name,
                workers=number_of_workers(workers, MOST_WORKERS),
                budget=clock.left(),
                watch=_of_task(watch, task.name, EXTREMES),
            )
        finished.append(Finished(task, run))
        boards.append(
            task_board(task, run, extremes, entries.get(task.name, ()), predictions, where,
                       _notes(task, notes, entries, predictions), task.name)
        )  # fmt: skip
    script = _script(finished, ladder, descriptors, seed, trials, shift)
    submitted = write_submissions(finished, folder / SUBMISSION, script)
    view = BoardView(
        benchmark=BENCHMARK,
        tasks=tuple(boards),
        shared=tuple(shared_formulas(loaded)),
        waiting=tuple(task.name for task, _ in loaded[len(finished) :]),
        settings={"command": command, "seed": seed, "trials": trials, "shift": shift},
        versions=finished[0].run.header["versions"],
        references=_references(finished, shift, predictions is not None),
        created=max(f.run.created for f in finished),
    )
    write_json(folder / BOARD, view.as_dict())
    return Board(folder, view, tuple(submitted))


class _Clock:
    """What is left of the budget, in seconds; ``None`` where there is none."""

    def __init__(self, budget: float | None) -> None:
        self.start, self.budget = time.monotonic(), budget

    def left(self) -> float | None:
        if self.budget is None:
            return None
        return max(0.0, self.budget - (time.monotonic() - self.start))


def _board_folder(folder: Path) -> Path:
    """``folder``, refused where it is a file, or holds other things and no board."""
    if folder.exists() and not folder.is_dir():
        raise InputError(
            "The output is a file, not a folder.", where=folder, hint="choose another --out"
        )
    there = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    other = [name for name in there if not name.startswith(".")]
    if other and not {BOARD, *TASKS} & set(other):
        raise InputError(
            "The output folder is not empty and holds no board.",
            where=folder,
            got=", ".join(other[:EXAMPLES]),
            hint="choose a new folder with --out",
        )
    return folder


def ladder_for(
    task: BenchmarkTask, data: Dataset, names: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """The rungs for a task, the baselines first, and a note on each that does not fit it.

    Raises
    ------
    UsageError : an unknown rung, or none but the baselines fits.
    """
    asked = list(rungs_named(None, data) if names is None else names)
    kept, notes = [], []
    for name in dict.fromkeys([*BASELINES, *asked]):
        RUNGS[name]  # an unknown name ends here
        try:
            check_ladder((name,), data)
        except UsageError as error:
            notes.append(f"`{name}` is left out. {error.what}")
        else:
            kept.append(name)
    if notes and not set(kept) & set(asked):
        raise UsageError(
            f"No rung of this ladder fits the task '{task.name}'.",
            got=", ".join(asked),
            hint=" ".join(notes).replace("`", "'"),
        )
    return kept, notes


def _of_task(watch: TaskWatch | None, task: str, stage: str) -> Watch | None:
    if watch is None:
        return None

    def listen(event: Progress) -> None:
        watch(TaskProgress(task, stage, event.done, event.total, event.running, event.remaining))

    return listen


def _notes(
    task: BenchmarkTask,
    notes: Sequence[str],
    entries: dict[str, tuple[Entry, ...]],
    predictions: pd.DataFrame | None,
) -> list[str]:
    said = list(notes)
    if entries and task.name not in entries:
        said.append("The published entries have none for this task.")
    if predictions is not None and task.task == "classification":
        said.append("Predictions are compared sample by sample for regressions only.")
    return said


def shared_formulas(loaded: Sequence[tuple[BenchmarkTask, Dataset]]) -> list[Shared]:
    """For each pair of tasks: test samples of one whose composition the other one trains on.

    Every sample of a task is tested once, and nearly all are trained on in some fold, so that whole
    tasks are compared.
    """
    from iceframe.ingest.formulas import composition_codes

    columns = [
        held.table[held.composition]
        if held.composition is not None
        else pd.Series([], dtype=object)
        for _, held in loaded
    ]
    codes = composition_codes(pd.concat(columns, ignore_index=True))  # all at once: parsing is slow
    ends = np.cumsum([len(column) for column in columns])
    parts = np.split(codes, ends[:-1])
    found = []
    for a, (tested, _) in enumerate(loaded):
        for b, (trained, _) in enumerate(loaded):
            if a == b:
                continue
            both = np.isin(parts[a], parts[b])
            if both.any():
                examples = dict.fromkeys(columns[a].astype(str)[both])
                found.append(
                    Shared(tested.name, trained.name, int(both.sum()), len(both),
                           tuple(examples)[:EXAMPLES])
                )  # fmt: skip
    return found


def _references(finished: Sequence[Finished], shift: bool, tested: bool) -> tuple[str, ...]:
    own = [reference for f in finished for reference in f.run.references]
    beside = [REFERENCE, *[generalisation.REFERENCE] * shift, *[T_TEST] * tested]
    return tuple(dict.fromkeys([*beside, *own]))


def _script(
    finished: Sequence[Finished],
    ladder: Sequence[str] | None,
    descriptors: Sequence[str] | None,
    seed: int,
    trials: int | None,
    shift: bool,
) -> str:
    """The Python that makes the submissions again."""
    asked: dict[str, Any] = {
        "ladder": None if ladder is None else list(ladder),
        "descriptors": None if descriptors is None else list(descriptors),
        "seed": seed,
        "trials": trials,
        "shift": shift,
    }
    lines = "".join(f"        {name}={value!r},\n" for name, value in asked.items())
    return (
        '"""Makes results.json.gz: python run.py FOLDER-WITH-THE-OFFICIAL-FILES"""\n\n'
        "import sys\n\n"
        "from iceframe.workflow.benchmark import matbench\n\n"
        'if __name__ == "__main__":  # worker processes import this file\n'
        f"    matbench(\n        {[f.task.name for f in finished]!r},\n        data=sys.argv[1],\n"
        f'        out="board",\n{lines}    )\n'
    )

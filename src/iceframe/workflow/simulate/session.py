"""Simulate a data set: all parts, in this process or in workers; resumable; the manifest last.

Every part is made on one thread and written by itself, so that neither the number of workers nor a
kill in the middle changes a number. What is there already is kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iceframe.ingest.simulated import Simulated, open_simulated
from iceframe.workflow.processes import number_of_workers, one_thread, start_worker, worker_died
from iceframe.workflow.simulate.folder import SimulationFolder
from iceframe.workflow.simulate.loading import load_recipe
from iceframe.workflow.simulate.parts import make_part
from iceframe.workflow.simulate.plan import Plan, make_plan
from iceframe.workflow.simulate.recipe import Recipe

SHORT = 10.0  # seconds; processes take some to start, since each imports torch


@dataclass(frozen=True)
class SimulationProgress:
    """``done`` of ``total`` samples; ``remaining`` seconds once something is known of them."""

    done: int
    total: int
    elapsed: float
    remaining: float | None


Watch = Callable[[SimulationProgress], None]


def simulate(
    recipe: Mapping[str, Any] | Recipe | str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    workers: int | None = None,
    watch: Watch | None = None,
) -> Simulated:
    """Simulate microstructures and their properties after a recipe.

    Parameters
    ----------
    recipe : a YAML file, or a mapping of the same fields; see the how-to page.
    out : folder of the data set. If it holds a part of the same data set, only the rest is made; a
        finished one is returned as it is.
    workers : processes; one a core when not given.
    watch : called with a :class:`SimulationProgress` after every part.

    Returns
    -------
    Simulated : the data set, which can be given to :func:`iceframe.read` and :func:`iceframe.run`.

    Raises
    ------
    InputError : the recipe or the folder is at fault.
    UsageError : an unknown generator, or too few workers.
    """
    loaded = load_recipe(recipe)
    # Processes on one graphics card would only get in each other's way.
    card = loaded.recipe.solver.device != "cpu" and workers is None
    most = 1 if card else number_of_workers(workers)
    folder = SimulationFolder(Path(out), loaded.recipe)
    if folder.finished():
        folder.tidy()
        return open_simulated(folder.root)
    plan = make_plan(loaded)
    with folder.locked():
        if not folder.finished():
            folder.begin(plan)
            _make_all(plan, folder, most, watch, hurry=workers is not None)
            folder.finish(plan)
    return open_simulated(folder.root)


def _make_all(
    plan: Plan, folder: SimulationFolder, workers: int, watch: Watch | None, hurry: bool
) -> None:
    """``hurry``: start the workers at once; else only for what takes longer than to start them."""
    todo = [number for number in range(len(plan.parts())) if not folder.has_part(number)]
    clock = _Clock(plan, todo, watch)
    clock.report()
    with one_thread():
        while todo and (min(workers, len(todo)) == 1 or not (hurry or clock.is_long())):
            number = todo.pop(0)
            make_part(plan, folder.root, number)
            clock.finish(number)
    if todo:
        _with_workers(plan, folder.root, todo, min(workers, len(todo)), clock)


def _with_workers(plan: Plan, root: Path, todo: Sequence[int], workers: int, clock: _Clock) -> None:
    from joblib.externals.loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(max_workers=workers, initializer=_start, initargs=(plan, root))
    waiting = list(todo)
    running: dict[Future[None], int] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                number = waiting.pop(0)
                running[pool.submit(_work, number)] = number
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number = running.pop(future)
                error = future.exception()
                if isinstance(error, BrokenExecutor):
                    raise worker_died("finished parts") from error
                if error is not None:
                    raise error
                clock.finish(number)
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)


class _Clock:
    """Counts samples and reports."""

    def __init__(self, plan: Plan, todo: Sequence[int], watch: Watch | None) -> None:
        self.sizes = [part.stop - part.start for part in plan.parts()]
        self.total = len(plan)
        self.fresh = 0  # samples made since the start
        self.kept = self.total - sum(self.sizes[number] for number in todo)
        self.watch = watch
        self.start = time.monotonic()

    def finish(self, number: int) -> None:
        self.fresh += self.sizes[number]
        self.report()

    def is_long(self) -> bool:
        """Whether what is left takes longer than starting processes."""
        remaining = self._now().remaining
        return remaining is not None and remaining > SHORT

    def report(self) -> None:
        if self.watch is not None:
            self.watch(self._now())

    def _now(self) -> SimulationProgress:
        elapsed = time.monotonic() - self.start
        done = self.kept + self.fresh
        remaining = elapsed / self.fresh * (self.total - done) if self.fresh else None
        return SimulationProgress(done, self.total, elapsed, remaining)


_JOB: list[Any] = []


def _start(plan: Plan, root: Path) -> None:
    start_worker()
    _JOB[:] = [plan, root]


def _work(number: int) -> None:
    plan, root = _JOB
    with one_thread():
        make_part(plan, root, number)

"""Carries out units: in this process or in worker processes, within a budget, resumable.

Every unit runs on one thread, so that its numbers do not depend on how many workers there are.
Workers fill temporary folders; only this process moves them into place and writes the manifest.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iceframe.core.errors import IceframeError
from iceframe.core.runstore import RunStore
from iceframe.workflow.plan import Unit, Workload
from iceframe.workflow.processes import one_thread, start_worker, worker_died


@dataclass(frozen=True)
class Progress:
    """Where a run stands: after ``unit`` (``None`` at the start), ``done`` of ``total`` units."""

    done: int
    total: int
    unit: Unit | None
    running: tuple[Unit, ...]
    elapsed: float
    remaining: float | None


@dataclass
class Outcome:
    """How the execution ended: failed units with their messages, and whether time ran out."""

    failures: dict[str, str] = field(default_factory=dict)
    exhausted: bool = False


Watch = Callable[[Progress], None]


def execute(
    units: Sequence[Unit],
    store: RunStore,
    work: Workload,
    *,
    workers: int = 1,
    budget: float | None = None,
    watch: Watch | None = None,
) -> Outcome:
    """Finish all units that are not finished yet.

    No unit starts after ``budget`` seconds; those that run are finished. A unit that fails is
    recorded with its message (details under ``failures/``) and does not stop the others.
    """
    clock = _Clock(units, store, budget, watch)
    todo = [u for u in units if not store.finished(u.key)]
    if not todo:
        return clock.outcome
    clock.report(None, ())
    workers = max(1, min(workers, len(todo)))
    if workers == 1:
        _here(todo, store, work, clock)
    else:
        _with_workers(todo, store, work, clock, workers)
    return clock.outcome


class _Clock:
    """Counts, times and reports; decides whether another unit may start."""

    def __init__(
        self, units: Sequence[Unit], store: RunStore, budget: float | None, watch: Watch | None
    ) -> None:
        self.start = time.monotonic()
        self.budget, self.watch, self.store = budget, watch, store
        self.units = list(units)
        self.outcome = Outcome()
        self.seconds: dict[tuple[str, str], list[float]] = {}
        self.width = 1

    def may_start(self) -> bool:
        if self.budget is not None and time.monotonic() - self.start >= self.budget:
            self.outcome.exhausted = True
        return not self.outcome.exhausted

    def finish(self, unit: Unit, staged: Path, seconds: float) -> None:
        self.store.commit(unit.key, unit.name, staged)
        self.seconds.setdefault((unit.rung, unit.kind), []).append(seconds)

    def fail(self, unit: Unit, error: BaseException, details: str) -> None:
        self.outcome.failures[unit.key] = f"{type(error).__name__}: {error}"
        folder = self.store.root / "failures"
        folder.mkdir(exist_ok=True)
        (folder / f"{unit.name}.txt").write_text(details, encoding="utf-8")

    def report(self, unit: Unit | None, running: Sequence[Unit]) -> None:
        if self.watch is None:
            return
        open_units = [
            u
            for u in self.units
            if not self.store.finished(u.key) and u.key not in self.outcome.failures
        ]
        self.watch(
            Progress(
                len(self.units) - len(open_units),
                len(self.units),
                unit,
                tuple(running),
                time.monotonic() - self.start,
                self._remaining(open_units),
            )
        )

    def _remaining(self, open_units: Sequence[Unit]) -> float | None:
        """Seconds still needed, from units of the same rung and kind, else from all so far."""
        if not self.seconds:
            return None
        everything = [s for seconds in self.seconds.values() for s in seconds]
        overall = sum(everything) / len(everything)
        total = 0.0
        for unit in open_units:
            like = self.seconds.get((unit.rung, unit.kind))
            total += sum(like) / len(like) if like else overall
        return total / self.width


def _ready(unit: Unit, store: RunStore, clock: _Clock) -> bool | None:
    """Whether a unit can start now; ``None`` if it never can, because what it needs failed."""
    if unit.needs is None or store.finished(unit.needs):
        return True
    if unit.needs in clock.outcome.failures:
        return None
    return False


def _here(todo: list[Unit], store: RunStore, work: Workload, clock: _Clock) -> None:
    for unit in todo:
        if not clock.may_start():
            return
        if not _ready(unit, store, clock):
            clock.outcome.failures[unit.key] = "what it builds on failed"
            continue
        clock.report(None, (unit,))
        staged = store.stage()
        base = store.unit(unit.needs) if unit.needs else None
        try:
            seconds = perform_alone(unit, work, staged, base)
        except IceframeError:
            raise
        except Exception as error:
            clock.fail(unit, error, traceback.format_exc())
        else:
            clock.finish(unit, staged, seconds)
        clock.report(unit, ())


def _with_workers(
    todo: list[Unit], store: RunStore, work: Workload, clock: _Clock, workers: int
) -> None:
    from joblib.externals.loky import ProcessPoolExecutor

    clock.width = workers
    waiting = list(todo)
    running: dict[Future[float], tuple[Unit, Path]] = {}
    pool = ProcessPoolExecutor(max_workers=workers, initializer=_start_worker, initargs=(work,))
    try:
        while waiting or running:
            while len(running) < workers and waiting and clock.may_start():
                unit = _next(waiting, store, clock)
                if unit is None:
                    break
                staged = store.stage()
                base = store.unit(unit.needs) if unit.needs else None
                running[pool.submit(_work, unit, staged, base)] = (unit, staged)
                clock.report(None, [u for u, _ in running.values()])
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                unit, staged = running.pop(future)
                error = future.exception()
                if isinstance(error, IceframeError):
                    raise error
                if isinstance(error, BrokenExecutor):
                    raise worker_died("finished units") from error
                if error is not None:
                    clock.fail(unit, error, "".join(traceback.format_exception(error)))
                else:
                    clock.finish(unit, staged, future.result())
                clock.report(unit, [u for u, _ in running.values()])
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)  # nothing runs any more; killed, workers would leave semaphores behind


def _next(waiting: list[Unit], store: RunStore, clock: _Clock) -> Unit | None:
    """Take the first unit that can start out of ``waiting``; drop those that never can."""
    for unit in list(waiting):
        ready = _ready(unit, store, clock)
        if ready is None:
            waiting.remove(unit)
            clock.outcome.failures[unit.key] = "what it builds on failed"
        elif ready:
            waiting.remove(unit)
            return unit
    return None


def perform_alone(unit: Unit, work: Workload, staged: Path, base: Path | None) -> float:
    """Perform a unit on one thread; returns its seconds."""
    from iceframe.workflow.units import perform

    start = time.perf_counter()
    with one_thread():
        perform(unit, work, staged, base)
    return time.perf_counter() - start


_WORK: list[Workload] = []


def _start_worker(work: Workload) -> None:
    start_worker()
    _WORK[:] = [work]


def _work(unit: Unit, staged: Path, base: Path | None) -> Any:
    return perform_alone(unit, _WORK[0], staged, base)

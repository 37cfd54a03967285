"""Audit a run: every kind of audit once, kept under the run, and read again when repeated.

What each kind found lies in ``RUN/audits/<rung>/<kind>.json``, under a key of all that it depends
on. These files are derived and not sealed: they can be deleted at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from iceframe.core.dataset import Dataset
from iceframe.core.errors import IceframeError, UsageError
from iceframe.core.files import read_json, write_json
from iceframe.core.hashing import content_hash
from iceframe.core.values import Finding
from iceframe.measure.audits.outcome import Examined
from iceframe.workflow.auditing.kinds import BUILDS_ON, PERFORM
from iceframe.workflow.auditing.subject import Subject, data_of, rung_of
from iceframe.workflow.processes import number_of_workers, one_thread, start_worker, worker_died
from iceframe.workflow.session import Run, open_run

FORMAT = 1
"""Of the kept answers; raised where an audit changes what it computes."""

KINDS = tuple(PERFORM)
FOLDER = "audits"
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Stage:
    """Where an audit stands: ``done`` of ``total`` kinds, and what is being done."""

    done: int
    total: int
    stage: str
    remaining: float | None = None


Watch = Callable[[Stage], None]


@dataclass(frozen=True)
class RunAudit:
    """What the audits of one rung of a run found; ``folder``: where the answers are kept."""

    run: Run
    rung: str
    folder: Path
    examined: tuple[Examined, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, worst first."""
        found = [f for one in self.examined for f in one.findings]
        return tuple(sorted(found, key=lambda f: SEVERITIES.index(f.severity)))

    def for_controller(self) -> tuple[dict[str, Any], ...]:
        """Findings as :attr:`iceframe.balance.situation.Situation.findings` takes them, worst
        first: ``code``, ``severity``, ``title``, ``remedy``, ``cue`` (as
        :func:`iceframe.ingest.neutral.without_cue` takes it, else ``""``), ``samples`` and
        ``repaired`` (``""``: by no variant yet)."""
        everyone = int(self.run.header["facts"]["n"])
        rows = [
            {
                "code": finding.code,
                "severity": finding.severity,
                "title": finding.title,
                "remedy": finding.remedy,
                "cue": one.cues.get(place, ""),
                "samples": len(finding.samples) or everyone,
                "repaired": "",
            }
            for one in self.examined
            for place, finding in enumerate(one.findings)
        ]
        return tuple(sorted(rows, key=lambda row: SEVERITIES.index(row["severity"])))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "rung": self.rung,
            "findings": [f.as_dict() for f in self.findings],
            "skipped": {one.kind: one.skipped for one in self.examined if one.skipped},
            "cues": [cue for one in self.examined for cue in one.cues.values()],
            "facts": {one.kind: dict(one.facts) for one in self.examined},
        }


def audit_run(
    run: Run | str | Path,
    data: Dataset | str | Path | None = None,
    *,
    rung: str | None = None,
    only: Sequence[str] | None = None,
    out: str | Path | None = None,
    workers: int | None = 1,
    watch: Watch | None = None,
) -> RunAudit:
    """Look for biases and for limits of a finished run.

    Parameters
    ----------
    run : a finished run, or its folder. data : its data, where they are no longer where they were.
    rung : whose models are looked at; by default the equilibrium's.
    only : names of kinds (:data:`KINDS`); by default all.
    out : folder that keeps the answers; by default ``audits`` in the run's own.
    workers : processes; one a core for ``None``.
    watch : called with a :class:`Stage` after every step.

    Raises
    ------
    InputError : no run there, or its data are gone or changed.
    UsageError : an unknown rung or kind, or a run without models.
    """
    run = run if isinstance(run, Run) else open_run(run)
    kinds = kinds_named(only)
    name = rung_of(run, rung)
    subject = Subject(run, data_of(run, data), name)
    folder = Path(out) / FOLDER if out is not None else run.folder / FOLDER
    keeper = _Keeper(folder / name, run, name)
    done: dict[str, Examined] = {}
    for kind in dict.fromkeys([*kinds, *(BUILDS_ON[k] for k in kinds if k in BUILDS_ON)]):
        kept = keeper.read(kind)
        if kept is not None:
            done[kind] = kept
    todo = [kind for kind in kinds if kind not in done]
    step = _steps(watch, len(kinds), lambda: sum(kind in done for kind in kinds))
    count = min(number_of_workers(workers), max(1, len(todo)))
    for kind, found in (
        _here(subject, todo, done, step)
        if count == 1
        else _elsewhere(subject, todo, done, step, count)
    ):
        done[kind] = keeper.write(found)
        step(kind, "")
    return RunAudit(run, name, folder, tuple(done[kind] for kind in kinds))


def kinds_named(only: Sequence[str] | None) -> tuple[str, ...]:
    """The kinds asked for, each once, in the order of :data:`KINDS`.

    Raises
    ------
    UsageError : an unknown one, or none at all.
    """
    if only is None:
        return KINDS
    import difflib

    for name in only:
        if name not in KINDS:
            near = difflib.get_close_matches(name, KINDS, n=1)
            mean = f" Did you mean '{near[0]}'?" if near else ""
            raise UsageError(
                f"Unknown audit '{name}'.{mean}", where="--only", allowed=", ".join(KINDS)
            )
    if not only:
        raise UsageError("No audit was named.", where="--only", allowed=", ".join(KINDS))
    return tuple(kind for kind in KINDS if kind in only)


Step = Callable[[str, str], None]


def _steps(watch: Watch | None, total: int, finished: Callable[[], int]) -> Step:
    def step(kind: str, what: str) -> None:
        if watch is not None:
            watch(Stage(finished(), total, f"{kind}: {what}" if what else kind))

    return step


def _perform(subject: Subject, kind: str, earlier: dict[str, Examined], step: Step) -> Examined:
    """One kind; what these data or this model do not allow is left out with the reason."""
    with one_thread():
        try:
            return PERFORM[kind](subject, lambda what: step(kind, what), earlier)
        except IceframeError as error:
            return Examined(kind, skipped=error.what)


def _here(
    subject: Subject, todo: Sequence[str], done: dict[str, Examined], step: Step
) -> Iterator[tuple[str, Examined]]:
    for kind in todo:
        step(kind, "")
        yield kind, _perform(subject, kind, done, step)


def _elsewhere(
    subject: Subject, todo: Sequence[str], done: dict[str, Examined], step: Step, workers: int
) -> Iterator[tuple[str, Examined]]:
    """In worker processes; what builds on another kind waits for it."""
    from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait

    from joblib.externals.loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(max_workers=workers, initializer=start_worker)
    waiting, running = list(todo), dict[Future[Examined], str]()
    try:
        while waiting or running:
            for kind in list(waiting):
                if BUILDS_ON.get(kind) not in todo or BUILDS_ON[kind] in done:
                    waiting.remove(kind)
                    running[pool.submit(_alone, subject, kind, dict(done))] = kind
            step(", ".join(running.values()), "")
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                kind = running.pop(future)
                try:
                    yield kind, future.result()
                except BrokenExecutor as error:
                    raise worker_died("finished audits") from error
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)


def _alone(subject: Subject, kind: str, earlier: dict[str, Examined]) -> Examined:
    return _perform(subject, kind, earlier, lambda *_: None)


class _Keeper:
    """Keeps what was found, by a key of all that it depends on."""

    def __init__(self, folder: Path, run: Run, rung: str) -> None:
        self.folder, self.depends = folder, [FORMAT, dict(run.header["identity"]), rung]

    def _key(self, kind: str) -> str:
        return content_hash(*self.depends, kind)

    def read(self, kind: str) -> Examined | None:
        path = self.folder / f"{kind}.json"
        if not path.exists():
            return None
        body = read_json(path)
        if not isinstance(body, dict) or body.get("key") != self._key(kind):
            return None
        findings = tuple(Finding(**{**f, "samples": tuple(f["samples"])}) for f in body["findings"])
        cues = {int(place): cue for place, cue in body["cues"].items()}
        return Examined(kind, findings, body["facts"], body["skipped"], cues)

    def write(self, found: Examined) -> Examined:
        """Keep what was found; returns it as it will be read again."""
        write_json(
            self.folder / f"{found.kind}.json",
            {
                "key": self._key(found.kind),
                "findings": [asdict(f) for f in found.findings],
                "facts": dict(found.facts),
                "skipped": found.skipped,
                "cues": {str(place): cue for place, cue in found.cues.items()},
            },
        )
        kept = self.read(found.kind)
        assert kept is not None
        return kept

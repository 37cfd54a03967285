"""The bench: all data, runs and models of a search, and how candidates are measured.

Every variant of the data is climbed in an ordinary run folder, under the name of the step that
first measured something on it; what is measured on it later is added to the same folder. All
variants share the held-out samples of every fold: new samples are only ever trained on, and samples
that are left out are left out of both sides.

Two kinds of rungs know more than the samples, and get a folder of their own for it. Those that are
taught by physics need the solver's sensitivities: where the data come without, they are computed
once. Those that are distilled may ask their teacher about samples without a target: those that are
at hand, else, where the data were simulated, new structures that nobody solved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from iceframe.balance.situation import GIVEN, Measured, candidate_name
from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError
from iceframe.core.files import read_json
from iceframe.core.hashing import content_hash
from iceframe.core.runstore import RunStore
from iceframe.core.seeds import derive_seed
from iceframe.core.values import Fold, Splits
from iceframe.scale.fitting import Fitted
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.workflow import assemble
from iceframe.workflow.answers import represented
from iceframe.workflow.execute import Watch
from iceframe.workflow.feedback.ladder import is_taught, knows_sensitivities
from iceframe.workflow.feedback.simulation import can_simulate, pool_of
from iceframe.workflow.session import Run, run


class Knows(NamedTuple):
    """What a rung knows ``beyond`` the samples, and the ``teacher`` that was named to it."""

    beyond: Literal["", "sensitivities", "unlabelled"] = ""
    teacher: str = ""


STEPS = "steps"
POOL, MOST_POOL = 4, 2000  # structures that a teacher labels, a sample and at most
DATA = "data"


@dataclass(frozen=True)
class Variant:
    """One state of the data: ``by`` the action that made it, of the variant ``base``; ``mended``:
    the findings that it no longer has, code and cue. ``splits``: the folds, ``None`` until they are
    made; ``cues``: what was taken out of every sample."""

    name: str
    data: Dataset
    splits: Splits | None = None
    by: str = ""
    base: str = GIVEN
    mended: tuple[tuple[str, str], ...] = ()
    cues: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """What all runs of a search have in common; see :func:`iceframe.workflow.session.run`."""

    splits: str = "auto"
    folds: int = 5
    seed: int = 0
    floors: Mapping[str, float] = field(default_factory=dict)
    descriptors: tuple[str, ...] | None = None
    device: str = "auto"
    trials: int | Mapping[str, int] | None = None
    repeats: int | None = None
    shift: bool = False
    workers: int | None = None
    command: str = "iceframe.run_balanced"


class Bench:
    """See the module.

    Attributes
    ----------
    store : the folder of the search. options : of all runs. seed : root of every random choice.
    variants : by name, the data as given first. measured : candidates in the order in which they
        were measured. unlabelled : samples without a target, or ``None``.
    step : number and action of the present step.
    """

    def __init__(
        self,
        store: RunStore,
        data: Dataset,
        options: Options,
        *,
        unlabelled: Dataset | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.store, self.options, self.watch = store, options, watch
        self.seed = options.seed
        self.unlabelled = unlabelled
        self.variants = {GIVEN: Variant(GIVEN, data)}
        self.measured: dict[str, Measured] = {}
        self.step = (0, "start")
        self._folders: dict[tuple[str, Knows], Path] = {}
        self._teachers: dict[tuple[str, str], str] = {}
        self._taught: dict[str, Dataset] = {}
        self._pool: Dataset | None = None
        self._open: dict[Path, Run] = {}

    # -- data ----------------------------------------------------------------------------------

    def data(self, variant: str = GIVEN) -> Dataset:
        """The samples of a variant."""
        return self._variant(variant).data

    def splits(self, variant: str = GIVEN) -> Splits:
        """The outer folds of a variant; there are some once something was measured on the data as
        given."""
        found = self._variant(variant).splits
        if found is None:
            raise ValueError("nothing was measured yet")
        return found

    def add(self, variant: Variant) -> None:
        """Put a new variant of the data on the bench.

        Raises
        ------
        InputError : it tests a sample that the data as given do not test in that fold.
        """
        if variant.splits is None or not variant.name or variant.name in self.variants:
            raise ValueError("a variant needs folds and a name of its own")
        held = [set(self.data().ids[f.test]) for f in self.splits().folds]
        for known, fold in zip(held, variant.splits.folds, strict=True):
            if not set(variant.data.ids[fold.test]) <= known:
                raise InputError(
                    "A variant of the data must test what the data as given test.",
                    where=f"{variant.name}, {fold.name}",
                )
        self.variants[variant.name] = variant

    def name_for(self, change: str, base: str) -> str:
        """What a variant of ``base`` with this change is called."""
        name = f"{base}, {change}" if base else change
        again = 1
        while name in self.variants:
            again += 1
            name = f"{base}, {change} ({again})" if base else f"{change} ({again})"
        return name

    def keep(self, name: str, key: Any, make: Callable[[Path], None]) -> Path:
        """The folder that ``make(folder)`` filled, made once for this name and ``key`` (JSON)."""
        unit = content_hash(self.store.header["identity"], "kept", name, key)
        if not self.store.finished(unit):
            staged = self.store.stage()
            make(staged)
            self.store.commit(unit, f"{name}-{unit[:8]}", staged)
        return self.store.unit(unit)

    def folder(self, *parts: str) -> Path:
        """A folder for data of this search, not made yet."""
        return self.store.root.joinpath(DATA, *parts)

    # -- measuring -----------------------------------------------------------------------------

    def measure(
        self, rungs: Sequence[str], variant: str = GIVEN, teacher: str = ""
    ) -> tuple[str, ...]:
        """Measure rungs on a variant of the data; the names of the candidates.

        ``teacher``: the rung that those learn from which learn from another's answers.

        What was measured before, here or in an earlier start of the search, is not repeated.
        """
        if teacher:
            self._teachers |= {(n, variant): teacher for n in rungs if RUNGS[n].distils}
        knows = {name: self._knows(name, variant) for name in rungs}
        for kind in dict.fromkeys(knows.values()):
            self._climb([name for name in rungs if knows[name] == kind], variant, kind)
        return tuple(candidate_name(name, variant) for name in rungs)

    def _climb(self, rungs: Sequence[str], variant: str, knows: Knows) -> None:
        folder = self._folders.setdefault((variant, knows), self._new_folder(knows))
        finished = self._finished(folder, rungs)
        if finished is None:
            finished = self._run(folder, rungs, variant, knows)
        self._open[folder] = finished
        if self.variants[variant].splits is None:
            self.variants[variant] = replace(self.variants[variant], splits=finished.splits)
        seconds = finished.costs.set_index(["rung", "metric"])["value"]
        for name in rungs:
            self.measured.setdefault(
                candidate_name(name, variant),
                Measured(
                    name,
                    variant,
                    self.step[0],
                    float(seconds.get((name, "total_seconds"), 0.0)),
                    finished.failures.get(name, ""),
                ),
            )

    def _run(self, folder: Path, rungs: Sequence[str], variant: str, knows: Knows) -> Run:
        """The run in ``folder``, with these rungs beside those that it has."""
        options, known = self.options, _ladder_in(folder)
        own = self._variant(variant).splits
        splits = options.splits if own is None or not (variant or any(knows)) else own
        return run(
            self._taught_data(variant) if knows.beyond == "sensitivities" else self.data(variant),
            ladder=[*known, *(name for name in rungs if name not in known)],
            descriptors=options.descriptors,
            out=folder,
            splits=splits,
            folds=options.folds,
            seed=options.seed,
            floors=options.floors,
            workers=options.workers,
            device=options.device,
            trials=options.trials,
            repeats=options.repeats,
            shift=options.shift,
            unlabelled=self._others() if knows.beyond == "unlabelled" else None,
            teacher=knows.teacher,
            command=options.command,
            watch=self.watch,
        )

    def _new_folder(self, knows: Knows) -> Path:
        number, action = self.step
        name = f"{number:03d}-{action}"
        used = {path.name for path in self._folders.values()}
        return (
            self.store.root
            / STEPS
            / ("-".join([name, *filter(None, knows)]) if name in used else name)
        )

    @staticmethod
    def _finished(folder: Path, rungs: Sequence[str]) -> Run | None:
        """The run in ``folder``, if it holds all these rungs and nothing is left to do."""
        if not _ladder_in(folder):
            return None
        store = RunStore.open(folder)
        if not store.sealed:
            return None
        body = read_json(folder / assemble.EQUILIBRIUM)
        done = {*body["finished"], *body["failures"]}
        return None if body["unfinished"] or not set(rungs) <= done else Run(store)

    # -- what was measured ---------------------------------------------------------------------

    def run_of(self, candidate: str) -> Run:
        """The run that holds a candidate."""
        return self._open[self.folder_of(candidate)]

    def folder_of(self, candidate: str) -> Path:
        """Where that run lies."""
        held = self.measured[candidate]
        return self._folders[held.variant, self._knows(held.rung, held.variant)]

    def best(self, n: int, variant: str) -> list[str]:
        """The ``n`` candidates on a variant that have a model and the lowest loss, best first."""
        metric = "mae" if self.data().task == "regression" else "log_loss"
        found = []
        for name, held in self.measured.items():
            if held.variant == variant and not held.failed:
                rows = self.run_of(name).evidence.set_index(["rung", "metric"])["value"]
                found.append((float(rows[held.rung, metric]), name))
        return [name for _, name in sorted(found)[:n]]

    def fitted(self, candidate: str) -> Fitted:
        """A candidate's model, fitted to all samples of its variant."""
        folder = self.run_of(candidate).unit_folder(self.measured[candidate].rung, "final")
        if folder is None:
            raise InputError(f"'{candidate}' has no finished model.", where=self.store.root)
        return Fitted.load(folder / "model")

    def inputs(self, candidate: str, data: Dataset) -> Inputs:
        """``data`` as a candidate's model looks at them."""
        return represented(self.run_of(candidate), data)

    def seed_for(self, *names: object) -> int:
        """A seed for the thing called so."""
        return derive_seed(self.seed, "balance", *names)

    # -- what some rungs know beyond the samples -----------------------------------------------

    def _knows(self, rung: str, variant: str) -> Knows:
        known = self._variant(variant)
        if is_taught(rung) and not knows_sensitivities(known.data):
            return Knows("sensitivities")
        if RUNGS[rung].distils and not known.cues and self._others() is not None:
            return Knows("unlabelled", self._teachers.get((rung, variant), ""))
        return Knows(teacher=self._teachers.get((rung, variant), ""))

    def _others(self) -> Dataset | None:
        """Samples without a target, for a teacher to label."""
        data = self.data()
        if self.unlabelled is not None or not can_simulate(data):
            return self.unlabelled
        if self._pool is None:
            n = min(POOL * len(data), MOST_POOL)
            self._pool = pool_of(data, n, self.seed_for("unlabelled"))
        return self._pool

    def _taught_data(self, variant: str) -> Dataset:
        """The samples of a variant with their sensitivities, computed where they are missing."""
        from iceframe.workflow.physics import sensitivities_of

        if variant in self._taught:
            return self._taught[variant]
        data = self.data(variant)
        images, law = data.images, data.law
        if images is None or law is None:
            raise InputError(
                "The law that makes the target is not known: there are no sensitivities.",
                where=data.source or data.name,
            )
        everything = images.read(np.arange(len(images)))
        device = "cpu" if self.options.device == "auto" else self.options.device

        def solve(staged: Path) -> None:
            slopes = sensitivities_of(everything, law, device)
            np.save(staged / "slopes.npy", slopes.astype(np.float32), allow_pickle=False)

        kept = self.keep("sensitivities", images.fingerprint, solve)
        slopes = np.load(kept / "slopes.npy", allow_pickle=False)
        taught = ArrayImages(everything, images.periodic, images.kind, images.names, slopes)
        self._taught[variant] = replace(data, images=taught)
        return self._taught[variant]

    def _variant(self, name: str) -> Variant:
        if name not in self.variants:
            raise InputError(
                "There is no such variant of the data.",
                got=name,
                allowed=", ".join(repr(known) for known in self.variants),
            )
        return self.variants[name]


def only_trained_on(splits: Splits, n: int, added: int) -> Splits:
    """Folds of ``n`` samples and ``added`` ones behind them, which no fold tests.

    >>> one = Splits("random", (Fold("fold0", np.array([0]), np.array([1])),))
    >>> only_trained_on(one, 2, 2).folds[0].train.tolist()
    [0, 2, 3]
    """
    new = np.arange(n, n + added)
    folds, repeats = (
        tuple(Fold(f.name, np.concatenate([f.train, new]), f.test) for f in some)
        for some in (splits.folds, splits.repeats)
    )
    notes = (*splits.notes, f"{added} samples are only trained on.")
    return Splits(splits.spec, folds, notes, repeats)


def left_out(splits: Splits, keep: np.ndarray) -> Splits:
    """Folds of the samples where ``keep`` ``(n,)`` is true, in their new positions.

    >>> one = Splits("random", (Fold("fold0", np.array([0, 2]), np.array([1, 3])),))
    >>> fold = left_out(one, np.array([True, True, False, True])).folds[0]
    >>> fold.train.tolist(), fold.test.tolist()
    ([0], [1, 2])
    """
    place = np.cumsum(keep) - 1
    folds, repeats = (
        tuple(
            Fold(f.name, place[f.train[keep[f.train]]], place[f.test[keep[f.test]]]) for f in some
        )
        for some in (splits.folds, splits.repeats)
    )
    notes = (*splits.notes, f"{int((~keep).sum())} samples left out.")
    return Splits(splits.spec, folds, notes, repeats)


def _ladder_in(folder: Path) -> list[str]:
    """The rungs that a run folder was asked for; none where there is no run."""
    if not (folder / "run.json").exists():
        return []
    return list(read_json(folder / "run.json")["settings"]["ladder"])

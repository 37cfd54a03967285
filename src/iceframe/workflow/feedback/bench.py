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
from itertools import count
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
from iceframe.core.values import Splits
from iceframe.scale.fitting import Fitted
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.workflow import assemble
from iceframe.workflow.answers import represented
from iceframe.workflow.execute import Watch
from iceframe.workflow.feedback.ladder import knows_sensitivities
from iceframe.workflow.feedback.simulation import can_simulate, pool_of
from iceframe.workflow.feedback.variant import Variant
from iceframe.workflow.session import Run, identity_for, run


class Knows(NamedTuple):
    """What a rung knows ``beyond`` the samples, and the ``teacher`` that was named to it."""

    beyond: Literal["", "sensitivities", "unlabelled"] = ""
    teacher: str = ""


STEPS = "steps"
POOL, MOST_POOL = 4, 2000  # structures that a teacher labels, a sample and at most
DATA = "data"


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
        if (variant, knows) not in self._folders:
            self._folders[variant, knows] = self._new_folder(rungs, variant, knows)
        folder = self._folders[variant, knows]
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
        return run(
            self._looked_at(variant, knows),
            ladder=[*known, *(name for name in rungs if name not in known)],
            out=folder,
            floors=options.floors,
            workers=options.workers,
            command=options.command,
            watch=self.watch,
            **self._deciding(variant, knows),
        )

    def _looked_at(self, variant: str, knows: Knows) -> Dataset:
        """The samples of a variant, with what rungs that know more see of them."""
        return self._taught_data(variant) if knows.beyond == "sensitivities" else self.data(variant)

    def _deciding(self, variant: str, knows: Knows) -> dict[str, Any]:
        """The arguments of a run that make it the run that it is."""
        options, own = self.options, self._variant(variant).splits
        return {
            "splits": options.splits if own is None or not (variant or any(knows)) else own,
            "descriptors": options.descriptors,
            "folds": options.folds,
            "seed": options.seed,
            "device": options.device,
            "trials": options.trials,
            "repeats": options.repeats,
            "shift": options.shift,
            "unlabelled": self._others_like(variant) if knows.beyond == "unlabelled" else None,
            "teacher": knows.teacher,
        }

    def _new_folder(self, rungs: Sequence[str], variant: str, knows: Knows) -> Path:
        """Where to measure these: the first folder of this step that is free or holds the same run.

        With other limits an earlier walk may have taken another way, and the folder of this step
        holds other data: that is left as it is.
        """
        number, action = self.step
        name = f"{number:03d}-{action}"
        used = {path.name for path in self._folders.values()}
        if name in used:
            name = "-".join([name, *filter(None, knows)])
        mine = identity_for(
            self._looked_at(variant, knows), ladder=rungs, **self._deciding(variant, knows)
        )
        for again in count(1):
            folder = self.store.root / STEPS / (name if again == 1 else f"{name}-{again}")
            if folder.name not in used and _identity_in(folder) in ({}, mine):
                break
        return folder

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
                loss = float(rows.get((held.rung, metric), np.nan))
                found += [(loss, name)] if np.isfinite(loss) else []
        return [name for _, name in sorted(found)[:n]]

    def fitted(self, candidate: str) -> Fitted:
        """A candidate's model, fitted to all samples of its variant."""
        folder = self.run_of(candidate).unit_folder(self.measured[candidate].rung, "final")
        if folder is None:
            raise InputError(
                f"'{candidate}' has no finished model.",
                where=self.store.root,
                hint="repeat the command to finish it",
            )
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
        if RUNGS[rung].supervised and not knows_sensitivities(known.data):
            return Knows("sensitivities")
        if RUNGS[rung].distils and self._others() is not None:
            return Knows("unlabelled", self._teachers.get((rung, variant), ""))
        return Knows(teacher=self._teachers.get((rung, variant), ""))

    def _others_like(self, variant: str) -> Dataset | None:
        """The samples without a target, without what was taken out of those of a variant."""
        others = self._others()
        return None if others is None else self._variant(variant).as_these(others)

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
                hint="simulate them with a 'property' in the recipe, or --forbid supervise",
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


def _identity_in(folder: Path) -> dict[str, Any]:
    """What makes the run in a folder the run that it is; empty where there is none."""
    path = folder / "run.json"
    return dict(read_json(path)["identity"]) if path.exists() else {}


def _ladder_in(folder: Path) -> list[str]:
    """The rungs that a run folder was asked for; none where there is no run."""
    if not (folder / "run.json").exists():
        return []
    return list(read_json(folder / "run.json")["settings"]["ladder"])

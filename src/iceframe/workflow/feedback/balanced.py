"""A balanced run on disk: what was chosen, the path to it, and the runs that it went through.

::

    RUN/
      run.json, manifest.jsonl   as of every run; "what" in its identity says what it is
      steps/000-start/, …        ordinary runs: every variant of the data is climbed in one
      units/                     what each step did; what the steps keep for one another
      data/                      variants of the data that are files
      ledger.sqlite              every proposal, decision and outcome, append-only
      balanced.json, path.json, evidence.parquet
                                 derived: the equilibrium, the path, all candidates' evidence
      experiments.csv            what to measure next, where that is the outcome
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from iceframe.balance.record import steps_of
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import read_json
from iceframe.core.ledger import FILE, Ledger
from iceframe.core.runstore import RunStore
from iceframe.core.values import Equilibrium, Explanation
from iceframe.ingest.neutral import without_cue
from iceframe.workflow.feedback.bench import STEPS
from iceframe.workflow.finished import Finished
from iceframe.workflow.session import Run
from iceframe.workflow.view import RunView, SearchPath

WHAT = "balanced run"
BALANCED = "balanced.json"
PATH = "path.json"
GAINS = ("fidelity", "transparency", "complexity")


class ChosenRun(Run):
    """The ordinary run that holds the chosen candidate, with the equilibrium of the search.

    ``cues`` were taken out of the images that it learned from, and are taken out of new ones.
    ``path`` is how the search came here.
    """

    def __init__(
        self, store: RunStore, equilibrium: Equilibrium, cues: tuple[str, ...], path: SearchPath
    ) -> None:
        super().__init__(store)
        self._equilibrium = equilibrium
        self.cues, self.path = cues, path

    def view(self) -> RunView:
        """The run as plain values, with the path."""
        return replace(super().view(), path=self.path)

    @property
    def equilibrium(self) -> Equilibrium:
        """The equilibrium of the search, in the names of this run."""
        return self._equilibrium

    def as_learned(self, data: Dataset) -> Dataset:
        """New samples without the cues."""
        for cue in self.cues:
            data = without_cue(data, cue)
        return data


class BalancedRun(Finished):
    """A balanced run on disk; ``rung`` of its equilibrium and its evidence, with the costs among
    them, names the candidate."""

    derived = BALANCED

    @cached_property
    def trajectory(self) -> pd.DataFrame:
        """One row a step: ``step``, ``action``, ``arguments``, the gains that were ``expected`` and
        the changes that were ``measured`` by axis (``expected_fidelity``, …), ``kept`` (None: not
        judged), ``why`` it was tried, ``verdict``, ``seconds``, ``folder``."""
        rows = []
        for step in read_json(self.folder / PATH):
            row = {name: step[name] for name in ("step", "action", "arguments")}
            for said in ("expected", "measured"):
                row |= {f"{said}_{axis}": step[said].get(axis, float("nan")) for axis in GAINS}
            row |= {name: step[name] for name in ("kept", "why", "verdict", "seconds", "folder")}
            rows.append(row)
        return pd.DataFrame(rows)

    @property
    def candidates(self) -> dict[str, dict[str, Any]]:
        """Candidate -> ``rung``, ``variant``, ``folder`` of its run, ``step``, ``failed``."""
        return {
            str(held["name"]): {k: v for k, v in held.items() if k != "name"}
            for held in self._derived["candidates"]
        }

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why no further action was worth its cost."""
        return tuple(self._derived["outcome"]["reasons"])

    @cached_property
    def path(self) -> SearchPath:
        """What was tried in order, and what became of it."""
        entries = Ledger.open(self.folder / FILE).entries()
        regression = self.header["task"] == "regression"
        return SearchPath(
            steps_of((entry.kind, entry.body) for entry in entries),
            self.evidence,
            self.equilibrium.rung,
            "mae" if regression else "balanced_accuracy",
            self.reasons,
        )

    @property
    def seconds(self) -> float:
        """What all steps took."""
        return float(self._derived["seconds"])

    @property
    def asked(self) -> Path | None:
        """The table of experiments that are worth most, where the search ended with asking."""
        path = self.folder / self._derived["experiments"] if self._derived["experiments"] else None
        return path if path is not None and path.exists() else None

    @property
    def run(self) -> ChosenRun:
        """The ordinary run that holds the chosen candidate, else the first one."""
        chosen = self.equilibrium.rung
        held = self.candidates
        name = chosen if chosen is not None else next(iter(held))
        return self.run_of(name)

    def run_of(self, candidate: str) -> ChosenRun:
        """The ordinary run that holds a candidate.

        Raises
        ------
        UsageError : there is no such candidate.
        """
        if candidate not in self.candidates:
            raise UsageError(
                f"This search measured no candidate '{candidate}'.",
                allowed=", ".join(self.candidates),
            )
        held = self.candidates[candidate]
        whole = self.equilibrium
        here = {n: c["rung"] for n, c in self.candidates.items() if c["folder"] == held["folder"]}
        chosen = None if whole.rung is None else self.candidates[whole.rung]["rung"]
        inside = whole.rung in here
        equilibrium = Equilibrium(
            chosen if inside else None,
            whole.status,
            whole.remedy,
            whole.reasons,
            tuple(
                {**step, "rung": here[step["rung"]]}
                for step in whole.trajectory
                if step["rung"] in here
            ),
        )
        store = RunStore.open(self.folder / STEPS / held["folder"])
        cues = tuple(self._derived["cues"].get(held["variant"], ()))
        return ChosenRun(store, equilibrium, cues, self.path)

    def predict(
        self, new: Dataset | str | Path | pd.DataFrame, *, candidate: str | None = None
    ) -> pd.DataFrame:
        """Predictions of the chosen candidate, or another; see
        :meth:`iceframe.workflow.session.Run.predict`."""
        name = self._named(candidate)
        return self.run_of(name).predict(new, rung=self.candidates[name]["rung"])

    def explain(
        self,
        new: Dataset | str | Path | pd.DataFrame,
        sample: int | str = 0,
        *,
        candidate: str | None = None,
        explainer: str | None = None,
    ) -> Explanation:
        """Why the chosen candidate, or another, answers as it does; see
        :meth:`iceframe.workflow.session.Run.explain`."""
        name = self._named(candidate)
        rung = self.candidates[name]["rung"]
        return self.run_of(name).explain(new, sample, rung=rung, explainer=explainer)

    def _named(self, candidate: str | None) -> str:
        name = candidate or self.equilibrium.rung
        if name is None:
            raise UsageError(
                "This search chose no candidate.",
                hint="name one with candidate=",
                allowed=", ".join(self.candidates),
            )
        return name


def open_balanced(folder: str | Path) -> BalancedRun:
    """Open a run that :func:`iceframe.run_balanced` made.

    Raises
    ------
    InputError : none there, not finished, edited by hand, or made by a newer version.
    """
    store = RunStore.open(Path(folder))
    what = store.header["identity"].get("what", "run")
    if what != WHAT:
        raise InputError(f"This folder holds a {what}, not a {WHAT}.", where=folder)
    return balanced_from(store)


def balanced_from(store: RunStore) -> BalancedRun:
    """The balanced run in an open folder.

    Raises
    ------
    InputError : it was stopped before its first result.
    """
    if not store.sealed:
        raise InputError(
            "This balanced run was stopped before its first result.",
            where=store.root,
            hint="repeat the command that started it: " + str(store.header["settings"]["command"]),
        )
    return BalancedRun(store)

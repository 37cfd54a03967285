"""A run: climb the ladder over a data set, and everything that can be asked of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from iceframe.balance.candidates import check_floors
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.files import read_json
from iceframe.core.runstore import RunStore
from iceframe.core.values import Audit, Explanation, Splits
from iceframe.ingest.repeats import usual_repeats
from iceframe.scale.fitting import TRIALS
from iceframe.scale.represent import descriptors_named
from iceframe.workflow import assemble, prepare
from iceframe.workflow.answers import explain_sample, predict_samples
from iceframe.workflow.execute import Outcome, Watch, execute
from iceframe.workflow.finished import Finished
from iceframe.workflow.folds import name_of_splits, read_splits
from iceframe.workflow.further import Questions
from iceframe.workflow.plan import plan_units
from iceframe.workflow.processes import MOST_WORKERS, number_of_workers
from iceframe.workflow.settings import RunSettings, rungs_named, trials_at_most
from iceframe.workflow.view import Explained, RunView
from iceframe.workflow.viewing import view_of

if TYPE_CHECKING:
    from iceframe.workflow.gating import RunGate
    from iceframe.workflow.prepare import Prepared


def run(
    data: Dataset | str | Path | pd.DataFrame,
    target: str | None = None,
    *,
    ladder: Sequence[str] | None = None,
    descriptors: Sequence[str] | None = None,
    out: str | Path,
    splits: str | Splits = "auto",
    folds: int = 5,
    seed: int = 0,
    budget: float | None = None,
    floors: Mapping[str, float] | None = None,
    workers: int | None = None,
    device: str = "auto",
    trials: int | Mapping[str, int] | None = None,
    repeats: int | None = None,
    shift: bool = True,
    unlabelled: Dataset | str | Path | pd.DataFrame | None = None,
    teacher: str = "",
    command: str = "iceframe.run",
    watch: Watch | None = None,
) -> Run:
    """Climb a ladder of models over ``data`` and find the equilibrium.

    Parameters
    ----------
    data : a data set, or what :func:`iceframe.read` can read.
    ladder : names of rungs; by default the glass boxes and the black boxes that fit the data.
    descriptors : names of descriptors, of which tables of features are made; ``default`` stands for
        the default ones.
    out : folder of the run. If it holds the same run, finished work is kept and the rest is done.
    splits, folds : outer folds; see :func:`iceframe.ingest.make_splits`. Folds themselves may be
        given: samples that none of them tests are only trained on.
    budget : seconds after which no further unit of work starts; the run can be continued.
    floors : what you insist on, ``{"mae": 90}``; see :func:`iceframe.balance.decide`.
    workers : processes; one a core when not given.
    trials : most tuning trials a rung and fold, or that number by effort (``light``, ``medium``,
        ``heavy``, ``extreme``); 0 keeps a rung's default settings.
    repeats : partitions on which losses are compared; by default three for a table of fewer than
        400 samples, so that its rungs can be told apart, else one. Given folds bring their own.
    shift : whether to measure the leave-cluster-out error.
    unlabelled : samples without a target, for rungs that learn from another's answers about them;
        a data set, or what :func:`iceframe.read` can read as it read ``data``.
    teacher : the rung that these learn from; where none is named, they choose one in every fold.
    watch : called with a :class:`~iceframe.workflow.execute.Progress` after every step.

    Raises
    ------
    InputError : the data or the output folder is at fault.
    UsageError : an option is.
    """
    dataset = as_dataset(data, target)
    settings = _settings(
        dataset, ladder, descriptors, splits, folds, seed, floors, device, trials, repeats, shift
    )
    check_floors(settings.floors)
    pool = without_target(unlabelled, dataset)
    header = prepare.header_of(dataset, settings, command)
    header["identity"] |= _beyond(pool, teacher)
    store = RunStore.create_or_open(Path(out), header)
    with store.locked():
        given = splits if isinstance(splits, Splits) else None
        prepared = prepare.prepare(
            dataset, settings, store, splits=given, unlabelled=pool, teacher=teacher
        )
        units = plan_units(prepared.work, store.header["identity"])
        outcome = execute(
            units,
            store,
            prepared.work,
            workers=number_of_workers(workers, MOST_WORKERS),
            budget=budget,
            watch=watch,
        )
        _publish(store, prepared, settings, outcome)
    return Run(store)


def identity_for(
    data: Dataset,
    *,
    ladder: Sequence[str] | None = None,
    descriptors: Sequence[str] | None = None,
    splits: str | Splits = "auto",
    folds: int = 5,
    seed: int = 0,
    device: str = "auto",
    trials: int | Mapping[str, int] | None = None,
    repeats: int | None = None,
    shift: bool = True,
    unlabelled: Dataset | None = None,
    teacher: str = "",
) -> dict[str, Any]:
    """What makes it the same run, as ``run.json`` of :func:`run` with these arguments says it.

    Raises
    ------
    InputError, UsageError : as of :func:`run`.
    """
    settings = _settings(
        data, ladder, descriptors, splits, folds, seed, None, device, trials, repeats, shift
    )
    return prepare.identity_of(data, settings) | _beyond(unlabelled, teacher)


def _settings(
    data: Dataset,
    ladder: Sequence[str] | None,
    descriptors: Sequence[str] | None,
    splits: str | Splits,
    folds: int,
    seed: int,
    floors: Mapping[str, float] | None,
    device: str,
    trials: int | Mapping[str, int] | None,
    repeats: int | None,
    shift: bool,
) -> RunSettings:
    """The settings that the arguments of :func:`run` stand for."""
    given = splits if isinstance(splits, Splits) else None
    return RunSettings(
        rungs_named(ladder, data),
        name_of_splits(splits, data) if isinstance(splits, Splits) else splits,
        folds if given is None else len(given.folds),
        seed,
        dict(floors or {}),
        device,
        _trials(trials),
        shift=shift,
        descriptors=descriptors_named(descriptors, data),
        repeats=1 if given else usual_repeats(data) if repeats is None else repeats,
    )


def _beyond(unlabelled: Dataset | None, teacher: str) -> dict[str, Any]:
    """The part of a run's identity that says what its rungs know beyond the samples."""
    others = {} if unlabelled is None else {"unlabelled": unlabelled.fingerprint}
    return {**others, **({"teacher": teacher} if teacher else {})}


def as_dataset(data: Dataset | str | Path | pd.DataFrame, target: str | None) -> Dataset:
    """``data`` itself, or what it names, read; refused without a target."""
    if not isinstance(data, Dataset):
        from iceframe.ingest import read

        return read(data, target)
    if target is not None and target != data.target:
        raise InputError("The data set has another target.", got=target, allowed=data.target)
    if data.target is None:
        raise InputError("The data set has no target.", hint="name one: read(..., target=...)")
    return data


def without_target(
    given: Dataset | str | Path | pd.DataFrame | None, data: Dataset
) -> Dataset | None:
    """Samples without a target: ``given`` itself, or what it names, read as ``data`` were."""
    if given is None or isinstance(given, Dataset):
        return given
    from iceframe.ingest import read

    return read(given, **{**data.recipe, "target": data.target}, require_target=False)


def open_run(folder: str | Path) -> Run:
    """Open a run that :func:`run` made; of a balanced run, the one that holds what it chose.

    Raises
    ------
    InputError : no run there, not finished, edited by hand, or made by a newer version.
    """
    store = RunStore.open(Path(folder))
    other = store.header["identity"].get("what")
    if other == "balanced run":
        from iceframe.workflow.feedback.balanced import balanced_from

        return balanced_from(store).run
    if other:
        raise InputError(f"This folder holds a {other}, not a run.", where=folder)
    if not store.sealed:
        raise InputError(
            "This run was stopped before its first result.",
            where=folder,
            hint="repeat the command that started it: " + str(store.header["settings"]["command"]),
        )
    return Run(store)


class Run(Finished):
    """A run on disk: its equilibrium, its evidence, its models."""

    derived = assemble.EQUILIBRIUM

    @property
    def failures(self) -> dict[str, str]:
        """Rungs that failed, with the message."""
        return dict(self._derived["failures"])

    @property
    def unfinished(self) -> int:
        """Units of work that are left."""
        return int(self._derived["unfinished"])

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to do next, most useful first."""
        return tuple(self._derived["next_steps"])

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Seconds: rung, metric, value. Kept apart, since they differ from run to run."""
        return pd.read_parquet(self.folder / assemble.COSTS)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """Held-out predictions of every rung and fold."""
        return pd.read_parquet(self.folder / assemble.PREDICTIONS)

    @cached_property
    def audit(self) -> Audit:
        """What the audit found."""
        return prepare.read_audit(prepare.prepared_folder(self.store) / "audit.json")

    @cached_property
    def splits(self) -> Splits:
        """The outer folds."""
        return read_splits(prepare.prepared_folder(self.store) / "splits.json")

    @property
    def rungs(self) -> tuple[str, ...]:
        """Rungs with a finished final model."""
        return tuple(self._derived["finished"])

    @property
    def references(self) -> tuple[str, ...]:
        """The bibliography of this run."""
        representation, _ = prepare.read_representation(prepare.prepared_folder(self.store))
        ladder = self.header["settings"]["ladder"]
        return assemble.references(ladder, representation.references, self.evidence)

    @property
    def created(self) -> str:
        """When the run was started, as an ISO date and time."""
        return str(read_json(prepare.prepared_folder(self.store) / "created.json"))

    def unit_folder(self, rung: str, kind: str) -> Path | None:
        """Folder of the first finished unit of this rung and kind; ``None`` if there is none."""
        return self.store.first(f"{rung}-{kind}-")

    def as_learned(self, data: Dataset) -> Dataset:
        """New samples as the models learned from theirs: without what was taken out of those, which
        is nothing here."""
        return data

    def predict(
        self, new: Dataset | str | Path | pd.DataFrame, *, rung: str | None = None
    ) -> pd.DataFrame:
        """Predictions for new samples, indexed by sample id.

        Regression: ``mean``, ``low``, ``high``. Classification: ``predicted``, ``p_<class>`` and
        ``set`` (the classes that cannot be excluded at the run's level).
        """
        return predict_samples(self, new, rung)

    def explain(
        self,
        new: Dataset | str | Path | pd.DataFrame,
        sample: int | str = 0,
        *,
        rung: str | None = None,
        explainer: str | None = None,
    ) -> Explanation:
        """Why the model answers as it does for one sample, by position or id.

        ``explainer``: a name in ``EXPLAINERS``; default what fits the model.
        """
        return self.explain_sample(new, sample, rung=rung, explainer=explainer).explanation

    def explain_sample(
        self,
        new: Dataset | str | Path | pd.DataFrame,
        sample: int | str = 0,
        *,
        rung: str | None = None,
        explainer: str | None = None,
        concepts: bool = False,
        counterfactual: float | str | None = None,
        keep_volume_fraction: bool = False,
        neighbours: int | None = None,
    ) -> Explained:
        """Like :meth:`explain`, with the sample's prediction and how far to believe it, and with
        what else is asked.

        Parameters
        ----------
        concepts : which of the run's descriptors the network uses.
        counterfactual : the least change of a two-phase structure that moves the prediction: by a
            number in the target's unit, by per cent of the prediction's size (``"+10%"``), or to
            another class. What the solver says of it is computed where the law is known.
        keep_volume_fraction : of the counterfactual: move the phases, change no amount.
        neighbours : how many of the run's samples that are nearest to this one, in the activations
            of a network, or in the features.

        Raises
        ------
        UsageError : a question that does not apply to this model or these data.
        InputError : neighbours, and the run's data are gone.
        """
        asked = Questions(concepts, counterfactual, keep_volume_fraction, neighbours)
        return explain_sample(self, new, sample, rung, explainer, asked)

    @cached_property
    def gate(self) -> RunGate:
        """Decides for new samples whether to answer, fall back, abstain or ask."""
        from iceframe.workflow.gating import RunGate

        return RunGate(self)

    def view(self) -> RunView:
        """The run as plain values, for reports."""
        return view_of(self)


def _trials(asked: int | Mapping[str, int] | None) -> Mapping[str, int]:
    return TRIALS | dict(asked) if isinstance(asked, Mapping) else trials_at_most(asked)


def _publish(store: RunStore, prepared: Prepared, settings: RunSettings, outcome: Outcome) -> None:
    staged = store.stage()
    assemble.write(staged, store, prepared, settings, outcome)
    store.publish(staged)

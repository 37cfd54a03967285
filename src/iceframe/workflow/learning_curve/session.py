"""Learning curves from start to end: read, split, fit every rung at every size, conclude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import iceframe
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import read_json, write_json
from iceframe.core.hashing import content_hash
from iceframe.core.runstore import RunStore
from iceframe.core.values import Representation, Task
from iceframe.measure.learning_curve import PowerLaw, Reached
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.fitting import context_for
from iceframe.scale.represent import Representer, descriptors_named, side_by_side
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.workflow import prepare
from iceframe.workflow.execute import Outcome, Watch, execute
from iceframe.workflow.learning_curve import results
from iceframe.workflow.learning_curve.settings import (
    SIZES,
    TRIALS,
    CurveSettings,
    goal,
    ordered_sizes,
)
from iceframe.workflow.learning_curve.subsets import Pools, make_pools, part_name
from iceframe.workflow.learning_curve.unit import CurveWork
from iceframe.workflow.learning_curve.view import CurveView
from iceframe.workflow.plan import Unit, make_unit
from iceframe.workflow.processes import MOST_WORKERS, number_of_workers
from iceframe.workflow.session import as_dataset
from iceframe.workflow.settings import RunSettings, rungs_named, trials_at_most


def learning_curve(
    data: Dataset | str | Path | pd.DataFrame,
    target: str | None = None,
    *,
    out: str | Path,
    ladder: Sequence[str] | None = None,
    descriptors: Sequence[str] | None = None,
    sizes: Sequence[int] | None = None,
    repeats: int = 5,
    test: float = 0.3,
    splits: str = "auto",
    wanted: Mapping[str, float] | None = None,
    tune: bool = True,
    seed: int = 0,
    budget: float | None = None,
    workers: int | None = None,
    device: str = "auto",
    command: str = "iceframe.learning_curve",
    watch: Watch | None = None,
) -> LearningCurve:
    """How the error of every rung falls with the number of training samples.

    Every repeat holds out a test set, the same for all rungs and sizes, and trains on nested
    subsets of the rest. Settings are tuned, and representations fitted, inside each subset.

    Parameters
    ----------
    data : a data set, or what :func:`iceframe.read` can read.
    out : folder to write to. If it holds the same curve, finished work is kept; rungs, sizes and
        repeats may be added.
    ladder : names of rungs; the same as for :func:`iceframe.run` by default.
    descriptors : names of descriptors of images, of which their table of features is made;
        ``default`` stands for the default ones.
    sizes : numbers of training samples, 16 to 2000 by default; those beyond the data are left out,
        with a note.
    test : part (below 1) or number of the samples that each repeat holds out.
    splits : ``auto`` (specimens stay whole where they are known), ``random``, ``grouped:COLUMN``.
    wanted : the goal, ``{"mae": 0.5}`` or ``{"r2": 0.95}``: how many samples does it need?
    tune : whether to tune; else every rung keeps its default settings.
    budget : seconds after which no further fit starts; the curve can be continued.
    watch : called with a :class:`~iceframe.workflow.execute.Progress` after every fit.

    Raises
    ------
    InputError : the data or the output folder is at fault, or no rung can be fitted at any size.
    UsageError : an option is.
    """
    dataset = as_dataset(data, target)
    names = rungs_named(ladder, dataset)
    task: Task = dataset.task or "regression"
    metric, value = goal(wanted, task)
    rising, notes = ordered_sizes(SIZES if sizes is None else tuple(sizes))
    settings = CurveSettings(
        names,
        rising,
        repeats,
        float(test),
        splits,
        tune,
        seed,
        device,
        metric,
        value,
        _of_images(descriptors, dataset),
    )
    inner = RunSettings(
        names, splits, seed=seed, device=device, trials=TRIALS if tune else trials_at_most(0)
    )
    pools = make_pools(dataset, splits, settings.test, repeats, seed)
    usable, dropped = _usable_sizes(settings.sizes, pools)
    settings = replace(settings, sizes=usable)
    notes = [*pools.notes, *notes, *dropped]
    store = RunStore.create_or_open(Path(out), _header(dataset, settings, inner, command))
    with store.locked():
        work = _prepare(dataset, settings, inner, pools, store)
        units = plan(settings, work, store.header["identity"])
        outcome = execute(
            units,
            store,
            work,
            workers=number_of_workers(workers, MOST_WORKERS),
            budget=budget,
            watch=watch,
        )
        _refuse_where_nothing_works(units, store, outcome)
        staged = store.stage()
        results.write(staged, store, work, pools, units, settings, outcome, notes)
        store.publish(staged)
    return LearningCurve(store)


def plan(settings: CurveSettings, work: CurveWork, identity: Mapping[str, Any]) -> list[Unit]:
    """All units, small sizes first, so that a stopped curve has its beginning for every rung."""
    folds = {fold.name: fold for fold in work.splits.folds}
    units = []
    for size in settings.sizes:
        for rung in settings.ladder:
            for repeat in range(settings.repeats):
                fold = folds[part_name(repeat, size)]
                units.append(make_unit("curve", rung, fold.name, identity, fold.train, fold.test))
    return units


def _usable_sizes(sizes: tuple[int, ...], pools: Pools) -> tuple[tuple[int, ...], list[str]]:
    """The sizes that every repeat can make, and a note on the others."""
    usable = tuple(size for size in sizes if size <= pools.most)
    beyond = [str(size) for size in sizes if size > pools.most]
    if not usable:
        raise InputError(
            "No size fits into what the test set leaves.",
            where="--sizes",
            got=", ".join(beyond),
            allowed=f"2 … {pools.most}",
            hint="name smaller sizes, or hold out less with --test",
        )
    if not beyond:
        return usable, []
    return usable, [
        f"Left out: {', '.join(beyond)}; the test set leaves {pools.most} samples to train on."
    ]


def _header(
    data: Dataset, settings: CurveSettings, inner: RunSettings, command: str
) -> dict[str, Any]:
    """The contents of ``run.json``."""
    header = prepare.header_of(data, inner, command)
    header["identity"] = {
        "what": "learning curve",
        "data": data.fingerprint,
        "target": data.target,
        "task": data.task,
        **settings.deciding(),
        "version": iceframe.__version__,
    }
    header["settings"] = {**asdict(settings), "command": command}
    return header


def _prepare(
    data: Dataset, settings: CurveSettings, inner: RunSettings, pools: Pools, store: RunStore
) -> CurveWork:
    """What every unit needs; the images are described once, and only if a rung looks at that."""
    identity = store.header["identity"]
    started = content_hash(identity, "started")
    if not store.finished(started):
        staged = store.stage()
        created = datetime.now().astimezone().isoformat(timespec="minutes")
        write_json(staged / "created.json", created)
        store.commit(started, f"started-{started[:8]}", staged)
    described = side_by_side([], len(data))
    tables = any(RUNGS[name].input == "table" for name in settings.ladder)
    if data.images is not None and tables:
        described = _describe_images(data, settings.descriptors, store)
    columns = replace(data, images=None)
    known = bool(data.features) or data.composition is not None
    inputs = Inputs(described, data.images, data.crystals)
    task: Task = data.task or "regression"
    codes = {name: code for code, name in enumerate(data.classes)}
    y = np.array([codes[name] for name in data.y], np.int64) if codes else data.y
    return CurveWork(
        inputs,
        y,
        data.ids,
        data.target or "",
        data.classes,
        context_for(
            inputs,
            task,
            n_classes=len(data.classes),
            symmetries=tuple(data.recipe.get("symmetries", ())),
            device=prepare.device_of(settings.device),
            seed=settings.seed,
            target=data.target or "",
            target_unit=data.units.get(data.target or "", ""),
        ),
        pools.subsets(settings.sizes),
        None,
        inner,
        pools.groups,
        None,
        store.root,
        columns=columns if known else None,
    )


def _of_images(names: Sequence[str] | None, data: Dataset) -> tuple[str, ...] | None:
    """Descriptors that were named; columns and compositions are always described as usual."""
    only = replace(data, features=(), composition=None)
    found = descriptors_named(names, only)
    other = [name for name in found or () if DESCRIPTORS[name].needs != "image"]
    if other:
        raise UsageError(
            "Descriptors of images can be named here, and no others.",
            got=", ".join(other),
            hint="plain columns and compositions are described as they are by default",
        )
    return found


def _describe_images(
    data: Dataset, names: tuple[str, ...] | None, store: RunStore
) -> Representation:
    """What images are described by, computed once and stored."""
    key = content_hash(store.header["identity"], "described")
    if not store.finished(key):
        only = replace(data, features=(), composition=None)
        representer = Representer(names).fit(only)
        staged = store.stage()
        prepare.write_representation(staged, representer.transform(only), representer)
        store.commit(key, f"described-{key[:8]}", staged)
    return prepare.read_representation(store.unit(key))[0]


def _refuse_where_nothing_works(units: Sequence[Unit], store: RunStore, outcome: Outcome) -> None:
    if outcome.exhausted or any(store.finished(unit.key) for unit in units):
        return
    raise InputError(
        "No rung could be fitted at any size.",
        where=store.root,
        got=next(iter(outcome.failures.values()), None),
        hint=f"the details are in {store.root / 'failures'}",
    )


class LearningCurve:
    """A learning curve on disk.

    Attributes
    ----------
    folder : where it lives. header : what was asked, of which data.
    """

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.folder = store.root
        self.header = store.header

    @cached_property
    def _summary(self) -> dict[str, Any]:
        return dict(read_json(self.folder / results.SUMMARY))

    @cached_property
    def curve(self) -> pd.DataFrame:
        """rung, size, metric, mean, low, high (95 % limits), n_repeats."""
        return pd.read_csv(self.folder / results.CURVE, float_precision="round_trip")

    @cached_property
    def repeats(self) -> pd.DataFrame:
        """rung, size, repeat, metric, value."""
        return pd.read_csv(self.folder / results.REPEATS, float_precision="round_trip")

    @cached_property
    def laws(self) -> dict[str, PowerLaw]:
        """Rung -> ``a + b n⁻ᶜ`` of its error (one minus the metric where higher is better)."""
        return {rung: PowerLaw(**law) for rung, law in self._summary["laws"].items()}

    @cached_property
    def reached(self) -> dict[str, Reached]:
        """Rung -> how many samples it needs for the goal; empty where none was given."""
        return {rung: Reached(**found) for rung, found in self._summary["reached"].items()}

    @property
    def failures(self) -> list[dict[str, Any]]:
        """What failed: rung, message, sizes, times."""
        return list(self._summary["failures"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know, in sentences."""
        return tuple(self._summary["notes"])

    @property
    def unfinished(self) -> int:
        """Fits that are left."""
        return int(self._summary["unfinished"])

    def view(self) -> CurveView:
        """The curve as plain values, for reports."""
        header, summary = self.header, self._summary
        started = self.store.first("started-")
        return CurveView(
            name=header["facts"]["name"],
            target=header["target"],
            unit=header["unit"],
            task=header["task"],
            n=header["facts"]["n"],
            n_test=float(summary["n_test"]),
            metric=summary["metric"],
            wanted=summary["wanted"],
            sizes=tuple(summary["sizes"]),
            titles={name: RUNGS[name].title for name in header["settings"]["ladder"]},
            curve=self.curve,
            laws=self.laws,
            reached=self.reached,
            failures=tuple(self.failures),
            notes=self.notes,
            unfinished=self.unfinished,
            settings=header["settings"],
            versions=header["versions"],
            created=str(read_json(started / "created.json")) if started else "",
        )

"""A balanced run from start to end: measure, ask the controller, carry out, until it is settled.

The state of a search is on disk: finished units of work, what its steps kept, and one unit a step
with the seconds that it took. A search that was stopped is walked through again from its start:
the controller, which is pure, says the same as before, and what is finished is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import iceframe
from iceframe.balance.action import ACTIONS
from iceframe.balance.candidates import check_floors
from iceframe.balance.goal import AXES, Goal
from iceframe.core.dataset import Dataset
from iceframe.core.runstore import RunStore
from iceframe.core.values import Axis
from iceframe.scale.represent import descriptors_named
from iceframe.workflow import prepare
from iceframe.workflow.execute import Watch
from iceframe.workflow.feedback.balanced import WHAT, BalancedRun
from iceframe.workflow.feedback.bench import Bench, Options
from iceframe.workflow.feedback.ladder import ladder_for
from iceframe.workflow.feedback.search import Controller, Search
from iceframe.workflow.feedback.step import Step
from iceframe.workflow.session import as_dataset, without_target
from iceframe.workflow.settings import RunSettings


def run_balanced(
    data: Dataset | str | Path | pd.DataFrame,
    target: str | None = None,
    *,
    out: str | Path,
    ladder: Sequence[str] | None = None,
    floors: Mapping[str, float] | None = None,
    budget: float | None = None,
    priorities: Sequence[Axis] = AXES,
    forbid: Sequence[str] = (),
    most_actions: int = 40,
    unlabelled: Dataset | str | Path | pd.DataFrame | None = None,
    descriptors: Sequence[str] | None = None,
    splits: str = "auto",
    folds: int = 5,
    seed: int = 0,
    workers: int | None = None,
    device: str = "auto",
    trials: int | Mapping[str, int] | None = None,
    repeats: int | None = None,
    shift: bool = False,
    command: str = "iceframe.run_balanced",
    watch: Watch | None = None,
    tell: Callable[[Step], None] | None = None,
    controller: Controller | None = None,
) -> BalancedRun:
    """Act on the evidence until complexity, fidelity and transparency are in equilibrium.

    Starts with the light glass boxes. Then the controller proposes one action after another
    (:data:`iceframe.balance.action.ACTIONS`); each is carried out, measured on the same folds, and
    kept only if it helped.

    Parameters
    ----------
    data : a data set, or what :func:`iceframe.read` can read.
    out : folder of the search. If it holds the same search, finished work is kept.
    ladder : rungs that may be tried; by default those of :func:`iceframe.run`, and pretrained ones.
        ``mean`` is always measured; the variants of glass boxes that another rung teaches are on
        offer, and, where the law of the target is known, those of networks taught by physics.
    floors : what you insist on, ``{"r2": 0.99}``; see :func:`iceframe.balance.decision.decide`.
    budget : seconds of the whole search, stopped starts included, after which no action starts.
    priorities : the axes, what counts most first.
    forbid : names of actions that are not to be taken. most_actions : after which the search ends.
    unlabelled : samples without a target, among which experiments are picked and with which
        glass boxes may be taught.
    shift : whether to measure the leave-cluster-out error of every candidate, too.
    watch : called with a :class:`~iceframe.workflow.execute.Progress` after every unit of work.
    tell : called with a :class:`Step` when it begins (``verdict`` is empty) and when it was judged.
    controller : what proposes and judges; :mod:`iceframe.balance.controller`.

    The others are those of :func:`iceframe.run`.

    Raises
    ------
    InputError : the data or the output folder is at fault.
    UsageError : an option is.
    """
    dataset = as_dataset(data, target)
    floors = dict(floors or {})
    check_floors(floors)
    for name in forbid:
        ACTIONS[name]  # an unknown name ends here
    goal = Goal(floors, budget, tuple(priorities), tuple(forbid), most_actions)
    rungs = ladder_for(ladder, dataset, goal.forbidden)
    pool = without_target(unlabelled, dataset)
    options = Options(
        splits=splits,
        folds=folds,
        seed=seed,
        floors=floors,
        descriptors=descriptors_named(descriptors, dataset),
        device=device,
        trials=trials,
        repeats=repeats,
        shift=shift,
        workers=workers,
        command=command,
    )
    store = RunStore.create_or_open(Path(out), _header(dataset, rungs, goal, options, pool))
    with store.locked():
        bench = Bench(store, dataset, options, unlabelled=pool, watch=watch)
        Search(bench, rungs, goal, controller or _usual_controller(), tell).go()
    return BalancedRun(store)


def _usual_controller() -> Controller:
    from iceframe.balance import controller

    return controller


def _header(
    data: Dataset, rungs: tuple[str, ...], goal: Goal, options: Options, pool: Dataset | None
) -> dict[str, Any]:
    """The contents of ``run.json``. Time and the most actions are no part of the identity: with
    more of them a search goes on."""
    plain = RunSettings(rungs, options.splits, options.folds, options.seed, dict(goal.floors))
    header = prepare.header_of(data, plain, options.command)
    asked = goal.as_dict()
    settings = {
        "ladder": list(rungs),
        **{k: asked[k] for k in ("floors", "priorities", "forbidden")},
        "splits": options.splits,
        "folds": options.folds,
        "seed": options.seed,
        "descriptors": None if options.descriptors is None else list(options.descriptors),
        "trials": dict(options.trials) if isinstance(options.trials, Mapping) else options.trials,
        "shift": options.shift,
        **({} if options.repeats is None else {"repeats": options.repeats}),
        "device": options.device,
    }
    header["identity"] = {
        "what": WHAT,
        "data": data.fingerprint,
        "target": data.target,
        "task": data.task,
        "unlabelled": "" if pool is None else pool.fingerprint,
        **settings,
        "version": iceframe.__version__,
    }
    limits = {"seconds": goal.seconds, "most_actions": goal.most_actions}
    header["settings"] = {**settings, **limits, "command": options.command}
    return header

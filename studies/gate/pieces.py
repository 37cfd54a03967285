"""One class left out: models and gates are fitted to the others, and both are asked about new ones.

Of the classes that are not left out, a fifth of the samples is kept for the test ("seen"); the
class that is left out is tested whole ("unseen"). The gates are those of a run (`workflow/gating`):
outer folds and left-out clusters of the training samples calibrate them. One judges each sample by
itself, the other the test samples beside one another; neither sees a truth of the test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.seeds import derive_seed, generator
from iceframe.core.values import Fold, Representation, Task
from iceframe.ingest.balanced import even_clusters
from iceframe.ingest.duplicates import duplicate_groups
from iceframe.ingest.splits import cluster_features
from iceframe.measure.conformal import Conformal, LeftOut, threshold
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.represent import Representer
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.steer.gate import Calibration, Gate, fit_gate
from iceframe.workflow.gating.fitting import WIDE, by_sample, calibrations, targets_by_sample
from iceframe.workflow.gating.held_out import HeldOut
from iceframe.workflow.gating.signals import COMPANY, Surroundings, panel_of, signals_of

LADDER = ("mean", "ridge", "svm", "extra_trees")
FOLDS = 5
TESTED = 0.2
LEVEL = 0.9
SHARE = 0.9
"""Of the seen classes at most so much is answered by the strict gate."""

FEW = 10
"""Samples of the unseen class beside all of the seen ones, where it is rare."""


@dataclass(frozen=True)
class Described:
    """A data set as arrays: ``x`` ``(n, d)``, target ``y`` (codes for a classification), class
    ``labels``, ``groups`` of near-duplicates, and ``space``, in which clusters are looked for."""

    task: Task
    x: np.ndarray
    y: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    space: np.ndarray

    def save(self, path: Path) -> None:
        """Store as arrays."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **{k: np.asarray(v) for k, v in vars(self).items()})

    @classmethod
    def load(cls, path: Path) -> Described:
        """Read what :meth:`save` stored."""
        with np.load(path, allow_pickle=False) as stored:
            found: dict[str, Any] = {name: stored[name] for name in stored.files}
        return cls(**{**found, "task": str(found["task"])})


def describe(data: Dataset, labels: np.ndarray) -> Described:
    """The arrays of a data set; descriptors learn nothing from the target."""
    table = Representer().fit(data).transform(data)
    task: Task = data.task or "regression"
    y = np.unique(data.y, return_inverse=True)[1] if task == "classification" else data.y
    return Described(
        task, table.values, y, labels.astype(str), duplicate_groups(data), cluster_features(data)
    )


def left_out(found: Described, label: str, target: float, seed: int) -> pd.DataFrame:
    """One row a test sample of the data without the class ``label``.

    Columns: ``unseen``, ``error`` (absolute error or 1 − p of the truth), ``bad``; scores ``gate``,
    ``together`` (the gate that judges the test samples beside one another), ``few`` (the same of
    :data:`FEW` unseen samples and all the seen; NaN for the others), ``variance``, ``distance``,
    ``random``; ``passes``, ``passes together`` and ``passes strict`` (judged together, and at most
    :data:`SHARE` of the seen answered) at the ``target`` risk; ``covered``, likewise, by the
    interval after selection and ``covered before`` by that of all samples.
    """
    unseen = found.labels == label
    rng = generator(seed, "gate study", label)
    tested = np.zeros(len(unseen), bool)
    for other in np.unique(found.labels[~unseen]):
        # near-duplicates stay on one side
        mine = np.unique(found.groups[found.labels == other])
        chosen = rng.permutation(mine)[: max(1, round(TESTED * len(mine)))]
        tested |= np.isin(found.groups, chosen) & ~unseen
    train = np.flatnonzero(~unseen & ~tested & ~np.isin(found.groups, found.groups[unseen]))
    test = np.flatnonzero(unseen | tested)
    y = found.y.copy()
    if found.task == "classification":  # an unseen class has no code: every answer is wrong
        known = np.unique(y[train])
        y = np.where(np.isin(y, known), np.searchsorted(known, np.clip(y, None, known[-1])), -1)
    held_out = _held_out(found, y, train, seed)
    panel = panel_of(held_out)
    usual = ~held_out.strange
    loss = {name: held_out.losses(name) for name in panel.companions}
    rung = min(loss, key=lambda name: loss[name][usual].mean())
    limit = threshold(np.sort(loss[rung][usual]), LEVEL)
    tolerance = WIDE * limit if found.task == "regression" else float("nan")
    x, groups = found.x[train], found.groups[train]
    conformal = Conformal(
        found.task,
        LEVEL,
        np.sort(loss[rung][usual]),
        LeftOut(held_out.y[usual], held_out.answers[rung][usual], held_out.part[usual]),
    )
    own = {rung: _widths(conformal, held_out.answers[rung])}
    known = calibrations(held_out, x, groups, panel, [rung], tolerance, seed, own, together=True)[
        rung
    ]
    alone = _without(known, COMPANY)
    gate, beside, strict = (
        fit_gate(data, target=target, level=LEVEL, share=share, seed=seed).gate
        for data, share in ((alone, 1.0), (known, 1.0), (known, SHARE))
    )

    answers = {name: _fitted(found, y, name, train, test, seed) for name in {rung, *panel.rungs}}
    near = Surroundings.fit(x, groups, targets_by_sample(held_out, len(x)), seed)
    losses = by_sample(held_out, loss[rung], len(x))

    def signals(index: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        new = found.x[test[index]]
        around = {"local error": near.local_loss(new, losses)} | near.signals(new, together=True)
        return signals_of(rung, panel, {n: a[index] for n, a in answers.items()}, around)

    names, signal = signals(np.arange(len(test)))
    new_kind = np.flatnonzero(unseen[test])
    rare = np.concatenate([np.flatnonzero(~unseen[test]), rng.permutation(new_kind)[:FEW]])
    few = np.full(len(test), np.nan)
    few[rare] = _score(beside, signals(rare)[1])
    error, bad = _judged(answers[rung], y[test], tolerance)
    half = _widths(conformal, answers[rung])
    columns = dict(zip(names, signal.T, strict=True))
    single = signal[:, [name != COMPANY for name in names]]
    return pd.DataFrame(
        {
            "label": found.labels[test],
            "unseen": unseen[test],
            "error": error,
            "bad": bad,
            "gate": _score(gate, single),
            "together": _score(beside, signal),
            "few": few,
            "variance": columns["disagreement" if found.task == "regression" else "doubt"],
            "distance": columns["novelty"],
            "random": rng.uniform(size=len(test)),
            "passes": gate.passes(single),
            "passes together": beside.passes(signal),
            "passes strict": strict.passes(signal),
            "covered": error <= gate.quantile * half,
            "covered together": error <= beside.quantile * half,
            "covered strict": error <= strict.quantile * half,
            "covered before": error <= (half if found.task == "regression" else limit),
            "rung": rung,
            **{f"weight {n}": w for n, w in zip(beside.names, beside.model.weights, strict=True)},
        }
    )


def _without(data: Calibration, name: str) -> Calibration:
    kept = [other != name for other in data.names]
    names = tuple(other for other in data.names if other != name)
    return replace(data, names=names, signals=data.signals[:, kept])


def _score(gate: Gate, signals: np.ndarray) -> np.ndarray:
    """The risk; what lies beyond all that was tested comes after all else."""
    return np.asarray(gate.model(signals) + gate.beyond(signals).any(axis=1))


def _widths(conformal: Conformal, answer: np.ndarray) -> np.ndarray:
    """Half widths ``(m,)`` of the run's own intervals; ones for classes."""
    return conformal.half_widths(answer) if answer.ndim == 1 else np.ones(len(answer))


def _held_out(found: Described, y: np.ndarray, train: np.ndarray, seed: int) -> HeldOut:
    """Held-out answers of the ladder on folds and left-out clusters; positions are in ``train``."""
    from sklearn.model_selection import GroupKFold

    state = derive_seed(seed, "gate study folds")
    random = GroupKFold(FOLDS, shuffle=True, random_state=state)
    parts = [(a, b, False) for a, b in random.split(train, groups=found.groups[train])]
    cluster = even_clusters(found.space[train], FOLDS, state)
    for number in range(FOLDS):
        inside = cluster == number
        rest = np.flatnonzero(~inside)
        if len(np.unique(y[train][rest])) > 1:
            parts.append((rest, np.flatnonzero(inside), True))
    folds = tuple(Fold(str(i), a, b) for i, (a, b, _) in enumerate(parts))
    position = np.concatenate([f.test for f in folds])
    part = np.repeat(np.arange(len(folds)), [len(f.test) for f in folds])
    strange = np.array([s for _, _, s in parts])[part]
    answers = {
        name: np.concatenate(
            [_fitted(found, y, name, train[f.train], train[f.test], seed) for f in folds]
        )
        for name in LADDER
    }
    return HeldOut(position, y[train][position], strange, part, folds, answers)


def _fitted(
    found: Described, y: np.ndarray, name: str, train: np.ndarray, new: np.ndarray, seed: int
) -> np.ndarray:
    """What the rung, at its default settings, answers after ``train`` about ``new``."""
    names = tuple(f"c{i}" for i in range(found.x.shape[1]))
    inputs, asked = (
        Inputs(Representation(found.x[i], names, ("",) * len(names))) for i in (train, new)
    )
    classes = int(y.max()) + 1 if found.task == "classification" else 0
    context = context_for(inputs, found.task, n_classes=classes, seed=seed)
    return fit(RUNGS[name](), {}, inputs, y[train], context).predict(asked)


def _judged(answer: np.ndarray, y: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors and which are bad; of a class never seen the truth has the probability 0."""
    if answer.ndim == 1:
        error = np.abs(answer - y)
        return error, error > tolerance
    right = np.where(y >= 0, answer[np.arange(len(y)), np.maximum(y, 0)], 0.0)
    return 1.0 - right, answer.argmax(axis=1) != y

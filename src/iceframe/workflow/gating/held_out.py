"""The held-out answers of a run's finished units, side by side for all its rungs.

Each sample can be there twice: from an outer fold, where samples like it were in the training data,
and from the fold of its cluster, where none was (``strange``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.values import Fold
from iceframe.workflow import prepare
from iceframe.workflow.folds import read_splits
from iceframe.workflow.plan import Kind, make_unit

if TYPE_CHECKING:
    from iceframe.workflow.session import Run

BASELINE = "mean"  # it answers the same for all: no companion and nothing to fall back to


@dataclass(frozen=True)
class HeldOut:
    """Held-out answers, ``n`` rows: ``position`` of the sample in the run's data, truth ``y``
    (class codes for a classification), ``strange``, and ``part``, the place in ``folds`` of the
    fold that held it out. ``answers``: by rung, ``(n,)`` or probabilities ``(n, k)``."""

    position: np.ndarray
    y: np.ndarray
    strange: np.ndarray
    part: np.ndarray
    folds: tuple[Fold, ...]
    answers: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.y)

    def losses(self, rung: str) -> np.ndarray:
        """Absolute errors ``(n,)``, or one minus the probability of the truth."""
        answer = self.answers[rung]
        if answer.ndim == 1:
            return np.asarray(np.abs(self.y - answer))
        return np.asarray(1.0 - answer[np.arange(len(self)), self.y.astype(int)])


def held_out_answers(run: Run, rung: str) -> HeldOut:
    """What ``rung`` answered for held-out samples of ``run``, and the other rungs for the same.

    Rungs that lack a fold which ``rung`` has are left out.

    Raises
    ------
    InputError : the run holds no finished fold of the rung.
    """
    prepared = prepare.prepared_folder(run.store)
    kinds: list[tuple[Kind, tuple[Fold, ...]]] = [("fold", run.splits.folds)]
    if (prepared / "shift.json").exists():
        kinds.append(("shift", read_splits(prepared / "shift.json").folds))
    units = {name: list(_finished(run, name, kinds)) for name in run.rungs}
    mine = units.get(rung, [])
    if not any(kind == "fold" for kind, _, _ in mine):
        raise InputError(
            f"This run holds no held-out answers of '{rung}' to fit a gate to.",
            where=run.folder,
            hint="finish the run, or predict without the gate: --no-gate",
        )
    wanted = [(kind, fold.name) for kind, fold, _ in mine]
    frames: dict[str, pd.DataFrame] = {}
    for name, found in units.items():
        there = {(kind, fold.name): folder for kind, fold, folder in found}
        if all(key in there for key in wanted):
            parts = [pd.read_parquet(there[key] / "predictions.parquet") for key in wanted]
            frames[name] = pd.concat(parts, keys=range(len(parts)), names=["part", None])
    table = frames[rung]
    part = table.index.get_level_values("part").to_numpy()
    strange = np.array([kind == "shift" for kind, _ in wanted])[part]
    return HeldOut(
        table["position"].to_numpy(int),
        table["y"].to_numpy(),
        strange,
        part,
        tuple(fold for _, fold, _ in mine),
        {name: _answers(frame) for name, frame in frames.items()},
    )


def _finished(
    run: Run, rung: str, kinds: list[tuple[Kind, tuple[Fold, ...]]]
) -> Iterator[tuple[Kind, Fold, Path]]:
    identity = run.header["identity"]
    for kind, folds in kinds:
        for fold in folds:
            unit = make_unit(kind, rung, fold.name, identity, fold.train, fold.test)
            if run.store.finished(unit.key):
                yield kind, fold, run.store.unit(unit.key)


def _answers(table: pd.DataFrame) -> np.ndarray:
    if "mean" in table:
        return table["mean"].to_numpy(float)
    classes = sum(name.startswith("p") and name[1:].isdigit() for name in table.columns)
    return table[[f"p{code}" for code in range(classes)]].to_numpy(float)

"""The units of work of a run: one (rung, part), each keyed by the hash of all it depends on.

Kinds: ``truth`` (the exact physics of some samples of a fold, for all rungs), ``fold`` (tune, fit,
predict, calibrate and explain on one outer fold), ``repeat`` (the loss alone, on a fold of a
further partition), ``shift`` (the same without explanations, one held-out cluster), ``final`` (the
rung on all the data: what it learned), ``gdf`` (generalised degrees of freedom of the final rung at
one perturbation size) and ``curve`` (one training size and repeat of a learning curve).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from iceframe.core.hashing import content_hash
from iceframe.core.values import Fold, Law, Splits
from iceframe.scale.rung import RUNGS, Context, Inputs
from iceframe.workflow.settings import RunSettings

Kind = Literal["truth", "fold", "repeat", "shift", "final", "gdf", "curve"]
PHYSICS = "physics"  # in place of a rung: what all rungs are compared with
TAU_FRACTIONS = (0.5, 0.1)


@dataclass(frozen=True)
class Unit:
    """One piece of work. ``needs`` is the key of a unit that must be finished before."""

    kind: Kind
    rung: str
    part: str
    key: str
    name: str
    needs: str | None = None


@dataclass(frozen=True)
class Workload:
    """All that a worker needs. ``y`` is float64 ``(n,)``, or int64 codes for a classification;
    ``groups`` ``(n,)`` labels near-duplicates, which inner folds keep on one side; ``labels``
    ``(n,)`` are the user's own groups, whose coverage is looked at one by one."""

    inputs: Inputs
    y: np.ndarray
    ids: np.ndarray
    target: str
    classes: tuple[str, ...]
    context: Context
    splits: Splits
    shift: Splits | None
    settings: RunSettings
    groups: np.ndarray
    labels: np.ndarray | None
    root: Path
    law: Law | None = None

    def fold(self, unit: Unit) -> Fold:
        """The fold that a ``fold``, ``repeat``, ``curve`` or ``shift`` unit works on."""
        splits = self.shift if unit.kind == "shift" else self.splits
        assert splits is not None
        folds = splits.repeats if unit.kind == "repeat" else splits.folds
        return next(f for f in folds if f.name == unit.part)


def plan_units(work: Workload, identity: Mapping[str, Any]) -> list[Unit]:
    """All units of the run, in the order of the ladder."""
    truth: dict[str, Unit] = {}
    if work.law is not None and any(RUNGS[r].input == "image" for r in work.settings.ladder):
        truth = {
            f.name: make_unit("truth", PHYSICS, f.name, identity, f.test) for f in work.splits.folds
        }
    units = list(truth.values())
    for rung in work.settings.ladder:
        RUNGS[rung]  # an unknown name ends here
        final = make_unit("final", rung, "all", identity)
        for f in work.splits.folds:
            exact = truth.get(f.name) if RUNGS[rung].input == "image" else None
            needs = exact.key if exact else None
            units.append(make_unit("fold", rung, f.name, identity, f.train, f.test, needs=needs))
        units += [
            make_unit("repeat", rung, f.name, identity, f.train, f.test)
            for f in work.splits.repeats
        ]
        units.append(final)
        units += [
            make_unit("gdf", rung, f"tau{t}", identity, needs=final.key) for t in TAU_FRACTIONS
        ]
        if work.shift is not None:
            units += [
                make_unit("shift", rung, f.name, identity, f.train, f.test)
                for f in work.shift.folds
            ]
    return units


def make_unit(
    kind: Kind,
    rung: str,
    part: str,
    identity: Mapping[str, Any],
    *index: np.ndarray,
    needs: str | None = None,
) -> Unit:
    """A unit whose key is the hash of the run's identity, its own names and the samples used."""
    key = content_hash(dict(identity), kind, rung, part, *[np.asarray(i, np.int64) for i in index])
    safe = "".join(c if c.isalnum() or c in "-." else "_" for c in part)[:40]
    return Unit(kind, rung, part, key, f"{rung}-{kind}-{safe}-{key[:8]}", needs)

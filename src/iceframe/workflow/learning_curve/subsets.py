"""Held-out test sets and nested training subsets, the same for all rungs.

A repeat holds out a test set and puts all other samples in one order; its training subset of size
n is the first n of them, so that a smaller subset is contained in every larger one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import generator
from iceframe.core.values import Fold, Splits
from iceframe.ingest.duplicates import duplicate_groups
from iceframe.ingest.splits import SPECIMEN, group_column
from iceframe.workflow.units import turn_in_class

SPECS = ("auto", "random", "grouped:COLUMN")
FEWEST = 4  # two to train on and two to test on


@dataclass(frozen=True)
class Pools:
    """``folds``: one a repeat, its training samples in the order in which they are taken.
    ``groups`` ``(n,)`` label what stays on one side."""

    folds: tuple[Fold, ...]
    groups: np.ndarray
    notes: tuple[str, ...]

    @property
    def most(self) -> int:
        """The largest training subset that every repeat has."""
        return min(len(fold.train) for fold in self.folds)

    @property
    def shared(self) -> float:
        """The part of the test samples that two repeats have in common, on average."""
        tested = float(np.mean([len(fold.test) for fold in self.folds]))
        return tested / len(self.groups)

    def subsets(self, sizes: tuple[int, ...]) -> Splits:
        """A fold for each repeat and size."""
        folds = [
            Fold(part_name(repeat, size), fold.train[:size], fold.test)
            for repeat, fold in enumerate(self.folds)
            for size in sizes
        ]
        return Splits("learning curve", tuple(folds), self.notes)


def part_name(repeat: int, size: int) -> str:
    """How the unit of a repeat and size is called."""
    return f"r{repeat}-n{size}"


def make_pools(data: Dataset, spec: str, test: float, repeats: int, seed: int) -> Pools:
    """Test sets and training orders of all repeats.

    Parameters
    ----------
    spec : ``auto`` (grouped by specimen where one is known), ``random`` or ``grouped:COLUMN``.
    test : the part (below 1) or number of the samples to hold out.

    Raises
    ------
    UsageError : an unknown specification or column.
    InputError : too few samples or groups to hold any out.
    """
    n = len(data)
    if n < FEWEST:
        raise InputError(
            "Too few samples for a learning curve.", where=data.source or data.name, got=n,
            allowed=f"{FEWEST} or more: two to train on and two to test on",
        )  # fmt: skip
    wanted = round(test * n) if test < 1 else int(test)
    if not 2 <= wanted <= n - 2:
        raise InputError(
            "The test set must leave two samples to train on and hold two itself.",
            where="--test", got=f"{wanted} of {n} samples", allowed=f"2 … {n - 2}",
        )  # fmt: skip
    groups, copies, notes = _groups(data, spec)
    classes = np.unique(data.y, return_inverse=True)[1] if data.classes else np.zeros(n, int)
    folds = []
    for repeat in range(repeats):
        rng = generator(seed, "learning curve", repeat)
        held = _held_out(groups, classes, wanted, rng)
        pool = np.flatnonzero(~held & ~np.isin(copies, copies[held]))
        if held.sum() < 2 or len(pool) < 2:
            raise InputError(
                "No test set of that size can be made of whole groups.",
                where=f"--splits {spec}",
                got=f"{len(np.unique(groups))} groups, {wanted} of {n} samples to hold out",
                hint="hold out more (--test), or group by another column",
            )
        folds.append(Fold(f"r{repeat}", _order(pool, classes, rng), np.flatnonzero(held)))
    untested = set(classes) - set(classes[np.concatenate([fold.test for fold in folds])])
    if untested:
        names = ", ".join(data.classes[code] for code in sorted(untested))
        notes.append(f"Classes that no test set holds: {names}.")
    return Pools(tuple(folds), groups, tuple(notes))


def _groups(data: Dataset, spec: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """What stays on one side ``(n,)``, copies ``(n,)``, and what to say about them."""
    name, _, column = spec.partition(":")
    if name not in [s.partition(":")[0] for s in SPECS] or (column and name != "grouped"):
        raise UsageError(
            f"A learning curve knows no splits '{spec}'.",
            where="--splits",
            allowed=", ".join(SPECS),
        )
    copies = duplicate_groups(data)
    if name == "grouped" or (name == "auto" and SPECIMEN in data.groups):
        column = group_column(data, column, spec)
        codes = pd.factorize(data.table[column])[0]
        groups = np.where(codes < 0, len(data) + np.arange(len(data)), codes)
        return groups, copies, [f"No '{column}' is on both sides of a test set."]
    sizes = np.bincount(copies)
    if sizes.max() > len(data) / 4:
        alone = np.arange(len(data))
        return alone, alone, ["Copies could not be kept on one side: too many are alike."]
    copied = int(sizes[sizes > 1].sum())
    note = f"{copied} samples that are copies or near-copies of others are kept on one side."
    return copies, copies, [note] if copied else []


def _held_out(
    groups: np.ndarray, classes: np.ndarray, wanted: int, rng: np.random.Generator
) -> np.ndarray:
    """Which samples ``(n,)`` are tested: whole groups, taken in random order as long as each brings
    the counts of the classes nearer to their share of ``wanted``."""
    labels = np.unique(groups, return_inverse=True)[1]
    table = np.zeros((labels.max() + 1, classes.max() + 1))
    np.add.at(table, (labels, classes), 1)
    target = wanted * table.sum(axis=0) / len(groups)
    held, taken = np.zeros(table.shape[1]), np.zeros(len(table), bool)
    for group in rng.permutation(len(table)):
        after = held + table[group]
        if np.sum((after - target) ** 2) < np.sum((held - target) ** 2):
            held, taken[group] = after, True
    return np.asarray(taken[labels])


def _order(pool: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``pool`` in random order, every beginning of which has the classes in proportion; one of
    each class comes first."""
    order = rng.permutation(pool)
    turn = turn_in_class(classes[order])
    first = np.zeros(len(order), bool)
    first[np.unique(classes[order], return_index=True)[1]] = True
    return order[np.lexsort((turn, ~first))]

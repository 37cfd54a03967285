"""Folds as a run stores them, and what folds that are given are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.files import read_json
from iceframe.core.hashing import content_hash
from iceframe.core.values import Fold, Splits


def read_splits(path: Path) -> Splits:
    """Splits as stored by :func:`prepare`."""
    body = read_json(path)
    folds, repeats = (
        tuple(
            Fold(f["name"], np.array(f["train"], np.int64), np.array(f["test"], np.int64))
            for f in body.get(kind, ())  # older runs have no repeats
        )
        for kind in ("folds", "repeats")
    )
    return Splits(body["spec"], folds, tuple(body["notes"]), repeats)


def splits_json(splits: Splits) -> dict[str, Any]:
    """What :func:`read_splits` reads."""
    return {
        "spec": splits.spec,
        "notes": splits.notes,
        **{
            kind: [{"name": f.name, "train": f.train, "test": f.test} for f in folds]
            for kind, folds in (("folds", splits.folds), ("repeats", splits.repeats))
        },
    }


def name_of_splits(splits: Splits, data: Dataset) -> str:
    """What folds that are given are called in a run's settings: their kind, and their content.

    Raises
    ------
    InputError : no folds, positions that are not in the data, samples on both sides of a fold.
    """
    where = "splits"
    if not splits.folds:
        raise InputError("These splits hold no folds.", where=where, got=splits.spec)
    for fold in (*splits.folds, *splits.repeats):
        positions = np.concatenate([fold.train, fold.test])
        if not len(fold.train) or not len(fold.test):
            raise InputError("A fold is empty on one side.", where=where, got=fold.name)
        if positions.min() < 0 or positions.max() >= len(data):
            raise InputError(
                "A fold holds positions that are not in the data.",
                where=f"{where}, {fold.name}",
                got=f"{positions.min()} to {positions.max()}",
                allowed=f"0 to {len(data) - 1}",
            )
        if len(np.unique(positions)) < len(positions):
            raise InputError(
                "A fold holds a sample twice: what is tested must not be trained on.",
                where=f"{where}, {fold.name}",
            )
    every = (*splits.folds, *splits.repeats)
    content = [[f.name, f.train.tolist(), f.test.tolist()] for f in every]
    return f"{splits.spec}#{content_hash(content)[:12]}"

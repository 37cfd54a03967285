"""States of the data of a search: the data as given, and what actions make of them.

All share the held-out samples of every fold: new samples are only ever trained on, and samples that
are left out are left out of both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iceframe.balance.situation import GIVEN
from iceframe.core.dataset import Dataset
from iceframe.core.values import Fold, Splits
from iceframe.ingest.neutral import parse_cue, without_cue


@dataclass(frozen=True)
class Variant:
    """One state of the data: ``by`` the action that made it, of the variant ``base``; ``mended``:
    the codes of the findings whose samples were left out; ``cues``: what was taken out of every
    sample. ``splits``: the folds, ``None`` until they are made."""

    name: str
    data: Dataset
    splits: Splits | None = None
    by: str = ""
    base: str = GIVEN
    mended: tuple[str, ...] = ()
    cues: tuple[str, ...] = ()

    @property
    def image_cues(self) -> tuple[str, ...]:
        """What was taken out of the images; a column that models no longer see needs no more."""
        return tuple(cue for cue in self.cues if parse_cue(cue).kind != "column")

    def as_these(self, others: Dataset) -> Dataset:
        """Other samples, without what was taken out of the images of these."""
        for cue in self.image_cues:
            others = without_cue(others, cue)
        return others

    def lacks(self, code: str, cue: str) -> bool:
        """Whether it no longer has a finding: of a cue whatever audit found it, else by its code.

        >>> import pandas as pd
        >>> data = Dataset(pd.DataFrame({"y": [1.0]}))
        >>> mended = Variant("mended", data, mended=("duplicates-across-folds",), cues=("border",))
        >>> mended.lacks("shortcut", "border"), mended.lacks("cue-border", "brightness")
        (True, False)
        >>> mended.lacks("duplicates-across-folds", ""), mended.lacks("conflicting-duplicates", "")
        (True, False)
        """
        return cue in self.cues if cue else code in self.mended


def only_trained_on(splits: Splits, n: int, added: int) -> Splits:
    """Folds of ``n`` samples and ``added`` ones behind them, which no fold tests.

    >>> one = Splits("random", (Fold("fold0", np.array([0]), np.array([1])),))
    >>> only_trained_on(one, 2, 2).folds[0].train.tolist()
    [0, 2, 3]
    """
    new = np.arange(n, n + added)
    folds, repeats = (
        tuple(Fold(f.name, np.concatenate([f.train, new]), f.test) for f in some)
        for some in (splits.folds, splits.repeats)
    )
    notes = (*splits.notes, f"{added} samples are only trained on.")
    return Splits(splits.spec, folds, notes, repeats)


def left_out(splits: Splits, keep: np.ndarray) -> Splits:
    """Folds of the samples where ``keep`` ``(n,)`` is true, in their new positions.

    >>> one = Splits("random", (Fold("fold0", np.array([0, 2]), np.array([1, 3])),))
    >>> fold = left_out(one, np.array([True, True, False, True])).folds[0]
    >>> fold.train.tolist(), fold.test.tolist()
    ([0], [1, 2])
    """
    place = np.cumsum(keep) - 1
    folds, repeats = (
        tuple(
            Fold(f.name, place[f.train[keep[f.train]]], place[f.test[keep[f.test]]]) for f in some
        )
        for some in (splits.folds, splits.repeats)
    )
    notes = (*splits.notes, f"{int((~keep).sum())} samples left out.")
    return Splits(splits.spec, folds, notes, repeats)

"""Repeated partitions: with few samples, five folds cannot tell two models apart.

Of the variance of a cross-validated loss, a part comes from the partition. Repeating it with other
folds takes that part down: Bouckaert & Frank 2004, doi:10.1007/978-3-540-24775-3_3. The samples
stay the same, and the correlated t-test knows that.
"""

from __future__ import annotations

from dataclasses import replace

from iceframe.core.dataset import Dataset
from iceframe.core.seeds import derive_seed
from iceframe.core.values import Splits
from iceframe.ingest.splits import make_splits

FEW, REPEATS = 400, 3


def usual_repeats(data: Dataset) -> int:
    """How often the folds of these data are repeated when nobody says: three times for a table of
    fewer than 400 samples. Images and crystals, whose models take long, get one."""
    if data.images is not None or data.crystals is not None:
        return 1
    return REPEATS if len(data) < FEW else 1


REPEATABLE = ("random", "stratified", "grouped")


def repeated(data: Dataset, splits: Splits, repeats: int, seed: int = 0) -> Splits:
    """``splits`` with the folds of ``repeats - 1`` further partitions of the same kind.

    Partitions that chance has no part in (``leave-out``, ``cluster``, ``forward``, ``extremes``,
    ``matbench``) stay as they are.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> table = pd.DataFrame({"x": np.arange(30.0), "y": np.arange(30.0) % 7})
    >>> data = Dataset(table, "y", "regression", ("x",))
    >>> again = repeated(data, make_splits(data, "random", 3), 2)
    >>> len(again.folds), [fold.name for fold in again.repeats]
    (3, ['fold0 repeat1', 'fold1 repeat1', 'fold2 repeat1'])
    """
    if repeats < 2 or splits.spec.partition(":")[0] not in REPEATABLE:
        return splits
    more = []
    for number in range(1, repeats):
        again = make_splits(
            data, splits.spec, len(splits.folds), derive_seed(seed, "repeat", number)
        )
        more += [replace(f, name=f"{f.name} repeat{number}") for f in again.folds]
    note = f"Losses are compared on {repeats} repeats of the folds."
    return replace(splits, repeats=tuple(more), notes=(*splits.notes, note))

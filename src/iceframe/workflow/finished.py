"""What every run that ended has on disk: its header, its equilibrium, its evidence."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from iceframe.core.files import read_json
from iceframe.core.runstore import RunStore
from iceframe.core.values import Equilibrium

EVIDENCE = "evidence.parquet"


class Finished:
    """A run folder with derived files.

    Class attributes
    ----------------
    derived : the file that holds the ``equilibrium``, as JSON, and what else was concluded.

    Attributes
    ----------
    store : the folder, checked. folder : where it lives. header : what was asked, of which data.
    """

    derived: ClassVar[str]

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.folder = store.root
        self.header = store.header

    @cached_property
    def _derived(self) -> dict[str, Any]:
        return dict(read_json(self.folder / self.derived))

    @property
    def equilibrium(self) -> Equilibrium:
        """What was chosen, how the search ended, what to do about it, and why."""
        return Equilibrium.from_dict(self._derived["equilibrium"])

    @cached_property
    def evidence(self) -> pd.DataFrame:
        """Measured numbers: rung, axis, metric, value, low, high, folds, better, unit, n, note."""
        return pd.read_parquet(self.folder / EVIDENCE)

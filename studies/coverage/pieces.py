"""What is to be done: data sets, rungs and seeds. Pieces are those of the paradox study."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REAL = ("steels", "jdft2d", "nims_fatigue", "mpea", "uhcs")
SIMULATED = ("simulated_table", "two_phase")
RUNGS = ("ridge", "extra_trees")
LEVEL = 0.9


@dataclass(frozen=True)
class Study:
    """Where it lies and how far it goes. ``small``: samples of a simulated set."""

    out: Path
    rungs: tuple[str, ...] = RUNGS
    seeds: int = 3
    trials: int = 0
    sets: tuple[str, ...] = (*REAL, *SIMULATED)
    samples: int = 400
    folds: int = 5

    @property
    def there(self) -> tuple[str, ...]:
        """The data sets of this study that can be had here."""
        here = shared_data().is_dir()
        return tuple(name for name in self.sets if here or name in SIMULATED)


def shared_data() -> Path:
    """The folder of real measurements and images."""
    stated = os.environ.get("ICEFRAME_SHARED_DATA")
    return Path(stated) if stated else Path(__file__).resolve().parents[3] / "shared" / "data"

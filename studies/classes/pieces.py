"""What is to be done: classes, settings, seeds and sizes. Pieces are those of the paradox study."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CLASSES = ("metal", "ceramic", "composite")
SETTINGS = ("own phases", "same phases")
LEVEL = 0.9
RISK = 0.1
TOLERANCE = 0.2  # an answer that is wrong by more than about a fifth is badly wrong


@dataclass(frozen=True)
class Sizes:
    """How many samples, and how small everything is in a trial run (``quick``)."""

    side: int = 64
    train: int = 30  # of each generator: trained on, or the pool that labels are bought from
    test: int = 15  # of each generator
    folds: int = 5
    labels: tuple[int, ...] = (5, 10, 20, 40)
    asked: int = 20  # labels after which the run is made anew
    bootstrap: int = 2000


QUICK = Sizes(side=24, train=10, test=4, folds=3, labels=(3, 6), asked=3, bootstrap=100)


@dataclass(frozen=True)
class Study:
    """The whole study: where it lies and how far it goes."""

    out: Path
    seeds: int = 5
    ladder: tuple[str, ...] = ("mean", "ridge", "svm")
    more: tuple[str, ...] = ("nearest_neighbour", "tree", "extra_trees", "gp")
    left_out: tuple[str, ...] = CLASSES
    sizes: Sizes = Sizes()

    @property
    def cases(self) -> tuple[Case, ...]:
        """All that is measured, so that what is there early is of all kinds."""
        return tuple(
            Case(setting, label, seed)
            for seed in range(self.seeds)
            for setting in SETTINGS
            for label in self.left_out
        )


@dataclass(frozen=True)
class Case:
    """One setting with one class left out."""

    setting: str
    left_out: str
    seed: int

    @property
    def name(self) -> str:
        """As a file name."""
        return f"{self.setting.split()[0]}-{self.left_out}-s{self.seed}"

    @property
    def own(self) -> bool:
        """Whether each class has its own phases."""
        return self.setting == SETTINGS[0]

    @property
    def plain(self) -> dict[str, str | int]:
        """As columns of a table."""
        return {"setting": self.setting, "left_out": self.left_out, "seed": self.seed}

    @property
    def inside(self) -> np.ndarray:
        """The two classes that are trained on."""
        return np.array([label for label in CLASSES if label != self.left_out])


def shared_data() -> Path:
    """The folder of real measurements and images: ICEFRAME_SHARED_DATA, or ../shared/data."""
    stated = os.environ.get("ICEFRAME_SHARED_DATA")
    return Path(stated) if stated else Path(__file__).resolve().parents[3] / "shared" / "data"

"""What is to be done: data sets, sizes, and the study itself. Pieces as in the paradox study."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from studies.paradox.pieces import Piece
from studies.planted_truth.climb import measure
from studies.planted_truth.truths import KINDS, Planted, planted

from iceframe.core.files import write_json
from iceframe.workflow.settings import RunSettings

LADDER = ("mean", "ridge", "tree", "ebm", "extra_trees", "gp")
IMAGE_RUNG = "cnn"
DESCRIPTORS = ("columns", "intensity")  # of data sets with images

# Rules are thought over on the first and judged on the second, whose data sets nobody looks at.
ROOTS = {"development": 71, "final": 2026}


@dataclass(frozen=True)
class Sizes:
    """How large everything is, and how small in a trial run (``quick``)."""

    n: tuple[int, int] = (100, 1000)
    fresh: int = 4000
    fresh_images: int = 1000
    folds: int = 5
    trials: dict[str, int] = field(
        default_factory=lambda: {"light": 12, "medium": 0, "heavy": 0, "extreme": 0}
    )
    ladder: tuple[str, ...] = LADDER
    replicates: dict[str, int] = field(
        default_factory=lambda: {"light": 16, "medium": 8, "heavy": 3, "extreme": 2}
    )


QUICK = Sizes(
    n=(40, 60), fresh=200, fresh_images=40, folds=3,
    trials={"light": 2, "medium": 0, "heavy": 0, "extreme": 0},
    ladder=("mean", "ridge", "tree"),
    replicates={"light": 2, "medium": 2, "heavy": 1, "extreme": 1},
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Key:
    """One data set under one seed of folds and fits; seed 0 is the study's own."""

    number: int
    kind: str
    seed: int = 0

    @property
    def name(self) -> str:
        """As a file name."""
        return f"{self.kind}-{self.number:03d}-s{self.seed}"


@dataclass(frozen=True)
class Study:
    """Where it lies and how far it goes: ``each`` data sets a kind, of which ``stable`` are
    climbed again under ``seeds`` other seeds, and ``looped`` balanced by the workflow."""

    out: Path
    root: int
    kinds: tuple[str, ...] = KINDS
    each: int = 40
    stable: int = 8
    seeds: int = 2
    looped: int = 2
    sizes: Sizes = field(default_factory=Sizes)

    def keys(self, each: int, seeds: tuple[int, ...] = (0,)) -> list[Key]:
        """Data sets of all kinds in turn, so that what is there early is of all kinds."""
        return [Key(i, kind, s) for i in range(each) for kind in self.kinds for s in seeds]

    def path(self, key: Key) -> Path:
        """Where the climb of a data set lies."""
        return self.out / "climbs" / f"{key.name}.json"

    def truth(self, key: Key) -> Planted:
        """The data set with its truth."""
        fresh = self.sizes.fresh_images if key.kind == "image" else self.sizes.fresh
        return planted(key.kind, key.number, self.root, n=self.sizes.n, fresh=fresh)

    def ladder(self, kind: str) -> tuple[str, ...]:
        """The rungs that are climbed."""
        return (*self.sizes.ladder, IMAGE_RUNG) if kind == "image" else self.sizes.ladder

    def settings(self, key: Key) -> RunSettings:
        """The settings of :func:`iceframe.run` for a data set."""
        return RunSettings(
            self.ladder(key.kind),
            splits="auto",
            folds=self.sizes.folds,
            seed=key.seed,
            device="cpu",
            trials=self.sizes.trials,
            shift=False,
            descriptors=DESCRIPTORS if key.kind == "image" else None,
            gdf_replicates=self.sizes.replicates,
        )


def climbs(study: Study) -> list[Piece]:
    """One climb a data set."""
    return [_climb(study, key) for key in study.keys(study.each)]


def climbs_again(study: Study) -> list[Piece]:
    """The first data sets of every kind under other seeds."""
    seeds = tuple(range(1, study.seeds + 1))
    return [_climb(study, key) for key in study.keys(min(study.stable, study.each), seeds)]


def _climb(study: Study, key: Key) -> Piece:
    def make() -> None:
        found = measure(study.truth(key), study.settings(key), fresh=key.seed == 0)
        body = {"kind": key.kind, "number": key.number, "seed": key.seed, **found}
        write_json(study.path(key), body)

    return Piece(key.name, study.path(key), make)

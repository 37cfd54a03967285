"""What is to be done: sizes, keys and the study itself. Pieces are those of the paradox study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

VARIANTS = ("energies", "energies and forces")


@dataclass(frozen=True)
class Sizes:
    """How many samples, and how small everything is in a trial run (``quick``)."""

    trained: tuple[int, ...] = (50, 100, 200, 400)
    tested: int = 300
    epochs: int | None = None  # None: about `steps` steps
    steps: int = 1500
    width: int = 64
    layers: int = 3
    perovskites: int = 5500  # trained on
    perovskite_epochs: int = 80
    rattled: int = 200  # held out, and rattled


QUICK = Sizes(
    trained=(8, 16), tested=12, epochs=2, width=16, layers=1, perovskites=30, perovskite_epochs=1,
    rattled=4,
)  # fmt: skip


@dataclass(frozen=True)
class Key:
    """One model on the analytic potential."""

    variant: str
    n: int
    seed: int

    @property
    def name(self) -> str:
        """As a file name."""
        return f"{self.variant.replace(' ', '-')}-n{self.n}-s{self.seed}"


@dataclass(frozen=True)
class Study:
    """Where it lies and how far it goes."""

    out: Path
    seeds: int = 3
    sizes: Sizes = Sizes()
    device: str = "cpu"

    @property
    def keys(self) -> tuple[Key, ...]:
        """All models, small training sets first."""
        return tuple(
            Key(variant, n, seed)
            for n in self.sizes.trained
            for seed in range(self.seeds)
            for variant in VARIANTS
        )

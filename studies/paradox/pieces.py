"""What is to be done, where its result lies, and who is at it: the study as resumable pieces.

A piece is finished when its file is there. Two processes given the same command share the work: a
piece that another process is at is left to it (a lock that dies with its process).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import filelock
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

CLASSICAL = ("volume_fraction", "two_point_pca")
PLAIN = ("cnn", "vit", "fno")
SUPERVISED = ("sobolev_cnn", "sobolev_vit", "sobolev_fno", "sobolev_resnet")
RUNGS = (*CLASSICAL, *PLAIN, *SUPERVISED[:3])  # resnet and sobolev_resnet on request
MANY, FEW = 1000, 200
MIDDLE = 10.0
SLOW = ("fno",)  # of few samples only
SLOWEST = ("resnet", "sobolev_resnet")  # at the middle contrast only
QUICKEST = "sobolev_cnn"  # the supervised rung that can afford many samples

console = Console(highlight=False)


@dataclass(frozen=True)
class Sizes:
    """How many samples, and how small everything is in a trial run (``quick``)."""

    side: int = 64
    train: int = MANY
    few: int = FEW
    inside: int = 300
    shifted: int = 100
    truth: int = 48  # structures with exact flips, in distribution
    truth_shifted: int = 32
    per_phase: int = 32  # voxels flipped in each phase
    cheap: int = 8  # structures for the cheap metrics
    trials: int = 16
    epochs: int | None = None  # None: the rung's own
    replicates: int = 3  # disturbed refits for the degrees of freedom
    bootstrap: int = 2000


QUICK = Sizes(
    side=32, train=45, few=18, inside=18, shifted=8, truth=4, truth_shifted=3, per_phase=8, cheap=3,
    trials=2, epochs=1, replicates=2, bootstrap=100,
)  # fmt: skip


@dataclass(frozen=True)
class Study:
    """The whole study: where it lies and how far it goes."""

    out: Path
    contrasts: tuple[float, ...] = (2.0, 10.0, 100.0)
    seeds: int = 5
    rungs: tuple[str, ...] = RUNGS
    sizes: Sizes = Sizes()
    device: str = "cpu"

    @property
    def fits(self) -> tuple[Key, ...]:
        """All models, the quickest rungs first, so that what is there early is of all kinds."""
        return tuple(
            Key(rung, contrast, n, seed)
            for seed in range(self.seeds)
            for rung in self.rungs
            for contrast in self.contrasts
            for n in self._numbers(rung, contrast)
        )

    def _numbers(self, rung: str, contrast: float) -> tuple[int, ...]:
        """Plain networks learn from many samples and from few, supervised ones from few, but for
        the quickest."""
        many, few = self.sizes.train, self.sizes.few
        if rung in SLOWEST and contrast != MIDDLE:
            return ()
        if (rung in SUPERVISED and rung != QUICKEST) or rung in SLOW:
            return (few,)
        return (many,) if rung in CLASSICAL else (many, few)


@dataclass(frozen=True)
class Key:
    """One model: what is fitted to how many structures of which contrast."""

    rung: str
    contrast: float
    n: int
    seed: int

    @property
    def name(self) -> str:
        """As a folder name."""
        return f"{self.rung}-c{self.contrast:g}-n{self.n}-s{self.seed}"

    @property
    def plain(self) -> dict[str, str | float | int]:
        """As columns of a table."""
        return {"rung": self.rung, "contrast": self.contrast, "n": self.n, "seed": self.seed}


@dataclass(frozen=True)
class Piece:
    """Work whose result is the file ``done``; ``make`` writes it last. ``again``: made even where
    it is there, as tables are, which follow from what else is there."""

    name: str
    done: Path
    make: Callable[[], None]
    again: bool = False


def work_through(title: str, pieces: Sequence[Piece]) -> int:
    """Make what is missing, in order; how many pieces are still missing at the end.

    A piece that fails is said and left out; the others are made.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        line = bar.add_task(title, total=len(pieces))
        for piece in pieces:
            bar.update(line, description=f"{title}: {piece.name}")
            if piece.again or not piece.done.exists():
                _make(piece)
            bar.advance(line)
    missing = sum(not piece.done.exists() for piece in pieces)
    rest = f"; {missing} failed or are with another process" if missing else ""
    console.print(f"{title}: {len(pieces) - missing} of {len(pieces)} pieces are there{rest}")
    return missing


def _make(piece: Piece) -> None:
    piece.done.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(str(piece.done.with_name(f".{piece.done.name}.lock")))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return
    try:
        if piece.again or not piece.done.exists():
            start = time.perf_counter()
            try:
                piece.make()
            except Exception:  # hours of other pieces do not depend on this one
                console.print(f"[red]{piece.name} failed[/red]")
                console.print_exception(extra_lines=1, max_frames=4)
            else:
                console.print(f"  {piece.name}: {time.perf_counter() - start:.1f} s")
    finally:
        lock.release()

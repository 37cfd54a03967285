"""What a benchmark's board shows, as plain values: the one thing that its page reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from iceframe.core.values import Better, Task

NAN = float("nan")
INTERVAL = 0.9  # of what is said of errors and differences on a board


@dataclass(frozen=True)
class Line:
    """One entry of a task's board: a rung of ours, or a published algorithm.

    ``rank`` starts at 1 and counts all entries; ``std`` is over folds, as Matbench takes it; of a
    published entry no more than ``value`` and ``std`` is known. ``low`` to ``high`` is a 90 %
    interval of the mean over folds, ``coverage`` how often the prediction intervals hold the truth.
    """

    name: str
    ours: bool
    rank: int
    value: float
    std: float = NAN
    low: float = NAN
    high: float = NAN
    title: str = ""
    glass_box: bool = False
    chosen: bool = False
    complexity: float = NAN
    c1: float = NAN
    c2: float = NAN
    c3: float = NAN
    faithfulness: float = NAN
    coverage: float = NAN
    seconds: float = NAN
    folds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """A rung against a published algorithm, sample by sample on the same folds.

    ``difference``: error of the rung minus that of the algorithm, with its 90 % interval;
    ``better``: probability that the rung's error is the lower one. ``published`` names the line of
    the board that the predictions belong to; empty where none has their score.
    """

    rung: str
    algorithm: str
    published: str
    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    better: float
    n: int


@dataclass(frozen=True)
class Elsewhere:
    """The loss of a rung on one way of splitting: ``kind`` is ``random`` (the official folds),
    ``cluster`` or ``extremes``. ``to_neighbour``, ``to_mean``: the loss over that of the nearest
    neighbour and of the mean. Of a classification the loss is one minus balanced accuracy."""

    rung: str
    kind: str
    loss: float
    to_neighbour: float
    to_mean: float
    folds: tuple[float, ...] = ()


@dataclass(frozen=True)
class TaskBoard:
    """The board of one task. ``equilibrium``: as :meth:`Equilibrium.as_dict`; ``verdict``: where
    it stands and what the last rung buys, in a sentence or two. ``folder``: the run's."""

    name: str
    target: str
    unit: str
    task: Task
    metric: str
    better: Better
    n: int
    folder: str
    lines: tuple[Line, ...]
    comparisons: tuple[Comparison, ...]
    elsewhere: tuple[Elsewhere, ...]
    equilibrium: Mapping[str, Any]
    verdict: str
    notes: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    unfinished: int = 0

    @property
    def ours(self) -> tuple[Line, ...]:
        """The lines of our rungs."""
        return tuple(line for line in self.lines if line.ours)

    @property
    def published(self) -> tuple[Line, ...]:
        """The lines of published algorithms."""
        return tuple(line for line in self.lines if not line.ours)


@dataclass(frozen=True)
class Shared:
    """Formulas of one task's test folds that another's training holds: ``n`` of ``of`` samples."""

    tested: str
    trained: str
    n: int
    of: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoardView:
    """Everything that a board shows. ``waiting``: tasks that were not started in the budget."""

    benchmark: str
    tasks: tuple[TaskBoard, ...]
    shared: tuple[Shared, ...] = ()
    waiting: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    created: str = ""

    @property
    def unfinished(self) -> int:
        """Units of work that are left in the tasks that were started."""
        return sum(task.unfinished for task in self.tasks)

    def as_dict(self) -> dict[str, Any]:
        """JSON values; what is not a finite number is ``None``."""
        return dict(_plain(asdict(self)))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

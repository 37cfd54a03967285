"""What a learning curve was asked to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iceframe.core.errors import UsageError
from iceframe.core.values import Task
from iceframe.measure.metrics import METRICS

SIZES = (16, 32, 64, 128, 256, 512, 1000, 2000)
# A curve fits each rung some forty times.
TRIALS = {"light": 12, "medium": 6, "heavy": 3, "extreme": 0}
METRICS_OF: Mapping[Task, tuple[str, ...]] = {
    "regression": ("mae", "rmse", "r2"),
    "classification": ("balanced_accuracy", "accuracy", "log_loss"),
}


@dataclass(frozen=True)
class CurveSettings:
    """Everything but the data that decides what a learning curve computes.

    ``descriptors`` names what images are described by (none named: the defaults). ``test`` is the
    part (below 1) or number of the samples that each repeat holds out; ``wanted``
    the value of ``metric`` that is looked for, if any.
    """

    ladder: tuple[str, ...]
    sizes: tuple[int, ...] = SIZES
    repeats: int = 5
    test: float = 0.3
    splits: str = "auto"
    tune: bool = True
    seed: int = 0
    device: str = "auto"
    metric: str = "mae"
    wanted: float | None = None
    descriptors: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise UsageError("Too few repeats.", got=self.repeats, allowed="1 or more")
        if self.seed < 0:
            raise UsageError("The seed is negative.", got=self.seed, allowed="0 or more")
        if not (0 < self.test < 1 or (self.test >= 2 and float(self.test).is_integer())):
            raise UsageError(
                "This is no size of a test set.",
                where="--test",
                got=f"{self.test:g}",
                allowed="a part of the samples (0.3), or a number of them (2 or more)",
            )

    def deciding(self) -> dict[str, Any]:
        """What must agree when a curve is continued; rungs, sizes and repeats may be added."""
        names = ("test", "tune", "seed", "splits", "device", "descriptors")
        return {name: getattr(self, name) for name in names}


def ordered_sizes(sizes: tuple[int, ...] | list[int]) -> tuple[tuple[int, ...], list[str]]:
    """Sizes in rising order, each once, and a note where they were not given so.

    Raises
    ------
    UsageError : none, or one below two.

    Examples
    --------
    >>> ordered_sizes([64, 16, 64])
    ((16, 64), ['Sizes are taken in rising order, each once.'])
    """
    if not sizes:
        raise UsageError("There is no size.", where="--sizes", allowed="16,32,64,…")
    if min(sizes) < 2:
        raise UsageError(
            "A model needs two samples to be fitted to.",
            where="--sizes",
            got=min(sizes),
            allowed="2 or more",
        )
    rising = tuple(sorted({int(size) for size in sizes}))
    same = rising == tuple(sizes)
    return rising, [] if same else ["Sizes are taken in rising order, each once."]


def goal(wanted: Mapping[str, float] | None, task: Task) -> tuple[str, float | None]:
    """The metric that is shown and the value of it that is looked for.

    Raises
    ------
    UsageError : several, an unknown metric, one of the other task, or a value that cannot be.

    Examples
    --------
    >>> goal({"r2": 0.95}, "regression"), goal(None, "classification")
    (('r2', 0.95), ('balanced_accuracy', None))
    """
    known = METRICS_OF[task]
    if not wanted:
        return known[0], None
    if len(wanted) > 1:
        raise UsageError("One goal at a time.", got=", ".join(wanted), allowed="one metric")
    ((metric, value),) = wanted.items()
    METRICS[metric]  # an unknown name ends here
    if metric not in known:
        raise UsageError(
            f"'{metric}' is not what a {task} curve shows.", got=metric, allowed=", ".join(known)
        )
    higher = METRICS[metric].better == "higher"
    if not (value < 1 if higher else value > 0):
        raise UsageError(
            f"No model has such a {METRICS[metric].title}.",
            got=f"{metric}={value:g}",
            allowed="below 1" if higher else "above 0",
        )
    return metric, float(value)


def as_error(metric: str, value: Any) -> Any:
    """``value`` as an error that falls to 0: one minus R² or an accuracy, others as they are.

    Examples
    --------
    >>> as_error("mae", 2.0), as_error("r2", 0.75)
    (2.0, 0.25)
    """
    return 1.0 - value if METRICS[metric].better == "higher" else value

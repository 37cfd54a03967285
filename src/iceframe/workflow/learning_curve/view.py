"""What a learning curve holds, as plain values: the one thing that its page reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from iceframe.core.values import Task
from iceframe.measure.learning_curve import PowerLaw, Reached


@dataclass(frozen=True)
class CurveView:
    """A learning curve as plain values.

    ``n`` samples in all, ``n_test`` of them held out in each repeat. ``titles``: rung -> its title,
    in the order asked. ``curve``: rung, size, metric, mean, low, high, n_repeats. ``wanted`` is the
    value of ``metric`` that was looked for, and ``reached`` is empty where that is ``None``.
    ``failures``: rung, message, sizes, times.
    """

    name: str
    target: str
    unit: str
    task: Task
    n: int
    n_test: float
    metric: str
    wanted: float | None
    sizes: tuple[int, ...]
    titles: Mapping[str, str]
    curve: pd.DataFrame
    laws: Mapping[str, PowerLaw]
    reached: Mapping[str, Reached]
    failures: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    unfinished: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""

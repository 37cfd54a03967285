"""What the distilled rungs share: a glass box that is fitted to a teacher's answers.

See :mod:`iceframe.scale.distillation`. Once fitted it is its student: it reads the table, and its
terms, its description and what is stored are the student's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from iceframe.scale.rung import Context, Effort, Inputs, Rung

BUCILA = "Bucilă et al. 2006, https://doi.org/10.1145/1150402.1150464"


class DistilledRung(Rung):
    """The glass box ``student``, taught by another rung."""

    student: ClassVar[type[Rung]]
    glass_box = True
    effort: ClassVar[Effort] = "extreme"  # every fit is one of the teacher, several times

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from iceframe.scale.distillation.student import Distilled

        return Distilled(self.student(), settings, context)

    def search(
        self,
        inputs: Inputs,
        y: np.ndarray,
        context: Context,
        *,
        trials: int,
        folds: int,
        groups: np.ndarray | None,
    ) -> dict[str, Any]:
        from iceframe.scale.distillation.search import searched

        return searched(
            self.student(), self.effort, inputs, y, context,
            trials=trials, folds=folds, groups=groups,
        )  # fmt: skip

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray | None:
        return self.student().terms(estimator.student_, x, context)

    def term_names(self, estimator: Any, context: Context) -> tuple[str, ...]:
        return self.student().term_names(estimator.student_, context)

    def describe(self, estimator: Any, context: Context) -> list[dict[str, Any]]:
        return self.student().describe(estimator.student_, context)

    def parameters(self, estimator: Any) -> int:
        return self.student().parameters(estimator.student_)

    def save(self, estimator: Any, folder: Path) -> None:
        estimator.save(folder)

    def load(self, folder: Path, settings: Mapping[str, Any], context: Context) -> Any:
        return self.build(settings, context).restore(folder)

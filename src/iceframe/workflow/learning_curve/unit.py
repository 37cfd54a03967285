"""One unit of a learning curve: a rung tuned and fitted on one training subset, then tested.

Nothing is learned outside the subset: categories and elements of the representation are looked up
in it alone, and tuning folds are parts of it. Descriptors of images learn nothing from the samples
and are computed once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.errors import IceframeError, InputError
from iceframe.core.files import write_json
from iceframe.core.seeds import derive_seed
from iceframe.core.values import Representation
from iceframe.measure.fidelity import classification_scores, regression_scores
from iceframe.scale.fitting import context_for, fit, tune
from iceframe.scale.represent import Representer, side_by_side
from iceframe.scale.rung import RUNGS, Context, Inputs, Rung
from iceframe.workflow.plan import Unit, Workload

RESULT = "result.json"


class CannotFit(Exception):
    """This rung cannot be fitted to this subset; the others go on."""


@dataclass(frozen=True)
class CurveWork(Workload):
    """``inputs`` hold what images are described by; ``columns`` what is described in each subset:
    the plain columns and compositions, ``None`` where there are none."""

    columns: Dataset | None = None


def measure_size(unit: Unit, work: Workload, staged: Path, base: Path | None) -> None:
    """Tune, fit and test ``unit``'s rung; writes its scores."""
    assert isinstance(work, CurveWork)
    start = time.perf_counter()
    fold = work.fold(unit)
    rung = RUNGS[unit.rung]()
    try:
        train, test = _inputs(rung, work, fold.train, fold.test)
        context = context_for(
            train,
            work.context.task,
            n_classes=work.context.n_classes,
            symmetries=work.context.symmetries,
            device=work.context.device,
            seed=derive_seed(work.settings.seed, unit.rung, unit.kind, unit.part),
            target=work.context.target,
            target_unit=work.context.target_unit,
        )
        settings, untuned = _tuned(rung, train, context, work, fold.train)
        fitted = fit(rung, settings, train, work.y[fold.train], context)
        predicted = fitted.predict(test)
    except IceframeError as error:
        # As a plain exception it is recorded; an error of the input would end all the others.
        raise CannotFit(" ".join(str(error).split())) from error
    if not np.isfinite(predicted).all():
        raise CannotFit("Some predictions are not finite numbers.")
    score = regression_scores if context.task == "regression" else classification_scores
    write_json(
        staged / RESULT,
        {
            "scores": score(work.y[fold.test], predicted),
            "settings": settings,
            "untuned": untuned,
            "n_train": len(fold.train),
            "n_test": len(fold.test),
        },
    )
    write_json(staged / "timing.json", {"total_seconds": time.perf_counter() - start})


def _inputs(
    rung: Rung, work: CurveWork, train: np.ndarray, test: np.ndarray
) -> tuple[Inputs, Inputs]:
    """What the rung looks at in the training subset and in the test set."""
    both = np.concatenate([train, test])
    whole = work.inputs.take(both)
    parts: list[Representation] = []
    if rung.input == "table":
        if work.columns is not None:
            representer = Representer().fit(work.columns.take(train))
            parts.append(representer.transform(work.columns.take(both)))
        parts.append(whole.table)
    inputs = replace(whole, table=side_by_side(parts, len(both)))
    places = np.arange(len(both))
    return inputs.take(places[: len(train)]), inputs.take(places[len(train) :])


def _tuned(
    rung: Rung, inputs: Inputs, context: Context, work: CurveWork, index: np.ndarray
) -> tuple[dict[str, Any], str]:
    """Settings tuned inside the subset; its defaults, and why, where it is too small for that."""
    groups = work.groups[index]
    if len(np.unique(groups)) == len(groups):
        groups = None  # nothing to keep together: the inner folds are stratified instead
    try:
        settings = tune(
            rung,
            inputs,
            work.y[index],
            context,
            trials=work.settings.trials[rung.effort],
            groups=groups,
        )
    except InputError as error:
        return {}, error.what
    return settings, ""

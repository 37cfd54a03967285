"""A glass box taught by a black box beside the same glass box alone, on the same held-out samples.

All three (teacher, glass box alone, glass box taught) are tuned inside the training fold; what the
student learns from its teacher is chosen in inner folds of it. Held-out samples are seen by none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from studies.distillation.pieces import FOLDS, Key, Study
from studies.distillation.tables import loaded
from studies.paradox.pieces import Piece

from iceframe.core.files import write_json
from iceframe.core.seeds import derive_seed
from iceframe.scale.distillation.student import lesson_of, variance_explained
from iceframe.scale.fitting import Fitted, context_for, fit, tune
from iceframe.scale.rung import RUNGS, Context, Inputs


def pieces(study: Study) -> list[Piece]:
    """One a pair and repeat."""
    return [
        Piece(key.name, study.out / "pairs" / f"{key.name}.json", lambda key=key: _make(study, key))
        for key in study.keys
    ]


def _make(study: Study, key: Key) -> None:
    inputs, y, groups = loaded(key.task)
    rows = []
    for fold, (train, test) in enumerate(outer(len(y), groups, key)):
        known, held_out = (inputs.take(train), y[train]), (inputs.take(test), y[test])
        found = compared(study, key, *known, *held_out, groups[train])
        rows.append({**found, "fold": fold, "n_train": len(train), "n_test": len(test)})
    write_json(study.out / "pairs" / f"{key.name}.json", {**asdict(key), "folds": rows})


def outer(n: int, groups: np.ndarray, key: Key) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Five folds of one repeat, near-duplicates on one side; the same for all models of a task."""
    from sklearn.model_selection import GroupKFold

    seed = derive_seed(0, "outer", key.task, key.repeat)
    yield from GroupKFold(FOLDS, shuffle=True, random_state=seed).split(
        np.zeros((n, 1)), None, groups
    )


def compared(
    study: Study,
    key: Key,
    train: Inputs,
    y: np.ndarray,
    test: Inputs,
    truth: np.ndarray,
    groups: np.ndarray,
) -> dict[str, Any]:
    """Mean absolute errors of teacher, glass box and taught glass box on the held-out samples."""
    seed = derive_seed(0, key.task, key.repeat)
    context = context_for(train, "regression", seed=seed)

    def tuned(rung: str, about: Context) -> tuple[Fitted, float, Mapping[str, Any]]:
        start = time.process_time()
        most = study.trials
        settings = tune(RUNGS[rung](), train, y, about, groups=groups, trials=most)
        fitted = fit(RUNGS[rung](), settings, train, y, about)
        return fitted, time.process_time() - start, settings

    alone, alone_seconds, _ = tuned(key.student, context)
    about = replace(context, teacher=key.teacher)
    taught, seconds, settings = tuned(f"distilled_{key.student}", about)
    told = settings["teacher_settings"] if settings else {}
    teacher = fit(RUNGS[key.teacher](), told, train, y, context)
    said = {name: model.predict(test) for name, model in
            (("teacher", teacher), ("alone", alone), ("taught", taught))}  # fmt: skip
    share, made = lesson_of(settings)
    return {
        **{name: float(np.mean(np.abs(truth - answer))) for name, answer in said.items()},
        "alone follows teacher": variance_explained(said["teacher"], said["alone"]),
        "taught follows teacher": variance_explained(said["teacher"], said["taught"]),
        "share": share,
        "made": made,
        "alone seconds": alone_seconds,
        "taught seconds": seconds,
    }

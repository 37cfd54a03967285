"""A network on simulated images teaches glass boxes that read descriptors of them.

Per seed: ``labelled`` two-phase structures with their stiffness C11 (solved), ``tested`` others,
and ``unlabelled`` more draws of the same recipe that are never solved. The network is fitted at its
default settings, cross-fitted as always; the student learns from its answers alone on the
unlabelled structures, and from truth and answers in equal parts on the labelled ones (the settings
are fixed: a search would fit the network dozens of times).
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from studies.distillation.pieces import Study
from studies.paradox.pieces import Piece

import iceframe as ice
from iceframe.core.dataset import Dataset
from iceframe.core.files import write_json, write_text
from iceframe.scale.fitting import context_for, fit, tune
from iceframe.scale.represent import Representer
from iceframe.scale.rung import RUNGS, Inputs

RECIPE: dict[str, Any] = {
    "generator": ["random_field", "particles", "dual_phase", "voronoi"],
    "factors": {"volume_fraction": [0.1, 0.4], "length": "all", "size": "all", "grain_size": "all"},
    "solver": {"tolerance": 1e-5, "precision": "single"},
}
PROPERTY = {"elasticity": {"young": [1, 10], "poisson": [0.3, 0.3], "unit": "E1"}}
TARGET = "C11"


def pieces(study: Study) -> list[Piece]:
    """One a seed."""
    return [
        Piece(f"seed {seed}", _path(study, seed), lambda seed=seed: _make(study, seed))
        for seed in range(study.repeats)
    ]


def _path(study: Study, seed: int) -> Path:
    return study.out / "images" / f"seed{seed}.json"


def _make(study: Study, seed: int) -> None:
    known = _simulated(study, "solved", study.labelled + study.tested, seed)
    others = _simulated(study, "unsolved", study.unlabelled, 1000 + seed)
    representer = Representer().fit(known.take(np.arange(study.labelled)))
    pool = Inputs(representer.transform(others), others.images)
    whole = Inputs(representer.transform(known), known.images, unlabelled=pool)
    order = np.random.default_rng(seed).permutation(len(known))
    train, test = order[: study.labelled], order[study.labelled :]
    y = np.asarray(known.y, float)
    inputs, held_out = whole.take(train), whole.take(test)
    context = context_for(inputs, "regression", seed=seed, symmetries=("translate",))
    told = {} if study.epochs is None else {"epochs": study.epochs}
    network = fit(RUNGS["cnn"](), told, inputs, y[train], context).predict(held_out)
    row: dict[str, Any] = {"seed": seed, "teacher": _error(y[test], network)}
    for student in study.students:
        start = time.process_time()
        own = tune(RUNGS[student](), inputs, y[train], context)
        alone = fit(RUNGS[student](), own, inputs, y[train], context).predict(held_out)
        settings = {"teacher": "cnn", "teacher_settings": told, "share": 0.5, "student": own}
        settings["made"] = 0.8 * study.unlabelled / study.labelled  # a fifth is compared on
        about = replace(context, teacher="cnn")
        model = fit(RUNGS[f"distilled_{student}"](), settings, inputs, y[train], about)
        taught = model.predict(held_out)
        row |= {
            f"{student} alone": _error(y[test], alone),
            f"{student} taught": _error(y[test], taught),
            f"{student} fidelity": model.estimator.account_.fidelity,
            f"{student} seconds": time.process_time() - start,
        }
    write_json(_path(study, seed), {"spread": float(np.std(y[test])), **row})


def _error(truth: np.ndarray, said: np.ndarray) -> float:
    return float(np.mean(np.abs(truth - said)))


def _simulated(study: Study, kind: str, n: int, seed: int) -> Dataset:
    folder = study.out / "simulated" / f"{kind}-n{n}-s{seed}"
    recipe = {**RECIPE, "shape": [study.side, study.side], "samples": n, "seed": seed}
    if kind == "solved":
        recipe["property"] = PROPERTY
    text = folder.with_suffix(".yaml")
    write_text(text, yaml.safe_dump(recipe))
    made = ice.simulate(text, out=folder, workers=1)
    if kind == "solved":
        return ice.read(made.folder, TARGET)
    return ice.read(made.folder, require_target=False)

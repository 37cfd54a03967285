"""The models: fitted once, stored, scored in distribution and under every shift.

``volume_fraction`` is a cubic in the share of phase 1: it is told nothing of the shape, so that its
map is the same in every voxel and no rank correlation within a phase is defined. All others are
rungs at their default settings, but for ``two_point_pca``, which is tuned.

A fit is the folder ``fits/<rung>-c<contrast>-n<samples>-s<seed>``: the stored model,
``predictions.npz`` for every test set, and ``scores.json``, written last.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from studies.paradox.data import available, images_only, test_set, training
from studies.paradox.pieces import Key, Piece, Study

from iceframe.core.files import read_json, replacing, write_json
from iceframe.scale.fitting import Fitted, context_for, fit, tune
from iceframe.scale.rung import RUNGS, Context, Inputs

SYMMETRIES = ("flip", "translate")
TUNED = ("two_point_pca",)
FOLDS = 3
DEGREE = 3


@dataclass(frozen=True)
class Cubic:
    """Least squares of a cubic in the share of phase 1."""

    coefficients: np.ndarray

    @classmethod
    def of(cls, inputs: Inputs, y: np.ndarray) -> Cubic:
        """Fitted to images."""
        return cls(np.polynomial.polynomial.polyfit(share(inputs), y, DEGREE))

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Predictions ``(n,)``."""
        return np.polynomial.polynomial.polyval(share(inputs), self.coefficients)


def share(inputs: Inputs) -> np.ndarray:
    """Share of phase 1 ``(n,)``."""
    assert inputs.images is not None
    values = inputs.images.read(range(len(inputs)))
    return values.reshape(len(values), -1).mean(axis=1, dtype=float)


def pieces(study: Study) -> list[Piece]:
    """One piece a model."""
    return [
        Piece(key.name, folder_of(study, key) / "scores.json", lambda key=key: _make(study, key))
        for key in study.fits
    ]


def folder_of(study: Study, key: Key) -> Path:
    """Where a model lies."""
    return study.out / "fits" / key.name


def fitted_keys(study: Study) -> list[Key]:
    """The models that are there."""
    return [key for key in study.fits if (folder_of(study, key) / "scores.json").exists()]


def load(study: Study, key: Key) -> Fitted:
    """A stored model."""
    return Fitted.load(folder_of(study, key))


def scores(study: Study) -> pd.DataFrame:
    """One row a model and test set."""
    rows = []
    for key in fitted_keys(study):
        found = read_json(folder_of(study, key) / "scores.json")
        about = {name: found[name] for name in ("seconds", "parameters")}
        rows += [key.plain | about | {"test": t} | s for t, s in found["tests"].items()]
    return pd.DataFrame(rows)


def train_inputs(study: Study, key: Key) -> tuple[Inputs, np.ndarray]:
    """What a model is fitted to."""
    data = training(study, key.contrast, key.seed).take(np.arange(key.n))
    return images_only(data.images), data.y


def settings_for(study: Study, key: Key, inputs: Inputs, y: np.ndarray, context: Context) -> dict:
    """Tuned inside the training set where the study says so, else the rung's defaults."""
    rung = RUNGS[key.rung]()
    if key.rung in TUNED:
        return tune(rung, inputs, y, context, trials=study.sizes.trials, folds=FOLDS)
    return {} if study.sizes.epochs is None else {"epochs": study.sizes.epochs}


def _make(study: Study, key: Key) -> None:
    inputs, y = train_inputs(study, key)
    start = time.perf_counter()
    model = _fit(study, key, inputs, y)
    seconds = time.perf_counter() - start
    folder = folder_of(study, key)
    tests = available(study)
    predictions = {}
    for name in tests:
        predictions[name] = model.predict(test_set(study, name, key.contrast).inputs)
    with replacing(folder / "predictions.npz") as temporary:
        np.savez_compressed(temporary, **predictions)
    if isinstance(model, Fitted):
        model.save(folder)
        parameters, settings = model.rung.parameters(model.estimator), dict(model.settings)
    else:
        parameters, settings = DEGREE + 1, {"coefficients": model.coefficients.tolist()}
    found = {
        "seconds": seconds,
        "parameters": parameters,
        "settings": settings,
        "tests": {n: score(test_set(study, n, key.contrast).y, predictions[n]) for n in tests},
    }
    write_json(folder / "scores.json", found)


def _fit(study: Study, key: Key, inputs: Inputs, y: np.ndarray) -> Fitted | Cubic:
    if key.rung == "volume_fraction":
        return Cubic.of(inputs, y)
    context = context_for(
        inputs, "regression", symmetries=SYMMETRIES, seed=key.seed, device=study.device
    )
    settings = settings_for(study, key, inputs, y, context)
    return fit(RUNGS[key.rung](), settings, inputs, y, context)


def score(y: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """How good predictions are: ``nmae`` is the mean absolute error over the spread of ``y``;
    ``r2_affine`` the squared correlation, R² after the best affine rescaling.

    >>> score(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))["r2_affine"]
    1.0
    """
    error = y - predicted
    flat = np.ptp(predicted) == 0
    return {
        "structures": len(y),
        "r2": float(1 - np.mean(error**2) / y.var()),
        "r2_affine": 0.0 if flat else float(np.corrcoef(y, predicted)[0, 1] ** 2),
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "nmae": float(np.abs(error).mean() / y.std()),
        "bias": float(-error.mean()),
    }


def refit(fitted: Fitted, inputs: Inputs, y: np.ndarray) -> np.ndarray:
    """Fitted values after a fit to other targets, all else as it was."""
    again = fit(fitted.rung, fitted.settings, inputs, y, fitted.context)
    return again.predict(inputs)

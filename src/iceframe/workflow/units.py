"""What each kind of unit does: from the workload to files in its folder.

Everything that is compared between runs is deterministic; seconds go to ``timing.json`` alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.files import read_json, write_json
from iceframe.core.seeds import derive_seed, generator
from iceframe.measure.complexity import (
    Estimate,
    effective_features,
    generalised_degrees_of_freedom,
    non_additivity,
)
from iceframe.measure.conformal import Conformal, calibrate
from iceframe.measure.fidelity import plain_scores
from iceframe.measure.partial_dependence import partial_dependence
from iceframe.measure.table_model import model_function
from iceframe.measure.uncertainty.held_out import fold_columns, shift_columns
from iceframe.scale.fitting import fit, tune
from iceframe.scale.rung import RUNGS, Context, Rung
from iceframe.workflow.explaining import explain_held_out
from iceframe.workflow.learning_curve.unit import measure_size
from iceframe.workflow.physics import tested, write_truth
from iceframe.workflow.plan import Unit, Workload
from iceframe.workflow.settings import LEVEL

LISTED, CURVES = 30, 6  # features of a black box that are named, and those with a curve


def perform(unit: Unit, work: Workload, staged: Path, base: Path | None) -> None:
    """Carry out ``unit`` and write its files to ``staged``; ``base`` holds what it builds on."""
    kinds = {
        "truth": _truth,
        "fold": _fold,
        "repeat": _repeat,
        "shift": _shift,
        "final": _final,
        "gdf": _gdf,
        "curve": measure_size,
    }
    kinds[unit.kind](unit, work, staged, base)


# -- exact physics --------------------------------------------------------------------------------


def _truth(unit: Unit, work: Workload, staged: Path, base: Path | None) -> None:
    clock = _Stopwatch()
    write_truth(work, work.fold(unit).test, staged)
    clock.lap("total_seconds")
    clock.write(staged)


# -- an outer fold ---------------------------------------------------------------------------------


def _fold(unit: Unit, work: Workload, staged: Path, base: Path | None) -> None:
    clock = _Stopwatch()
    rung, context = _rung(unit, work)
    fold = work.fold(unit)
    train, y_train = work.inputs.take(fold.train), work.y[fold.train]
    settings = _tuned(rung, context, work, fold.train)
    fitted = fit(rung, settings, train, y_train, context)
    clock.lap("fit_seconds")
    test = work.inputs.take(fold.test)
    predicted = fitted.predict(test)
    clock.lap("predict_seconds")
    conformal = calibrate(
        rung, settings, train, y_train, context, level=LEVEL, groups=work.groups[fold.train]
    )
    frame = _predictions(work, fold.test, predicted, conformal)
    frame.to_parquet(staged / "predictions.parquet")
    clock.lap("calibrate_seconds")
    quality = explain_held_out(fitted, conformal, work, fold.train, fold.test, staged)
    physics = None if base is None else tested(fitted, work, train, base)
    write_json(
        staged / "result.json",
        {
            "settings": settings,
            "n_train": len(fold.train),
            "n_test": len(fold.test),
            "transparency": quality,
            "physics": physics,
        },
    )
    clock.lap("explain_seconds")
    clock.write(staged)


def _predictions(
    work: Workload, test: np.ndarray, predicted: np.ndarray, conformal: Conformal
) -> pd.DataFrame:
    """One row a held-out sample: ``position``, ``y``, the prediction, its interval or set."""
    frame = pd.DataFrame({"position": test, "y": work.y[test]})
    if work.context.task == "regression":
        frame["mean"] = predicted
        frame["low"], frame["high"] = conformal.interval(predicted)
        return frame.assign(**fold_columns(conformal, work.y[test], predicted))
    sets = conformal.sets(predicted)
    for code in range(work.context.n_classes):
        frame[f"p{code}"] = predicted[:, code]
        frame[f"s{code}"] = sets[:, code]
    return frame


# -- the same on another partition -----------------------------------------------------------------


def _repeat(unit: Unit, work: Workload, staged: Path, base: Path | None) -> None:
    clock = _Stopwatch()
    rung, context = _rung(unit, work)
    fold = work.fold(unit)
    settings = _tuned(rung, context, work, fold.train)
    fitted = fit(rung, settings, work.inputs.take(fold.train), work.y[fold.train], context)
    predicted = fitted.predict(work.inputs.take(fold.test))
    scores = plain_scores(work.y[fold.test], predicted, context.task)
    write_json(staged / "result.json", {"settings": settings, "scores": scores})
    clock.lap("total_seconds")
    clock.write(staged)


# -- a held-out cluster ----------------------------------------------------------------------------


def _shift(unit: Unit, work: Workload, staged: Path, base: Path | None) -> None:
    clock = _Stopwatch()
    rung, context = _rung(unit, work)
    fold = work.fold(unit)
    train, y_train = work.inputs.take(fold.train), work.y[fold.train]
    settings = _tuned(rung, context, work, fold.train)
    test, y_test = work.inputs.take(fold.test), work.y[fold.test]
    predicted = fit(rung, settings, train, y_train, context).predict(test)
    conformal = calibrate(
        rung, settings, train, y_train, context, level=LEVEL, groups=work.groups[fold.train]
    )
    seen, new = train.table.values, test.table.values
    frame = pd.DataFrame({"position": fold.test, "y": y_test}).assign(
        **shift_columns(conformal, y_test, predicted, seen, new, seed=work.settings.seed)
    )
    if predicted.ndim == 1:
        frame["mean"] = predicted
    else:
        for code in range(predicted.shape[1]):
            frame[f"p{code}"] = predicted[:, code]
    frame.to_parquet(staged / "predictions.parquet")
    clock.lap("total_seconds")
    clock.write(staged)


# -- the rung on all the data ----------------------------------------------------------------------


def _final(unit: Unit, work: Workload, staged: Path, base: Path | None) -> None:
    clock = _Stopwatch()
    rung, context = _rung(unit, work)
    settings = _tuned(rung, context, work, np.arange(len(work.y)))
    fitted = fit(rung, settings, work.inputs, work.y, context)
    fitted.save(staged / "model")
    conformal = calibrate(
        rung, settings, work.inputs, work.y, context, level=LEVEL, groups=work.groups
    )
    conformal.save(staged / "conformal.json")
    answers = fitted.predict(work.inputs)
    phi = work.inputs.table.values
    seed = work.settings.seed
    direct = model_function(fitted, work.inputs)
    effective = effective_features(answers, phi, seed, predict=direct)
    terms = fitted.describe() or _importances(effective, work, direct)
    write_json(
        staged / "final.json",
        {
            "settings": settings,
            "parameters": rung.parameters(fitted.estimator),
            "c2": asdict(non_additivity(answers, phi, seed)),
            "c3": _without_shares(effective),
            "terms": terms,
        },
    )
    clock.lap("total_seconds")
    clock.write(staged)


def _gdf(unit: Unit, work: Workload, staged: Path, base: Path | None) -> None:
    assert base is not None
    clock = _Stopwatch()
    rung, context = _rung(unit, work)
    settings: Mapping[str, Any] = read_json(base / "final.json")["settings"]
    most = work.settings.gdf_samples[rung.effort]
    index = _spread_sample(work, most)
    inputs, y = work.inputs.take(index), work.y[index]

    def refit(disturbed: np.ndarray) -> np.ndarray:
        return fit(rung, settings, inputs, disturbed, context).predict(inputs)

    estimate = generalised_degrees_of_freedom(
        refit,
        y,
        task=context.task,
        tau_fraction=float(unit.part.removeprefix("tau")),
        replicates=work.settings.gdf_replicates[rung.effort],
        seed=work.settings.seed,  # the same disturbances for every rung
        n_classes=context.n_classes,
    )
    write_json(staged / "gdf.json", {**asdict(estimate), "n": len(index)})
    clock.lap("total_seconds")
    clock.write(staged)


def _spread_sample(work: Workload, most: int) -> np.ndarray:
    """At most ``most`` positions: all, or a seeded draw that keeps every class."""
    n = len(work.y)
    if n <= most:
        return np.arange(n)
    order = generator(work.settings.seed, "gdf sample").permutation(n)
    if work.context.task == "classification":
        # Deal the classes out in turn, so that each keeps its share.
        order = order[np.argsort(turn_in_class(work.y[order]), kind="stable")]
    return np.sort(order[:most])


def turn_in_class(codes: np.ndarray) -> np.ndarray:
    """For each sample its rank within its class, relative to the size of the class."""
    turn = np.empty(len(codes))
    for code in np.unique(codes):
        mine = np.flatnonzero(codes == code)
        turn[mine] = (np.arange(len(mine)) + 0.5) / len(mine)
    return turn


# -- shared ----------------------------------------------------------------------------------------


def _rung(unit: Unit, work: Workload) -> tuple[Rung, Context]:
    seed = derive_seed(work.settings.seed, unit.rung, unit.kind, unit.part)
    return RUNGS[unit.rung](), replace(work.context, seed=seed)


def _tuned(rung: Rung, context: Context, work: Workload, index: np.ndarray) -> dict[str, Any]:
    """Settings tuned on the samples at ``index`` alone."""
    return tune(
        rung,
        work.inputs.take(index),
        work.y[index],
        context,
        trials=work.settings.trials[rung.effort],
        groups=work.groups[index],
    )


class _Stopwatch:
    """Seconds of the stages of a unit, kept apart from its results."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self.last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self.last
        self.last = now

    def write(self, staged: Path) -> None:
        write_json(staged / "timing.json", self.laps)


def _importances(
    effective: Estimate, work: Workload, predict: Callable[[np.ndarray], np.ndarray] | None
) -> list[dict[str, Any]]:
    """For a black box: how much its answers depend on each named feature and, of the first few and
    where the model reads the table, how (:func:`partial_dependence`)."""
    shares = np.asarray(effective.shares, float)
    order = np.argsort(-shares, kind="stable")[:LISTED]
    table = work.inputs.table
    terms: list[dict[str, Any]] = []
    for i in order[shares[order] > 0]:
        term: dict[str, Any] = {"term": table.names[i], "importance": float(shares[i])}
        if predict is not None and len(terms) < CURVES:
            x, y = partial_dependence(predict, table.values, int(i), seed=work.settings.seed)
            term |= {"x": x.tolist(), "y": y.tolist(), "average": True}
        terms.append(term)
    return terms


def _without_shares(effective: Estimate) -> dict[str, Any]:
    return {k: v for k, v in asdict(effective).items() if k != "shares"}

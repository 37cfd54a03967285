"""Held-out answers with and without help: outer folds, and samples from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from studies.coverage.data import Table, load
from studies.coverage.pieces import LEVEL, Study
from studies.paradox.pieces import Piece

from iceframe.core.files import replacing
from iceframe.core.seeds import generator
from iceframe.measure.conformal import Conformal, LeftOut, calibrate, fold_parts, threshold
from iceframe.measure.uncertainty.adaptive import Adaptive, adaptive_intervals
from iceframe.measure.uncertainty.covariate_shift import density_ratio, weighted_thresholds
from iceframe.measure.uncertainty.mondrian import ByRange, Mondrian
from iceframe.measure.uncertainty.sets import lac_scores
from iceframe.scale.fitting import fit, tune
from iceframe.scale.rung import RUNGS

EARLIEST = 1 / 3  # of the samples, in the years that are trained on


def fold_pieces(study: Study) -> list[Piece]:
    """One piece a data set, rung and seed."""
    return [
        Piece(
            f"{name} {rung} {seed}",
            path_of(study, "fold", name, rung, seed),
            partial(_folds, study, name, rung, seed),
        )
        for seed in range(study.seeds)
        for rung in study.rungs
        for name in study.there
    ]


def shift_pieces(study: Study) -> list[Piece]:
    """One piece a data set and rung."""
    return [
        Piece(
            f"{name} {rung}",
            path_of(study, "shift", name, rung, 0),
            partial(_elsewhere, study, name, rung),
        )
        for rung in study.rungs
        for name in study.there
    ]


def path_of(study: Study, stage: str, name: str, rung: str, seed: int) -> Path:
    return study.out / stage / f"{name}-{rung}-s{seed}.parquet"


def _store(frames: list[pd.DataFrame], path: Path, about: dict[str, str | int]) -> None:
    frame = pd.concat(frames, ignore_index=True).assign(**about)
    with replacing(path) as temporary:
        frame.to_parquet(temporary)


# -- outer folds -----------------------------------------------------------------------------------


def _folds(study: Study, name: str, rung: str, seed: int) -> None:
    table = load(study, name)
    frames = []
    for test in fold_parts(table.y, table.task, study.folds, seed, table.together):
        train = np.setdiff1d(np.arange(len(table.y)), test)
        conformal, predicted = _answers(study, table, rung, seed, train, test)
        groups = (table.group[train], table.group[test]) if len(table.group) else None
        frames.append(held(conformal, table.y[test], predicted, groups).assign(position=test))
    about = {"data": name, "rung": rung, "seed": seed, "task": table.task}
    _store(frames, path_of(study, "fold", name, rung, seed), about)


def _answers(
    study: Study, table: Table, rung: str, seed: int, train: np.ndarray, test: np.ndarray
) -> tuple[Conformal, np.ndarray]:
    """Intervals calibrated on the training part alone, and predictions for the test part."""
    inputs, y, groups = table.inputs, table.y[train], table.together[train]
    known, context, kind = inputs.take(train), table.context(seed), RUNGS[rung]()
    settings = tune(kind, known, y, context, trials=study.trials, groups=groups)
    predicted = fit(kind, settings, known, y, context).predict(inputs.take(test))
    return calibrate(kind, settings, known, y, context, level=LEVEL, groups=groups), predicted


def held(
    conformal: Conformal,
    y: np.ndarray,
    predicted: np.ndarray,
    groups: tuple[np.ndarray, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Whether each answer holds the truth, and how wide it is (or how many classes), by ``cv``, by
    ``mondrian`` and, given the groups of the calibration and of the new samples, by ``grouped``."""
    assert conformal.left_out is not None
    scores, left_out = conformal.left_out.scores(), conformal.left_out
    if conformal.task == "classification":
        own = Mondrian.fit(scores, left_out.truth, LEVEL)
        sets = {"cv": conformal.sets(predicted), "mondrian": own.sets(lac_scores(predicted))}
        hits = {f"{k}_hit": part[np.arange(len(y)), y.astype(int)] for k, part in sets.items()}
        sizes = {f"{k}_width": part.sum(axis=1) for k, part in sets.items()}
        return pd.DataFrame({**hits, **sizes, "predicted": predicted.argmax(axis=1), "y": y})
    half = threshold(conformal.scores, LEVEL)
    found = {
        "cv": (predicted - half, predicted + half),
        "mondrian": ByRange.fit(left_out, LEVEL).interval(predicted),
    }
    more = {}
    if groups is not None:
        found["grouped"] = Mondrian.fit(scores, groups[0], LEVEL).interval(predicted, groups[1])
        more["group"] = groups[1]
    hits = {f"{k}_hit": (y >= low) & (y <= high) for k, (low, high) in found.items()}
    widths = {f"{k}_width": high - low for k, (low, high) in found.items()}
    return pd.DataFrame({**hits, **widths, **more, "predicted": predicted, "y": y})


# -- elsewhere -------------------------------------------------------------------------------------


def _elsewhere(study: Study, name: str, rung: str) -> None:
    table = load(study, name)
    frames = []
    for kind, part, train, test in shifts(table):
        conformal, predicted = _answers(study, table, rung, 0, train, test)
        assert conformal.left_out is not None
        truth = LeftOut(table.y[test], predicted, test).scores()
        kept = conformal.left_out.scores()
        plain = threshold(conformal.scores, LEVEL)
        ratio = density_ratio(table.x[train], table.x[test], groups=table.together[train])
        weighted = weighted_thresholds(kept, ratio, LEVEL)
        sure = predicted.argmax(axis=1) == table.y[test] if table.classes else False
        frame = pd.DataFrame(
            {
                "shift": kind,
                "part": part,
                "plain_hit": sure | (truth <= plain),
                "weighted_hit": sure | (truth <= weighted.values),
                "answered": ~weighted.refused,
                "effective": weighted.effective,
                "told_apart": ratio.told_apart,
                "plain_width": plain,
                "weighted_width": weighted.values,
            }
        )
        if kind == "time":
            early = np.argsort(table.year[train], kind="stable")
            (low, high), _ = adaptive_intervals(
                Adaptive.start(kept[early], LEVEL), table.year[test], table.y[test], predicted
            )
            frame["adaptive_hit"] = (table.y[test] >= low) & (table.y[test] <= high)
        frames.append(frame)
    _store(frames, path_of(study, "shift", name, rung, 0), {"data": name, "rung": rung})


def shifts(table: Table) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """(kind, part, train, test) of every way of asking elsewhere."""
    everything = np.arange(len(table.y))
    for cluster in np.unique(table.cluster):
        test = np.flatnonzero(table.cluster == cluster)
        train = np.setdiff1d(everything, test)
        if not table.classes or len(np.unique(table.y[train])) == table.classes:
            yield "cluster", str(cluster), train, test
    for seed in range(3):
        train, test = tilted(table, seed)
        yield "tilt", str(seed), train, test
    if len(table.year):
        last = np.quantile(table.year, EARLIEST)
        yield "time", "", np.flatnonzero(table.year <= last), np.flatnonzero(table.year > last)


def tilted(table: Table, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Half of the groups to train on; the others drawn with weights exp(z) along the first
    principal component, without replacement, half of them."""
    from sklearn.decomposition import PCA
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = generator(seed, "tilt")
    names = np.unique(table.together)
    chosen = np.isin(table.together, rng.permutation(names)[: len(names) // 2])
    axis = make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), PCA(1, random_state=0)
    )
    z = axis.fit_transform(table.x)[:, 0]
    z = z / z.std()
    rest = np.flatnonzero(~chosen)
    weight = np.exp(np.clip(z[rest], -3, 3))
    test = rng.choice(rest, len(rest) // 2, replace=False, p=weight / weight.sum())
    return np.flatnonzero(chosen), np.sort(test)

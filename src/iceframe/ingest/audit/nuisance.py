"""The nuisance baseline: what a model scores without looking at the material.

Extremely randomised trees (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1) see only how a
sample was recorded: image size, mean grey, contrast, sharpness, file size, magnification, operator,
date. Where they score clearly above chance, the target can be told from the recording, and a good
score of any other model proves nothing until it beats this one.

The interval resamples whole families of copies and specimens; the p-value permutes the targets
against the held-out predictions. In images of phases, grey level and file size *are* the material:
they stay out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import IceframeError
from iceframe.core.seeds import derive_seed, generator
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import drop
from iceframe.ingest.coordinates import finite, is_numeric
from iceframe.ingest.duplicates import duplicate_groups, linked
from iceframe.ingest.looks import looks
from iceframe.ingest.roles import PROVENANCE, words
from iceframe.ingest.splits import make_splits

RECORDING = PROVENANCE | {
    *("magnification", "mag", "pixel", "operator", "instrument", "microscope", "detector"),
    *("machine", "laboratory", "lab", "session", "batch", "lot", "file", "filename", "resolution"),
    *("exposure", "gain", "brightness", "contrast", "camera"),
}
"""Words in the names of columns that tell how a sample was recorded."""
LOOKS = ("mean grey", "contrast", "sharpness")
CLEARLY = 0.05
"""The interval must clear chance by this much: of balanced accuracy, or of R²."""
SURE = 0.001
FEWEST = 30
TREES = 100
LEAF = 3
PERMUTATIONS = 1999
RESAMPLES = 500
MOST_LEVELS = 50


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Score the nuisance baseline and compare it with chance."""
    if data.target is None or len(data) < FEWEST:
        return [], {}
    cues = nuisance_cues(data)
    if cues.shape[1] == 0:
        return [], {}
    try:
        splits = make_splits(data, seed=seed) if splits is None else splits
    except IceframeError:
        return [], {}  # the splits themselves cannot be made; whoever needs them says so
    known = np.isfinite(data.y) if data.task == "regression" else np.ones(len(data), bool)
    rows, guess, importance = _held_out(data, cues, splits, known, seed)
    if len(rows) < FEWEST:
        return [], {}
    facts = _judge(data, rows, guess, seed)
    names = list(cues.columns)
    facts["importance"] = {name: float(v) for name, v in zip(names, importance, strict=True)}
    facts["cues"] = sorted(names, key=lambda name: -facts["importance"][name])
    return _finding(data, facts), {"nuisance": facts}


def nuisance_cues(data: Dataset) -> pd.DataFrame:
    """What is known of each sample's recording, as numbers ``(n, cues)``, without constants."""
    cues: dict[str, np.ndarray] = {}
    names = data.features
    if data.images is not None:
        phases = data.images.kind == "phase"
        names = tuple(c for c in data.table.columns if c not in (data.target, data.composition))
        for name, column in data.images.metadata().items():
            known = set(words(str(name)))
            weighs = "file" in known and bool(known & {"bytes", "size"})
            if not (weighs and phases):
                cues["file size" if weighs else str(name)] = _numbers(column)
        if not phases:
            seen = looks(data.images)
            cues |= {name: seen.column(name) for name in LOOKS}
    groups = set(data.groups.values())
    for name in names:
        if name not in groups and RECORDING & set(words(name)):
            cues[name] = _numbers(data.table[name])
    frame = pd.DataFrame(cues, index=range(len(data)))
    return frame.loc[:, [column for column in frame if frame[column].nunique(dropna=False) > 1]]


def _numbers(column: pd.Series) -> np.ndarray:
    """Numbers as they are, labels as codes; labels with too many levels as a constant."""
    if is_numeric(column):
        return finite(column)
    codes, levels = pd.factorize(column.astype(str))
    return codes.astype(float) if len(levels) <= MOST_LEVELS else np.zeros(len(column))


def _held_out(
    data: Dataset, cues: pd.DataFrame, splits: Splits, known: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tested rows ``(m,)``, what was predicted for them ``(m,)``, importance of the cues."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    x = cues.fillna(cues.median()).fillna(0.0).to_numpy(float)
    rows, guesses, importance = [], [], np.zeros(x.shape[1])
    for fold in splits.folds:
        train, test = fold.train[known[fold.train]], fold.test[known[fold.test]]
        if not len(train) or not len(test):
            continue
        options: dict[str, Any] = {
            "n_estimators": TREES,
            "min_samples_leaf": LEAF,
            "random_state": derive_seed(seed, "nuisance", fold.name),
        }
        model = (
            ExtraTreesClassifier(class_weight="balanced", **options)
            if data.task == "classification"
            else ExtraTreesRegressor(**options)
        )
        model.fit(x[train], data.y[train])
        rows.append(test)
        guesses.append(model.predict(x[test]))
        importance += model.feature_importances_ / len(splits.folds)
    if not rows:
        return np.zeros(0, int), np.zeros(0), importance
    return np.concatenate(rows), np.concatenate(guesses), importance


def _judge(data: Dataset, rows: np.ndarray, guess: np.ndarray, seed: int) -> dict[str, Any]:
    """Score, interval, chance level and p-value of held-out predictions."""
    y = data.y[rows]
    rng = generator(seed, "nuisance", "chance")
    families = _families(data)[rows]
    draws = _family_weights(families, rng)
    if data.task == "classification":
        names, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        k, hits = len(names), (y == guess).astype(float)
        score = _balanced(np.ones((1, len(y))), hits, codes, k)[0]
        sample = _balanced(draws, hits, codes, k)
        # Σ_c (hits in c)/(k n_c), with the class counts that no permutation changes.
        guessed = np.where(np.isin(guess, names), np.searchsorted(names, guess), -1)
        weight = 1 / (k * counts)
        orders = (rng.permutation(codes) for _ in range(PERMUTATIONS))
        null = [float(weight[order] @ (order == guessed)) for order in orders]
        metric, chance, reached = "balanced_accuracy", 1 / k, float(score)
    else:
        y, guess = y.astype(float), guess.astype(float)
        score = _r2(np.ones((1, len(y))), y, guess)[0]
        sample = _r2(draws, y, guess)
        # Of R² only Σ y ŷ changes when y is permuted.
        null = [float(rng.permutation(y) @ guess) for _ in range(PERMUTATIONS)]
        metric, chance, reached = "r2", 0.0, float(y @ guess)
    low, high = np.nanquantile(sample, (0.025, 0.975))
    p = (1 + int((np.array(null) >= reached - 1e-12).sum())) / (1 + PERMUTATIONS)
    facts = {"accuracy": float(hits.mean())} if data.task == "classification" else {}
    return facts | {
        "metric": metric,
        "chance": chance,
        "score": float(score),
        "low": float(low),
        "high": float(high),
        "p": p,
        "n": len(rows),
        "flagged": bool(low > chance + CLEARLY and p <= SURE),
    }


def _families(data: Dataset) -> np.ndarray:
    """Samples that are not independent of one another share a label: copies, and specimens."""
    copies = duplicate_groups(data)
    if "specimen" not in data.groups:
        return copies
    codes = pd.factorize(data.table[data.groups["specimen"]])[0].astype(int)
    pairs = []
    for labels in (copies, codes):
        order = np.argsort(labels, kind="stable")
        same = (labels[order][1:] == labels[order][:-1]) & (labels[order][1:] >= 0)
        pairs.append(np.column_stack([order[:-1][same], order[1:][same]]))
    return linked(np.vstack(pairs), len(data))


def _family_weights(families: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How often each sample is drawn when families are resampled ``(RESAMPLES, m)``."""
    labels = np.unique(families, return_inverse=True)[1]
    n = int(labels.max()) + 1
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES)[:, labels].astype(float)


def _balanced(weights: np.ndarray, hits: np.ndarray, codes: np.ndarray, k: int) -> np.ndarray:
    """Weighted balanced accuracy ``(draws,)``."""
    recalls = []
    for c in range(k):
        of_class = weights[:, codes == c]
        total = of_class.sum(axis=1)
        right = of_class @ hits[codes == c].astype(float)
        recalls.append(np.divide(right, total, out=np.full(len(weights), np.nan), where=total > 0))
    return np.nanmean(recalls, axis=0)


def _r2(weights: np.ndarray, y: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Weighted coefficient of determination ``(draws,)``."""
    mass = weights.sum(axis=1)
    mean = weights @ y / mass
    total = weights @ y**2 - mass * mean**2
    residual = weights @ (y - guess) ** 2
    return 1 - np.divide(residual, total, out=np.full(len(weights), np.nan), where=total > 0)


def _finding(data: Dataset, facts: dict[str, Any]) -> list[Finding]:
    if not facts["flagged"]:
        return []
    score = f"{facts['score']:.2f} [{facts['low']:.2f}, {facts['high']:.2f}]"
    name = "balanced accuracy" if facts["metric"] == "balanced_accuracy" else "R²"
    images = data.images is not None
    return [
        Finding(
            "nuisance",
            "warning",
            "The target can be told from how the samples were recorded",
            f"{', '.join(facts['cues'][:4])} alone give {name} {score}, chance "
            f"{facts['chance']:.2f} (p = {facts['p']:.2g}): a model may use the recording, "
            "not the material.",
            (
                "record all samples alike (magnification, detector, contrast), normalise the grey "
                "levels, and count only what a model scores beyond this; "
                "test with --splits leave-out:COLUMN over instrument or session"
                if images
                else f"leave them out with {drop(facts['cues'])}, or test with "
                "--splits leave-out:COLUMN"
            ),
            value=facts["score"],
        )
    ]

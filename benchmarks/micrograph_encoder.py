"""The pre-trained micrograph encoder on real micrographs: few labels, and all of them.

    python benchmarks/micrograph_encoder.py [--data ../shared/data] [--scratch runs/encoder]
        [--draws 20] [--cnn-draws 3]

600 images of ultrahigh-carbon steel, three constituents. Near-duplicates (the project's own search)
are kept on one side: an image in the family of a training image is not tested on.

Few labels: 16 images a class are drawn, everything else is the test set. All methods see the same
draws; differences are paired, with a t interval over the draws. (A draw takes 8 % of the images, so
that the draws' training sets hardly overlap; the test sets do, and the interval is for other draws
of labels, not for another population of images.)

All labels: rungs of the ladder at their own settings, on the project's five stratified folds (in
brackets: worst and best fold). With few labels, penalties and kernel widths are chosen inside each
draw's training images, by cross-validation.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from iceframe.core.dataset import Dataset
from iceframe.core.seeds import generator
from iceframe.core.values import Representation
from iceframe.ingest import read
from iceframe.ingest.duplicates import duplicate_groups
from iceframe.ingest.splits import make_splits
from iceframe.scale.encoder import ENCODERS
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.represent import Representer
from iceframe.scale.rung import RUNGS, Inputs

LABELS = 16
INNER = 4
COSTS = (0.3, 1, 3, 10, 30, 100)
GAMMAS = (0.1, 0.3, 1.0)
LADDER = ("ridge", "svm", "gp")
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1, 10)
PROBE, TEXTURE, CNN = "latents, logistic", "local binary patterns, svm", "cnn from scratch"


def features(data: Dataset, scratch: Path) -> dict[str, np.ndarray]:
    """Latents, local binary patterns and all default descriptors; kept in ``scratch``."""
    scratch.mkdir(parents=True, exist_ok=True)
    found: dict[str, np.ndarray] = {}
    file = scratch / f"descriptors-{data.images.fingerprint[:12]}.npz"
    if not file.exists():
        described = Representer().fit(data).transform(data)
        lbp = np.array([i for name, where in described.blocks.items()
                        if name.startswith("lbp") for i in where])  # fmt: skip
        np.savez(file, all=described.values, lbp=described.values[:, lbp])
    with np.load(file) as held:
        found["descriptors"], found["local binary patterns"] = held["all"], held["lbp"]
    start = time.perf_counter()
    found["latents"] = ENCODERS["micrographs"]().fit(data.images).encode(data.images)
    print(f"latents of {len(data)} images: {time.perf_counter() - start:.0f} s", flush=True)
    known = np.isfinite(found["descriptors"]).all(axis=0)
    found["descriptors"] = found["descriptors"][:, known]
    found["latents + descriptors"] = np.hstack([found["latents"], found["descriptors"]])
    return found


def model(kind: str, width: int, seed: int) -> GridSearchCV:
    """A classifier whose penalty (and kernel width) is chosen by inner folds."""
    if kind == "logistic":
        last, grid = LogisticRegression(max_iter=500), {"logisticregression__C": STRENGTHS}
        score = "neg_log_loss"
    else:
        last, score = SVC(), "accuracy"
        grid = {"svc__C": COSTS, "svc__gamma": [g / width for g in GAMMAS]}
    inner = StratifiedKFold(INNER, shuffle=True, random_state=seed)
    return GridSearchCV(make_pipeline(StandardScaler(), last), grid, cv=inner, scoring=score)


def scored(
    x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, kind: str, seed: int
) -> float:
    moving = x[train].std(axis=0) > 1e-9
    x = x[:, moving]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = model(kind, x.shape[1], seed).fit(x[train], y[train])
    return float((fitted.predict(x[test]) == y[test]).mean())


def draw(y: np.ndarray, groups: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of 16 images a class, and of all images that are no copies of them."""
    rng = generator(0, "labels", number)
    train = np.concatenate(
        [rng.choice(np.flatnonzero(y == c), LABELS, replace=False) for c in np.unique(y)]
    )
    test = np.flatnonzero(~np.isin(groups, groups[train]))
    return train, test


def network_score(data: Dataset, train: np.ndarray, test: np.ndarray, seed: int) -> float:
    """Accuracy of the project's convolutional network, trained on the draw alone."""
    nothing = Representation(np.zeros((len(data), 0)), (), ())
    inputs, y = Inputs(nothing, data.images), data.y
    context = context_for(
        inputs.take(train),
        "classification",
        n_classes=3,
        symmetries=("flip", "rotate90"),
        seed=seed,
    )
    fitted = RUNGS["cnn"]().build({}, context).fit(data.images.take(train), y[train])
    return float((fitted.predict(data.images.take(test)) == y[test]).mean())


def few_labels(
    data: Dataset, found: dict[str, np.ndarray], groups: np.ndarray, draws: int, cnn_draws: int,
    scratch: Path,
) -> dict[str, np.ndarray]:  # fmt: skip
    y = data.y
    methods = {
        PROBE: ("latents", "logistic"),
        "latents, svm": ("latents", "svm"),
        TEXTURE: ("local binary patterns", "svm"),
        "local binary patterns, logistic": ("local binary patterns", "logistic"),
        "all descriptors, svm": ("descriptors", "svm"),
        "all descriptors, logistic": ("descriptors", "logistic"),
        "latents + descriptors, logistic": ("latents + descriptors", "logistic"),
    }
    scores: dict[str, list[float]] = {name: [] for name in methods}
    for number in range(draws):
        train, test = draw(y, groups, number)
        for name, (what, kind) in methods.items():
            scores[name].append(scored(found[what], y, train, test, kind, number))
        print(f"  draw {number + 1}/{draws}", flush=True)
    kept = scratch / "cnn.json"  # minutes each: kept, and resumed
    networks: list[float] = json.loads(kept.read_text()) if kept.exists() else []
    for number in range(len(networks), cnn_draws):
        networks.append(network_score(data, *draw(y, groups, number), number))
        kept.write_text(json.dumps(networks))
        print(f"  cnn {number + 1}/{cnn_draws}: {networks[-1]:.3f}", flush=True)
    scores[CNN] = networks[:cnn_draws]
    return {name: np.array(values) for name, values in scores.items()}


def interval(values: np.ndarray) -> str:
    """Mean and 95 % t interval."""
    if len(values) < 2:
        return f"{values.mean():.3f}" if len(values) else "–"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.3f} ({values.mean() - half:.3f} to {values.mean() + half:.3f})"


def few_table(scores: dict[str, np.ndarray]) -> str:
    lines = [
        f"| {LABELS} labels a class | draws | accuracy | probe minus it, paired |",
        "|---|---|---|---|",
    ]
    for name, values in scores.items():
        gap = "" if name == PROBE else interval(scores[PROBE][: len(values)] - values)
        lines.append(f"| {name} | {len(values)} | {interval(values)} | {gap} |")
    return "\n".join(lines)


def all_labels(data: Dataset, found: dict[str, np.ndarray]) -> str:
    """The project's rungs at their own settings, on its own folds."""
    codes = np.unique(data.y, return_inverse=True)[1]
    folds = make_splits(data, "stratified", folds=5, seed=0).folds
    lines = [
        "| all labels, five folds | " + " | ".join(LADDER) + " |",
        "|---" * (len(LADDER) + 1) + "|",
    ]
    for what, x in found.items():
        table = Representation(x, tuple(map(str, range(x.shape[1]))), ("",) * x.shape[1])
        cells = []
        for name in LADDER:
            each = []
            for fold in folds:
                train, test = Inputs(table).take(fold.train), Inputs(table).take(fold.test)
                context = context_for(train, "classification", n_classes=3)
                fitted = fit(RUNGS[name](), {}, train, codes[fold.train], context)
                each.append((fitted.predict(test).argmax(axis=1) == codes[fold.test]).mean())
            cells.append(f"{np.mean(each):.3f} ({min(each):.3f} to {max(each):.3f})")
        lines.append(f"| {what} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--scratch", type=Path, default=Path("runs/encoder"))
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--cnn-draws", type=int, default=3)
    parser.add_argument("--few-only", action="store_true", help="leave out the five folds")
    parser.add_argument("--all-only", action="store_true", help="leave out the draws")
    given = parser.parse_args()
    data = read(given.data / "micrographs/uhcs", "constituent", symmetries=["flip", "rotate90"])
    groups = duplicate_groups(data)
    found = features(data, given.scratch)
    for what, x in found.items():
        print(f"{what}: {x.shape[1]} columns")
    if not given.all_only:
        scores = few_labels(data, found, groups, given.draws, given.cnn_draws, given.scratch)
        print("\n" + few_table(scores))
    if not given.few_only:
        print("\n" + all_labels(data, found))


if __name__ == "__main__":
    main()

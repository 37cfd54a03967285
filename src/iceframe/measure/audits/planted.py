"""Findings on cues: how much of the target each tells alone, and whether a model could live on it.

The nuisance-only baseline is a forest of extremely randomised trees (Geurts et al. 2006,
doi:10.1007/s10994-006-6226-1) that sees nothing of an image but the place of the cue: block means
and shares of white and black pixels there, against the middle; the lines of the border; the smooth
surface; or the tones. Five folds, scored as balanced accuracy, or R², with a bootstrap interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from iceframe.core.dataset import ImageSource
from iceframe.core.seeds import derive_seed, generator
from iceframe.core.values import Finding
from iceframe.ingest.neutral import Cue, NeutralImages, smooth_surfaces
from iceframe.measure.audits.cues import FoundCue
from iceframe.measure.audits.outcome import Examined
from iceframe.measure.audits.places import places

KIND = "cues"
FOLDS = 5
TREES = 40
LEAF = 3
RESAMPLES = 500
REMEDIES = {
    "scale bar": "crop the overlay away, or paint over it in every image",
    "banner": "crop the strip away in every image",
    "border": "cut the border off every image",
    "uneven light": "divide by a blank field or level the background of every image; record all "
    "groups at one magnification",
    "brightness": "normalise the mean grey level of every image",
    "column": "leave the column out",
}


def seen_there(images: ImageSource, cue: Cue) -> np.ndarray:
    """What the place of ``cue`` shows of each image ``(n, f)``, and nothing else."""
    seen = places(images)
    n, rows, columns = seen.blocks.shape
    if cue.kind == "brightness":
        return np.column_stack([seen.tones, seen.mean])
    if cue.kind == "uneven light":
        return seen.blocks.reshape(n, -1) @ smooth_surfaces(rows, columns, 2)[:, 1:].astype(float)
    if cue.kind == "border":
        return seen.strips[:, :, : cue.width].reshape(n, -1)
    assert cue.box is not None
    edges = seen.edges(0), seen.edges(1)
    spans = []
    for axis, (first, last) in enumerate((cue.box[:2], cue.box[2:])):
        inside = (edges[axis][:-1] < last) & (edges[axis][1:] > first)
        spans.append(slice(int(inside.argmax()), len(inside) - int(inside[::-1].argmax())))
    parts = [v[:, spans[0], spans[1]].reshape(n, -1) for v in (seen.blocks, seen.white, seen.black)]
    return np.hstack(parts)


def alone(x: np.ndarray, y: np.ndarray, classification: bool, seed: int) -> dict[str, Any]:
    """What ``x`` ``(n, f)`` alone tells of ``y`` ``(n,)``: held-out score, interval, chance."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.model_selection import KFold, StratifiedKFold

    state = derive_seed(seed, "alone")
    options: dict[str, Any] = {
        "n_estimators": TREES, "min_samples_leaf": LEAF, "random_state": state,
    }  # fmt: skip
    kind: Any = StratifiedKFold if classification else KFold
    guess = np.empty(len(y), dtype=y.dtype)
    for train, test in kind(FOLDS, shuffle=True, random_state=state).split(x, y):
        model = (
            ExtraTreesClassifier(class_weight="balanced", **options)
            if classification
            else ExtraTreesRegressor(**options)
        )
        guess[test] = model.fit(x[train], y[train]).predict(x[test])
    rng = generator(seed, "alone", "resamples")
    draws = rng.integers(0, len(y), (RESAMPLES, len(y)))
    if classification:
        classes = np.unique(y)

        def score(index: np.ndarray) -> float:
            hit, of = guess[index] == y[index], y[index]
            return float(np.mean([hit[of == c].mean() for c in classes if (of == c).any()]))

        chance, metric = 1 / len(classes), "balanced accuracy"
    else:

        def score(index: np.ndarray) -> float:
            spread = float(((y[index] - y[index].mean()) ** 2).sum())
            return 1 - float(((y[index] - guess[index]) ** 2).sum()) / max(spread, 1e-300)

        chance, metric = 0.0, "R²"
    low, high = np.quantile([score(index) for index in draws], (0.025, 0.975))
    value = score(np.arange(len(y)))
    return {
        "metric": metric, "score": value, "low": float(low), "high": float(high), "chance": chance,
    }  # fmt: skip


def examine(
    images: ImageSource,
    y: np.ndarray,
    names: Sequence[str],
    found: Sequence[FoundCue],
    classification: bool,
    seed: int,
) -> Examined:
    """Findings on ``found`` cues of ``images``; ``y`` ``(n,)`` codes or numbers; ``names`` of the
    groups. Facts hold what pictures show: how strongly each block differs."""
    findings: list[Finding] = []
    facts: list[dict[str, Any]] = []
    cues: dict[int, str] = {}
    for one in found:
        told = alone(seen_there(images, one.cue), y, classification, seed)
        cues[len(findings)] = str(one.cue)
        findings.append(_finding(one, told, names))
        facts.append(
            {
                "cue": str(one.cue), "kind": one.cue.kind, "where": one.where,
                "group": names[one.group], "difference": one.difference, "t": one.t, "p": one.p,
                "alike": one.alike, "alone": told, "box": one.cue.box, "width": one.cue.width,
                "strength": np.round(one.strength, 2).tolist(), "grid": list(images.shape[1:]),
            }
        )  # fmt: skip
        images = NeutralImages(images, one.cue)
    return Examined(KIND, tuple(findings), {"cues": facts}, cues=cues)


def _finding(one: FoundCue, told: dict[str, Any], names: Sequence[str]) -> Finding:
    group = names[one.group]
    maybe = one.cue.kind == "brightness" and not one.alike
    title = f"{one.cue.kind[0].upper()}{one.cue.kind[1:]} tells the target"
    said = (
        f"{one.where[0].upper()}{one.where[1:]}: images of {group} differ there by "
        f"{one.difference:+.3f} grey levels from the others, beyond any difference of the material "
        f"(t = {one.t:.1f}, p = {one.p:.2g}). "
        if one.cue.kind != "brightness"
        else f"Images of {group} are {abs(one.difference):.3f} grey levels "
        f"{'brighter' if one.difference > 0 else 'darker'} on average (t = {one.t:.1f}, "
        f"p = {one.p:.2g}); "
        + (
            "only some tones are, so that it may be the material (another share of a phase). "
            if maybe
            else "all tones are, as a setting of the microscope makes them. "
        )
    )
    return Finding(
        f"cue-{one.cue.kind.replace(' ', '-')}",
        "note" if maybe else "warning",
        title + (", or the material does" if maybe else ""),
        said + f"It alone gives {told['metric']} {told['score']:.2f} [{told['low']:.2f}, "
        f"{told['high']:.2f}], chance {told['chance']:.2f}.",
        f"{REMEDIES[one.cue.kind]}; then fit again: without_cue(data, '{one.cue}')",
        value=told["score"],
    )

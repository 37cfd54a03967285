"""Every model explained by every explainer that can, and scored against the exact physics.

For each model: its own flips of the voxels whose exact flips are known (*model vs physics*). For
each pair of a model and an explainer: maps of the judged structures, PF and PF* with intervals, and
*explanation vs model*. Maps of the first structures are kept for the cheap metrics and for the
agreement from seed to seed.

The explainer ``phase_flip`` *is* the model's own flips: its agreement is taken from those voxels,
and whole maps are made of a few structures only. ``integrated_gradients_same_statistics`` asks for
four times the gradients of the others, and is judged on half the structures in distribution.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from studies.paradox import cheap, complexity
from studies.paradox.data import available, test_set
from studies.paradox.models import fitted_keys, load, train_inputs
from studies.paradox.pieces import Key, Piece, Study, console
from studies.paradox.truth import JUDGED, truth, truth_path

from iceframe.core.files import read_json, replacing, write_json
from iceframe.measure.explainer import EXPLAINERS, Explainer
from iceframe.measure.image_model import ImageModel
from iceframe.measure.physical.agreement import (
    PhysicalAgreement,
    model_phase_flips,
    physical_agreement,
    predicted_flips,
    within_phase_agreement,
)
from iceframe.measure.physical.truth import PhysicalTruth
from iceframe.scale.rung import Inputs

FLIPS = "phase_flip"
WHOLE_FLIP_MAPS = 4
HALF = "integrated_gradients_same_statistics"
# What is cheap and most asked for comes first; other explainers follow.
FIRST = ("input_gradient", "integrated_gradients", "gradient_x_input", "grad_cam",
         "attention_rollout", "attention_gradient", "smooth_gradient")  # fmt: skip
SEED = 0


def pieces(study: Study) -> list[Piece]:
    """Physical agreement of all models first, then the cheap metrics, then complexity."""
    keys = [key for key in fitted_keys(study) if key.rung != "volume_fraction"]
    waiting = [key for key in keys if truths_missing(study, key.contrast)]
    if waiting:
        console.print(f"measure: {len(waiting)} models wait for the stage truth")
        keys = [key for key in keys if key not in waiting]
    flips = [
        Piece(f"flips of {k.name}", _flips_path(study, k), lambda k=k: _make_flips(study, k))
        for k in keys
    ]
    every = [(name, key) for name in image_explainers() for key in keys]
    pairs = [
        Piece(
            f"{name} of {key.name}",
            _pair_path(study, key, name),
            lambda key=key, name=name: _make_pair(study, key, name),
        )
        for name, key in every
    ]
    others = [
        Piece(
            f"metrics of {name} of {key.name}",
            _cheap_path(study, key, name),
            lambda key=key, name=name: _make_cheap(study, key, name),
        )
        for name, key in every
    ]
    return [*flips, *pairs, *others, *complexity.pieces(study)]


@cache
def image_explainers() -> tuple[str, ...]:
    """All explainers of images that there are, those of :data:`FIRST` first."""
    found = [name for name, kind in EXPLAINERS.items() if kind.input == "image"]
    later = sorted(name for name in found if name not in FIRST)
    return (*(name for name in FIRST if name in found), *later)


def pairs(study: Study) -> pd.DataFrame:
    """One row a pair of a model and an explainer that has been measured."""
    rows = []
    for key in fitted_keys(study):
        for name in image_explainers():
            path = _pair_path(study, key, name)
            if not path.exists():
                continue
            found = read_json(path)
            if found["refused"]:
                continue
            row: dict[str, Any] = key.plain | {"explainer": name, "meaning": found["meaning"]}
            for test, scores in found["sets"].items():
                row |= {f"{score} {test}": value for score, value in scores.items()}
            side = _cheap_path(study, key, name)
            row |= read_json(side) if side.exists() else {}
            rows.append(row | {"explainer_seconds": found["seconds"]})
    return pd.DataFrame(rows)


def maps_of(study: Study, key: Key, explainer: str) -> np.ndarray | None:
    """Kept maps ``(n, *grid)``, or nothing where the explainer does not go with the model."""
    path = _pair_path(study, key, explainer).with_suffix(".npz")
    if not path.exists():
        return None
    with np.load(path) as stored:
        return stored["maps"]


def truths_missing(study: Study, contrast: float) -> bool:
    """Whether exact flips at this contrast are still to be computed."""
    return not all(truth_path(study, name, contrast).exists() for name in judged(study))


def judged(study: Study) -> tuple[str, ...]:
    """The test sets whose exact flips can be had here."""
    return tuple(name for name in JUDGED if name in available(study))


def _folder(study: Study, key: Key) -> Path:
    return study.out / "measures" / key.name


def _flips_path(study: Study, key: Key) -> Path:
    return _folder(study, key) / "flips.npz"


def _pair_path(study: Study, key: Key, explainer: str) -> Path:
    return _folder(study, key) / f"{explainer}.json"


def _cheap_path(study: Study, key: Key, explainer: str) -> Path:
    return _folder(study, key) / f"{explainer}.cheap.json"


def _structures(study: Study, key: Key, name: str, n: int) -> Inputs:
    return test_set(study, name, key.contrast).first(n).inputs


def _make_flips(study: Study, key: Key) -> None:
    model = ImageModel.of(load(study, key))
    found = {}
    for name in judged(study):
        exact = truth(study, name, key.contrast)
        x = _structures(study, key, name, len(exact)).images.read(range(len(exact)))
        found[name] = model_phase_flips(model, x, exact)
    with replacing(_flips_path(study, key)) as temporary:
        np.savez_compressed(temporary, **found)


def _make_pair(study: Study, key: Key, name: str) -> None:
    fitted, explainer = load(study, key), EXPLAINERS[name]()
    path = _pair_path(study, key, name)
    refused = explainer.refusal(fitted)
    if refused:
        write_json(path, {"refused": refused})
        return
    background = train_inputs(study, key)[0]
    sets = {}
    start = time.perf_counter()
    for test in judged(study):
        exact = truth(study, test, key.contrast)
        if name == HALF:
            if test != "inside":
                continue
            exact = exact.take(np.arange(len(exact) // 2))
        inputs = _structures(study, key, test, len(exact))
        x = inputs.images.read(range(len(exact)))
        with np.load(_flips_path(study, key)) as stored:
            answers = stored[test][: len(exact)]
        if name == FLIPS:
            maps, gap = _flips_as_maps(answers, exact), np.full(len(exact), np.nan)
        else:
            found = explainer.explain(fitted, inputs, background, seed=SEED)
            maps, gap = np.asarray(found.values), found.gap
        sets[test] = _scores(maps, explainer, x, exact, answers, gap)
        if test == "inside":
            kept = maps[: study.sizes.cheap]
    if name == FLIPS:
        few = _structures(study, key, "inside", min(WHOLE_FLIP_MAPS, study.sizes.cheap))
        kept = np.asarray(explainer.explain(fitted, few, background, seed=SEED).values)
    seconds = time.perf_counter() - start
    with replacing(path.with_suffix(".npz")) as temporary:
        np.savez_compressed(temporary, maps=kept.astype(np.float32))
    record = {"refused": "", "meaning": explainer.meaning, "seconds": seconds, "sets": sets}
    write_json(path, record)


def _flips_as_maps(answers: np.ndarray, exact: PhysicalTruth) -> np.ndarray:
    """What the score loses when a voxel flips, at the voxels that are looked at; zero elsewhere."""
    maps = np.zeros(exact.phases.shape)
    sample, number = np.nonzero(exact.drawn)
    maps[(sample, *exact.voxels[sample, number].T)] = -answers[sample, number]
    return maps


def _scores(
    maps: np.ndarray,
    explainer: Explainer,
    x: np.ndarray,
    exact: PhysicalTruth,
    answers: np.ndarray,
    gap: np.ndarray,
) -> dict[str, float]:
    agreement = physical_agreement(maps, explainer.meaning, x, exact)
    predicted = predicted_flips(maps, explainer.meaning, x, exact)
    compared = np.abs(answers) if explainer.meaning == "importance" else answers
    return {
        **_summary(agreement),
        "explanation_vs_model": _mean(within_phase_agreement(predicted, compared, exact.phase)),
        "model_vs_physics": _mean(within_phase_agreement(answers, exact.flip, exact.phase)),
        "completeness_gap": _median(gap),
        "structures": len(exact),
    }


def _summary(agreement: PhysicalAgreement) -> dict[str, float]:
    low, high = agreement.interval()
    return {
        "pf": _mean(agreement.pf),
        "pf_star": agreement.star(),
        "pf_star_low": low,
        "pf_star_high": high,
        "floor": agreement.floor,
        "ceiling": _mean(agreement.ceiling),
        "defined": float(np.isfinite(agreement.pf).mean()),
        "covered": _mean(agreement.covered),
    }


def _make_cheap(study: Study, key: Key, name: str) -> None:
    path = _cheap_path(study, key, name)
    fitted, explainer = load(study, key), EXPLAINERS[name]()
    if explainer.refusal(fitted):
        write_json(path, {})
        return
    maps = maps_of(study, key, name)
    if maps is None:
        raise FileNotFoundError(f"no maps by {name} of {key.name}: the pair comes first")
    inputs = _structures(study, key, "inside", len(maps))
    background = train_inputs(study, key)[0]
    write_json(path, cheap.metrics(fitted, explainer, inputs, maps, background, SEED))


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")

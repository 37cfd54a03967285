"""Explanations of held-out samples: how good they are, and a few to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iceframe.core.files import write_json
from iceframe.core.seeds import generator
from iceframe.measure import transparency
from iceframe.measure.attribution import attribute, default_explainer
from iceframe.measure.conformal import Conformal
from iceframe.measure.explainer import EXPLAINERS, Attributions, Background, ImageExplainer
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps import concentration
from iceframe.measure.maps.quality import map_quality
from iceframe.measure.model_flips import flips, foretold_flips, on_parts
from iceframe.scale.fitting import Fitted
from iceframe.workflow.examples import as_row, example_of, picture
from iceframe.workflow.physics import physics_maps
from iceframe.workflow.plan import Workload

EXAMPLES = 6


def explain_held_out(
    fitted: Fitted,
    conformal: Conformal,
    work: Workload,
    train: np.ndarray,
    test: np.ndarray,
    staged: Path,
) -> dict[str, list[float]]:
    """Explain held-out samples, measure how good the explanations are, and keep some.

    Returns one value an explained sample for each metric; the kept ones lie in ``staged``.
    """
    # The same samples and the same questions for every rung: they compare in pairs, and what a
    # foundation model said of a crystal for one rung is found again for the next.
    seed = work.settings.seed
    rng = generator(seed, "explained samples")
    chosen = np.sort(rng.permutation(test)[: work.settings.explain_samples])
    inputs, background, y = work.inputs.take(chosen), work.inputs.take(train), work.y[train]
    attributions = attribute(fitted, inputs, background, seed=seed)
    codes = attributions.target if work.context.task == "classification" else None
    moved = flips(fitted, inputs, background, seed=seed, codes=codes)
    refit = (fitted.rung, fitted.settings, background, y, fitted.context, attributions, inputs)
    quality = {
        "faithfulness": transparency.faithfulness(
            foretold_flips(attributions, inputs, background), moved
        ),
        "compactness": concentration.compactness(on_parts(attributions)),
        "completeness_gap": transparency.completeness(attributions),
        "seed_stability": transparency.seed_stability(*refit, attribution_seed=seed),
        "resample_stability": transparency.resample_stability(*refit, attribution_seed=seed),
    }
    _keep_examples(fitted, conformal, work, chosen, attributions, staged)
    if fitted.rung.input == "image":
        assert inputs.images is not None
        assert background.images is not None
        explainer = EXPLAINERS[default_explainer(fitted, inputs)]()
        assert isinstance(explainer, ImageExplainer)
        quality |= map_quality(
            ImageModel.of(fitted), explainer, inputs.images, attributions,
            Background(background.images), seed=seed,
        )  # fmt: skip
    return {name: np.asarray(values, float).tolist() for name, values in quality.items()}


def _keep_examples(
    fitted: Fitted,
    conformal: Conformal,
    work: Workload,
    chosen: np.ndarray,
    attributions: Attributions,
    staged: Path,
) -> None:
    """Keep samples from the best to the worst predicted, evenly spread."""
    loss = _losses(fitted.predict(work.inputs.take(chosen)), work.y[chosen])
    ranked = np.argsort(loss, kind="stable")
    spread = np.linspace(0, len(ranked) - 1, min(EXAMPLES, len(ranked))).astype(int)
    explanations = attributions.explanations(work.target, work.classes)
    examples = []
    kept = ranked[np.unique(spread)]
    for place in kept:
        position = int(chosen[place])
        truth = work.y[position]
        examples.append(
            example_of(
                explanations[place],
                fitted,
                conformal,
                work.inputs.take(np.array([position])),
                str(work.ids[position]),
                work.classes[int(truth)] if work.classes else float(truth),
                work.classes,
            )
        )
    write_json(staged / "examples.json", [as_row(e) for e in examples])
    if fitted.rung.input == "image":
        np.save(staged / "maps.npy", np.stack([e.map for e in examples if e.map is not None]))
        np.save(staged / "images.npy", np.stack([e.image for e in examples if e.image is not None]))
        if work.law is not None:
            assert work.inputs.images is not None
            whole = work.inputs.images.read(chosen[kept])
            found = physics_maps(whole, work.law, attributions.meaning)
            np.save(staged / "physics.npy", np.stack([picture(one) for one in found]))


def _losses(predicted: np.ndarray, y: np.ndarray) -> np.ndarray:
    if predicted.ndim == 1:
        return np.abs(predicted - y)
    return 1.0 - predicted[np.arange(len(y)), y]

"""Metrics of explanations that need no physics: what PF* is to be foretold from.

Each is a mean (a median where the metric's own docstring warns of exploding ratios) over structures
in distribution; structures where it is undefined are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iceframe.measure.explainer import Background, Explainer, ImageExplainer
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps.concentration import compactness, entropy, gini
from iceframe.measure.maps.deletion import deletion
from iceframe.measure.maps.infidelity import infidelity
from iceframe.measure.maps.randomisation import efficient_mprt, layers_of
from iceframe.measure.maps.sensitivity import sensitivity
from iceframe.scale.fitting import Fitted
from iceframe.scale.rung import Inputs

# Metric and whether more of it is better. The last four are not made here: they come with the pair,
# from the seeds of the rung, and from the model.
BETTER = {
    "infidelity": "lower",
    "infidelity_flips": "lower",
    "deletion": "higher",
    "deletion_flips": "higher",
    "max_sensitivity": "lower",
    "mean_sensitivity": "lower",
    "max_sensitivity_boundary": "lower",
    "mean_sensitivity_boundary": "lower",
    "efficient_mprt": "higher",
    "entropy": "lower",
    "compactness": "higher",
    "gini": "higher",
    "completeness_gap inside": "lower",
    "explanation_vs_model inside": "higher",
    "seed_agreement": "higher",
    "r2 inside": "higher",
}
STEPS, RANDOM_ORDERS = 16, 2  # of a deletion curve
NEIGHBOURS = 3  # of an image, for sensitivity
# Explainers that ask for every voxel: what explains again and again is left out for them.
ONCE = ("phase_flip",)


def metrics(
    fitted: Fitted,
    explainer: Explainer,
    inputs: Inputs,
    array: np.ndarray,
    background: Inputs,
    seed: int,
) -> dict[str, float]:
    """All metrics of one pair that ask nothing of other models; ``array``: maps of ``inputs``."""
    assert isinstance(explainer, ImageExplainer)
    assert inputs.images is not None
    assert background.images is not None
    model, against = ImageModel.of(fitted), Background(background.images)
    x = model.to_device(inputs.images.read(range(len(inputs))))
    maps = model.to_device(array)
    common: dict[str, Any] = {"codes": None, "background": against}
    told = {
        "meaning": explainer.meaning,
        # A flip counts from the other phase; where no baseline is named, from the mean structure.
        "baseline": against.flipped(x)
        if explainer.name in ONCE
        else explainer.baseline(x, against, seed),
    }
    curves = {"steps": STEPS, "random_orders": RANDOM_ORDERS, "seed": seed}
    found = {
        "infidelity": infidelity(model, x, maps, **common, **told),
        "infidelity_flips": infidelity(model, x, maps, **common, **told, fill="other phase"),
        "entropy": entropy(array),
        "compactness": compactness(array),
        "gini": gini(array),
    }
    areas = {
        "deletion": deletion(model, x, maps, **common, **curves).area,
        "deletion_flips": deletion(
            model, x, maps, **common, **curves, fill="other phase"
        ).area,
    }  # fmt: skip
    if explainer.name not in ONCE:
        for kind, name in (("noise", "sensitivity"), ("boundary", "sensitivity_boundary")):
            moved = sensitivity(
                explainer, model, x, maps, **common, perturbation=kind, neighbours=NEIGHBOURS,
                seed=seed, explainer_seed=seed,
            )  # fmt: skip
            areas |= {f"max_{name}": moved.maximum, f"mean_{name}": moved.average}
        if layers_of(model.module):
            areas["efficient_mprt"] = efficient_mprt(
                model, explainer, x, None, against, seed, maps=array
            )
    means = {name: _average(np.mean, values) for name, values in found.items()}
    return means | {name: _average(np.median, values) for name, values in areas.items()}


def _average(function: Any, values: np.ndarray) -> float:
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    return float(function(values)) if len(values) else float("nan")

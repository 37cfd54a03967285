"""Every explainer and every metric of maps on a network of volumes, 32³.

    python benchmarks/explain_volumes.py

A ``cnn`` is fitted to 40 random fields (their conductivity along x, contrast 10), and 4 others are
explained. Processor seconds for the 4 maps, for all metrics together, and physical agreement.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from iceframe.core.dataset import ArrayImages
from iceframe.core.values import Representation
from iceframe.measure.explainer import EXPLAINERS, Background, ImageExplainer
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps.quality import map_quality
from iceframe.measure.physical.agreement import physical_agreement
from iceframe.measure.physical.truth import physical_truth
from iceframe.physics import generate, homogenize
from iceframe.physics.properties import Conductivity
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.rung import RUNGS, Inputs

TRAINING, EXPLAINED, SIDE = 40, 4, 32
LAW = Conductivity([1.0, 10.0])


def main() -> None:
    torch.set_num_threads(1)
    n = TRAINING + EXPLAINED
    shares = np.tile(np.linspace(0.25, 0.75, 11), 4)
    made = generate("random_field", n, (SIDE,) * 3, volume_fraction=shares, length=3.0, seed=0)
    y = homogenize(made.phases, LAW).tensor[:, 0, 0]
    x = made.phases[:, None].astype(np.float32)
    inputs = Inputs(Representation(np.zeros((n, 0)), (), ()), ArrayImages(x, True, "phase"))
    train, new = inputs.take(np.arange(TRAINING)), inputs.take(np.arange(TRAINING, n))
    truth = physical_truth(made.phases[TRAINING:], LAW, "k_xx", per_phase=16)
    for rung in ("cnn", "vit"):
        fitted = fit(
            RUNGS[rung](), {"epochs": 10}, train, y[:TRAINING], context_for(train, "regression")
        )
        explain(rung, fitted, train, new, truth)


def explain(rung, fitted, train, new, truth) -> None:
    model, background = ImageModel.of(fitted), Background(train.images)
    volumes = new.images.read(np.arange(EXPLAINED))
    for name, kind in EXPLAINERS.items():
        if not issubclass(kind, ImageExplainer) or kind().refusal(fitted):
            continue
        if rung == "vit" and kind.needs != "attention":
            continue
        explainer = kind()
        start = time.process_time()
        found = explainer.explain(fitted, new, train)
        mapped = time.process_time() - start
        start = time.process_time()
        quality = map_quality(model, explainer, new.images, found, background, few=1)
        judged = time.process_time() - start
        agreement = physical_agreement(found.values, found.meaning, volumes, truth, model=model)
        undefined = [m for m, values in quality.items() if not np.isfinite(values).any()]
        print(
            f"| {rung} | {name} | {mapped:.2f} | {judged:.1f} | {len(quality) - len(undefined)} "
            f"| {', '.join(undefined) or '–'} | {np.nanmean(agreement.pf):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""How good maps over images are as pictures of their model: all metrics that need no physics.

One pass: the maps are made once, and every metric asks the model about changed images in batches.
What costs an explanation for each answer (sensitivity, randomisation) is measured on a few samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from iceframe.measure.explainer import Attributions, Background, ImageExplainer
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps import concentration
from iceframe.measure.maps.deletion import deletion
from iceframe.measure.maps.infidelity import infidelity
from iceframe.measure.maps.randomisation import efficient_mprt, mprt
from iceframe.measure.maps.sensitivity import sensitivity

if TYPE_CHECKING:
    from iceframe.core.dataset import ImageSource

FEW = 8
"""Samples whose maps are made again and again."""


def map_quality(
    model: ImageModel,
    explainer: ImageExplainer,
    images: ImageSource,
    attributions: Attributions,
    background: Background,
    *,
    seed: int = 0,
    few: int = FEW,
) -> dict[str, np.ndarray]:
    """Values per sample, by metric: ``(n,)``, NaN where not measured or undefined.

    Parameters
    ----------
    images : the explained images, ``n``. attributions : what ``explainer`` said of them under
        ``seed``.
    few : on how many of them sensitivity and randomisation are measured.
    """
    import torch

    x = model.to_device(images.read(np.arange(len(images))))
    maps = torch.as_tensor(attributions.values, dtype=torch.float32, device=model.device)
    codes = torch.as_tensor(np.maximum(attributions.target, 0), device=model.device)
    meaning, base = attributions.meaning, explainer.baseline(x, background, seed)
    fill = "other phase" if images.kind == "phase" else "mean"
    flat = attributions.values.reshape(len(x), -1)
    found = {
        "infidelity": infidelity(
            model, x, maps, codes, background, meaning=meaning, baseline=base, fill=fill
        ),
        "deletion": deletion(model, x, maps, codes, background, fill=fill, seed=seed).area,
        "insertion": deletion(
            model, x, maps, codes, background, fill=fill, insertion=True, seed=seed
        ).area,
        "map_entropy": concentration.entropy(flat),
        "gini": concentration.gini(flat),
    }
    part = slice(0, few)
    one = (model, explainer, x[part], codes[part], background, seed)
    moved = sensitivity(
        explainer, model, x[part], maps[part], codes[part], background,
        seed=seed, explainer_seed=seed,
    )  # fmt: skip
    some = {
        "max_sensitivity": moved.maximum,
        "average_sensitivity": moved.average,
        "mprt": mprt(*one, maps=attributions.values[part]).last,
        "efficient_mprt": efficient_mprt(*one, maps=attributions.values[part]),
    }
    for name, values in some.items():
        found[name] = np.full(len(x), np.nan)
        found[name][part] = values
    return found

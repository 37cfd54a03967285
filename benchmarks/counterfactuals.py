"""Concepts that a network uses, and whether its counterfactual structures would have worked.

    python benchmarks/counterfactuals.py

A ``cnn`` learns the conductivity (contrast 10) of 300 random fields of 32²; 16 of 100 others are
changed so that its prediction rises by half a standard deviation, and the solver says what that
would have done. Concepts: score per standard deviation of each descriptor, beside a regression of
the solver's values on the same descriptors. About twenty seconds.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.preprocessing import scale

from iceframe.core.dataset import ArrayImages
from iceframe.core.seeds import generator
from iceframe.core.values import Representation
from iceframe.measure.beyond_maps.concepts import concept_use
from iceframe.measure.beyond_maps.counterfactual import counterfactuals, solved
from iceframe.measure.image_model import ImageModel
from iceframe.physics import generate, homogenize
from iceframe.physics.properties import Conductivity
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.rung import RUNGS, Inputs

TRAINING, TEST, CHANGED = 300, 100, 16
LAW = Conductivity([1.0, 10.0])
NAMES = ("volume fraction", "interfaces along x", "interfaces along y", "length", "noise")
WAYS = {
    "at boundaries": {},
    "anywhere": {"boundary": False},
    "swaps at boundaries": {"keep_volume_fraction": True},
    "swaps anywhere": {"keep_volume_fraction": True, "boundary": False},
}


def main() -> None:
    torch.set_num_threads(1)
    rng, n = generator(0, "structures"), TRAINING + TEST
    factors = {"volume_fraction": rng.uniform(0.2, 0.8, n), "length": rng.uniform(1.5, 4, n)}
    made = generate("random_field", n, (32, 32), **factors, seed=1)
    y = homogenize(made.phases, LAW).tensor[:, 0, 0]
    x = made.phases[:, None].astype(np.float32)
    inputs = Inputs(Representation(np.zeros((n, 0)), (), ()), ArrayImages(x, True, "phase"))
    train, test = inputs.take(np.arange(TRAINING)), inputs.take(np.arange(TRAINING, n))
    context = context_for(train, "regression")
    network = fit(RUNGS["cnn"](), {"epochs": 40}, train, y[:TRAINING], context)
    print(f"R² on {TEST} others: {r2_score(y[TRAINING:], network.predict(test)):.4f}\n")
    model = ImageModel.of(network)
    changed = torch.from_numpy(x[TRAINING : TRAINING + CHANGED])
    concepts(model, changed, x[:TRAINING], factors["length"][:TRAINING], y[:TRAINING])
    for way, options in WAYS.items():
        found = counterfactuals(model, changed, delta=float(y.std()) / 2, **options)
        truth = solved(found, LAW)
        low, middle, high = np.nanpercentile(truth.ratio, [10, 50, 90])
        print(
            f"| {way} | {found.reached.mean():.0%} | {np.median(found.flips):.0f} "
            f"| {middle:.2f} ({low:.2f} to {high:.2f}) | {truth.agrees.mean():.0%} "
            f"| {truth.worked.mean():.0%} |"
        )


def concepts(
    model: ImageModel, x: torch.Tensor, background: np.ndarray, length: np.ndarray, y: np.ndarray
) -> None:
    grid = (1, 2, 3)
    columns = (
        background.mean(grid),
        np.abs(np.roll(background, -1, -1) - background).mean(grid),
        np.abs(np.roll(background, -1, -2) - background).mean(grid),
        length,
        generator(0, "noise").normal(size=len(background)),
    )
    named = Representation(np.column_stack(columns), NAMES, ("",) * len(NAMES))
    found = concept_use(model, x, torch.from_numpy(background), named)
    print(found.table.round(3).to_string(), "\n")
    truth = LinearRegression().fit(scale(named.values), y).coef_
    print(
        "the solver, per standard deviation:", dict(zip(NAMES, truth.round(3), strict=True)), "\n"
    )


if __name__ == "__main__":
    main()

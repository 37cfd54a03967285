"""Integrated gradients: throughput against Captum's, at equal values.

    python benchmarks/explainers.py [--rungs cnn,resnet] [--images 256] [--rounds 1]

The same fitted model, images (64 x 64, two phases, periodic), baseline (the mean image) and
rule (32 points of Gauss and Legendre, Captum's default) in the same run, on one thread. Captum's
``IntegratedGradients`` is called three ways:

- default: all images and points at once;
- internal: with the best of several ``internal_batch_size``; none below the number of images is
  tried, because Captum then falls back to that number;
- sliced: a loop written around it hands it 32 images at a time, with an ``internal_batch_size``
  of 32. It is measured on the first 64 images.

Throughput is images a second of processor time, which other work on the machine disturbs less than
time on the clock; the calls take turns, and the fastest of the rounds counts for each. A call whose
activations would fill more than 60 % of the memory is not made. The difference is the largest of
any value of any map, over the largest value.
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import torch
from captum.attr import IntegratedGradients

from iceframe.core.dataset import ArrayImages
from iceframe.core.values import Representation
from iceframe.measure.explainer import EXPLAINERS, Background
from iceframe.measure.explainers.integrated_gradients import POINTS
from iceframe.measure.image_model import ImageModel
from iceframe.physics import generate
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.rung import RUNGS, Inputs

SLICE = 32
SLICED = 64
MEMORY_SHARE = 0.6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rungs", default="cnn,resnet")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--profile", action="store_true", help="also where our time goes")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    made = generate("random_field", asked.images, (64, 64), volume_fraction=0.4, length=4.0)
    images = ArrayImages(made.phases[:, None].astype(np.float32), True, "phase")
    nothing = Representation(np.zeros((asked.images, 0)), (), (), {}, ())
    inputs = Inputs(nothing, images)
    # Something that a network can learn a little of: how much surface the phases share.
    y = np.abs(np.diff(images.values, axis=-1)).mean((1, 2, 3))
    context = context_for(inputs, "regression")
    background = Background(images)
    x = torch.from_numpy(images.values)
    print("| rung | call | images/s | ours over it | difference |")
    print("|---|---|---|---|---|")
    for name in asked.rungs.split(","):
        fitted = fit(RUNGS[name](), {"epochs": 2}, inputs, y, context)
        compare(name, ImageModel.of(fitted), x, background, asked.rounds)
        if asked.profile:
            profile(ImageModel.of(fitted), x[:SLICE], background)


def compare(name: str, model: ImageModel, x: torch.Tensor, background: Background, rounds: int):
    explainer = EXPLAINERS["integrated_gradients"]()
    base = explainer.baseline(x, background, 0)
    captum = IntegratedGradients(model.module)

    def theirs(images: torch.Tensor, internal: int | None) -> torch.Tensor:
        return captum.attribute(
            images, base, target=0, n_steps=POINTS, internal_batch_size=internal
        ).sum(dim=1)

    def sliced() -> torch.Tensor:
        return torch.cat([theirs(part, SLICE) for part in x[:SLICED].split(SLICE)])

    calls = {"ours": lambda: explainer.maps(model, x, None, background)}
    if fits(model, x, len(x) * POINTS):
        calls["Captum, default"] = lambda: theirs(x, None)
    for internal in (len(x), 2 * len(x)):
        calls[f"Captum, internal {internal}"] = lambda i=internal: theirs(x, i)
    calls["Captum, sliced by hand"] = sliced

    explainer.maps(model, x[:2], None, background)  # the first call of anything is slow
    theirs(x[:2], None)
    seconds: dict[str, list[float]] = {call: [] for call in calls}
    maps = {}
    for _ in range(rounds):
        for call, function in calls.items():
            start = time.process_time()
            maps[call] = function()
            seconds[call].append(time.process_time() - start)
    rates = {call: len(maps[call]) / min(taken) for call, taken in seconds.items()}
    largest = float(maps["ours"].abs().max())
    for call, rate in rates.items():
        away = float((maps[call] - maps["ours"][: len(maps[call])]).abs().max()) / largest
        print(
            f"| {name} | {call} | {rate:.1f} | {rates['ours'] / rate:.2f} | {away:.0e} |",
            flush=True,
        )
    if "Captum, default" not in calls:
        print(f"| {name} | Captum, default | needs more memory than there is | | |")


def fits(model: ImageModel, x: torch.Tensor, images: int) -> bool:
    """Whether what torch keeps for the gradient of so many images fits into memory."""
    kept: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        answer = model.answer(x[:8].clone().requires_grad_())
    assert answer.requires_grad
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return sum(kept.values()) / 8 * images < MEMORY_SHARE * memory


def profile(model: ImageModel, x: torch.Tensor, background: Background) -> None:
    explainer = EXPLAINERS["integrated_gradients"]()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        explainer.maps(model, x, None, background)
    print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=12))


if __name__ == "__main__":
    main()

"""Training throughput of the image rungs against a bare torch loop of the same network.

    python benchmarks/training.py [--rungs cnn,resnet,vit,fno] [--samples 1000] [--epochs 4]

Both train the same network on the same images (64 x 64, one channel) with the same batches, loss
and optimiser, on one thread. The bare loop holds everything in memory and does nothing else; the
rung also reads its images from a source, standardises, moves them by symmetries where it is told
to, keeps a learning-rate schedule, evaluates its inner split after every epoch, and keeps the best
weights. Throughput is training samples a second; the two take turns, and the fastest of three
counts for each.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from iceframe.core.dataset import ArrayImages
from iceframe.core.values import Representation
from iceframe.physics import generate
from iceframe.scale.architectures import Problem, build
from iceframe.scale.fitting import context_for
from iceframe.scale.rung import RUNGS, Inputs

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rungs", default="cnn,resnet,vit,fno")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=4)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    made = generate("random_field", asked.samples, (64, 64), volume_fraction=0.4, length=4.0)
    images = ArrayImages(made.phases[:, None].astype(np.float32), True, "phase")
    y = np.random.default_rng(0).normal(size=asked.samples)
    nothing = Representation(np.zeros((asked.samples, 0)), (), (), {}, ())
    print("| rung | symmetries | rung, samples/s | bare loop, samples/s | share |")
    print("|---|---|---|---|---|")
    for name in asked.rungs.split(","):
        for symmetries in ((), ("flip", "translate")):
            context = context_for(Inputs(nothing, images), "regression", symmetries=symmetries)
            settings = {"epochs": asked.epochs}
            ours, bare = [], []
            for _ in range(ROUNDS):
                ours.append(of_rung(name, settings, context, images, y))
                bare.append(of_loop(RUNGS[name], images, y, asked.epochs))
            share = max(ours) / max(bare)
            moved = ", ".join(symmetries) or "none"
            print(
                f"| {name} | {moved} | {max(ours):.0f} | {max(bare):.0f} | {share:.2f} |",
                flush=True,
            )


def of_rung(name, settings, context, images, y) -> float:
    model = RUNGS[name]().build(settings, context)
    start = time.perf_counter()
    model.fit(images, y)
    trained = len(y) - round(model.validation_fraction * len(y))
    return trained * settings["epochs"] / (time.perf_counter() - start)


def of_loop(rung, images, y, epochs: int) -> float:
    x = torch.as_tensor(images.values)
    target = torch.as_tensor(y, dtype=torch.float32)[:, None]
    network = build(rung.architecture, Problem(1, (64, 64), 1, periodic=True))
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    start = time.perf_counter()
    for _ in range(epochs):
        for index in torch.randperm(len(y)).split(rung.batch_size):
            loss = torch.nn.functional.huber_loss(network(x[index]), target[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return len(y) * epochs / (time.perf_counter() - start)


if __name__ == "__main__":
    main()

"""Randomisation tests of explanations against Quantus: same network, images and settings.

    OMP_NUM_THREADS=1 python benchmarks/randomisation.py --peer PYTHON

PYTHON is an interpreter that can import Quantus and pandas. Both explain 32 images of 64 x 64 by
the input gradient, draw the nine layers of one network anew from the input up, and compare the
sizes of the maps by Spearman's correlation after each (MPRT); or take the entropy of the maps'
histograms of 100 bins before and after all of it (efficient MPRT). The network is that of the rung
``cnn``. Quantus gets the gradient as a function, which costs it no more than its own. One thread
each; they take turns, and the fastest of all counts, in seconds of the processor, so that other
programs do not count.

Next to the times stands what one gradient pass takes and how many each needs: no implementation
can be faster than its passes, so that the ratio of all is bounded by them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import iceframe

IMAGES, SIDE, BINS = 32, 64, 100
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="an interpreter that imports Quantus")
    parser.add_argument("--as-peer", help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.as_peer:
        peer(Path(asked.as_peer), asked.repeats)
        return
    ours, theirs = [], []
    sources = Path(iceframe.__file__).parents[1]  # for the network
    environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONPATH": str(sources)}
    with tempfile.TemporaryDirectory() as folder:
        module, x = network(), torch.randn(IMAGES, 1, SIDE, SIDE)
        torch.save({"weights": module.state_dict(), "images": x}, Path(folder) / "problem.pt")
        command = [asked.peer, __file__, "--as-peer", folder, "--repeats", str(asked.repeats)]
        for _ in range(asked.turns):
            ours.append(here(module, x, asked.repeats))
            if asked.peer:
                subprocess.run(command, check=True, env=environment)
                theirs.append(json.loads((Path(folder) / "told.json").read_text()))
    show(best(ours), best(theirs) if theirs else None)


def network() -> nn.Module:
    """The network of the rung ``cnn``; no weight is as it was drawn."""
    from iceframe.scale.architectures import Problem, build

    torch.manual_seed(0)
    module = build("small", Problem(1, (SIDE, SIDE), 1, periodic=True))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return module.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def fastest(call: Callable[[], object], repeats: int) -> float:
    """Processor seconds of the fastest of ``repeats`` calls, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def best(turns: list[dict]) -> dict:
    """The fastest of all turns; what is not a time is the same in each."""
    return {key: min(turn[key] for turn in turns) for key in turns[0]}


def here(module: nn.Module, x: Tensor, repeats: int) -> dict:
    from iceframe.measure.explainer import ImageExplainer
    from iceframe.measure.image_model import ImageModel
    from iceframe.measure.maps.randomisation import efficient_mprt, mprt

    class Gradient(ImageExplainer):
        passes = 0

        def maps(self, model, x, codes=None, background=None, seed=0):
            self.passes += 1
            return model.gradients(x, codes).sum(dim=1)

    model, explainer = ImageModel(module), Gradient()
    similarity = mprt(model, explainer, x).last
    passes = explainer.passes
    rise = efficient_mprt(model, explainer, x, bins=BINS)
    more = explainer.passes - passes
    return {
        "MPRT": fastest(lambda: mprt(model, explainer, x), repeats),
        "efficient MPRT": fastest(lambda: efficient_mprt(model, explainer, x, bins=BINS), repeats),
        "pass": fastest(lambda: explainer.maps(model, x), 4 * repeats),
        "passes of MPRT": passes,
        "passes of efficient MPRT": more,
        "mean similarity": float(similarity.mean()),
        "mean rise": float(rise.mean()),
    }


def peer(folder: Path, repeats: int) -> None:
    """Runs under the peer's interpreter."""
    import warnings

    import quantus

    warnings.simplefilter("ignore")
    problem = torch.load(folder / "problem.pt")
    module = network()
    module.load_state_dict(problem["weights"])
    x, y = problem["images"].numpy(), np.zeros(IMAGES, int)
    passes = 0

    def gradient(model, inputs, targets, **more):
        nonlocal passes
        passes += 1
        images = torch.tensor(inputs, requires_grad=True)
        (slope,) = torch.autograd.grad(model(images)[:, 0].sum(), images)
        return slope.sum(dim=1).numpy()

    def similarity():
        metric = quantus.MPRT(layer_order="bottom_up", disable_warnings=True)
        return metric(model=module, x_batch=x, y_batch=y, explain_func=gradient)

    def rise():
        metric = quantus.EfficientMPRT(
            layer_order="bottom_up",
            complexity_func_kwargs={"n_bins": BINS},
            disable_warnings=True,
        )
        return metric(model=module, x_batch=x, y_batch=y, explain_func=gradient)

    last = list(similarity().values())[-1]
    of_similarity = passes
    risen = rise()
    told = {
        "passes of MPRT": of_similarity,
        "passes of efficient MPRT": passes - of_similarity,
        "MPRT": fastest(similarity, repeats),
        "efficient MPRT": fastest(rise, repeats),
        "pass": fastest(lambda: gradient(module, x, y), 4 * repeats),
        "mean similarity": float(np.mean(last)),
        "mean rise": float(np.mean(risen)),
        "version": quantus.__version__,
    }
    (folder / "told.json").write_text(json.dumps(told))


def show(ours: dict, theirs: dict | None) -> None:
    print(f"{IMAGES} images of {SIDE} x {SIDE}, input gradient, 9 layers, one thread\n")
    print("| | seconds | gradient passes | of it gradients | mean value |")
    print("|---|---|---|---|---|")
    for test, value in (("MPRT", "mean similarity"), ("efficient MPRT", "mean rise")):
        for name, told in (("iceframe", ours), ("Quantus", theirs)):
            if told is not None:
                passes = told[f"passes of {test}"]
                print(
                    f"| {test}, {name} {told.get('version', '')} | {told[test]:.4f} | {passes} |"
                    f" {passes * told['pass'] / told[test]:.0%} | {told[value]:.3f} |"
                )
    if theirs is None:
        print("\nno --peer: the ratio is not measured")
        return
    for test in ("MPRT", "efficient MPRT"):
        floor = ours[f"passes of {test}"] * ours["pass"]
        print(
            f"\n{test}: {theirs[test] / ours[test]:.1f} times as fast; with its gradient passes "
            f"alone it would be {theirs[test] / floor:.1f} times"
        )


if __name__ == "__main__":
    main()

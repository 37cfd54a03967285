"""Metrics of explanations against Quantus: same model, images, maps and settings, same run.

    PYTHONPATH=src OMP_NUM_THREADS=1 PYTHON benchmarks/explanation_metrics.py

PYTHON is an interpreter that can import Quantus 0.6 and Captum besides torch, SciPy, pandas and
scikit-learn. One thread, 32 phase images of 64 x 64 (random fields), two classes, the gradient of
the class's logit as the map, and two models: a perceptron (4096-32-2), which costs next to nothing
to ask, and the ladder's small CNN. Settings are Quantus' defaults, but for maps as they are
(``normalise=False``):

- max-sensitivity: 200 neighbours, noise uniform in ±0.2, the same noise here and there; the
  explainer there is ``quantus.explain(method="Gradient")``;
- pixel flipping: one pixel a step to black, 4,096 steps, probabilities;
- infidelity: patches of 4 x 4 to black, 10 samples, logits. Quantus removes each patch on top of
  those before it; here the masks are made so, too.

Seconds are of processor time, which is that of the clock on a machine that does nothing else; the
fastest of ``--repeats`` counts, in turn. "model" is the time that the model itself takes for all
the images that Quantus asks about, 32 at a time (gradients for max-sensitivity). Here an image that
comes again is not asked about again: steps of pixel flipping that change nothing, and the samples
of infidelity, which are alike.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import quantus
import torch
from torch import Tensor, nn

from iceframe.measure.explainers.input_gradient import InputGradient
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps.deletion import deletion
from iceframe.measure.maps.infidelity import infidelity, patch_masks
from iceframe.measure.maps.sensitivity import sensitivity
from iceframe.physics import generate
from iceframe.scale.architectures import Problem, build

NUMBER, SIDE = 32, 64
NEIGHBOURS, RADIUS, PATCH, SAMPLES = 200, 0.2, 4, 10
PLAIN = {"disable_warnings": True, "abs": False, "normalise": False}
ALLOWED = 1e-4  # of the largest value


@dataclass(frozen=True)
class Setting:
    """What is asked: a module, images, classes and maps, as tensors."""

    module: nn.Module
    x: Tensor
    codes: Tensor
    maps: Tensor

    @cached_property
    def ranks(self) -> Tensor:
        """Maps of the same order without ties, which Quantus puts in the order of its sort."""
        order = self.maps.flatten(1).argsort(dim=1).argsort(dim=1)
        return order.view(self.maps.shape).float()

    @property
    def theirs(self) -> dict[str, Any]:
        """The arguments of a Quantus metric."""
        return {
            "model": self.module,
            "x_batch": self.x.numpy(),
            "y_batch": self.codes.numpy(),
            "a_batch": self.maps[:, None].numpy(),
            "channel_first": True,
        }

    @property
    def black(self) -> Tensor:
        return self.x.flatten(1).amin(1).view(-1, 1, 1, 1)


@dataclass(frozen=True)
class Job:
    """One metric, here and there, with equal values; and how many scores or gradients it asks
    for there."""

    ours: Callable[[Setting], np.ndarray]
    theirs: Callable[[Setting], np.ndarray]
    scores: int = 0
    gradients: int = 0


def noise() -> np.ndarray:
    shape = (NEIGHBOURS, 1, SIDE, SIDE)
    return np.random.default_rng(0).uniform(-RADIUS, RADIUS, shape).astype(np.float32)


def our_sensitivity(s: Setting) -> np.ndarray:
    given = torch.from_numpy(noise())
    return sensitivity(
        InputGradient(), ImageModel(s.module), s.x, s.maps, s.codes, noise=given
    ).maximum


def their_sensitivity(s: Setting) -> np.ndarray:
    draws = iter(noise().reshape(NEIGHBOURS, -1))

    def perturb(arr: np.ndarray, **_: Any) -> np.ndarray:
        return arr + next(draws)

    def explain(model: nn.Module, inputs: np.ndarray, targets: np.ndarray, **_: Any) -> np.ndarray:
        return quantus.explain(model, inputs, targets, method="Gradient", channel_first=True)

    metric = quantus.MaxSensitivity(nr_samples=NEIGHBOURS, perturb_func=perturb, **PLAIN)
    return np.array(metric(**s.theirs, explain_func=explain))


def our_flipping(s: Setting) -> np.ndarray:
    model = ImageModel(nn.Sequential(s.module, nn.Softmax(dim=1)))
    curves = deletion(
        model, s.x, s.ranks, s.codes,
        fill=s.black, order="value", steps=SIDE**2, random_orders=0,
    )  # fmt: skip
    return curves.scores[:, 1:]


def their_flipping(s: Setting) -> np.ndarray:
    return np.array(
        quantus.PixelFlipping(features_in_step=1, **PLAIN)(
            **{**s.theirs, "a_batch": s.ranks[:, None].numpy()}, softmax=True
        )
    )


def our_infidelity(s: Setting) -> np.ndarray:
    masks = patch_masks((SIDE, SIDE), SIDE // PATCH).cumsum(0) > 0
    return infidelity(
        ImageModel(s.module), s.x, s.maps, s.codes,
        fill=s.black, masks=masks, scaled=False, normalised=False,
    )  # fmt: skip


def their_infidelity(s: Setting) -> np.ndarray:
    metric = quantus.Infidelity(perturb_patch_sizes=[PATCH], n_perturb_samples=SAMPLES, **PLAIN)
    return np.array(metric(**s.theirs))


jobs: Mapping[str, Job] = {
    "max-sensitivity": Job(our_sensitivity, their_sensitivity, gradients=NUMBER * NEIGHBOURS),
    "pixel flipping": Job(our_flipping, their_flipping, scores=NUMBER * SIDE**2),
    "infidelity": Job(
        our_infidelity, their_infidelity, scores=NUMBER * (SIDE // PATCH) ** 2 * SAMPLES
    ),
}


def models() -> Mapping[str, nn.Module]:
    torch.manual_seed(0)
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 32), nn.SiLU(), nn.Linear(32, 2))
    cnn = build("small", Problem(1, (SIDE, SIDE), 2))
    for layer in cnn.modules():  # as the ladder's estimator lays it out
        if isinstance(layer, nn.Conv2d):
            layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return {"perceptron": perceptron.eval(), "small CNN": cnn.eval()}


def setting(module: nn.Module) -> Setting:
    made = generate("random_field", NUMBER, (SIDE, SIDE), volume_fraction=0.4, length=4.0)
    x = torch.from_numpy((made.phases == 1).astype(np.float32)[:, None])
    codes = torch.arange(NUMBER) % 2
    return Setting(module, x, codes, InputGradient().maps(ImageModel(module), x, codes))


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    values = function()
    return time.process_time() - start, values


def bare(s: Setting, job: Job) -> float:
    """Seconds for the model alone: the fastest of ten batches, times their number."""
    model = ImageModel(s.module)
    ask = model.gradients if job.gradients else model.scores
    fastest = min(timed(partial(ask, s.x, s.codes))[0] for _ in range(10))
    return fastest * (job.gradients or job.scores) / NUMBER


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=sorted(jobs), choices=sorted(jobs))
    parser.add_argument("--models", nargs="*", default=list(models()), choices=list(models()))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")  # Quantus warns at every step
    print(f"Quantus {quantus.__version__}, torch {torch.__version__}, one thread\n")
    print("| model | metric | here, s | Quantus, s | ratio | model, s | largest difference |")
    print("|---|---|---|---|---|---|---|")
    for name in asked.models:
        s = setting(models()[name])
        _ = s.ranks  # not a part of either side's work
        for metric in asked.only:
            job = jobs[metric]
            here, there = np.inf, np.inf
            for _ in range(asked.repeats):
                seconds, ours = timed(partial(job.ours, s))
                here = min(here, seconds)
                seconds, theirs = timed(partial(job.theirs, s))
                there = min(there, seconds)
            gap = np.abs(ours - theirs).max() / np.abs(theirs).max()
            print(
                f"| {name} | {metric} | {here:.2f} | {there:.2f} | {there / here:.1f} "
                f"| {bare(s, job):.2f} | {gap:.1e} |",
                flush=True,
            )
            if not gap <= ALLOWED:
                raise SystemExit(f"{metric} of the {name}: the values are not equal")


if __name__ == "__main__":
    main()

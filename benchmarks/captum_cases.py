"""Where answers of Captum 0.9.0 depend on more than they should, or have another shape or unit.

    python benchmarks/captum_cases.py [--list] [CASE …]

With this project's own environment. Each case is a few lines that print what Captum does; its
docstring says what is right. Observed with torch 2.13.0; the table is in
docs/explanation/explanation-metrics-elsewhere.md.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from captum.attr import (
    FeatureAblation,
    IntegratedGradients,
    NoiseTunnel,
    Occlusion,
    Saliency,
    ShapleyValues,
    ShapleyValueSampling,
)
from captum.metrics import infidelity, sensitivity_max
from cases import Cases, Linear, images, network, numbers
from torch import Tensor, nn

CASES = Cases()
NOISE = {"target": 0, "nt_samples": 5, "stdevs": 0.1, "abs": False}  # of NoiseTunnel


def apart(one: Tensor, two: Tensor) -> str:
    """How far two maps are from each other, of the size of the first."""
    return f"{float((one - two).norm() / one.norm()):.4f}"


def batch(n: int, grid: tuple[int, ...] = (8, 8)) -> Tensor:
    """Images as a tensor."""
    return torch.from_numpy(images(n, grid=grid))


def shifted(x: Tensor) -> tuple[Tensor, Tensor]:
    """A change of images, and the images with it, as captum.metrics.infidelity asks for them."""
    noise = 0.1 * torch.randn_like(x)
    return noise, x - noise


def in_one_column(kind: Any) -> tuple[Any, Tensor]:
    """An explainer of a linear regression in double precision, ``(n, 1)``; images 4 x 4."""
    x = batch(3, (4, 4)).double()
    return kind(Linear(numbers(1, 4, 4).astype(float))), x


@CASES.of("regression")
def shapley_values_of_one_column() -> None:
    """Right: maps of the images' shape, as from other methods. An axis more for the column."""
    sampling, x = in_one_column(ShapleyValueSampling)
    ablation, _ = in_one_column(FeatureAblation)
    maps = sampling.attribute(x, n_samples=3)
    print("images", *x.shape, "| ablation", *ablation.attribute(x).shape, "| Shapley", *maps.shape)
    infidelity(sampling.forward_func, shifted, x, maps)


@CASES.of("regression")
def single_precision() -> None:
    """Right: a model in double is explained in double. By these, to 1e-7."""
    few = {"n_samples": 3}
    window = {"sliding_window_shapes": (1, 1, 1)}
    kinds: tuple[tuple[Any, dict[str, Any]], ...] = (
        (FeatureAblation, {}),
        (ShapleyValueSampling, few),
        (ShapleyValues, {}),
        (Occlusion, window),
    )
    for kind, options in kinds:
        explainer, x = in_one_column(kind)
        x, weights = x[..., :2, :2], explainer.forward_func.weights.detach()[:, :2, :2]
        explainer.forward_func = Linear(weights)
        maps = explainer.attribute(x, **options).reshape(x.shape)
        error = float((maps - x * weights).abs().max())
        print(f"{kind.__name__}: {maps.dtype}, largest error {error:.0e}")


@CASES.of("company in the batch")
def noise_by_place() -> None:
    """Right: one map an image and seed. NoiseTunnel's noise follows from the place."""
    tunnel, x = NoiseTunnel(Saliency(network())), batch(1)
    torch.manual_seed(0)
    maps = tunnel.attribute(x.repeat(2, 1, 1, 1), **NOISE)
    print("the same image twice in a batch: maps differ by", apart(maps[0], maps[1]))


@CASES.of("company in the batch")
def noise_by_memory() -> None:
    """Right: how many images are asked at once decides on memory. It decides on the noise."""
    net, x = network(), batch(3)
    tunnel = NoiseTunnel(Saliency(net))
    given = Saliency(net).attribute(x, target=0, abs=False)
    for at_once in (1, 5):
        torch.manual_seed(0)
        maps = tunnel.attribute(x, nt_samples_batch_size=at_once, **NOISE)
        print(f"{at_once} at once: norm of NoiseTunnel's map 0 {float(maps[0].norm()):.4f}")
        options: dict[str, Any] = {"target": 0, "max_examples_per_batch": 3 * at_once}
        torch.manual_seed(0)
        moved = sensitivity_max(Saliency(net).attribute, x, **options)
        torch.manual_seed(0)
        error = infidelity(net, shifted, x, given, n_perturb_samples=5, **options)
        print(f"    sensitivity_max {float(moved[0]):.6f}, infidelity {float(error[0]):.6f}")


@CASES.of("sensitivity")
def sensitivity_of_a_zero_map() -> None:
    """Right: undefined. It is the absolute change, in the map's unit, among relative ones."""

    class Excess(nn.Module):
        def __init__(self, unit: float) -> None:
            super().__init__()
            self.unit = unit

        def forward(self, x: Tensor) -> Tensor:
            return self.unit * torch.relu(x - 1).flatten(1).sum(1, keepdim=True)

    for unit in (1.0, 1000.0):
        torch.manual_seed(0)
        x = torch.full((1, 1, 8, 8), 0.99)  # no gradient here, but a little above
        print(f"f in units of {unit:g}:", sensitivity_max(Saliency(Excess(unit)).attribute, x))


@CASES.of("sensitivity")
def sensitivity_of_an_explainer_with_noise() -> None:
    """Right: 0 where the images do not move. The explainer draws other noise each time."""
    torch.manual_seed(0)
    tunnel = NoiseTunnel(Saliency(network()))
    print("radius 0:", sensitivity_max(tunnel.attribute, batch(3), perturb_radius=0.0, **NOISE))


@CASES.of("memory")
def images_at_once() -> None:
    """Right: bounded, whatever is asked. All steps of all images; at least one of each."""
    net, x = network(), batch(64)
    rows: list[int] = []
    net[0].register_forward_hook(lambda module, given, out: rows.append(len(given[0])))
    for limit in (None, 256, 16):
        rows.clear()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            IntegratedGradients(net).attribute(x, target=0, internal_batch_size=limit)
        print(f"internal_batch_size={limit}: {max(rows)} images at once of {len(x)} x 50")
        for warning in said:
            print("    warning:", str(warning.message)[:90])


if __name__ == "__main__":
    CASES.main(__doc__ or "")

"""Where Quantus 0.6.0 is wrong, or fails, on regression, signs, batches, channels and 3-D.

    PYTHON benchmarks/quantus_cases.py [--list] [CASE …]

PYTHON is an interpreter that can import Quantus 0.6.0 and Captum. Each case is a few lines that
print what Quantus does; its docstring says what is right. Observed with torch 2.13.0 and NumPy
2.4.6; docs/explanation/explanation-metrics-elsewhere.md has the table. The cases of randomisation
are in quantus_cases_randomisation.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import quantus
import torch
from cases import Cases, Linear, gradient, images, linear_regression, network, numbers
from quantus.functions.perturb_func import noisy_linear_imputation
from torch import Tensor, nn

QUIET = {"disable_warnings": True}
PLAIN = {**QUIET, "abs": False, "normalise": False}
CASES = Cases()


def ask(metric: Any, model: nn.Module, x: Any, y: Any, maps: Any, **options: Any) -> Any:
    """The values of a metric, told where the channels are."""
    return metric(
        model=model, x_batch=x, y_batch=y, a_batch=maps, **{"channel_first": True, **options}
    )


def tell(what: str, values: Any) -> None:
    """A line of what was observed."""
    print(f"{what:24s} {np.asarray(values, float).round(6).tolist()}")


def one_patch_at_a_time(model: nn.Module, x: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Infidelity by hand: mean of (IᵀΦ − Δ)² over four patches of 4 x 4, each alone to zero."""
    errors = []
    for i, j in ((0, 0), (0, 4), (4, 0), (4, 4)):
        without = x.copy()
        without[:, :, i : i + 4, j : j + 4] = 0
        with torch.no_grad():
            change = (model(torch.tensor(x)) - model(torch.tensor(without)))[:, 0].numpy()
        errors.append(((maps * (x - without)).sum((1, 2, 3)) - change) ** 2)
    return np.mean(errors, axis=0)


@CASES.of("regression")
def flipping_of_a_regression() -> None:
    """Right: the curve of f. At the default, softmax=True, one output is 1 at every step."""
    metric = quantus.PixelFlipping(features_in_step=16, **QUIET)
    tell("curves", ask(metric, *linear_regression()))


@CASES.of("regression")
def road_of_a_regression() -> None:
    """Right: a change of f. The largest of one output is output 0, whatever was removed."""
    print(ask(quantus.ROAD(percentages=[10, 50, 90], **QUIET), *linear_regression()))


@CASES.of("regression")
def nan_when_prediction_changes() -> None:
    """Right: an error, or NaN where f moves. The largest of one output never changes: no NaN."""
    metric = quantus.MaxSensitivity(
        nr_samples=3, lower_bound=50.0, return_nan_when_prediction_changes=True, **PLAIN
    )
    tell("under noise of ±50", ask(metric, *linear_regression(), explain_func=gradient))


@CASES.of("signs and scales")
def negative_maps() -> None:
    """Right: any sign. A derivative that is negative everywhere is refused."""
    model, x, y, maps = linear_regression()
    model = Linear(-np.abs(model.weights.detach().numpy()))
    ask(quantus.Infidelity(**QUIET), model, x, y, -np.abs(maps))


@CASES.of("signs and scales")
def mass_of_a_signed_map() -> None:
    """Right: a share in [0, 1]. By default signed values are summed, which has no bounds."""
    model, x, y, _ = linear_regression()
    region = np.zeros((3, 1, 8, 8), bool)
    region[:, :, :4] = True
    metric = quantus.RelevanceMassAccuracy(**QUIET)
    tell("shares", ask(metric, model, x, y, numbers(3, 8, 8), s_batch=region))


@CASES.of("signs and scales")
def sparseness_of_a_small_map() -> None:
    """Right: Gini's index does not know the unit. 1e-7 is added to every value."""
    model, x, y, _ = linear_regression()
    for scale in (1, 1e-6, 1e-8):
        metric = quantus.Sparseness(normalise=False, **QUIET)
        maps = np.abs(numbers(3, 8, 8)).astype(float) * scale
        tell(f"map times {scale:g}", ask(metric, model, x, y, maps))


@CASES.of("signs and scales")
def overwritten_maps() -> None:
    """Right: the caller's maps stay. Without abs and normalise they are written into."""
    model, x, y, _ = linear_regression()
    for metric in (quantus.Sparseness(**PLAIN), quantus.Complexity(**PLAIN)):
        maps = np.abs(numbers(3, 8, 8)).astype(float)
        given = maps.copy()
        ask(metric, model, x, y, maps)
        print(f"{type(metric).__name__}: the maps are as they were: {np.array_equal(maps, given)}")


@CASES.of("company in the batch")
def normalised_by_the_batch() -> None:
    """Right: one value an image. normalise=True divides by the largest value of the batch."""
    net, x, y = network(), images(), np.array([0, 1, 2])
    maps = gradient(net, x, y)
    for n in (1, 3):
        metric = quantus.Infidelity(perturb_patch_sizes=[4], **{**PLAIN, "normalise": True})
        tell(f"image 2 of {n}", ask(metric, net, x[-n:], y[-n:], maps[-n:])[-1])


@CASES.of("company in the batch")
def sparseness_in_company() -> None:
    """Right: one value a map. At the defaults it falls with another map of the batch."""
    model, x, y, _ = linear_regression()
    for scale in (1, 1e9):
        maps = np.abs(numbers(3, 8, 8)).astype(float)
        maps[1] *= scale
        tell(f"map 1 times {scale:g}", ask(quantus.Sparseness(**QUIET), model, x, y, maps)[0])


@CASES.of("company in the batch")
def noise_in_company() -> None:
    """Right: one value an image and seed. The noise of image 0 follows from the batch's size."""
    net, x, y = network(), images(), np.array([0, 1, 2])
    maps = gradient(net, x, y)
    for n in (1, 3):
        np.random.seed(0)  # noqa: NPY002 - it is what Quantus draws from
        metric = quantus.MaxSensitivity(nr_samples=4, **PLAIN)
        found = ask(metric, net, x[:n], y[:n], maps[:n], explain_func=gradient)
        tell(f"image 0 of {n}", found[0])


@CASES.of("company in the batch")
def constant_maps() -> None:
    """Right: undefined, for that map. Alone it ends the run; among others it gets a score."""
    model, x, y, _ = linear_regression()
    region = np.zeros((3, 1, 8, 8), bool)
    region[:, :, :4] = True
    maps = np.abs(numbers(3, 8, 8))
    maps[1] = 0.5
    names = "Sparseness Complexity RelevanceMassAccuracy RelevanceRankAccuracy PointingGame"
    for name in names.split():
        metric = getattr(quantus, name)(**QUIET)
        tell(name, ask(metric, model, x, y, maps.copy(), s_batch=region)[1])
    ask(quantus.Sparseness(**QUIET), model, x[:1], y[:1], maps[1:2])


@CASES.of("company in the batch")
def zero_maps() -> None:
    """Right: undefined, for that map. Among others it is infinite, alone it ends the run."""
    model, x, y, maps = linear_regression()
    maps[0] = 0
    for n in (3, 1):
        metric = quantus.MaxSensitivity(nr_samples=2, **PLAIN)
        tell(f"{n} maps", ask(metric, model, x[:n], y[:n], maps[:n], explain_func=gradient))


@CASES.of("company in the batch")
def road_of_the_first_batch() -> None:
    """Right: the accuracy of all, 0.5: two images of four are right. The first batch counts."""
    net, x = network(outputs=2), images(4)
    y = net(torch.tensor(x)).argmax(1).numpy()
    y[2:] = 1 - y[2:]
    for size in (2, 4):
        metric = quantus.ROAD(percentages=[1], **QUIET)
        print(f"batch_size={size}", ask(metric, net, x, y, gradient(net, x, y), batch_size=size))


@CASES.of("channels")
def infidelity_of_a_summed_map() -> None:
    """Right: 0 for a linear model's gradient, or undefined. Each channel gets the map's sum."""
    model, x, y, maps = linear_regression(channels=2)
    summed = quantus.explain(model, x, y, method="Gradient", channel_first=True)
    for what, given in (("summed over channels", summed), ("one map a channel", maps)):
        metric = quantus.Infidelity(perturb_patch_sizes=[4], n_perturb_samples=1, **PLAIN)
        tell(what, ask(metric, model, x, y, given))


@CASES.of("channels")
def road_of_two_channels() -> None:
    """Right: a voxel is removed in every channel. An index beyond the grid ends the run."""
    net, x, y = network(channels=2), images(channels=2), np.array([0, 1, 2])
    ask(quantus.ROAD(percentages=[50], **QUIET), net, x, y, gradient(net, x, y))


@CASES.of("three dimensions")
def volumes_without_channel_first() -> None:
    """Right: (n, channels, *grid). Told so by channel_first=True most metrics run; else none."""
    net, x, y = network((4, 4, 4)), images(grid=(4, 4, 4)), np.array([0, 1, 2])
    metric = quantus.PixelFlipping(features_in_step=16, **PLAIN)
    tell("channel_first=True", ask(metric, net, x, y, gradient(net, x, y)))
    ask(metric, net, x, y, gradient(net, x, y), channel_first=None)


@CASES.of("three dimensions")
def explain_volumes() -> None:
    """Right: maps of volumes. quantus.explain makes them only if told where the channels are."""
    net, x, y = network((4, 4, 4)), images(grid=(4, 4, 4)), np.array([0, 1, 2])
    maps = quantus.explain(net, x, y, method="Gradient", channel_first=True)
    print("channel_first=True", maps.shape)
    quantus.explain(net, x, y, method="Gradient")


@CASES.of("three dimensions")
def infidelity_of_volumes() -> None:
    """Right: patches of any dimension. Those of volumes end the run."""
    net, x, y = network((4, 4, 4)), images(grid=(4, 4, 4)), np.array([0, 1, 2])
    metric = quantus.Infidelity(perturb_patch_sizes=[2], **PLAIN)
    ask(metric, net, x, y, gradient(net, x, y))


@CASES.of("three dimensions")
def road_of_volumes() -> None:
    """Right: the mean of a voxel's neighbours. They get NaN; the accuracy is of answers to NaN."""
    volume = images(1, grid=(5, 5, 5))[0]
    gone = np.random.default_rng(0).permutation(volume.size)[:40]
    filled = noisy_linear_imputation(volume.copy(), gone, noise=0.0)
    tell("NaN of 40 removed", int(np.isnan(filled).sum()))
    net, x, y = network((4, 4, 4)), images(grid=(4, 4, 4)), np.array([0, 1, 2])
    print(ask(quantus.ROAD(percentages=[50], **QUIET), net, x, y, gradient(net, x, y)))


@CASES.of("what is removed")
def patches_accumulate() -> None:
    """Right: one patch at a time, as a patch size promises. Each is added to those before it."""

    class Product(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x[:, 0, :4, :4].mean((1, 2)) * x[:, 0, 4:, 4:].mean((1, 2)))[:, None]

    model, x, y = Product().eval(), images(), np.zeros(3, int)
    maps = gradient(model, x, y)
    metric = quantus.Infidelity(
        perturb_patch_sizes=[4], n_perturb_samples=1, perturb_baseline=0.0, **PLAIN
    )
    tell("Quantus", ask(metric, model, x, y, maps))
    tell("one patch at a time", one_patch_at_a_time(model, x, maps))


@CASES.of("what is removed")
def patches_that_do_not_divide() -> None:
    """Right: patches of 3 on a grid of 8, the last ones smaller. They end the run."""
    ask(quantus.Infidelity(perturb_patch_sizes=[3], **PLAIN), *linear_regression())


@CASES.of("what is removed")
def mean_that_drifts() -> None:
    """Right: 64 times the image's mean is left of a sum. It is the changed image's mean."""
    _, x, y, maps = linear_regression()
    for step in (1, 16, 32):
        metric = quantus.PixelFlipping(features_in_step=step, perturb_baseline="mean", **PLAIN)
        curves = ask(metric, Linear(np.ones((1, 8, 8), np.float32)), x, y, maps, softmax=False)
        tell(f"{step} pixels a step", np.array(curves)[:, -1])
    tell("64 times the mean", x.sum((1, 2, 3)))


@CASES.of("what is removed")
def area_under_flipping() -> None:
    """Right: the area. It is asked of np.trapz, which NumPy 2.4 does not have."""
    metric = quantus.PixelFlipping(features_in_step=16, return_auc_per_sample=True, **PLAIN)
    tell("area", ask(metric, *linear_regression(), softmax=False))


@CASES.of("regions")
def tied_ranks() -> None:
    """Right: 0.5 + 0.5 · 8/56 = 0.571 for both: ties in part. The order of pixels decides."""
    model, x, y, _ = linear_regression()
    maps = np.zeros((1, 8, 8))
    maps[:, 0] = 1.0
    for rows in ([0, 1], [0, 7]):
        region = np.zeros((1, 1, 8, 8), bool)
        region[:, :, rows] = True
        metric = quantus.RelevanceRankAccuracy(**QUIET)
        tell(f"region of rows {rows}", ask(metric, model, x[:1], y[:1], maps, s_batch=region))


@CASES.of("regions")
def empty_region() -> None:
    """Right: undefined. The region of map 1 is empty, and is hit."""
    model, x, y, _ = linear_regression()
    region = np.zeros((3, 1, 8, 8), bool)
    region[[0, 2], :, 0, 0] = True
    metric = quantus.PointingGame(**QUIET)
    tell("hits", ask(metric, model, x, y, np.abs(numbers(3, 8, 8)), s_batch=region))


@CASES.of("regions")
def weighted_pointing() -> None:
    """Right: a hit weighted by the region's size. weighted=True ends the run."""
    model, x, y, _ = linear_regression()
    region = np.zeros((3, 1, 8, 8), bool)
    region[:, :, :4] = True
    metric = quantus.PointingGame(weighted=True, **QUIET)
    ask(metric, model, x, y, np.abs(numbers(3, 8, 8)), s_batch=region)


if __name__ == "__main__":
    CASES.main(__doc__ or "")

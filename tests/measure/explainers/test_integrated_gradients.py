"""Integrated gradients by known answers: linear, quadratic and kinked scores; and Captum 0.9."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from torch import nn

from iceframe.core.dataset import ArrayImages
from iceframe.measure.attribution import attribute
from iceframe.measure.explainer import EXPLAINERS, Background, mean_image
from iceframe.measure.explainers.integrated_gradients import STRUCTURES, structures
from iceframe.measure.image_model import ImageModel
from iceframe.measure.model_flips import flips, patch_sums
from iceframe.measure.straight_path import divided, path_contributions
from iceframe.measure.table_model import model_function
from iceframe.scale.architectures import Problem, build
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.image_network import Standardise, WholeModel
from iceframe.scale.rung import RUNGS

NAMES = [
    "integrated_gradients",
    "integrated_gradients_other_phase",
    "integrated_gradients_same_statistics",
]
GRIDS = [(16, 12), (8, 6, 8)]


def whole_model(architecture, grid, outputs=1, channels=1, periodic=True, factor=1):
    """An untrained network as a rung holds it, with batch statistics that are not 0 and 1."""
    torch.manual_seed(0)
    seen = tuple(side // factor for side in grid)
    network = build(architecture, Problem(channels, seen, outputs, periodic=periodic))
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.2, 2.0)
    standardise = Standardise(np.full(channels, 0.4), np.full(channels, 0.5), len(grid))
    return WholeModel(nn.Sequential(standardise, network), factor, 100.0, 3.0).eval()


def inputs(rng, n, grid, channels=1):
    return torch.from_numpy(rng.random((n, channels, *grid), dtype=np.float32))


def background_of(values):
    return Background(ArrayImages(np.asarray(values, np.float32)))


def test_integrated_gradients_of_a_linear_model_are_exact(rng, images, pixels, linear):
    weights = rng.normal(size=(2, 9, 7, 1))
    values, background = rng.random((5, 2, 9, 7)), rng.random((11, 2, 9, 7))
    fitted = pixels(linear(weights))
    result = attribute(fitted, images(values), images(background))
    expected = (weights[..., 0] * (values - background.mean(0))).sum(1)
    assert result.method == "integrated gradients"
    assert result.values.shape == (5, 9, 7)
    np.testing.assert_allclose(result.values, expected, atol=1e-4)
    assert np.all(result.gap < 1e-4)
    np.testing.assert_allclose(
        patch_sums(result.values, 4),
        flips(fitted, images(values), images(background), patches=4),
        atol=1e-4,
    )


@pytest.mark.parametrize("grid", [(5, 7), (4, 3, 5)])
def test_of_a_quadratic_score_they_are_exact_and_follow_their_baseline(rng, grid):
    size = 2 * int(np.prod(grid))
    a = torch.from_numpy(rng.normal(size=(size, size))).float()
    a = a + a.T

    class Quadratic(nn.Module):
        def forward(self, x):
            return ((x.flatten(1) @ a) * x.flatten(1)).sum(1, keepdim=True) / 2

    def exact(x, b):
        """The gradient is linear, and its mean that of the two ends."""
        return ((x - b).flatten(1) * ((x + b).flatten(1) @ a / 2)).view(x.shape)

    x, many = inputs(rng, 4, grid, 2), inputs(rng, STRUCTURES, grid, 2)
    background, model = background_of(many), ImageModel(Quadratic())
    low, high = (v.view(-1, *(1 for _ in grid)) for v in map(torch.from_numpy, background.range))
    expected = {
        "integrated_gradients": exact(x, many.mean(0, keepdim=True)),
        "integrated_gradients_other_phase": exact(x, low + high - x),
        "integrated_gradients_same_statistics": torch.stack(
            [exact(x, b[None].expand_as(x)) for b in many]
        ).mean(0),
    }
    for name in NAMES:
        explainer = EXPLAINERS[name]()
        maps = explainer.maps(model, x, None, background)
        torch.testing.assert_close(maps, expected[name].sum(1), rtol=1e-4, atol=1e-3)
        there = explainer.baseline_scores(model, x, None, background, 0)
        change = model.scores(x) - there
        torch.testing.assert_close(maps.flatten(1).sum(1), change, rtol=1e-4, atol=1e-2)


def test_the_other_phase_swaps_the_phases_and_leaves_a_symmetric_score_unexplained(rng):
    x = torch.from_numpy(rng.integers(0, 2, size=(3, 1, 6, 6))).float()
    explainer, background = EXPLAINERS["integrated_gradients_other_phase"](), background_of(x)
    assert torch.equal(explainer.baseline(x, background, 0), 1 - x)

    class Contrast(nn.Module):  # of x and of 1 − x the same
        def forward(self, x):
            return torch.square(x - 0.5).flatten(1).sum(1, keepdim=True)

    maps = explainer.maps(ImageModel(Contrast()), x, None, background)
    torch.testing.assert_close(maps, torch.zeros(3, 6, 6), rtol=0, atol=1e-6)


def test_baselines_of_the_same_statistics_are_the_nearest_in_volume_fraction(rng):
    fractions = np.linspace(0, 1, 41)
    values = (rng.random((41, 1, 9, 9)) < fractions[:, None, None, None]).astype(np.float32)
    background = background_of(values)
    x = torch.from_numpy(values[[3, 20]])
    found = structures(x, background, seed=0)
    assert found.shape == (2, STRUCTURES, 1, 9, 9)
    means = values.mean((1, 2, 3))
    for image, own, chosen in zip(x, (3, 20), found, strict=True):
        away = np.sort(np.abs(np.delete(means, own) - means[own]))[STRUCTURES - 1]
        assert float((chosen.mean((1, 2, 3)) - image.mean()).abs().max()) <= away + 1e-6
        assert not (chosen == image).flatten(1).all(1).any()  # never itself
    alike = background_of(np.stack([np.roll(values[20], i, axis=-1) for i in range(30)]))
    x = torch.from_numpy(values[[5]])
    first, other = structures(x, alike, seed=0), structures(x, alike, seed=1)
    assert torch.equal(first, structures(x, alike, seed=0))
    assert not torch.equal(first, other)  # the seed decides between equals


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("grid", GRIDS)
def test_they_add_up_and_do_not_depend_on_the_other_images(rng, name, grid):
    model = ImageModel(whole_model("small", grid, 3))
    x, codes = inputs(rng, 7, grid), torch.tensor([0, 1, 2, 2, 1, 0, 1])
    background, explainer = background_of(rng.random((12, 1, *grid))), EXPLAINERS[name]()
    maps = explainer.maps(model, x, codes, background)
    assert maps.shape == (7, *grid)
    change = model.scores(x, codes) - explainer.baseline_scores(model, x, codes, background, 0)
    torch.testing.assert_close(maps.flatten(1).sum(1), change, rtol=1e-3, atol=1e-4)
    alone = [explainer.maps(model, x[i : i + 1], codes[i : i + 1], background) for i in range(7)]
    torch.testing.assert_close(maps, torch.cat(alone), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("architecture", ["small", "residual", "transformer", "spectral"])
def test_they_are_captums(rng, architecture, grid):
    module = whole_model(architecture, grid, 2, channels=2, periodic=len(grid) == 2)
    x, base, codes = inputs(rng, 3, grid, 2), inputs(rng, 3, grid, 2), torch.tensor([1, 0, 1])
    ours = path_contributions(ImageModel(module), x, base, codes, 8)
    theirs = IntegratedGradients(module).attribute(x, base, target=codes, n_steps=8)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))
    assert float(theirs.abs().max()) > 1e-4


@pytest.mark.parametrize(
    ("architecture", "grid", "layers"),
    [
        ("small", (16, 12), ["Standardise", "Wrap", "Conv2d", "Identity"]),
        ("residual", (16, 12), ["Standardise", "Wrap", "Conv2d"]),
        ("small", (8, 8, 8), ["Standardise", "Wrap", "Conv3d", "Identity"]),
    ],
)
def test_the_affine_layers_at_the_entry_are_found(rng, architecture, grid, layers):
    model, x = ImageModel(whole_model(architecture, grid)), inputs(rng, 3, grid)
    before = {name: value.clone() for name, value in model.module.state_dict().items()}
    first, rest = divided(model, x[:1])
    assert [type(layer).__name__ for layer in first] == layers
    torch.testing.assert_close(rest.scores(first(x)), model.scores(x), rtol=1e-5, atol=1e-4)
    first[2].weight.data.zero_()  # copies
    after = model.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("way", ["around", "before", "between", "twice", "curved"])
def test_layers_that_are_not_the_only_way_in_are_not_taken_out(rng, way):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, padding=1)
            self.curve = nn.SiLU()

        def forward(self, x):
            if way == "around":
                h = self.curve(self.a(x)) * x
            elif way == "before":
                h = self.a(torch.exp(x))
            elif way == "between":
                h = self.curve(self.b(torch.exp(self.a(x))))
            elif way == "twice":
                h = self.a(torch.exp(self.a(x)))
            else:
                h = self.a(self.curve(x))
            return h.flatten(1).sum(1, keepdim=True)

    torch.manual_seed(1)
    model, x = ImageModel(Net()), inputs(rng, 3, (6, 6))
    first, rest = divided(model, x[:1])
    assert (type(first) is nn.Identity) == (way != "between")
    assert (rest is model) == (way != "between")
    base = torch.zeros_like(x)
    maps = path_contributions(model, x, base, None, 32)
    theirs = IntegratedGradients(model.module).attribute(x, base, target=0, n_steps=32)
    torch.testing.assert_close(maps, theirs, rtol=1e-4, atol=1e-5)


def test_images_that_are_reduced_first_are_explained_on_their_own_grid(rng):
    model = ImageModel(whole_model("small", (32, 24), factor=2))
    x, background = inputs(rng, 2, (32, 24)), background_of(rng.random((3, 1, 32, 24)))
    explainer = EXPLAINERS["integrated_gradients"]()
    maps = explainer.maps(model, x, None, background)
    change = model.scores(x) - explainer.baseline_scores(model, x, None, background, 0)
    torch.testing.assert_close(maps.flatten(1).sum(1), change, rtol=1e-3, atol=1e-4)


def test_integrated_gradients_explain_the_logit_of_the_predicted_class(rng, images, pixels, linear):
    weights = rng.normal(size=(1, 4, 4, 3))
    values, background = rng.random((6, 1, 4, 4)), rng.random((4, 1, 4, 4))
    fitted = pixels(linear(weights), "classification", 3)
    logits = np.einsum("nchw,chwk->nk", values, weights)
    for name in NAMES:
        result = attribute(fitted, images(values), images(background), explainer=name)
        np.testing.assert_array_equal(result.target, logits.argmax(1))
        np.testing.assert_allclose(result.prediction, logits.max(1), rtol=1e-5)
        assert np.all(result.gap < 1e-3)


def test_a_kinked_model_shows_its_gap(rng, images, pixels):
    class Step(nn.Module):
        def forward(self, x):
            return torch.sigmoid(4000 * (x.mean((1, 2, 3)) - 0.5015))[:, None]

    values, background = np.full((1, 1, 4, 4), 1.0), np.zeros((2, 1, 4, 4))
    result = attribute(pixels(Step()), images(values), images(background))
    assert result.gap[0] > 0.01


def test_the_registered_image_rung_is_explained(rng, images):
    values = rng.random((24, 1, 12, 12))
    inputs = images(values)
    about = context_for(inputs, "regression")
    fitted = fit(RUNGS["cnn"](), {}, inputs, values.mean((1, 2, 3)) * 100, about)
    few = inputs.take(np.arange(3))
    for name in NAMES:
        result = attribute(fitted, few, inputs, explainer=name)
        assert result.values.shape == (3, 12, 12)
        np.testing.assert_allclose(result.prediction, fitted.predict(few), rtol=1e-4)
        assert np.all(result.gap < 0.01)
    assert flips(fitted, inputs.take(np.arange(2)), inputs).shape == (2, 64)
    assert model_function(fitted, inputs) is None


def test_the_background_is_read_in_batches(rng):
    values = rng.random((150, 2, 40, 40)).astype(np.float32)
    values[149, 1, 3, 3], values[0, 0, 0, 0] = 7.0, -5.0
    background = Background(ArrayImages(values))
    np.testing.assert_allclose(mean_image(ArrayImages(values)), values.mean(0), rtol=1e-5)
    np.testing.assert_allclose(background.means, values.mean((2, 3), dtype=float), rtol=1e-5)
    np.testing.assert_array_equal(background.range, [values.min((0, 2, 3)), values.max((0, 2, 3))])

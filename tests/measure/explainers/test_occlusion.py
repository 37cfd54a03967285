"""Occlusion and phase flips by known answers, and against Captum 0.9."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import Occlusion

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import UsageError
from iceframe.measure.explainer import EXPLAINERS, Background
from iceframe.measure.explainers import occlusion
from iceframe.measure.image_model import ImageModel
from iceframe.measure.model_flips import flips, patch_boxes, patch_sums
from iceframe.scale.architectures import Problem, build


def inputs(rng, n, grid, channels=1):
    return torch.from_numpy(rng.random((n, channels, *grid), dtype=np.float32))


def background_of(values):
    return Background(ArrayImages(np.asarray(values, np.float32)))


def network(grid, outputs=1, channels=1):
    torch.manual_seed(0)
    module = build("small", Problem(channels, grid, outputs, periodic=True)).eval()
    module.head.weight.data *= 1000  # scores that differ, although nothing was learned
    return module


class Product(torch.nn.Module):
    """The product of two voxels, one in each corner: it matters only where the other is 1."""

    def forward(self, x):
        flat = x.flatten(1)
        return (flat[:, 0] * flat[:, -1])[:, None]


@pytest.mark.parametrize("grid", [(17, 11), (9, 10, 8)])
def test_a_patch_sums_to_what_the_score_loses_without_it(rng, grid):
    module, x = network(grid, 3, channels=2), inputs(rng, 3, grid, 2)
    model, codes = ImageModel(module), torch.tensor([2, 0, 1])
    background = background_of(rng.random((4, 2, *grid)))
    maps = EXPLAINERS["occlusion"]().maps(model, x, codes, background)
    boxes = patch_boxes(grid)
    expected = np.empty((3, len(boxes)))
    for i, box in enumerate(boxes):
        changed = x.clone()
        changed[(..., *box)] = torch.from_numpy(background.mean)[(..., *box)]
        expected[:, i] = (model.scores(x, codes) - model.scores(changed, codes)).numpy()
        assert float(maps[(slice(None), *box)].flatten(1).std(1, correction=0).max()) < 1e-6
    np.testing.assert_allclose(patch_sums(maps.numpy()), expected, atol=1e-4)
    assert np.abs(expected).max() > 1e-2


def test_occlusion_is_the_models_own_flips(rng, images, pixels, linear):
    fitted = pixels(linear(rng.normal(size=(1, 12, 12, 1))))
    values, background = images(rng.random((3, 1, 12, 12))), images(rng.random((5, 1, 12, 12)))
    result = EXPLAINERS["occlusion"]().explain(fitted, values, background)
    np.testing.assert_allclose(
        patch_sums(result.values), flips(fitted, values, background), rtol=1e-3, atol=1e-5
    )
    assert np.isnan(result.gap).all()
    assert result.meaning == "contribution"


@pytest.mark.parametrize("grid", [(16, 16), (8, 8, 8)])
def test_occlusion_is_captums(rng, grid):
    module, x = network(grid), inputs(rng, 3, grid)
    background = background_of(rng.random((4, 1, *grid)))
    ours = EXPLAINERS["occlusion"]().maps(ImageModel(module), x, None, background)
    side = grid[0] // 8  # patches along each axis are 8
    theirs = Occlusion(module).attribute(
        x,
        sliding_window_shapes=(1, *(side for _ in grid)),
        strides=(1, *(side for _ in grid)),
        baselines=torch.from_numpy(background.mean)[None],
        target=0,
    )[:, 0]
    # Captum writes the loss into every pixel of the patch, ours sum to it.
    torch.testing.assert_close(ours * side ** len(grid), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("grid", [(5, 7), (4, 3, 5)])
def test_every_voxel_is_flipped_on_its_own(rng, grid):
    x = torch.from_numpy(rng.integers(0, 2, size=(4, 1, *grid))).float()
    x[0].view(-1)[[0, -1]] = 1.0
    x[1].view(-1)[[0, -1]] = torch.tensor([1.0, 0.0])
    background = background_of(np.stack([np.zeros((1, *grid)), np.ones((1, *grid))]))
    maps = EXPLAINERS["phase_flip"]().maps(ImageModel(Product()), x, None, background).flatten(1)
    a, b = x.flatten(1)[:, 0], x.flatten(1)[:, -1]
    torch.testing.assert_close(maps[:, 0], a * b - (1 - a) * b)
    torch.testing.assert_close(maps[:, -1], a * b - (1 - b) * a)
    assert not maps[:, 1:-1].any()
    assert float(maps[0, 0]) == 1.0
    assert float(maps[1, -1]) == -1.0


def test_a_score_that_both_phases_share_alike_is_not_moved_by_a_flip(rng):
    class Contrast(torch.nn.Module):  # of x and of 1 − x the same
        def forward(self, x):
            return torch.square(x - 0.5).flatten(1).sum(1, keepdim=True)

    x = torch.from_numpy(rng.integers(0, 2, size=(2, 1, 6, 6))).float()
    maps = EXPLAINERS["phase_flip"]().maps(ImageModel(Contrast()), x, None, background_of(x))
    torch.testing.assert_close(maps, torch.zeros(2, 6, 6))


def test_a_flip_stays_in_the_range_of_each_channel(rng, images, pixels, linear):
    weights = rng.normal(size=(2, 4, 5, 1))
    background = np.zeros((2, 2, 4, 5))
    background[0, 0], background[0, 1] = 3.0, -2.0  # ranges 0 to 3 and −2 to 0
    values = rng.random((3, 2, 4, 5))
    result = EXPLAINERS["phase_flip"]().explain(
        pixels(linear(weights)), images(values), images(background)
    )
    there = np.array([3.0, -2.0])[:, None, None] - values
    expected = (weights[..., 0] * (values - there)).sum(1)
    np.testing.assert_allclose(result.values, expected, rtol=1e-3, atol=1e-4)


def test_large_grids_are_flipped_in_blocks(rng, monkeypatch):
    monkeypatch.setattr(occlusion, "MOST_FLIPS", 3**3)
    x = torch.from_numpy(rng.integers(0, 2, size=(2, 1, 6, 6, 6))).float()
    asked = []

    class Mean(torch.nn.Module):
        def forward(self, x):
            asked.append(len(x))
            return x.flatten(1).mean(1, keepdim=True)

    maps = EXPLAINERS["phase_flip"]().maps(ImageModel(Mean()), x, None, background_of(x))
    assert sum(asked) == 2 * 3**3 + 2
    coarse = (2 * x - 1)[:, 0].reshape(2, 3, 2, 3, 2, 3, 2).sum((2, 4, 6)) / 216
    for axis in (1, 2, 3):
        coarse = coarse.repeat_interleave(2, dim=axis)
    torch.testing.assert_close(maps, coarse / 8, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["occlusion", "phase_flip"])
@pytest.mark.parametrize("grid", [(12, 10), (4, 6, 5)])
def test_a_map_does_not_depend_on_the_other_images(rng, name, grid):
    model, x = ImageModel(network(grid, 2)), inputs(rng, 5, grid)
    background, codes = background_of(rng.random((4, 1, *grid))), torch.tensor([0, 1, 1, 0, 1])
    explainer = EXPLAINERS[name]()
    together = explainer.maps(model, x, codes, background)
    alone = [explainer.maps(model, x[i : i + 1], codes[i : i + 1], background) for i in range(5)]
    assert together.shape == (5, *grid)
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["occlusion", "phase_flip"])
def test_a_model_that_is_no_torch_module_is_refused(rng, images, pixels, linear, name):
    fitted = pixels(linear(rng.normal(size=(1, 4, 4, 1))))
    opaque = replace(fitted, estimator=object())
    values = images(rng.random((2, 1, 4, 4)))
    with pytest.raises(UsageError, match="torch module, and 'pixels' has none"):
        EXPLAINERS[name]().explain(opaque, values, values)

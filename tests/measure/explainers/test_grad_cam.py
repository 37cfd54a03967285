"""Grad-CAM by known answers, and against Captum 0.9."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from iceframe.core.errors import UsageError
from iceframe.measure.explainer import EXPLAINERS
from iceframe.measure.explainers.grad_cam import class_activation, last_feature_map
from iceframe.measure.image_model import ImageModel
from iceframe.scale.architectures import Problem, build

WAY = {2: "bilinear", 3: "trilinear"}


def inputs(rng, n, grid, channels=1):
    return torch.from_numpy(rng.normal(size=(n, channels, *grid))).float()


def network(architecture, grid, outputs=1, channels=1):
    torch.manual_seed(0)
    return build(architecture, Problem(channels, grid, outputs, periodic=True)).eval()


class Pooled(nn.Module):
    """A 1×1 convolution that copies the image into two maps, their means, a linear layer."""

    def __init__(self, dimensions, weights):
        super().__init__()
        kind = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        self.copy = kind(1, 2, 1, bias=False)
        self.copy.weight.data = torch.tensor([1.0, -2.0]).view(
            2, 1, *(1 for _ in range(dimensions))
        )
        self.weights = torch.tensor(weights)  # (2, outputs)

    def forward(self, x):
        return self.copy(x).flatten(2).mean(2) @ self.weights


@pytest.mark.parametrize("grid", [(5, 7), (4, 3, 5)])
def test_of_a_mean_of_maps_it_is_what_each_position_adds(rng, grid):
    x = inputs(rng, 4, grid)
    voxels = int(np.prod(grid))
    # The score is the mean of (3·1 + 1·(−2)) x = x; the maps' weights are 3 and 1 over the voxels.
    regression = ImageModel(Pooled(len(grid), [[3.0], [1.0]]))
    found = EXPLAINERS["grad_cam"]().maps(regression, x)
    torch.testing.assert_close(found, x[:, 0].abs() / voxels)  # both signs are important
    classes = ImageModel(Pooled(len(grid), [[3.0, 0.0], [1.0, 1.0]]))
    codes = torch.tensor([0, 1, 1, 0])
    found = EXPLAINERS["grad_cam"]().maps(classes, x, codes)
    sign = torch.tensor([1.0, -2.0, -2.0, 1.0]).view(-1, *(1 for _ in grid))
    torch.testing.assert_close(found, (sign * x[:, 0]).clamp(min=0) / voxels)
    assert float(found.min()) == 0.0


@pytest.mark.parametrize("architecture", ["small", "residual", "spectral"])
@pytest.mark.parametrize("grid", [(64, 64), (32, 16, 16)])
def test_it_is_captums(rng, architecture, grid):
    module, x = network(architecture, grid, 3, channels=2), inputs(rng, 3, grid, 2)
    codes = torch.tensor([2, 0, 1])
    layer = last_feature_map(module, x[:1])
    theirs = LayerGradCam(module, layer).attribute(x, codes, relu_attributions=True).detach()
    ours = class_activation(ImageModel(module), layer, x, codes)
    assert ours.shape[1:] == theirs.shape[2:]
    scale = float(theirs.abs().max())
    assert scale > 0
    torch.testing.assert_close(ours, theirs[:, 0], rtol=1e-4, atol=1e-4 * scale)
    maps = EXPLAINERS["grad_cam"]().maps(ImageModel(module), x, codes)
    up = nn.functional.interpolate(theirs, grid, mode=WAY[len(grid)])[:, 0]
    torch.testing.assert_close(maps, up, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [((64, 64), (4, 4)), ((12, 12), (2, 2)), ((32, 32, 32), (2, 2, 2)), ((8, 6, 8), (2, 2, 2))],
)
def test_the_last_feature_maps_are_those_of_more_than_one_pixel(rng, grid, expected):
    module, x = network("small", grid), inputs(rng, 2, grid)
    layer = last_feature_map(module, x[:1])
    assert class_activation(ImageModel(module), layer, x, None).shape == (2, *expected)
    # After the normalisation and the activation, not the bare convolution.
    assert isinstance(layer, nn.SiLU | nn.Sequential)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("grid", [(16, 12), (8, 8, 8)])
def test_a_map_does_not_depend_on_the_other_images(rng, grid, outputs):
    module, x = network("residual", grid, outputs), inputs(rng, 6, grid)
    model = ImageModel(module)
    codes = torch.tensor([0, 1, 1, 0, 1, 0]) % outputs
    explainer = EXPLAINERS["grad_cam"]()
    together = explainer.maps(model, x, codes)
    alone = [explainer.maps(model, x[i : i + 1], codes[i : i + 1]) for i in range(6)]
    assert together.shape == (6, *grid)
    assert float(together.min()) >= 0
    assert float(together.max()) > 0
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-3, atol=1e-6)
    assert all(p.requires_grad and p.grad is None for p in module.parameters())
    assert not any(layer._forward_hooks for layer in module.modules())


def test_models_without_convolutions_are_refused(rng, images, pixels, linear):
    fitted = pixels(linear(rng.normal(size=(1, 4, 4, 1))))
    values = images(rng.random((3, 1, 4, 4)))
    with pytest.raises(UsageError, match="convolutions, and 'pixels' has none"):
        EXPLAINERS["grad_cam"]().explain(fitted, values, values)


def test_a_network_that_leaves_one_pixel_is_refused(rng):
    module = nn.Sequential(nn.Conv2d(1, 2, 4), nn.SiLU(), nn.Flatten(), nn.Linear(2, 1))
    with pytest.raises(UsageError, match="more than one pixel"):
        EXPLAINERS["grad_cam"]().maps(ImageModel(module), inputs(rng, 2, (4, 4)))


def test_a_fitted_model_has_no_gap_and_no_sign(rng, images, pixels):
    fitted = pixels(Pooled(2, [[3.0], [1.0]]))
    values = images(rng.normal(size=(3, 1, 6, 6)))
    result = EXPLAINERS["grad_cam"]().explain(fitted, values, values)
    assert result.meaning == "importance"
    assert np.isnan(result.gap).all()
    assert (result.values >= 0).all()

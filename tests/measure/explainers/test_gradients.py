"""Input gradient, gradient × input and SmoothGrad by known answers, and against Captum 0.9."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, NoiseTunnel, Saliency

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import UsageError
from iceframe.measure.explainer import EXPLAINERS, Background
from iceframe.measure.explainers.smooth_gradient import NOISE, PAIRS
from iceframe.measure.image_model import ImageModel
from iceframe.scale.architectures import Problem, build

GRIDS = [(9, 7), (6, 5, 4)]
NAMES = ["input_gradient", "gradient_x_input", "smooth_gradient"]


class Quadratic(torch.nn.Module):
    """``½ xᵀ A x + b x``, whose gradient is ``A x + b`` for symmetric ``A``."""

    def __init__(self, rng, size):
        super().__init__()
        a = rng.normal(size=(size, size))
        self.a = torch.tensor(a + a.T, dtype=torch.float32)
        self.b = torch.tensor(rng.normal(size=size), dtype=torch.float32)

    def forward(self, x):
        x = x.flatten(1)
        return (((x @ self.a) * x).sum(1) / 2 + x @ self.b)[:, None]

    def slope(self, x):
        return (x.flatten(1) @ self.a + self.b).view(x.shape)


def network(grid, outputs=1, channels=2):
    torch.manual_seed(0)
    module = build("small", Problem(channels, grid, outputs, periodic=True)).eval()
    module.head.weight.data *= 1000  # scores that differ, although nothing was learned
    return module


def inputs(rng, n, grid, channels=2):
    return torch.from_numpy(rng.random((n, channels, *grid), dtype=np.float32))


def against(rng, grid, channels=2):
    return Background(ArrayImages(rng.random((5, channels, *grid)).astype(np.float32)))


@pytest.mark.parametrize("grid", GRIDS)
def test_derivatives_of_a_quadratic_score_are_exact(rng, grid):
    module = Quadratic(rng, 2 * int(np.prod(grid)))
    x, background = inputs(rng, 4, grid), against(rng, grid)
    slope = module.slope(x)
    model = ImageModel(module)
    for name, expected in [
        ("input_gradient", slope.sum(1)),
        ("gradient_x_input", (slope * x).sum(1)),
        ("smooth_gradient", slope.sum(1)),  # noise of both signs cancels where f is quadratic
    ]:
        found = EXPLAINERS[name]().maps(model, x, None, background)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("grid", [(16, 16), (8, 8, 8)])
def test_they_are_captums(rng, grid):
    module, x, codes = network(grid, outputs=3), inputs(rng, 5, grid), torch.tensor([0, 2, 1, 1, 0])
    model = ImageModel(module)
    theirs = Saliency(module).attribute(x.clone().requires_grad_(), codes, abs=False).sum(1)
    torch.testing.assert_close(
        EXPLAINERS["input_gradient"]().maps(model, x, codes), theirs, rtol=1e-4, atol=1e-5
    )
    theirs = InputXGradient(module).attribute(x.clone().requires_grad_(), codes).sum(1)
    torch.testing.assert_close(
        EXPLAINERS["gradient_x_input"]().maps(model, x, codes), theirs, rtol=1e-4, atol=1e-5
    )


def test_smooth_gradient_is_the_gradient_of_the_blurred_score(rng):
    class Waves(torch.nn.Module):
        def forward(self, x):
            return torch.sin(6 * x).flatten(1).sum(1, keepdim=True)

    x = torch.full((1, 1, 40, 40), 0.3)
    # The background runs from 0 to 2, so that the noise has twice the share as its width.
    background = Background(ArrayImages(np.stack([np.zeros((1, 40, 40)), np.full((1, 40, 40), 2)])))
    found = EXPLAINERS["smooth_gradient"]().maps(ImageModel(Waves()), x, None, background)
    width = 2 * NOISE
    blurred = 6 * np.cos(1.8) * np.exp(-((6 * width) ** 2) / 2)
    # The spread over draws of 6 cos(6 (x + σ z)) is at most 6.
    error = 6 / np.sqrt(2 * PAIRS * x.numel())
    assert abs(float(found.mean()) - blurred) < 4 * error
    torch.manual_seed(0)
    theirs = NoiseTunnel(Saliency(Waves())).attribute(
        x, nt_samples=2 * PAIRS, stdevs=width, target=0, abs=False
    )
    assert abs(float(theirs.mean()) - blurred) < 4 * error
    assert abs(6 * np.cos(1.8) - blurred) > 8 * error  # the plain gradient is another


def test_the_noise_follows_from_the_seed_and_is_the_same_for_every_image(rng):
    x = inputs(rng, 1, (8, 8)).repeat(3, 1, 1, 1)
    model, background = ImageModel(network((8, 8))), against(rng, (8, 8))
    explainer = EXPLAINERS["smooth_gradient"]()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = explainer.maps(model, x, None, background, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(first[0], first[2])
    torch.testing.assert_close(first, explainer.maps(model, x, None, background, seed=1))
    other = explainer.maps(model, x, None, background, seed=2)
    assert not torch.allclose(first, other, rtol=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("grid", [(12, 12), (6, 6, 6)])
def test_a_map_does_not_depend_on_the_other_images(rng, name, grid):
    model, x, background = ImageModel(network(grid, 2)), inputs(rng, 7, grid), against(rng, grid)
    codes = torch.tensor([0, 1, 1, 0, 0, 1, 0])
    explainer = EXPLAINERS[name]()
    together = explainer.maps(model, x, codes, background)
    alone = [explainer.maps(model, x[i : i + 1], codes[i : i + 1], background) for i in range(7)]
    assert together.shape == (7, *grid)
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-3, atol=1e-4)


def test_a_fitted_model_is_explained_without_a_gap_and_left_as_it_was(rng, images, pixels, linear):
    weights = rng.normal(size=(2, 9, 7, 3))
    values = rng.random((6, 2, 9, 7))
    fitted = pixels(linear(weights), "classification", 3)
    codes = np.array([0, 1, 2, 0, 1, 2])
    for name in NAMES:
        explainer = EXPLAINERS[name]()
        result = explainer.explain(fitted, images(values), images(values), codes=codes)
        slope = weights[..., codes].transpose(3, 0, 1, 2)
        if name == "gradient_x_input":
            slope = slope * values
        np.testing.assert_allclose(result.values, slope.sum(1), rtol=1e-4, atol=1e-5)
        assert np.isnan(result.gap).all()
        assert result.meaning == explainer.meaning
    module = network((9, 7))
    EXPLAINERS["input_gradient"]().maps(ImageModel(module), inputs(rng, 2, (9, 7)))
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


def test_models_without_gradients_are_refused(function_rung, table, context):
    from iceframe.scale.fitting import Fitted

    fitted = Fitted(function_rung(len), {}, context(), None)
    with pytest.raises(UsageError, match="models of images"):
        EXPLAINERS["input_gradient"]().explain(fitted, table(np.eye(2)), table(np.eye(2)))

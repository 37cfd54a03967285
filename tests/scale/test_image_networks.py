"""The larger networks on images: what they leave unchanged, and several targets at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import UsageError
from iceframe.scale.architectures import ARCHITECTURES, Problem, build
from iceframe.scale.image_network import ImageRegressor
from iceframe.scale.spectral_network import SpectralConvolution

NAMES = sorted(ARCHITECTURES)
GRIDS = [(16, 16), (12, 15), (8, 8, 8)]


def _network(name: str, grid: tuple[int, ...], periodic: bool, channels: int = 2):
    torch.manual_seed(0)
    problem = Problem(channels, grid, 3, periodic=periodic, alone=True)
    return build(name, problem).eval()


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("name", NAMES)
def test_an_answer_does_not_depend_on_the_batch(name, grid, periodic):
    network = _network(name, grid, periodic)
    x = torch.rand(4, 2, *grid)
    together = network(x)
    assert together.shape == (4, 3)
    assert together.std(dim=0).min() > 0
    alone = (
        torch.cat([network.train()(x[i : i + 1]) for i in range(4)])
        if name != "transformer"
        else (torch.cat([network(x[i : i + 1]) for i in range(4)]))
    )
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("grid", [(16, 16), (8, 8, 8)])
def test_a_spectral_network_does_not_notice_that_a_periodic_image_is_rolled(grid):
    network = _network("spectral", grid, periodic=True).double()
    x = torch.rand(2, 2, *grid, dtype=torch.float64)
    rolled = x.roll((3, 5), dims=(2, 3))
    assert torch.allclose(network(x), network(rolled), atol=1e-10)
    assert (network(x) - network(x.flip(2))).abs().max() > 1e-6  # mirrored, it is another image


def test_a_residual_network_does_not_notice_a_roll_by_whole_strides():
    network = _network("residual", (16, 16), periodic=True).double()
    x = torch.rand(2, 2, 16, 16, dtype=torch.float64)
    assert torch.allclose(network(x), network(x.roll((4, -8), dims=(2, 3))), atol=1e-10)


def test_a_spectral_convolution_is_a_circular_convolution():
    # Its kernel is its answer to a unit impulse; convolving with that by sums gives the same.
    torch.manual_seed(1)
    layer = SpectralConvolution(1, (6, 8), modes=2).double()
    impulse = torch.zeros(1, 1, 6, 8, dtype=torch.float64)
    impulse[..., 0, 0] = 1
    kernel = layer(impulse)[0, 0]
    x = torch.rand(1, 1, 6, 8, dtype=torch.float64)
    sums = sum(x[0, 0, i, j] * kernel.roll((i, j), dims=(0, 1)) for i in range(6) for j in range(8))
    assert torch.allclose(layer(x)[0, 0], sums, atol=1e-12)


@pytest.mark.parametrize("grid", [(5, 5), (4, 4, 4)])
@pytest.mark.parametrize("name", NAMES)
def test_the_slope_of_the_input_gradient_is_right(name, grid):
    torch.manual_seed(0)
    network = build(name, Problem(1, grid, 1, periodic=True, alone=True)).double().eval()
    x = torch.rand(1, 1, *grid, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(network, (x,))


def test_several_targets_are_learned_each_in_its_unit():
    rng = np.random.default_rng(0)
    share = rng.uniform(0.1, 0.9, 160)
    x = (rng.random((160, 1, 8, 8)) < share[:, None, None, None]).astype(np.float32)
    mean = x.mean(axis=(1, 2, 3))
    y = np.stack([mean, 1000 - 500 * mean, np.full(160, 7.0)], axis=1)
    model = ImageRegressor(epochs=40, learning_rate=5e-3).fit(x[:120], y[:120])
    predicted = model.predict(x[120:])
    assert predicted.shape == (40, 3)
    for k in range(2):
        assert np.corrcoef(predicted[:, k], y[120:, k])[0, 1] > 0.97
        assert np.abs(predicted[:, k] - y[120:, k]).mean() < 0.25 * y[:, k].std()
    whole = model.torch_model()(torch.as_tensor(x[120:])).detach().numpy()
    assert np.allclose(whole, predicted, rtol=1e-4, atol=1e-3)
    arrays, values = model.state()
    again = ImageRegressor(epochs=40, learning_rate=5e-3).restore(arrays, values)
    assert np.array_equal(again.predict(x[120:]), predicted)


def test_several_targets_cannot_be_taught_by_the_slopes_of_one():
    x = np.random.default_rng(0).random((12, 1, 8, 8)).astype(np.float32)
    images = ArrayImages(x, derivatives=np.ones_like(x))
    with pytest.raises(UsageError, match="one target"):
        ImageRegressor(alone=True, sobolev=1.0).fit(images, np.ones((12, 2)) * x[:, 0, :2, 0])


def test_an_unknown_network_is_refused_by_name():
    with pytest.raises(UsageError, match="residual"):
        build("huge", Problem(1, (8, 8), 1))

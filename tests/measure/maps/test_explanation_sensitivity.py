"""Sensitivity of maps to small changes of the image: known answers of quadratic models."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import UsageError
from iceframe.measure.explainer import Background, ImageExplainer
from iceframe.measure.image_model import ImageModel, batch_size
from iceframe.measure.maps.sensitivity import at_boundary, sensitivity

GRIDS = [(8, 8), (4, 4, 4)]


class Gradient(ImageExplainer):
    name = title = summary = reference = "gradient"
    meaning = "derivative"

    def __init__(self):
        self.seen = []

    def maps(self, model, x, codes=None, background=None, seed=0):
        self.seen.append(x.clone())
        return model.gradients(x, codes).sum(1)


class Quadratic(torch.nn.Module):
    """``f_k(x) = ½ Σ_p a_kp x_p² + Σ_p b_p x_p``: its gradient is ``a_k x + b``."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x):
        x = x.flatten(1)
        return x.square() @ self.a.flatten(1).T / 2 + (x @ self.b.flatten())[:, None]


def normal(rng, *shape):
    return torch.from_numpy(rng.normal(size=shape)).float()


PHASES = Background(ArrayImages(np.array([0.0, 1.0], np.float32).reshape(1, 1, 1, 2)))


def of(model, x, maps=None, codes=None, **how):
    explainer = Gradient()
    maps = explainer.maps(model, x, codes) if maps is None else maps
    return sensitivity(explainer, model, x, maps, codes, PHASES, **how)


@pytest.mark.parametrize("grid", GRIDS)
def test_by_hand(rng, grid):
    a, b = normal(rng, 2, 1, *grid), normal(rng, *grid)
    x, noise = normal(rng, 3, 1, *grid), 0.1 * normal(rng, 5, 1, *grid)
    codes = torch.tensor([0, 1, 1])
    found = of(ImageModel(Quadratic(a, b)), x, codes=codes, noise=noise)
    size = (a[codes] * x + b).flatten(1).norm(dim=1)  # (n,)
    moved = (a[codes][:, None] * noise).flatten(2).norm(dim=2)  # (n, neighbours)
    relative = moved / size[:, None]
    np.testing.assert_allclose(found.maximum, relative.amax(1), rtol=1e-4)
    np.testing.assert_allclose(found.average, relative.mean(1), rtol=1e-4)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("perturbation", ["noise", "boundary"])
def test_a_map_that_does_not_look_at_the_image_does_not_move(rng, grid, perturbation):
    model = ImageModel(Quadratic(torch.zeros(1, 1, *grid), normal(rng, *grid)))
    x = (normal(rng, 3, 1, *grid) < 0).float()
    found = of(model, x, perturbation=perturbation)
    np.testing.assert_allclose(found.maximum, 0, atol=1e-6)


def test_noise_is_uniform_and_as_wide_as_asked(rng):
    explainer = Gradient()
    model = ImageModel(Quadratic(normal(rng, 1, 2, 8, 8), normal(rng, 2, 8, 8)))
    x = normal(rng, 2, 2, 8, 8)
    maps = model.gradients(x).sum(1)
    sensitivity(explainer, model, x, maps, neighbours=50, radius=0.3)
    near = torch.cat(explainer.seen).view(2, 50, 2, 8, 8)
    noise = near - x[:, None]
    torch.testing.assert_close(noise[0], noise[1], atol=1e-6, rtol=0)  # common to all images
    assert noise.abs().max() <= 0.3001
    assert noise.abs().max() > 0.299
    np.testing.assert_allclose(noise.std(), 0.3 / 3**0.5, rtol=0.03)


@pytest.mark.parametrize("grid", [(16, 16), (8, 8, 8)])
def test_boundary_flips_stay_images_of_two_phases(rng, grid):
    explainer = Gradient()
    model = ImageModel(Quadratic(normal(rng, 1, 1, *grid), normal(rng, *grid)))
    x = torch.full((2, 1, *grid), 0.25)
    x[0, 0, 3:5], x[1, 0, ..., :6] = 0.75, 0.75
    maps = model.gradients(x).sum(1)
    known = Background(ArrayImages(x.numpy()))
    how = {"perturbation": "boundary", "neighbours": 7, "share": 0.25}
    sensitivity(explainer, model, x, maps, None, known, **how)
    near = torch.cat(explainer.seen).view(2, 7, *grid)
    assert set(near.unique().tolist()) == {0.25, 0.75}
    boundary = at_boundary(x)
    layer = x[0, 0].numel() // grid[0]
    assert boundary.flatten(1).sum(1).tolist() == [4 * layer, 2 * layer]
    moved = near != x
    assert not (moved & ~boundary[:, None]).any()
    expected = (boundary.flatten(1).sum(1) * 0.25).round()
    assert (moved.flatten(2).sum(2) == expected[:, None]).all()
    assert (moved[:, 0] != moved[:, 1]).any()


def test_one_voxel_at_least_is_flipped(rng):
    explainer = Gradient()
    model = ImageModel(Quadratic(normal(rng, 1, 1, 8, 8), normal(rng, 8, 8)))
    x = torch.zeros(1, 1, 8, 8)
    x[0, 0, 2, 2] = 1
    maps = model.gradients(x).sum(1)
    sensitivity(explainer, model, x, maps, None, PHASES, perturbation="boundary", share=1e-6)
    assert ((torch.cat(explainer.seen) != x).flatten(1).sum(1) == 1).all()


@pytest.mark.parametrize("perturbation", ["noise", "boundary"])
def test_an_image_does_not_depend_on_the_others(rng, perturbation):
    model = ImageModel(Quadratic(normal(rng, 1, 1, 8, 8), normal(rng, 8, 8)))
    x = (normal(rng, 3, 1, 8, 8) < 0).float()
    together = of(model, x, perturbation=perturbation)
    alone = [of(model, x[i : i + 1], perturbation=perturbation) for i in range(3)]
    np.testing.assert_allclose(together.maximum, [a.maximum[0] for a in alone], rtol=1e-5)
    np.testing.assert_allclose(together.average, [a.average[0] for a in alone], rtol=1e-5)
    assert (together.average < together.maximum).all()
    again = of(model, x, perturbation=perturbation, seed=1)
    assert (again.maximum != together.maximum).all()


def test_batches_are_bounded(rng):
    explainer = Gradient()
    grid, size = (64, 64), batch_size((64, 64))
    model = ImageModel(Quadratic(normal(rng, 1, 1, *grid), normal(rng, *grid)))
    x = normal(rng, 3, 1, *grid)
    sensitivity(explainer, model, x, model.gradients(x).sum(1), neighbours=size)
    assert [len(some) for some in explainer.seen] == [size] * 3


def test_undefined(rng):
    model = ImageModel(Quadratic(normal(rng, 1, 1, 8, 8), normal(rng, 8, 8)))
    x = (normal(rng, 5, 1, 8, 8) < 0).float()
    maps = normal(rng, 5, 8, 8)
    maps[0], maps[1], maps[2, 0, 0] = 0.0, 0.7, torch.nan
    x[3] = 1.0  # one phase
    for perturbation, expected in (
        ("noise", [True, True, True, False, False]),
        ("boundary", [True, True, True, True, False]),
    ):
        found = of(model, x, maps, perturbation=perturbation)
        assert np.isnan(found.maximum).tolist() == expected
        assert np.isnan(found.average).tolist() == expected
    assert np.isnan(of(model, normal(rng, 2, 1, 8, 8), perturbation="boundary").maximum).all()


def test_errors(rng):
    model, x = ImageModel(Quadratic(torch.ones(1, 16), torch.ones(16))), normal(rng, 1, 1, 4, 4)
    with pytest.raises(UsageError, match="perturbation"):
        of(model, x, perturbation="rotation")
    with pytest.raises(UsageError, match="neighbour"):
        of(model, x, neighbours=0)
    with pytest.raises(UsageError, match="background"):
        sensitivity(Gradient(), model, x, x[:, 0], perturbation="boundary")

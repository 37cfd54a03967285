"""Infidelity: known answers of linear and quadratic models, and what it leaves undefined."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import UsageError
from iceframe.measure.explainer import Background
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps.infidelity import infidelity, patch_masks

GRIDS = [(8, 8), (4, 4, 4)]
PLAIN = {"scaled": False, "normalised": False}


class Weighted(torch.nn.Module):
    """``f_k(x) = Σ w_k x + curvature (Σ w_k x)²``."""

    def __init__(self, weights, curvature=0.0):
        super().__init__()
        self.weights, self.curvature = weights, curvature

    def forward(self, x):
        total = torch.einsum("nv,kv->nk", x.flatten(1), self.weights.flatten(1))
        return total + self.curvature * total**2


def normal(rng, *shape):
    return torch.from_numpy(rng.normal(size=shape)).float()


def uniform(rng, *shape):
    return torch.from_numpy(rng.random(shape)).float()


@pytest.fixture
def background(rng):
    def of(channels, grid):
        return Background(ArrayImages(rng.random((5, channels, *grid)).astype(np.float32)))

    return of


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("fill", ["mean", "other phase", "blur", "background"])
def test_the_gradient_of_a_linear_model_is_exact(rng, background, grid, fill):
    w, x = normal(rng, 1, 1, *grid), uniform(rng, 3, 1, *grid)
    found = infidelity(
        ImageModel(Weighted(w)), x, w[0].expand(3, *grid), None, background(1, grid),
        fill=fill, **PLAIN,
    )  # fmt: skip
    np.testing.assert_allclose(found, 0, atol=1e-9)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("fill", ["mean", "other phase", "background"])
def test_the_contributions_of_a_linear_model_are_exact(rng, background, grid, fill):
    known = background(1, grid)
    w, x = normal(rng, 1, 1, *grid), uniform(rng, 3, 1, *grid)
    base = torch.from_numpy(known.mean)
    found = infidelity(
        ImageModel(Weighted(w)), x, (w * (x - base))[:, 0], None, known,
        meaning="contribution", fill=fill, **PLAIN,
    )  # fmt: skip
    np.testing.assert_allclose(found, 0, atol=1e-7)


def test_contributions_may_count_from_another_baseline(rng):
    w, x, base = normal(rng, 1, 1, 8, 8), uniform(rng, 3, 1, 8, 8), uniform(rng, 1, 1, 8, 8)
    found = infidelity(
        ImageModel(Weighted(w)), x, (w * (x - base))[:, 0],
        meaning="contribution", baseline=base, fill="blur", **PLAIN,
    )  # fmt: skip
    np.testing.assert_allclose(found, 0, atol=1e-7)


def test_channels(rng, background):
    """Maps are sums over channels: contributions say what filling by their own baseline does,
    derivatives only what a change that is the same in every channel does."""
    known = background(2, (8, 8))
    w, x = normal(rng, 1, 2, 8, 8), uniform(rng, 3, 2, 8, 8)
    x[0] = torch.from_numpy(known.mean)  # nothing changes here: no claim, and no error
    x[0, 1, :4] += 0.5
    model, base = ImageModel(Weighted(w)), torch.from_numpy(known.mean)
    maps = (w * (x - base)).sum(1)
    found = infidelity(model, x, maps, None, known, meaning="contribution", **PLAIN)
    np.testing.assert_allclose(found, 0, atol=1e-9)
    found = infidelity(model, x, maps, None, known, meaning="contribution", fill="blur")
    assert np.isnan(found[1:]).all()
    slopes = w.sum(1).expand(3, 8, 8)
    assert np.isnan(infidelity(model, x, slopes, None, known, **PLAIN)).all()
    found = infidelity(model, x, slopes, None, fill=x + uniform(rng, 3, 1, 8, 8), **PLAIN)
    np.testing.assert_allclose(found, 0, atol=1e-9)


def test_by_hand(rng):
    """A quadratic model, its gradient at zero as the map, one patch of one pixel."""
    x = torch.zeros(1, 1, 2, 2)
    model = ImageModel(Weighted(torch.ones(1, 1, 2, 2), curvature=1.0))
    maps = torch.tensor([[[1.0, 1.0], [1.0, 2.0]]])
    masks = patch_masks((2, 2), 2)
    fill = torch.full_like(x, 3.0)  # I = −3: f changes from 0 to 12, and the map foretells 3 or 6
    found = infidelity(model, x, maps, fill=fill, masks=masks, **PLAIN)
    np.testing.assert_allclose(found, (3 * (12 - 3) ** 2 + (12 - 6) ** 2) / 4)
    found = infidelity(model, x, maps, fill=fill, masks=masks, scaled=False)
    np.testing.assert_allclose(found, (3 * 9**2 + 6**2) / 4 / 12**2)
    # The best factor of (3, 3, 3, 6) for (12, 12, 12, 12) is 180/63.
    wrong = 3 * (12 - 3 * 180 / 63) ** 2 + (12 - 6 * 180 / 63) ** 2
    found = infidelity(model, x, maps, fill=fill, masks=masks)
    np.testing.assert_allclose(found, wrong / 4 / 12**2)


def test_scaling_forgives_the_size_of_a_map_and_normalising_that_of_a_model(rng, background):
    known = background(1, (8, 8))
    w, x = normal(rng, 1, 1, 8, 8), uniform(rng, 4, 1, 8, 8)
    curved = ImageModel(Weighted(w, curvature=0.3))
    maps = curved.gradients(x)[:, 0]

    def of(model, maps, **how):
        return infidelity(model, x, maps, None, known, **how)

    np.testing.assert_allclose(of(curved, maps), of(curved, 5 * maps), rtol=1e-5)
    assert (of(curved, maps) < of(curved, 5 * maps, scaled=False)).all()

    class Tenfold(torch.nn.Module):
        def forward(self, x):
            return 10 * curved.module(x)

    larger = of(ImageModel(Tenfold()), 10 * maps, scaled=False)
    np.testing.assert_allclose(larger, of(curved, maps, scaled=False), rtol=1e-4)
    random = of(curved, normal(rng, 4, 8, 8))
    assert (random > of(curved, maps)).all()
    assert (random <= 1).all()
    nothing = of(curved, 1e-6 * normal(rng, 4, 8, 8), scaled=False)
    np.testing.assert_allclose(nothing, 1, atol=1e-4)


def test_the_explained_class_is_asked(rng, background):
    known = background(1, (8, 8))
    w, x, codes = normal(rng, 3, 1, 8, 8), uniform(rng, 3, 1, 8, 8), torch.tensor([2, 0, 1])
    model, maps = ImageModel(Weighted(w)), w[:, 0]
    np.testing.assert_allclose(infidelity(model, x, maps[codes], codes, known), 0, atol=1e-9)
    assert (infidelity(model, x, maps, codes, known) > 0.1).all()


def test_an_image_does_not_depend_on_the_others(rng, background):
    known = background(1, (8, 8))
    x = (uniform(rng, 3, 1, 8, 8) < 0.4).float()
    model = ImageModel(Weighted(normal(rng, 1, 1, 8, 8), curvature=0.2))
    maps = normal(rng, 3, 8, 8)
    for fill in ("mean", "other phase", "blur", "background"):
        together = infidelity(model, x, maps, None, known, fill=fill)
        alone = [
            infidelity(model, x[i : i + 1], maps[i : i + 1], None, known, fill=fill)[0]
            for i in range(3)
        ]
        np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_undefined(rng, background):
    known = background(1, (8, 8))
    x, w = uniform(rng, 3, 1, 8, 8), normal(rng, 1, 1, 8, 8)
    model, maps = ImageModel(Weighted(w)), normal(rng, 3, 8, 8)
    maps[0], maps[1, 0, 0] = 0.7, torch.nan
    x[2] = 0.25  # nothing to blur
    assert np.isnan(infidelity(model, x, maps, None, known)).tolist() == [True, True, False]
    assert np.isnan(infidelity(model, x, maps, fill="blur")[2])
    assert np.isnan(infidelity(model, x, maps, None, known, meaning="importance")).all()


def test_errors(rng):
    model, x = ImageModel(Weighted(torch.ones(1, 1, 4, 4))), uniform(rng, 1, 1, 4, 4)
    with pytest.raises(UsageError, match="background"):
        infidelity(model, x, x[:, 0])
    with pytest.raises(UsageError, match="fill"):
        infidelity(model, x, x[:, 0], fill="grey")
    with pytest.raises(UsageError, match="fill"):
        infidelity(model, x, x[:, 0], fill="linear")


@pytest.mark.parametrize("grid", [(8, 8), (7, 5), (4, 6, 5)])
def test_patch_masks_take_every_voxel_once(grid):
    assert (patch_masks(grid, 3).sum(0) == 1).all()

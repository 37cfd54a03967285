"""Deletion and insertion: the best order of an additive model, and what fills are made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import UsageError
from iceframe.measure.explainer import Background
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps.deletion import deletion
from iceframe.measure.maps.removal import FILLS, blurred, filling, imputed, replacement

GRIDS = [(8, 8), (4, 4, 4)]


class Weighted(torch.nn.Module):
    """``f_k(x) = g(Σ w_k x)``; counts the images that it is asked about."""

    def __init__(self, weights, curve=lambda total: total):
        super().__init__()
        self.weights, self.curve, self.asked = weights, curve, 0

    def forward(self, x):
        self.asked += len(x)
        return self.curve(torch.einsum("nv,kv->nk", x.flatten(1), self.weights.flatten(1)))


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
@pytest.mark.parametrize("insertion", [False, True])
def test_no_order_of_an_additive_model_is_better_than_its_own(rng, background, grid, insertion):
    known = background(2, grid)
    w, x = normal(rng, 1, 2, *grid), uniform(rng, 4, 2, *grid)
    own = (w * (x - torch.from_numpy(known.mean))).sum(1)
    model = ImageModel(Weighted(w))

    def area(maps):
        how = {"order": "value", "insertion": insertion, "steps": 16}
        return deletion(model, x, maps, None, known, **how).area

    best = area(own)
    assert (best > 0).all()
    for _ in range(5):
        assert (area(normal(rng, 4, *grid)) < best).all()
    assert (area(-own) < 0).all()


def test_by_hand():
    x = torch.ones(1, 1, 2, 2)
    weights = torch.tensor([[[[4.0, 3.0], [2.0, 1.0]]]])
    model, nothing = ImageModel(Weighted(weights)), torch.zeros(1, 1, 2, 2)
    how = {"fill": nothing, "steps": 4, "random_orders": 2}
    found = deletion(model, x, -weights[:, 0], **how)  # by size: the sign does not matter
    np.testing.assert_allclose(found.removed, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.scores, [[10, 6, 3, 1, 0]])
    # An order and its reverse have an area of 1/2 on average, whatever the order.
    np.testing.assert_allclose(found.random + found.random[:, ::-1], 10)
    own = (0 / 2 + 0.4 + 0.7 + 0.9 + 1 / 2) / 4
    np.testing.assert_allclose(found.area, own - 0.5)
    back = deletion(model, x, weights[:, 0], insertion=True, **how)
    np.testing.assert_allclose(back.scores, [[0, 4, 7, 9, 10]])
    np.testing.assert_allclose(back.area, own - 0.5)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("insertion", [False, True])
def test_random_maps_have_no_area_and_faithful_ones_have(rng, background, grid, fill, insertion):
    w = 0.5 + normal(rng, 1, 1, *grid).abs()
    known = Background(ArrayImages(uniform(rng, 5, 1, *grid).round().numpy()))
    # The second phase is where the weights are, so that every fill loses something.
    x = ((w > w.median()) ^ (uniform(rng, 60, 1, *grid) < 0.1)).float()
    model = ImageModel(Weighted(w, lambda total: total.square() / 10))
    how = {
        "background": known,
        "fill": fill,
        "insertion": insertion,
        "steps": 8,
        "random_orders": 20,
    }
    maps = normal(rng, 60, *grid)
    assert abs(deletion(model, x, maps, **how).area.mean()) < 0.03
    faithful = (w * (x - 0.5))[:, 0]
    assert deletion(model, x, faithful, **how).area.mean() > 0.06
    torch.testing.assert_close(x, x.round())  # nothing was changed in place


def test_what_changes_nothing_is_not_asked(rng):
    """Removing a voxel that is like its fill cannot change the answer."""
    x = (uniform(rng, 3, 1, 8, 8) < 0.4).float()
    w, maps = normal(rng, 1, 1, 8, 8), normal(rng, 3, 8, 8)
    module = Weighted(w, torch.sin)
    how = {"fill": torch.zeros(1, 1, 8, 8), "steps": 64, "order": "value", "random_orders": 0}
    found = deletion(ImageModel(module), x, maps, **how)
    assert module.asked == 3 + int(x.sum())
    for scores, image, one in zip(found.scores, x, maps, strict=True):
        image, expected = image.flatten().clone(), []
        for voxel in [None, *one.flatten().argsort(descending=True)]:
            if voxel is not None:
                image[voxel] = 0
            expected.append(torch.sin(image @ w.flatten()))
        np.testing.assert_allclose(scores, torch.stack(expected), atol=1e-6)


def test_an_image_does_not_depend_on_the_others(rng, background):
    known = background(1, (8, 8))
    x = (uniform(rng, 3, 1, 8, 8) < 0.4).float()
    maps = normal(rng, 3, 8, 8)
    maps[:, :4] = 1.0  # ties
    model = ImageModel(Weighted(normal(rng, 1, 1, 8, 8), torch.sin))
    for fill in FILLS:
        how = {"fill": fill, "steps": 5, "seed": 3}
        together = deletion(model, x, maps, None, known, **how)
        for i in range(3):
            alone = deletion(model, x[i : i + 1], maps[i : i + 1], None, known, **how)
            np.testing.assert_allclose(together.scores[i], alone.scores[0], atol=1e-4)
            np.testing.assert_allclose(together.area[i], alone.area[0], atol=1e-3)


def test_the_explained_class_is_asked(rng):
    w, x, codes = normal(rng, 3, 1, 8, 8), uniform(rng, 3, 1, 8, 8), torch.tensor([2, 0, 1])
    model, maps = ImageModel(Weighted(w)), (w[codes] * x)[:, 0]
    found = deletion(model, x, maps, codes, fill=torch.zeros(1, 1, 8, 8), order="value")
    np.testing.assert_allclose(found.scores[:, 0], (w[codes] * x).sum((1, 2, 3)), rtol=1e-4)
    assert (found.area > 0.1).all()


def test_undefined(rng):
    x, w = uniform(rng, 4, 1, 8, 8), normal(rng, 1, 1, 8, 8)
    maps = normal(rng, 4, 8, 8)
    maps[0], maps[1, 0, 0], x[2] = -0.7, torch.nan, 0.5
    found = deletion(ImageModel(Weighted(w)), x, maps, fill=torch.full((1, 1, 8, 8), 0.5))
    assert np.isnan(found.area).tolist() == [True, True, True, False]
    signs = torch.from_numpy(rng.choice([-0.7, 0.7], (4, 8, 8))).float()  # no order of size
    found = deletion(ImageModel(Weighted(w)), x, signs, fill="blur")
    assert np.isnan(found.area).all()
    without = deletion(ImageModel(Weighted(w)), x, maps, fill="blur", random_orders=0)
    assert np.isnan(without.area).all()


def test_errors(rng):
    x = uniform(rng, 1, 1, 4, 4)
    model = ImageModel(Weighted(torch.ones(1, 1, 4, 4)))
    for how, what in (
        ({"fill": "mean"}, "background"),
        ({"fill": "grey"}, "fill"),
        ({"fill": "blur", "order": "up"}, "order"),
        ({"fill": "blur", "steps": 17}, "steps"),
    ):
        with pytest.raises(UsageError, match=what):
            deletion(model, x, x[:, 0], **{"steps": 4, **how})


def test_other_phase_and_background_stay_images_of_two_phases(rng):
    x = (uniform(rng, 3, 1, 8, 8) < 0.4).float() * 0.5 + 0.25
    phases = Background(ArrayImages(x.numpy()))
    assert set(replacement("other phase", x, phases).unique().tolist()) == {0.25, 0.75}
    np.testing.assert_allclose(replacement("other phase", x, phases) + x, 1.0)
    shares = np.linspace(0.1, 0.9, 9)
    others = np.stack([rng.random((1, 8, 8)) < share for share in shares]).astype(np.float32)
    known = Background(ArrayImages(np.concatenate([others, others[4:5]])))
    found = replacement("background", torch.from_numpy(others), known)
    taken = [int(np.flatnonzero((others == one.numpy()).all((1, 2, 3)))[0]) for one in found]
    means = others.mean((1, 2, 3))
    # Image 4 is there twice; the first of the two is skipped, and the second is itself again.
    for i, k in enumerate(taken):
        apart = np.abs(means - means[i])
        apart[i] = 0 if i == 4 else np.inf
        assert apart[k] == apart.min()


def test_blur_keeps_the_mean_periodically_and_a_constant_anyhow(rng):
    x = uniform(rng, 2, 2, 8, 6, 7)
    np.testing.assert_allclose(blurred(x, 1.5, True).mean((2, 3, 4)), x.mean((2, 3, 4)), rtol=1e-5)
    rolled = blurred(x.roll(3, dims=4), 1.5, True).roll(-3, dims=4)
    torch.testing.assert_close(rolled, blurred(x, 1.5, True))
    torch.testing.assert_close(blurred(torch.full_like(x, 0.3), 2.0), torch.full_like(x, 0.3))
    assert blurred(x, 1.5).var() < 0.2 * x.var()


@pytest.mark.parametrize("grid", [(9, 8), (6, 7, 5)])
def test_linear_imputation_continues_a_plane(rng, grid):
    """Inside the grid the weighted mean of the neighbours of a plane is the plane."""
    axes = torch.meshgrid(*(torch.arange(side).float() for side in grid), indexing="ij")
    x = sum(0.1 * (k + 1) * axis for k, axis in enumerate(axes)).expand(3, 2, *grid)
    removed = torch.zeros(3, *grid, dtype=torch.bool)
    inside = (slice(None), *(slice(1, -1) for _ in grid))
    removed[inside] = uniform(rng, *removed[inside].shape) < 0.8
    torch.testing.assert_close(imputed(x, removed), x, atol=1e-3, rtol=0)


def test_linear_imputation_of_all_is_the_mean_and_noise_is_common(rng):
    x = uniform(rng, 3, 1, 8, 8)
    everything = torch.ones(3, 8, 8, dtype=torch.bool)
    means = x.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(imputed(x, everything), means.expand_as(x))
    some = uniform(rng, 8, 8) < 0.5
    noise = filling("linear", x, seed=1)(torch.arange(3), some.expand(3, 8, 8))
    noise = noise - imputed(x, some.expand(3, 8, 8))
    torch.testing.assert_close(noise, noise[:1].expand_as(noise), atol=1e-6, rtol=0)
    assert (noise[:, 0, ~some] == 0).all()
    assert 0.005 < noise[0, 0, some].std() < 0.02

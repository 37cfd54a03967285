"""Counterfactual structures by models whose least change is known, and by the solver itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.beyond_maps.counterfactual import counterfactuals, solved
from iceframe.measure.beyond_maps.counterfactual_search import beside_the_other, rooted
from iceframe.measure.image_model import ImageModel
from iceframe.physics.properties import Conductivity, Elasticity
from iceframe.physics.sensitivity import effective_tensor

GRIDS = pytest.mark.parametrize("grid", [(8, 8), (5, 4, 6)], ids=["2-D", "3-D"])


class Weighted(torch.nn.Module):
    """``Σ w x``, one answer a column of the weights ``(N, k)``."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(np.asarray(weights, np.float32)))

    def forward(self, x):
        return x.flatten(1) @ self.weights


class Effective(torch.nn.Module):
    """The solver as a model: one component of the effective tensor."""

    def __init__(self, properties) -> None:
        super().__init__()
        self.properties = properties

    def forward(self, x):
        x = x.double()
        weights = torch.cat([1 - x, x], dim=1)
        return effective_tensor(weights, self.properties)[:, 0, :1]


def structures(rng, n: int, grid: tuple[int, ...]) -> np.ndarray:
    """Blobs of two phases ``(n, 1, *grid)``."""
    noise = rng.normal(size=(n, *grid))
    for axis in range(1, len(grid) + 1):
        noise = noise + np.roll(noise, 1, axis) + np.roll(noise, -1, axis)
    return (noise > np.median(noise.reshape(n, -1), axis=1).reshape(n, *(1 for _ in grid)))[
        :, None
    ].astype(np.float32)


def least_flips(weights: np.ndarray, x: np.ndarray, delta: float) -> int:
    """The fewest flips that change ``Σ w x`` by ``delta``: the greatest gains first."""
    gains = np.sort(np.sign(delta) * weights * (1 - 2 * x))[::-1]
    return int(np.searchsorted(np.cumsum(gains), abs(delta) - 1e-6)) + 1


@GRIDS
@pytest.mark.parametrize("delta", [3.0, -1.5])
def test_for_a_linear_model_the_change_is_the_smallest_there_is(rng, grid, delta):
    x = structures(rng, 6, grid)
    weights = rng.normal(size=np.prod(grid))
    found = counterfactuals(
        ImageModel(Weighted(weights[:, None])), torch.from_numpy(x), delta=delta, boundary=False
    )
    expected = [least_flips(weights, image.ravel(), delta) for image in x]
    assert found.reached.all()
    assert found.flips.tolist() == expected
    np.testing.assert_allclose(found.share, np.array(expected) / np.prod(grid))
    assert ((found.predicted * np.sign(delta)) >= abs(delta) - 1e-5).all()
    np.testing.assert_array_equal(np.abs(found.images - x)[:, 0] > 0.5, found.changed)
    scores = found.images.reshape(6, -1) @ weights
    np.testing.assert_allclose(found.after, scores, atol=1e-4)


@GRIDS
def test_swaps_keep_the_volume_fraction_and_are_the_fewest(rng, grid):
    x = structures(rng, 5, grid)
    weights = rng.normal(size=np.prod(grid))
    found = counterfactuals(
        ImageModel(Weighted(weights[:, None])),
        torch.from_numpy(x),
        delta=4.0,
        boundary=False,
        keep_volume_fraction=True,
    )
    for i, image in enumerate(x):
        flat = image.ravel() > 0
        up, down = np.sort(weights[~flat])[::-1], np.sort(weights[flat])
        pairs = np.cumsum(up[: len(down)] - down[: len(up)])
        assert found.flips[i] == 2 * (np.searchsorted(pairs, 4.0 - 1e-6) + 1)
    assert found.reached.all()
    flat = found.images.reshape(5, -1)
    np.testing.assert_array_equal(flat.sum(1), x.reshape(5, -1).sum(1))


def test_brute_force_finds_no_smaller_change_of_a_nonlinear_model(rng):
    weights = rng.normal(size=(9, 4))

    class Curved(torch.nn.Module):
        def forward(self, x):
            w = torch.from_numpy(weights).float()
            return torch.tanh(x.flatten(1) @ w).square().sum(1, keepdim=True)

    model, x = ImageModel(Curved()), structures(rng, 8, (3, 3))
    found = counterfactuals(model, torch.from_numpy(x), delta=0.4, boundary=False, most_changed=1.0)
    every = np.array(list(itertools.product([0.0, 1.0], repeat=9)), np.float32)
    score = model.scores(torch.from_numpy(every).view(-1, 1, 3, 3)).numpy()
    smallest = []
    for i, image in enumerate(x):
        flips = np.abs(every - image.ravel()).sum(1)
        good = score >= found.before[i] + 0.4
        smallest.append(flips[good].min() if good.any() else np.nan)
    smallest = np.array(smallest)
    assert (found.reached <= np.isfinite(smallest)).all()
    assert found.reached.mean() >= 0.7
    extra = found.flips[found.reached] - smallest[found.reached]
    assert extra.min() >= 0
    assert extra.mean() <= 1.0


@pytest.mark.parametrize("boundary", [True, False])
def test_flips_that_a_steep_model_does_not_need_are_given_back(boundary):
    """``f = 10⁴ m⁶`` of the mean ``m``: the slope at the start promises far too little."""

    class Steep(torch.nn.Module):
        def forward(self, x):
            return 1e4 * x.mean((1, 2, 3))[:, None] ** 6

    x = torch.zeros(1, 1, 8, 8)
    x[..., :2, :2] = 1
    found = counterfactuals(ImageModel(Steep()), x, delta=3.0, boundary=boundary)
    assert found.flips.tolist() == [17 - 4]  # 10⁴ (17/64)⁶ = 3.51, with 16 it is 2.44
    assert found.reached.all()
    assert found.at_boundary.tolist()[0] or not boundary


@GRIDS
def test_flips_start_at_boundaries_where_that_is_possible(rng, grid):
    x = structures(rng, 4, grid)
    weights = np.abs(rng.normal(size=np.prod(grid)))
    model = ImageModel(Weighted(weights[:, None]))
    found = counterfactuals(model, torch.from_numpy(x), delta=5.0)
    free = counterfactuals(model, torch.from_numpy(x), delta=5.0, boundary=False)
    assert found.reached.all()
    assert found.at_boundary.all()
    assert (found.flips >= free.flips).all()
    empty = counterfactuals(model, torch.zeros(1, 1, *grid), delta=5.0)  # no boundary to start at
    assert empty.reached.all()
    assert not empty.at_boundary.any()


@GRIDS
def test_of_the_solver_as_a_model_the_true_change_is_the_predicted_one(rng, grid):
    properties = Conductivity([1.0, 10.0], unit="W/(m K)")
    x = torch.from_numpy(structures(rng, 3, grid))
    found = counterfactuals(ImageModel(Effective(properties)), x, delta=0.5)
    truth = solved(found, properties)
    assert found.reached.all()
    np.testing.assert_allclose(truth.ratio, 1.0, rtol=1e-4)
    np.testing.assert_allclose(truth.before, found.before, rtol=1e-5)
    assert truth.agrees.all()
    assert truth.worked.all()
    assert "as the model predicts" in truth.sentence(0)
    assert "W/(m K)" in truth.sentence(0)


def test_arrangement_alone_moves_the_solver_too(rng):
    properties = Elasticity([1.0, 20.0], [0.3, 0.2])
    x = torch.from_numpy(structures(rng, 2, (8, 8)))
    found = counterfactuals(
        ImageModel(Effective(properties)), x, delta=-0.3, keep_volume_fraction=True
    )
    assert found.reached.all()
    np.testing.assert_allclose(found.images.sum((1, 2, 3)), x.sum((1, 2, 3)))
    np.testing.assert_allclose(solved(found, properties).ratio, 1.0, rtol=1e-3)


def test_a_model_that_looks_at_one_corner_is_found_out(rng):
    weights = np.zeros((16, 16))
    weights[:3, :3] = 2.0
    x = torch.from_numpy(structures(rng, 4, (16, 16)))
    x[:, :, :3, :3] = 0
    found = counterfactuals(
        ImageModel(Weighted(weights.reshape(-1, 1))), x, delta=8.0, boundary=False
    )
    truth = solved(found, Conductivity([1.0, 10.0]))
    assert found.reached.all()
    assert found.flips.tolist() == [4] * 4
    assert not truth.agrees.any()
    assert not truth.worked.any()
    assert (truth.ratio < 0.1).all()
    assert "fools the model" in truth.sentence(0)


def test_a_model_that_has_it_backwards_is_told_so(rng):
    x = torch.from_numpy(structures(rng, 2, (8, 8)))
    model = ImageModel(Weighted(np.full((64, 1), -0.1)))
    truth = solved(counterfactuals(model, x, delta=1.0), Conductivity([1.0, 10.0]))
    assert (truth.ratio < 0).all()
    assert "opposite" in truth.sentence(1)
    assert "not enough" in truth.sentence(1)


def test_what_cannot_be_reached_is_said_with_a_remedy(rng):
    x = torch.from_numpy(structures(rng, 2, (8, 8)))
    model = ImageModel(Weighted(np.full((64, 1), 1.0)))
    stuck = counterfactuals(model, x, delta=1000.0, most_changed=1.0)
    assert not stuck.reached.any()
    assert {str(s) for s in stuck.status} == {"STUCK"}
    assert (stuck.images == 1).all()  # the closest there is
    many = counterfactuals(model, x, delta=20.0, most_changed=0.1)
    assert {str(s) for s in many.status} == {"TOO_MANY"}
    assert many.flips.tolist() == [6, 6]
    assert all(s.remedy for s in (*stuck.status, *many.status))
    none = counterfactuals(model, x[:0], delta=1.0)
    assert len(none.flips) == len(none.status) == 0
    still = counterfactuals(ImageModel(Weighted(np.zeros((64, 1)))), x, delta=1.0)
    assert not still.changed.any()
    truth = solved(still, Conductivity([1.0, 2.0]))
    assert np.isnan(truth.ratio).all()


@GRIDS
def test_a_classifier_is_brought_to_the_other_class(rng, grid):
    x = torch.from_numpy(structures(rng, 6, grid))
    model = ImageModel(Weighted(rng.normal(size=(np.prod(grid), 3))))
    with torch.no_grad():
        was = model.module(x).argmax(1)
    to = (was + 1) % 3
    found = counterfactuals(model, x, to=to, boundary=False)
    with torch.no_grad():
        now = model.module(torch.from_numpy(found.images)).argmax(1)
    assert found.reached.all()
    assert now.tolist() == to.tolist()
    assert (found.before < 0).all()
    assert (found.after > 0).all()
    assert (found.flips > 0).all()
    truth = solved(found, Conductivity([1.0, 2.0]))
    assert np.isnan(truth.ratio).all()
    assert np.isfinite(truth.change).all()
    assert truth.sentence(0).startswith("The solver says")
    there = counterfactuals(model, x, to=was)
    assert not there.changed.any()  # it answers so already


def test_each_sample_is_searched_as_if_alone(rng):
    class Curved(torch.nn.Module):
        def forward(self, x):
            return (x * x.roll(1, -1)).mean((1, 2, 3))[:, None] * 10

    x, model = torch.from_numpy(structures(rng, 5, (8, 8))), ImageModel(Curved())
    delta = np.array([1.0, -1.0, 0.5, 2.0, -0.2])
    found = counterfactuals(model, x, delta=delta, levels=(0.0, 1.0))
    for i in range(5):
        alone = counterfactuals(model, x[i : i + 1], delta=delta[i])
        np.testing.assert_array_equal(alone.changed[0], found.changed[i])
    grey = 0.2 + 0.5 * x  # other pixel values of the same phases

    class Scaled(Curved):
        def forward(self, x):
            return super().forward((x - 0.2) / 0.5)

    same = counterfactuals(ImageModel(Scaled()), grey, delta=delta, levels=(0.2, 0.7))
    np.testing.assert_array_equal(same.changed, found.changed)


def test_where_edges_meet_there_is_a_boundary_too():
    phases = torch.zeros(1, 1, 1, 8, dtype=torch.bool)
    phases[..., 4:] = True  # 0 0 0 0 1 1 1 1
    assert beside_the_other(phases, True)[0, 0, 0].tolist() == [1, 0, 0, 1, 1, 0, 0, 1]
    assert beside_the_other(phases, False)[0, 0, 0].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]
    grown, apart = torch.zeros(2, 1, 1, 1, 8, dtype=torch.bool)
    grown[..., 2:4], apart[..., 6:8] = True, True
    assert rooted(grown, phases, False).tolist() == [True]
    assert rooted(apart, phases, False).tolist() == [False]
    assert rooted(apart, phases, True).tolist() == [True]


def test_errors_say_what_to_do(rng):
    x = torch.from_numpy(structures(rng, 2, (8, 8)))
    model = ImageModel(Weighted(np.ones((64, 1))))
    with pytest.raises(InputError, match="other values"):
        counterfactuals(model, 0.3 * x, delta=1.0)
    with pytest.raises(InputError, match="one channel"):
        counterfactuals(model, x.expand(2, 3, 8, 8), delta=1.0)
    with pytest.raises(UsageError, match="either"):
        counterfactuals(model, x)
    with pytest.raises(UsageError, match="other than 0"):
        counterfactuals(model, x, delta=0.0)
    with pytest.raises(UsageError, match="no classes"):
        counterfactuals(model, x, to=torch.tensor([0, 1]))
    with pytest.raises(UsageError, match="share of voxels"):
        counterfactuals(model, x, delta=1.0, most_changed=0.0)

"""Two-point statistics with a polynomial: what the statistics are, and what the model can learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.errors import InputError
from iceframe.physics import Conductivity, generate, homogenize
from iceframe.scale.descriptors._correlation import autocorrelation
from iceframe.scale.two_point_regression import (
    Autocorrelation,
    TwoPointClassifier,
    TwoPointRegressor,
    exponents_up_to,
    products,
)


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (4, 5, 6)])
@pytest.mark.parametrize("periodic", [True, False])
def test_the_statistics_are_those_of_the_descriptor(shape, periodic):
    fields = np.random.default_rng(0).integers(0, 2, (3, *shape)).astype(np.float32)
    found = Autocorrelation(shape, periodic)(torch.as_tensor(fields)[:, None]).numpy()
    full = autocorrelation(fields.astype(float), periodic).reshape(3, -1)
    half = full[:, full.shape[1] // 2 :]
    assert np.allclose(found, half, atol=1e-6)
    assert np.allclose(full, full[:, ::-1], atol=1e-12)  # nothing is lost with the other half


def test_the_volume_fraction_is_learned():
    rng = np.random.default_rng(1)
    fraction = rng.uniform(0.2, 0.8, 60)
    x = generate("random_field", 60, (16, 16), volume_fraction=fraction).phases[:, None]
    y = 3 + 5 * x.mean(axis=(1, 2, 3))
    model = TwoPointRegressor(components=2, degree=3, penalty=1e-3, periodic=True)
    model.fit(x[:40].astype(float), y[:40])
    error = model.predict(x[40:].astype(float)) - y[40:]
    assert np.sqrt(np.mean(error**2)) < 0.05 * y.std()


def test_it_learns_a_conductivity_better_than_the_volume_fraction_does():
    rng = np.random.default_rng(2)
    n = 300
    made = generate(
        "random_field",
        n,
        (32, 32),
        volume_fraction=rng.uniform(0.3, 0.7, n),
        length=3.0,
        anisotropy=rng.uniform(1, 4, n),
        angle=rng.uniform(0, 180, n),
    )
    y = homogenize(made, Conductivity([1.0, 10.0])).tensor[:, 0, 0]
    x = made.phases[:, None].astype(np.float32)
    model = TwoPointRegressor(components=12, degree=2, periodic=True).fit(x[:200], y[:200])
    fraction = x.mean(axis=(1, 2, 3))
    line = np.polyval(np.polyfit(fraction[:200], y[:200], 2), fraction[200:])
    ours = np.mean((model.predict(x[200:]) - y[200:]) ** 2)
    assert ours < 0.3 * np.mean((line - y[200:]) ** 2)


def test_the_torch_model_says_the_same_and_has_a_gradient():
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2, (40, 1, 9, 9)).astype(np.float32)
    y = rng.normal(size=40)
    model = TwoPointRegressor(components=4, degree=3).fit(x, y)
    pixels = torch.as_tensor(x).requires_grad_()
    answer = model.torch_model()(pixels)
    assert np.allclose(answer.detach().numpy()[:, 0], model.predict(x), atol=1e-3)
    (gradient,) = torch.autograd.grad(answer.sum(), pixels)
    moved = x.copy()
    moved[0, 0, 4, 4] += 1e-2
    slope = (model.predict(moved)[0] - model.predict(x)[0]) / 1e-2
    assert float(gradient[0, 0, 4, 4]) == pytest.approx(
        slope, abs=0.05 * float(gradient.abs().max())
    )


@pytest.mark.parametrize("shape", [(8, 10), (6, 7, 8)])
def test_mirrored_statistics_are_means_over_mirrored_images(shape):
    x = torch.rand(3, 2, *shape, dtype=torch.float64)
    for periodic in (True, False):
        plain = Autocorrelation(shape, periodic, reach=2)
        mirrored = Autocorrelation(shape, periodic, reach=2, mirrored=True)
        flips = [x, *(x.flip(axis) for axis in range(3, x.ndim))]
        if len(shape) == 3:
            flips.append(x.flip((3, 4)))
        mean = torch.stack([plain(flipped) for flipped in flips]).mean(dim=0)
        place = [np.flatnonzero((plain.lags == lag).all(axis=1))[0] for lag in mirrored.lags]
        wanted = mean.view(3, 2, -1)[:, :, place].flatten(1)
        assert torch.allclose(mirrored(x), wanted, atol=1e-6)


def test_the_reach_bounds_the_lags():
    assert np.abs(Autocorrelation((16, 16), True, reach=3).lags).max() == 3
    assert np.abs(Autocorrelation((16, 16), True, reach=99).lags).max() == 8


def test_there_are_no_more_components_than_lags():
    x = (np.random.default_rng(0).random((60, 1, 16, 16)) < 0.5).astype(np.float32)
    model = TwoPointRegressor(components=30, degree=1, reach=1, symmetries=("flip",))
    model.fit(x, x.mean(axis=(1, 2, 3)))
    assert len(model.axes_) == model.axes_.shape[1] == 4  # lags 0 and 1 along each axis


def test_several_targets_are_fitted_side_by_side():
    x = (np.random.default_rng(0).random((60, 1, 8, 8)) < 0.5).astype(np.float32)
    mean = x.mean(axis=(1, 2, 3))
    model = TwoPointRegressor(penalty=1e-6).fit(x, np.stack([mean, 3 - mean], axis=1))
    assert np.allclose(model.predict(x), np.stack([mean, 3 - mean], axis=1), atol=1e-3)


def test_it_does_not_see_where_things_are():
    rng = np.random.default_rng(4)
    x = rng.integers(0, 2, (30, 1, 8, 8)).astype(np.float32)
    model = TwoPointRegressor(periodic=True).fit(x, rng.normal(size=30))
    assert np.allclose(model.predict(np.roll(x, (3, 5), (2, 3))), model.predict(x), atol=1e-4)


def test_classes_are_told_apart_by_their_statistics():
    labels = np.repeat(["fine", "coarse"], 30)
    lengths = np.where(labels == "fine", 1.5, 5.0)
    x = generate("random_field", 60, (24, 24), length=lengths, seed=1).phases[:, None].astype(float)
    order = np.random.default_rng(0).permutation(60)
    model = TwoPointClassifier(components=5, degree=1, periodic=True)
    model.fit(x[order[:40]], labels[order[:40]])
    assert (model.predict(x[order[40:]]) == labels[order[40:]]).mean() >= 0.9
    only = TwoPointClassifier().fit(x[:5], labels[:5])
    assert only.predict_proba(x[:2]).tolist() == [[1.0], [1.0]]


def test_products_count_terms():
    assert len(exponents_up_to(10, 2)) == 10 + 55
    assert products(np.ones((2, 3)), exponents_up_to(3, 3)).shape == (2, 19)


def test_images_of_another_size_are_refused():
    x = np.random.default_rng(0).random((5, 1, 8, 8))
    model = TwoPointRegressor().fit(x, np.arange(5.0))
    with pytest.raises(InputError, match="another shape"):
        model.predict(np.zeros((1, 1, 9, 8)))
    with pytest.raises(InputError, match="must match"):
        TwoPointRegressor().fit(x, np.arange(4.0))

"""The convolutional network: it learns what pixels show, respects symmetries, is one module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import InputError, UsageError
from iceframe.physics import generate
from iceframe.scale import image_batches
from iceframe.scale.image_batches import Augmentation, ImageBatches, reduce, reduction
from iceframe.scale.image_network import ImageClassifier, ImageRegressor
from iceframe.scale.networks import SmallCNN, Wrap
from iceframe.scale.rung import RUNGS, Context

SMALL = {"epochs": 25, "batch_size": 16}
SHORT = {"epochs": 2}


@pytest.fixture(scope="module")
def microstructures():
    """Images ``(160, 1, 16, 16)`` of half stripes along x, half along y, and which they are."""
    rng = np.random.default_rng(0)
    vertical = np.repeat([0, 1], 80)
    images = generate(
        "random_field",
        160,
        (16, 16),
        volume_fraction=rng.uniform(0.2, 0.8, 160),
        length=2.0,
        anisotropy=6.0,
        angle=90.0 * vertical,
        seed=1,
    ).phases
    order = rng.permutation(160)
    return images[order, None].astype(np.float32), vertical[order]


def test_learns_the_mean_intensity(microstructures):
    x, _ = microstructures
    y = 5 + 100 * x.mean(axis=(1, 2, 3))
    model = ImageRegressor(**SMALL, periodic=True).fit(x[:120], y[:120])
    assert model.score(x[120:], y[120:]) > 0.95


def test_learns_the_orientation_of_stripes(microstructures):
    x, y = microstructures
    names = np.array(["along x", "along y"])[y]
    model = ImageClassifier(**SMALL, periodic=True, symmetries=("flip", "translate"))
    model.fit(ArrayImages(x[:120], periodic=True), names[:120])
    assert model.score(x[120:], names[120:]) > 0.9
    assert np.allclose(model.predict_proba(x[120:]).sum(axis=1), 1)


def test_rotation_as_a_symmetry_makes_orientation_unlearnable(microstructures):
    x, y = microstructures
    model = ImageClassifier(**SMALL, periodic=True, symmetries=("rotate90",))
    model.fit(x[:120], y[:120])
    answers = model.predict_proba(x)[:, 1]
    assert abs(answers[y == 1].mean() - answers[y == 0].mean()) < 0.2


def test_seeds(microstructures):
    x, _ = microstructures
    y = x.mean(axis=(1, 2, 3))
    settings = SHORT | {"symmetries": ("flip", "rotate90", "translate"), "periodic": True}
    first, again, other = (
        ImageRegressor(**settings, random_state=seed).fit(x, y).network_.state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_number_of_threads_does_not_matter(microstructures):
    x, _ = microstructures
    y = x.mean(axis=(1, 2, 3))
    one = ImageRegressor(**SHORT).fit(x, y).predict(x)
    torch.set_num_threads(2)
    try:
        assert np.array_equal(ImageRegressor(**SHORT).fit(x, y).predict(x), one)
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("periodic", [True, False])
def test_a_periodic_network_is_invariant_to_rolls_by_its_stride(periodic):
    torch.manual_seed(0)
    network = SmallCNN(1, 2, (4, 6, 8), periodic=periodic).eval()
    x = torch.randn(3, 1, 32, 24)
    rolled = x.roll((network.stride, -2 * network.stride), (2, 3))
    with torch.no_grad():
        gap = (network(x) - network(rolled)).abs().max().item()
    assert network.stride == 8
    assert (gap < 1e-5) == periodic


@pytest.mark.parametrize("grid", [(6, 5), (4, 3, 5)])
def test_periodic_continuation_is_circular_padding(grid):
    x = torch.randn(2, 3, *grid)
    expected = torch.nn.functional.pad(x, (2,) * 2 * len(grid), mode="circular")
    assert torch.equal(Wrap(2)(x), expected)


def test_volumes_are_learned_too(rng):
    x = rng.normal(size=(40, 1, 8, 10, 12)).astype(np.float32)
    x += rng.normal(size=(40, 1, 1, 1, 1))
    y = x.mean(axis=(1, 2, 3, 4))
    settings = SMALL | {"symmetries": ("flip", "rotate90", "translate")}
    model = ImageRegressor(**settings, periodic=True).fit(x, y)
    assert model.score(x, y) > 0.8


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_torch_model_is_the_prediction_and_has_gradients(rng, task):
    x = rng.uniform(size=(24, 1, 20, 30)).astype(np.float32)
    y = np.arange(24) % 3
    kind = ImageRegressor if task == "regression" else ImageClassifier
    model = kind(**SHORT, factor=2).fit(x, 1000.0 + y if task == "regression" else y)
    batch = torch.as_tensor(x, dtype=torch.float32).requires_grad_()
    output = model.torch_model()(batch)
    if task == "regression":
        assert output.shape == (24, 1)
        assert np.allclose(output.detach()[:, 0], model.predict(x), rtol=1e-5)
    else:
        assert output.shape == (24, 3)
        assert np.allclose(output.softmax(1).detach(), model.predict_proba(x), atol=1e-5)
    output[:, 0].sum().backward()
    assert batch.grad.shape == batch.shape
    assert (batch.grad.abs().amax(dim=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_storage_round_trip(microstructures, tmp_path, task):
    x, y = microstructures
    context = Context(
        task, len(x), 0, n_classes=2, image_shape=x.shape[1:], periodic=True, symmetries=("flip",)
    )
    rung = RUNGS["cnn"]()
    model = rung.build({}, context).set_params(epochs=1).fit(x, y)
    assert model.get_params()["symmetries"] == ("flip",)
    rung.save(model, tmp_path)
    loaded = rung.load(tmp_path, {}, context)
    assert np.array_equal(loaded.predict(x), model.predict(x))
    assert np.allclose(
        loaded.torch_model()(torch.as_tensor(x)).detach(),
        model.torch_model()(torch.as_tensor(x)).detach(),
    )
    assert rung.parameters(loaded) == rung.parameters(model) > 1000
    assert {p.suffix for p in tmp_path.iterdir()} == {".safetensors", ".json"}


def test_a_damaged_state_is_refused(microstructures, tmp_path):
    x, y = microstructures
    context = Context("regression", len(x), 0, image_shape=x.shape[1:])
    rung = RUNGS["cnn"]()
    model = rung.build({}, context).set_params(epochs=1).fit(x, y)
    arrays, values = model.state()
    arrays.pop("weight:1.head.weight")
    with pytest.raises(InputError, match="settings"):
        rung.build({}, context).restore(arrays, values)
    with pytest.raises(InputError, match="entry"):
        rung.build({}, context).restore(arrays, {"fit": 1})


def test_one_fit_for_cached_and_uncached_images(microstructures, monkeypatch):
    x, _ = microstructures
    y = x.mean(axis=(1, 2, 3))
    cached = ImageRegressor(**SHORT).fit(x, y).predict(x)
    monkeypatch.setattr(image_batches, "CACHE_BYTES", 0)
    assert np.array_equal(ImageRegressor(**SHORT).fit(x, y).predict(x), cached)


def test_reduction_keeps_the_mean_and_is_by_area():
    x = torch.arange(32.0).view(1, 1, 4, 8)
    assert reduce(x, 2)[0, 0].tolist() == [[4.5, 6.5, 8.5, 10.5], [20.5, 22.5, 24.5, 26.5]]
    assert reduction((1, 1024, 1024)) == 8
    assert reduction((1, 64, 64, 64)) == 2
    assert reduction((1, 1, 10**6)) == 1
    assert len(ImageBatches(ArrayImages(np.zeros((0, 1, 4, 4), np.float32)), 1)) == 0


def moved(symmetries, periodic, n=300):
    """All distinct images that augmentation makes of one, as bytes."""
    image = torch.arange(16.0).view(1, 1, 4, 4)
    generator = torch.Generator().manual_seed(0)
    augment = Augmentation(symmetries, periodic)
    parts = [augment(image.expand(8, 1, 4, 4), generator) for _ in range(n)]
    return {x.numpy().tobytes() for x in torch.cat(parts)}


@pytest.mark.parametrize(
    ("symmetries", "size"),
    [((), 1), (("flip",), 4), (("rotate90",), 4), (("flip", "rotate90"), 8), (("translate",), 16)],
)
def test_augmentation_makes_the_whole_group_and_nothing_else(symmetries, size):
    assert len(moved(symmetries, periodic=True)) == size


def test_translation_without_periodicity_reflects_at_the_edges():
    image = torch.arange(16.0).expand(64, 1, 3, 16)
    out = Augmentation(("translate",), False)(image, torch.Generator().manual_seed(0))
    rows = {tuple(int(v) for v in x[0, 0]) for x in out}
    place = range(16)
    assert rows == {
        (2, 1, *place[:14]),
        (1, *place[:15]),
        tuple(place),
        (*place[1:], 14),
        (*place[2:], 14, 13),
    }


@pytest.mark.parametrize(
    "images",
    [np.zeros((3, 4, 4)), np.full((3, 1, 4, 4), np.nan), np.array([["a"]])],
)
def test_bad_images(images):
    with pytest.raises(InputError):
        ImageRegressor(**SHORT).fit(images, np.arange(len(images)))


def test_bad_shapes_and_symmetries(rng):
    x = rng.uniform(size=(12, 1, 8, 8))
    model = ImageRegressor(**SHORT).fit(x, np.arange(12.0))
    with pytest.raises(InputError, match="shape"):
        model.predict(np.zeros((2, 1, 9, 8)))
    with pytest.raises(InputError, match="match"):
        ImageRegressor(**SHORT).fit(x, np.arange(11.0))
    with pytest.raises(UsageError, match="symmetry"):
        ImageRegressor(**SHORT, symmetries=("mirror",)).fit(x, np.arange(12.0))


def test_clone_is_unfitted(rng):
    model = ImageRegressor(**SHORT).fit(rng.uniform(size=(12, 1, 8, 8)), np.arange(12.0))
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "network_")

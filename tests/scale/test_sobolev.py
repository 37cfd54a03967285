"""A network taught by exact sensitivities: what it is given, and what it makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import InputError, UsageError
from iceframe.physics import Conductivity, generate, homogenize
from iceframe.scale.image_network import ImageClassifier, ImageRegressor
from iceframe.scale.sobolev import WithInputGradient, gradient_batches

SHORT = {"epochs": 40, "alone": True, "periodic": True, "symmetries": ("flip", "translate")}


@pytest.fixture(scope="module")
def laboratory():
    """Structures ``(200, 1, 16, 16)``, their conductivity, and its sensitivity to every pixel."""
    rng = np.random.default_rng(0)
    made = generate(
        "random_field", 200, (16, 16), length=2.0, volume_fraction=rng.uniform(0.2, 0.8, 200)
    )
    solved = homogenize(made, Conductivity([1.0, 10.0]), sensitivities=True)
    x = made.phases[:, None].astype(np.float32)
    slopes = solved.sensitivities[:, 0].astype(np.float32)
    return ArrayImages(x, True, "phase", derivatives=slopes), solved.tensor[:, 0, 0]


def agreement(model, images) -> float:
    """Mean correlation of the input gradient with the exact sensitivity, image by image."""
    x = torch.as_tensor(images.values).requires_grad_()
    (gradient,) = torch.autograd.grad(model.torch_model()(x).sum(), x)
    pairs = zip(gradient.flatten(1).numpy(), images.derivatives.reshape(len(x), -1), strict=True)
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))


def test_supervision_makes_the_gradient_agree_and_the_error_no_larger(laboratory):
    images, y = laboratory
    train, test = images.take(range(60)), images.take(range(60, 200))
    found = {}
    for weight in (0.0, 1.0):
        model = ImageRegressor(**SHORT, sobolev=weight).fit(train, y[:60])
        error = np.abs(model.predict(test) - y[60:]).mean()
        found[weight] = error, agreement(model, test)
    assert found[1.0][1] > found[0.0][1] + 0.1
    assert found[1.0][0] < found[0.0][0]


def test_the_gradient_is_that_of_each_sample_alone():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 1, bias=False))
    output, gradient = WithInputGradient(network)(torch.rand(3, 1, 2, 2))
    assert output.shape == (3, 1)
    assert torch.allclose(gradient, network[1].weight.view(1, 1, 2, 2).expand(3, 1, 2, 2))


def test_derivatives_to_reduced_pixels_are_sums_over_cells():
    slopes = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    source = ArrayImages(np.zeros_like(slopes), derivatives=slopes)
    batches = gradient_batches(source, 2)
    assert batches[torch.tensor([0])][0, 0].tolist() == [[10.0, 18.0], [42.0, 50.0]]


def test_maps_move_with_their_images():
    # Only the derivative tells where the pixel that counts is; augmented by rolling, a network that
    # were shown unmoved maps could learn nothing from them.
    rng = np.random.default_rng(1)
    x = rng.integers(0, 2, (80, 1, 8, 8)).astype(np.float32)
    y = x.mean(axis=(1, 2, 3)) * 64
    slopes = np.ones_like(x)
    model = ImageRegressor(**SHORT, sobolev=1.0).fit(ArrayImages(x, True, derivatives=slopes), y)
    assert agreement_with_one(model, x) < 0.3


def agreement_with_one(model, x) -> float:
    values = torch.as_tensor(x).requires_grad_()
    (gradient,) = torch.autograd.grad(model.torch_model()(values).sum(), values)
    return float((gradient - 1).abs().mean())


def test_images_without_sensitivities_are_refused(laboratory):
    _, y = laboratory
    plain = ArrayImages(np.random.default_rng(0).random((20, 1, 8, 8)).astype(np.float32))
    with pytest.raises(InputError, match="without the target's sensitivity"):
        ImageRegressor(**SHORT, sobolev=1.0).fit(plain, y[:20])


def test_sensitivities_that_are_not_finite_or_all_zero_are_refused(laboratory):
    images, y = laboratory
    for bad, message in ((np.nan, "not finite"), (0.0, "all zero")):
        slopes = np.full_like(images.values[:20], bad)
        broken = ArrayImages(images.values[:20], True, derivatives=slopes)
        with pytest.raises(InputError, match=message):
            ImageRegressor(**SHORT, sobolev=1.0).fit(broken, y[:20])


def test_samples_must_not_mix_and_classes_have_no_sensitivity(laboratory):
    images, y = laboratory
    with pytest.raises(UsageError, match="do not mix"):
        ImageRegressor(sobolev=1.0, epochs=1).fit(images.take(range(20)), y[:20])
    with pytest.raises(UsageError, match="regressions"):
        ImageClassifier(**SHORT, sobolev=1.0).fit(images.take(range(20)), y[:20] > y[:20].mean())


def test_a_simulated_data_set_brings_its_sensitivities(tmp_path):
    import iceframe as ice

    recipe = {
        "generator": "random_field",
        "shape": [12, 12],
        "samples": 8,
        "factors": {"volume_fraction": [0.2, 0.8]},
        "property": {"conductivity": {"values": [1, 10]}},
        "sensitivities": True,
    }
    made = ice.simulate(recipe, out=tmp_path / "made", workers=1)
    data = ice.read(made, target="k_xx")
    assert data.images.supervised
    chosen = data.take([4, 1])
    expected = made.sensitivities("k_xx")[[4, 1]]
    assert np.array_equal(chosen.images.gradients([0, 1]), expected)
    assert (
        chosen.images.fingerprint != ice.read(made, target="k_yy").take([4, 1]).images.fingerprint
    )

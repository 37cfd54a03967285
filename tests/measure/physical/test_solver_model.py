"""The solver as a model of images: the answers, gradients and flips are the physics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.errors import InputError
from iceframe.measure.image_model import ImageModel
from iceframe.measure.physical.solver_model import solver_model
from iceframe.physics import Conductivity, Elasticity, homogenize
from iceframe.physics.flips import exact_flips

LAWS = {
    "conduction": (Conductivity([1.0, 10.0]), "k_xy", (0, 1)),
    "elasticity": (Elasticity([1.0, 10.0], [0.3, 0.2]), "C12", (0, 1)),
}


def images(shape, seed=0, n=3):
    return (np.random.default_rng(seed).random((n, 1, *shape)) < 0.4).astype(np.float32)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("shape", [(8, 7), (4, 5, 3)])
def test_it_answers_with_the_effective_property(law, shape):
    properties, component, (a, b) = LAWS[law]
    x = images(shape)
    model = ImageModel(solver_model(properties, component, len(shape), tolerance=1e-9))
    answers = model.scores(torch.from_numpy(x))
    assert answers.dtype == torch.float64
    solved = homogenize(x[:, 0].astype(int), properties, tolerance=1e-9, sensitivities=True)
    np.testing.assert_allclose(answers.numpy(), solved.tensor[:, a, b], rtol=0, atol=1e-7)
    gradients = model.gradients(torch.from_numpy(x))
    assert gradients.shape == x.shape
    assert gradients.dtype == torch.float32
    exact = solved.sensitivities[:, solved.pairs.index((a, b)), 0]
    np.testing.assert_allclose(gradients[:, 0].numpy(), exact, rtol=0, atol=1e-6)


def test_its_flips_are_the_exact_flips():
    properties = Elasticity([1.0, 10.0], [0.3, 0.3])
    x = images((8, 8), n=1)
    model = ImageModel(solver_model(properties, "C11", 2, tolerance=1e-9))
    flipped = np.repeat(x, 5, axis=0)
    voxels = np.random.default_rng(1).integers(0, 8, (5, 2))
    for image, (i, j) in zip(flipped, voxels, strict=True):
        image[0, i, j] = 1 - image[0, i, j]
    change = model.scores(torch.from_numpy(flipped)) - model.scores(torch.from_numpy(x))
    exact = exact_flips(x[:, 0].astype(int), properties, voxels, tolerance=1e-9).change[0, :, 0, 0]
    np.testing.assert_allclose(change.numpy(), exact, rtol=1e-6)


def test_the_answer_for_an_image_does_not_depend_on_the_others():
    model = ImageModel(solver_model(Conductivity([1.0, 10.0]), "k_xx", 2))
    x = torch.from_numpy(images((9, 6), n=4))
    alone = torch.cat([model.scores(x[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(model.scores(x).numpy(), alone.numpy(), rtol=1e-9)


def test_fractions_between_are_mixed_and_fractions_beyond_are_no_material():
    model = ImageModel(solver_model(Conductivity([1.0, 3.0]), "k_xx", 2))
    x = torch.tensor([0.5, -0.2, 1.3])[:, None, None, None].expand(3, 1, 4, 4)
    np.testing.assert_allclose(model.scores(x).numpy(), [2.0, 1.0, 3.0], rtol=1e-6)


def test_it_moves_between_devices_with_its_properties():
    module = solver_model(Conductivity([1.0, 3.0]), "k_xx", 2)
    assert [name for name, _ in module.named_buffers()] == ["matrices"]
    assert ImageModel(module).device == torch.device("cpu")


@pytest.mark.parametrize(
    ("properties", "component", "match"),
    [
        (Conductivity([1.0, 3.0, 5.0]), "k_xx", "two phases"),
        (Conductivity([[1.0, 3.0]]), "k_xx", "two phases"),
        (Conductivity([1.0, 3.0]), "C11", "k_xx, k_xy, k_yy"),
        (Elasticity([1.0, 3.0], [0.3, 0.3]), "C44", "C11, C12, C16"),
    ],
)
def test_what_it_cannot_be(properties, component, match):
    with pytest.raises(InputError, match=match):
        solver_model(properties, component, 2)

"""Agreement with Quantus where it is right: recorded from Quantus 0.6.0, torch 2.13.0.

The network and the images follow from seeds; the metrics were called with ``normalise=False``,
``abs=False`` and ``channel_first=True``, and the gradient of the class's logit as the map.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.measure.explainer import ImageExplainer
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps.deletion import deletion
from iceframe.measure.maps.infidelity import infidelity, patch_masks
from iceframe.measure.maps.removal import imputed
from iceframe.measure.maps.sensitivity import sensitivity

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


class Gradient(ImageExplainer):
    name = title = summary = reference = "gradient"
    meaning = "derivative"

    def maps(self, model, x, codes=None, background=None, seed=0):
        return model.gradients(x, codes).sum(1)


@pytest.fixture
def network():
    rng = np.random.default_rng(7)
    layers = torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.Tanh(), torch.nn.Flatten()
    net = torch.nn.Sequential(*layers, torch.nn.Linear(4 * 64, 3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.as_tensor(rng.normal(size=tuple(parameter.shape)) * 0.3))
    return net


@pytest.fixture
def samples():
    rng = np.random.default_rng(11)
    x = rng.random((3, 1, 8, 8)).astype(np.float32)
    return torch.from_numpy(x), torch.from_numpy(rng.integers(0, 3, 3))


def black(x):
    """Each image's lowest value: the default baseline of Quantus."""
    return x.flatten(1).amin(1).view(-1, 1, 1, 1).expand_as(x)


@pytest.mark.parametrize(
    ("patches", "expected"),
    [
        (2, [0.10692511, 1.74307203, 0.38311902]),  # perturb_patch_sizes=[4]
        (1, [7.97414861e-04, 5.72694540, 2.59881769e-03]),  # [8]
    ],
)
def test_infidelity(network, samples, patches, expected):
    x, codes = samples
    model = ImageModel(network)
    # Quantus removes each patch on top of those before it.
    masks = patch_masks((8, 8), patches).cumsum(0) > 0
    found = infidelity(
        model, x, Gradient().maps(model, x, codes), codes,
        fill=black(x), masks=masks, scaled=False, normalised=False,
    )  # fmt: skip
    np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize(
    ("softmax", "expected"),
    [
        (
            True,
            [
                [8.53578618e-04, 1.35886320e-03, 3.61971743e-03, 9.20951813e-02],
                [9.00062025e-01, 6.40878916e-01, 6.43493474e-01, 6.42737567e-01],
                [1.22641271e-04, 1.17361378e-04, 3.64150782e-03, 2.34223410e-01],
            ],
        ),
        (
            False,
            [
                [-1.08683872, -2.01883769, -2.14029098, -0.46194065],
                [4.29394817, 2.06075239, 0.6771872, 1.49530554],
                [-2.88672733, -4.0338316, -3.04311132, 0.63086724],
            ],
        ),
    ],
)
def test_pixel_flipping(network, samples, softmax, expected):
    x, codes = samples
    maps = Gradient().maps(ImageModel(network), x, codes)
    asked = torch.nn.Sequential(network, torch.nn.Softmax(1)) if softmax else network
    curves = deletion(
        ImageModel(asked), x, maps, codes,
        fill=black(x), order="value", steps=4, random_orders=0,
    )  # fmt: skip
    # features_in_step=16; Quantus leaves out the image as it is.
    np.testing.assert_allclose(curves.scores[:, 1:], expected, **CLOSE)


def test_sensitivity(network, samples):
    """nr_samples=6, lower_bound=0.2; images one by one, ``np.random.seed(5)`` before each."""
    x, codes = samples
    model, explainer = ImageModel(network), Gradient()
    draws = np.random.RandomState(5)
    noise = torch.from_numpy(draws.uniform(-0.2, 0.2, (6, 1, 8, 8))).float()
    found = sensitivity(explainer, model, x, explainer.maps(model, x, codes), codes, noise=noise)
    np.testing.assert_allclose(found.maximum, [0.10593233, 0.09905852, 0.09132117], **CLOSE)
    np.testing.assert_allclose(found.average, [0.09114003, 0.08843728, 0.0870924], **CLOSE)


def test_linear_imputation(samples):
    """``noisy_linear_imputation`` with ``noise=0`` of 40 of the first image's pixels."""
    place = np.random.default_rng(3).permutation(64)[:40]
    removed = torch.zeros(64, dtype=torch.bool)
    removed[place] = True
    found = imputed(samples[0][:1], removed.view(1, 8, 8)).flatten().numpy()
    np.testing.assert_allclose(found.sum(), 29.81469271, rtol=1e-4)
    np.testing.assert_allclose(
        found[place[:4]], [0.52579655, 0.76028671, 0.61646577, 0.52495519], **CLOSE
    )

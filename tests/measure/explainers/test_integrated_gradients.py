"""Integrated gradients by known answers: linear models, kinks, the registered network."""

from __future__ import annotations

import numpy as np

from iceframe.core.dataset import ArrayImages
from iceframe.measure.attribution import attribute
from iceframe.measure.explainer import mean_image
from iceframe.measure.model_flips import comparable, flips
from iceframe.measure.table_model import model_function
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.rung import RUNGS


def test_integrated_gradients_of_a_linear_model_are_exact(rng, images, pixels, linear):
    weights = rng.normal(size=(2, 9, 7, 1))
    values, background = rng.random((5, 2, 9, 7)), rng.random((11, 2, 9, 7))
    fitted = pixels(linear(weights))
    result = attribute(fitted, images(values), images(background))
    expected = (weights[..., 0] * (values - background.mean(0))).sum(1)
    assert result.method == "integrated gradients"
    assert result.values.shape == (5, 9, 7)
    np.testing.assert_allclose(result.values, expected, atol=1e-4)
    assert np.all(result.gap < 1e-4)
    np.testing.assert_allclose(
        comparable(result, 4),
        flips(fitted, images(values), images(background), patches=4),
        atol=1e-4,
    )


def test_integrated_gradients_explain_the_logit_of_the_predicted_class(rng, images, pixels, linear):
    weights = rng.normal(size=(1, 4, 4, 3))
    values, background = rng.random((6, 1, 4, 4)), rng.random((4, 1, 4, 4))
    fitted = pixels(linear(weights), "classification", 3)
    result = attribute(fitted, images(values), images(background))
    logits = np.einsum("nchw,chwk->nk", values, weights)
    np.testing.assert_array_equal(result.target, logits.argmax(1))
    np.testing.assert_allclose(result.prediction, logits.max(1), rtol=1e-5)


def test_a_kinked_model_shows_its_gap(rng, images, pixels):
    import torch

    class Kinked(torch.nn.Module):
        def forward(self, x):
            return torch.sigmoid(400 * (x.mean((1, 2, 3)) - 0.7515))[:, None]

    values, background = np.full((1, 1, 4, 4), 0.76), np.zeros((2, 1, 4, 4))
    result = attribute(pixels(Kinked()), images(values), images(background))
    assert result.gap[0] > 0.01


def test_the_registered_image_rung_is_explained(rng, images):
    values = rng.random((24, 1, 12, 12))
    inputs = images(values)
    about = context_for(inputs, "regression")
    fitted = fit(RUNGS["cnn"](), {}, inputs, values.mean((1, 2, 3)) * 100, about)
    result = attribute(fitted, inputs.take(np.arange(3)), inputs)
    assert result.values.shape == (3, 12, 12)
    np.testing.assert_allclose(
        result.prediction, fitted.predict(inputs.take(np.arange(3))), rtol=1e-4
    )
    assert np.all(result.gap < 0.2)
    assert flips(fitted, inputs.take(np.arange(2)), inputs).shape == (2, 64)
    assert model_function(fitted, inputs) is None


def test_the_mean_image_is_read_in_batches(rng):
    values = rng.random((150, 1, 3, 3)).astype(np.float32)
    np.testing.assert_allclose(mean_image(ArrayImages(values)), values.mean(0), rtol=1e-5)

"""Directions through a decoder that is linear, and through one that was fitted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.beyond_maps.latent_directions import latent_directions
from iceframe.measure.image_model import ImageModel
from iceframe.physics import generate
from iceframe.scale.encoder import ENCODERS, Encoder
from iceframe.scale.image_format import ImageFormat

GRIDS = pytest.mark.parametrize("grid", [(6, 5), (4, 3, 5)], ids=["2-D", "3-D"])


class Linear(Encoder):
    """``x = m + z B`` and back, with orthonormal rows of B."""

    name, title, summary, reference, decodes = "linear", "Linear", "for tests", "none", True

    def __init__(self, rng: np.random.Generator, d: int, grid: tuple[int, ...]) -> None:
        size = int(np.prod(grid))
        self.basis = np.linalg.qr(rng.normal(size=(size, d)))[0].T
        self.centre = rng.normal(size=size)
        self.format_ = ImageFormat((1, *grid), False, "grey")

    def encode(self, images, progress=None):
        return (np.asarray(images, float).reshape(len(images), -1) - self.centre) @ self.basis.T

    def decode(self, latents):
        flat = self.centre + np.asarray(latents) @ self.basis
        return flat.reshape(-1, *self.format_.shape).astype(np.float32)

    @property
    def names(self):
        return tuple(f"axis {j}" for j in range(len(self.basis)))

    def fit(self, images, factors=None, **more):
        return self

    settings = state = restore = None


class Weighted(torch.nn.Module):
    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(weights.astype(np.float32)))

    def forward(self, x):
        return x.flatten(1) @ self.weights


def decoded(encoder: Linear, z: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(encoder.decode(z))


@GRIDS
@pytest.mark.parametrize("method", ["gradient", "ridge"])
def test_through_a_linear_decoder_the_direction_is_known(rng, grid, method):
    encoder = Linear(rng, 3, grid)
    scales = np.array([0.5, 1.0, 3.0])
    background = decoded(encoder, rng.normal(size=(200, 3)) * scales)
    z = rng.normal(size=(4, 3))
    weights = rng.normal(size=(np.prod(grid), 2))
    codes = torch.ones(4, dtype=torch.long)
    found = latent_directions(
        ImageModel(Weighted(weights)),
        encoder,
        decoded(encoder, z),
        background,
        codes=codes,
        method=method,
    )
    spread = encoder.encode(background.numpy()).std(axis=0)
    slopes = encoder.basis @ weights[:, 1] * spread
    size = np.linalg.norm(slopes)
    close = 1e-3 if method == "gradient" else 5e-3  # the ridge shrinks
    np.testing.assert_allclose(found.slope, size, rtol=close)
    np.testing.assert_allclose(found.shares, np.tile((slopes / size) ** 2, (4, 1)), atol=close)
    np.testing.assert_allclose(
        found.direction, np.tile(slopes / size * spread, (4, 1)), atol=close * 3
    )
    assert found.images.shape == (4, 7, 1, *grid)
    assert found.names == ("axis 0", "axis 1", "axis 2")
    np.testing.assert_allclose(
        found.scores, found.original[:, None] + found.steps * size, rtol=1e-2, atol=2e-2
    )
    np.testing.assert_allclose(found.decoded, found.original, rtol=1e-4)
    assert found.believable.all()
    assert found.r2 > 0.99
    assert found.method == method


def test_far_from_the_background_latents_are_not_usual(rng):
    encoder = Linear(rng, 2, (6, 5))
    background = decoded(encoder, rng.normal(size=(400, 2)))
    weights = encoder.basis[0][:, None]  # the score is the first latent
    found = latent_directions(
        ImageModel(Weighted(weights)),
        encoder,
        decoded(encoder, np.zeros((1, 2))),
        background,
        steps=[-9.0, -1.0, 0.0, 1.0, 9.0],
    )
    assert found.usual.tolist() == [[False, True, True, True, False]]
    np.testing.assert_allclose(found.shares, [[1.0, 0.0]], atol=1e-3)


def test_what_the_decoder_cannot_paint_is_not_believed(rng):
    encoder = Linear(rng, 2, (6, 5))
    hidden = rng.normal(size=30)
    hidden -= hidden @ encoder.basis.T @ encoder.basis  # no latent holds it
    weights = (encoder.basis[0] * 1e-3 + hidden)[:, None]
    background = rng.normal(size=(50, 1, 6, 5)).astype(np.float32)
    x = torch.from_numpy(background[:5])
    model = ImageModel(Weighted(weights))
    found = latent_directions(model, encoder, x, torch.from_numpy(background))
    assert not found.believable.any()
    assert found.r2 < 0.5
    flat = ImageModel(Weighted(np.zeros((30, 1))))
    nothing = latent_directions(flat, encoder, x, torch.from_numpy(background))
    assert np.isnan(nothing.shares).all()
    assert not nothing.believable.any()
    np.testing.assert_array_equal(nothing.slope, 0.0)


@pytest.mark.parametrize("grid", [(16, 16), (8, 8, 8)], ids=["2-D", "3-D"])
def test_through_a_fitted_autoencoder_the_score_rises(grid):
    fractions = np.random.default_rng(0).uniform(0.2, 0.8, 120)
    made = generate("random_field", 120, grid, volume_fraction=fractions, length=3.0, seed=0)
    images = made.phases[:, None].astype(np.float32)
    encoder = ENCODERS["autoencoder"](latents=4, widths=(6, 12), epochs=25, device="cpu")
    encoder.fit(images, kind="phase", periodic=True)

    class Fraction(torch.nn.Module):
        def forward(self, x):
            return 100 * x.flatten(1).mean(1, keepdim=True)

    model, x = ImageModel(Fraction()), torch.from_numpy(images)
    found = latent_directions(model, encoder, x[:6], x, steps=[-1.0, 0.0, 0.1, 1.0])
    assert found.method == "gradient"
    assert found.names == encoder.names
    assert found.r2 > 0.8
    assert (np.diff(found.scores, axis=1) > 0).all()
    rise = (found.scores[:, 2] - found.scores[:, 1]) / 0.1
    np.testing.assert_allclose(rise, found.slope, rtol=0.15)
    np.testing.assert_allclose(found.shares.sum(axis=1), 1.0)
    np.testing.assert_allclose(found.scores[:, 1], found.decoded, rtol=1e-4)
    alone = latent_directions(model, encoder, x[2:3], x, steps=[-1.0, 0.0, 0.1, 1.0])
    np.testing.assert_allclose(alone.scores[0], found.scores[2], rtol=1e-3)


def test_of_three_phases_decoded_images_jump_and_a_regression_is_used(rng):
    encoder = Linear(rng, 2, (6, 5))
    encoder.format_ = ImageFormat((1, 6, 5), False, "phase", (0.0, 1.0, 2.0))
    x = decoded(encoder, rng.normal(size=(30, 2)))
    model = ImageModel(Weighted(encoder.basis[1][:, None]))
    found = latent_directions(model, encoder, x[:3], x)
    assert found.method == "ridge"
    np.testing.assert_allclose(found.shares, [[0.0, 1.0]] * 3, atol=1e-2)
    assert (found.direction[:, 1] > 0).all()


def test_errors_say_what_to_do(rng):
    encoder = Linear(rng, 2, (6, 5))
    x = decoded(encoder, rng.normal(size=(30, 2)))
    model = ImageModel(Weighted(rng.normal(size=(30, 2))))
    with pytest.raises(InputError, match="background"):
        latent_directions(model, encoder, x, x[:5])
    codes = torch.arange(30) % 2
    with pytest.raises(UsageError, match="One regression"):
        latent_directions(model, encoder, x, x, codes=codes, method="ridge")
    blind = ENCODERS["contrastive"](latents=2, widths=(4,), epochs=1, device="cpu")
    images = rng.random((24, 1, 8, 8)).astype(np.float32)
    blind.fit(images)
    seen = ImageModel(Weighted(np.ones((64, 1))))
    with pytest.raises(UsageError, match="no decoder"):
        latent_directions(seen, blind, torch.from_numpy(images), torch.from_numpy(images))

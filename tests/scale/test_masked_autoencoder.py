"""The masked autoencoder: what is hidden is not seen, is all that counts, and can be painted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.errors import UsageError
from iceframe.physics import generate
from iceframe.scale.encoder import ENCODERS
from iceframe.scale.encoder_networks import Shape, log_likelihood
from iceframe.scale.masked_network import MaskedAutoencoder

TINY = {"latents": 4, "widths": (4, 6), "epochs": 2, "device": "cpu"}


def phases(n, grid, length=2.0):
    """Two-phase random fields ``(n, 1, *grid)`` of many volume fractions."""
    fractions = np.random.default_rng(0).uniform(0.15, 0.85, n)
    made = generate("random_field", n, grid, volume_fraction=fractions, length=length, seed=0)
    return made.phases[:, None].astype(np.float32)


def stripes(n):
    """Stripes of random place along one of the axes of ``(n, 1, 16, 16)``."""
    rng = np.random.default_rng(0)
    x = np.zeros((n, 1, 16, 16), np.float32)
    for image in x:
        place = rng.integers(0, 11)
        image[0, place : place + 6] = 1
        if rng.random() < 0.5:
            image[0] = image[0].T
    return x


def fit(x, periodic=False, **settings):
    encoder = ENCODERS["masked_autoencoder"](**(TINY | settings))
    return encoder.fit(x, kind="phase", periodic=periodic)


def painter(shape, **settings):
    torch.manual_seed(0)
    return MaskedAutoencoder(shape, 3, 8, 6, 2, **({"share": 0.75} | settings))


def test_only_hidden_patches_count():
    """The loss is that of hidden pixels; three quarters of the patches are hidden."""
    shape = Shape(1, (16, 24), True, (8, 6))
    network = painter(shape, patch=4)
    x = (torch.rand(6, 1, 16, 24) < 0.5).float()
    answer = network(x)
    assert answer.output.shape == x.shape
    assert answer.hidden.shape == (6, 1, 16, 24)
    assert answer.hidden.flatten(1).sum(dim=1).tolist() == [18 * 16] * 6
    blocks = answer.hidden.view(6, 4, 4, 6, 4).float().mean(dim=(2, 4))
    assert set(blocks.unique().tolist()) == {0.0, 1.0}
    loss = log_likelihood(answer.output, x, True, answer.hidden).item()
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        answer.output[answer.hidden], x[answer.hidden]
    )
    assert loss == pytest.approx(each.item(), rel=1e-5)
    three = torch.cat([x, 1 - x], dim=1)
    logits = torch.cat([answer.output, torch.zeros_like(x)], dim=1)
    whole = log_likelihood(logits, three, True, torch.ones_like(x, dtype=torch.bool))
    assert whole.item() == pytest.approx(log_likelihood(logits, three, True).item(), rel=1e-5)


def test_what_is_hidden_is_not_seen():
    network = painter(Shape(1, (16, 16), True, (8, 6)), patch=4).eval()
    x = torch.randn(5, 1, 16, 16)
    with torch.no_grad():
        answer = network(x)
        changed = torch.where(answer.hidden, torch.randn_like(x), x)
        again = network(changed)
    assert torch.equal(again.hidden, answer.hidden)  # the same places, epoch by epoch
    assert torch.allclose(again.output, answer.output, atol=1e-6)
    network.train()
    assert not torch.equal(network(x).hidden, network(x).hidden)


@pytest.mark.parametrize(
    ("grid", "patch"), [((5, 9), 2), ((16, 24), 4), ((7, 6, 5), 2), ((4, 4), None)]
)
def test_patches_are_laid_where_they_were_cut(grid, patch):
    network = painter(Shape(2, grid, False, (8, 6)), patch=patch)
    tokens, paint = network.trunk.tokens, network.decoder
    x = torch.arange(2.0 * np.prod(grid)).view(1, 2, *grid)
    whole = tokens.continued(x)
    axes, side = len(grid), tokens.patch
    cut = whole
    for axis in range(axes):
        cut = cut.unfold(2 + axis, side, side)
    patches = cut.movedim(1, 1 + axes).reshape(1, -1, 2 * side**axes)
    assert torch.equal(paint.laid(patches), x)


def test_hidden_patches_are_painted_from_what_is_seen():
    """Stripes go on: what is painted is closer to the truth than the mean of all images."""
    x = stripes(160)
    encoder = fit(x, widths=(32, 24), depth=1, patch=4, hidden=0.5, epochs=12, learning_rate=1e-2)
    share = x.mean()
    plain = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert encoder.record_["held-out loss"] < 0.6 * plain


def test_axes_of_the_mean_token_are_standardised_and_apart():
    x = phases(80, (16, 16), length=3.0)
    encoder = fit(x, periodic=True, widths=(16, 12), epochs=4)
    z = encoder.encode(x)
    covariance = np.cov(z.T)
    assert np.allclose(np.diag(covariance), 1, atol=0.5)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.4
    moved = encoder.encode(np.roll(x, (4, -6), (2, 3)))  # whole patches of two pixels
    assert np.allclose(moved, z, atol=1e-3)


def test_settings_that_cannot_be_used():
    x = phases(12, (15, 12))
    for wrong in (
        {"widths": (4,)},
        {"latents": 5},
        {"depth": 0},
        {"hidden": 1.0},
        {"hidden": 0.0},
        {"patch": 0},
        {"patch": 9},
    ):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            fit(x, **wrong)


def test_the_part_that_encodes_can_be_differentiated_twice():
    x = phases(12, (8, 8))
    encoder = fit(x, periodic=True, epochs=1)
    trunk = encoder.trunk_for_tuning()
    image = torch.as_tensor(x[:2]).requires_grad_()
    (slope,) = torch.autograd.grad(trunk(image).sum(), image, create_graph=True)
    slope.square().sum().backward()
    assert image.grad.abs().max() > 0
    standard = (x - encoder.centre_[0]) / encoder.width_[0]
    with torch.no_grad():
        z = trunk(torch.as_tensor(standard, dtype=torch.float32)).numpy()
    assert np.allclose(z, encoder.encode(x), atol=1e-4)

"""Attention maps of transformers whose attention is known, and of the registered ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from iceframe.core.dataset import ArrayImages
from iceframe.core.errors import UsageError
from iceframe.measure.attribution import attribute
from iceframe.measure.explainer import EXPLAINERS
from iceframe.measure.explainers.attention import (
    AttentionGradient,
    AttentionRollout,
    interpolation,
    on_grid,
    recorded,
    transformer_of,
)
from iceframe.measure.image_model import ImageModel
from iceframe.scale.fitting import context_for, fit
from iceframe.scale.image_network import WholeModel
from iceframe.scale.rung import RUNGS
from iceframe.scale.transformer import Tokens, VisionTransformer

BOTH = [AttentionRollout, AttentionGradient]
SHARP = 2.0


def looker(grid=(3, 4), sharpness=SHARP, depth=1, weights=(1.0,)):
    """A transformer of one-pixel tokens whose attention is known.

    Every token looks at bright pixels (x > 0) ``exp(sharpness)`` times as much as at dark ones. The
    value that it finds is 1 at a bright pixel and −1 at a dark one, and output ``k`` is
    ``weights[k]`` times the mean of what the tokens found.
    """
    torch.manual_seed(0)
    network = VisionTransformer(
        1, grid, len(weights), patch=1, width=2, depth=depth, heads=1, places="none"
    ).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        # The token is (x, −x), and after the norm (1, −1) or (−1, 1).
        network.transformer.tokens.layers[0].weight.copy_(
            torch.tensor([1.0, -1.0]).view(2, 1, *(1 for _ in grid))
        )
        for block in network.transformer.mixer.blocks:
            block.norms[0].weight.fill_(1.0)
            block.norms[0].eps = 0.0
            block.mix.bias[0] = 1.0  # the query
            block.mix.weight[2, 0] = 0.5 * np.sqrt(2) * sharpness  # the key; scores go over √2
            block.mix.weight[5, 0] = 1.0  # the value
            block.join.weight[1, 1] = 1.0
            block.scales[0].fill_(1.0)
        network.transformer.mixer.norm = nn.Identity()
        network.head.weight[:, 1] = torch.tensor(weights)
    return ImageModel(network)


def scene(grid=(3, 4), bright=((0, 1), (2, 3))):
    x = -torch.ones(1, 1, *grid, dtype=torch.float64)
    for place in bright:
        x[(0, 0, *place)] = 1.0
    return x


def known_attention(x, sharpness=SHARP):
    """What every token looks at ``(n, *grid)``."""
    size = torch.where(x[:, 0] > 0, sharpness, torch.zeros_like(x[:, 0])).exp()
    return size / size.flatten(1).sum(1).view(-1, *(1 for _ in x.shape[2:]))


def random_model(grid, seed=0, outputs=1, **settings):
    """A transformer with random weights whose branches count."""
    torch.manual_seed(seed)
    network = VisionTransformer(
        1, grid, outputs, **({"width": 12, "depth": 3, "heads": 3} | settings)
    )
    for block in network.transformer.mixer.blocks:
        for scale in block.scales:
            scale.data.fill_(1.0)
    network.head.weight.data.mul_(10)
    return ImageModel(network)


# Known answers


def test_the_attention_of_the_looker_is_known():
    x = scene()
    _, (weights,) = looker().module.with_attention(x)
    expected = known_attention(x).flatten().expand(12, 12)
    torch.testing.assert_close(weights[0, 0], expected)


@pytest.mark.parametrize("grid", [(3, 4), (2, 3, 2)])
def test_rollout_of_one_block_is_half_its_attention(grid):
    x = scene(grid, bright=[(0,) * len(grid), (1,) * len(grid)])
    found = AttentionRollout().maps(looker(grid), x)
    assert found.shape == (1, *grid)
    torch.testing.assert_close(found, 0.5 / 12 + 0.5 * known_attention(x))


@pytest.mark.parametrize("depth", [1, 3])
def test_rollout_of_uniform_attention_is_uniform(depth):
    found = AttentionRollout().maps(looker(sharpness=0.0, depth=depth), scene())
    torch.testing.assert_close(found, torch.full((1, 3, 4), 1 / 12, dtype=torch.float64))


@pytest.mark.parametrize("depth", [1, 2])
def test_a_transformer_that_looks_at_one_token_is_seen_to(depth):
    x = scene(bright=[(1, 2)])
    found = AttentionRollout().maps(looker(sharpness=60.0, depth=depth), x)
    expected = torch.full((1, 3, 4), 0.5**depth / 12, dtype=torch.float64)
    expected[0, 1, 2] += 1 - 0.5**depth
    torch.testing.assert_close(found, expected)
    gradient = AttentionGradient().maps(looker(sharpness=60.0), x)
    torch.testing.assert_close(gradient, (x[:, 0] > 0).double())


def test_gradient_weighted_attention_of_one_block_is_what_raises_the_score():
    # f = w Σ_j A_j v_j: the bright raise it by w A_j; with w < 0 the dark do.
    x = scene()
    model = looker(weights=(3.0, -5.0))
    attention, bright = known_attention(x), x[:, 0] > 0
    for code, expected in enumerate([3 * attention * bright, 5 * attention * ~bright]):
        found = AttentionGradient().maps(model, x, torch.tensor([code]))
        torch.testing.assert_close(found, expected)


def test_rollout_does_not_know_the_question():
    model, x = random_model((8, 8), outputs=2), torch.randn(1, 1, 8, 8)
    maps = [AttentionRollout().maps(model, x, torch.tensor([code])) for code in (0, 1)]
    assert torch.equal(*maps)
    maps = [AttentionGradient().maps(model, x, torch.tensor([code])) for code in (0, 1)]
    assert not torch.allclose(*maps)


def matrices(model, x, code=0):
    """Mean attention, and positive gradient-weighted attention, of every block and one image."""
    answer, attention = model.module.with_attention(x.requires_grad_())
    slopes = torch.autograd.grad(answer[0, code], attention)
    rolled = [a[0].detach().mean(0) for a in attention]
    return rolled, [
        (a[0].detach() * g[0]).clamp(min=0).mean(0) for a, g in zip(attention, slopes, strict=True)
    ]


def test_several_blocks_agree_with_products_of_whole_matrices():
    """The papers' recursions, matrix by matrix from the first block, for one image."""
    model, x = random_model((6, 6), patch=1, seed=4), torch.randn(1, 1, 6, 6)
    attention, weighted = matrices(model, x.clone())
    identity = torch.eye(36)
    rollout = relevance = identity
    strength = max(part.sum(1).max() for part in weighted)
    for a, part in zip(attention, weighted, strict=True):
        rollout = (0.5 * a + 0.5 * identity) @ rollout
        relevance = relevance + part / strength @ relevance
    found = AttentionRollout().maps(model, x).flatten()
    torch.testing.assert_close(found, rollout.mean(0), rtol=1e-4, atol=1e-7)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    found = AttentionGradient().maps(model, x).flatten()
    expected = strength * (relevance - identity).sum(0)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-7)


def test_in_one_block_the_map_is_that_of_the_paper():
    model, x = random_model((6, 6), patch=1, depth=1), torch.randn(1, 1, 6, 6)
    _, (weighted,) = matrices(model, x.clone())
    found = AttentionGradient().maps(model, x).flatten()
    torch.testing.assert_close(found, weighted.sum(0), rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("unit", [1e-3, 1e6])
def test_another_unit_of_the_property_gives_the_same_map_in_that_unit(unit):
    model, x = random_model((8, 8)), torch.randn(3, 1, 8, 8)
    was = AttentionGradient().maps(model, x)
    now = AttentionGradient().maps(ImageModel(WholeModel(model.module, 1, unit, 7.0)), x)
    torch.testing.assert_close(now / unit, was, rtol=1e-4, atol=1e-4 * was.max().item())


def test_what_goes_past_the_attention_is_not_seen():
    model, x = looker(weights=(0.0,)), scene()
    model.module.head.weight.data[0, 0] = 1.0  # the mean of the pixels, which are tokens themselves
    torch.testing.assert_close(model.scores(x), x.mean()[None])
    assert AttentionGradient().maps(model, x).eq(0).all()
    assert AttentionRollout().maps(model, x).std() > 0.01


# Recording


def test_the_recorded_weights_are_those_of_the_answer():
    model, x = random_model((8, 8), patch=2), torch.randn(4, 1, 8, 8)
    with recorded(model.module.transformer) as attention:
        answer = model.module(x)
    wanted, weights = model.module.with_attention(x)
    assert torch.equal(answer, wanted)
    assert len(attention) == 3
    for a, b in zip(attention, weights, strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a.sum(-1), torch.ones(4, 3, 16))
        assert a.min() >= 0


@pytest.mark.parametrize("kind", BOTH)
def test_attention_is_computed_only_when_it_is_asked_for(kind, monkeypatch):
    model, x = random_model((8, 8), patch=2), torch.randn(4, 1, 8, 8)
    fused, kernel = [], nn.functional.scaled_dot_product_attention

    def counted(*args, **named):
        fused.append(1)
        return kernel(*args, **named)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", counted)
    was = model.scores(x)
    assert len(fused) == 3
    kind().maps(model, x)
    assert len(fused) == 3
    assert torch.equal(model.scores(x), was)
    assert len(fused) == 6
    transformer = model.module.transformer
    assert not transformer._forward_hooks
    assert not transformer._forward_pre_hooks


def test_hooks_are_taken_off_after_an_error():
    model = random_model((8, 8))
    with pytest.raises(RuntimeError):
        AttentionRollout().maps(model, torch.randn(1, 5, 8, 8))
    assert not model.module.transformer._forward_hooks
    assert not model.module.transformer._forward_pre_hooks


@pytest.mark.parametrize("kind", BOTH)
def test_frozen_weights_and_their_gradients_are_left_alone(kind):
    model, x = random_model((8, 8)), torch.randn(2, 1, 8, 8)
    was = kind().maps(model, x)
    assert all(p.grad is None for p in model.module.parameters())
    model.module.requires_grad_(False)
    assert torch.allclose(kind().maps(model, x), was)
    assert not was.requires_grad
    assert not x.requires_grad


# On the grid


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("grid", "settings"),
    [
        ((16, 16), {"patch": 4, "stem": (4,), "periodic": True}),
        ((15, 13), {"patch": 4}),
        ((8, 8, 8), {"patch": 2, "periodic": True}),
        ((3, 5), {"patch": 8}),
    ],
)
def test_a_map_does_not_depend_on_its_batch(kind, grid, settings, monkeypatch):
    model, x = random_model(grid, **settings), torch.randn(5, 1, *grid)
    together = kind().maps(model, x)
    assert together.shape == (5, *grid)
    assert together.min() >= 0
    alone = torch.cat([kind().maps(model, image[None]) for image in x])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-6)
    monkeypatch.setattr("iceframe.measure.image_model.MOST_IMAGES", 2)
    torch.testing.assert_close(kind().maps(model, x), together, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", BOTH)
def test_maps_move_with_periodic_images(kind):
    model, x = random_model((12, 12, 8), patch=4, periodic=True), torch.randn(2, 1, 12, 12, 8)
    was, now = kind().maps(model, x), kind().maps(model, x.roll((4, -8), (2, 3)))
    torch.testing.assert_close(now, was.roll((4, -8), (1, 2)), rtol=1e-4, atol=1e-6)
    assert was.std() > 0


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    ("grid", "patch", "factor"), [((6, 9), 3, 1), ((6, 9), 3, 3), ((7, 5, 4), 3, 1), ((5, 4), 9, 3)]
)
def test_tokens_are_laid_where_their_patches_are(grid, patch, factor, periodic):
    tokens = Tokens(1, grid, patch, 2, periodic=periodic)
    image = tuple(side * factor + factor - 1 for side in grid)  # what is left over was cut off
    constant = on_grid(torch.ones(2, len(tokens.places)), tokens, image)
    torch.testing.assert_close(constant, torch.ones(2, *image))
    values = torch.rand(1, len(tokens.places))
    laid = on_grid(values, tokens, image)
    assert laid.shape == (1, *image)
    assert laid.min() >= values.min() - 1e-6
    assert laid.max() <= values.max() + 1e-6
    for value, place in zip(values[0], tokens.places.tolist(), strict=True):
        middle = [p * factor + patch * factor // 2 for p in place]
        if all(m < side for m, side in zip(middle, image, strict=True)):
            assert laid[(0, *middle)] == pytest.approx(value.item(), abs=1e-6)


@pytest.mark.parametrize("kind", BOTH)
def test_a_reduced_image_has_the_map_of_its_cells(kind):
    model, x = random_model((8, 8), patch=2, periodic=True), torch.randn(2, 1, 8, 8)
    large = x.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    found = kind().maps(ImageModel(WholeModel(model.module, 3, 1.0, 0.0)), large)
    small = kind().maps(model, x)
    torch.testing.assert_close(found[:, 1::3, 1::3], small, rtol=1e-4, atol=1e-6)


def test_between_patches_lies_a_line_around_the_edges_that_meet():
    ring, line = (interpolation(8, 2, 4, periodic) @ [0.0, 1.0] for periodic in (True, False))
    np.testing.assert_allclose(ring, [0.375, 0.125, 0.125, 0.375, 0.625, 0.875, 0.875, 0.625])
    np.testing.assert_allclose(line, [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1])
    cut = interpolation(5, 2, 4, True) @ [0.0, 1.0]  # the last patch is the pixels 4, 0, 1, 2
    np.testing.assert_allclose(cut.argmax(), 0)


# Fitted models


def structures(n=12, side=16, seed=0):
    rng = np.random.default_rng(seed)
    bright = rng.uniform(0.2, 0.8, (n, 1, 1, 1))
    return (rng.random((n, 1, side, side)) < bright).astype(np.float32)


def fitted_to(name, inputs, settings=None, task="regression"):
    y = inputs.images.read(np.arange(len(inputs))).mean(axis=(1, 2, 3))
    classes = 0
    if task == "classification":
        y, classes = (y > np.median(y)).astype(int), 2
    about = context_for(inputs, task, n_classes=classes)
    return fit(RUNGS[name](), {"epochs": 1} | (settings or {}), inputs, y, about)


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.parametrize("name", ["attention_rollout", "attention_gradient"])
def test_the_registered_transformer_is_explained(images, name, task):
    inputs = images(structures(), periodic=True)
    fitted = fitted_to("vit", inputs, task=task)
    some = inputs.take(np.arange(3))
    result = attribute(fitted, some, inputs, explainer=name)
    assert result.values.shape == (3, 16, 16)
    assert np.isfinite(result.values).all()
    assert result.values.min() >= 0
    assert result.meaning == "importance"
    assert np.isnan(result.gap).all()
    if task == "regression":
        np.testing.assert_allclose(result.prediction, fitted.predict(some), rtol=1e-4)
    else:
        np.testing.assert_array_equal(result.target, fitted.predict(some).argmax(1))


@pytest.mark.parametrize("name", ["attention_rollout", "attention_gradient"])
@pytest.mark.parametrize("rung", ["masked_autoencoder_probe", "masked_autoencoder_tuned"])
def test_the_trunk_of_the_masked_autoencoder_is_explained(images, rung, name):
    inputs = images(structures(), periodic=True)
    fitted = fitted_to(rung, inputs, {"latents": 3, "widths": (12, 8), "depth": 2})
    result = attribute(fitted, inputs.take(np.arange(2)), inputs, explainer=name)
    assert result.values.shape == (2, 16, 16)
    assert result.values.std() > 0


def test_the_transformer_taught_by_physics_is_explained(table):
    from iceframe.scale.rung import Inputs

    x = structures()
    source = ArrayImages(x, True, derivatives=np.full_like(x, 1 / 256))
    inputs = Inputs(table(np.zeros((len(x), 0))).table, source)
    fitted = fitted_to("sobolev_vit", inputs)
    result = attribute(fitted, inputs.take(np.arange(2)), inputs, explainer="attention_gradient")
    assert result.values.shape == (2, 16, 16)


@pytest.mark.parametrize("name", ["attention_rollout", "attention_gradient"])
@pytest.mark.parametrize("rung", ["cnn", "autoencoder_probe", "ridge"])
def test_models_without_attention_are_refused(images, table, rung, name):
    if rung == "ridge":
        inputs, y = table(np.random.default_rng(0).normal(size=(20, 2))), np.arange(20.0)
        fitted = fit(RUNGS[rung](), {}, inputs, y, context_for(inputs, "regression"))
    else:
        inputs = images(structures())
        fitted = fitted_to(rung, inputs)
    assert EXPLAINERS[name]().refusal(fitted)
    with pytest.raises(UsageError, match=f"'{rung}'"):
        attribute(fitted, inputs, inputs, explainer=name)


def test_pixels_and_pairs_of_transformers_are_refused(pixels, linear):
    model = pixels(linear(np.ones((1, 4, 4, 1))))
    assert "none" in AttentionRollout().refusal(model)
    with pytest.raises(UsageError, match="attention"):
        AttentionRollout().maps(ImageModel(model.estimator.torch_model()), torch.ones(1, 1, 4, 4))
    one = random_model((4, 4)).module
    assert transformer_of(one) is one.transformer
    assert transformer_of(nn.ModuleList([one, random_model((4, 4)).module])) is None

"""The vision transformer: shapes, symmetry, two derivatives, attention that sums to one."""

from __future__ import annotations

import pytest
import torch

from iceframe.core.errors import UsageError
from iceframe.scale.sobolev import WithInputGradient
from iceframe.scale.transformer import Block, Tokens, VisionTransformer, patch_for, place_features

PLACES = ("relative", "absolute", "none")
SMALL = {"width": 12, "depth": 2, "heads": 2}


def made(channels, grid, outputs=1, seed=0, **settings):
    """A small transformer whose branches count: their scales are large."""
    torch.manual_seed(seed)
    network = VisionTransformer(channels, grid, outputs, **(SMALL | settings))
    for block in network.transformer.mixer.blocks:
        for scale in block.scales:
            scale.data.fill_(1.0)
    return network.eval()


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize(
    ("grid", "settings", "counts"),
    [
        ((16, 24), {"patch": 4}, (4, 6)),
        ((16, 24), {"patch": 8, "stem": (4, 6)}, (2, 3)),
        ((15, 12), {"patch": 4, "stem": (4,)}, (4, 3)),
        ((31, 4), {}, (31, 4)),
        ((3, 5), {"patch": 8}, (1, 1)),
        ((7, 6, 5), {"patch": 2}, (4, 3, 3)),
        ((8, 8, 8), {"patch": 4, "stem": (4, 4)}, (2, 2, 2)),
    ],
)
def test_shapes_of_images_and_volumes(grid, settings, counts, periodic, places):
    network = made(2, grid, 3, periodic=periodic, places=places, **settings)
    x = torch.randn(5, 2, *grid)
    assert network.counts == counts
    assert network(x).shape == (5, 3)
    answer, attention = network.with_attention(x)
    tokens = torch.tensor(counts).prod().item()
    assert [a.shape for a in attention] == [(5, 2, tokens, tokens)] * 2
    for weights in attention:
        assert torch.allclose(weights.sum(dim=-1), torch.ones(5, 2, tokens), atol=1e-5)
        assert weights.min() >= 0
    assert torch.allclose(answer, network(x), atol=1e-5)


def test_tokens_are_patches_in_row_order():
    tokens = Tokens(1, (4, 6), 2, 4)
    tokens.layers[0].weight.data = torch.eye(4).view(4, 1, 2, 2)
    tokens.layers[0].bias.data.zero_()
    x = torch.arange(24.0).view(1, 1, 4, 6)
    assert tokens(x)[0].tolist()[:2] == [[0, 1, 6, 7], [2, 3, 8, 9]]
    assert tokens.places.tolist() == [[0, 0], [0, 2], [0, 4], [2, 0], [2, 2], [2, 4]]


@pytest.mark.parametrize(("periodic", "last"), [(True, [4, 0, 9, 5]), (False, [4, 4, 9, 9])])
def test_an_image_that_the_patch_does_not_divide_is_continued(periodic, last):
    tokens = Tokens(1, (2, 5), 2, 4, periodic=periodic)
    tokens.layers[0].weight.data = torch.eye(4).view(4, 1, 2, 2)
    tokens.layers[0].bias.data.zero_()
    assert tokens(torch.arange(10.0).view(1, 1, 2, 5))[0, -1].tolist() == last


def moved(network, x):
    """Largest change of the answer when images are rolled by one patch and by three."""
    rolled = x.roll((8, -24), (2, 3))
    with torch.no_grad():
        return (network(rolled) - network(x)).abs().max().item()


@pytest.mark.parametrize("stem", [(), (4, 4)])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("places", PLACES)
def test_only_relative_or_no_places_on_a_torus_know_no_origin(places, periodic, stem):
    x = torch.randn(3, 1, 32, 32)
    network = made(1, (32, 32), 2, patch=8, places=places, periodic=periodic, stem=stem)
    still = (places == "none" and not stem) or (periodic and places != "absolute")
    assert (moved(network, x) < 1e-5) == still


def test_tokens_move_with_a_periodic_image():
    x = torch.randn(2, 1, 12, 8, 8)
    network = made(1, (12, 8, 8), patch=4, periodic=True)
    with torch.no_grad():
        was, _ = network.transformer(x)
        now, _ = network.transformer(x.roll((4, -4), (2, 4)))
    was = was.view(2, 3, 2, 2, -1).roll((1, -1), (1, 3)).flatten(1, 3)
    assert torch.allclose(now, was, atol=1e-5)


def test_places_tell_tokens_apart_and_close_the_ring():
    ring = torch.arange(0, 16, 2.0)[:, None]
    told = place_features(ring, (16,), (8,), True)
    assert told.shape == (8, 8)
    assert torch.cdist(told, told).fill_diagonal_(9).min() > 1
    gap = torch.linalg.vector_norm(told.roll(1, 0) - told, dim=1)
    assert torch.allclose(gap, gap[0].expand(8), atol=1e-5)
    line = place_features(ring, (16,), (8,), False)
    apart = torch.cdist(line, line)
    assert apart.fill_diagonal_(9).min() > 1
    assert apart[0, 7] > 1.4 * apart[0, 1]


def test_a_transformer_without_places_does_not_see_order():
    """Swapping patches changes the answer, except where places are not told."""
    x = torch.randn(4, 1, 8, 8)
    swapped = x.clone()
    swapped[..., :4, :4], swapped[..., 4:, :4] = x[..., 4:, :4], x[..., :4, :4]
    for places in PLACES:
        network = made(1, (8, 8), patch=4, places=places, periodic=False)
        with torch.no_grad():
            gap = (network(swapped) - network(x)).abs().max()
        assert (gap < 1e-5) == (places == "none")


@pytest.mark.parametrize("places", ["relative", "absolute"])
@pytest.mark.parametrize("stem", [(), (2,)])
def test_second_derivatives_are_right(places, stem):
    network = made(1, (4, 4), patch=2, width=4, depth=2, heads=2, places=places, stem=stem)
    network = network.double()
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(network, (x,))
    assert torch.autograd.gradgradcheck(network, (x,))


def test_training_on_input_gradients_reaches_every_weight():
    """The gradient of a loss on the input gradient, against a difference of two losses."""
    network = made(1, (4, 4), patch=2, periodic=True).double().train()
    both = WithInputGradient(network)
    x = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    both(x)[1].square().sum().backward()
    weight = network.transformer.mixer.blocks[0].mix.weight
    slope, step = weight.grad[0, 0].item(), 1e-5
    assert all(
        p.grad is not None and p.grad.abs().max() > 0
        for name, p in network.named_parameters()
        if name
        not in ("head.bias", "transformer.mixer.norm.bias")  # these move the answer, not its slope
    )
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[0, 0] += sign * step
        ends.append(both(x)[1].square().sum().item())
        with torch.no_grad():
            weight[0, 0] -= sign * step
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


def test_samples_do_not_mix():
    network = made(1, (8, 8), patch=4, stem=(4,)).train()
    x = torch.randn(4, 1, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x)[1].sum(), x)
    assert gradient[1].abs().max() > 0
    assert gradient[[0, 2, 3]].abs().max() == 0


def test_the_fused_and_the_plain_path_agree():
    network = made(1, (16, 16), patch=4)
    x = torch.randn(4, 1, 16, 16)
    with torch.no_grad():
        fused, _ = network.transformer(x)
        plain, _ = network.transformer(x, fused=False)
    assert torch.allclose(fused, plain, atol=1e-5)


@pytest.mark.parametrize("places", PLACES)
def test_tokens_that_are_not_seen_do_not_enter(places):
    """Seen tokens are as if the image had no others: the rest may hold anything."""
    network = made(1, (8, 12), patch=4, places=places).transformer
    x = torch.randn(2, 1, 8, 12)
    seen = torch.tensor([[0, 4, 2], [5, 1, 3]])  # rows of three tokens
    with torch.no_grad():
        t, _ = network(x, seen)
        other = torch.randn_like(x)
        for image, hidden in enumerate(([1, 3, 5], [0, 2, 4])):
            for token in hidden:
                row, column = 4 * (token // 3), 4 * (token % 3)
                x[image, :, row : row + 4, column : column + 4] = other[
                    image, :, row : row + 4, column : column + 4
                ]
        assert torch.allclose(network(x, seen)[0], t, atol=1e-6)
        everything = torch.arange(6).expand(2, 6)
        assert torch.allclose(network(x, everything)[0], network(x)[0], atol=1e-5)
        turned = everything.flip(1)
        assert torch.allclose(network(x, turned)[0].flip(1), network(x)[0], atol=1e-5)


def test_the_answer_can_be_traced_to_the_attention():
    network = made(1, (8, 8), patch=4)
    answer, attention = network.with_attention(torch.randn(2, 1, 8, 8))
    for gradient in torch.autograd.grad(answer.sum(), attention):
        assert gradient.abs().max() > 0


def test_branches_are_dropped_whole_and_only_while_training():
    torch.manual_seed(0)
    block = Block(8, 2, drop=0.5)
    for scale in block.scales:
        scale.data.fill_(1.0)
    t = torch.randn(64, 4, 8)
    with torch.no_grad():
        gone = (block(t)[0] == t).flatten(1).all(dim=1)
        assert 4 < gone.sum() < 32  # a quarter goes past both
        block.eval()
        assert not (block(t)[0] == t).flatten(1).all(dim=1).any()
    assert [b.drop for b in made(1, (8, 8), depth=3, drop=0.2).transformer.mixer.blocks] == [
        0.0,
        0.1,
        0.2,
    ]


def test_it_starts_near_the_mean_of_its_patches():
    torch.manual_seed(0)
    network = VisionTransformer(1, (16, 16), 1, patch=4)
    with torch.no_grad():
        x = torch.randn(4, 1, 16, 16)
        was = network.transformer.tokens(x)
        now, _ = network.transformer.mixer.blocks[0](was)
    assert (now - was).std() < 0.2 * was.std()


def test_a_patch_suits_the_grid():
    assert [patch_for(grid) for grid in ((128, 128), (64, 64), (31, 4), (16, 16, 16))] == [
        16,
        8,
        1,
        4,
    ]


def test_what_cannot_be_built_is_said():
    with pytest.raises(UsageError, match="multiple"):
        Tokens(1, (8, 8), 2, 4, stem=(4, 4))
    with pytest.raises(UsageError, match="multiple"):
        Tokens(1, (8, 8), 0, 4)
    with pytest.raises(UsageError, match="heads"):
        Block(10, 4)

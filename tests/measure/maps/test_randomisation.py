"""Randomisation of a model's layers: Quantus' values, controls, what must stay as it is."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from iceframe.core.errors import UsageError
from iceframe.measure.explainer import ImageExplainer
from iceframe.measure.image_model import ImageModel
from iceframe.measure.maps.randomisation import (
    Denoised,
    cascade,
    efficient_mprt,
    histogram_entropy,
    layers_of,
    mprt,
    structural_similarity,
)
from iceframe.scale.architectures import ARCHITECTURES, Problem, build
from iceframe.scale.image_network import Standardise, WholeModel


def waves(shape: tuple[int, ...], start: float) -> np.ndarray:
    k = np.arange(1.0, 1.0 + np.prod(shape))
    return np.sin(start * k + 0.1 * k**1.5).reshape(shape)


class Gradient(ImageExplainer):
    """The input gradient; counts how often it is asked."""

    asked = 0

    def maps(self, model, x, codes=None, background=None, seed=0):
        self.asked += 1
        return model.gradients(x, codes).sum(dim=1)


class Itself(ImageExplainer):
    """The image: an explanation that does not look at the model."""

    def maps(self, model, x, codes=None, background=None, seed=0):
        return x.sum(dim=1)


class Wave(nn.Conv2d):
    """A convolution with given weights, at first and anew: no generator is involved."""

    def __init__(self, inputs, outputs, number):
        self.number = number
        super().__init__(inputs, outputs, 3, padding=1)
        self.fill(number)

    def fill(self, start):
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(0.5 * waves(self.weight.shape, start)))
            self.bias.copy_(torch.from_numpy(0.1 * waves(self.bias.shape, start + 1)))

    def reset_parameters(self):
        self.fill(self.number + 0.37)


@pytest.fixture
def known():
    """A network whose weights are known before and after, and images for it."""
    layers = Wave(1, 4, 1.0), nn.SiLU(), Wave(4, 4, 2.0), nn.SiLU(), Wave(4, 1, 3.0), nn.SiLU()
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return ImageModel(network), torch.from_numpy(waves((4, 1, 12, 12), 0.7)).float()


def learned(architecture: str, grid: tuple[int, ...] = (16, 16), outputs: int = 1) -> nn.Module:
    """A whole model in which nothing is as it was drawn: no weight, no norm, no running mean."""
    torch.manual_seed(0)
    network = build(architecture, Problem(1, grid, outputs, periodic=True))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
        for name, buffer in network.named_buffers():
            if "running" in name:
                buffer += 0.5
    standardise = Standardise(np.array([0.5]), np.array([2.0]), len(grid))
    return WholeModel(nn.Sequential(standardise, network), 1, 3.0, 7.0).eval()


def images(n: int, *grid: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, 1, *grid))).float()


# Quantus 0.6.0, MPRT and EfficientMPRT with the same network and the input gradient.
QUANTUS = {
    ("top_down", True): [
        [0.2737722, 0.2696367, 0.3142231, 0.2247368],
        [0.1380355, 0.0494615, 0.0667229, -0.1109597],
        [0.1203641, -0.0887951, 0.0649787, -0.0883289],
    ],
    ("top_down", False): [
        [0.6711237, 0.645547, 0.5249457, 0.5512861],
        [0.3790813, 0.3717024, 0.243642, 0.3071256],
        [0.186219, 0.1750985, 0.1554939, 0.294076],
    ],
    ("bottom_up", True): [
        [0.1436139, 0.159115, -0.040889, -0.1190338],
        [0.0481915, 0.1313841, 0.0630496, -0.1938429],
        [0.1203641, -0.0887951, 0.0649787, -0.0883289],
    ],
    ("bottom_up", False): [
        [0.1583514, 0.4090266, 0.3832168, 0.3468853],
        [0.1798891, 0.1881641, 0.1123423, 0.2631581],
        [0.186219, 0.1750985, 0.1554939, 0.294076],
    ],
}


@pytest.mark.parametrize(("order", "absolute"), QUANTUS)
def test_similarities_are_those_of_quantus(known, order, absolute):
    result = mprt(known[0], Gradient(), known[1], order=order, absolute=absolute)
    np.testing.assert_allclose(result.similarity.T, QUANTUS[order, absolute], atol=1e-4)
    assert result.layers == (("4", "2", "0") if order == "top_down" else ("0", "2", "4"))
    np.testing.assert_array_equal(result.last, result.similarity[:, 2])


@pytest.mark.parametrize(
    ("bins", "rise", "before"),
    [
        (
            100,
            [-0.0050669, 0.0352388, -0.0756932, 0.0060304],
            [4.0321043, 3.9062706, 4.1236553, 3.9809272],
        ),
        (
            20,
            [0.0339802, 0.0544255, -0.1194876, 0.0524578],
            [2.6778602, 2.5394456, 2.8250197, 2.6552266],
        ),
    ],
)
def test_entropies_are_those_of_quantus(known, bins, rise, before):
    model, x = known
    np.testing.assert_allclose(
        histogram_entropy(Gradient().maps(model, x).numpy(), bins), before, atol=1e-4
    )
    np.testing.assert_allclose(efficient_mprt(model, Gradient(), x, bins=bins), rise, atol=1e-4)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [((9, 11), [0.0169271, -0.0335578]), ((8, 9, 7), [-0.1211027, -0.2035893])],
)
def test_structural_similarity_is_that_of_scikit_image(grid, expected):
    # scikit-image 0.26.0, structural_similarity(a, b, data_range=2).
    a, b = waves((2, *grid), 0.3), waves((2, *grid), 0.4)
    np.testing.assert_allclose(structural_similarity(a, b, 2.0), expected, atol=1e-6)
    np.testing.assert_allclose(structural_similarity(a, a, 2.0), 1)


def test_histogram_entropy_is_that_of_the_histogram(rng):
    maps = rng.standard_cauchy((6, 20, 20))
    for bins in (2, 7, 100):
        expected = [stats.entropy(np.histogram(m, bins)[0]) for m in maps]
        np.testing.assert_allclose(histogram_entropy(maps, bins), expected, atol=1e-12)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_nothing_learned_is_left_and_the_model_stays_as_it_is(architecture):
    module = learned(architecture)
    model, before = ImageModel(module), copy.deepcopy(module.state_dict())
    state = torch.get_rng_state()
    *_, (_, drawn) = cascade(model, seed=1)
    for name, parameter in drawn.module.named_parameters():
        assert not torch.equal(parameter, before[name]), name
    for name, buffer in drawn.module.named_buffers():
        changed = name in before and not torch.equal(buffer, before[name])
        assert changed == name.endswith(("running_mean", "running_var")), name
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(torch.get_rng_state(), state)
    assert not drawn.module.training


def test_both_orders_end_at_the_same_model():
    model = ImageModel(learned("small"))
    *_, (_, up) = cascade(model, 3, "bottom_up")
    *_, (_, down) = cascade(model, 3, "top_down")
    *_, (_, other) = cascade(model, 4, "top_down")
    for one, two, three in zip(
        up.module.parameters(), down.module.parameters(), other.module.parameters(), strict=True
    ):
        assert torch.equal(one, two)
        # Norms go back to ones and zeros.
        assert not torch.equal(one, three) or one.unique().numel() == 1


def test_stages_change_one_layer_after_the_other():
    model = ImageModel(nn.Sequential(nn.Flatten(), *(nn.Linear(6, 6) for _ in range(4))))
    original = [layer.weight.clone() for layer in model.module[1:]]
    weights = []
    for stage, (name, drawn) in enumerate(cascade(model, order="top_down")):
        changed = [
            not torch.equal(layer.weight, old)
            for layer, old in zip(drawn.module[1:], original, strict=True)
        ]
        assert changed == [j >= 3 - stage for j in range(4)]
        assert name == str(4 - stage)
        weights.append(drawn.module[4 - stage].weight.clone())
    # Layers of one shape do not get the same weights.
    assert not any(torch.equal(weights[0], other) for other in weights[1:])


def test_parameters_without_a_reset_keep_their_mean_and_spread():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.table = nn.Parameter(5 + 0.5 * torch.randn(100, 100))
            self.turns = nn.Parameter(torch.randn(50, 50, dtype=torch.complex64))
            self.gain = nn.Parameter(torch.tensor(2.0))
            self.register_buffer("grid", torch.arange(4))

    module = Table()
    ((_, drawn),) = cascade(ImageModel(module))
    assert drawn.module.table.mean().item() == pytest.approx(5, abs=0.05)
    assert drawn.module.table.std().item() == pytest.approx(0.5, abs=0.02)
    assert abs(correlation(module.table, drawn.module.table)) < 0.05
    assert drawn.module.turns.std().item() == pytest.approx(1, abs=0.1)
    assert drawn.module.gain.item() != 2
    assert torch.equal(drawn.module.grid, module.grid)


def correlation(one: torch.Tensor, two: torch.Tensor) -> float:
    return np.corrcoef(one.detach().flatten(), two.detach().flatten())[0, 1]


def test_weights_that_a_reset_does_not_reach_are_drawn_as_well():
    class Forgetful(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.randn(40, 40)), nn.Parameter(torch.ones(4))

        def reset_parameters(self):
            nn.init.zeros_(self.bias)

    torch.manual_seed(0)
    module = nn.ModuleList([Forgetful(), nn.utils.parametrizations.weight_norm(nn.Linear(40, 40))])
    *_, (_, drawn) = cascade(ImageModel(module))
    for layer, other in zip(module, drawn.module, strict=True):
        assert abs(correlation(layer.weight, other.weight)) < 0.1
    assert not drawn.module[0].bias.any()


def test_running_means_are_forgotten_without_weights():
    norm = nn.BatchNorm2d(2, affine=False)
    norm.running_mean += 3
    *_, (_, drawn) = cascade(ImageModel(nn.Sequential(norm, nn.Conv2d(2, 1, 1))))
    assert not drawn.module[0].running_mean.any()
    assert norm.running_mean.tolist() == [3, 3]


def test_a_map_that_ignores_the_model_survives():
    model, x = ImageModel(learned("small")), images(3, 16, 16)
    for similarity in ("spearman", "ssim"):
        result = mprt(model, Itself(), x, similarity=similarity)
        np.testing.assert_allclose(result.similarity, 1)
    np.testing.assert_allclose(efficient_mprt(model, Itself(), x), 0)


@pytest.mark.parametrize("similarity", ["spearman", "ssim"])
@pytest.mark.parametrize("absolute", [True, False])
def test_the_gradient_of_a_linear_model_does_not(similarity, absolute):
    # Its map is its weights: once they are drawn anew, nothing is left of it.
    model = ImageModel(nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 1)))
    result = mprt(model, Gradient(), images(2, 32, 32), similarity=similarity, absolute=absolute)
    if similarity == "spearman":
        np.testing.assert_allclose(result.last, 0, atol=4 / 32)
    else:
        assert np.all(result.last < 0.6)


def test_signs_count_only_where_they_are_asked_for():
    class Turned(nn.Linear):
        def reset_parameters(self):
            with torch.no_grad():
                self.weight.mul_(-1) if hasattr(self, "ready") else super().reset_parameters()

    layer = Turned(64, 1, bias=False)
    layer.ready = True
    model, x = ImageModel(nn.Sequential(nn.Flatten(), layer)), images(2, 8, 8)
    for similarity in ("spearman", "ssim"):
        same = mprt(model, Gradient(), x, similarity=similarity, absolute=True).last
        against = mprt(model, Gradient(), x, similarity=similarity, absolute=False).last
        np.testing.assert_allclose(same, 1)
        if similarity == "spearman":
            np.testing.assert_allclose(against, -1)
        else:
            assert np.all(against < 0.6)


def test_a_constant_map_is_undefined():
    class Constant(ImageExplainer):
        def maps(self, model, x, codes=None, background=None, seed=0):
            maps = x.sum(dim=1)
            maps[1] = 2.0
            return maps

    model, x = ImageModel(learned("small")), images(3, 16, 16)
    for similarity in ("spearman", "ssim"):
        last = mprt(model, Constant(), x, similarity=similarity).last
        np.testing.assert_array_equal(np.isnan(last), [False, True, False])
    rise = efficient_mprt(model, Constant(), x)
    np.testing.assert_array_equal(np.isnan(rise), [False, True, False])
    broken = np.full((1, 4, 4), np.inf)
    assert np.isnan(histogram_entropy(broken)).all()
    assert np.isnan(structural_similarity(broken, np.ones((1, 4, 4)), 1.0)).all()


@pytest.mark.parametrize("explainer", [Gradient(), Denoised(Gradient(), draws=3)])
def test_images_do_not_know_each_other(explainer):
    model, x = ImageModel(learned("small")), images(3, 16, 16)
    together = mprt(model, explainer, x).similarity
    rise = efficient_mprt(model, explainer, x, bins=10)
    for i in range(3):
        one = mprt(model, explainer, x[i : i + 1]).similarity
        np.testing.assert_allclose(one[0], together[i], atol=2e-3)  # of 256 ranks
        # Rounding may move a pixel into the next bin.
        one = efficient_mprt(model, explainer, x[i : i + 1], bins=10)
        np.testing.assert_allclose(one[0], rise[i], atol=5e-3)


def test_the_seed_is_all_the_chance_there_is():
    model, x = ImageModel(learned("small")), images(2, 16, 16)
    first, again, other = (mprt(model, Gradient(), x, seed=s).similarity for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_original_maps_need_not_be_made_twice():
    model, x, explainer = ImageModel(learned("small")), images(2, 16, 16), Gradient()
    maps = explainer.maps(model, x).numpy()
    stages = len(layers_of(model.module))
    first = mprt(model, explainer, x)
    explainer.asked = 0
    np.testing.assert_array_equal(mprt(model, explainer, x, maps=maps).similarity, first.similarity)
    assert explainer.asked == stages
    rise = efficient_mprt(model, explainer, x)
    explainer.asked = 0
    np.testing.assert_array_equal(efficient_mprt(model, explainer, x, maps=maps), rise)
    assert explainer.asked == 1


def test_each_class_has_its_own():
    model, x = ImageModel(learned("small", outputs=3)), images(2, 16, 16)
    one, two = (mprt(model, Gradient(), x, torch.tensor(c)).similarity for c in ([0, 0], [0, 2]))
    np.testing.assert_allclose(one[0], two[0], atol=1e-6)
    assert np.abs(one[1] - two[1]).max() > 1e-3


def test_volumes():
    model, x = ImageModel(learned("small", (8, 8, 8))), images(2, 8, 8, 8)
    for similarity in ("spearman", "ssim"):
        result = mprt(model, Gradient(), x, similarity=similarity)
        assert result.similarity.shape == (2, len(result.layers))
        assert np.isfinite(result.similarity).all()
    assert np.isfinite(efficient_mprt(model, Gradient(), x)).all()


def test_denoised_maps_are_means_over_noise():
    x = images(2, 16, 16)
    linear = ImageModel(nn.Sequential(nn.Flatten(), nn.Linear(256, 1)))
    plain = Gradient().maps(linear, x)
    torch.testing.assert_close(Denoised(Gradient()).maps(linear, x), plain)
    model = ImageModel(learned("small"))
    still = Denoised(Gradient(), draws=2, noise=0.0).maps(model, x)
    torch.testing.assert_close(still, Gradient().maps(model, x))
    # The error of a mean falls with the number of draws.
    many = Denoised(Itself(), draws=400, noise=0.1).maps(model, x, seed=1) - x[:, 0]
    few = Denoised(Itself(), draws=4, noise=0.1).maps(model, x, seed=2) - x[:, 0]
    assert 5 < (few.std() / many.std()).item() < 20
    width = 0.1 * (x[0].max() - x[0].min()).item()
    assert few[0].std().item() == pytest.approx(width / 2, rel=0.2)


def test_refusals():
    model, x = ImageModel(learned("small")), images(1, 16, 16)
    with pytest.raises(UsageError, match="order"):
        mprt(model, Gradient(), x, order="sideways")
    with pytest.raises(UsageError, match="similarity"):
        mprt(model, Gradient(), x, similarity="hog")
    with pytest.raises(UsageError, match="no layers"):
        mprt(ImageModel(nn.Flatten()), Gradient(), x)

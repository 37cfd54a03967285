"""Concept vectors by networks that are built to hold some concepts and to use one."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Representation
from iceframe.measure.beyond_maps.concepts import concept_use
from iceframe.measure.image_model import ImageModel


def named(values: np.ndarray, *names: str) -> Representation:
    return Representation(np.asarray(values, float), names, ("",) * len(names))


def made(rng, n: int, grid: tuple[int, ...]) -> np.ndarray:
    """Two phases; the volume fraction and the size of the grains vary independently."""
    fraction = rng.uniform(0.25, 0.75, n)
    coarse = rng.integers(1, 4, n)
    out = np.empty((n, 1, *grid), np.float32)
    for i in range(n):
        cells = rng.random(tuple(-(-side // coarse[i]) for side in grid)) < fraction[i]
        for axis in range(len(grid)):
            cells = cells.repeat(coarse[i], axis)
        out[i, 0] = cells[tuple(slice(0, side) for side in grid)]
    return out


def measured(x: np.ndarray) -> np.ndarray:
    """Volume fraction and interface density along the last axis ``(n, 2)``."""
    flat = tuple(range(1, x.ndim))
    return np.stack([x.mean(flat), np.abs(np.roll(x, -1, -1) - x).mean(flat)], axis=1)


def network(dimensions: int, use: np.ndarray, extra: int = 30, square: bool = False):
    """Channels: the image, its interfaces, and ``extra`` random filters, averaged; then ``use`` of
    the first two."""
    import torch

    class Known(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            kind = torch.nn.Conv2d if dimensions == 2 else torch.nn.Conv3d
            self.filters = kind(1, extra, 3, padding=1)
            self.mixed = torch.nn.Identity()
            self.head = torch.nn.Linear(2 + extra, 1)
            drawn = torch.Generator().manual_seed(0)
            for part in (self.filters.weight, self.filters.bias):
                part.data = torch.randn(part.shape, generator=drawn)
            self.head.weight.data.zero_()
            self.head.bias.data.zero_()
            self.head.weight.data[0, :2] = torch.tensor(use, dtype=torch.float32)

        def forward(self, x):
            edges = (x.roll(-1, -1) - x).abs()
            channels = torch.cat([x, edges, torch.cos(3 * self.filters(x))], dim=1)
            pooled = self.mixed(channels).flatten(2).mean(2)
            out = self.head(pooled)
            return out.square() if square else out

    torch.manual_seed(0)
    return ImageModel(Known())


def tensor(x: np.ndarray):
    import torch

    return torch.from_numpy(np.asarray(x, np.float32))


@pytest.mark.parametrize("grid", [(16, 16), (8, 8, 8)], ids=["2-D", "3-D"])
@pytest.mark.parametrize("used", [0, 1])
def test_of_two_present_concepts_the_used_one_is_found(rng, grid, used):
    images = made(rng, 240, grid)
    about = measured(images)
    about = np.column_stack([about, rng.normal(size=240), np.full(240, 2.0)])
    weight = np.zeros(2)
    weight[used] = 3.0
    found = concept_use(
        network(len(grid), weight),
        tensor(images[:20]),
        tensor(images),
        named(about, "volume fraction", "interface density", "noise", "constant"),
    )
    table = found.table.set_index("concept")
    assert table["present"].tolist() == [True, True, False, False]
    assert table["used"].tolist() == [used == 0, used == 1, False, False]
    row = table.iloc[used]
    assert row["r2"] > 0.95
    assert row["sensitivity"] == pytest.approx(3 * row["sd"], rel=1e-3)
    assert row["low"] <= row["sensitivity"] + 1e-5
    assert row["high"] >= row["sensitivity"] - 1e-5
    assert row["share"] == 1.0
    assert abs(table.iloc[1 - used]["sensitivity"]) < 1e-4
    assert np.isnan(row["br"])  # a linear head: the same for every sample
    assert table.loc["noise", "note"] == "not in the layer"
    assert table.loc["constant", "note"] == "does not vary"
    assert table.iloc[1 - used]["note"] == "present, not used"
    assert found.layer == "what enters head"
    assert np.isnan(found.sensitivities[:, 3]).all()
    assert found.directions.shape == (4, 32)
    # The channels that are the concepts move by a standard deviation, and not with each other.
    np.testing.assert_allclose(found.directions[:2, :2], np.diag(table["sd"].iloc[:2]), atol=1e-4)


def test_random_concepts_are_used_at_most_as_often_as_the_level_says(rng):
    images = made(rng, 120, (8, 8))
    model, x = network(2, np.array([1.0, -2.0])), tensor(images)
    trials, hits, small = 40, 0, 0
    for trial in range(trials):
        about = named(rng.normal(size=(120, 10)), *(f"c{j}" for j in range(10)))
        found = concept_use(model, x[:5], x, about, draws=200, seed=trial).table
        hits += bool(found["used"].any())
        small += int((found["p"] <= 0.05).sum())
    assert hits <= 2  # used needs two things, each of which chance gives 5 %
    assert abs(small / (10 * trials) - 0.05) < 0.03  # p-values are those of chance


def test_a_named_layer_with_positions_agrees_with_what_enters_the_head(rng):
    images = made(rng, 100, (8, 8))
    about = named(measured(images), "volume fraction", "interface density")
    model, x = network(2, np.array([0.0, 1.0])), tensor(images)
    pooled = concept_use(model, x[:9], x, about)
    whole = concept_use(model, x[:9], x, about, layer="mixed")
    np.testing.assert_allclose(whole.sensitivities, pooled.sensitivities, rtol=1e-3, atol=1e-6)
    assert whole.layer == "mixed"


def test_samples_do_not_see_each_other_and_nonlinear_heads_have_a_spread(rng):
    images = made(rng, 100, (8, 8))
    about = named(measured(images), "volume fraction", "interface density")
    model, x = network(2, np.array([1.0, 0.0]), square=True), tensor(images)
    found = concept_use(model, x[:6], x, about)
    alone = [concept_use(model, x[i : i + 1], x, about).sensitivities for i in range(6)]
    np.testing.assert_allclose(np.concatenate(alone), found.sensitivities, rtol=1e-4)
    row = found.table.iloc[0]
    each = found.sensitivities[:, 0]
    assert row["br"] == pytest.approx(row["r2"] * each.mean() / each.std())
    again = concept_use(model, x[:6], x, about)
    assert again.table.equals(found.table)


def test_of_concepts_that_vary_together_the_used_one_is_found(rng):
    """Correlation 0.9: with the other held, only one matters; alone, the other looks used."""
    images = made(rng, 200, (8, 8))
    fraction = measured(images)[:, 0]
    shadow = fraction + fraction.std() * 0.5 * rng.normal(size=200)
    both = np.column_stack([fraction, shadow, 1 - fraction])
    model, x = network(2, np.array([1.0, 0.0])), tensor(images)
    found = concept_use(model, x[:3], x, named(both, "fraction", "shadow", "other phase")).table
    assert found["used"].tolist() == [True, False, False]
    assert "varies with 'shadow' (r = 0.8" in found["note"][0]
    assert "varies with 'fraction'" in found["note"][1]
    assert found["note"][2] == "follows from those before it"
    alone = concept_use(model, x[:3], x, named(shadow[:, None], "shadow")).table
    assert bool(alone["used"][0])  # the trap that the module tells of


def test_intervals_hold_the_true_sensitivity_about_as_often_as_they_say(rng):
    """A concept measured with noise, of a score that is one part concept and one part other."""
    images = made(rng, 2000, (8, 8))
    model = network(2, np.array([1.0, 1.0]), extra=4)
    about = measured(images)
    truth = np.polyfit(about[:, 0], about.sum(axis=1), 1)[0]  # over all there is
    held = 0
    for trial in range(40):
        some = rng.permutation(2000)[:80]
        x = tensor(images[some])
        found = concept_use(model, x[:2], x, named(about[some, :1], "a"), draws=60, seed=trial)
        row = found.table.iloc[0]
        held += row["low"] <= truth * row["sd"] <= row["high"]
    assert held >= 33  # 38 expected; fewer than 33 by chance in less than 1 %


@pytest.mark.parametrize("architecture", ["small", "spectral", "transformer"])
@pytest.mark.parametrize("grid", [(16, 16), (8, 8, 8)], ids=["2-D", "3-D"])
def test_every_registered_network_has_a_layer_to_look_at(rng, architecture, grid):
    from iceframe.scale.architectures import Problem, build

    model = ImageModel(build(architecture, Problem(1, grid, 3)))
    images = made(rng, 24, grid)
    about = named(measured(images), "volume fraction", "interface density")
    codes = tensor(np.arange(4) % 3).long()
    found = concept_use(model, tensor(images[:4]), tensor(images), about, codes=codes, draws=60)
    assert found.directions.shape[1] > 8
    assert np.isfinite(found.table["p"]).all()


def test_errors_say_what_to_do(rng):
    images = made(rng, 30, (8, 8))
    about = named(measured(images), "a", "b")
    model, x = network(2, np.array([1.0, 0.0])), tensor(images)
    with pytest.raises(UsageError, match="no such layer"):
        concept_use(model, x, x, about, layer="tail")
    with pytest.raises(UsageError, match="Too few random concepts"):
        concept_use(model, x, x, about, draws=10)
    with pytest.raises(InputError, match="background"):
        concept_use(model, x, x[:10], about.take(np.arange(10)))
    many = named(rng.normal(size=(30, 11)), *map(str, range(11)))
    with pytest.raises(InputError, match="at least 33 for 11 concepts"):
        concept_use(model, x, x, many, draws=1000)
    with pytest.raises(InputError, match="same for all"):
        concept_use(model, x, x[:1].expand(30, 1, 8, 8), about)

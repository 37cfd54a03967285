"""Explanations against known regions: known answers, Quantus' values, chance, ties."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.measure.maps.region_agreement import pointing_game, relevance_mass, relevance_rank

MEASURES = (relevance_mass, relevance_rank, pointing_game)


def waves(shape: tuple[int, ...], start: float) -> np.ndarray:
    k = np.arange(1.0, 1.0 + np.prod(shape))
    return np.sin(start * k + 0.1 * k**1.5).reshape(shape)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (relevance_mass, [0.3687784, 0.2034168, 0.3207913]),
        (relevance_rank, [0.4285714, 0.2, 0.3076923]),
        (pointing_game, [1, 1, 0]),
    ],
)
def test_values_are_those_of_quantus(measure, expected):
    # Quantus 0.6.0: RelevanceMassAccuracy, RelevanceRankAccuracy, PointingGame with abs=True.
    regions = waves((3, 6, 7), 2.0) > 0.5
    score = measure(waves((3, 6, 7), 1.0), regions)
    np.testing.assert_allclose(score.value, expected, atol=1e-6)
    np.testing.assert_allclose(score.chance, regions.mean(axis=(1, 2)))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("grid", [(9, 8), (5, 4, 6)])
def test_the_region_itself_is_perfect_and_the_rest_finds_nothing(measure, grid, rng):
    regions = rng.random((4, *grid)) < 0.3
    inside = np.where(regions, 1 + rng.random(regions.shape), 0) * rng.choice([-1, 1], (4, *grid))
    outside = np.where(regions, 0, 1 + rng.random(regions.shape))
    np.testing.assert_allclose(measure(inside, regions).value, 1)
    np.testing.assert_allclose(measure(outside, regions).value, 0)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_map_that_knows_nothing_is_at_the_chance_level(measure, rng):
    n = 4000
    regions = np.broadcast_to(rng.random((6, 6)) < 0.3, (n, 6, 6))
    score = measure(rng.normal(size=(n, 6, 6)), regions)
    error = 4 * score.value.std() / np.sqrt(n)
    assert abs(score.value.mean() - score.chance[0]) < error
    assert error < 0.05


@pytest.mark.parametrize("measure", MEASURES)
def test_units_and_other_samples_do_not_matter(measure, rng):
    maps, regions = rng.normal(size=(5, 6, 6)), rng.random((5, 6, 6)) < 0.4
    together = measure(maps, regions).value
    alone = [measure(-1e-12 * maps[i : i + 1], regions[i : i + 1]).value[0] for i in range(5)]
    np.testing.assert_allclose(together, alone)


def test_ties_count_in_part():
    maps = np.array([[5.0, 2, 2, 2, 0, 0]])
    region = np.array([[True, True, True, False, False, False]])
    # The largest is inside; of the two places left, two of the three that tie are inside.
    assert relevance_rank(maps, region).value[0] == pytest.approx((1 + 2 * 2 / 3) / 3)
    assert pointing_game(maps[:, 1:], region[:, 1:]).value[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("region", [np.zeros((1, 4), bool), np.ones((1, 4), bool)])
def test_nothing_and_everything_are_no_regions(measure, region):
    score = measure(np.array([[1.0, 2, 3, 4]]), region)
    assert np.isnan(score.value).all()
    assert score.chance[0] == region[0, 0]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("value", [0.0, 3.0, np.nan])
def test_a_constant_map_is_undefined(measure, value):
    region = np.array([[[True, False], [False, False]]])
    assert np.isnan(measure(np.full((1, 2, 2), value), region).value).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_labels_are_not_regions(measure):
    with pytest.raises(InputError, match="true or false"):
        measure(np.ones((1, 2, 2)), np.ones((1, 2, 2), int))
    with pytest.raises(InputError, match="same grid"):
        measure(np.ones((1, 2, 2)), np.ones((2, 2), bool))

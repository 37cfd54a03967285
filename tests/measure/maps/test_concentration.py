"""Concentration of explanations: known answers, Quantus' values, what is undefined."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

from iceframe.measure.maps.concentration import compactness, entropy, gini

MEASURES = (entropy, compactness, gini)
values = st.floats(-1e3, 1e3).map(lambda v: round(v, 3))
maps = nps.arrays(float, (4, 2, 3), elements=values)


def waves(shape: tuple[int, ...], start: float) -> np.ndarray:
    k = np.arange(1.0, 1.0 + np.prod(shape))
    return np.sin(start * k + 0.1 * k**1.5).reshape(shape)


def test_entropy_and_gini_are_those_of_quantus():
    # Quantus 0.6.0, Complexity and Sparseness at their defaults.
    given_maps = waves((3, 6, 7), 1.0)
    np.testing.assert_allclose(entropy(given_maps), [3.6344805, 3.6161588, 3.5977525], atol=1e-6)
    np.testing.assert_allclose(gini(given_maps), [0.2373224, 0.2519514, 0.2703068], atol=1e-6)


@given(maps)
def test_bounds_and_what_is_undefined(a):
    told = np.ptp(a.reshape(4, 6), axis=1) > 0
    for measure, top in ((entropy, np.log(6)), (compactness, 1), (gini, 5 / 6)):
        value = measure(a)
        np.testing.assert_array_equal(np.isnan(value), ~told)
        assert np.all(value[told] >= -1e-9)
        assert np.all(value[told] <= top + 1e-9)


@given(maps, st.floats(1e-12, 1e12), st.permutations(range(6)))
def test_units_signs_and_places_do_not_matter(a, scale, order):
    rows = a.reshape(4, 6)
    told = np.ptp(np.abs(rows), axis=1) > 0
    moved = -scale * rows[:, order]
    for measure in MEASURES:
        np.testing.assert_allclose(measure(moved)[told], measure(a)[told], atol=1e-9)


@given(maps)
def test_gini_is_half_the_mean_difference_over_the_mean(a):
    size = np.abs(a.reshape(4, 6))
    differences = np.abs(size[:, :, None] - size[:, None, :]).mean(axis=(1, 2))
    told = np.isfinite(gini(a))
    expected = differences[told] / (2 * size.mean(axis=1)[told])
    np.testing.assert_allclose(gini(a)[told], expected, atol=1e-9)


@pytest.mark.parametrize("m", [1, 3, 10])
def test_m_equal_parts_of_d(m):
    a = np.zeros((1, 11))
    a[0, :m] = [(-1) ** j for j in range(m)]
    assert entropy(a)[0] == pytest.approx(np.log(m))
    assert compactness(a)[0] == pytest.approx(1 - (m - 1) / 10)
    assert gini(a)[0] == pytest.approx(1 - m / 11)


def test_white_noise_is_sparse_as_well(rng):
    assert gini(rng.normal(size=(1, 64, 64)))[0] == pytest.approx(np.sqrt(2) - 1, abs=0.01)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("value", [0.0, 1.0, -1e-9, np.nan, np.inf])
def test_a_constant_map_is_undefined(measure, value):
    assert np.isnan(measure(np.full((2, 4, 4), value))).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_one_pixel_that_is_not_finite_leaves_the_others_alone(measure, rng):
    a = rng.normal(size=(3, 4, 4, 4))
    broken = a.copy()
    broken[1, 0, 0, 0] = np.inf
    np.testing.assert_array_equal(np.isnan(measure(broken)), [False, True, False])
    np.testing.assert_array_equal(measure(broken)[[0, 2]], measure(a)[[0, 2]])


def test_a_single_part_is_as_compact_as_can_be():
    np.testing.assert_array_equal(compactness(np.array([[2.0], [0.0]])), [1, np.nan])


@given(maps, st.integers(0, 6))
def test_a_part_that_is_not_there_does_not_count(a, place):
    rows = a.reshape(4, 6)
    with_gap = np.insert(rows, place, np.nan, axis=1)
    np.testing.assert_array_equal(compactness(with_gap), compactness(rows))
    some = rows.copy()
    some[1, 0] = np.nan
    expected = compactness(rows)
    expected[1] = compactness(rows[1:2, 1:])[0]
    np.testing.assert_array_equal(compactness(some), expected)


@pytest.mark.parametrize("measure", MEASURES)
def test_no_samples(measure):
    assert measure(np.zeros((0, 4, 4))).shape == (0,)

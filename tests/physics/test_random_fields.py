"""Random microstructures, by what was asked of them: fraction, period, length, direction, seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.physics import two_phase


@given(
    fraction=st.floats(0, 1),
    length=st.floats(0.1, 50),
    anisotropy=st.floats(1, 8),
    angle=st.floats(-180, 180),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
)
def test_volume_fraction_is_met_to_one_pixel(fraction, length, anisotropy, angle, height, width):
    image = two_phase(
        1,
        (height, width),
        volume_fraction=fraction,
        length=length,
        anisotropy=anisotropy,
        angle=angle,
    )
    assert image.dtype == np.uint8
    assert set(np.unique(image)) <= {0, 1}
    assert abs(int(image.sum()) - fraction * height * width) <= 0.5


def correlation(images: np.ndarray) -> np.ndarray:
    """Mean autocovariance of images ``(n, h, w)``, over that at lag zero."""
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(centred)) ** 2).mean(axis=0)
    covariance = np.fft.ifft2(power).real
    return covariance / covariance[0, 0]


@pytest.mark.parametrize("length", [3.0, 6.0])
def test_two_point_correlation_of_a_median_cut_is_the_known_arcsine(length):
    # At one half, the phase's correlation is (2/π) asin(ρ) of the field's (the arcsine law).
    images = two_phase(200, (64, 64), volume_fraction=0.5, length=length, seed=3)
    lag = np.arange(8)
    expected = 2 / np.pi * np.arcsin(np.exp(-0.5 * (lag / length) ** 2))
    measured = correlation(images)
    assert measured[0, :8] == pytest.approx(expected, abs=0.05)
    assert measured[:8, 0] == pytest.approx(expected, abs=0.05)


def test_edges_meet():
    image = two_phase(400, (32, 32), length=3, seed=1).astype(int)
    inside = np.abs(np.diff(image, axis=1)).mean()
    across = np.abs(image[:, :, 0] - image[:, :, -1]).mean()
    assert across == pytest.approx(inside, rel=0.25)


@pytest.mark.parametrize(("angle", "long_axis"), [(0, (0, 6)), (90, (6, 0)), (45, (4, 4))])
def test_the_long_axis_has_the_stated_angle(angle, long_axis):
    c = correlation(two_phase(100, (48, 48), length=4, anisotropy=3, angle=angle, seed=2))
    other = {0: (6, 0), 90: (0, 6), 45: (4, -4)}[angle]
    assert c[long_axis] > c[other] + 0.2


def test_a_sample_depends_on_the_seed_and_its_place_only():
    few, many = two_phase(2, (16, 16), seed=5), two_phase(4, (16, 16), seed=5)
    assert np.array_equal(few, many[:2])
    assert not np.array_equal(few[0], few[1])
    assert not np.array_equal(few, two_phase(2, (16, 16), seed=6))


def test_parameters_may_differ_by_sample():
    images = two_phase(3, (10, 10), volume_fraction=[0.1, 0.5, 0.93], length=[1, 2, 3])
    assert images.sum(axis=(1, 2)).tolist() == [10, 50, 93]


@pytest.mark.parametrize(
    "bad",
    [
        {"volume_fraction": 1.2},
        {"volume_fraction": np.nan},
        {"length": 0.0},
        {"length": -1.0},
        {"anisotropy": 0.5},
        {"angle": np.inf},
        {"length": [1.0, 2.0]},
    ],
)
def test_bad_parameters_are_named(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        two_phase(3, (8, 8), **bad)


@pytest.mark.parametrize(("n", "shape"), [(-1, (8, 8)), (1, (8,)), (1, (0, 8)), (1, (8, 8, 8))])
def test_bad_sizes_are_refused(n, shape):
    with pytest.raises(InputError):
        two_phase(n, shape)

"""Spinodal structures: fractions to one voxel, sizes as asked and as measured, one length scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.physics.generators.spinodal import Spinodal
from iceframe.physics.phase_field import domain_size


@settings(max_examples=10, deadline=None)
@given(
    shape=st.sampled_from([(32, 32), (31, 40), (12, 13, 14)]),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 999),
)
def test_fraction_is_met_to_one_voxel(shape: tuple[int, ...], fraction: float, seed: int) -> None:
    made = Spinodal().generate(2, shape, seed=seed, volume_fraction=fraction)
    count = made.phases.reshape(2, -1).sum(axis=1, dtype=int)
    np.testing.assert_array_equal(count, np.rint(fraction * np.prod(shape)))
    np.testing.assert_allclose(made.factors["volume_fraction"], fraction)


@pytest.mark.parametrize(("shape", "length"), [((96, 96), 8.0), ((96, 80), 14.0), ((96, 96), 19.0)])
@pytest.mark.parametrize("fraction", [0.3, 0.5])
def test_length_is_near_what_was_asked(
    shape: tuple[int, ...], length: float, fraction: float
) -> None:
    made = Spinodal().generate(4, shape, seed=2, length=length, volume_fraction=fraction)
    measured = made.factors["length"]
    np.testing.assert_allclose(measured, length, rtol=0.06)
    np.testing.assert_allclose(measured, domain_size(made.phases, 2))


def test_length_in_three_dimensions() -> None:
    made = Spinodal().generate(1, (32, 32, 32), seed=1, length=10.0)
    np.testing.assert_allclose(made.factors["length"], 10.0, rtol=0.06)


def test_a_sample_is_its_own() -> None:
    """It depends on its number and factors only: neighbours and batches do not touch it."""
    length = np.array([9.0, 12.0, 18.0])
    fraction = np.array([0.35, 0.5, 0.6])
    batch = Spinodal().generate(3, (33, 40), seed=7, length=length, volume_fraction=fraction)
    for i in range(3):
        alone = Spinodal().generate(
            1, (33, 40), seed=7, first=i, length=length[i], volume_fraction=fraction[i]
        )
        np.testing.assert_array_equal(alone.phases[0], batch.phases[i])
    other = Spinodal().generate(1, (33, 40), seed=8)
    assert (other.phases[0] != batch.phases[0]).any()


def test_one_length_scale() -> None:
    """Mass is conserved, so long waves stay weak: S(k) peaks at a ring and falls towards k = 0.

    White noise, or a cut random field without a chosen wave length, has its most power there.
    """
    made = Spinodal().generate(8, (96, 96), seed=4, length=12.0)
    power = np.abs(np.fft.fft2(made.phases - 0.5)) ** 2
    k = np.hypot(np.fft.fftfreq(96)[:, None], np.fft.fftfreq(96)[None]) * 12.0
    ring = power[:, (k > 0.7) & (k < 1.1)].mean()
    low = power[:, (k > 0) & (k < 0.35)].mean()
    assert low < 0.1 * ring


def test_phases_trade_places() -> None:
    """The free energy is symmetric: fractions f and 1 − f leave as much interface."""
    rough = []
    for fraction in (0.35, 0.65):
        phases = Spinodal().generate(12, (64, 64), seed=0, volume_fraction=fraction).phases
        rough.append((phases != np.roll(phases, 1, axis=2)).mean())
    np.testing.assert_allclose(rough[0], rough[1], rtol=0.05)


@pytest.mark.parametrize("bad", [{"volume_fraction": 0.0}, {"volume_fraction": 1.0}, {"length": 2}])
def test_bad_factors(bad: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        Spinodal().generate(1, (16, 16), **bad)


@pytest.mark.parametrize("shape", [(1, 1), (1, 8), (2, 2, 2)])
def test_tiny_cells(shape: tuple[int, ...]) -> None:
    made = Spinodal().generate(2, shape)
    assert np.isfinite(made.factors["length"]).all()
    assert made.phases.shape == (2, *shape)

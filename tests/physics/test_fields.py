"""Gaussian random fields and their level cuts, against theory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.physics.generator import generate
from iceframe.physics.generators._directions import angles_of, stretch_matrix, unit_vectors
from iceframe.physics.generators._fields import (
    FIELD_FACTORS,
    SPECTRA,
    autocorrelation,
    gaussian_fields,
)
from iceframe.physics.generators.multiphase_field import voxel_counts

CODES = {name: code for code, name in enumerate(SPECTRA)}


def batch(n: int, **factors: float) -> dict[str, np.ndarray]:
    return {k: np.full(n, float(v)) for k, v in factors.items()}


def rngs(n: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, i]) for i in range(n)]


def covariance(images: np.ndarray) -> np.ndarray:
    """Periodic covariance at every lag, one a sample: ``(n, *shape)``, means taken off."""
    axes = tuple(range(1, images.ndim))
    centred = images - images.mean(axis=axes, keepdims=True)
    power = np.abs(np.fft.fftn(centred, axes=axes)) ** 2
    return np.fft.ifftn(power, axes=axes).real / np.prod(images.shape[1:])


# ----------------------------------------------------------------------- the field's covariance
@pytest.mark.parametrize("shape", [(32, 32), (31, 33), (16, 15, 14)])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_fields_have_the_covariance_that_is_stated(shape, spectrum):
    n = 400
    factors = batch(n, spectrum=CODES[spectrum], length=2.5, anisotropy=2, angle=30, tilt=20)
    measured = covariance(gaussian_fields(shape, rngs(n), factors))
    expected = autocorrelation(shape, 1, {k: v[:1] for k, v in factors.items()})[0]
    error = measured.std(axis=0) / np.sqrt(n)
    assert expected.flat[0] == pytest.approx(1)
    # All lags at once: 4.8 standard errors are passed by chance once in a thousand such tests.
    assert np.abs((measured.mean(axis=0) - expected) / error).max() < 5.5


def bessel(r):
    from scipy.special import j0

    return j0(np.sqrt(2) * r)


@pytest.mark.parametrize(
    ("spectrum", "closed_form", "tolerance"),
    [
        ("gaussian", lambda r: np.exp(-0.5 * r**2), 2e-3),
        # The grid holds no waves beyond Nyquist; the cusp at r = 0 is rounded.
        ("exponential", lambda r: np.exp(-r), 0.04),
        ("shell", bessel, 0.02),
    ],
)
def test_covariance_in_closed_form_where_the_cell_is_large(spectrum, closed_form, tolerance):
    length, lag = 8.0, np.arange(0, 33)
    factors = batch(1, spectrum=CODES[spectrum], length=length, bandwidth=0.05)
    found = autocorrelation((512, 512), 1, factors)[0]
    for line in (found[0, :33], found[:33, 0]):
        assert line == pytest.approx(closed_form(lag / length), abs=tolerance)
    diagonal = np.diagonal(found)[:24]
    expected = closed_form(np.sqrt(2) * np.arange(24) / length)
    assert diagonal == pytest.approx(expected, abs=tolerance)


def test_in_three_dimensions_the_shell_is_a_cardinal_sine():
    lag, length = np.arange(0, 17), 4.0
    factors = batch(1, spectrum=CODES["shell"], length=length, bandwidth=0.05)
    found = autocorrelation((96, 96, 96), 1, factors)[0, 0, 0, :17]
    expected = np.sinc(np.sqrt(3) * lag / length / np.pi)
    assert found == pytest.approx(expected, abs=0.02)


# ------------------------------------------------------------------------------ the level cut
def two_point_covariance(rho: np.ndarray, fraction: float) -> np.ndarray:
    """``S₂ - f²`` of a level cut at the fraction ``f``, from the field's correlation ``ρ``.

    ``(1/2π) ∫₀^ρ exp(-a²/(1+t)) / √(1-t²) dt`` with ``t = sin u``: smooth in ``u``, so that
    Gauss-Legendre quadrature is exact to rounding.
    """
    from scipy.stats import norm

    level = norm.isf(fraction)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    top = np.arcsin(np.clip(rho, -1, 1))[..., None]
    u = top * (nodes + 1) / 2
    integrand = np.exp(-(level**2) / (1 + np.sin(u)))
    return (integrand * weights).sum(axis=-1) * top[..., 0] / 2 / (2 * np.pi)


def test_the_theory_has_its_known_limits():
    rho = np.linspace(-0.9, 1, 9)
    assert two_point_covariance(rho, 0.5) == pytest.approx(np.arcsin(rho) / (2 * np.pi))
    assert two_point_covariance(np.array([0.0, 1.0]), 0.2) == pytest.approx(
        [0, 0.2 * 0.8], abs=1e-6
    )


@pytest.mark.parametrize("fraction", [0.5, 0.2])
@pytest.mark.parametrize(
    ("shape", "spectrum", "more"),
    [
        ((96, 96), "gaussian", {}),
        ((96, 96), "exponential", {}),
        ((96, 96), "shell", {}),
        ((96, 95), "gaussian", {"anisotropy": 3, "angle": 35}),
        ((32, 32, 32), "gaussian", {"length": 2}),
        ((32, 31, 32), "shell", {"length": 2, "anisotropy": 2, "angle": 20, "tilt": 50}),
    ],
)
def test_two_point_function_of_a_level_cut(shape, spectrum, more, fraction):
    n = 150 if len(shape) == 2 else 40
    asked = {"length": 3.0, "spectrum": CODES[spectrum], **more}
    made = generate("random_field", n, shape, seed=3, volume_fraction=fraction, **asked)
    measured = covariance(made.phases.astype(float))
    rho = autocorrelation(shape, 1, batch(1, **asked))[0]
    expected = two_point_covariance(rho, fraction)
    # The fraction is met in every sample, where theory lets it vary: the covariance then sums to
    # zero over the cell, so the theory's mean comes off.
    expected -= expected.mean()

    near = [(0,) * len(shape)]  # lags along the axes and the diagonal, to four lengths
    for step in np.vstack([np.eye(len(shape), dtype=int), np.ones((1, len(shape)), int)]):
        near += [tuple(step * k) for k in range(1, 13)]
    lags = tuple(np.array(near).T)
    found = measured.mean(axis=0)[lags]
    error = measured.std(axis=0)[lags] / np.sqrt(n)
    # Statistical error, and one part in a hundred of the variance for the cell's finite size.
    assert np.all(np.abs(found - expected[lags]) < 4.5 * error + 0.01 * fraction * (1 - fraction))
    assert found[0] == pytest.approx(fraction * (1 - fraction), rel=1e-3)


def test_the_test_above_can_fail():
    """A spectrum taken for another is far outside the tolerance."""
    made = generate("random_field", 150, (96, 96), seed=3, length=3)
    found = covariance(made.phases.astype(float)).mean(axis=0)
    wrong = autocorrelation((96, 96), 1, batch(1, length=3.0, spectrum=1))[0]
    assert np.abs(found - two_point_covariance(wrong, 0.5))[0, :12].max() > 0.02


def test_thin_shell_and_gaussian_of_one_length_have_the_same_chords():
    """Rice: at one half, the level is crossed every ``πℓ`` voxels along any line."""
    for spectrum in ("gaussian", "shell"):
        made = generate(
            "random_field", 60, (128, 128), length=6, spectrum=CODES[spectrum], bandwidth=0.1
        )
        crossings = (made.phases != np.roll(made.phases, 1, 2)).mean()
        assert 1 / crossings == pytest.approx(np.pi * 6, rel=0.04)


# ----------------------------------------------------------------------------- what was asked
@settings(deadline=None, max_examples=60)
@given(
    fraction=st.floats(0, 1),
    length=st.floats(0.1, 50),
    anisotropy=st.floats(0.1, 8),
    angle=st.floats(-180, 180),
    spectrum=st.integers(0, 2),
    shape=st.one_of(
        st.tuples(st.integers(1, 24), st.integers(1, 24)),
        st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8)),
    ),
)
def test_volume_fraction_is_met_to_one_voxel(fraction, length, anisotropy, angle, spectrum, shape):
    image = generate(
        "random_field",
        1,
        shape,
        volume_fraction=fraction,
        length=length,
        anisotropy=anisotropy,
        angle=angle,
        spectrum=spectrum,
    ).phases
    assert set(np.unique(image)) <= {0, 1}
    assert abs(int(image.sum()) - fraction * np.prod(shape)) <= 0.5


def test_parameters_may_differ_by_sample():
    made = generate("random_field", 3, (10, 10), volume_fraction=[0.1, 0.5, 0.93], length=[1, 2, 3])
    assert made.phases.sum(axis=(1, 2)).tolist() == [10, 50, 93]
    alone = generate("random_field", 1, (10, 10), first=2, volume_fraction=0.93, length=3)
    assert np.array_equal(alone.phases[0], made.phases[2])


@pytest.mark.parametrize("anisotropy", [3.0, 1 / 3])
@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_the_long_axis_has_the_stated_angle(angle, anisotropy):
    """The principal axis of the spectrum's second moments is across the long one."""
    made = generate("random_field", 60, (48, 48), anisotropy=anisotropy, angle=angle, seed=2)
    power = (np.abs(np.fft.fft2(made.phases - 0.5)) ** 2).mean(axis=0)
    y, x = np.meshgrid(np.fft.fftfreq(48), np.fft.fftfreq(48), indexing="ij")
    keep = power * (np.hypot(x, y) < 0.2)
    moments = np.array([[(keep * a * b).sum() for b in (y, x)] for a in (y, x)])
    _, vectors = np.linalg.eigh(moments)
    narrow = vectors[:, 0] if anisotropy > 1 else vectors[:, 1]
    found, _ = angles_of(narrow)
    assert min(abs(found - angle), 180 - abs(found - angle)) < 4


def test_in_three_dimensions_tilt_turns_the_axis_towards_z():
    factors = batch(1, length=4.0, anisotropy=4, angle=0, tilt=90)
    rho = autocorrelation((48, 48, 48), 1, factors)[0]
    along, across = 4 * 4 ** (2 / 3), 4 * 4 ** (-1 / 3)
    assert rho[6, 0, 0] == pytest.approx(np.exp(-0.5 * (6 / along) ** 2), abs=0.03)
    assert rho[0, 6, 0] == pytest.approx(np.exp(-0.5 * (6 / across) ** 2), abs=0.03)
    assert rho[0, 0, 6] == pytest.approx(rho[0, 6, 0])


def test_lengths_beyond_the_grid_do_not_underflow():
    for spectrum in range(3):
        made = generate(
            "random_field", 2, (16, 16), length=[1e-2, 1e4], spectrum=spectrum, volume_fraction=0.5
        )
        assert made.phases.reshape(2, -1).sum(axis=1).tolist() == [128, 128]
        # The longest waves that fit, not an image sorted by voxel number.
        assert np.ptp(made.phases[1].sum(axis=0)) + np.ptp(made.phases[1].sum(axis=1)) > 0
        assert seams(made.phases[1]) < 80


def seams(image: np.ndarray) -> int:
    return sum(int((image != np.roll(image, 1, a)).sum()) for a in range(image.ndim))


# --------------------------------------------------------------------------------- directions
@settings(deadline=None)
@given(angle=st.floats(0, 179), tilt=st.floats(-89, 89))
def test_angles_are_found_back(angle, tilt):
    vector = unit_vectors(3, np.array([angle]), np.array([tilt]))[0]
    assert np.linalg.norm(vector) == pytest.approx(1)
    assert angles_of(-vector) == pytest.approx((angle, tilt), abs=1e-6)
    assert angles_of(unit_vectors(2, np.array([angle]))[0]) == pytest.approx((angle, 0), abs=1e-6)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_stretch_keeps_volume_and_has_its_ratio(dimension):
    axis = unit_vectors(dimension, np.array([33.0]), np.array([20.0]))[0]
    stretch = stretch_matrix(3.0, axis)
    assert np.linalg.det(stretch) == pytest.approx(1)
    values = np.sort(np.linalg.eigvalsh(stretch))
    assert values[-1] / values[0] == pytest.approx(3)
    assert np.linalg.norm(stretch @ axis) == pytest.approx(values[-1])


# -------------------------------------------------------------------------------- many phases
@settings(deadline=None, max_examples=60)
@given(
    shares=st.lists(st.floats(0, 10), min_size=6, max_size=6).filter(lambda s: sum(s) > 1e-3),
    nesting=st.floats(0, 1),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_all_fractions_are_met_to_one_voxel(shares, nesting, shape):
    asked = {f"share_{k}": s for k, s in enumerate(shares)}
    made = generate("multiphase_field", 1, shape, nesting=nesting, **asked)
    counts = np.bincount(made.phases.ravel(), minlength=6)
    assert np.abs(counts - np.array(shares) / sum(shares) * made.phases.size).max() < 1 + 1e-6
    found = [made.factors[f"fraction_{k}"][0] * made.phases.size for k in range(6)]
    assert counts == pytest.approx(found)


def test_nested_phases_touch_their_neighbours_only():
    def touching(nesting: float) -> float:
        made = generate("multiphase_field", 10, (64, 64), nesting=nesting, length=6, seed=1)
        one, other = made.phases.astype(int), np.roll(made.phases, 1, 2).astype(int)
        return (np.abs(one - other) == 2).sum() / (one != other).sum()

    assert touching(1.0) < 0.01
    # Side by side, any two of the three are neighbours; those that skip one are about a third.
    assert 0.2 < touching(0.0) < 0.45


def test_phases_without_a_share_are_absent_and_do_not_disturb_the_batch():
    alone = generate("multiphase_field", 1, (16, 16), share_4=0)
    beside = generate("multiphase_field", 2, (16, 16), share_4=[0, 2])
    assert np.array_equal(alone.phases[0], beside.phases[0])
    assert set(np.unique(beside.phases[1])) == {0, 1, 2, 4}


def test_no_phase_at_all_is_refused():
    with pytest.raises(InputError, match="shares"):
        generate("multiphase_field", 1, (8, 8), share_0=0, share_1=0, share_2=0)


def test_counts_add_up():
    counts = voxel_counts(np.array([[1.0, 1, 1], [0.1, 0.2, 0.7], [0, 0, 5]]), 100)
    assert counts.tolist() == [[34, 33, 33], [10, 20, 70], [0, 0, 100]]


def test_the_defaults_of_the_fields_are_those_declared():
    """Leaving a factor out is the same as giving its default."""
    stated = {f.name: np.full(2, f.default) for f in FIELD_FACTORS}
    for shape in [(12, 12), (6, 6, 6)]:
        assert np.array_equal(
            gaussian_fields(shape, rngs(2), {}), gaussian_fields(shape, rngs(2), stated)
        )

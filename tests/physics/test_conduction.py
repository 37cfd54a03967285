"""The conduction solver, by law: exact laminates, duality, bounds, symmetry, bad input."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.physics import SolveStatus, effective_conductivity, two_phase

TIGHT = 1e-10
# Rotation by 90 degrees, for Keller's duality.
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


@st.composite
def two_phase_samples(draw, odd: bool = False):
    """A stack of one periodic two-phase image, and two conductivities."""
    side = st.sampled_from([5, 7, 9, 15]) if odd else st.integers(1, 16)
    shape = (draw(side), draw(side))
    seed, length = draw(st.integers(0, 10**6)), draw(st.floats(0.2, 4))
    fraction = draw(st.floats(0.0, 1.0))
    image = two_phase(1, shape, volume_fraction=fraction, length=length, seed=seed)
    k = np.array([1.0, draw(st.floats(0.01, 100))]) * draw(st.sampled_from([1e-3, 1.0, 400.0]))
    return image, k


def layers(n_pixels: int, pattern: list[int]) -> np.ndarray:
    return np.tile(np.resize(pattern, n_pixels), (n_pixels, 1))[None]


@pytest.mark.parametrize("n_pixels", [4, 5, 12])
@pytest.mark.parametrize("contrast", [2.0, 50.0, 1e4])
@pytest.mark.parametrize("direction", ["x", "y"])
def test_laminates_are_exact(n_pixels, contrast, direction):
    phases = layers(n_pixels, [0, 1, 1, 2])
    values = np.array([1.0, contrast, 3.0])
    k = values[phases[0, 0]]
    series, parallel = 1 / np.mean(1 / k), np.mean(k)
    if direction == "y":
        phases = phases.transpose(0, 2, 1)
    expected = np.diag([series, parallel] if direction == "x" else [parallel, series])
    solved = effective_conductivity(phases, values, tolerance=TIGHT)
    assert solved.converged.all()
    assert np.abs(solved.tensor[0] - expected).max() < 1e-8 * parallel


def test_homogeneous_is_that_conductivity_at_once():
    solved = effective_conductivity(np.ones((2, 8, 6), int), [1.0, 3.7])
    assert np.allclose(solved.tensor, 3.7 * np.eye(2), rtol=1e-14, atol=1e-14)
    assert solved.iterations.tolist() == [0, 0]


def test_checkerboard_tends_to_the_geometric_mean():
    # Dykhne and Keller: sqrt(k1 k2). The corners are singular, so that convergence is slow.
    errors = []
    for cell in (4, 8, 16, 32):
        quarter = np.zeros((cell, cell), int)
        board = np.block([[quarter, quarter + 1], [quarter + 1, quarter]])[None]
        k = effective_conductivity(board, [1.0, 10.0]).tensor[0]
        assert k[0, 0] == pytest.approx(k[1, 1], rel=1e-6)
        errors.append(abs(k[0, 0] / np.sqrt(10.0) - 1))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.02


@given(two_phase_samples())
@settings(deadline=None)
def test_wiener_bounds_and_a_symmetric_positive_tensor(sample):
    image, k = sample
    tensor = effective_conductivity(image, k).tensor[0]
    local = k[image[0]]
    eigenvalues = np.linalg.eigvalsh(tensor)
    slack = 1e-6 * local.max()
    assert np.array_equal(tensor, tensor.T)
    assert eigenvalues[0] > 0
    assert eigenvalues[0] >= 1 / np.mean(1 / local) - slack
    assert eigenvalues[1] <= np.mean(local) + slack


@given(two_phase_samples(odd=True))
@settings(deadline=None)
def test_hashin_shtrikman_bounds_for_any_two_phase_medium(sample):
    # Lurie & Cherkaev 1984 (doi:10.1017/S0308210500014165): for anisotropic media too, in terms of
    # the eigenvalues; for isotropic ones they are the bounds of Hashin & Shtrikman.
    image, k = sample
    low, high = min(k), max(k)
    local = k[image[0]]
    arithmetic, harmonic = np.mean(local), 1 / np.mean(1 / local)
    if np.ptp(local) < 1e-3 * high:
        return
    eigenvalues = np.linalg.eigvalsh(effective_conductivity(image, k, tolerance=TIGHT).tensor[0])
    upper = np.sum(1 / (eigenvalues - low))
    lower = np.sum(1 / (high - eigenvalues))
    assert upper <= (1 / (harmonic - low) + 1 / (arithmetic - low)) * (1 + 1e-6)
    assert lower <= (1 / (high - harmonic) + 1 / (high - arithmetic)) * (1 + 1e-6)


@given(two_phase_samples(odd=True))
@settings(deadline=None)
def test_keller_duality_is_exact_on_odd_grids(sample):
    # K(k2, k1) = k1 k2 R K(k1, k2)⁻¹ Rᵀ (Keller 1964, doi:10.1063/1.1704146).
    image, k = sample
    direct = effective_conductivity(image, k, tolerance=TIGHT).tensor[0]
    swapped = effective_conductivity(image, k[::-1], tolerance=TIGHT).tensor[0]
    expected = k[0] * k[1] * TURN @ np.linalg.inv(direct) @ TURN.T
    assert np.abs(swapped - expected).max() < 1e-7 * np.abs(expected).max()


def test_turning_the_image_turns_the_tensor():
    image = two_phase(1, (12, 12), length=3, anisotropy=3, angle=30, seed=4)
    tensor = effective_conductivity(image, [1.0, 20.0], tolerance=TIGHT).tensor[0]
    turned = effective_conductivity(np.rot90(image, axes=(1, 2)), [1.0, 20.0], tolerance=TIGHT)
    assert np.allclose(turned.tensor[0], TURN.T @ tensor @ TURN, rtol=1e-7)
    assert abs(tensor[0, 1]) > 0.01


def test_conductivity_follows_the_long_axis():
    image = two_phase(20, (32, 32), length=3, anisotropy=4, angle=0, seed=1)
    mean = effective_conductivity(image, [1.0, 10.0]).tensor.mean(axis=0)
    assert mean[0, 0] > 1.3 * mean[1, 1]


def test_each_sample_stops_alone():
    easy, hard = layers(16, [0, 1])[0], two_phase(1, (16, 16), length=2, seed=0)[0]
    together = effective_conductivity(np.stack([easy, hard]), [1.0, 100.0])
    alone = effective_conductivity(hard[None], [1.0, 100.0])
    assert together.iterations[0] < together.iterations[1] == alone.iterations[0]
    assert np.allclose(together.tensor[1], alone.tensor[0], rtol=1e-12)


def test_chunks_do_not_matter(monkeypatch):
    images = two_phase(5, (8, 8), length=1, seed=0)
    whole = effective_conductivity(images, [1.0, 9.0])
    monkeypatch.setattr("iceframe.physics.conduction._CHUNK_PIXELS", 2 * 64 * 2)
    assert np.allclose(effective_conductivity(images, [1.0, 9.0]).tensor, whole.tensor, rtol=1e-12)


def test_the_error_is_of_second_order_in_the_tolerance():
    images = two_phase(4, (32, 32), length=3, seed=0)
    exact = effective_conductivity(images, [1.0, 50.0], tolerance=1e-12).tensor
    for tolerance in (1e-2, 1e-3, 1e-4):
        found = effective_conductivity(images, [1.0, 50.0], tolerance=tolerance).tensor
        assert np.abs(found / exact - 1)[:, [0, 1], [0, 1]].max() < 50 * tolerance**2


def test_failure_is_a_value_with_a_remedy():
    images = np.concatenate([two_phase(1, (32, 32), length=3), np.zeros((1, 32, 32), np.uint8)])
    solved = effective_conductivity(images, [1.0, 1e4], max_iterations=3)
    assert solved.status == (SolveStatus.NOT_CONVERGED, SolveStatus.CONVERGED)
    assert "max_iterations" in solved.status[0].remedy
    assert solved.status[1].remedy == ""
    assert solved.residual[0] > 1e-6
    assert np.isfinite(solved.tensor).all()


def test_nothing_to_solve():
    assert effective_conductivity(np.zeros((0, 4, 4), int), [1.0]).tensor.shape == (0, 2, 2)


@pytest.mark.parametrize("k", [[1.0, 0.0], [1.0, -2.0], [1.0, np.nan], [1.0, np.inf], 3.0])
def test_bad_conductivities(k):
    with pytest.raises(InputError, match="conductivit"):
        effective_conductivity(np.zeros((1, 4, 4), int), k)


@pytest.mark.parametrize(
    "phases",
    [
        np.full((1, 4, 4), np.nan),
        np.full((1, 4, 4), 0.5),
        np.full((1, 4, 4), -1),
        np.full((1, 4, 4), 2),
        np.zeros((4, 4), int),
        np.zeros((1, 0, 4), int),
    ],
)
def test_bad_phases(phases):
    with pytest.raises(InputError, match=r"[Pp]hase|stack"):
        effective_conductivity(phases, [1.0, 2.0])


@pytest.mark.parametrize("bad", [{"tolerance": 0.0}, {"tolerance": np.nan}, {"max_iterations": 0}])
def test_bad_solver_settings(bad):
    with pytest.raises(InputError, match="solver"):
        effective_conductivity(np.zeros((1, 4, 4), int), [1.0], **bad)


@pytest.mark.slow
def test_three_hundred_images_take_seconds(rng):
    images = two_phase(300, (64, 64), length=rng.uniform(2, 8, 300), seed=0)
    start = time.process_time()
    solved = effective_conductivity(images, [1.0, 50.0])
    assert solved.converged.all()
    assert time.process_time() - start < 10

"""Bounds against what they must reduce to, and against media whose tensors are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError, UsageError
from iceframe.physics import bounds, known_answers
from iceframe.physics.bounds import (
    bulk_and_shear,
    hashin_shtrikman_conductivity,
    hashin_shtrikman_moduli,
    isotropised_conductivity,
    isotropised_moduli,
    trace_slack,
    voigt_reuss,
)


def isotropic(bulk: float, shear: float, dimension: int) -> np.ndarray:
    """Voigt stiffness of an isotropic medium, written out."""
    shears = 1 if dimension == 2 else 3
    c = np.zeros((dimension + shears,) * 2)
    c[:dimension, :dimension] = bulk - 2 * shear / dimension
    c[range(dimension), range(dimension)] += 2 * shear
    c[range(dimension, dimension + shears), range(dimension, dimension + shears)] = shear
    return c


def full(c: np.ndarray) -> np.ndarray:
    """The tensor C_ijkl of a Voigt stiffness."""
    d, pairs = (2, [(0, 0), (1, 1), (0, 1)]) if len(c) == 3 else (3, None)
    pairs = pairs or [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    tensor = np.zeros((d,) * 4)
    for p, (i, j) in enumerate(pairs):
        for q, (k, m) in enumerate(pairs):
            for left in {(i, j), (j, i)}:
                for right in {(k, m), (m, k)}:
                    tensor[left + right] = c[p, q]
    return tensor


def spd(rng: np.random.Generator, size: int) -> np.ndarray:
    a = rng.normal(size=(size, size))
    return a @ a.T + 0.1 * np.eye(size)


modulus = st.floats(1e-3, 1e3)
dimensions = st.sampled_from([2, 3])


@st.composite
def phases(draw, least: int = 2):
    """Fractions, and bulk and shear moduli, of up to four phases."""
    k = draw(st.integers(least, 4))
    weights = np.array([draw(st.floats(0.01, 1)) for _ in range(k)])
    bulk, shear = ([draw(modulus) for _ in range(k)] for _ in range(2))
    return weights / weights.sum(), np.array(bulk), np.array(shear)


# --- Voigt and Reuss ---


def test_voigt_reuss_of_one_phase_is_that_phase(rng):
    for size in (2, 3, 6):
        c = spd(rng, size)
        lower, upper = voigt_reuss([0.3, 0.7], [c, c])
        assert np.allclose(lower, c, rtol=1e-10)
        assert np.allclose(upper, c, rtol=1e-14)


@pytest.mark.parametrize("size", [2, 3, 6])
def test_voigt_is_above_reuss_and_duality_exchanges_them(rng, size):
    matrices = np.stack([spd(rng, size) for _ in range(3)])
    f = [0.2, 0.5, 0.3]
    lower, upper = voigt_reuss(f, matrices)
    assert np.linalg.eigvalsh(upper - lower)[0] > 0
    back = voigt_reuss(f, np.linalg.inv(matrices))
    assert np.allclose(np.linalg.inv(back.upper), lower, rtol=1e-9)


def test_voigt_reuss_broadcasts_over_samples(rng):
    matrices = np.stack([spd(rng, 3) for _ in range(2)])
    f = np.array([[1.0, 0.0], [0.25, 0.75]])
    lower, upper = voigt_reuss(f, matrices)
    assert lower.shape == upper.shape == (2, 3, 3)
    assert np.allclose(lower[0], matrices[0])
    assert np.allclose(upper[1], 0.25 * matrices[0] + 0.75 * matrices[1])


def test_a_void_makes_reuss_zero_unless_it_is_absent():
    matrices = [np.eye(2), np.zeros((2, 2))]
    lower, upper = voigt_reuss([[0.5, 0.5], [1.0, 0.0]], matrices)
    assert np.array_equal(lower, [np.zeros((2, 2)), np.eye(2)])
    assert np.allclose(upper[0], 0.5 * np.eye(2))


# --- Hashin and Shtrikman ---


@given(phases(), dimensions)
@settings(deadline=None, max_examples=100)
def test_conductivity_bounds_are_ordered_and_inside_wiener(sample, d):
    f, k, _ = sample
    lower, upper = hashin_shtrikman_conductivity(f, k, d)
    slack = 1e-10 * k.max()
    assert 1 / np.sum(f / k) <= lower + slack
    assert lower <= upper + slack
    assert upper <= f @ k + slack


@given(phases(), dimensions)
@settings(deadline=None, max_examples=100)
def test_moduli_bounds_are_ordered_and_inside_voigt_and_reuss(sample, d):
    f, k, g = sample
    found = hashin_shtrikman_moduli(f, k, g, d)
    for bound, m in ((found.bulk, k), (found.shear, g)):
        slack = 1e-10 * m.max()
        assert 1 / np.sum(f / m) <= bound.lower + slack
        assert bound.lower <= bound.upper + slack
        assert bound.upper <= f @ m + slack


@given(phases(), dimensions, st.floats(0.1, 10))
@settings(deadline=None, max_examples=30)
def test_bounds_scale_and_do_not_depend_on_the_order_or_on_absent_phases(sample, d, factor):
    f, k, g = sample
    plain = hashin_shtrikman_moduli(f, k, g, d)
    scaled = hashin_shtrikman_moduli(f, factor * k, factor * g, d)
    turned = hashin_shtrikman_moduli(f[::-1], k[::-1], g[::-1], d)
    more = hashin_shtrikman_moduli([*f, 0.0], [*k, 1e9], [*g, 0.0], d)
    for i in range(2):
        assert np.allclose(scaled[i], factor * np.array(plain[i]), rtol=1e-9)
        assert np.allclose(turned[i], plain[i], rtol=1e-9)
        assert np.allclose(more[i], plain[i], rtol=1e-9)


@pytest.mark.parametrize("d", [2, 3])
def test_bounds_close_on_a_single_phase_and_on_a_common_shear_modulus(d):
    for f in ([1.0, 0.0], [0.0, 1.0]):
        found = hashin_shtrikman_moduli(f, [2.0, 5.0], [1.0, 7.0], d)
        assert np.allclose(found.bulk, f @ np.array([2.0, 5.0]))
        assert np.allclose(found.shear, f @ np.array([1.0, 7.0]))
        assert np.allclose(hashin_shtrikman_conductivity(f, [2.0, 5.0], d), f @ np.array([2, 5.0]))
    # Hill 1963 (doi:10.1016/0022-5096(63)90036-X): with one shear modulus K* is known.
    bulk = hashin_shtrikman_moduli([0.4, 0.6], [1.0, 9.0], [2.0, 2.0], d).bulk
    y = 2 * (d - 1) / d * 2.0
    exact = 1 / (0.4 / (1 + y) + 0.6 / (9 + y)) - y
    assert bulk.lower == pytest.approx(exact, rel=1e-12)
    assert bulk.upper == pytest.approx(exact, rel=1e-12)


def test_tungsten_carbide_and_cobalt():
    # The closed two-phase form of Hashin & Shtrikman 1963, with moduli typical of WC-Co.
    f1, f2 = 0.3, 0.7
    k1, g1, k2, g2 = 171.5, 79.3, 418.5, 299.0  # GPa: cobalt, tungsten carbide
    found = hashin_shtrikman_moduli([f1, f2], [k1, k2], [g1, g2], 3)
    k_low = k1 + f2 / (1 / (k2 - k1) + 3 * f1 / (3 * k1 + 4 * g1))
    k_high = k2 + f1 / (1 / (k1 - k2) + 3 * f2 / (3 * k2 + 4 * g2))
    g_low = g1 + f2 / (1 / (g2 - g1) + 6 * (k1 + 2 * g1) * f1 / (5 * g1 * (3 * k1 + 4 * g1)))
    g_high = g2 + f1 / (1 / (g1 - g2) + 6 * (k2 + 2 * g2) * f2 / (5 * g2 * (3 * k2 + 4 * g2)))
    assert np.allclose(found.bulk, [k_low, k_high], rtol=1e-12)
    assert np.allclose(found.shear, [g_low, g_high], rtol=1e-12)


def test_fibres_in_plane_strain():
    # Hashin 1965 as printed in Christensen's Mechanics of Composite Materials: transverse moduli.
    f1, f2 = 0.4, 0.6
    k1, g1, k2, g2 = 4.0, 1.5, 50.0, 30.0
    found = hashin_shtrikman_moduli([f1, f2], [k1, k2], [g1, g2], 2)
    assert found.bulk.lower == pytest.approx(k1 + f2 / (1 / (k2 - k1) + f1 / (k1 + g1)))
    lower = g1 + f2 / (1 / (g2 - g1) + f1 * (k1 + 2 * g1) / (2 * g1 * (k1 + g1)))
    upper = g2 + f1 / (1 / (g1 - g2) + f2 * (k2 + 2 * g2) / (2 * g2 * (k2 + g2)))
    assert np.allclose(found.shear, [lower, upper], rtol=1e-12)


def test_badly_ordered_phases_get_wider_bounds():
    # K and G exchanged between the phases: the extremes come from no single phase.
    f, k = [0.5, 0.5], [1.0, 4.0]
    good = hashin_shtrikman_moduli(f, k, [1.0, 4.0], 3)
    bad = hashin_shtrikman_moduli(f, k, [4.0, 1.0], 3)
    assert np.allclose(bad.bulk, good.bulk)
    assert np.allclose(bad.shear, good.shear)
    assert bad.bulk.lower < bad.bulk.upper


def test_voids_bound_from_below_by_nothing():
    found = hashin_shtrikman_moduli([0.7, 0.3], [2.0, 0.0], [1.0, 0.0], 3)
    assert found.bulk.lower == found.shear.lower == 0
    assert 0 < found.bulk.upper < 0.7 * 2
    assert hashin_shtrikman_conductivity([0.7, 0.3], [1.0, 0.0], 2).lower == 0
    both = hashin_shtrikman_conductivity([0.7, 0.3], [0.0, 0.0], 2)
    assert both.lower == both.upper == 0


@given(phases(), st.floats(0, 2 * np.pi), dimensions)
@settings(deadline=None, max_examples=60)
def test_laminates_obey_every_bound(sample, angle, d):
    # Exact tensors of anisotropic media from isotropic phases, at every angle.
    f, k, g = sample
    normal = np.array([np.cos(angle), np.sin(angle), 0.3][:d])
    conduction = k[:, None, None] * np.eye(d)
    tensor = known_answers.laminate(f, conduction, normal)
    lower, upper = hashin_shtrikman_conductivity(f, k, d)
    assert lower * (1 - 1e-9) <= isotropised_conductivity(tensor) <= upper * (1 + 1e-9)
    _assert_loewner(voigt_reuss(f, conduction), tensor)

    stiffness = np.stack([isotropic(*m, d) for m in zip(k, g, strict=True)])
    tensor = known_answers.laminate(f, stiffness, normal)
    found = hashin_shtrikman_moduli(f, k, g, d)
    for value, bound in zip(isotropised_moduli(tensor), found, strict=True):
        assert bound.lower * (1 - 1e-9) <= value <= bound.upper * (1 + 1e-9)
    _assert_loewner(voigt_reuss(f, stiffness), tensor)


def _assert_loewner(bound, tensor):
    slack = 1e-9 * np.abs(bound.upper).max()
    assert np.linalg.eigvalsh(tensor - bound.lower)[0] >= -slack
    assert np.linalg.eigvalsh(bound.upper - tensor)[0] >= -slack


# --- moduli ---


@pytest.mark.parametrize("d", [2, 3])
def test_isotropised_moduli_of_an_isotropic_medium(d):
    assert np.allclose(isotropised_moduli(isotropic(5.0, 2.0, d)), (5.0, 2.0), rtol=1e-14)


@pytest.mark.parametrize("d", [2, 3])
def test_isotropised_moduli_are_the_invariants_of_the_full_tensor(rng, d):
    # C_iijj = d² κ and C_ijij = d κ + 2p μ with p = 2 or 5, from the tensor with all indices.
    c = spd(rng, 3 if d == 2 else 6)
    bulk, shear = isotropised_moduli(c)
    assert np.einsum("iijj", full(c)) == pytest.approx(d**2 * bulk)
    assert np.einsum("ijij", full(c)) == pytest.approx(d * bulk + (4 if d == 2 else 10) * shear)


def test_cubic_crystal_has_the_voigt_average_of_a_polycrystal():
    # Iron: K = (C11 + 2 C12)/3, G_V = (C11 − C12 + 3 C44)/5.
    c11, c12, c44 = 230.0, 135.0, 117.0
    c = np.diag([c11] * 3 + [c44] * 3)
    c[:3, :3] += c12 * (1 - np.eye(3))
    bulk, shear = isotropised_moduli(c)
    assert bulk == pytest.approx((c11 + 2 * c12) / 3)
    assert shear == pytest.approx((c11 - c12 + 3 * c44) / 5)


def test_plane_states_follow_from_the_solid():
    young, poisson = 210.0, 0.3
    c = isotropic(*bulk_and_shear(young, poisson, "3-D"), 3)
    strain = c[np.ix_([0, 1, 5], [0, 1, 5])]
    stress = np.linalg.inv(np.linalg.inv(c)[np.ix_([0, 1, 5], [0, 1, 5])])
    for state, plane in (("plane strain", strain), ("plane stress", stress)):
        moduli = bulk_and_shear(young, poisson, state)
        assert np.allclose(isotropic(*moduli, 2), plane, rtol=1e-12, atol=1e-12)
        assert moduli[1] == pytest.approx(young / (2 * (1 + poisson)))
    # Young's modulus comes back: E = 9KG/(3K+G).
    bulk, shear = bulk_and_shear(young, poisson, "3-D")
    assert 9 * bulk * shear / (3 * bulk + shear) == pytest.approx(young)


# --- trace bounds ---


@given(st.floats(0.05, 0.95), st.floats(1.01, 1e3), st.floats(0, np.pi), dimensions)
@settings(deadline=None, max_examples=60)
def test_laminates_lie_on_both_trace_bounds(fraction, contrast, angle, d):
    k = np.array([1.0, contrast])
    f = np.array([1 - fraction, fraction])
    normal = [np.cos(angle), np.sin(angle), 0.5][:d]
    tensor = known_answers.laminate(f, k[:, None, None] * np.eye(d), normal)
    low, high = trace_slack(tensor, f, k)
    # The parallel eigenvalue is k₂ − f₁(k₂ − k₁): cancellation costs some digits.
    assert abs(low) < 1e-6
    assert abs(high) < 1e-6


@pytest.mark.parametrize("d", [2, 3])
def test_isotropic_media_on_the_trace_bounds_are_hashin_shtrikmans(d):
    f, k = [0.3, 0.7], [2.0, 11.0]
    bound = hashin_shtrikman_conductivity(f, k, d)
    low, high = (trace_slack(value * np.eye(d), f, k) for value in bound)
    assert low[0] == pytest.approx(0, abs=1e-12)
    assert high[1] == pytest.approx(0, abs=1e-12)
    assert low[1] > 0
    assert high[0] > 0
    assert np.allclose(trace_slack(bound.lower * np.eye(d), f[::-1], k[::-1]), low)
    assert trace_slack(0.99 * bound.lower * np.eye(d), f, k)[0] < 0
    assert trace_slack(1.01 * bound.upper * np.eye(d), f, k)[1] < 0
    assert trace_slack(12.0 * np.eye(d), f, k)[1] == -np.inf


def test_second_rank_laminates_lie_on_one_trace_bound():
    # Layers of phase 2 and of a first laminate, turned by 90 degrees: phase 1 is coated by 2.
    k1, k2, f = 1.0, 10.0, 0.5
    inner = known_answers.laminate([f, 1 - f], [k1 * np.eye(2), k2 * np.eye(2)], [1, 0])
    outer = known_answers.laminate([0.6, 0.4], [inner, k2 * np.eye(2)], [0, 1])
    low, high = trace_slack(outer, [0.3, 0.7], [k1, k2])
    assert high == pytest.approx(0, abs=1e-12)
    assert low > 1e-3


def test_trace_bound_with_a_void():
    low, high = trace_slack(0.3 * np.eye(2), [0.5, 0.5], [0.0, 1.0])
    assert low == 1
    assert high == pytest.approx(1 - (2 / 0.7) / 3)  # right: 1/(1 − 0) + 1/(1 − 0.5)


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: voigt_reuss([0.5, 0.6], [np.eye(2)] * 2), "add up to one"),
        (lambda: voigt_reuss([1.5, -0.5], [np.eye(2)] * 2), "negative"),
        (lambda: voigt_reuss([np.nan, 1.0], [np.eye(2)] * 2), "not finite"),
        (lambda: voigt_reuss([1.0], [np.eye(2)] * 2), "volume fraction"),
        (lambda: voigt_reuss([1.0], [np.diag([1.0, -1.0])]), "neither positive definite"),
        (lambda: voigt_reuss([1.0], [np.diag([1.0, 0.0])]), "neither positive definite"),
        (lambda: voigt_reuss([1.0], [[[1.0, 0.5], [0.0, 1.0]]]), "not symmetric"),
        (lambda: voigt_reuss([1.0], [np.full((2, 2), np.nan)]), "not finite"),
        (lambda: voigt_reuss([1.0], np.eye(2)), "one matrix a phase"),
        (lambda: voigt_reuss([1.0], [np.eye(4)]), "not a tensor"),
        (lambda: hashin_shtrikman_conductivity([1.0], [-1.0], 2), "not negative"),
        (lambda: hashin_shtrikman_conductivity([1.0], [np.inf], 2), "finite"),
        (lambda: hashin_shtrikman_conductivity([1.0], [1.0], 4), "two or three"),
        (lambda: hashin_shtrikman_moduli([0.5, 0.5], [1, 2], [1], 3), "bulk and a shear"),
        (lambda: bulk_and_shear(1.0, 0.5, "3-D"), "Poisson"),
        (lambda: bulk_and_shear(1.0, np.nan, "3-D"), "Poisson"),
        (lambda: bulk_and_shear(-1.0, 0.3, "3-D"), "not negative"),
        (lambda: trace_slack(np.eye(2), [0.5, 0.5], [1.0, 1.0]), "two different phases"),
        (lambda: trace_slack(np.eye(2), [1.0, 0.0], [1.0, 2.0]), "two different phases"),
        (lambda: isotropised_moduli(np.eye(2)), "not a tensor"),
        (lambda: isotropised_conductivity(np.eye(6)), "not a tensor"),
    ],
)
def test_bad_input_is_an_error(call, error):
    with pytest.raises(InputError, match=error):
        call()


def test_an_unknown_state_is_a_usage_error():
    with pytest.raises(UsageError, match="plane strain"):
        bulk_and_shear(1.0, 0.3, "plain strain")
    assert bounds.STATES == ("3-D", "plane strain", "plane stress")

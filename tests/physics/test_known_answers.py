"""Known answers against independent computations: direct solves, textbook values, continuity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from iceframe.core.errors import InputError
from iceframe.physics.bounds import (
    bulk_and_shear,
    hashin_shtrikman_conductivity,
    hashin_shtrikman_moduli,
)
from iceframe.physics.known_answers import (
    checkerboard,
    dilute_conductivity,
    dilute_moduli,
    jump_matrix,
    laminate,
    laminate_fields,
    maxwell_conductivity,
    mori_tanaka,
    square_array_conductivity,
    swapped,
)

PAIRS = {2: [(0, 0), (1, 1), (0, 1)], 3: [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]}


def spd(rng: np.random.Generator, size: int, k: int = 1) -> np.ndarray:
    a = rng.normal(size=(k, size, size))
    return a @ a.swapaxes(1, 2) + 0.1 * np.eye(size)


def isotropic(young: float, poisson: float) -> np.ndarray:
    """Solid stiffness from its compliance, the way textbooks print it."""
    s = np.diag([1 / young] * 3 + [2 * (1 + poisson) / young] * 3)
    s[:3, :3] -= poisson / young * (1 - np.eye(3))
    return np.linalg.inv(s)


def turn(c: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Voigt stiffness or conductivity in axes turned by ``r``, through the full tensor."""
    d = len(r)
    if len(c) == d:
        return r @ c @ r.T
    pairs, tensor = PAIRS[d], np.zeros((d,) * 4)
    for p, (i, j) in enumerate(pairs):
        for q, (k, m) in enumerate(pairs):
            tensor[i, j, k, m] = tensor[j, i, k, m] = c[p, q]
            tensor[i, j, m, k] = tensor[j, i, m, k] = c[p, q]
    tensor = np.einsum("ai,bj,ck,dl,ijkl->abcd", r, r, r, r, tensor)
    return np.array([[tensor[i, j, k, m] for k, m in pairs] for i, j in pairs])


def strain(vector: np.ndarray, d: int) -> np.ndarray:
    """Symmetric tensor of a Voigt strain with engineering shears."""
    e = np.zeros((d, d))
    for value, (i, j) in zip(vector, PAIRS[d], strict=True):
        e[i, j] = e[j, i] = value if i == j else value / 2
    return e


CASES = [(2, 2), (3, 3), (2, 3), (3, 6)]  # dimension, size of the matrices


# --- laminates ---


@pytest.mark.parametrize(("d", "size"), CASES)
def test_layers_share_their_tangential_strain_and_their_traction(rng, d, size):
    matrices, f = spd(rng, size, 4), np.array([0.1, 0.4, 0.3, 0.2])
    normal = rng.normal(size=d)
    n = normal / np.linalg.norm(normal)
    fields = laminate_fields(f, matrices, normal)
    assert np.allclose(np.einsum("k,kab->ab", f, fields), np.eye(size), atol=1e-12)
    fluxes = matrices @ fields
    projector = np.eye(d) - np.outer(n, n)
    for load in range(size):
        if size == d:
            tangential = [projector @ e for e in fields[:, :, load]]
            tractions = [n @ q for q in fluxes[:, :, load]]
        else:
            tangential = [projector @ strain(e, d) @ projector for e in fields[:, :, load]]
            doubled = [np.where(np.arange(size) < d, 1, 2) * s for s in fluxes[:, :, load]]
            tractions = [strain(s, d) @ n for s in doubled]
        assert np.ptp(tangential, axis=0).max() < 1e-11
        assert np.ptp(tractions, axis=0).max() < 1e-10
    effective = laminate(f, matrices, normal)
    assert np.allclose(np.einsum("k,kab->ab", f, fluxes), effective, rtol=1e-9, atol=1e-10)
    energy = np.einsum("k,kca,kcd,kdb->ab", f, fields, matrices, fields)
    assert np.allclose(energy, effective, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("d", "size"), CASES)
def test_turned_layers_have_the_turned_tensor(rng, d, size):
    matrices, f = spd(rng, size, 3), [0.5, 0.2, 0.3]
    normal = rng.normal(size=d)
    if d == 3:
        r = Rotation.from_euler("xyz", [0.4, -1.1, 2.0]).as_matrix()
    else:
        r = np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    there = laminate(f, [turn(c, r) for c in matrices], r @ normal)
    assert np.allclose(there, turn(laminate(f, matrices, normal), r), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("d", "size"), CASES)
def test_limits_order_and_nesting_of_layers(rng, d, size):
    matrices, normal = spd(rng, size, 3), np.ones(d)
    for i, f in enumerate(np.eye(3)):
        assert np.allclose(laminate(f, matrices, normal), matrices[i], rtol=1e-10, atol=1e-11)
    whole = laminate([0.5, 0.2, 0.3], matrices, normal)
    assert np.allclose(laminate([0.3, 0.2, 0.5], matrices[::-1], -2 * normal), whole, rtol=1e-10)
    inner = laminate([5 / 7, 2 / 7], matrices[:2], normal)
    nested = laminate([0.7, 0.3], [inner, matrices[2]], normal)
    assert np.allclose(nested, whole, rtol=1e-9, atol=1e-10)
    assert np.allclose(laminate([0.5, 0.5], matrices[[0, 0]], normal), matrices[0], rtol=1e-10)


def test_a_stack_of_springs_solved_as_one_system(rng):
    # 12 layers across x, one displacement a layer interface, solved as a linear system in 1-D.
    layers, c = 12, spd(rng, 6, 12)
    n = np.zeros((6, 3))
    n[0, 0] = n[5, 1] = n[4, 2] = 1  # normal x: ε_xx = a_x, γ_xy = a_y, γ_xz = a_z
    f = rng.uniform(0.5, 1.5, layers)
    f /= f.sum()
    stiffness = np.zeros((3 * layers, 3 * layers))
    loads = np.zeros((3 * layers, 6))
    for e in range(layers):
        nodes = [
            *range(3 * e, 3 * e + 3),
            *range(3 * ((e + 1) % layers), 3 * ((e + 1) % layers) + 3),
        ]
        b = np.hstack([-n, n]) / f[e]
        stiffness[np.ix_(nodes, nodes)] += f[e] * b.T @ c[e] @ b
        loads[nodes] -= f[e] * b.T @ c[e]
    u = np.zeros_like(loads)
    u[3:] = np.linalg.solve(stiffness[3:, 3:], loads[3:])
    effective = np.zeros((6, 6))
    for e in range(layers):
        nodes = [
            *range(3 * e, 3 * e + 3),
            *range(3 * ((e + 1) % layers), 3 * ((e + 1) % layers) + 3),
        ]
        local = np.eye(6) + np.hstack([-n, n]) / f[e] @ u[nodes]
        effective += f[e] * c[e] @ local
    assert np.allclose(laminate(f, c, [1, 0, 0]), effective, rtol=1e-8, atol=1e-9)


def test_series_and_parallel_along_every_axis():
    k, f = np.array([1.0, 5.0, 20.0]), np.array([0.2, 0.3, 0.5])
    for d in (2, 3):
        for axis in range(d):
            expected = np.full(d, f @ k)
            expected[axis] = 1 / (f @ (1 / k))
            found = laminate(f, k[:, None, None] * np.eye(d), np.eye(d)[axis])
            assert np.allclose(found, np.diag(expected), rtol=1e-12, atol=1e-14)


def test_textbook_layers_of_isotropic_solids():
    # Backus 1962: A = ⟨4μ(λ+μ)/(λ+2μ)⟩ + ⟨1/(λ+2μ)⟩⁻¹ ⟨λ/(λ+2μ)⟩², C = ⟨1/(λ+2μ)⟩⁻¹,
    # F = ⟨1/(λ+2μ)⟩⁻¹ ⟨λ/(λ+2μ)⟩, L = ⟨1/μ⟩⁻¹, M = ⟨μ⟩; layers normal to z.
    young, poisson, f = [70.0, 400.0], [0.35, 0.15], np.array([0.6, 0.4])
    lam = np.array([e * v / ((1 + v) * (1 - 2 * v)) for e, v in zip(young, poisson, strict=True)])
    mu = np.array([e / (2 * (1 + v)) for e, v in zip(young, poisson, strict=True)])
    p = lam + 2 * mu
    c33 = 1 / (f @ (1 / p))
    c13 = c33 * (f @ (lam / p))
    c11 = f @ (4 * mu * (lam + mu) / p) + c33 * (f @ (lam / p)) ** 2
    found = laminate(f, [isotropic(*m) for m in zip(young, poisson, strict=True)], [0, 0, 1])
    assert found[2, 2] == pytest.approx(c33)
    assert found[0, 2] == pytest.approx(c13)
    assert found[0, 0] == pytest.approx(c11)
    assert found[3, 3] == found[4, 4] == pytest.approx(1 / (f @ (1 / mu)))
    assert found[5, 5] == pytest.approx(f @ mu)
    assert found[0, 1] == pytest.approx(c11 - 2 * (f @ mu))


def test_plane_strain_is_the_block_of_the_solid():
    solid = np.stack([isotropic(70.0, 0.35), isotropic(400.0, 0.15)])
    block = np.ix_([0, 1, 5], [0, 1, 5])
    plane = laminate([0.6, 0.4], [c[block] for c in solid], [1, 2])
    assert np.allclose(plane, laminate([0.6, 0.4], solid, [1, 2, 0])[block], rtol=1e-12)


@pytest.mark.parametrize(("d", "size"), CASES)
def test_the_derivative_of_a_laminate(rng, d, size):
    # dC* = f Lᵀ dC L, against central differences.
    matrices, f, normal = spd(rng, size, 2), np.array([0.3, 0.7]), rng.normal(size=d)
    change = spd(rng, size)[0]
    step, both = 1e-5, []
    for sign in (1, -1):
        moved = matrices.copy()
        moved[1] += sign * step * change
        both.append(laminate(f, moved, normal))
    local = laminate_fields(f, matrices, normal)[1]
    expected = f[1] * local.T @ change @ local
    assert np.allclose((both[0] - both[1]) / (2 * step), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("d", "size"), CASES)
def test_a_void_layer_is_the_limit_of_a_weak_one(rng, d, size):
    stiff, normal, f = spd(rng, size)[0], rng.normal(size=d), [0.8, 0.2]
    void = laminate(f, [stiff, np.zeros((size, size))], normal)
    differences = [
        np.abs(laminate(f, [stiff, weak * np.eye(size)], normal) - void).max()
        for weak in (1e-3, 1e-4, 1e-5)
    ]
    assert differences[2] < 1e-3
    assert differences[0] > 5 * differences[1] > 25 * differences[2]
    assert np.allclose(jump_matrix(normal, size).T @ void, 0, atol=1e-10)  # no traction
    absent = laminate([1.0, 0.0], [stiff, np.zeros((size, size))], normal)
    assert np.allclose(absent, stiff, rtol=1e-10, atol=1e-11)


def test_laminate_broadcasts_over_samples(rng):
    matrices = spd(rng, 3, 10).reshape(5, 2, 3, 3)
    f = np.array([[x, 1 - x] for x in np.linspace(0, 1, 5)])
    stacked = laminate(f, matrices, [1, 1])
    single = [laminate(*each, [1, 1]) for each in zip(f, matrices, strict=True)]
    assert np.allclose(stacked, single, rtol=1e-13)


# --- the plane ---


@given(
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    st.floats(0.01, 100),
    st.floats(0, np.pi),
)
@settings(deadline=None, max_examples=50)
def test_swapped_laminates_of_any_rank_are_dual(weights, contrast, angle):
    def medium(first, second):
        inner = laminate(
            [weights[0] / 2, 1 - weights[0] / 2],
            [first * np.eye(2), second * np.eye(2)],
            [np.cos(angle), np.sin(angle)],
        )
        f = weights[1] / (weights[1] + weights[2])
        return laminate([f, 1 - f], [inner, first * np.eye(2)], [1, 0])

    found = swapped(medium(1.0, contrast), 1.0, contrast)
    assert np.allclose(found, medium(contrast, 1.0), rtol=1e-9, atol=1e-9)


def test_the_checkerboard_is_its_own_dual_and_inside_the_bounds():
    k = checkerboard([1.0, 2.0], [10.0, 3.0])
    assert np.allclose(k**2, [10.0, 6.0])
    assert np.allclose(swapped(k[0] * np.eye(2), 1.0, 10.0), k[0] * np.eye(2))
    bound = hashin_shtrikman_conductivity([0.5, 0.5], [1.0, 10.0], 2)
    assert bound.lower < k[0] < bound.upper


# --- dilute limits ---


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("inclusion", [0.0, 0.2, 1.0, 30.0])
def test_maxwell_has_the_dilute_slope_and_the_bound(d, inclusion):
    f = 1e-5
    dilute = dilute_conductivity(f, 2.0, inclusion, d)
    maxwell = maxwell_conductivity(f, 2.0, inclusion, d)
    assert dilute == pytest.approx(maxwell, rel=1e-8)
    side = 0 if inclusion > 2 else 1
    bound = hashin_shtrikman_conductivity([0.6, 0.4], [2.0, inclusion], d)[side]
    assert maxwell_conductivity(0.4, 2.0, inclusion, d) == pytest.approx(bound)
    assert maxwell_conductivity(1.0, 2.0, inclusion, d) == pytest.approx(inclusion)
    assert dilute_conductivity(0.0, 2.0, inclusion, d) == 2.0


def test_textbook_dilute_conductivities():
    slope = 1e6 * (dilute_conductivity(1e-6, 1.0, [0.0, 1e12], 2) - 1)
    assert np.allclose(slope, [-2, 2], rtol=1e-5)  # discs
    slope = 1e6 * (dilute_conductivity(1e-6, 1.0, [0.0, 1e12], 3) - 1)
    assert np.allclose(slope, [-1.5, 3], rtol=1e-5)  # spheres


def test_square_array_of_discs():
    # Maxwell for few discs, and Keller's duality at any fraction.
    for inclusion in (0.0, 0.1, 1.0, 40.0):
        f = 0.02
        change = maxwell_conductivity(f, 2.0, inclusion, 2) - 2.0
        assert square_array_conductivity(f, 2.0, inclusion) - 2.0 == pytest.approx(change, rel=1e-7)
    f = np.array([0.1, 0.4, 0.7])
    product = square_array_conductivity(f, 1.0, 30.0) * square_array_conductivity(f, 30.0, 1.0)
    assert np.allclose(product, 30.0, rtol=1e-12)


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("inclusion", [(0.0, 0.0), (0.3, 0.1), (40.0, 30.0)])
def test_mori_tanaka_has_the_dilute_slope_and_the_bound(d, inclusion):
    matrix, f = (2.0, 1.0), 1e-5
    pairs = zip(
        dilute_moduli(f, matrix, inclusion, d), mori_tanaka(f, matrix, inclusion, d), strict=True
    )
    for dilute, mean_field in pairs:
        assert dilute == pytest.approx(mean_field, rel=1e-8)
    side = 0 if inclusion[0] > matrix[0] else 1
    bulk, shear = zip(matrix, inclusion, strict=True)
    bound = hashin_shtrikman_moduli([0.6, 0.4], bulk, shear, d)
    found = mori_tanaka(0.4, matrix, inclusion, d)
    assert found.bulk == pytest.approx(bound.bulk[side])
    assert found.shear == pytest.approx(bound.shear[side])


@pytest.mark.parametrize("poisson", [0.0, 0.2, 0.33, 0.49])
def test_eshelby_spheres_as_printed(poisson):
    # Eshelby 1957: K*/K = 1 + f (K'−K)/(K + α(K'−K)), α = (1+ν)/(3(1−ν));
    # G*/G = 1 + f (G'−G)/(G + β(G'−G)), β = 2(4−5ν)/(15(1−ν)).
    bulk, shear = bulk_and_shear(100.0, poisson, "3-D")
    inner = (10.0, 300.0)
    alpha = (1 + poisson) / (3 * (1 - poisson))
    beta = 2 * (4 - 5 * poisson) / (15 * (1 - poisson))
    found = dilute_moduli(0.01, (bulk, shear), inner, 3)
    assert found.bulk == pytest.approx(
        bulk * (1 + 0.01 * (inner[0] - bulk) / (bulk + alpha * (inner[0] - bulk)))
    )
    assert found.shear == pytest.approx(
        shear * (1 + 0.01 * (inner[1] - shear) / (shear + beta * (inner[1] - shear)))
    )


def test_einsteins_viscosity_and_holes_in_a_sheet():
    # Rigid spheres in an incompressible matrix: 1 + 5/2 f (Einstein 1906); rigid discs: 1 + 2 f.
    for d, slope in ((3, 2.5), (2, 2.0)):
        found = dilute_moduli(1e-4, (1e9, 1.0), (1e12, 1e12), d).shear
        assert (found - 1) / 1e-4 == pytest.approx(slope, rel=1e-6)
    # Round holes cost a sheet three times their area fraction, whatever ν (plane stress).
    for poisson in (0.0, 0.3, 0.45):
        moduli = bulk_and_shear(1.0, poisson, "plane stress")
        bulk, shear = dilute_moduli(1e-7, moduli, (0.0, 0.0), 2)
        young = 4 * bulk * shear / (bulk + shear)
        assert (1 - young) / 1e-7 == pytest.approx(3.0, rel=1e-4)


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: laminate([0.5, 0.5], [np.eye(2)] * 2, [0, 0]), "normal"),
        (lambda: laminate([0.5, 0.5], [np.eye(2)] * 2, [1, np.nan]), "normal"),
        (lambda: laminate([0.5, 0.5], [np.eye(2)] * 2, [1, 0, 0]), "does not fit"),
        (lambda: laminate([0.5, 0.5], [np.eye(6)] * 2, [1, 0]), "does not fit"),
        (lambda: laminate([0.5, 0.4], [np.eye(2)] * 2, [1, 0]), "add up to one"),
        (lambda: laminate_fields([0.5, 0.5], [np.eye(2), np.zeros((2, 2))], [1, 0]), "void"),
        (lambda: checkerboard(-1.0, 2.0), "not negative"),
        (lambda: swapped(np.diag([1.0, -1.0]), 1.0, 2.0), "positive definite"),
        (lambda: swapped(np.eye(3), 1.0, 2.0), "not a tensor"),
        (lambda: dilute_conductivity(1.2, 1.0, 2.0, 2), "out of range"),
        (lambda: dilute_conductivity(np.nan, 1.0, 2.0, 2), "out of range"),
        (lambda: dilute_conductivity(0.1, 0.0, 2.0, 2), "no void"),
        (lambda: dilute_conductivity(0.1, 1.0, 2.0, 1), "two or three"),
        (lambda: mori_tanaka(0.1, (1.0, 0.0), (1.0, 1.0), 3), "no void"),
        (lambda: dilute_moduli(0.1, (1.0, 1.0), (np.inf, 1.0), 3), "finite"),
    ],
)
def test_bad_input_is_an_error(call, error):
    with pytest.raises(InputError, match=error):
        call()

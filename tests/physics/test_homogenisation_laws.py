"""The solver, held to laws that the discrete problem obeys exactly, whatever the resolution."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.seeds import generator
from iceframe.physics.bounds import bulk_and_shear, hashin_shtrikman_moduli, isotropised_moduli
from iceframe.physics.homogenisation import homogenize
from iceframe.physics.known_answers import (
    laminate,
    laminate_fields,
    maxwell_conductivity,
    mori_tanaka,
    swapped,
)
from iceframe.physics.properties import Conductivity, CubicElasticity, Elasticity

TIGHT = 1e-10
ODD_AND_EVEN = [(7, 9), (8, 6), (8, 9), (5, 7, 3), (6, 4, 8)]


def noise(shape: tuple[int, ...], phases: int = 2, seed: int = 0, n: int = 1) -> np.ndarray:
    """White noise of phases: the hardest thing that a grid can hold."""
    return generator(seed, "noise").integers(0, phases, size=(n, *shape))


def layers(shape: tuple[int, ...], axis: int, seed: int = 3) -> np.ndarray:
    """Random layers of three phases, normal to ``axis`` (0 = x, the last of the grid)."""
    length = shape[::-1][axis]
    line = np.concatenate([[0, 1, 2], generator(seed, "layers").integers(0, 3, length)])[:length]
    place = [1] * len(shape)
    place[len(shape) - 1 - axis] = length
    return np.broadcast_to(line.reshape(place), shape)[None].copy()


def fractions(phases: np.ndarray, k: int) -> np.ndarray:
    return np.bincount(phases.ravel(), minlength=k) / phases.size


def materials(contrast: float, dimension: int) -> list:
    """Three phases for conduction, and for elasticity with unequal Poisson ratios."""
    states = ["plane strain", "plane stress"] if dimension == 2 else ["plane strain"]
    return [
        Conductivity([1.0, contrast, 3.0]),
        *(Elasticity([1.0, contrast, 3.0], [0.1, 0.42, -0.2], state=s) for s in states),
    ]


def turned_stiffness(c: np.ndarray, r: np.ndarray) -> np.ndarray:
    """A Voigt stiffness or a conductivity in axes turned by ``r``, by way of the full tensor."""
    d = len(r)
    if len(c) == d:
        return r @ c @ r.T
    axes = [(0, 0), (1, 1), (0, 1)] if d == 2 else [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]
    full = np.zeros((d,) * 4)
    for p, (i, j) in enumerate(axes):
        for q, (k, m) in enumerate(axes):
            full[i, j, k, m] = full[j, i, k, m] = full[i, j, m, k] = full[j, i, m, k] = c[p, q]
    full = np.einsum("ai,bj,ck,dl,ijkl->abcd", r, r, r, r, full)
    return np.array([[full[i, j, k, m] for k, m in axes] for i, j in axes])


def assert_close(found: np.ndarray, expected: np.ndarray, relative: float) -> None:
    """Every component within ``relative`` of itself; zeros within that of the largest."""
    scale = np.where(
        np.abs(expected) > 1e-9 * np.abs(expected).max(), expected, np.abs(expected).max()
    )
    assert np.abs((found - expected) / scale).max() <= relative


# --- laminates along the axes ---


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("contrast", [2.0, 50.0, 1e4])
@pytest.mark.parametrize("shape", ODD_AND_EVEN, ids=str)
def test_aligned_laminates_are_exact(shape, contrast, precision):
    d = len(shape)
    for axis in range(d):
        phases = layers(shape, axis)
        f = fractions(phases, 3)
        for properties in materials(contrast, d):
            solved = homogenize(phases, properties, tolerance=TIGHT, precision=precision)
            assert solved.converged.all()
            expected = laminate(f, properties.matrices(d), np.eye(d)[axis])
            assert_close(solved.tensor[0], expected, 1e-8)


@pytest.mark.parametrize("shape", ODD_AND_EVEN, ids=str)
def test_aligned_laminates_of_crystals_are_exact(shape, rng):
    d = len(shape)
    quaternions = rng.normal(size=(3, 4))
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    tensors = [a @ a.T + np.eye(d) for a in 3 * rng.normal(size=(3, d, d))]
    crystal = CubicElasticity(168.4, 121.4, 75.4, orientations=quaternions)
    for axis in range(d):
        phases = layers(shape, axis)
        f = fractions(phases, 3)
        for properties in (Conductivity(tensors), crystal):
            solved = homogenize(phases, properties, tolerance=TIGHT)
            expected = laminate(f, properties.matrices(d), np.eye(d)[axis])
            assert_close(solved.tensor[0], expected, 1e-8)


@pytest.mark.parametrize("shape", [(5, 6), (4, 3, 5)], ids=str)
def test_fields_and_sensitivities_of_laminates_are_exact(shape):
    d = len(shape)
    phases = layers(shape, axis=1)
    f = fractions(phases, 3)
    for properties in materials(20.0, d):
        matrices = properties.matrices(d)
        solved = homogenize(phases, properties, tolerance=TIGHT, fields=True, sensitivities=True)
        local = laminate_fields(f, matrices, np.eye(d)[1])  # (k, component, load)
        gradients = np.moveaxis(local[phases[0]], (-2, -1), (1, 0))
        assert np.allclose(solved.gradients[0], gradients, rtol=1e-8, atol=1e-9)
        fluxes = np.moveaxis((matrices @ local)[phases[0]], (-2, -1), (1, 0))
        assert np.allclose(solved.fluxes[0], fluxes, rtol=1e-8, atol=1e-8)
        for pair, (a, b) in enumerate(solved.pairs):
            for q in (1, 2):
                change = np.einsum(
                    "kc,cd,kd->k", local[:, :, a], matrices[q] - matrices[0], local[:, :, b]
                )
                expected = change[phases[0]] / phases[0].size
                found = solved.sensitivities[0, pair, q - 1]
                assert np.allclose(found, expected, rtol=1e-8, atol=1e-10)


# --- exact relations of random media, on odd grids ---


@pytest.mark.parametrize("shape", [(9, 11), (15, 15), (8, 9)], ids=str)
@pytest.mark.parametrize("contrast", [3.0, 100.0, 1e4])
def test_keller_duality_is_exact_on_odd_grids(shape, contrast):
    phases = noise(shape)
    direct = homogenize(phases, Conductivity([1.0, contrast]), tolerance=TIGHT).tensor
    other = homogenize(phases, Conductivity([contrast, 1.0]), tolerance=TIGHT).tensor
    assert np.abs(swapped(direct, 1.0, contrast) - other).max() < 1e-8 * np.abs(other).max()


@pytest.mark.parametrize("shape", [(9, 11), (8, 9), (5, 7, 5), (5, 6, 7)], ids=str)
def test_one_shear_modulus_makes_any_arrangement_isotropic(shape):
    # Hill 1963, doi:10.1016/0022-5096(63)90036-X: then the effective moduli are known, for any
    # number of phases; the bounds meet there.
    d = len(shape)
    phases = noise(shape, phases=3)
    poisson = np.array([-0.3, 0.1, 0.45])
    young = 2 * (1 + poisson) * 1.7
    solved = homogenize(phases, Elasticity(young, poisson), tolerance=TIGHT).tensor[0]
    moduli = bulk_and_shear(young, poisson, "3-D" if d == 3 else "plane strain")
    exact = hashin_shtrikman_moduli(fractions(phases, 3), *moduli, d)
    found = isotropised_moduli(solved)
    assert found[0] == pytest.approx(exact.bulk.lower, rel=1e-9)
    assert found[1] == pytest.approx(1.7, rel=1e-9)
    c = np.diag([2.0 * 1.7] * d + [1.7] * (len(solved) - d))
    c[:d, :d] += found[0] - 2 * 1.7 / d
    assert np.abs(solved - c).max() < 1e-9 * np.abs(c).max()


@pytest.mark.parametrize("state", ["plane strain", "plane stress"])
def test_a_shift_of_the_plane_compliance_goes_through(state):
    # Cherkaev, Lurie & Milton, Proc. R. Soc. A 438 (1992) 519: 1/K + λ, 1/G − λ in every phase
    # shifts the effective compliance by the same form det σ, for any arrangement.
    phases = noise((11, 13), phases=3, seed=1)
    young, poisson = np.array([1.0, 60.0, 8.0]), np.array([0.1, 0.4, -0.2])
    bulk, shear = bulk_and_shear(young, poisson, state)
    here = homogenize(phases, Elasticity(young, poisson, state=state), tolerance=1e-11).tensor[0]
    shift = 0.02
    bulk, shear = 1 / (1 / bulk + shift), 1 / (1 / shear - shift)
    moved = Elasticity(
        4 * bulk * shear / (bulk + shear), (bulk - shear) / (bulk + shear), state="plane stress"
    )
    there = homogenize(phases, moved, tolerance=1e-11).tensor[0]
    form = np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 0, -1.0]])
    compliance = np.linalg.inv(here)
    change = np.linalg.inv(there) - compliance
    assert np.abs(change - shift * form).max() < 1e-9 * np.abs(compliance).max()


# --- frames ---


@pytest.mark.parametrize("shape", ODD_AND_EVEN, ids=str)
def test_a_cyclic_shift_leaves_the_tensor(shape):
    phases = noise(shape, phases=3)
    moved = np.roll(phases, (2, 3), axis=(1, 2))
    for properties in materials(30.0, len(shape)):
        here = homogenize(phases, properties, tolerance=TIGHT).tensor
        there = homogenize(moved, properties, tolerance=TIGHT).tensor
        assert np.abs(here - there).max() < 1e-9 * np.abs(here).max()


@pytest.mark.parametrize("shape", ODD_AND_EVEN, ids=str)
def test_turning_by_90_degrees_turns_the_tensor(shape):
    d = len(shape)
    phases = noise(shape, phases=3)
    for first in range(d):
        second = (first + 1) % d
        # The plane of directions (first, second); direction i is grid axis d − i after the batch.
        turned = np.rot90(phases, axes=(d - first, d - second))
        r = np.eye(d)
        r[[first, second]] = 0
        r[first, second], r[second, first] = -1, 1
        for properties in materials(30.0, d):
            here = homogenize(phases, properties, tolerance=TIGHT).tensor[0]
            there = homogenize(turned, properties, tolerance=TIGHT).tensor[0]
            assert np.abs(there - turned_stiffness(here, r)).max() < 1e-9 * np.abs(here).max()
            assert np.abs(there - here).max() > 1e-4 * np.abs(here).max()  # it is not isotropic


@pytest.mark.parametrize("shape", [(5, 7, 3), (6, 4, 8)], ids=str)
def test_exchanging_axes_exchanges_components(shape):
    phases = noise(shape, phases=3)
    exchanged = phases.transpose(0, 3, 2, 1)  # x and z
    voigt = [2, 1, 0, 5, 4, 3]
    for properties, order in zip(materials(30.0, 3), ([2, 1, 0], voigt), strict=True):
        here = homogenize(phases, properties, tolerance=TIGHT).tensor[0]
        there = homogenize(exchanged, properties, tolerance=TIGHT).tensor[0]
        assert np.abs(there - here[np.ix_(order, order)]).max() < 1e-9 * np.abs(here).max()


@pytest.mark.parametrize(("shape", "depth"), [((7, 9), 3), ((8, 6), 4), ((7, 9), 1), ((8, 6), 1)])
@pytest.mark.parametrize("along", ["x", "y", "z"])
def test_a_prism_has_the_tensor_of_its_section(shape, depth, along):
    section = noise(shape, phases=3)
    prism = np.broadcast_to(section[:, None], (1, depth, *shape))
    f = fractions(section, 3)
    conduction, elastic = materials(30.0, 3)
    plane = homogenize(section, conduction, tolerance=TIGHT).tensor[0]
    strain = homogenize(section, elastic, tolerance=TIGHT).tensor[0]
    # Along z as it is; else turn the axes cyclically: (x, y, z) of the section's prism go there.
    places, voigt = [0, 1, 2], [0, 1, 5]
    if along == "x":  # section in (y, z): grid axes (z, y, x) hold the section's (y, x), prism last
        prism, places, voigt = np.moveaxis(prism, 1, 3), [1, 2, 0], [1, 2, 3]
    elif along == "y":  # section in (x, z)
        prism, places, voigt = np.moveaxis(prism, 1, 2), [0, 2, 1], [0, 2, 4]
    solid = homogenize(prism, conduction, tolerance=TIGHT).tensor[0]
    expected = np.zeros((3, 3))
    expected[:2, :2] = plane
    expected[2, 2] = f @ conduction.values  # in parallel along the prism
    assert np.abs(solid[np.ix_(places, places)] - expected).max() < 1e-8 * expected.max()
    stiff = homogenize(prism, elastic, tolerance=TIGHT).tensor[0]
    assert np.abs(stiff[np.ix_(voigt, voigt)] - strain).max() < 1e-8 * strain.max()


@pytest.mark.parametrize("shape", ODD_AND_EVEN, ids=str)
def test_a_period_repeated_has_the_same_tensor(shape):
    # The larger grid has modes, also invisible ones, that the cell has not: none may be excited.
    phases = noise(shape, phases=3)
    for properties in materials(30.0, len(shape)):
        once = homogenize(phases, properties, tolerance=TIGHT).tensor[0]
        twice = np.concatenate([phases, phases], axis=1)
        assert np.abs(homogenize(twice, properties, tolerance=TIGHT).tensor[0] - once).max() < (
            1e-8 * once.max()
        )


# --- scales, symmetry, homogeneity ---


@pytest.mark.parametrize("shape", ODD_AND_EVEN, ids=str)
@pytest.mark.parametrize("factor", [1e-9, 7.0, 1e11])
def test_scaled_moduli_scale_the_tensor(shape, factor):
    d = len(shape)
    phases = noise(shape, phases=2)
    for small, large in (
        (Conductivity([1.0, 9.0]), Conductivity([factor, 9 * factor])),
        (Elasticity([1.0, 9.0], [0.1, 0.3]), Elasticity([factor, 9 * factor], [0.1, 0.3])),
    ):
        a = homogenize(phases, small, tolerance=TIGHT)
        b = homogenize(phases, large, tolerance=TIGHT)
        assert b.converged.all()
        assert np.abs(b.tensor / factor - a.tensor).max() < 1e-9 * np.abs(a.tensor).max()
        assert np.array_equal(b.tensor, b.tensor.swapaxes(1, 2))
        assert (np.linalg.eigvalsh(b.tensor) > 0).all()
        assert a.tensor.shape[-1] == len(small.matrices(d)[0])


@pytest.mark.parametrize("shape", ODD_AND_EVEN, ids=str)
def test_a_homogeneous_medium_is_itself_at_once(shape):
    d = len(shape)
    for properties in materials(30.0, d):
        for phase in range(3):
            solved = homogenize(np.full((1, *shape), phase), properties)
            expected = properties.matrices(d)[phase]
            assert solved.iterations[0] <= 1
            assert np.abs(solved.tensor[0] - expected).max() < 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("shape", ODD_AND_EVEN, ids=str)
def test_more_stiffness_anywhere_is_more_stiffness(shape):
    # The minimum of the energy rises with every coefficient, in the sense of Loewner.
    phases = noise(shape, phases=2)
    more = phases.copy()
    more[(0, *[1] * len(shape))] = 2
    for weak, strong in (
        (Conductivity([1.0, 9.0, 1.0]), Conductivity([1.0, 9.0, 20.0])),
        (
            Elasticity([1.0, 9.0, 1.0], [0.1, 0.3, 0.1]),
            Elasticity([1.0, 9.0, 20.0], [0.1, 0.3, 0.3]),
        ),
    ):
        before = homogenize(phases, weak, tolerance=TIGHT).tensor[0]
        after = homogenize(more, strong, tolerance=TIGHT).tensor[0]
        values = np.linalg.eigvalsh(after - before)
        assert values[0] > -1e-9
        assert values[-1] > 1e-4


# --- one voxel ---


@pytest.mark.parametrize("shape", [(9, 9), (15, 15), (5, 5, 5), (9, 9, 9)], ids=str)
@pytest.mark.parametrize("contrast", [0.0, 0.1, 10.0, 1e4])
def test_one_voxel_is_maxwells_and_eshelbys_inclusion(shape, contrast):
    # The Green operator at the voxel itself, summed over the directions of an odd cube of
    # frequencies, is the isotropic one but for the mean: Maxwell's formula at f = 1/N, not near it.
    d, phases = len(shape), np.zeros((1, *shape), int)
    phases[(0, *[1] * d)] = 1
    f = 1 / phases.size
    found = homogenize(phases, Conductivity([1.0, contrast]), tolerance=TIGHT).tensor[0]
    exact = maxwell_conductivity(f, 1.0, contrast, d) - 1
    assert np.abs(found - np.eye(d) * (1 + exact)).max() < 1e-6 * abs(exact)

    young, poisson = [1.0, contrast], [0.3, 0.1]
    bulk, shear = bulk_and_shear(young, poisson, "3-D" if d == 3 else "plane strain")
    found = homogenize(phases, Elasticity(young, poisson), tolerance=TIGHT).tensor[0]
    exact = mori_tanaka(f, (bulk[0], shear[0]), (bulk[1], shear[1]), d)
    change = isotropised_moduli(found)[0] - bulk[0]
    assert change == pytest.approx(exact.bulk - bulk[0], rel=1e-6)

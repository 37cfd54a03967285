"""The solver against continuum answers: observed orders of convergence, measured and printed.

Smooth fields converge with the second order. Sharp interfaces that cut through voxels converge with
the first, since a voxel belongs to one phase or the other; where phases meet in corners the field
is singular and the order falls with the contrast.
"""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.physics.bounds import bulk_and_shear, isotropised_moduli
from iceframe.physics.generator import generate
from iceframe.physics.homogenisation import homogenize
from iceframe.physics.known_answers import (
    checkerboard,
    dilute_conductivity,
    dilute_moduli,
    laminate,
    maxwell_conductivity,
    mori_tanaka,
    square_array_conductivity,
    swapped,
)
from iceframe.physics.properties import Conductivity, Elasticity

CONDUCTION = Conductivity([1.0, 10.0])
STRAIN = Elasticity([1.0, 10.0], [0.35, 0.15])
STRESS = Elasticity([1.0, 10.0], [0.35, 0.15], state="plane stress")


def phase_of_the_wave(shape: tuple[int, ...], direction: tuple[int, ...]) -> np.ndarray:
    """``Σ pᵢ xᵢ / Lᵢ`` at the centres of voxels, for a lattice direction ``p`` (x first)."""
    axes = [(np.arange(n) + 0.5) / n for n in shape]
    grids = np.meshgrid(*axes, indexing="ij")[::-1]
    return sum(p * g for p, g in zip(direction, grids, strict=True))


def profile(t: np.ndarray) -> np.ndarray:
    """A smooth weight of period one, between 0.03 and 0.4."""
    return np.exp(1.2 * np.sin(2 * np.pi * t) + 0.5 * np.cos(4 * np.pi * t)) / 6


def smooth_error(properties, direction: tuple[int, ...], side: int) -> float:
    d = len(direction)
    w = profile(phase_of_the_wave((side,) * d, direction))
    solved = homogenize(np.stack([1 - w, w])[None], properties, tolerance=1e-8)
    assert solved.converged.all()
    # The mean of a smooth periodic function over equal steps is exact to rounding.
    layers = 512
    local = profile((np.arange(layers) + 0.5) / layers)[:, None, None]
    first, second = properties.matrices(d)
    exact = laminate(
        np.full(layers, 1 / layers), first + local * (second - first), np.array(direction, float)
    )
    return np.abs(solved.tensor[0] - exact).max() / np.abs(exact).max()


def sharp_error(properties, direction: tuple[int, ...], side: int) -> float:
    """Against layers of the fractions that the voxels have."""
    d = len(direction)
    phases = (phase_of_the_wave((side,) * d, direction) % 1 < 0.4).astype(int)[None]
    f = phases.mean()
    exact = laminate([1 - f, f], properties.matrices(d), np.array(direction, float))
    solved = homogenize(phases, properties)
    return np.abs(solved.tensor[0] - exact).max() / np.abs(exact).max()


def ball(side: int, fraction: float, d: int) -> np.ndarray:
    """One disc or sphere at the middle of a cell."""
    r = np.linalg.norm(np.indices((side,) * d) + 0.5 - side / 2, axis=0)
    volume = {2: np.pi, 3: 4 * np.pi / 3}[d]
    return (r < side * (fraction / volume) ** (1 / d)).astype(int)[None]


def orders(sides: list[int], errors: list[float]) -> np.ndarray:
    return np.log(np.divide(errors[:-1], errors[1:])) / np.log(np.divide(sides[1:], sides[:-1]))


def report(what: str, sides: list[int], errors: list[float]) -> None:
    error = ", ".join(f"{e:.2e}" for e in errors)
    print(f"{what}: sides {sides}, errors {error}, orders {orders(sides, errors).round(2)}")


# --- smooth fields: second order ---


@pytest.mark.parametrize("properties", [CONDUCTION, STRAIN, STRESS], ids=["k", "strain", "stress"])
@pytest.mark.parametrize("sides", [[15, 31, 63, 127], [16, 32, 64, 128]], ids=["odd", "even"])
@pytest.mark.parametrize("direction", [(1, 2), (2, -1)], ids=str)
def test_smooth_oblique_laminates_converge_with_the_second_order(properties, sides, direction):
    errors = [smooth_error(properties, direction, side) for side in sides]
    report(f"smooth {direction}", sides, errors)
    assert orders(sides, errors).min() >= 1.8
    assert errors[-1] < 2e-4


@pytest.mark.parametrize("properties", [CONDUCTION, STRAIN], ids=["k", "strain"])
@pytest.mark.parametrize("sides", [[9, 13, 17, 25], [12, 16, 20, 24]], ids=["odd", "even"])
def test_smooth_oblique_laminates_in_three_dimensions(properties, sides):
    # So coarse a grid is not yet asymptotic: the order is that of the whole, not of each step.
    errors = [smooth_error(properties, (1, 1, 2), side) for side in sides]
    report("smooth (1, 1, 2)", sides, errors)
    assert -np.polyfit(np.log(sides), np.log(errors), 1)[0] >= 1.8
    assert np.all(np.diff(errors) < 0)


# --- sharp interfaces: first order ---


@pytest.mark.parametrize("properties", [CONDUCTION, STRAIN], ids=["k", "strain"])
@pytest.mark.parametrize("sides", [[15, 31, 63, 127], [20, 40, 80, 160]], ids=["odd", "even"])
def test_sharp_oblique_laminates_converge(properties, sides):
    errors = [sharp_error(properties, (1, 2), side) for side in sides]
    report("sharp (1, 2)", sides, errors)
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] < 0.15 * errors[0]


@pytest.mark.parametrize("contrast", [0.01, 10.0, 100.0])
@pytest.mark.parametrize(
    "sides", [[17, 33, 65, 129, 257], [16, 32, 64, 128, 256]], ids=["odd", "even"]
)
def test_a_square_array_of_discs_converges(contrast, sides):
    errors = []
    for side in sides:
        phases = ball(side, 0.3, 2)
        exact = square_array_conductivity(phases.mean(), 1.0, contrast)
        k = homogenize(phases, Conductivity([1.0, contrast])).tensor[0]
        assert k[0, 0] == pytest.approx(k[1, 1], rel=1e-6)
        assert abs(k[0, 1]) < 1e-6
        errors.append(abs(k[0, 0] / exact - 1))
    report(f"disc, contrast {contrast:g}", sides, errors)
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] < 0.002


@pytest.mark.parametrize(("contrast", "last"), [(2.0, 2e-5), (10.0, 3e-4), (100.0, 0.12)])
def test_the_checkerboard_tends_to_the_geometric_mean(contrast, last):
    sides, errors = [16, 32, 64, 128, 256], []
    for side in sides:
        board = (np.indices((side, side)) // (side // 2)).sum(axis=0) % 2
        k = homogenize(board[None], Conductivity([1.0, contrast])).tensor[0]
        assert k[0, 0] == pytest.approx(k[1, 1], rel=1e-6)
        errors.append(abs(k[0, 0] / checkerboard(1.0, contrast) - 1))
    report(f"checkerboard, contrast {contrast:g}", sides, errors)
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] < last


# --- duality on even grids ---


def duality_error(phases: np.ndarray, contrast: float) -> float:
    direct = homogenize(phases, Conductivity([1.0, contrast]), tolerance=1e-7)
    other = homogenize(phases, Conductivity([contrast, 1.0]), tolerance=1e-7)
    assert direct.converged.all()
    assert other.converged.all()
    found = swapped(direct.tensor, 1.0, contrast)
    return np.abs(found - other.tensor).max() / np.abs(other.tensor).max()


@pytest.mark.slow
@pytest.mark.parametrize("contrast", [10.0, 100.0])
def test_keller_duality_at_512(contrast):
    # Structures of two voxels' length are as hard as they come: much of them is near the Nyquist
    # modes. A single image's error scatters; the mean over several falls.
    sides, errors = [64, 128, 256, 512], []
    for side in sides:
        phases = generate("random_field", 1024 // side, (side, side), length=2.0, seed=3).phases
        errors.append(np.mean([duality_error(image[None], contrast) for image in phases]))
    report(f"duality, contrast {contrast:g}", sides, errors)
    assert errors[-1] < 0.01
    assert errors[-1] < errors[0]


@pytest.mark.parametrize("length", [0.05, 0.1])
def test_keller_duality_of_a_refined_image(length):
    sides, errors = [32, 64, 128, 256], []
    for side in sides:
        phases = generate("random_field", 1, (side, side), length=length * side, seed=3).phases
        errors.append(duality_error(phases, 10.0))
    report(f"duality, length {length}", sides, errors)
    assert errors[-1] < 1e-4
    assert errors[-1] < errors[0]


# --- dilute limits ---


@pytest.mark.parametrize(("d", "sides"), [(2, [32, 64, 128, 256]), (3, [16, 24, 32, 48])])
@pytest.mark.parametrize("contrast", [0.0, 0.01, 100.0])
def test_few_discs_and_spheres_conduct_as_maxwell_says(d, sides, contrast):
    errors = []
    for side in sides:
        phases = ball(side, 0.02, d)
        f = phases.mean()
        k = homogenize(phases, Conductivity([1.0, contrast])).tensor[0, 0, 0]
        errors.append(abs((k - 1) / (maxwell_conductivity(f, 1.0, contrast, d) - 1) - 1))
        slope = (k - 1) / (dilute_conductivity(f, 1.0, contrast, d) - 1)
    report(f"{d}-D dilute conduction, contrast {contrast:g}", sides, errors)
    print(f"  slope over Maxwell's: {slope:.4f}")
    assert errors[-1] < 0.6 * errors[0]
    assert slope == pytest.approx(1, abs=0.04 if d == 2 else 0.08)


@pytest.mark.parametrize(("d", "sides"), [(2, [32, 64, 128]), (3, [10, 16, 32])])
@pytest.mark.parametrize("young", [0.0, 0.01, 100.0])
def test_few_discs_and_spheres_stiffen_as_eshelby_says(d, sides, young):
    properties = Elasticity([1.0, young], [0.3, 0.2])
    bulk, shear = bulk_and_shear(
        properties.young, properties.poisson, "3-D" if d == 3 else "plane strain"
    )
    matrix, inclusion = (bulk[0], shear[0]), (bulk[1], shear[1])
    errors = []
    for side in sides:
        phases = ball(side, 0.03, d)
        f = phases.mean()
        found = isotropised_moduli(homogenize(phases, properties).tensor[0])
        # The mean of the tensor over directions has the moduli of a random mixture, up to f².
        errors.append(
            max(
                abs((m - m1) / (estimate - m1) - 1)
                for m, m1, estimate in zip(
                    found, matrix, mori_tanaka(f, matrix, inclusion, d), strict=True
                )
            )
        )
        dilute = dilute_moduli(f, matrix, inclusion, d)
        slopes = [(m - m1) / (e - m1) for m, m1, e in zip(found, matrix, dilute, strict=True)]
    report(f"{d}-D dilute elasticity, E = {young:g}", sides, errors)
    print(f"  slopes over Eshelby's, bulk and shear: {np.round(slopes, 4)}")
    assert errors[-1] < 0.7 * errors[0]
    assert slopes == pytest.approx([1, 1], abs=0.07 if d == 2 else 0.14)

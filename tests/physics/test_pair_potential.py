"""Morse's potential: forces are slopes, nothing pulls itself, and the cutoff is smooth."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.physics.pair_potential import METALS, PairPotential

ALLOY = PairPotential({z: METALS[z] for z in (13, 28)}, mixing=1.2)


def cluster(rng, n: int = 7):
    """Atoms about 2.7 Å apart, all pairs of them."""
    corners = np.array(np.meshgrid(range(2), range(2), range(2))).reshape(3, -1).T[:n]
    positions = 2.7 * corners + 0.2 * rng.normal(size=(n, 3))
    centre, neighbour = np.nonzero(~np.eye(n, dtype=bool))
    return positions, rng.choice([13, 28], size=n), centre, neighbour


def answer(positions, numbers, centre, neighbour, potential=ALLOY):
    vectors = positions[neighbour] - positions[centre]
    owners = np.zeros(len(numbers), int)
    return potential(numbers, owners, 1, centre, neighbour, vectors)


def test_forces_are_finite_differences_of_the_energy(rng) -> None:
    positions, *rest = cluster(rng)
    forces = answer(positions, *rest).forces
    step = 1e-5
    for site in range(len(positions)):
        for axis in range(3):
            ends = []
            for sign in (1, -1):
                moved = positions.copy()
                moved[site, axis] += sign * step
                ends.append(answer(moved, *rest).energies[0])
            assert forces[site, axis] == pytest.approx(-(ends[0] - ends[1]) / (2 * step), abs=1e-7)


def test_forces_and_torques_add_to_nothing(rng) -> None:
    positions, *rest = cluster(rng)
    forces = answer(positions, *rest).forces
    assert np.abs(forces).max() > 0.1
    assert np.abs(forces.sum(axis=0)).max() < 1e-12
    assert np.abs(np.cross(positions, forces).sum(axis=0)).max() < 1e-12


def test_a_perfect_lattice_is_still_and_a_repeated_cell_has_twice_the_energy() -> None:
    """Simple cubic nickel with the images of one site, and with those of two."""
    shifts = np.array(np.meshgrid(*[range(-2, 3)] * 3)).reshape(3, -1).T * 2.6
    shifts = shifts[np.abs(shifts).sum(axis=1) > 0]
    one = np.zeros(len(shifts), int)
    single = ALLOY(np.array([28]), np.array([0]), 1, one, one, shifts)
    assert np.abs(single.forces).max() < 1e-12
    even = (np.rint(shifts[:, 0] / 2.6) % 2 == 0).astype(int)
    centre = np.concatenate([one, one + 1])
    neighbour = np.concatenate([1 - even, even])
    double = ALLOY(np.array([28, 28]), np.array([0, 0]), 1, centre, neighbour,
                   np.concatenate([shifts, shifts]))  # fmt: skip
    assert double.energies[0] == pytest.approx(2 * single.energies[0])


def test_energies_fall_to_zero_at_the_cutoff_without_a_corner() -> None:
    d = np.linspace(3.9, 5.1, 2401)
    vectors = d[:, None] * [[1.0, 0, 0]]
    n = np.arange(len(d))
    numbers = np.tile([13, 28], len(d))
    found = ALLOY(numbers, np.repeat(n, 2), len(d), 2 * n, 2 * n + 1, vectors)
    assert np.abs(found.energies[d >= 5]).max() == 0
    slope = np.gradient(found.energies, d)
    assert np.allclose(found.forces[::2, 0] / 2, slope, atol=1e-4)  # one of the two ordered pairs
    assert np.abs(np.diff(slope)).max() < 1e-3


def test_unlike_atoms_hold_each_other_by_the_mixing_factor() -> None:
    pair = np.array([0]), np.array([1])
    distance = (METALS[13].distance + METALS[28].distance) / 2
    found = ALLOY(np.array([13, 28]), np.zeros(2, int), 1, *pair, np.array([[distance, 0, 0]]))
    depth = 1.2 * np.sqrt(METALS[13].depth * METALS[28].depth)
    assert found.energies[0] == pytest.approx(-depth / 2)


def test_an_unknown_element_is_named() -> None:
    with pytest.raises(InputError, match="atomic number 92"):
        ALLOY(np.array([92]), np.array([0]), 1, np.array([0]), np.array([0]), np.ones((1, 3)))

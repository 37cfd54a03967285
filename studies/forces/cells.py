"""Small disordered crystals of nickel and aluminium, with exact energies and forces.

Cells are face-centred cubic (4 sites) or two or four body-centred ones; sites are occupied at
random in a random share, cells have about the volume of the mixture, are strained by some per cent
in all six components, and sites are moved by up to 0.2 Å (one standard deviation, drawn a cell).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.core.seeds import generator
from iceframe.physics.neighbours import neighbour_list
from iceframe.physics.pair_potential import METALS, PairPotential

NICKEL, ALUMINIUM = 28, 13
VOLUMES = {NICKEL: 10.9, ALUMINIUM: 16.6}
"""Å³ an atom, of the metals."""

STRAIN = 0.03
RATTLE = 0.2
TEST_SEED = 1000
POTENTIAL = PairPotential({z: METALS[z] for z in (NICKEL, ALUMINIUM)}, mixing=1.2)

_FCC = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
_BCC = np.array([[0, 0, 0], [0.5, 0.5, 0.5]])


def _repeated(sites: np.ndarray, times: tuple[int, int, int]) -> np.ndarray:
    shifts = np.array(np.meshgrid(*map(range, times), indexing="ij")).reshape(3, -1).T
    return ((sites[None] + shifts[:, None]) / times).reshape(-1, 3)


# Shape of the cell in units of the cubic lattice constant, and the sites' coordinates.
KINDS = (
    (np.diag([1.0, 1, 1]), _FCC),
    (np.diag([2.0, 1, 1]), _repeated(_BCC, (2, 1, 1))),
    (np.diag([2.0, 2, 1]), _repeated(_BCC, (2, 2, 1))),
)


def cells(n: int, seed: int) -> Crystals:
    """``n`` crystals; the first of a larger number are the same."""
    made = [_cell(generator(seed, "cell", i)) for i in range(n)]
    sizes = [len(numbers) for _, numbers, _ in made]
    return Crystals(
        np.array([lattice for lattice, _, _ in made]),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([numbers for _, numbers, _ in made]),
        np.concatenate([fractional for _, _, fractional in made]),
        tuple(f"seed {seed}, cell {i}" for i in range(n)),
    )


def _cell(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    shape, sites = KINDS[rng.integers(len(KINDS))]
    numbers = np.where(rng.random(len(sites)) < rng.random(), NICKEL, ALUMINIUM)
    volume = sum(VOLUMES[int(z)] for z in numbers)
    constant = (volume / np.linalg.det(shape)) ** (1 / 3)
    strain = STRAIN * rng.normal(size=(3, 3))
    lattice = constant * shape @ (np.eye(3) + (strain + strain.T) / 2)
    moved = rng.uniform(0, RATTLE) * rng.normal(size=sites.shape)
    return lattice, numbers.astype(np.int64), sites + moved @ np.linalg.inv(lattice)


@cache
def exact(n: int, seed: int) -> tuple[Crystals, np.ndarray, np.ndarray]:
    """Crystals, energies an atom in eV ``(n,)`` and forces in eV/Å ``(m, 3)``."""
    crystals = cells(n, seed)
    pairs = neighbour_list(crystals, POTENTIAL.cutoff)
    found = POTENTIAL(
        crystals.numbers, crystals.owners, n, pairs.centre, pairs.neighbour, pairs.vector
    )
    return crystals, found.energies / crystals.sizes, found.forces

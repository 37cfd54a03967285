"""Crystals with known answers, and the ways to draw one crystal differently."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from iceframe.core.crystals import Crystals

FCC = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]


def crystal(lattice: np.ndarray, numbers: list[int], fractional: np.ndarray | list) -> Crystals:
    """One crystal."""
    return Crystals(
        np.asarray(lattice, float).reshape(1, 3, 3),
        np.array([0, len(numbers)]),
        np.asarray(numbers, np.int64),
        np.asarray(fractional, float).reshape(-1, 3),
        ("crystal",),
    )


def cubic(edge: float, numbers: list[int], fractional: np.ndarray | list) -> Crystals:
    return crystal(edge * np.eye(3), numbers, fractional)


def hexagonal(a: float, c: float, numbers: list[int], fractional: np.ndarray | list) -> Crystals:
    lattice = [[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]]
    return crystal(np.array(lattice), numbers, fractional)


def copper() -> Crystals:
    return cubic(3.6149, [29] * 4, FCC)


def iron() -> Crystals:
    return cubic(2.8665, [26] * 2, [[0, 0, 0], [0.5, 0.5, 0.5]])


def silicon() -> Crystals:
    return cubic(5.4310, [14] * 8, [*FCC, *np.add(FCC, 0.25)])


def magnesium() -> Crystals:
    """Hexagonal close packing, c/a nearly ideal."""
    return hexagonal(3.2094, 5.2105, [12] * 2, [[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]])


def salt() -> Crystals:
    """Rock salt NaCl."""
    return cubic(5.6402, [11] * 4 + [17] * 4, [*FCC, *np.add(FCC, [0.5, 0, 0])])


def titanate() -> Crystals:
    """The perovskite SrTiO3."""
    sites = [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return cubic(3.905, [38, 22, 8, 8, 8], sites)


def zincblende() -> Crystals:
    """GaAs: polar bonds without a polar axis, and no centre of inversion."""
    return cubic(5.6533, [31] * 4 + [33] * 4, [*FCC, *np.add(FCC, 0.25)])


def wurtzite() -> Crystals:
    """ZnO, which has a polar axis."""
    u = 0.3819
    sites = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, u], [2 / 3, 1 / 3, 0.5 + u]]
    return hexagonal(3.2494, 5.2038, [30, 30, 8, 8], sites)


def quartz() -> Crystals:
    """α-SiO2, space group 152 (P3_1 21): chiral. Silicon has four oxygens at 1.60 to 1.61 Å."""
    from pymatgen.core import Lattice, Structure

    from iceframe.ingest.crystals import pack

    sites = [[0.4697, 0, 1 / 3], [0.4135, 0.2669, 0.2142]]
    lattice = Lattice.hexagonal(4.9134, 5.4052)
    return pack([Structure.from_spacegroup("P3_121", lattice, ["Si", "O"], sites)], ["quartz"])


def together(crystals: list[Crystals]) -> Crystals:
    """Several in one."""
    sizes = np.concatenate([c.sizes for c in crystals])
    return Crystals(
        np.concatenate([c.lattices for c in crystals]),
        np.concatenate([[0], np.cumsum(sizes)]),
        np.concatenate([c.numbers for c in crystals]),
        np.concatenate([c.fractional for c in crystals]),
        tuple(f"crystal {i}" for i in range(len(sizes))),
    )


def random_crystal(
    seed: int, *, most: int = 20, scale: float = 4.0, elements: tuple[int, ...] = (8, 22, 38)
) -> Crystals:
    """A triclinic cell with up to ``most`` sites anywhere, also outside of the cell."""
    rng = np.random.default_rng(seed)
    while True:
        lattice = rng.normal(size=(3, 3)) * scale
        if abs(np.linalg.det(lattice)) > 0.1 * scale**3:
            break
    n = int(rng.integers(1, most + 1))
    return crystal(lattice, rng.choice(elements, n).tolist(), rng.uniform(-1.5, 1.5, (n, 3)))


seeds = st.integers(0, 2**31 - 1)


# ------------------------------------------------------------------ one crystal, drawn differently


def supercell(held: Crystals, times: np.ndarray) -> Crystals:
    """The cell ``times @ lattice``, whole numbers ``(3, 3)``, with all the sites that it holds."""
    times = np.asarray(times, int)
    reach = np.abs(times).sum()
    shifts = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), -1)
    back = np.linalg.inv(times)
    inside = shifts.reshape(-1, 3) @ back
    inside = inside[((inside > -1e-9) & (inside < 1 - 1e-9)).all(axis=1)]
    assert len(inside) == round(abs(np.linalg.det(times)))
    sites = (held.fractional @ back)[:, None] + inside
    numbers = np.repeat(held.numbers, len(inside))
    return crystal(times @ held.lattices[0], numbers.tolist(), sites.reshape(-1, 3))


def redrawn(held: Crystals, seed: int) -> Crystals:
    """The same lattice by other vectors: whole-number shears, and an exchange of axes."""
    rng = np.random.default_rng(seed)
    change = np.eye(3, dtype=int)[rng.permutation(3)]
    for _ in range(3):
        a, b = rng.choice(3, 2, replace=False)
        change[a] += int(rng.integers(-2, 3)) * change[b]
    return supercell(held, change)


def turned(held: Crystals, seed: int) -> Crystals:
    turn = Rotation.random(random_state=seed).as_matrix()
    return crystal(held.lattices[0] @ turn, held.numbers.tolist(), held.fractional)


def moved(held: Crystals, seed: int) -> Crystals:
    """All sites by one vector, and each by whole lattice vectors of its own."""
    rng = np.random.default_rng(seed)
    by = rng.uniform(-1, 1, 3) + rng.integers(-2, 3, held.fractional.shape)
    return crystal(held.lattices[0], held.numbers.tolist(), held.fractional + by)


def permuted(held: Crystals, seed: int) -> Crystals:
    order = np.random.default_rng(seed).permutation(len(held.numbers))
    return crystal(held.lattices[0], held.numbers[order].tolist(), held.fractional[order])


DRAWINGS = {
    "supercell": lambda c, seed: supercell(c, np.diag([1 + seed % 2, 2, 1])),
    "skewed supercell": lambda c, seed: supercell(c, np.array([[1, 1, 0], [-1, 1, 0], [0, 1, 1]])),
    "other vectors": redrawn,
    "rotation": turned,
    "translation": moved,
    "order of sites": permuted,
}
"""What must leave a description of the crystal as it is."""

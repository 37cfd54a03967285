"""Neighbour lists and crystal graphs against pymatgen: same crystals, same run, one core.

    OMP_NUM_THREADS=1 python benchmarks/crystal_graphs.py [--number 1000]

Random perovskites (5 sites, cubic cells of 3.8 to 4.5 Å, sites off their places) and triclinic
cells of 1 to 20 sites at the same density, within 8 Å; graphs of the 12 nearest neighbours, as Xie
and Grossman (2018) build them.

- pymatgen's lists: ``Structure.get_neighbor_list`` (compiled C, arrays) and
  ``Structure.get_all_neighbors`` (objects). Its graphs: ``get_all_neighbors``, sorted and cut at
  12, the way that CGCNN's own reader takes. The structures are made before the clock starts.
- Whether the lists are equal: the same (i, j, image) and distances within 1e-8 Å.
- Seconds for all the crystal descriptors are printed beside.

Times are those of the processor; the fastest of ``--repeats`` counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from iceframe.core.crystals import Crystals
from iceframe.core.dataset import Dataset
from iceframe.ingest.crystals import structures
from iceframe.physics.neighbours import nearest_neighbours, neighbour_list
from iceframe.scale.descriptor import DESCRIPTORS

CUTOFF, NEAREST = 8.0, 12
DESCRIBED = ("symmetry", "packing", "coordination", "radial_distribution")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    for name, made in (("perovskites", perovskites), ("triclinic cells", triclinic)):
        crystals = made(asked.number, rng)
        print(f"\n{asked.number} {name}, {len(crystals.numbers)} sites")
        compare(crystals, asked.repeats)
    describe(perovskites(asked.number, rng))


def perovskites(number: int, rng: np.random.Generator) -> Crystals:
    """Cubic cells of random elements, sites moved by some hundredths of the edge."""
    sites = np.array([[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    edges = rng.uniform(3.8, 4.5, number)
    metals = rng.integers(19, 84, (number, 2))
    numbers = np.hstack([metals, rng.choice([7, 8, 9, 16], (number, 3))])
    moved = sites + rng.normal(size=(number, 5, 3)) * 0.02
    return packed(edges[:, None, None] * np.eye(3), numbers.tolist(), list(moved))


def triclinic(number: int, rng: np.random.Generator) -> Crystals:
    """Cells of any shape with 13 Å³ a site."""
    lattices, numbers, sites = [], [], []
    while len(lattices) < number:
        lattice, n = rng.normal(size=(3, 3)), int(rng.integers(1, 21))
        volume = abs(np.linalg.det(lattice))
        if volume < 0.3:
            continue
        lattices.append(lattice * np.cbrt(13 * n / volume))
        numbers.append(rng.integers(3, 84, n).tolist())
        sites.append(rng.random((n, 3)))
    return packed(np.array(lattices), numbers, sites)


def packed(lattices: np.ndarray, numbers: list[list[int]], sites: list[np.ndarray]) -> Crystals:
    offsets = np.concatenate([[0], np.cumsum([len(n) for n in numbers])])
    names = tuple(str(i) for i in range(len(numbers)))
    return Crystals(lattices, offsets, np.concatenate(numbers), np.concatenate(sites), names)


def compare(crystals: Crystals, repeats: int) -> None:
    """Rates, ratios, and whether the lists are equal."""
    held = structures(crystals)
    ours = {
        "list": lambda: neighbour_list(crystals, CUTOFF),
        "graph": lambda: nearest_neighbours(crystals, NEAREST, CUTOFF),
    }
    theirs = {
        "get_neighbor_list": lambda: [s.get_neighbor_list(CUTOFF) for s in held],
        "get_all_neighbors": lambda: [s.get_all_neighbors(CUTOFF) for s in held[::10]],
        "get_all_neighbors, cut": lambda: [cut(s.get_all_neighbors(CUTOFF)) for s in held[::10]],
    }
    rate = {name: len(crystals) / fastest(call, repeats) for name, call in ours.items()}
    for name, call in theirs.items():
        number = len(held) if name == "get_neighbor_list" else len(held[::10])
        rate[name] = number / fastest(call, repeats)
    for name, value in rate.items():
        print(f"  {name:24s} {value:8.0f} structures/s")
    print(f"  list  : get_neighbor_list {rate['list'] / rate['get_neighbor_list']:8.2f}")
    print(f"  list  : get_all_neighbors {rate['list'] / rate['get_all_neighbors']:8.2f}")
    print(f"  graph : get_all_neighbors, cut {rate['graph'] / rate['get_all_neighbors, cut']:5.2f}")
    print(f"  equal lists: {equal(crystals, held)}")


def cut(neighbours: list) -> list:
    """The 12 nearest of each site."""
    return [sorted(near, key=lambda one: one.nn_distance)[:NEAREST] for near in neighbours]


def equal(crystals: Crystals, held: list) -> bool:
    found = neighbour_list(crystals, CUTOFF)
    parts = [s.get_neighbor_list(CUTOFF) for s in held]
    first = np.repeat(crystals.offsets[:-1], [len(p[0]) for p in parts])
    centre, neighbour, image, distance = (np.concatenate([p[k] for p in parts]) for k in range(4))
    expected = np.column_stack([centre + first, neighbour + first, image.astype(int)])
    ours = np.column_stack([found.centre, found.neighbour, found.image])
    if len(ours) != len(expected):
        return False
    a, b = np.lexsort(ours.T), np.lexsort(expected.T)
    same = np.array_equal(ours[a], expected[b])
    return same and bool(np.abs(found.distance[a] - distance[b]).max() < 1e-8)


def describe(crystals: Crystals) -> None:
    """Seconds of each descriptor of crystals."""
    data = Dataset(pd.DataFrame(index=list(crystals.names)), crystals=crystals)
    print(f"\ndescriptors of {len(crystals)} perovskites")
    for name in DESCRIBED:
        start = time.process_time()
        DESCRIPTORS[name]().fit(data).transform(data)
        print(f"  {name:24s} {time.process_time() - start:8.2f} s")


def fastest(call: Callable[[], object], repeats: int) -> float:
    """Seconds of the processor of the fastest of ``repeats`` calls."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()

"""Which crystals are accepted: distances against brute force, density, occupancy, messages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Composition, DummySpecies, Lattice, PeriodicSite, Structure

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError
from iceframe.ingest import close_atoms
from iceframe.ingest.close_atoms import closest_pairs
from iceframe.ingest.crystal_checks import Limits, accept, check_crystals
from iceframe.ingest.crystals import pack, structures
from iceframe.ingest.reader import Entry
from iceframe.physics.neighbours import Neighbours, pieces

from .structure_files import salt, skewed


def entries(*crystals: Structure) -> list[Entry]:
    return [Entry(crystal, f"{i}.cif") for i, crystal in enumerate(crystals)]


def refusal(crystal: Structure, limits: Limits | None = None) -> str:
    with pytest.raises(InputError) as caught:
        accept(entries(crystal), limits=limits)
    assert "0.cif" in str(caught.value)
    return str(caught.value)


def brute_force(structure: Structure, shells: int = 8) -> float:
    """The shortest distance of two atoms, over every image within ``shells`` cells."""
    images = np.array(list(product(range(-shells, shells + 1), repeat=3)))
    fractional = structure.frac_coords
    steps = fractional[None] - fractional[:, None]
    vectors = (steps[:, :, None] + images) @ structure.lattice.matrix
    distances = np.linalg.norm(vectors, axis=-1)
    distances[np.arange(len(structure)), np.arange(len(structure)), len(images) // 2] = np.inf
    return float(distances.min())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    sites=st.integers(1, 4),
    shape=st.sampled_from(["round", "flat", "skewed", "needle"]),
)
def test_the_closest_pair_is_that_of_brute_force(seed: int, sites: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    cell = 2.5 * np.eye(3) + rng.normal(0, 0.4, (3, 3))
    cell *= {"flat": [[1], [1], [0.3]], "needle": [[3], [0.4], [0.4]]}.get(shape, [[1]] * 3)
    if shape == "skewed":
        cell[1] += 2 * cell[0]  # the same lattice by longer vectors
        cell[2] -= cell[0]
    structure = Structure(cell, ["Fe"] * sites, rng.uniform(-2, 2, (sites, 3)))
    expected = brute_force(structure)
    # With so wide a limit every cell has a pair that is too close, and the closest is found.
    found = closest_pairs(pack([structure], ["a"]), fraction=1.2)
    if expected < 1.2 * 2 * 1.32:
        pair = found[0]
        assert pair.distance == pytest.approx(expected, abs=1e-9)
        assert pair.allowed == pytest.approx(1.2 * 2 * 1.32)
    else:
        assert found == {}


def test_many_crystals_at_once_are_as_one_by_one(rng: np.random.Generator) -> None:
    many = [
        Structure(
            Lattice.cubic(rng.uniform(2, 6)),
            rng.choice(["H", "Fe", "Cs"], size := int(rng.integers(1, 7))).tolist(),
            rng.uniform(0, 1, (size, 3)),
        )
        for _ in range(60)
    ]
    together = closest_pairs(pack(many, [str(i) for i in range(60)]))
    alone = {
        i: pair for i, s in enumerate(many) if (pair := closest_pairs(pack([s], ["a"])).get(0))
    }
    assert together == alone
    assert 5 < len(together) < 60


def test_bonds_that_exist_are_accepted() -> None:
    """The shortest known: H2 0.741 Å, N2 1.098 Å, CO 1.128 Å, the quintuple bond of Cr2 1.83 Å."""
    shortest = {"H H": 0.741, "N N": 1.098, "C O": 1.128, "Cr Cr": 1.83, "Mo Mo": 1.94}
    for pair, length in shortest.items():
        first, second = pair.split()
        box = Structure(Lattice.cubic(5), [first, second], [[0, 0, 0], [length / 5, 0, 0]])
        assert len(accept(entries(box)).crystals) == 1
        tight = Structure(Lattice.cubic(5), [first, second], [[0, 0, 0], [length / 11, 0, 0]])
        assert "overlap" in refusal(tight)


def test_an_overlap_names_both_sites_and_their_distance() -> None:
    crowded = salt()
    crowded.append("Cl", [0.5, 0.5, 0.55])
    message = refusal(crowded)
    assert "site 5 of 9 (Cl)" in message
    assert "site 9 of 9 (Cl)" in message
    assert "0.282 Å apart" in message
    assert "at least 1.02 Å" in message  # half of twice 1.02 Å (Cordero et al. 2008)


def test_atoms_overlap_across_the_faces_of_the_cell() -> None:
    across = Structure(Lattice.cubic(4), ["Fe", "Fe"], [[0.01, 0, 0], [0.99, 1.0, -2.0]])
    assert "0.08 Å apart" in refusal(across)
    own = Structure(Lattice.orthorhombic(4, 4, 1), ["Fe"], [[0, 0, 0]])
    assert "its own periodic image" in refusal(own)


def test_density_is_mass_over_volume() -> None:
    faces = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    copper = Structure(Lattice.cubic(3.615), ["Cu"] * 4, faces)
    assert len(accept(entries(copper)).crystals) == 1
    # 4 × 63.546 u in 3.615³ Å³ are 8.935 g/cm³ (measured: 8.96).
    copper.scale_lattice(copper.volume * 1e4)
    assert "0.000893 g/cm³" in refusal(copper)
    copper.scale_lattice(3.0**3)
    dense = refusal(copper, Limits(density=(0.01, 12)))
    assert "15.6 g/cm³ (4 atoms in 27 Å³)" in dense
    box = Structure(Lattice.cubic(14), ["H", "H"], [[0, 0, 0], [0.0529, 0, 0]])
    assert "density" in refusal(box)


def test_cells_without_a_volume() -> None:
    flat = Structure([[3, 0, 0], [0, 3, 0], [3, 3, 0]], ["Fe"], [[0, 0, 0]])
    none = Structure(np.zeros((3, 3)), ["Fe"], [[0, 0, 0]])
    with np.errstate(all="ignore"):
        infinite = Structure(np.diag([3, 3, np.inf]), ["Fe"], [[0, 0, 0]])
        absent = Structure(np.full((3, 3), np.nan), ["Fe"], [[0, 0, 0]])
    for crystal in (flat, none, infinite, absent):
        assert "no usable cell" in refusal(crystal)


def test_cells_far_longer_than_they_need_be() -> None:
    """A simple cubic lattice by other vectors: the same crystal, and searched exactly."""
    for times in (40, 90_000):
        longer = 3.0 * np.array([[1, 0, 0], [times, 1, 0], [0, 0, 1]])
        iron = Structure(longer, ["Fe"], [[0, 0, 0]])
        assert closest_pairs(pack([iron], ["a"]), 1.2)[0].distance == pytest.approx(3.0)
        assert len(accept(entries(iron)).crystals) == 1


def test_a_cell_squeezed_to_nothing_is_searched_as_fast_as_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of its endless images those within the shortest lattice vector are looked at, no more."""
    looked_at = []

    def counted(crystals: Crystals, cutoff: np.ndarray) -> Iterator[Neighbours]:
        for piece in pieces(crystals, cutoff):
            looked_at.append(len(piece))
            yield piece

    monkeypatch.setattr(close_atoms, "pieces", counted)
    squeezed = Structure(Lattice.cubic(0.02), ["Fe"] * 3, np.random.default_rng(0).random((3, 3)))
    message = refusal(squeezed)
    assert "Two atoms overlap" in message or "its own periodic image" in message
    needle = Structure(Lattice.orthorhombic(0.01, 9, 9), ["Cs"], [[0, 0, 0]])
    assert "0.01 Å apart" in refusal(needle)
    assert sum(looked_at) < 13 * (3**2 + 1)  # spheres of one size touch 12 others


def test_positions_that_are_no_numbers() -> None:
    for odd in (np.nan, np.inf, 1e9):
        crystal = Structure(Lattice.cubic(4), ["Fe", "O"], [[0, 0, 0], [0.5, odd, 0.5]])
        assert "site 2 of 2 (O)" in refusal(crystal)


def test_species_that_are_none() -> None:
    dummy = Structure(Lattice.cubic(4), ["Fe", DummySpecies("X")], [[0, 0, 0], [0.5, 0.5, 0.5]])
    message = refusal(dummy)
    assert "no chemical element" in message
    assert "site 2 of 2 (X" in message
    shared = Structure(Lattice.cubic(3), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]])
    message = refusal(shared)
    assert "0.5 Fe + 0.5 Ni" in message
    assert "order it first" in message
    above = Structure(Lattice.cubic(3), ["Fe"], [[0, 0, 0]])
    above[0] = PeriodicSite(Composition({"Fe": 1.5}), [0, 0, 0], above.lattice, skip_checks=True)
    assert "above 1" in refusal(above)


def test_charged_ions_are_elements() -> None:
    ions = salt().add_oxidation_state_by_element({"Na": 1, "Cl": -1})
    accepted = accept(entries(ions))
    assert accepted.crystals.numbers.tolist() == [11] * 4 + [17] * 4


def test_empty_and_large_cells() -> None:
    assert "no atoms" in refusal(Structure(Lattice.cubic(3), [], []))
    large = salt().make_supercell(3, in_place=False)
    assert "216 sites" in refusal(large, Limits(sites=200))
    assert len(accept(entries(large)).crystals) == 1


def test_all_failures_are_told_at_once_or_left_out() -> None:
    bad = Structure(Lattice.cubic(1), ["Fe"], [[0, 0, 0]])
    mixed = entries(salt(), bad, skewed(), *[bad] * 6)
    with pytest.raises(InputError) as caught:
        accept(mixed)
    message = str(caught.value)
    assert "7 of 9 crystals cannot be used" in message
    assert message.count("\n           ") == 5
    assert "and 2 more" in message
    assert "--drop-invalid" in message
    accepted = accept(mixed, drop_invalid=True)
    assert accepted.kept.tolist() == [0, 2]
    assert accepted.crystals.names == ("0.cif", "2.cif")
    assert accepted.crystals.sizes.tolist() == [8, 3]
    (note,) = accepted.notes
    assert note.startswith("7 of 9 crystals were left out. 1.cif, site 1 of 1 (Fe):")
    with pytest.raises(InputError, match="No crystal can be used"):
        accept(entries(bad, bad), drop_invalid=True)


def test_files_are_called_as_the_data_set_calls_them() -> None:
    fault = InputError(
        "This crystal has no cell.", where="/far/away/set/2.cif, block x", got="no a"
    )
    mixed = [*entries(salt(), salt()), Entry(None, "set/2.cif", fault=fault)]
    with pytest.raises(InputError) as caught:
        accept(mixed)
    assert "got:     set/2.cif, block x: This crystal has no cell: no a\n" in str(caught.value)
    with pytest.raises(InputError, match="/far/away/set/2"):
        accept(mixed[2:])


def test_what_was_assumed_is_told_once_for_all_files() -> None:
    noted = [Entry(salt(), f"{i}.cif", notes=("No symmetry is stated.",)) for i in range(7)]
    (note,) = accept(noted).notes
    assert note == "No symmetry is stated. (7 crystals: 0.cif, 1.cif, 2.cif, 3.cif, 4.cif …)"
    (single,) = accept(noted[:1]).notes
    assert single == "No symmetry is stated. (0.cif)"


def test_packed_crystals_come_back_as_structures() -> None:
    back = structures(accept(entries(salt(), skewed())).crystals)
    assert back == [salt(), skewed()]


def test_perovskites_of_the_public_set_are_all_accepted(shared_data: Path) -> None:
    import pandas as pd

    table = pd.read_csv(shared_data / "structures" / "perov5_structures.csv.gz", nrows=500)
    crystals = [
        Structure(
            Lattice.from_parameters(*map(float, row.lattice.split())),
            row.species.split(),
            np.array(row.frac.split(), float).reshape(-1, 3),
        )
        for row in table.itertuples()
    ]
    assert check_crystals(entries(*crystals), Limits()) == {}

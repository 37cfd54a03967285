"""Descriptors of crystals: known answers, and one crystal's features whatever its drawing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from iceframe.core.crystals import Crystals
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.physics.neighbours import neighbour_list, shortest_distances
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.descriptors import _crystal_symmetry
from iceframe.scale.descriptors.radial_distribution import CUTOFF, RADII, SMOOTHING

from .crystal_cases import (
    DRAWINGS,
    copper,
    crystal,
    cubic,
    iron,
    magnesium,
    quartz,
    random_crystal,
    salt,
    seeds,
    silicon,
    titanate,
    together,
    wurtzite,
    zincblende,
)

NAMES = ("symmetry", "packing", "coordination", "radial_distribution")


def data_of(crystals: Crystals) -> Dataset:
    return Dataset(pd.DataFrame(index=[f"s{i}" for i in range(len(crystals))]), crystals=crystals)


def described(name: str, crystals: Crystals) -> Representation:
    data = data_of(crystals)
    return DESCRIPTORS[name]().fit(data).transform(data)


def value(name: str, feature: str, crystals: Crystals) -> float:
    found = described(name, crystals)
    return float(found.values[0, found.names.index(feature)])


def systems(found: Representation) -> list[str]:
    """The one name of each row whose feature is 1."""
    named = [k for k, n in enumerate(found.names) if n.startswith("crystal system")]
    assert (found.values[:, named].sum(axis=1) == 1).all()
    return [found.names[named[k]].split(" = ")[1] for k in found.values[:, named].argmax(axis=1)]


# ------------------------------------------------------------------------------------ invariance


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("drawing", DRAWINGS)
@given(seed=seeds)
@settings(deadline=None, max_examples=3)
def test_no_drawing_changes_a_feature(name: str, drawing: str, seed: int) -> None:
    held = [random_crystal(seed, most=4), titanate(), wurtzite(), silicon()]
    again = [DRAWINGS[drawing](one, seed) for one in held]
    np.testing.assert_allclose(
        described(name, together(again)).values,
        described(name, together(held)).values,
        rtol=1e-6,
        atol=1e-6,
    )


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_alone_and_the_order_is_kept(name: str) -> None:
    held = [titanate(), random_crystal(1), wurtzite(), iron(), random_crystal(2)]
    whole = described(name, together(held)).values
    each = [described(name, one).values[0] for one in held]
    np.testing.assert_allclose(whole, each, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["coordination", "radial_distribution"])
@given(seed=seeds)
@settings(deadline=None, max_examples=10)
def test_smooth_in_the_positions(name: str, seed: int) -> None:
    """No feature leaps when atoms move by a thousandth of an ångström."""
    held = titanate()
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=held.fractional.shape) * 2.5e-4
    moved = crystal(held.lattices[0], held.numbers.tolist(), held.fractional + steps)
    there, here = (described(name, c).values for c in (moved, held))
    np.testing.assert_allclose(there, here, atol=0.03)


# -------------------------------------------------------------------------------------- symmetry


@pytest.mark.parametrize(
    ("made", "number", "system", "order", "centre", "polar", "chiral", "sites", "orbits"),
    [
        (copper, 225, "cubic", 48, 1, 0, 0, 1, 1),
        (iron, 229, "cubic", 48, 1, 0, 0, 1, 1),
        (silicon, 227, "cubic", 48, 1, 0, 0, 2, 1),
        (magnesium, 194, "hexagonal", 24, 1, 0, 0, 2, 1),
        (titanate, 221, "cubic", 48, 1, 0, 0, 5, 3),
        (zincblende, 216, "cubic", 24, 0, 0, 0, 2, 2),
        (wurtzite, 186, "hexagonal", 12, 0, 1, 0, 4, 2),
        (quartz, 152, "trigonal", 6, 0, 0, 1, 9, 2),
    ],
)
def test_known_symmetry(
    made: object,
    number: int,
    system: str,
    order: int,
    centre: int,
    polar: int,
    chiral: int,
    sites: int,
    orbits: int,
) -> None:
    crystals = made()  # type: ignore[operator]
    found = described("symmetry", crystals)
    assert _crystal_symmetry.symmetries(crystals).number.tolist() == [number]
    assert systems(found) == [system]
    expected = [order, centre, polar, chiral, order / sites, orbits / sites]
    np.testing.assert_allclose(found.values[0, -6:], expected)


def test_centrings() -> None:
    held = together([copper(), iron(), titanate()])
    found = described("symmetry", held)
    named = [k for k, n in enumerate(found.names) if n.startswith("centring")]
    ones = [found.names[named[k]] for k in found.values[:, named].argmax(axis=1)]
    assert ones == ["centring = face", "centring = body", "centring = primitive"]


def test_a_ferroelectric_displacement_is_seen_and_noise_is_not() -> None:
    held = titanate()
    noise = np.random.default_rng(0).normal(size=(5, 3)) * 2e-4
    noisy = crystal(held.lattices[0], held.numbers.tolist(), held.fractional + noise)
    shift = np.zeros((5, 3))
    shift[1, 2] = 0.02  # titanium along z, 0.08 Å
    polar = crystal(held.lattices[0], held.numbers.tolist(), held.fractional + shift)
    assert _crystal_symmetry.symmetries(together([noisy, polar])).number.tolist() == [221, 99]


def test_no_symmetry_found_is_told() -> None:
    doubled = cubic(4.0, [1, 1], [[0, 0, 0], [0, 0, 1e-4]])
    for name in ("symmetry", "packing"):
        descriptor = DESCRIPTORS[name]()
        data = data_of(together([titanate(), doubled]))
        values = descriptor.fit(data).transform(data).values
        assert np.isfinite(values[0]).all()
        assert np.isnan(values[1]).any()
        assert "1 of 2 crystals" in descriptor.notes[0]
        assert "crystal 1" in descriptor.notes[0]


def test_symmetry_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _crystal_symmetry._KEPT.held.clear()
    described("symmetry", titanate())
    monkeypatch.setattr(_crystal_symmetry, "_dataset", None)
    assert value("packing", "sites of the primitive cell", titanate()) == 5


# --------------------------------------------------------------------------------------- packing


@pytest.mark.parametrize(
    ("made", "density", "packed", "sites"),
    [
        (copper, 8.935, np.pi * np.sqrt(2) / 6, 1),
        (iron, 7.874, np.pi * np.sqrt(3) / 8, 1),
        (silicon, 2.329, np.pi * np.sqrt(3) / 16, 2),
        (salt, 2.163, np.pi / 6, 2),
        (magnesium, 1.737, 0.7366, 2),
    ],
)
def test_densities_and_packing_fractions(
    made: object, density: float, packed: float, sites: int
) -> None:
    crystals = made()  # type: ignore[operator]
    assert value("packing", "density", crystals) == pytest.approx(density, rel=2e-3)
    touching = value("packing", "packing fraction of touching spheres", crystals)
    assert touching == pytest.approx(packed, rel=1e-3)
    assert value("packing", "sites of the primitive cell", crystals) == sites
    each = crystals.volumes[0] / len(crystals.numbers)
    assert value("packing", "volume per atom", crystals) == pytest.approx(each)


def test_packing_of_covalent_radii() -> None:
    """Silicon's radius of 1.11 Å is a little less than half its bond of 2.35 Å."""
    expected = 8 * 4 / 3 * np.pi * 1.11**3 / 5.4310**3
    found = value("packing", "packing fraction of covalent radii", silicon())
    assert found == pytest.approx(expected)


def test_shapes_of_cells() -> None:
    shapes = []
    for made in (copper(), iron(), magnesium(), cubic(3.35, [84], [[0, 0, 0]])):
        found = described("packing", made)
        shapes.append(found.values[0, 4:6])
    np.testing.assert_allclose(shapes, [[1, 1], [1, 1], [3.2094 / 5.2105] * 2, [1, 1]])


@given(seed=seeds)
@settings(deadline=None, max_examples=15)
def test_the_shortest_distance_is_found(seed: int) -> None:
    crystals = together([random_crystal(seed, most=6), random_crystal(seed + 1, most=2)])
    found = neighbour_list(crystals, np.linalg.norm(crystals.lattices, axis=2).min(axis=1))
    owners = crystals.owners[found.centre]
    expected = [found.distance[owners == k].min() for k in (0, 1)]
    np.testing.assert_allclose(shortest_distances(crystals), expected)


# ---------------------------------------------------------------------------------- coordination


@pytest.mark.parametrize(
    ("made", "numbers"),
    [
        (copper, [12.0, 12.0, 12.0]),
        (silicon, [4.0, 4.0, 4.0]),
        (salt, [6.0, 6.0, 6.0]),
        (zincblende, [4.0, 4.0, 4.0]),
        (magnesium, [12.0, 12.0, 12.0]),
        (iron, [11.63, 11.63, 11.63]),
    ],
)
def test_known_coordination_numbers(made: object, numbers: list[float]) -> None:
    found = described("coordination", made()).values[0, :3]  # type: ignore[operator]
    np.testing.assert_allclose(found, numbers, atol=0.05)


def test_coordination_in_a_perovskite() -> None:
    """Titanium has 6 oxygens and oxygen 2 titaniums; strontium 12, and 8 titaniums at √1.5 of the
    distance to oxygen."""
    found = described("coordination", titanate())
    assert found.values[0, 1] == pytest.approx(2.04, abs=0.02)
    assert found.values[0, 2] == pytest.approx(14.2, abs=0.1)
    assert found.values[0, 0] == pytest.approx((6 + 3 * 2.04 + found.values[0, 2]) / 5, abs=0.02)


def test_the_weights_solve_hoppe_s_equation() -> None:
    """For bcc by hand: 8 neighbours at 1 and 6 at 2/√3."""
    far = 2 / np.sqrt(3)
    mean = 1.0
    for _ in range(100):
        near_weight, far_weight = np.exp(1 - mean**-6), np.exp(1 - (far / mean) ** 6)
        number = 8 * near_weight + 6 * far_weight
        mean = (8 * near_weight + 6 * far_weight * far) / number
    found = value("coordination", "mean coordination number", iron())
    assert found == pytest.approx(number, abs=2e-3)  # the third shell adds very little
    length = value("coordination", "mean bond length", iron())
    assert length == pytest.approx(mean * 2.8665 * np.sqrt(3) / 2, rel=1e-3)


def test_bonds_and_unlike_neighbours() -> None:
    bond = 5.4310 * np.sqrt(3) / 4
    assert value("coordination", "mean bond length", silicon()) == pytest.approx(bond, rel=1e-6)
    relative = "mean bond length over sum of radii"
    assert value("coordination", relative, silicon()) == pytest.approx(bond / 2.22, rel=1e-6)
    for feature in (
        "spread of bond lengths around a site",
        "spread of bond length over sum of radii",
        "share of bonds between unlike elements",
        "electronegativity difference across bonds",
    ):
        assert value("coordination", feature, silicon()) == pytest.approx(0, abs=1e-3)
    unlike = value("coordination", "share of bonds between unlike elements", salt())
    assert unlike == pytest.approx(1, abs=0.01)
    polar = value("coordination", "electronegativity difference across bonds", salt())
    assert polar == pytest.approx(3.16 - 0.93, abs=0.01)
    shortest = value("coordination", "shortest distance over sum of radii", salt())
    assert shortest == pytest.approx(5.6402 / 2 / (1.66 + 1.02))


def test_lonely_sites_have_no_coordination() -> None:
    descriptor = DESCRIPTORS["coordination"]()
    data = data_of(together([iron(), cubic(20.0, [2], [[0, 0, 0]])]))
    values = descriptor.fit(data).transform(data).values
    assert np.isfinite(values[0]).all()
    assert np.isnan(values[1]).all()
    assert "crystal 1" in descriptor.notes[0]


# --------------------------------------------------------------------------- radial distribution


def test_a_gas_has_one_everywhere() -> None:
    """300 sites at random in a cube: one, but for the counting error of each shell."""
    rng = np.random.default_rng(7)
    gas = together([cubic(15.0, [18] * 300, rng.random((300, 3))) for _ in range(8)])
    found = described("radial_distribution", gas).values
    density = 300 / 15.0**3
    pairs = 8 * 300 / 2 * density * 4 * np.pi * (RADII**2) * 2 * np.sqrt(np.pi) * SMOOTHING
    error = 1 / np.sqrt(pairs)
    assert (np.abs(found.mean(axis=0) - 1) < 4 * error).all()
    assert error.max() < 0.06


def test_the_first_shell_of_a_crystal() -> None:
    """Twelve neighbours of copper at 2.556 Å, in the features beside it."""
    found = described("radial_distribution", copper()).values[0]
    density = 4 / 3.6149**3
    peak = np.exp(-0.5 * ((2.5 - 3.6149 / np.sqrt(2)) / SMOOTHING) ** 2)
    peak *= 12 / (np.sqrt(2 * np.pi) * SMOOTHING * density * 4 * np.pi * (2.5**2 + SMOOTHING**2))
    assert found[3] == pytest.approx(peak, rel=0.01)
    assert found[0] == pytest.approx(0, abs=1e-4)
    assert CUTOFF > 8


# ------------------------------------------------------------------------------------ the contract


@pytest.mark.parametrize("name", NAMES)
def test_without_crystals_and_with_none(name: str) -> None:
    table = Dataset(pd.DataFrame({"a": [1.0]}, index=["x"]), features=("a",))
    assert not DESCRIPTORS[name].suits(table)
    with pytest.raises(InputError, match="crystal structures"):
        DESCRIPTORS[name]().fit(table)
    empty = described(name, iron().take([]))
    assert empty.values.shape == (0, len(empty.names))


@pytest.mark.parametrize("name", NAMES)
def test_units_and_names(name: str) -> None:
    found = described(name, titanate())
    assert len(set(found.names)) == len(found.names) == len(found.units)
    assert np.isfinite(found.values).all()


def test_real_perovskites(shared_data: Path) -> None:
    """Relaxed cells of perov5: every feature is there; no element is lost; cubic axes stay."""
    frame = pd.read_csv(shared_data / "structures" / "perov5_structures.csv.gz", nrows=200)
    from pymatgen.core import Element

    edges = np.array([[float(v) for v in row.split()[:3]] for row in frame.lattice])
    species = [row.split() for row in frame.species]
    crystals = Crystals(
        edges[:, None] * np.eye(3),
        np.concatenate([[0], np.cumsum([len(s) for s in species])]),
        np.array([Element(e).Z for s in species for e in s]),
        np.array([float(v) for row in frame.frac for v in row.split()]).reshape(-1, 3),
        tuple(frame.material_id.astype(str)),
    )
    for name in NAMES:
        assert np.isfinite(described(name, crystals).values).all()
    assert set(systems(described("symmetry", crystals))) == {"cubic", "tetragonal", "orthorhombic"}
    packing = described("packing", crystals).values
    np.testing.assert_allclose(packing[:, 4:6], 1)
    assert (packing[:, -1] == 5).all()

"""SevenNet's answers are SevenNet's own, each crystal's its own, and none where there is none.

What the network does not decide (batches, order, what is kept) is tested with a pair potential in
its place, so that it is tested where the extra is not installed as well.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from iceframe.core.crystals import Crystals
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, NotAvailable
from iceframe.physics.neighbours import neighbour_list
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.foundation import sevennet_features as module
from iceframe.scale.foundation import sevennet_network
from iceframe.scale.foundation.energy_correction import element_fractions
from iceframe.scale.foundation.feature_cache import FeatureCache
from iceframe.scale.foundation.sevennet_features import sevennet_features

CUTOFF = 5.0

# The published network answers in float32.
TOLERANCE = 1e-5

needs_sevenn = pytest.mark.skipif(
    find_spec("sevenn") is None,
    reason="the extra is not installed: pip install 'iceframe[sevennet]'",
)


def pair_energies(crystals: Crystals) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sites repel as Z_i Z_j exp(−r); the vector of a site is its energy times 1 to 64."""
    near = neighbour_list(crystals, CUTOFF)
    z = crystals.numbers
    terms = z[near.centre] * z[near.neighbour] * np.exp(-near.distance)
    sites = np.bincount(near.centre, terms, len(z)).astype(np.float32)
    return sites, sites[:, None] * np.arange(1, 65, dtype=np.float32), near.counts


@pytest.fixture
def pair_potential(monkeypatch: pytest.MonkeyPatch) -> list[Crystals]:
    """A pair potential in the network's place; the batches that it was asked for."""
    asked: list[Crystals] = []

    def evaluate(crystals: Crystals) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        asked.append(crystals)
        return pair_energies(crystals)

    known = SimpleNamespace(cutoff=CUTOFF, type_map=dict.fromkeys(range(1, 84)))
    monkeypatch.setattr(sevennet_network, "shared_network", lambda: known)
    monkeypatch.setattr(sevennet_network, "require_sevenn", lambda: None)
    monkeypatch.setattr(sevennet_network, "weights_digest", lambda: "pair potential")
    monkeypatch.setattr(sevennet_network, "evaluate", evaluate)
    return asked


def _data(crystals: Crystals) -> Dataset:
    table = pd.DataFrame(index=[f"s{i}" for i in range(len(crystals))])
    return Dataset(table, crystals=crystals)


def test_features_are_means_over_the_sites(perovskites, pair_potential):
    found = sevennet_features(perovskites)
    sites, vectors, _ = pair_energies(perovskites)
    np.testing.assert_allclose(found.site_energies, sites, rtol=1e-6)
    np.testing.assert_allclose(found.energies, sites.reshape(-1, 5).mean(1), rtol=1e-6)
    means = vectors.reshape(-1, 5, 64).mean(1)
    np.testing.assert_allclose(found.crystal_vectors, means, rtol=1e-5)
    assert sum(map(len, pair_potential)) == len(perovskites)
    pair_potential.clear()
    again = sevennet_features(perovskites.take([3, 1]))
    assert not pair_potential  # kept
    assert again.energies.tolist() == found.energies[[3, 1]].tolist()
    assert (
        again.site_energies.tolist()
        == found.site_energies[[*range(15, 20), *range(5, 10)]].tolist()
    )


def test_batches_are_bounded_and_a_crystal_beyond_the_bound_is_alone(
    perovskites, pair_potential, monkeypatch, tmp_path
):
    counts = sevennet_network.edge_counts(perovskites)
    assert counts.tolist() == [
        len(neighbour_list(perovskites.take([i]), CUTOFF)) for i in range(len(perovskites))
    ]
    bound = int(2.5 * np.median(counts))
    big = Crystals(
        perovskites.lattices[:1] * 3,
        np.array([0, 135]),
        np.tile(perovskites.numbers[:5], 27),
        (
            (perovskites.fractional[:5] + np.indices((3, 3, 3)).reshape(3, 27).T[:, None]) / 3
        ).reshape(-1, 3),
        ("supercell",),
    )
    monkeypatch.setattr(module, "EDGES_AT_ONCE", bound)
    both = Crystals(
        np.concatenate([perovskites.lattices[:4], big.lattices]),
        np.array([0, 5, 10, 15, 20, 155]),
        np.concatenate([perovskites.numbers[:20], big.numbers]),
        np.concatenate([perovskites.fractional[:20], big.fractional]),
        ("a", "b", "c", "d", "supercell"),
    )
    found = sevennet_features(both, cache=FeatureCache("bounded", tmp_path))
    assert len(pair_potential) > 2
    assert pair_potential[-1].names == ("supercell",)
    for batch in pair_potential[:-1]:
        assert len(neighbour_list(batch, CUTOFF)) <= bound
    assert found.energies[4] == pytest.approx(found.energies[0], rel=1e-6)


def test_what_cannot_be_described_is_undefined_and_stops_nobody(odd_crystals, pair_potential):
    found = sevennet_features(odd_crystals)
    assert found.described.tolist() == [False, False, True]
    assert np.isfinite(found.site_energies).tolist() == [False, False, True, True]
    assert np.isnan(found.crystal_vectors[:2]).all()
    assert all(96 not in batch.numbers for batch in pair_potential)
    assert len(sevennet_features(odd_crystals.take([])).energies) == 0
    assert not sevennet_features(odd_crystals.take([0])).described.any()
    descriptor = DESCRIPTORS["sevennet"]().fit(_data(odd_crystals))
    assert np.isnan(descriptor.transform(_data(odd_crystals)).values[:2]).all()
    (note,) = descriptor.notes
    assert "2 of 3" in note
    assert "curium" in note


def test_descriptor_names_what_the_network_says(perovskites, pair_potential):
    data = _data(perovskites)
    kind = DESCRIPTORS["sevennet"]
    assert kind.suits(data)
    assert not kind.default
    held = kind().fit(data).transform(data)
    found = sevennet_features(perovskites)
    assert held.values.shape == (len(perovskites), 66)
    assert (held.names[0], held.units[0]) == ("SevenNet energy per atom", "eV/atom")
    assert np.array_equal(held.values[:, 0], found.energies)
    np.testing.assert_allclose(held.values[:, 1], found.site_energies.reshape(-1, 5).std(1))
    assert np.array_equal(held.values[:, 2:], found.crystal_vectors)
    assert sorted(i for block in held.blocks.values() for i in block) == list(range(66))


def test_descriptor_is_stored_with_its_weights(perovskites, pair_potential):
    data = _data(perovskites.take([0]))
    descriptor = DESCRIPTORS["sevennet"]().fit(data)
    again = DESCRIPTORS["sevennet"].from_state(descriptor.state())
    assert np.array_equal(again.transform(data).values, descriptor.transform(data).values)
    with pytest.raises(InputError, match="other weights"):
        DESCRIPTORS["sevennet"].from_state({"sevennet": "0" * 16})


def test_without_the_extra_the_error_names_it(perovskites, monkeypatch):
    monkeypatch.setitem(sys.modules, "sevenn", None)
    monkeypatch.setitem(sys.modules, "sevenn.util", None)
    kind = DESCRIPTORS["sevennet"]  # known, whether or not it can be used
    with pytest.raises(NotAvailable, match=r"(?s)needs 'sevenn.*iceframe\[sevennet\]") as raised:
        kind().fit(_data(perovskites))
    assert raised.value.exit_code == 2
    with pytest.raises(InputError, match="crystals"):
        kind().fit(Dataset(pd.DataFrame(index=["a"])))


# --------------------------------------------------------------------------- the network itself


@needs_sevenn
@pytest.mark.filterwarnings("ignore")  # what the package's own calculator says of itself
def test_equal_to_the_calculator_of_the_package(perovskites, tmp_path):
    from ase import Atoms
    from sevenn.calculator import SevenNetCalculator

    rng = np.random.default_rng(0)
    some = perovskites.take(range(8))
    skew = some.lattices + rng.normal(scale=0.2, size=(8, 3, 3))
    some = Crystals(skew, some.offsets, some.numbers, some.fractional, some.names)
    found = sevennet_features(some, cache=FeatureCache("calculator", tmp_path))
    calculator = SevenNetCalculator(str(sevennet_network.weights_file()), device="cpu")
    for i in range(len(some)):
        sites = slice(some.offsets[i], some.offsets[i + 1])
        atoms = Atoms(
            numbers=some.numbers[sites],
            cell=some.lattices[i],
            scaled_positions=some.fractional[sites],
            pbc=True,
            calculator=calculator,
        )
        assert abs(found.energies[i] - atoms.get_potential_energy() / 5) <= TOLERANCE
        theirs = atoms.get_potential_energies()
        assert np.abs(found.site_energies[sites] - theirs).max() <= TOLERANCE


@needs_sevenn
def test_iron_has_the_energy_that_it_should(odd_crystals):
    found = sevennet_features(odd_crystals)
    assert found.described.tolist() == [False, False, True]
    assert found.energies[2] == pytest.approx(-8.4, abs=0.2)  # PBE, Materials Project: −8.47 eV


@needs_sevenn
def test_energy_does_not_know_how_the_crystal_is_drawn(perovskites):
    """Turned, moved, drawn twice in another cell, sites in another order: the same energy."""
    one = perovskites.take([3])
    found = sevennet_features(one)
    angle = 0.7
    turn = np.array(
        [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    turned = Crystals(
        one.lattices @ turn, one.offsets, one.numbers, one.fractional + 0.3, ("turned",)
    )
    double = Crystals(
        one.lattices * np.array([2, 1, 1])[:, None],
        np.array([0, 10]),
        np.tile(one.numbers, 2),
        np.concatenate([one.fractional, one.fractional + np.eye(3)[0]]) / [2, 1, 1],
        ("double",),
    )
    order = np.array([4, 2, 0, 1, 3])
    mixed = Crystals(
        one.lattices, one.offsets, one.numbers[order], one.fractional[order], ("mixed",)
    )
    for other in (turned, double, mixed):
        again = sevennet_features(other)
        assert abs(again.energies[0] - found.energies[0]) < 1e-5
        assert np.abs(again.crystal_vectors - found.crystal_vectors).max() < 1e-4
    again = sevennet_features(mixed)
    assert np.abs(again.site_energies - found.site_energies[order]).max() < 1e-4


@needs_sevenn
def test_one_crystal_does_not_change_another(perovskites, tmp_path):
    together = sevennet_features(perovskites, cache=FeatureCache("together", tmp_path))
    order = np.random.default_rng(1).permutation(len(perovskites))[:7]
    apart = sevennet_features(perovskites.take(order), cache=FeatureCache("apart", tmp_path))
    assert np.abs(apart.energies - together.energies[order]).max() < 1e-6
    assert np.abs(apart.crystal_vectors - together.crystal_vectors[order]).max() < 1e-5


@needs_sevenn
def test_the_energy_is_read_from_the_embedding(perovskites):
    """Less an offset for each element, the energy is linear in the 64 numbers."""
    found = sevennet_features(perovskites)
    fractions = element_fractions(perovskites)
    network = sevennet_network.shared_network()
    weights = network.get_submodule("reduce_hidden_to_energy").linear.weight.detach().numpy()
    read = found.crystal_vectors @ weights
    known = np.column_stack([fractions[:, fractions.any(0)], read])
    left = found.energies - known @ np.linalg.lstsq(known, found.energies, rcond=None)[0]
    assert np.abs(left).max() < 0.01

"""CHGNet's answers are CHGNet's own; they are physical; and they are computed once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from iceframe.core.crystals import Crystals
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.ingest.crystals import structures
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.foundation import chgnet_features as module
from iceframe.scale.foundation.batches import grouped
from iceframe.scale.foundation.chgnet_features import chgnet_features, energies, site_energies
from iceframe.scale.foundation.chgnet_network import (
    build_graph,
    graphs_of,
    new_network,
    shared_network,
    stored_model,
)
from iceframe.scale.foundation.feature_cache import FeatureCache

# The published network answers in float32.
TOLERANCE = 1e-5


@pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True")  # chgnet's own
def test_equal_to_chgnet_itself(perovskites):
    from chgnet.model.model import CHGNet

    some = perovskites.take(range(10))
    found = chgnet_features(some)
    network = CHGNet.load(use_device="cpu", verbose=False)
    for i, structure in enumerate(structures(some)):
        sites = slice(some.offsets[i], some.offsets[i + 1])
        answer = network.predict_structure(
            structure,
            task="em",
            return_site_energies=True,
            return_atom_feas=True,
            return_crystal_feas=True,
        )
        assert abs(found.energies[i] - answer["e"]) <= TOLERANCE
        assert np.abs(found.site_energies[sites] - answer["site_energies"]).max() <= TOLERANCE
        assert np.abs(found.moments[sites] - answer["m"]).max() <= TOLERANCE
        assert np.abs(5 * found.crystal_vectors[i] - answer["crystal_fea"]).max() <= 1e-4
        assert np.abs(found.site_means[i] - answer["atom_fea"].mean(0)).max() <= 1e-4
        assert np.abs(found.site_spreads[i] - answer["atom_fea"].std(0)).max() <= 1e-4


def test_site_energies_sum_to_the_energy_of_the_cell(perovskites):
    sums = np.add.reduceat(site_energies(perovskites), perovskites.offsets[:-1])
    assert np.abs(sums / perovskites.sizes - energies(perovskites)).max() <= TOLERANCE


def test_iron_has_the_energy_and_the_moment_that_it_should(odd_crystals):
    found = chgnet_features(odd_crystals.take([2]))
    assert found.energies[0] == pytest.approx(-8.4, abs=0.2)  # PBE, Materials Project: −8.47 eV
    assert np.abs(found.moments - 2.2).max() < 0.4  # measured: 2.2 μB


def test_energy_does_not_know_how_the_crystal_is_drawn(perovskites):
    """Turned, moved, drawn twice in another cell, sites in another order: the same energy."""
    one = perovskites.take([3])
    found = chgnet_features(one)
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
        again = chgnet_features(other)
        assert abs(again.energies[0] - found.energies[0]) < 1e-5
        assert np.abs(again.embeddings - found.embeddings).max() < 1e-4
    assert np.abs(site_energies(mixed) - site_energies(one)[order]).max() < 1e-4


def test_one_crystal_does_not_change_another(perovskites, tmp_path):
    """Alone, or in any company and order: the very same digits."""
    together = chgnet_features(perovskites, cache=FeatureCache("together", tmp_path))
    order = np.random.default_rng(1).permutation(len(perovskites))[:7]
    apart = chgnet_features(perovskites.take(order), cache=FeatureCache("apart", tmp_path))
    assert np.array_equal(apart.energies, together.energies[order])
    assert np.array_equal(apart.embeddings, together.embeddings[order])


def test_nothing_is_computed_twice(perovskites, tmp_path, monkeypatch):
    cache = FeatureCache("kind", tmp_path)
    some = perovskites.take([0, 1, 2, 1])
    computed: list[int] = []
    compute = module._computed

    def counted(crystals: Crystals, index: np.ndarray) -> dict:
        computed.extend(index.tolist())
        return compute(crystals, index)

    monkeypatch.setattr(module, "_computed", counted)
    seen: list[tuple[int, int]] = []
    first = chgnet_features(some, lambda done, n: seen.append((done, n)), cache)
    assert computed == [0, 1, 2]
    assert seen[-1] == (4, 4)
    assert first.energies[1] == first.energies[3]
    computed.clear()
    again = chgnet_features(perovskites.take([2, 0, 5]), cache=cache)
    assert computed == [2]  # the sixth of all, the only one that is new
    assert again.energies[:2].tolist() == first.energies[[2, 0]].tolist()
    cache.path.write_bytes(b"damaged" * 1000)
    assert np.array_equal(chgnet_features(some, cache=cache).energies, first.energies)


def test_swapped_elements_share_a_graph_and_change_no_energy(perovskites, tmp_path, monkeypatch):
    """The graph of a cell is built once for all the elements that stand on its sites."""
    few, rng = perovskites.take([0, 1]), np.random.default_rng(0)
    swaps = few.take(np.tile([0, 1], 5))
    numbers = rng.integers(3, 84, len(swaps.numbers))
    swaps = replace(swaps, numbers=np.where(swaps.owners < 2, swaps.numbers, numbers))
    one_by_one = FeatureCache("one by one", tmp_path)
    alone = [chgnet_features(swaps.take([i]), cache=one_by_one) for i in range(len(swaps))]
    built = []

    def counted(structure, converter):
        built.append(structure.formula)
        return build_graph(structure, converter)

    monkeypatch.setattr("iceframe.scale.foundation.chgnet_network.build_graph", counted)
    together = chgnet_features(swaps, cache=FeatureCache("together", tmp_path))
    assert len(built) == 2
    np.testing.assert_array_equal(together.energies, [one.energies[0] for one in alone])
    sites = np.concatenate([one.site_energies for one in alone])
    np.testing.assert_allclose(together.site_energies, sites, atol=TOLERANCE)
    assert len(np.unique(together.energies)) == len(swaps)


def test_what_cannot_be_described_is_undefined_and_stops_nobody(odd_crystals):
    found = chgnet_features(odd_crystals)
    assert found.described.tolist() == [False, False, True]
    assert np.isnan(found.embeddings[:2]).all()
    assert np.isfinite(found.site_energies).tolist() == [False, False, True, True]
    assert len(chgnet_features(odd_crystals.take([])).energies) == 0


def test_weights_are_those_of_the_package_and_need_no_pickle(capsys):
    from chgnet.model.model import CHGNet

    network = new_network()
    assert capsys.readouterr().out == ""
    theirs = CHGNet.load(use_device="cpu", verbose=False).state_dict()
    ours = network.state_dict()
    assert ours.keys() == theirs.keys() == stored_model()["state_dict"].keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)
    assert shared_network() is not network


def test_groups_hold_everything_once_and_within_bounds(rng):
    costs = rng.integers(0, 30, size=200).tolist()
    groups = grouped(costs, most=50)
    assert [i for group in groups for i in group] == list(range(200))
    assert all(sum(costs[i] for i in group) <= 50 for group in groups)
    assert [] not in groups


def test_a_failing_graph_leaves_no_file_behind(perovskites, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    from chgnet.graph.graph import Graph

    def fails(self: Graph, cutoff: float) -> None:
        raise ValueError("no line graph")

    monkeypatch.setattr(Graph, "line_graph_adjacency_list", fails)
    assert [graph for _, graph in graphs_of(perovskites, [0])] == [None]
    assert list(tmp_path.iterdir()) == []


def _data(crystals: Crystals) -> Dataset:
    table = pd.DataFrame(index=[f"s{i}" for i in range(len(crystals))])
    return Dataset(table, crystals=crystals)


def test_descriptor_names_what_the_network_says(perovskites):
    data = _data(perovskites)
    kind = DESCRIPTORS["chgnet"]
    assert kind.suits(data)
    assert not kind.default
    held = kind().fit(data).transform(data)
    found = chgnet_features(perovskites)
    assert held.values.shape == (len(perovskites), 68)
    assert (held.names[0], held.units[0]) == ("CHGNet energy per atom", "eV/atom")
    assert np.array_equal(held.values[:, 0], found.energies)
    moments = found.moments.reshape(-1, 5)
    assert np.allclose(held.values[:, 1], moments.mean(1))
    assert np.allclose(held.values[:, 2], moments.max(1))
    assert np.allclose(held.values[:, 3], moments.std(1))
    assert np.array_equal(held.values[:, 4:], found.crystal_vectors)
    assert sorted(i for block in held.blocks.values() for i in block) == list(range(68))


def test_descriptor_says_what_it_could_not_describe(odd_crystals):
    data = _data(odd_crystals)
    descriptor = DESCRIPTORS["chgnet"]().fit(data)
    values = descriptor.transform(data).values
    assert np.isnan(values[:2]).all()
    assert np.isfinite(values[2]).all()
    (note,) = descriptor.notes
    assert "2 of 3" in note
    assert "curium" in note


def test_descriptor_is_stored_with_its_weights(perovskites):
    data = _data(perovskites.take([0]))
    descriptor = DESCRIPTORS["chgnet"]().fit(data)
    again = DESCRIPTORS["chgnet"].from_state(descriptor.state())
    assert np.array_equal(again.transform(data).values, descriptor.transform(data).values)
    with pytest.raises(InputError, match="other weights"):
        DESCRIPTORS["chgnet"].from_state({"chgnet": "0" * 16})
    with pytest.raises(InputError, match="crystals"):
        DESCRIPTORS["chgnet"]().fit(Dataset(pd.DataFrame(index=["a"])))

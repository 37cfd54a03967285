"""Crystal graph networks: symmetries, forces, exact site contributions, storage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError, UsageError
from iceframe.scale.crystal_estimator import (
    CrystalClassifier,
    CrystalRegressor,
    chunks,
    cutoff_for,
)
from iceframe.scale.crystal_graph import crystal_graphs
from iceframe.scale.crystal_network import CrystalNetwork, envelope
from iceframe.scale.rung import RUNGS, Context

QUICK = {"members": 2, "width": 16, "layers": 2, "cutoff": 4.0, "epochs": 2, "batch_size": 16}


def crystals_of(rng, n: int, sites: int = 3) -> Crystals:
    """Skewed cells with sites of two elements near a grid."""
    lattices = 3.6 * np.eye(3) + 0.3 * rng.normal(size=(n, 3, 3))
    corners = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])[:sites]
    fractional = np.tile(corners, (n, 1)) + 0.03 * rng.normal(size=(n * sites, 3))
    numbers = rng.choice([13, 28], size=n * sites)
    names = tuple(f"c{i}" for i in range(n))
    return Crystals(lattices, sites * np.arange(n + 1), numbers, fractional, names)


@pytest.fixture(scope="module")
def some():
    rng = np.random.default_rng(3)
    return crystals_of(rng, 40)


@pytest.fixture(scope="module")
def target(some):
    """Nickel's share, and the volume a site."""
    share = np.add.reduceat(some.numbers == 28, some.offsets[:-1]) / some.sizes
    return 5 + 2 * share + 0.3 * some.volumes / some.sizes


@pytest.fixture(scope="module")
def fitted(some, target):
    return CrystalRegressor(**QUICK).fit(some, target)


def rotated(x: Crystals, rng) -> Crystals:
    turn = Rotation.random(random_state=rng).as_matrix()
    return replace_cells(x, x.lattices @ turn.T, x.fractional)


def replace_cells(x: Crystals, lattices, fractional) -> Crystals:
    return Crystals(lattices, x.offsets, x.numbers, fractional, x.names)


def permuted(x: Crystals, rng) -> Crystals:
    order = np.concatenate(
        [rng.permutation(np.arange(a, b)) for a, b in zip(x.offsets, x.offsets[1:], strict=False)]
    )
    return Crystals(x.lattices, x.offsets, x.numbers[order], x.fractional[order], x.names)


def skewed(x: Crystals, _) -> Crystals:
    """The same lattices by other vectors."""
    change = np.array([[1, 1, 0], [0, 1, 0], [0, -1, 1]])
    return replace_cells(x, change @ x.lattices, x.fractional @ np.linalg.inv(change))


def doubled(x: Crystals, _) -> Crystals:
    """Each cell twice along its second vector."""
    stretch = np.diag([1, 2, 1])
    once = x.fractional / [1, 2, 1]
    order = np.argsort(np.tile(x.owners, 2), kind="stable")
    both = np.concatenate([once, once + np.array([0, 0.5, 0])])[order]
    numbers = np.tile(x.numbers, 2)[order]
    return Crystals(stretch @ x.lattices, 2 * x.offsets, numbers, both, x.names)


MOVED = np.array([0.31, -0.2, 1.7])

SAME = {
    "rotation": rotated,
    "reflection": lambda x, _: replace_cells(x, x.lattices * [1, 1, -1], x.fractional),
    "translation": lambda x, _: replace_cells(x, x.lattices, x.fractional + MOVED),
    "permutation": permuted,
    "other cell vectors": skewed,
    "repetition": doubled,
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_crystal_has_the_same_answer(name, fitted, some, rng) -> None:
    assert np.ptp(fitted.predict(some)) > 0.1
    again = SAME[name](some, rng)
    assert np.allclose(fitted.predict(again), fitted.predict(some), atol=2e-5)


def test_a_sum_grows_with_the_cell(some, target) -> None:
    model = CrystalRegressor(**QUICK, pool="sum").fit(some, target * some.sizes)
    predicted = model.predict(some)
    assert np.allclose(model.predict(doubled(some, None)), 2 * predicted, rtol=1e-5)
    assert np.corrcoef(predicted, target)[0, 1] > 0.5
    assert np.allclose(
        np.add.reduceat(model.site_contributions(some), some.offsets[:-1]), predicted
    )


def test_what_sites_add_is_the_prediction(fitted, some) -> None:
    sites = fitted.site_contributions(some)
    assert sites.shape == some.numbers.shape
    mean = np.add.reduceat(sites, some.offsets[:-1]) / some.sizes
    assert np.allclose(mean, fitted.predict(some), atol=1e-5)


def network_and_graph(some, **more):
    torch.manual_seed(1)
    network = CrystalNetwork(
        1, cutoff=4.0, width=16, layers=2, degree=20.0, **more
    ).eval().double()  # fmt: skip
    graph = crystal_graphs(some.take([0, 1, 2]), 4.0, 10**6).batch()
    double = {
        name: value.double()
        for name, value in vars(graph).items()
        if torch.is_tensor(value) and value.is_floating_point()
    }
    return network, replace(graph, **double)


def test_forces_are_finite_differences_of_the_energy(some) -> None:
    network, graph = network_and_graph(some)
    positions = graph.positions.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network.sites(graph, positions).sum(), positions)
    step = 1e-5
    for site, axis in ((0, 0), (3, 1), (8, 2)):
        ends = []
        for sign in (1, -1):
            moved = graph.positions.clone()
            moved[site, axis] += sign * step
            ends.append(float(network.sites(graph, moved).detach().sum()))
        assert float(gradient[site, axis]) == pytest.approx(
            (ends[0] - ends[1]) / (2 * step), rel=1e-6, abs=1e-9
        )


def test_forces_turn_with_the_crystal_and_add_to_nothing(fitted, some, rng) -> None:
    forces = fitted.forces(some)
    assert forces.shape == (len(some.numbers), 3)
    size = np.abs(forces).max()
    assert size > 1e-3
    assert np.abs(np.add.reduceat(forces, some.offsets[:-1])).max() < 1e-4 * size
    turn = Rotation.random(random_state=rng).as_matrix()
    turned = replace_cells(some, some.lattices @ turn.T, some.fractional)
    assert np.allclose(fitted.forces(turned), forces @ turn.T, atol=1e-4 * size)


def test_energies_are_continuous_where_a_site_comes_within_the_cutoff() -> None:
    """A pair of atoms around the cutoff of 4 Å in a wide cell; so are slopes."""
    apart = 4.0 + np.array([-2e-3, -1e-3, 1e-3, 2e-3])
    cells = np.tile(30.0 * np.eye(3), (4, 1, 1))
    fractional = np.zeros((8, 3))
    fractional[1::2, 0] = apart / 30
    pairs = Crystals(cells, 2 * np.arange(5), np.tile([13, 28], 4), fractional, tuple("abcd"))
    network, _ = network_and_graph(crystals_of(np.random.default_rng(0), 3))
    network = network.float()
    graph = crystal_graphs(pairs, 4.0, 10**6).batch()
    assert len(graph.centre) == 4  # two pairs see each other, two do not
    with torch.no_grad():
        values = network(graph)[:, 0].numpy()
    assert np.ptp(values) < 1e-6
    x = torch.tensor([4.0 - 1e-3], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(envelope(x, 4.0), x)
    assert abs(float(slope)) < 1e-4


def test_learns_volume_and_composition(some, target) -> None:
    model = CrystalRegressor(**{**QUICK, "epochs": 40, "batch_size": 8})
    model.fit(some.take(range(30)), target[:30])
    assert model.score(some.take(range(30, 40)), target[30:]) > 0.8


def test_begins_at_the_rule_of_mixtures(some) -> None:
    share = np.add.reduceat(some.numbers == 28, some.offsets[:-1]) / some.sizes
    model = CrystalRegressor(**{**QUICK, "epochs": 1}, learning_rate=1e-12).fit(some, share)
    start = model.network_[0].reference.detach().numpy()[:, 0]
    assert start[28] > 0.5 > -0.5 > start[13]
    assert np.abs(np.delete(start, [13, 28])).max() == 0


def test_supervision_by_forces_teaches_forces(some) -> None:
    """Energy of springs on nearest pairs: forces known, energies few."""
    energy, forces = springs(some)
    first, rest = np.arange(30), np.arange(30, 40)
    split = some.offsets[30]
    settings = {**QUICK, "epochs": 30, "batch_size": 8, "members": 1}
    found = []
    for weight, given in ((0.0, None), (3.0, forces[:split])):
        model = CrystalRegressor(**settings, force_weight=weight)
        model.fit(some.take(first), energy[:30], forces=given)
        told = model.forces(some.take(rest))
        found.append(float(np.corrcoef(told.ravel(), forces[split:].ravel())[0, 1]))
    assert found[1] > 0.6
    assert found[1] > found[0] + 0.2


def springs(crystals: Crystals, cutoff: float = 3.5) -> tuple[np.ndarray, np.ndarray]:
    """``½ Σ (R − d)²`` a site over pairs nearer than ``R``; and forces on the cell's energy."""
    graphs = crystal_graphs(crystals, cutoff, 10**6)
    graph = graphs.batch()
    positions = graph.positions.double().requires_grad_()
    short = cutoff - graph.vectors(positions).norm(dim=1)
    each = torch.zeros(len(crystals), dtype=torch.float64)
    each = each.index_add(0, graph.edge_owners, 0.5 * short.double() ** 2)
    (gradient,) = torch.autograd.grad(each.sum(), positions)
    return each.detach().numpy() / crystals.sizes, -gradient.numpy()


def test_forces_and_their_weight_go_together(some, target) -> None:
    forces = np.zeros((len(some.numbers), 3))
    with pytest.raises(UsageError, match="weight"):
        CrystalRegressor(**QUICK).fit(some, target, forces=forces)
    with pytest.raises(UsageError, match="weight"):
        CrystalRegressor(**QUICK, force_weight=1.0).fit(some, target)
    with pytest.raises(InputError, match="zero"):
        CrystalRegressor(**QUICK, force_weight=1.0).fit(some, target, forces=forces)
    with pytest.raises(InputError, match="three a site"):
        CrystalRegressor(**QUICK, force_weight=1.0).fit(some, target, forces=forces[1:])
    model = CrystalClassifier(**QUICK, force_weight=1.0)
    with pytest.raises(UsageError, match="regression"):
        model.fit(some, target > np.median(target), forces=forces + 1)


def test_empty_crystals_and_other_lengths_are_refused(some, target) -> None:
    with pytest.raises(InputError, match="match"):
        CrystalRegressor(**QUICK).fit(some, target[1:])
    hollow = Crystals(
        np.tile(4 * np.eye(3), (2, 1, 1)), np.array([0, 1, 1]), np.array([13]),
        np.zeros((1, 3)), ("full", "hollow"),
    )  # fmt: skip
    with pytest.raises(InputError, match="hollow"):
        CrystalRegressor(**QUICK).fit(hollow, np.array([0.0, 1.0]))


def test_lone_atoms_and_elements_never_seen_have_an_answer(fitted) -> None:
    lone = Crystals(
        20 * np.eye(3)[None], np.array([0, 1]), np.array([92]), np.zeros((1, 3)), ("U",)
    )
    assert np.isfinite(fitted.predict(lone)).all()
    assert np.abs(fitted.forces(lone)).max() == 0


def test_chunks_are_all_crystals_in_order(some, fitted, monkeypatch) -> None:
    graphs = crystal_graphs(some, 4.0, 10**6)
    whole = fitted.predict(some)
    monkeypatch.setattr("iceframe.scale.crystal_estimator.CHUNK_EDGES", 100)
    parts = list(chunks(graphs))
    assert len(parts) > 10
    assert np.array_equal(np.concatenate(parts), np.arange(len(some)))
    assert np.allclose(fitted.predict(some), whole, atol=1e-5)
    assert fitted.predict(some.take([])).shape == (0,)


def test_the_cutoff_follows_the_density_of_sites(some, target) -> None:
    """Of the same crystals, twice as large, twice as long a radius holds as many neighbours."""
    settings = {**QUICK, "epochs": 1, "cutoff": None, "neighbours": 15.0}
    model = CrystalRegressor(**settings).fit(some, target)
    assert model.degree_ == pytest.approx(15, rel=0.25)
    large = replace_cells(some, 1.5 * some.lattices, some.fractional)
    wide = CrystalRegressor(**settings).fit(large, target)
    assert wide.cutoff_ == pytest.approx(1.5 * model.cutoff_, abs=0.1)
    assert wide.degree_ == pytest.approx(model.degree_, rel=0.1)
    vacuum = replace_cells(some, 20 * some.lattices, some.fractional)
    assert cutoff_for(vacuum, 15.0) == 8.0


def test_classes_and_seeds(some, target) -> None:
    named = np.where(target > np.median(target), "wide", "narrow")
    first = CrystalClassifier(**QUICK).fit(some, named).predict_proba(some)
    assert np.allclose(first.sum(axis=1), 1)
    assert np.array_equal(first, CrystalClassifier(**QUICK).fit(some, named).predict_proba(some))
    other = CrystalClassifier(**QUICK, random_state=1).fit(some, named)
    assert not np.array_equal(first, other.predict_proba(some))
    assert set(other.predict(some)) <= {"wide", "narrow"}


def test_storage_round_trip(some, target, tmp_path) -> None:
    about = Context("regression", len(some), 0)
    rung, settings = RUNGS["crystal_graph"](), {"epochs": 1, "neighbours": 12.0}
    model = rung.build(settings, about).fit(some, target)
    rung.save(model, tmp_path)
    loaded = rung.load(tmp_path, settings, about)
    assert np.array_equal(loaded.predict(some), model.predict(some))
    assert np.array_equal(loaded.forces(some), model.forces(some))
    assert rung.parameters(loaded) == rung.parameters(model) > 10_000
    with pytest.raises(InputError, match="settings"):
        rung.build(settings, about).set_params(width=32).restore(*model.state())

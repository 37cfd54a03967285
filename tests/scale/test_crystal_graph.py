"""Crystal graphs: packed, taken apart, batched, and differentiable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError
from iceframe.physics.neighbours import nearest_neighbours, neighbour_list
from iceframe.scale import crystal_graph as module
from iceframe.scale.crystal_graph import CrystalGraphs, crystal_graphs

from .crystal_cases import (
    DRAWINGS,
    crystal,
    cubic,
    iron,
    random_crystal,
    salt,
    seeds,
    silicon,
    titanate,
    together,
)

ARRAYS = ("edge_offsets", "centre", "neighbour", "image", "distance", "edge_owners")


def several() -> CrystalGraphs:
    lonely = cubic(20.0, [2], [[0, 0, 0]])
    return crystal_graphs(
        together([titanate(), lonely, iron(), random_crystal(3), salt()]), cutoff=5.0, nearest=6
    )


def moved_atoms(held: Crystals) -> Crystals:
    """Sites off their symmetric places, where forces would be zero."""
    by = np.random.default_rng(0).normal(size=held.fractional.shape) * 0.02
    return crystal(held.lattices[0], held.numbers.tolist(), held.fractional + by)


def test_edges_are_the_nearest_neighbours() -> None:
    graphs = several()
    found = nearest_neighbours(graphs.crystals, 6, 5.0)
    for name in ("centre", "neighbour", "image", "distance"):
        np.testing.assert_array_equal(getattr(graphs, name), getattr(found, name))
    assert np.bincount(graphs.edge_owners, minlength=5)[1] == 0
    everything = crystal_graphs(graphs.crystals, cutoff=5.0, nearest=None)
    assert len(everything.centre) == len(neighbour_list(graphs.crystals, 5.0))


def test_take_equals_building_anew() -> None:
    graphs = several()
    for index in ([4, 0], [1], [2, 2, 3], []):
        part, new = graphs.take(index), crystal_graphs(graphs.crystals.take(index), 5.0, 6)
        for name in ARRAYS:
            np.testing.assert_array_equal(getattr(part, name), getattr(new, name))
        np.testing.assert_array_equal(part.numbers, new.numbers)
        assert len(part) == len(index)


def test_built_once_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    module._KEPT.held.clear()
    one = crystal_graphs(iron())
    assert crystal_graphs(iron()).distance is one.distance
    renamed = together([iron()])
    assert crystal_graphs(renamed).crystals.names == renamed.names
    assert crystal_graphs(iron(), nearest=8).distance is not one.distance
    assert len(module._KEPT.held) == 2
    monkeypatch.setattr(module._KEPT, "room", 0)
    crystal_graphs(silicon())
    assert len(module._KEPT.held) == 1
    assert crystal_graphs(iron()).distance is not one.distance


def test_batch() -> None:
    import torch

    graphs = several()
    batch = graphs.batch([3, 0])
    assert batch.n_crystals == 2
    assert batch.numbers.tolist() == graphs.take([3, 0]).numbers.tolist()
    assert (batch.node_owners[batch.centre] == batch.edge_owners).all()
    assert (batch.node_owners[batch.neighbour] == batch.edge_owners).all()
    assert batch.positions.dtype == batch.distance.dtype == torch.float32
    lengths = batch.vectors().norm(dim=1)
    torch.testing.assert_close(lengths, batch.distance, rtol=1e-5, atol=1e-5)
    empty = graphs.batch([1])
    assert len(empty.centre) == 0
    assert empty.vectors().shape == (0, 3)


def test_forces_and_stress_by_autograd() -> None:
    """Σ (d − 2 Å)² over edges: its gradient equals differences, and forces add to nothing."""
    import torch

    crystals = moved_atoms(titanate())
    batch = crystal_graphs(crystals, cutoff=6.0, nearest=None).batch()

    def energy(positions: torch.Tensor, lattices: torch.Tensor) -> torch.Tensor:
        return ((batch.vectors(positions, lattices).norm(dim=1) - 2.0) ** 2).sum()

    at = [torch.tensor(crystals.cartesian), torch.tensor(crystals.lattices)]
    free = [held.clone().requires_grad_() for held in at]
    pulls = torch.autograd.grad(energy(*free), free)
    assert pulls[0].abs().max() > 0.1
    torch.testing.assert_close(pulls[0].sum(dim=0), torch.zeros(3, dtype=torch.float64))
    for k in (0, 1):
        both = []
        for step in (1e-5, -1e-5):
            moved = [held.clone() for held in at]
            moved[k].view(-1)[1] += step
            both.append(energy(*moved))
        slope = (both[0] - both[1]) / 2e-5
        torch.testing.assert_close(pulls[k].reshape(-1)[1], slope, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("drawing", DRAWINGS)
@given(seed=seeds)
@settings(deadline=None, max_examples=4)
def test_one_crystal_has_one_graph(drawing: str, seed: int) -> None:
    """Nodes see the same kinds at the same distances, once for each copy of the cell."""
    held = random_crystal(seed, most=4)
    again = DRAWINGS[drawing](held, seed)

    def views(graphs: CrystalGraphs) -> list[tuple]:
        kinds = graphs.numbers[graphs.neighbour]
        seen = []
        for node, number in enumerate(graphs.numbers):
            mine = graphs.centre == node
            pairs = zip(graphs.distance[mine].round(5), kinds[mine], strict=True)
            seen.append((int(number), tuple(sorted((float(d), int(z)) for d, z in pairs))))
        return sorted(seen)

    times = len(again.numbers) // len(held.numbers)
    expected = [v for v in views(crystal_graphs(held, 6.0, 6)) for _ in range(times)]
    found = views(crystal_graphs(again, 6.0, 6))
    assert [(z, [k for _, k in v]) for z, v in found] == [
        (z, [k for _, k in v]) for z, v in expected
    ]
    for (_, ours), (_, theirs) in zip(found, expected, strict=True):
        np.testing.assert_allclose([d for d, _ in ours], [d for d, _ in theirs], atol=2e-5)


def test_refused() -> None:
    with pytest.raises(InputError, match="neighbours"):
        crystal_graphs(iron(), nearest=0)

"""Neighbour lists: equal to pymatgen's on any cell, and one crystal's whatever its drawing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.crystals import Crystals
from iceframe.core.errors import InputError
from iceframe.ingest.crystals import structures
from iceframe.physics import neighbours as module
from iceframe.physics.lattices import reduced_lattices
from iceframe.physics.neighbours import (
    TIE,
    Neighbours,
    nearest,
    nearest_neighbours,
    neighbour_list,
)

from ..scale.crystal_cases import (
    DRAWINGS,
    copper,
    crystal,
    cubic,
    iron,
    random_crystal,
    seeds,
    silicon,
    together,
)


def rows(found: Neighbours) -> list[tuple[int, ...]]:
    """The pairs with their images, sorted."""
    return sorted(map(tuple, np.column_stack([found.centre, found.neighbour, found.image])))


def same_as_pymatgen(crystals: Crystals, cutoff: float) -> None:
    found = neighbour_list(crystals, cutoff)
    assert np.all(np.diff(found.centre) >= 0)
    expected, distances = [], []
    for first, structure in zip(crystals.offsets, structures(crystals), strict=False):
        centre, neighbour, image, distance = structure.get_neighbor_list(cutoff)
        ends = (centre + first, neighbour + first)
        expected += list(map(tuple, np.column_stack([*ends, image.astype(int)])))
        distances += distance.tolist()
    assert rows(found) == sorted(expected)
    order = np.lexsort(np.array(expected).reshape(-1, 5).T[::-1])
    ours = np.lexsort(np.column_stack([found.centre, found.neighbour, found.image]).T[::-1])
    np.testing.assert_allclose(found.distance[ours], np.array(distances)[order], atol=1e-9)


@given(seed=seeds, cutoff=st.floats(1.0, 7.0))
@settings(deadline=None, max_examples=25)
def test_equal_to_pymatgen(seed: int, cutoff: float) -> None:
    same_as_pymatgen(random_crystal(seed), cutoff)


@given(seed=seeds)
@settings(deadline=None, max_examples=15)
def test_tiny_and_skewed_cells_equal_to_pymatgen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tiny = random_crystal(seed, most=2, scale=0.9)
    shear = np.eye(3) + np.tril(rng.integers(-6, 7, (3, 3)), -1)
    skewed = crystal(shear @ tiny.lattices[0] * 2, tiny.numbers.tolist(), tiny.fractional)
    same_as_pymatgen(together([tiny, skewed]), 3.0)


def test_neighbours_at_the_very_cutoff_are_all_there() -> None:
    """12, 6 and 24 neighbours of a face-centred site at a/√2, a and a√(3/2)."""
    a = 3.6149
    for cutoff, number in ((a / np.sqrt(2), 12), (a, 18), (a * np.sqrt(1.5), 42)):
        found = neighbour_list(copper(), cutoff)
        assert found.counts.tolist() == [number] * 4
        same_as_pymatgen(copper(), cutoff)


def test_pieces_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    crystals = together([random_crystal(s) for s in range(4)])
    whole = neighbour_list(crystals, 5.0)
    fewest = nearest_neighbours(crystals, 3, 5.0)
    monkeypatch.setattr(module, "NEIGHBOURS_AT_ONCE", 50)
    assert len(list(module.pieces(crystals, 5.0))) > 10
    for ours, theirs in (
        (whole, neighbour_list(crystals, 5.0)),
        (fewest, nearest_neighbours(crystals, 3, 5.0)),
        (nearest(whole, 3), fewest),
    ):
        for name in ("centre", "neighbour", "image", "distance", "vector"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


def test_vectors_images_and_both_ends() -> None:
    crystals = together([random_crystal(s) for s in range(5)])
    found = neighbour_list(crystals, 5.0)
    cells = crystals.lattices[crystals.owners[found.centre]]
    apart = crystals.cartesian[found.neighbour] - crystals.cartesian[found.centre]
    again = apart + np.einsum("ek,ekx->ex", found.image, cells)
    np.testing.assert_allclose(found.vector, again, atol=1e-12)
    np.testing.assert_allclose(found.distance, np.linalg.norm(again, axis=1), atol=1e-12)
    assert (crystals.owners[found.centre] == crystals.owners[found.neighbour]).all()
    back = [(j, i, *(-t for t in image)) for i, j, *image in rows(found)]
    assert sorted(back) == rows(found)


@pytest.mark.parametrize("drawing", DRAWINGS)
@given(seed=seeds)
@settings(deadline=None, max_examples=5)
def test_no_drawing_changes_what_a_site_sees(drawing: str, seed: int) -> None:
    held = random_crystal(seed, most=4)
    again = DRAWINGS[drawing](held, seed)
    times = len(again.numbers) // len(held.numbers)

    def seen(crystals: Crystals, repeats: int) -> np.ndarray:
        found = nearest_neighbours(crystals, 5, 5.0)
        kinds = crystals.numbers[found.centre] * 200 + crystals.numbers[found.neighbour]
        order = np.lexsort((kinds, found.distance.round(7)))
        pairs = np.column_stack([found.distance, kinds])[order]
        return np.repeat(pairs, repeats, axis=0)

    found, expected = seen(again, 1), seen(held, times)
    np.testing.assert_allclose(found[:, 0], expected[:, 0], atol=1e-6)
    assert sorted(found[:, 1]) == sorted(expected[:, 1])


@pytest.mark.parametrize(
    ("made", "k", "number"),
    [(copper, 12, 12), (copper, 5, 12), (copper, 13, 18), (iron, 8, 8), (silicon, 4, 4)],
)
def test_shells_are_kept_whole(made: object, k: int, number: int) -> None:
    crystals = made()  # type: ignore[operator]
    found = nearest_neighbours(crystals, k, 8.0)
    assert set(found.counts) == {number}
    steps = np.diff(found.distance)
    assert (steps[np.diff(found.centre) == 0] > -TIE).all()


def test_fewer_than_asked_for_and_none() -> None:
    crystals = together([cubic(20.0, [2], [[0, 0, 0]]), iron()])
    found = nearest_neighbours(crystals, 100, 3.0)
    assert found.counts.tolist() == [0, 14, 14]
    assert len(nearest(found, 0)) == 0
    empty = iron().take([])
    assert len(neighbour_list(empty, 3.0)) == len(nearest_neighbours(empty, 3, 3.0)) == 0


def test_ties_fall_within_the_tolerance() -> None:
    """Two neighbours that differ by less than a file's rounding count as one shell."""
    pair = crystal(np.diag([9.0, 9, 4.0001]), [2], [[0, 0, 0]])
    dimer = crystal(np.diag([4.0, 4.0001, 9]), [2], [[0, 0, 0]])
    assert nearest_neighbours(pair, 1, 5.0).counts.tolist() == [2]
    assert nearest_neighbours(dimer, 1, 5.0).counts.tolist() == [4]
    apart = crystal(np.diag([4.0, 4.1, 9]), [2], [[0, 0, 0]])
    assert nearest_neighbours(apart, 1, 5.0).counts.tolist() == [2]


def test_refused() -> None:
    flat = crystal(np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0]]), [1], [[0, 0, 0]])
    with pytest.raises(InputError, match="crystal 1"):
        neighbour_list(together([iron(), flat]), 3.0)
    lost = crystal(np.eye(3), [1], [[np.nan, 0, 0]])
    with pytest.raises(InputError, match="crystal 0"):
        neighbour_list(together([lost, iron()]), 3.0)
    for cutoff in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="cutoff"):
            neighbour_list(iron(), cutoff)


# ------------------------------------------------------------------------------------- lattices


@given(seed=seeds)
@settings(deadline=None, max_examples=20)
def test_reduced_lattices_are_minkowski_s(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lattices = rng.normal(size=(20, 3, 3))
    lattices = lattices[np.abs(np.linalg.det(lattices)) > 0.02]
    shears = np.eye(3) + np.triu(rng.integers(-9, 10, (len(lattices), 3, 3)), 1)
    reduced, change = reduced_lattices(shears @ lattices)
    np.testing.assert_allclose(change @ shears @ lattices, reduced, atol=1e-9)
    np.testing.assert_allclose(np.abs(np.linalg.det(change)), 1, atol=1e-9)
    lengths = np.linalg.norm(reduced, axis=2)
    assert (np.diff(lengths, axis=1) > -1e-9).all()
    a, b, c = reduced.transpose(1, 0, 2)
    for x in (-1, 0, 1):
        for y in (-1, 0, 1):
            assert (np.linalg.norm(c + x * a + y * b, axis=1) > lengths[:, 2] - 1e-8).all()
        assert (np.linalg.norm(b + x * a, axis=1) > lengths[:, 1] - 1e-8).all()
    # the lengths are the lattice's own
    straight, _ = reduced_lattices(lattices)
    np.testing.assert_allclose(np.linalg.norm(straight, axis=2), lengths, atol=1e-8)


def test_known_lattices() -> None:
    """Primitive vectors of fcc and bcc from cells drawn askew."""
    fcc = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
    bcc = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2
    shear = np.array([[1, 5, -3], [0, 1, 7], [0, 0, 1]])
    lengths = np.linalg.norm(reduced_lattices(shear @ np.array([fcc, bcc]))[0], axis=2)
    np.testing.assert_allclose(lengths, np.sqrt([[0.5] * 3, [0.75] * 3]))

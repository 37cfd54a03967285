"""Persistent homology: known shapes, Euler's law, an independent reference, stability."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.descriptors.minkowski import Minkowski
from iceframe.scale.descriptors.persistent_homology import (
    BINS,
    PersistentHomology,
    persistence,
    persistence_image,
    signed_distance,
)
from iceframe.scale.image_format import ImageFormat

NAME = "persistent_homology"


def data_of(values: np.ndarray, *, periodic: bool = False, kind: str = "phase") -> Dataset:
    values = np.asarray(values, np.float32)[:, None]
    table = pd.DataFrame(index=[f"s{i}" for i in range(len(values))])
    return Dataset(table, images=ArrayImages(values, periodic=periodic, kind=kind))


def described(values: np.ndarray, *, periodic: bool = False, kind: str = "phase") -> Representation:
    data = data_of(values, periodic=periodic, kind=kind)
    return DESCRIPTORS[NAME]().fit(data).transform(data)


def value(found: Representation, name: str, row: int = 0) -> float:
    return float(found.values[row, found.names.index(name)])


def betti(found: Representation, size: int, row: int = 0) -> list[float]:
    return [
        value(found, n, row) * size for n in found.names if n.startswith("Betti number density")
    ]


def discs(shape: tuple[int, ...], *balls: tuple[tuple[float, ...], float]) -> np.ndarray:
    """Balls ``(centre, radius)`` in one image."""
    at = np.indices(shape)
    image = np.zeros(shape, bool)
    for centre, radius in balls:
        apart = sum((a - c) ** 2 for a, c in zip(at, centre, strict=True))
        image |= apart <= radius**2
    return image


# ----------------------------------------------------------------------------------- the contract


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("kind", ["phase", "grey"])
@pytest.mark.parametrize("shape", [(20, 23), (9, 10, 11)])
def test_contract(
    shape: tuple[int, ...], kind: str, periodic: bool, rng: np.random.Generator
) -> None:
    values = rng.random((4, *shape))
    data = data_of(values > 0.6 if kind == "phase" else values, periodic=periodic, kind=kind)
    fitted = DESCRIPTORS[NAME]().fit(data)
    whole = fitted.transform(data)
    assert len(set(whole.names)) == len(whole.names)
    assert set(whole.blocks) == {NAME}
    assert whole.references == (fitted.reference,)
    assert not np.isinf(whole.values).any()
    again = type(fitted).from_state(json.loads(json.dumps(fitted.state(), allow_nan=False)))
    np.testing.assert_array_equal(again.transform(data).values, whole.values)
    np.testing.assert_array_equal(again.transform(data.take([2, 1])).values, whole.values[[2, 1]])


def test_no_default_and_too_small(rng: np.random.Generator) -> None:
    assert not DESCRIPTORS[NAME].default
    with pytest.raises(InputError, match="too small"):
        described(rng.random((2, 2, 9)), kind="grey")


def test_each_of_three_phases(rng: np.random.Generator) -> None:
    phases = rng.integers(0, 3, (2, 16, 16))
    found = described(phases)
    alone = described(phases == 1)
    one = [i for i, n in enumerate(found.names) if n.endswith("phase 1")]
    np.testing.assert_array_equal(found.values[:, one], alone.values)


# ---------------------------------------------------------------------------------- known shapes


def test_a_disc_a_ring_and_two_discs() -> None:
    shape = (40, 40)
    ring = discs(shape, ((20, 20), 14.5)) & ~discs(shape, ((20, 20), 6.5))
    two = discs(shape, ((20, 10), 6.0), ((20, 30), 6.0))
    found = described(np.stack([discs(shape, ((20, 20), 10.0)), ring, two]))
    size = 40 * 40
    assert [betti(found, size, i) for i in range(3)] == [[1, 0], [1, 1], [2, 0]]
    assert [value(found, "number density of pieces", i) * size for i in range(3)] == [1, 1, 2]
    # A disc is born at minus its radius.
    assert value(found, "birth of pieces, 50th percentile", 0) == pytest.approx(-10, abs=0.75)
    # The loop is born at half the width of the ring and dies at the radius of the hole.
    assert value(found, "birth of loops, 50th percentile", 1) == pytest.approx(-4, abs=1)
    assert value(found, "death of loops, 50th percentile", 1) == pytest.approx(6.5, abs=0.75)
    # The second disc joins the first at half the gap of 20 - 2 * 6.
    assert value(found, "death of pieces, 10th percentile", 2) < value(
        found, "death of pieces, 90th percentile", 2
    )
    pairs = persistence(signed_distance(two[None], False)[0], False)[0]
    assert pairs[np.argsort(pairs[:, 1] - pairs[:, 0])[-2], 1] == pytest.approx(4, abs=0.75)


def test_the_neck_between_two_discs_is_measured() -> None:
    dumbbell = discs((40, 50), ((20, 14), 9.0), ((20, 36), 9.0))
    dumbbell[18:23, 14:36] = True  # five pixels wide
    assert betti(described(dumbbell[None]), dumbbell.size) == [1, 0]
    pairs = persistence(signed_distance(dumbbell[None], False)[0], False)[0]
    second = pairs[np.argsort(pairs[:, 1] - pairs[:, 0])[-2]]
    assert second == pytest.approx([-9, -2.5], abs=0.75)


def test_a_hollow_ball_and_a_torus() -> None:
    shape = (24, 24, 24)
    shell = discs(shape, ((12, 12, 12), 10.0)) & ~discs(shape, ((12, 12, 12), 4.0))
    z, y, x = np.indices(shape) - 12
    torus = (np.hypot(x, y) - 7) ** 2 + z**2 <= 9
    found = described(np.stack([shell, torus]))
    size = 24**3
    assert betti(found, size, 0) == [1, 0, 1]
    assert betti(found, size, 1) == [1, 1, 0]
    assert value(found, "death of cavities, 50th percentile", 0) == pytest.approx(4, abs=0.75)


def test_stripes_wind_round_a_periodic_image_only() -> None:
    stripes = np.tile(np.arange(32) // 4 % 2, (1, 24, 1))
    periodic, cut = described(stripes, periodic=True), described(stripes)
    size = 24 * 32
    assert betti(periodic, size) == [4, 4]  # each is a ring
    assert betti(cut, size) == [4, 0]
    assert value(periodic, "birth of pieces, 50th percentile") == -1.5


def test_one_phase_only_and_a_constant_grey_level() -> None:
    images = np.stack([np.zeros((12, 12)), np.ones((12, 12)), np.eye(12)])
    fitted = DESCRIPTORS[NAME]().fit(data_of(images))
    found = fitted.transform(data_of(images)).values
    assert np.isnan(found[:2]).all()
    assert "image0, image1" in fitted.notes[0]
    constant = described(np.full((1, 12, 12), 0.4), kind="grey")
    for name, number in zip(constant.names, constant.values[0], strict=True):
        if name.startswith(("birth", "death")):
            assert np.isnan(number)
        else:
            assert number == 0


def test_grey_valleys_and_a_ridge() -> None:
    """Two wells of depth 0.6 and 0.4 in a plane at 0.8, inside a wall at 1."""
    y, x = np.indices((40, 60))
    wells = 0.8 - 0.6 * np.exp(-((x - 15) ** 2 + (y - 20) ** 2) / 32)
    wells -= 0.4 * np.exp(-((x - 45) ** 2 + (y - 20) ** 2) / 32)
    wells = np.pad(wells, 6, constant_values=1.0)
    found = described(wells[None], kind="grey")
    assert value(found, "number density of pieces") * wells.size == 2
    smoothed = 16 / 17  # a Gaussian of variance 16 after one of variance 1, in two dimensions
    births = [0.8 - 0.6 * smoothed, 0.8 - 0.4 * smoothed]
    low, high = (value(found, f"birth of pieces, {p}th percentile") for p in (10, 90))
    assert low == pytest.approx(births[0] + 0.1 * (births[1] - births[0]), abs=0.01)
    assert high == pytest.approx(births[0] + 0.9 * (births[1] - births[0]), abs=0.01)
    lengths = np.array([0.4 * smoothed, 1 - births[0]])  # the last piece ends at the top
    assert value(found, "largest persistence of pieces") == pytest.approx(lengths[1], abs=0.02)
    assert value(found, "total persistence of pieces") * wells.size == pytest.approx(
        lengths.sum(), abs=0.03
    )
    share = lengths / lengths.sum()
    entropy = -(share * np.log(share)).sum()
    assert value(found, "persistent entropy of pieces") == pytest.approx(entropy, abs=0.01)


def test_no_false_pieces_in_discs_on_a_grid(rng: np.random.Generator) -> None:
    """Ellipses at any place and angle are one piece: what the grid adds persists less than 1 px."""
    y, x = np.indices((64, 64))
    images = []
    for _ in range(40):
        angle, ratio, radius = rng.uniform(0, np.pi), rng.uniform(1, 2.5), rng.uniform(3, 12)
        dx, dy = x - 32 + rng.uniform(-0.5, 0.5), y - 32 + rng.uniform(-0.5, 0.5)
        along, across = (
            dx * np.cos(angle) + dy * np.sin(angle),
            dy * np.cos(angle) - dx * np.sin(angle),
        )
        images.append((along / ratio) ** 2 + across**2 <= radius**2)
    found = described(np.stack(images))
    pieces = found.values[:, found.names.index("number density of pieces")] * 64**2
    np.testing.assert_allclose(pieces, 1)


# ------------------------------------------------------------------------------------------- laws


@given(arrays(bool, array_shapes(min_dims=3, max_dims=4, min_side=3, max_side=6)))
@settings(max_examples=40, deadline=None)
def test_betti_numbers_add_to_the_euler_characteristic(images: np.ndarray) -> None:
    """β₀ − β₁ + β₂ = χ, which ``minkowski`` counts from neighbourhoods."""
    grid = images.shape[1:]
    flat = images.reshape(len(images), -1)
    mixed = flat.any(axis=1) & ~flat.all(axis=1)
    image_format = ImageFormat((1, *grid), True, "phase", (0.0, 1.0))
    ours = PersistentHomology().fit_format(image_format)
    names = [f.name for f in ours.features()]
    place = [i for i, n in enumerate(names) if n.startswith("Betti")]
    found = ours.measure(images.astype(np.float32))
    assert np.isnan(found[~mixed]).all()
    euler = Minkowski().fit_format(image_format).measure(images.astype(np.float32))[:, -1]
    signs = (-1.0) ** np.arange(len(place))
    np.testing.assert_allclose((found[:, place] @ signs)[mixed], euler[mixed], atol=1e-12)


def merge_tree(field: np.ndarray, periodic: bool) -> list[tuple[float, float]]:
    """Births and deaths of pieces by the elder rule: pixels from the lowest, joined one by one."""
    parent: dict[tuple[int, ...], tuple[int, ...]] = {}

    def root(p: tuple[int, ...]) -> tuple[int, ...]:
        while parent[p] != p:
            p = parent[p]
        return p

    pairs = []
    for p in sorted(np.ndindex(field.shape), key=lambda q: field[q]):
        parent[p] = p
        for axis in range(field.ndim):
            for step in (-1, 1):
                q = list(p)
                q[axis] += step
                if periodic:
                    q[axis] %= field.shape[axis]
                if tuple(q) not in parent:
                    continue
                a, b = sorted((root(p), root(tuple(q))), key=lambda r: field[r])
                if a != b:
                    pairs.append((field[b], field[p]))
                    parent[b] = a
    pairs.append((field.min(), field.max()))
    return sorted((float(b), float(d)) for b, d in pairs if d > b)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(11, 12), (5, 6, 7)])
def test_pieces_against_a_merge_tree(
    shape: tuple[int, ...], periodic: bool, rng: np.random.Generator
) -> None:
    field = rng.random(shape)
    found = persistence(field, periodic)[0]
    np.testing.assert_allclose(found, merge_tree(field, periodic), rtol=1e-12)


def test_loops_are_the_pieces_of_what_lies_outside(rng: np.random.Generator) -> None:
    """Alexander duality in the plane: with a border above all else, a loop of {f ≤ t} encloses a
    piece of {−f < −t}, whose pixels connect through corners."""
    from scipy import ndimage

    for _ in range(5):
        phase = np.pad(rng.random((14, 15)) < 0.6, 1)  # background all round
        phase = np.pad(phase, 1)
        _, pieces = ndimage.label(~phase, np.ones((3, 3)))
        found = described(phase[None])
        assert betti(found, phase.size)[1] == pieces - 1


@given(
    arrays(np.float64, (7, 8), elements=st.floats(0, 1)),
    arrays(np.float64, (7, 8), elements=st.floats(-0.0625, 0.0625)),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_a_small_change_moves_persistence_little(
    field: np.ndarray, change: np.ndarray, periodic: bool
) -> None:
    """Bottleneck stability: no persistence changes by more than 2 sup|f − g|.

    Cohen-Steiner, Edelsbrunner, Harer 2007, doi:10.1007/s00454-006-1276-5.
    """
    most = np.abs(change).max()
    before, after = persistence(field, periodic), persistence(field + change, periodic)
    for a, b in zip(before, after, strict=True):
        a, b = (np.sort(p[:, 1] - p[:, 0])[::-1] for p in (a, b))
        n = max(len(a), len(b))
        a, b = (np.pad(p, (0, n - len(p))) for p in (a, b))
        assert np.all(np.abs(a - b) <= 2 * most + 1e-9)


@pytest.mark.parametrize("kind", ["phase", "grey"])
@pytest.mark.parametrize("periodic", [True, False])
def test_turned_and_moved_images_are_the_same(
    kind: str, periodic: bool, rng: np.random.Generator
) -> None:
    from scipy import ndimage

    fields = ndimage.gaussian_filter(rng.random((2, 28, 28)), (0, 2, 2), mode="wrap")
    fields = (fields - fields.min()) / np.ptp(fields)
    values = fields > 0.55 if kind == "phase" else fields
    before = described(values, periodic=periodic, kind=kind).values
    turned = described(np.rot90(values, axes=(1, 2)), periodic=periodic, kind=kind).values
    np.testing.assert_allclose(turned, before, atol=1e-6)
    if periodic:
        moved = described(np.roll(values, (5, 9), axis=(1, 2)), periodic=True, kind=kind).values
        np.testing.assert_allclose(moved, before, atol=1e-6)


@given(
    st.lists(st.tuples(st.floats(-0.5, 1.5), st.floats(0.01, 1.5)), max_size=8).map(
        lambda rows: np.array([(b, b + length) for b, length in rows]).reshape(-1, 2)
    )
)
@settings(max_examples=50, deadline=None)
def test_the_persistence_image_adds_to_the_total(pairs: np.ndarray) -> None:
    image = persistence_image(pairs, (0, 1), (0, 1))
    assert image.shape == (BINS**2,)
    assert (image >= 0).all()
    assert image.sum() == pytest.approx((pairs[:, 1] - pairs[:, 0]).sum(), abs=1e-9)


def test_the_persistence_image_peaks_where_the_feature_lies() -> None:
    image = persistence_image(np.array([[0.3, 0.8]]), (0, 1), (0, 1)).reshape(BINS, BINS)
    assert np.unravel_index(image.argmax(), image.shape) == (1, 2)
    features = described(np.eye(8)[None]).names
    names = [n for n in features if n.startswith("persistence image of pieces")]
    assert names[1 * BINS + 2].endswith("birth -6 to -2 px, persistence 4 to 6 px")


def test_distance_is_zero_at_the_interface() -> None:
    """Halfway between the last pixel inside and the first outside; periodic distances go round."""
    line = np.zeros((1, 3, 12), bool)
    line[:, :, 2:4] = True
    cut, periodic = (signed_distance(line, p)[0, 0] for p in (False, True))
    assert cut.tolist() == [1.5, 0.5, -0.5, -0.5, *(k + 0.5 for k in range(8))]
    assert periodic.tolist() == [1.5, 0.5, -0.5, -0.5, 0.5, 1.5, 2.5, 3.5, 4.5, 4.5, 3.5, 2.5]

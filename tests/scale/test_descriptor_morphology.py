"""Lineal path, chords, clusters, tortuosity, local thickness: known answers, laws, references."""

from __future__ import annotations

import json
from collections import deque
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.physics import generate
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.descriptors._balls import local_thickness, squared_distance
from iceframe.scale.descriptors._components import components
from iceframe.scale.descriptors._correlation import distances
from iceframe.scale.descriptors._geodesic import geodesic
from iceframe.scale.descriptors._runs import runs
from iceframe.scale.descriptors.lineal_path import lineal_path

NAMES = ["chord_length", "clusters", "lineal_path", "local_thickness", "tortuosity"]
BOTH = pytest.mark.parametrize("periodic", [True, False])


def of_phases(values: np.ndarray, *, periodic: bool = False) -> Dataset:
    """Segmented images ``(n, *grid)``; all of 0 and 1 belong to the same two phases."""
    values = np.asarray(values, np.float32)[:, None]
    table = pd.DataFrame(index=[f"s{i}" for i in range(len(values))])
    return Dataset(table, images=ArrayImages(values, periodic=periodic, kind="phase"))


def described(name: str, values: np.ndarray, *, periodic: bool = False) -> Representation:
    """Features of ``values``, among them an image of each single phase, so that both are known."""
    values = np.asarray(values)
    known = np.concatenate([values, np.zeros_like(values[:1]), np.ones_like(values[:1])])
    fitted = DESCRIPTORS[name]().fit(of_phases(known, periodic=periodic))
    return fitted.transform(of_phases(values, periodic=periodic))


def value(representation: Representation, name: str, row: int = 0) -> float:
    return float(representation.values[row, representation.names.index(name)])


def blobs(rng: np.random.Generator, n: int, shape: tuple[int, ...], share: float) -> np.ndarray:
    """Periodic random images with features a few pixels wide."""
    axes = np.meshgrid(*[np.fft.fftfreq(m) for m in shape], indexing="ij")
    filter_ = np.exp(-50 * sum(a**2 for a in axes))
    over = tuple(range(1, len(shape) + 1))
    field = np.fft.ifftn(np.fft.fftn(rng.standard_normal((n, *shape)), axes=over) * filter_).real
    return field > np.quantile(field, 1 - share, axis=over, keepdims=True)


def arithmetic_image() -> np.ndarray:
    """48 x 60 pixels that any program can make: the golden numbers below are of this image."""
    y, x = np.indices((48, 60))
    return (
        np.sin(0.31 * x + 0.17 * y) + np.sin(0.23 * y - 0.11 * x + 1) + np.sin(0.05 * x * y / 7)
        > 0.2
    )


small = arrays(bool, array_shapes(min_dims=3, max_dims=4, min_side=2, max_side=5))
"""Batches of images and volumes, ``(b, *grid)``."""


# ----------------------------------------------------------------------------------- the contract


@BOTH
@pytest.mark.parametrize("shape", [(24, 30), (10, 12, 14)])
@pytest.mark.parametrize("name", NAMES)
def test_contract(
    name: str, shape: tuple[int, ...], periodic: bool, rng: np.random.Generator
) -> None:
    data = of_phases(blobs(rng, 5, shape, 0.5), periodic=periodic)
    fitted = DESCRIPTORS[name]().fit(data)
    assert fitted.default_kinds == ("phase",)
    whole = fitted.transform(data)
    assert len(set(whole.names)) == len(whole.names)
    assert whole.references == (fitted.reference,)
    assert set(whole.blocks) == {name}
    assert not np.isinf(whole.values).any()
    again = type(fitted).from_state(json.loads(json.dumps(fitted.state(), allow_nan=False)))
    np.testing.assert_array_equal(again.transform(data).values, whole.values)
    # a row does not depend on the rows beside it
    part = again.transform(data.take([3, 1])).values
    np.testing.assert_allclose(part, whole.values[[3, 1]], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_grey_images_are_refused(name: str, rng: np.random.Generator) -> None:
    table = pd.DataFrame(index=["a", "b"])
    grey = Dataset(table, images=ArrayImages(rng.random((2, 1, 16, 16)).astype(np.float32)))
    with pytest.raises(InputError, match="segmented") as caught:
        DESCRIPTORS[name]().fit(grey)
    assert "grey" in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_each_of_three_phases_is_described(name: str, rng: np.random.Generator) -> None:
    phases = rng.integers(0, 3, (2, 16, 16))
    data = of_phases(phases, periodic=True)
    found = DESCRIPTORS[name]().fit(data).transform(data)
    alone = described(name, phases == 1, periodic=True)
    one = [i for i, n in enumerate(found.names) if n.endswith("phase 1")]
    np.testing.assert_array_equal(found.values[:, one], alone.values)
    assert len(found.names) == 3 * len(alone.names)


@BOTH
@pytest.mark.parametrize("name", NAMES)
def test_no_phase_and_nothing_else(name: str, periodic: bool) -> None:
    """The defined values of an image without the phase, and of one that it fills."""
    found = described(name, np.stack([np.zeros((8, 10)), np.ones((8, 10))]), periodic=periodic)
    none, full = (dict(zip(found.names, row, strict=True)) for row in found.values)
    if name == "lineal_path":
        assert set(none.values()) == {0}
        assert set(full.values()) == {1}
    elif name == "chord_length":
        assert all(np.isnan(v) for v in none.values())
        assert {k for k, v in full.items() if not np.isnan(v)} == {
            "open share along x",
            "open share along y",
        }
        assert full["open share along x"] == 1
    elif name == "clusters":
        assert none["number density of clusters"] == 0
        assert none["percolates along x"] == none["percolates along y"] == 0
        assert np.isnan(none["mean cluster size"])
        assert np.isnan(none["share of the phase that percolates"])
        assert full["mean cluster size"] == full["largest cluster size"] == 80
        assert full["number density of clusters"] == pytest.approx(1 / 80)
        assert full["percolates along x"] == full["share of the phase that percolates along y"] == 1
    elif name == "tortuosity":
        for a in "xy":
            assert np.isnan(none[f"tortuosity along {a}"])
            assert np.isnan(none[f"shortest tortuosity along {a}"])
            assert np.isnan(none[f"connected share along {a}"])
            assert none[f"inverse tortuosity along {a}"] == 0
        assert set(full.values()) == {1}
    else:
        assert np.isnan(found.values).all()


# -------------------------------------------------------------------------------------- symmetry


def exchanged(name: str, a: str, b: str) -> str:
    return (
        name.replace(f"along {a}", "along ?")
        .replace(f"along {b}", f"along {a}")
        .replace("along ?", f"along {b}")
    )


@BOTH
@pytest.mark.parametrize("name", NAMES)
def test_transposition_exchanges_the_axes(
    name: str, periodic: bool, rng: np.random.Generator
) -> None:
    for shape, swap, (a, b) in (
        ((20, 28), (0, 2, 1), "xy"),
        ((8, 12, 10), (0, 3, 2, 1), "xz"),
        ((8, 12, 10), (0, 2, 1, 3), "yz"),
    ):
        images = blobs(rng, 3, shape, 0.55)
        before = described(name, images, periodic=periodic)
        after = described(name, images.transpose(swap), periodic=periodic)
        order = [after.names.index(exchanged(n, a, b)) for n in before.names]
        np.testing.assert_allclose(after.values[:, order], before.values, rtol=1e-12)


@BOTH
@pytest.mark.parametrize("name", NAMES)
def test_reflection_changes_nothing(name: str, periodic: bool, rng: np.random.Generator) -> None:
    images = blobs(rng, 3, (18, 25), 0.55)
    before = described(name, images, periodic=periodic).values
    for axis in (1, 2):
        after = described(name, np.flip(images, axis), periodic=periodic).values
        np.testing.assert_allclose(after, before, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_shift_of_a_periodic_image(name: str, rng: np.random.Generator) -> None:
    images = blobs(rng, 4, (18, 24), 0.55)
    moved = np.roll(images, (7, 11), axis=(1, 2))
    before = described(name, images, periodic=True)
    after = described(name, moved, periodic=True)
    if name == "tortuosity":  # runs from the first pixels to the last: only across the axis
        for a, axis in (("x", 1), ("y", 2)):
            aside = described(name, np.roll(images, 7, axis=axis), periodic=True)
            columns = [i for i, n in enumerate(before.names) if n.endswith(f"along {a}")]
            np.testing.assert_allclose(aside.values[:, columns], before.values[:, columns])
    else:
        np.testing.assert_allclose(after.values, before.values, rtol=1e-12)


# ----------------------------------------------------------------------------------- lineal path


def path_by_hand(image: np.ndarray, axis: int, r: int, periodic: bool) -> float:
    """Share of the segments of r + 1 pixels that lie in the phase, one by one."""
    lines = np.moveaxis(image, axis, -1).reshape(-1, image.shape[axis])
    n = image.shape[axis]
    starts = range(n) if periodic else range(n - r)
    return float(
        np.mean([[all(line[(s + k) % n] for k in range(r + 1)) for s in starts] for line in lines])
    )


@BOTH
@given(image=arrays(bool, st.tuples(st.just(1), st.integers(4, 9), st.integers(4, 9))))
@settings(max_examples=40, deadline=None)
def test_lineal_path_against_all_segments(image: np.ndarray, periodic: bool) -> None:
    found = described("lineal_path", image, periodic=periodic)
    steps = distances(image.shape[1:])
    assert value(found, "L(0 px)") == pytest.approx(image.mean())
    for r in steps:
        by_axis = [path_by_hand(image[0], axis, r, periodic) for axis in (1, 0)]
        assert value(found, f"L({r} px along x)") == pytest.approx(by_axis[0])
        assert value(found, f"L({r} px along y)") == pytest.approx(by_axis[1])
        assert value(found, f"L({r} px)") == pytest.approx(np.mean(by_axis))


@BOTH
@given(images=small)
@settings(max_examples=40, deadline=None)
def test_lineal_path_never_rises(images: np.ndarray, periodic: bool) -> None:
    volume = images.reshape(len(images), -1).mean(axis=1)
    for axis in range(images.ndim - 1):
        found = runs(images, axis, periodic)
        curve = lineal_path(found, np.arange(found.n))
        np.testing.assert_allclose(curve[:, 0], volume, atol=1e-12)
        assert (np.diff(curve, axis=1) <= 1e-12).all()
        assert (curve >= 0).all()


@BOTH
def test_lineal_path_lies_under_the_two_point_probability(
    periodic: bool, rng: np.random.Generator
) -> None:
    images = blobs(rng, 3, (32, 40), 0.5)
    path = described("lineal_path", images, periodic=periodic)
    pair = described("two_point", images, periodic=periodic)
    for a in "xy":
        for r in distances((32, 40)):
            of_path = path.values[:, path.names.index(f"L({r} px along {a})")]
            of_pair = pair.values[:, pair.names.index(f"S2({r} px along {a})")]
            if r == 1:
                np.testing.assert_allclose(of_path, of_pair, atol=1e-6)
            assert (of_path <= of_pair + 1e-6).all()


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    """The space between overlapping discs, and what is needed for the theory of it."""
    made = generate("overlapping_spheres", 12, (256, 256), seed=3, volume_fraction=0.3, size=16)
    return made.phases == 0


@pytest.fixture(scope="module")
def matrix_of_spheres() -> np.ndarray:
    made = generate("overlapping_spheres", 3, (72, 72, 72), seed=4, volume_fraction=0.3, size=12)
    return made.phases == 0


def test_lineal_path_between_overlapping_discs(matrix: np.ndarray) -> None:
    """L(r) = exp(−ρ (πR² + 2Rr)): with f = exp(−ρπR²), ln L = ln f (1 + 2r/πR)."""
    found = described("lineal_path", matrix, periodic=True)
    for r in (1, 2, 4, 8, 16):
        theory = 0.7 ** (1 + 2 * r / (np.pi * 8))
        measured = found.values[:, found.names.index(f"L({r} px)")].mean()
        assert measured == pytest.approx(theory, rel=0.04)


def test_lineal_path_between_overlapping_spheres(matrix_of_spheres: np.ndarray) -> None:
    """v = 4πR³/3 + πR²r, so that ln L = ln f (1 + 3r/4R)."""
    found = described("lineal_path", matrix_of_spheres, periodic=True)
    for r in (1, 2, 4, 8):
        theory = 0.7 ** (1 + 3 * r / (4 * 6))
        measured = found.values[:, found.names.index(f"L({r} px)")].mean()
        assert measured == pytest.approx(theory, rel=0.04)


# ---------------------------------------------------------------------------------------- chords


def test_chords_of_stripes() -> None:
    """Three bright and five dark pixels along x, repeated; nothing changes along y."""
    stripes = np.tile(np.arange(32) % 8 < 3, (1, 24, 1))
    found = described("chord_length", np.roll(stripes, 2, axis=2), periodic=False)
    assert value(found, "mean chord length along x") == 3
    assert value(found, "standard deviation of chord length along x") == 0
    assert value(found, "volume-weighted mean chord length along x") == 3
    assert value(found, "chord length, 90th percentile, along x") == 3
    assert value(found, "open share along x") == 0
    assert np.isnan(value(found, "mean chord length along y"))
    assert value(found, "open share along y") == 1
    assert value(found, "share of chords of 2–3 px") == 1
    assert found.units[found.names.index("mean chord length along x")] == "px"
    # A quarter of the stripes is cut by the border; in a periodic image it goes on behind it.
    cut = described("chord_length", np.roll(stripes, -1, axis=2), periodic=False)
    assert value(cut, "mean chord length along x") == 3
    assert value(cut, "open share along x") == pytest.approx(3 / 12)
    round_ = described("chord_length", np.roll(stripes, -1, axis=2), periodic=True)
    assert value(round_, "mean chord length along x") == 3
    assert value(round_, "open share along x") == 0


def test_chords_of_a_checkerboard() -> None:
    board = np.indices((12, 12, 12)).sum(axis=0) % 2
    found = described("chord_length", board[None], periodic=True)
    for a in "xyz":
        assert value(found, f"mean chord length along {a}") == 1
    assert value(found, "share of chords of 1 px") == 1
    assert value(found, "share of chords of 4 or more px") == 0


def test_chords_of_a_disc() -> None:
    """⟨ℓ⟩ = area / width = πR/2; ⟨ℓ²⟩/⟨ℓ⟩ = 16R/3π."""
    y, x = np.indices((300, 300))
    disc = np.hypot(x - 149.5, y - 149.5) < 120
    found = described("chord_length", disc[None])
    assert value(found, "mean chord length along x") == pytest.approx(np.pi * 60, rel=0.005)
    weighted = value(found, "volume-weighted mean chord length along y")
    assert weighted == pytest.approx(16 * 120 / (3 * np.pi), rel=0.005)


def test_chords_of_a_ball() -> None:
    """⟨ℓ⟩ = 4R/3; ⟨ℓ²⟩/⟨ℓ⟩ = 3R/2."""
    axes = np.indices((48, 48, 48)) - 23.5
    ball = (axes**2).sum(axis=0) < 20**2
    found = described("chord_length", ball[None])
    for a in "xyz":
        assert value(found, f"mean chord length along {a}") == pytest.approx(80 / 3, rel=0.02)
        weighted = value(found, f"volume-weighted mean chord length along {a}")
        assert weighted == pytest.approx(30, rel=0.02)


def test_chords_between_overlapping_discs(matrix: np.ndarray) -> None:
    """p(ℓ) = (1 − q) q^(ℓ−1), q = exp(−2Rρ), ρ = −ln f / πR²."""
    q = np.exp(2 * np.log(0.7) / (np.pi * 8))
    counts = sum(runs(matrix, axis, periodic=True).whole.sum(axis=0) for axis in (0, 1))
    length = np.arange(len(counts))
    assert (counts @ length) / counts.sum() == pytest.approx(1 / (1 - q), rel=0.04)
    for low, high in ((1, 5), (10, 20), (30, 60), (100, 200)):
        share = counts[low:high].sum() / counts.sum()
        assert share == pytest.approx(q ** (low - 1) - q ** (high - 1), rel=0.12)


@BOTH
@given(images=small)
@settings(max_examples=60, deadline=None)
def test_every_pixel_lies_on_one_run(images: np.ndarray, periodic: bool) -> None:
    for axis in range(images.ndim - 1):
        found = runs(images, axis, periodic)
        assert (found.whole >= 0).all()
        assert (found.open >= 0).all()
        length = np.arange(found.n + 1)
        volume = images.reshape(len(images), -1).sum(axis=1)
        np.testing.assert_array_equal((found.whole + found.open) @ length, volume)
        # a run begins where the pixel before it is of another phase
        before = np.roll(images, 1, axis=1 + axis)
        begins = images & ~before
        if not periodic:
            first = (slice(None),) * (1 + axis) + (0,)
            begins[first] = images[first]
        inside = found.whole.sum(axis=1) + (0 if periodic else found.open.sum(axis=1))
        np.testing.assert_array_equal(begins.reshape(len(images), -1).sum(axis=1), inside)


def test_percentiles_are_lengths_that_occur(rng: np.random.Generator) -> None:
    images = blobs(rng, 3, (40, 50), 0.5)
    found = described("chord_length", images)
    for row, whole in enumerate(runs(images, 1, periodic=False).whole):
        lengths = np.repeat(np.arange(len(whole)), whole)
        for percent in (50, 90):
            expected = np.quantile(lengths, percent / 100, method="inverted_cdf")
            name = f"chord length, {percent}th percentile, along x"
            assert value(found, name, row) == expected
        name = "standard deviation of chord length along x"
        assert value(found, name, row) == pytest.approx(lengths.std())


# -------------------------------------------------------------------------------------- clusters


def clusters_by_hand(image: np.ndarray, periodic: bool) -> list[tuple[int, tuple[bool, ...]]]:
    """Size and spanned axes of each cluster: a flood that knows how often it went round."""
    d, grid = image.ndim, image.shape
    place: dict[tuple[int, ...], np.ndarray] = {}
    found = []
    for start in zip(*np.nonzero(image), strict=True):
        if start in place:
            continue
        place[start] = np.array(start)
        queue, size, winds = deque([start]), 0, np.zeros(d, bool)
        low = high = np.array(start)
        while queue:
            here = queue.popleft()
            size += 1
            low, high = np.minimum(low, here), np.maximum(high, here)
            for axis, sign in product(range(d), (1, -1)):
                there = place[here].copy()
                there[axis] += sign
                cell = list(here)
                cell[axis] += sign
                if not periodic and not 0 <= cell[axis] < grid[axis]:
                    continue
                target = tuple(int(c) % n for c, n in zip(cell, grid, strict=True))
                if not image[target]:
                    continue
                if target in place:
                    winds |= place[target] != there
                else:
                    place[target] = there
                    queue.append(target)
        spans = winds if periodic else (high - low) == np.array(grid) - 1
        found.append((size, tuple(bool(s) for s in spans)))
    return sorted(found)


@BOTH
@given(images=arrays(bool, array_shapes(min_dims=3, max_dims=4, min_side=1, max_side=5)))
@settings(max_examples=150, deadline=None)
def test_clusters_against_a_flood(images: np.ndarray, periodic: bool) -> None:
    found = components(images, periodic)
    for row, image in enumerate(images):
        mine = found.sample == row
        spans = [tuple(bool(s) for s in row_spans) for row_spans in found.spans[mine]]
        assert sorted(zip(found.size[mine].tolist(), spans, strict=True)) == clusters_by_hand(
            image, periodic
        )


@BOTH
def test_clusters_of_large_random_images_against_a_flood(
    periodic: bool, rng: np.random.Generator
) -> None:
    """Near the percolation threshold, where clusters wind in many ways."""
    images = rng.random((6, 24, 30)) < 0.6
    found = components(images, periodic)
    for row, image in enumerate(images):
        mine = found.sample == row
        spans = [tuple(bool(s) for s in row_spans) for row_spans in found.spans[mine]]
        assert sorted(zip(found.size[mine].tolist(), spans, strict=True)) == clusters_by_hand(
            image, periodic
        )


def test_a_helix_winds_twice_before_it_closes() -> None:
    """A line of slope 2 on a torus: one cluster, spanning both axes when periodic."""
    image = np.zeros((8, 8), bool)
    for x in range(8):
        image[(2 * x) % 8, x] = image[(2 * x + 1) % 8, x] = image[(2 * x + 2) % 8, x] = True
    found = described("clusters", image[None], periodic=True)
    assert value(found, "percolates along x") == value(found, "percolates along y") == 1
    assert value(found, "share of the phase in the largest cluster") == 1
    cut = described("clusters", image[None], periodic=False)
    assert value(cut, "percolates along x") == 0


def test_cluster_sizes() -> None:
    image = np.zeros((1, 10, 10), bool)
    image[0, 2] = True  # a row of 10, spanning x
    image[0, 5, 5:7] = True
    image[0, 6, 7] = True  # touches the pair at a corner only
    found = described("clusters", image)
    assert value(found, "number density of clusters") == pytest.approx(3 / 100)
    assert value(found, "mean cluster size") == pytest.approx(13 / 3)
    assert value(found, "size-weighted mean cluster size") == pytest.approx((100 + 4 + 1) / 13)
    assert value(found, "largest cluster size") == 10
    assert value(found, "percolates along x") == 1
    assert value(found, "percolates along y") == 0
    assert value(found, "share of the phase that percolates along x") == pytest.approx(10 / 13)
    assert value(found, "share of the phase that percolates") == pytest.approx(10 / 13)
    assert found.units[:2] == ("1/px²", "px²")
    in_space = described("clusters", np.ones((1, 4, 4, 4)))
    assert in_space.units[:2] == ("1/px³", "px³")


def test_discs_are_counted() -> None:
    """Hard discs do not touch: as many clusters as discs, and none lost at the border."""
    centres = [(0, 0), (0, 30), (25, 15), (40, 40)]
    y, x = np.indices((60, 60))
    image = np.zeros((60, 60), bool)
    for cy, cx in centres:
        dy, dx = (y - cy + 30) % 60 - 30, (x - cx + 30) % 60 - 30
        image |= np.hypot(dy, dx) <= 5
    found = described("clusters", image[None], periodic=True)
    assert value(found, "number density of clusters") == pytest.approx(4 / 3600)
    assert value(found, "mean cluster size") == 81  # lattice points within 5: Gauss's circle
    cut = described("clusters", image[None], periodic=False)
    assert value(cut, "number density of clusters") == pytest.approx((4 + 2 + 2) / 3600)


# ------------------------------------------------------------------------------------ tortuosity


def geodesic_by_dijkstra(image: np.ndarray, axis: int, periodic: bool) -> np.ndarray:
    """Shortest distances over a graph that is written down step by step."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    grid, d = image.shape, image.ndim
    number = np.arange(image.size).reshape(grid)
    rows, columns, lengths = [], [], []

    def at(cell: np.ndarray) -> tuple[int, ...] | None:
        for k in range(d):
            if not 0 <= cell[k] < grid[k] and (not periodic or k == axis):
                return None
        return tuple(int(c) % n for c, n in zip(cell, grid, strict=True))

    for cell in np.argwhere(image):
        for step in product((-1, 0, 1), repeat=d):
            corners = [
                at(cell + corner) for corner in product(*[(0, s) if s else (0,) for s in step])
            ]
            if any(step) and all(c is not None and image[c] for c in corners):
                rows.append(number[tuple(cell)])
                columns.append(number[at(cell + np.array(step))])
                lengths.append(float(np.linalg.norm(step)))
    source = image.size
    first = np.take(number, 0, axis=axis)[np.take(image, 0, axis=axis)]
    rows += [source] * len(first)
    columns += list(first)
    lengths += [1.0] * len(first)
    # Two steps may join the same pixels round a narrow periodic image: keep the shorter.
    table = pd.DataFrame({"r": rows, "c": columns, "l": lengths})
    table = table[table.r != table.c].groupby(["r", "c"], as_index=False).l.min()
    graph = coo_array((table.l, (table.r, table.c)), shape=(source + 1, source + 1)).tocsr()
    return dijkstra(graph, indices=source)[:source].reshape(grid) - 1


@BOTH
@given(images=small)
@settings(max_examples=30, deadline=None)
def test_distances_against_dijkstra(images: np.ndarray, periodic: bool) -> None:
    for axis in range(images.ndim - 1):
        found = geodesic(images, axis, from_last=False, periodic=periodic)
        back = geodesic(np.flip(images, 1 + axis), axis, from_last=True, periodic=periodic)
        np.testing.assert_allclose(np.flip(back, 1 + axis), found)
        for row, image in enumerate(images):
            if image.any():
                expected = geodesic_by_dijkstra(image, axis, periodic)
                np.testing.assert_allclose(found[row], expected)
            else:
                assert np.isinf(found[row]).all()


def test_a_zigzag_channel() -> None:
    """A wall with its gap at the top, the next at the bottom: the way is known."""
    image = np.ones((21, 41), bool)
    image[1:, 10] = False
    image[:-1, 30] = False
    found = described("tortuosity", image[None])
    # From x = 9, y = 0 on: to x = 11 straight, then 20 down over 18 columns to x = 29, then 10.
    way = 11 + (20 - 18) + 18 * np.sqrt(2) + 11
    assert value(found, "shortest tortuosity along x") == pytest.approx(way / 40)
    assert value(found, "tortuosity along x") > way / 40
    assert value(found, "connected share along x") == 1
    assert value(found, "shortest tortuosity along y") == 1


def test_parallel_walls_leave_straight_ways_one_way_only() -> None:
    stripes = np.tile(np.arange(16)[:, None] % 4 < 2, (1, 1, 16))
    found = described("tortuosity", stripes)
    assert value(found, "tortuosity along x") == 1
    assert value(found, "inverse tortuosity along x") == 1
    assert np.isnan(value(found, "tortuosity along y"))
    assert value(found, "inverse tortuosity along y") == 0
    assert value(found, "connected share along y") == 0


def test_a_periodic_way_round_the_border() -> None:
    image = np.zeros((9, 12), bool)
    image[0, :7] = True
    image[8, 5:] = True  # next to row 0 across the border
    assert np.isnan(value(described("tortuosity", image[None]), "tortuosity along x"))
    found = described("tortuosity", image[None], periodic=True)
    # The two rows lie side by side at x = 5 and 6: one diagonal step there, the rest straight.
    assert value(found, "tortuosity along x") == pytest.approx((10 + np.sqrt(2)) / 11)
    assert np.isnan(value(found, "tortuosity along y"))


def test_tortuosity_is_at_least_one_and_percolation_agrees(rng: np.random.Generator) -> None:
    images = rng.random((12, 20, 26)) < np.linspace(0.45, 0.9, 12)[:, None, None]
    ways, clusters = described("tortuosity", images), described("clusters", images)
    for a in "xy":
        mean, shortest, inverse, share = (
            ways.values[:, ways.names.index(f"{n} along {a}")]
            for n in (
                "tortuosity",
                "shortest tortuosity",
                "inverse tortuosity",
                "connected share",
            )
        )
        spans = clusters.values[:, clusters.names.index(f"percolates along {a}")]
        spanning = clusters.values[
            :, clusters.names.index(f"share of the phase that percolates along {a}")
        ]
        assert 0 < spans.sum() < 12
        np.testing.assert_array_equal(np.isfinite(mean), spans == 1)
        np.testing.assert_array_equal(share, spanning)
        there = spans == 1
        assert (shortest[there] >= 1).all()
        assert (mean[there] >= shortest[there]).all()
        assert (inverse <= 1).all()
        np.testing.assert_array_equal(inverse > 0, there)


# ------------------------------------------------------------------------------- local thickness


def thickness_by_hand(image: np.ndarray, periodic: bool) -> np.ndarray:
    """The definition, over all pairs of pixels."""
    grid = image.shape
    pixels = np.argwhere(np.ones(grid))
    apart = np.abs(pixels[:, None] - pixels[None])
    if periodic:
        apart = np.minimum(apart, np.array(grid) - apart)
    squared = (apart**2).sum(axis=-1)
    flat = image.ravel()
    reach = squared[:, ~flat].min(axis=1)
    held = np.where((squared < reach[None]) & flat[None], reach[None], 0).max(axis=1)
    return np.where(flat, 2 * np.sqrt(held), 0).reshape(grid)


@BOTH
@given(images=small)
@settings(max_examples=60, deadline=None)
def test_thickness_against_all_balls(images: np.ndarray, periodic: bool) -> None:
    found = local_thickness(images, periodic)
    for image, thickness in zip(images, found, strict=True):
        if image.all():
            assert np.isinf(thickness).all()
        else:
            np.testing.assert_allclose(thickness, thickness_by_hand(image, periodic))


def test_thickness_in_an_image_narrower_than_its_balls() -> None:
    image = np.array([[False, True, True, True]] * 2)
    assert local_thickness(image[None], False)[0].tolist() == [[0.0, 6.0, 6.0, 6.0]] * 2


@BOTH
@pytest.mark.parametrize("shape", [(30, 38), (13, 11, 12)])
def test_thickness_of_smooth_shapes_against_all_balls(
    shape: tuple[int, ...], periodic: bool, rng: np.random.Generator
) -> None:
    """Shapes wide enough for balls to lie within others."""
    images = blobs(rng, 2, shape, 0.6)
    images[1] |= blobs(rng, 1, shape, 0.6)[0]
    for image, thickness in zip(images, local_thickness(images, periodic), strict=True):
        np.testing.assert_allclose(thickness, thickness_by_hand(image, periodic))


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8])
def test_thickness_of_layers(width: int) -> None:
    """A layer of w pixels: w where w is even, w + 1 where it is odd, in any dimension."""
    expected = width + width % 2
    for shape in ((24, 6), (24, 4, 5)):
        layer = np.zeros(shape, bool)
        layer[:width] = True
        layer = np.roll(layer, -1, axis=0)  # across the border
        found = described("local_thickness", layer[None], periodic=True)
        for name in found.names:
            target = 0 if name.startswith("standard") else expected
            assert value(found, name) == pytest.approx(target, abs=1e-12), name


@pytest.mark.parametrize("d", [2, 3])
def test_thickness_of_a_ball(d: int) -> None:
    """All of a ball has its own diameter, up to the grid; and the wall of a box is unlimited."""
    axes = np.indices((41,) * d) - 20
    ball = (axes**2).sum(axis=0) <= 12**2
    found = described("local_thickness", ball[None])
    assert value(found, "largest local thickness") == pytest.approx(24, abs=1.1)
    assert value(found, "mean local thickness") == pytest.approx(24, abs=1.1)


def test_one_hole_in_a_box() -> None:
    """The ball farthest from the hole covers the rest: its radius is half the diagonal of the cell,
    or, where nothing lies beyond the border, the diagonal between opposite corners."""
    image = np.ones((1, 16, 16, 16))
    image[0, 0, 0, 0] = 0
    for periodic, radius in ((True, 8 * np.sqrt(3)), (False, 15 * np.sqrt(3))):
        found = described("local_thickness", image, periodic=periodic)
        assert value(found, "mean local thickness") == pytest.approx(2 * radius)
        assert value(found, "largest local thickness") == pytest.approx(2 * radius)


def test_percentiles_of_thickness(rng: np.random.Generator) -> None:
    images = blobs(rng, 3, (32, 40), 0.4)
    found = described("local_thickness", images)
    for row, (image, thickness) in enumerate(
        zip(images, local_thickness(images, periodic=False), strict=True)
    ):
        held = thickness[image]
        assert value(found, "mean local thickness", row) == pytest.approx(held.mean())
        spread = value(found, "standard deviation of local thickness", row)
        assert spread == pytest.approx(held.std())
        for percent in (10, 50, 90):
            expected = np.quantile(held, percent / 100, method="inverted_cdf")
            assert value(found, f"local thickness, {percent}th percentile", row) == expected


def test_distance_to_the_phase_beyond_the_border() -> None:
    image = np.ones((1, 9, 30), bool)
    image[0, 0, 0] = False
    found = squared_distance(image, periodic=True)
    assert found[0, 8, 29] == 2
    assert found[0, 4, 15] == 4**2 + 15**2


# ---------------------------------------------- golden numbers: PoreSpy 3.2.0 on arithmetic_image()
# distance_transform_lin(im, axis, mode="forward"): number of pixels whose distance exceeds r.
# apply_chords(im, spacing=0, axis, label=True), an empty line added on both sides across the axis
# (it drops chords beside the border as well as those that end at it): number of chords, their
# pixels, sum of squares, longest. local_thickness(im, method="legacy", sizes=all distances):
# mean and standard deviation of the radius times 2 (float32), percentiles 10, 50, 90.

GOLDEN_DISTANCES = {
    0: [1458, 1333, 1211, 1093, 976, 754, 566, 290, 127, 25],
    1: [1458, 1326, 1196, 1069, 948, 719, 526, 259, 153, 29],
}
GOLDEN_CHORDS = {0: (73, 976, 16128, 34), 1: (97, 1046, 13866, 27)}
GOLDEN_THICKNESS = (12.016448, 3.704818, 20.099751, 7.211103, 11.661904, 15.231546)


@pytest.mark.parametrize("axis", [0, 1])
def test_lineal_path_equals_porespy(axis: int) -> None:
    image = arithmetic_image()
    lengths = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24])
    n, lines = image.shape[axis], image.shape[1 - axis]
    expected = np.array(GOLDEN_DISTANCES[axis]) / (lines * (n - lengths))
    found = lineal_path(runs(image[None], axis, periodic=False), lengths)
    np.testing.assert_allclose(found[0], expected, rtol=1e-12)


@pytest.mark.parametrize("axis", [0, 1])
def test_chords_equal_porespy(axis: int) -> None:
    number, pixels, squares, longest = GOLDEN_CHORDS[axis]
    whole = runs(arithmetic_image()[None], axis, periodic=False).whole[0]
    length = np.arange(len(whole))
    assert (whole.sum(), whole @ length, whole @ length**2) == (number, pixels, squares)
    assert np.flatnonzero(whole).max() == longest
    found = described("chord_length", arithmetic_image()[None])
    name = f"mean chord length along {'yx'[axis]}"
    assert value(found, name) == pytest.approx(pixels / number)


def test_local_thickness_equals_porespy() -> None:
    found = described("local_thickness", arithmetic_image()[None])
    mean, spread, largest, *percentiles = GOLDEN_THICKNESS
    assert value(found, "mean local thickness") == pytest.approx(mean, rel=1e-6)
    assert value(found, "standard deviation of local thickness") == pytest.approx(spread, rel=1e-6)
    assert value(found, "largest local thickness") == pytest.approx(largest, rel=1e-6)
    for percent, expected in zip((10, 50, 90), percentiles, strict=True):
        name = f"local thickness, {percent}th percentile"
        assert value(found, name) == pytest.approx(expected, rel=1e-6)

"""Blocks and masks: however a volume is cut the features are the same; gaps do not bias them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.physics import generate
from iceframe.scale.blocks import Block, block_size, boxes
from iceframe.scale.descriptor import DESCRIPTORS, ImageDescriptor
from iceframe.scale.descriptors._components import ComponentCounter, components
from iceframe.scale.descriptors._correlation import PairSums, autocorrelation
from iceframe.scale.descriptors._runs import RunCounter, runs
from iceframe.scale.image_format import ImageFormat

BY_BLOCKS = [n for n, d in DESCRIPTORS.items() if getattr(d, "by_blocks", False)]
MASKED = [n for n, d in DESCRIPTORS.items() if getattr(d, "masked", False)]
BOTH = pytest.mark.parametrize("periodic", [True, False])


def fitted(
    name: str, grid: tuple[int, ...], *, periodic: bool = False, kind: str = "phase", **more: int
) -> ImageDescriptor:
    levels = (0.0, 1.0) if kind == "phase" else ()
    descriptor = DESCRIPTORS[name]()
    assert isinstance(descriptor, ImageDescriptor)
    return descriptor.fit_format(ImageFormat((1, *grid), periodic, kind, levels, **more))


def in_blocks(
    descriptor: ImageDescriptor,
    fields: np.ndarray,
    size: tuple[int, ...],
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """Features of ``fields`` ``(b, *grid)`` gathered from blocks; only boxes of them are read."""
    known = descriptor.format
    tally = descriptor.tally(len(fields))

    def read(start: tuple[int, ...], stop: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray | None]:
        box = (slice(None), *(slice(a, b) for a, b in zip(start, stop, strict=True)))
        return fields[box], None if valid is None else valid[box]

    for start, stop in boxes(known.grid, size):
        tally.add(Block(known.grid, known.periodic, start, stop, read))
    return tally.finish()


@st.composite
def cut_images(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...], np.ndarray, bool]:
    """Images ``(b, *grid)`` of some share of a phase, a block size, a mask, whether periodic."""
    grid = tuple(draw(st.lists(st.integers(3, 9), min_size=2, max_size=3)))
    size = tuple(draw(st.integers(1, n)) for n in grid)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    images = rng.random((2, *grid)) < draw(st.sampled_from([0.2, 0.5, 0.8, 0.97, 1.0]))
    valid = rng.random((2, *grid)) < draw(st.sampled_from([0.0, 0.4, 0.9]))
    return images.astype(np.float32), size, valid, draw(st.booleans())


# --------------------------------------------------------------------------------------- blocks


def test_which_can() -> None:
    assert set(BY_BLOCKS) >= {"two_point", "lineal_path", "chord_length", "minkowski", "clusters"}
    assert set(MASKED) >= {"two_point", "lineal_path", "chord_length", "minkowski"}
    assert not {"tortuosity", "local_thickness", "power_spectrum"} & {*BY_BLOCKS, *MASKED}
    assert "clusters" not in MASKED


@pytest.mark.parametrize("name", BY_BLOCKS)
@given(cut=cut_images())
@settings(max_examples=40, deadline=None)
def test_features_do_not_depend_on_the_blocks(name: str, cut: tuple) -> None:
    images, size, _, periodic = cut
    descriptor = fitted(name, images.shape[1:], periodic=periodic)
    whole = descriptor.measure(images)
    found = in_blocks(descriptor, images, size)
    np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MASKED)
@given(cut=cut_images())
@settings(max_examples=40, deadline=None)
def test_masked_features_do_not_depend_on_the_blocks(name: str, cut: tuple) -> None:
    images, size, valid, periodic = cut
    descriptor = fitted(name, images.shape[1:], periodic=periodic)
    whole = descriptor.measure_valid(images, valid)
    found = in_blocks(descriptor, images, size, valid)
    np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-9)


@given(cut=cut_images())
@settings(max_examples=25, deadline=None)
def test_grey_two_point_does_not_depend_on_the_blocks(cut: tuple) -> None:
    images, size, valid, periodic = cut
    images = images + np.random.default_rng(3).random(images.shape).astype(np.float32)
    descriptor = fitted("two_point", images.shape[1:], periodic=periodic, kind="grey")
    whole = descriptor.measure(images)
    np.testing.assert_allclose(in_blocks(descriptor, images, size), whole, rtol=1e-6, atol=1e-7)
    some = descriptor.measure_valid(images, valid)
    found = in_blocks(descriptor, images, size, valid)
    np.testing.assert_allclose(found, some, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", MASKED)
@given(cut=cut_images())
@settings(max_examples=25, deadline=None)
def test_a_mask_that_hides_nothing_changes_nothing(name: str, cut: tuple) -> None:
    images, _, _, periodic = cut
    descriptor = fitted(name, images.shape[1:], periodic=periodic)
    found = descriptor.measure_valid(images, np.ones(images.shape, bool))
    np.testing.assert_allclose(found, descriptor.measure(images), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MASKED)
@given(cut=cut_images())
@settings(max_examples=25, deadline=None)
def test_what_is_hidden_is_never_looked_at(name: str, cut: tuple) -> None:
    images, _, valid, periodic = cut
    descriptor = fitted(name, images.shape[1:], periodic=periodic)
    found = descriptor.measure_valid(images, valid)
    others = np.where(valid, images, 1 - images)
    np.testing.assert_allclose(descriptor.measure_valid(others, valid), found, atol=1e-9)


@BOTH
def test_a_longer_distance_limit_only_adds(periodic: bool, rng: np.random.Generator) -> None:
    images = (rng.random((2, 20, 24, 22)) < 0.4).astype(np.float32)
    far = fitted("two_point", images.shape[1:], periodic=periodic)
    near = fitted("two_point", images.shape[1:], periodic=periodic, longest=4)
    names = [f.name for f in far.features()]
    shared = [f.name for f in near.features() if f.name.startswith(("S2", "volume", "interface"))]
    assert "S2(4 px along z)" in shared
    assert "S2(6 px)" not in shared
    of_near = near.measure(images)[
        :, [i for i, f in enumerate(near.features()) if f.name in shared]
    ]
    of_far = far.measure(images)[:, [names.index(n) for n in shared]]
    np.testing.assert_allclose(of_near, of_far, rtol=1e-9)
    np.testing.assert_allclose(
        in_blocks(near, images, (7, 24, 9)), near.measure(images), rtol=1e-9, atol=1e-9
    )
    again = type(near).from_state(near.state())
    assert again.format == near.format


@BOTH
@given(cut=cut_images())
@settings(max_examples=40, deadline=None)
def test_runs_and_components_are_those_of_the_whole(periodic: bool, cut: tuple) -> None:
    images, size, _, _ = cut
    phase, grid = images > 0.5, images.shape[1:]
    labelled = ComponentCounter(len(phase), grid, periodic)
    counters = [RunCounter(len(phase), grid, axis, periodic) for axis in range(len(grid))]
    for start, stop in boxes(grid, size):
        block = phase[(slice(None), *(slice(a, b) for a, b in zip(start, stop, strict=True)))]
        labelled.add(start, block)
        for counter in counters:
            counter.add(start, block)
    for axis, counter in enumerate(counters):
        expected, found = runs(phase, axis, periodic), counter.finish()
        np.testing.assert_array_equal(found.whole, expected.whole)
        np.testing.assert_array_equal(found.open, expected.open)
    expected, found = components(phase, periodic), labelled.finish()

    def rows(c: object) -> list[tuple]:
        return sorted(zip(c.sample, c.size, map(tuple, c.spans.tolist()), strict=True))

    assert rows(found) == rows(expected)


def test_pairs_against_a_loop(rng: np.random.Generator) -> None:
    image, valid = rng.random((4, 5)), rng.random((4, 5)) < 0.6
    sums = PairSums(1, (4, 5), False)
    sums.add(Block.whole(image[None], False, valid[None]))
    products, mixed, number = (total[0] for total in sums.totals())
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            expected = np.zeros(3)
            for y in range(4):
                for x in range(5):
                    v, u = y + dy, x + dx
                    if 0 <= v < 4 and 0 <= u < 5 and valid[y, x] and valid[v, u]:
                        a, b = image[y, x], image[v, u]
                        expected += [a * b, a + b, 1]
            found = [total[2 + dy, 2 + dx] for total in (products, mixed, number)]
            np.testing.assert_allclose(found, expected, atol=1e-12)


@given(
    st.lists(st.integers(1, 24), min_size=1, max_size=3),
    st.integers(0, 6),
    st.integers(10, 10**4),
)
@settings(max_examples=60, deadline=None)
def test_block_sizes_fit_and_fill(grid: list[int], halo: int, most: int) -> None:
    size = block_size(tuple(grid), halo, most)
    assert all(1 <= s <= n for s, n in zip(size, grid, strict=True))
    cut = [s < n for s, n in zip(size, grid, strict=True)]
    read = [
        s + halo * (2 if k and c else 1) for k, (s, c) in enumerate(zip(size, cut, strict=True))
    ]
    assert np.prod(read) <= max(most, (2 * halo + 2) ** len(grid))
    seen = np.zeros(grid, int)
    listed = list(boxes(tuple(grid), size))
    for start, stop in listed:
        seen[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] += 1
    assert (seen == 1).all()
    assert all(a < b for (a, _), (b, _) in pairwise(listed))  # raster order


# ---------------------------------------------------------------------------------------- masks


def rectangles(rng: np.random.Generator, shape: tuple[int, ...], number: int) -> np.ndarray:
    """Valid but for some boxes, which know nothing of the structure."""
    valid = np.ones(shape, bool)
    for image in valid:
        for _ in range(number):
            start = [rng.integers(0, n) for n in image.shape]
            image[tuple(slice(a, a + rng.integers(4, 12)) for a in start)] = False
    return valid


@pytest.mark.parametrize("shape", [(96, 96), (28, 28, 28)])
def test_gaps_do_not_bias(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Simulated truth: over many images the masked mean is that of the same images unmasked.

    The difference of a pair of images has a standard error; five of them are allowed.
    """
    n = 40
    made = generate("random_field", n, shape, seed=5, volume_fraction=0.4, length=4.0)
    images = (made.phases == 1).astype(np.float32)
    valid = rectangles(rng, images.shape, 12)
    assert 0.5 < valid.mean() < 0.95
    for name in ("two_point", "lineal_path", "minkowski"):
        descriptor = fitted(name, shape)
        names = [f.name for f in descriptor.features()]
        unbiased = [
            i for i, text in enumerate(names) if not text.startswith(("correlation", "aniso"))
        ]
        whole = descriptor.measure(images)[:, unbiased]
        found = descriptor.measure_valid(images, valid)[:, unbiased]
        # The truth is the same for all images: each is one draw of it, with and without gaps.
        gap = (found - whole).mean(axis=0)
        error = (found - whole).std(axis=0, ddof=1) / np.sqrt(n)
        assert (np.abs(gap) <= 5 * error + 1e-9).all(), np.array(names)[unbiased]
        # and it is not the naive value, of which the gaps are taken for the other phase
        naive = descriptor.measure(images * valid)[:, unbiased]
        assert np.abs(naive - whole).mean() > 3 * np.abs(gap).mean()


def test_a_mask_by_hand() -> None:
    image = np.array([[1, 1, 0, 1, 1, 1, 0, 1]], np.float32)
    line = np.tile(image, (3, 1))[None]
    valid = np.ones(line.shape, bool)
    valid[..., 4] = False  # 1 1 0 1 ? 1 0 1
    path = fitted("lineal_path", (3, 8))
    found = dict(
        zip([f.name for f in path.features()], path.measure_valid(line, valid)[0], strict=True)
    )
    assert found["L(0 px)"] == pytest.approx(np.mean([5 / 7, 5 / 7]))
    assert found["L(1 px along x)"] == pytest.approx(1 / 5)  # 5 neighbours, of which one is 1 1
    chord = fitted("chord_length", (3, 8))
    names = [f.name for f in chord.features()]
    found = dict(zip(names, chord.measure_valid(line, valid)[0], strict=True))
    assert np.isnan(found["mean chord length along x"])  # every row of ones is cut somewhere
    assert found["open share along x"] == 1
    pair = fitted("two_point", (3, 8))
    names = [f.name for f in pair.features()]
    found = dict(zip(names, pair.measure_valid(line, valid)[0], strict=True))
    assert found["volume fraction"] == pytest.approx(5 / 7)
    assert found["S2(1 px along x)"] == pytest.approx(1 / 5)
    shape = fitted("minkowski", (3, 8))
    assert shape.measure_valid(line, valid)[0, 0] == pytest.approx(5 / 7)


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_that_hides_everything_leaves_nothing(name: str) -> None:
    images = np.ones((1, 8, 9), np.float32)
    found = fitted(name, (8, 9)).measure_valid(images, np.zeros(images.shape, bool))
    assert np.isnan(found).all()


def test_who_cannot_leave_out_says_so(rng: np.random.Generator) -> None:
    images = (rng.random((1, 32, 32)) < 0.5).astype(np.float32)
    valid = rng.random(images.shape) < 0.9
    for name in ("clusters", "tortuosity", "local_thickness", "power_spectrum"):
        kind = "grey" if name == "power_spectrum" else "phase"
        with pytest.raises(InputError, match=f"'{name}' cannot leave out") as caught:
            fitted(name, (32, 32), kind=kind).measure_valid(images, valid)
        assert "minkowski" in str(caught.value.allowed)


@BOTH
def test_tallied_covariance_is_the_fast_one(periodic: bool, rng: np.random.Generator) -> None:
    images = rng.random((2, 12, 15))
    sums = PairSums(2, (12, 15), periodic)
    sums.add(Block.whole(images, periodic))
    products, _, number = sums.totals()
    np.testing.assert_allclose(products / number, autocorrelation(images, periodic), rtol=1e-9)


# --------------------------------------------------------------------------- cross-correlations


def three_phases(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Labels ``(n, *grid)`` and the indicators as fields ``(n · 3, *grid)``."""
    labels = rng.integers(0, 3, shape)
    fields = np.stack([labels == k for k in range(3)], axis=1)
    return labels, fields.reshape(-1, *shape[1:]).astype(np.float32)


def of_three(grid: tuple[int, ...], *, periodic: bool) -> ImageDescriptor:
    descriptor = DESCRIPTORS["cross_correlations"]()
    assert isinstance(descriptor, ImageDescriptor)
    known = ImageFormat((1, *grid), periodic, "phase", (0.0, 0.5, 1.0))
    return descriptor.fit_format(known)


@BOTH
def test_cross_correlations_against_a_loop(periodic: bool, rng: np.random.Generator) -> None:
    labels, fields = three_phases(rng, (2, 7, 6))
    descriptor = of_three((7, 6), periodic=periodic)
    names = [f.name for f in descriptor.columns()]
    assert len(names) == 3 * 3 * 3  # pairs, distances 1, 2, 3, radial and two axes
    found = descriptor.measure(fields)
    for n, image in enumerate(labels):
        for i, j in ((0, 1), (0, 2), (1, 2)):
            for r in (1, 2, 3):
                other, own = np.roll(image, -r, axis=1), image
                if not periodic:
                    other, own = image[:, r:], image[:, :-r]
                both = ((own == i) & (other == j)) | ((own == j) & (other == i))
                column = names.index(f"S2({i},{j})({r} px along x)")
                assert found[n, column] == pytest.approx(both.mean() / 2, abs=1e-12)


@BOTH
def test_all_correlations_add_to_one(periodic: bool, rng: np.random.Generator) -> None:
    _, fields = three_phases(rng, (2, 12, 10))
    cross = of_three((12, 10), periodic=periodic)
    auto = fitted("two_point", (12, 10), periodic=periodic)
    of_pairs = cross.measure(fields).reshape(2, 3, -1).sum(axis=1)
    curve = [i for i, f in enumerate(auto.features()) if f.name.startswith("S2")]
    of_phases = auto.measure(fields)[:, curve].reshape(2, 3, -1).sum(axis=1)
    np.testing.assert_allclose(of_phases + 2 * of_pairs, 1, rtol=1e-9)


@given(cut=cut_images())
@settings(max_examples=25, deadline=None)
def test_cross_correlations_by_blocks_and_masked(cut: tuple) -> None:
    images, size, valid, periodic = cut
    _, fields = three_phases(np.random.default_rng(int(images.sum())), images.shape)
    descriptor, known = of_three(images.shape[1:], periodic=periodic), np.repeat(valid, 3, axis=0)
    whole, some = descriptor.measure(fields), descriptor.measure_valid(fields, known)
    np.testing.assert_allclose(in_blocks(descriptor, fields, size), whole, rtol=1e-9, atol=1e-9)
    found = in_blocks(descriptor, fields, size, known)
    np.testing.assert_allclose(found, some, rtol=1e-9, atol=1e-9)

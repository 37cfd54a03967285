"""Grains and crystallographic texture: lattices, crystals, references by loops, laws."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats
from scipy.spatial.transform import Rotation

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Representation
from iceframe.ingest.simulated_images import orientation_factor
from iceframe.physics import generate
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.descriptors._grains import contacts, grains
from iceframe.scale.descriptors._orientations import angular_distance, disorientation
from iceframe.scale.descriptors.minkowski import SPACE_WEIGHTS
from iceframe.scale.descriptors.orientation_texture import (
    cubic_harmonics,
    random_factors,
    sphere,
)
from iceframe.scale.image_format import ImageFormat

CUBIC = Rotation.create_group("O")
LOG = "ln(grain diameter / px)"


def data_of(values: Any, *, periodic: bool = False, kind: str = "grey") -> Dataset:
    """Images ``(n, channels, *grid)``."""
    values = np.asarray(values, np.float32)
    table = pd.DataFrame(index=[f"s{i}" for i in range(len(values))])
    return Dataset(table, images=ArrayImages(values, periodic=periodic, kind=kind))


def described(name: str, values: Any, *, periodic: bool = False, kind: str = "grey") -> Any:
    data = data_of(values, periodic=periodic, kind=kind)
    return DESCRIPTORS[name]().fit(data).transform(data)


def of_labels(labels: np.ndarray, *, periodic: bool = False) -> Representation:
    """Grains of label images ``(n, *grid)``, each label its own grey level."""
    labels = np.asarray(labels)
    return described("grains", (labels / (1 + labels.max()))[:, None], periodic=periodic)


def value(found: Representation, name: str, row: int = 0) -> float:
    return float(found.values[row, found.names.index(name)])


def as_image(turns: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Quaternions ``(grains, 4)`` over labels ``(*grid)`` -> ``(4, *grid)``."""
    return np.moveaxis(np.asarray(turns)[labels], -1, 0)


def random_turns(seed: int, n: int) -> np.ndarray:
    return np.asarray(Rotation.random(n, rng=np.random.default_rng(seed)).as_quat())


def squares(side: int, size: int, shift: int = 0) -> np.ndarray:
    """``side`` x ``side`` pixels of squares of ``size`` pixels, each its own label."""
    at = (np.arange(side) + shift) // size
    return at[:, None] * (at.max() + 1) + at


def hexagons() -> np.ndarray:
    """A periodic lattice of 16 hexagons on 40 x 48 pixels, each its own label."""
    y, x = np.indices((40, 48))
    apart = []
    for row in range(4):
        for column in range(4):
            dy = (y - 10 * row - 3.3 + 20) % 40 - 20
            dx = (x - 12 * column - 6 * (row % 2) - 2.1 + 24) % 48 - 24
            apart.append(dx**2 + dy**2)
    return np.argmin(apart, axis=0)


# ----------------------------------------------------------------------------------- the contract


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shape", [(24, 30), (10, 11, 12)])
@pytest.mark.parametrize("name", ["grains", "orientation_texture"])
def test_contract(name: str, shape: tuple[int, ...], periodic: bool) -> None:
    made = generate("voronoi", 4, shape, grain_size=5.0, seed=3)
    assert made.grains is not None
    assert made.orientations is not None
    values = [as_image(q, g) for q, g in zip(made.orientations, made.grains, strict=True)]
    data = data_of(values, periodic=periodic, kind="orientation")
    fitted = DESCRIPTORS[name]().fit(data)
    assert not fitted.default
    whole = fitted.transform(data)
    assert len(set(whole.names)) == len(whole.names)
    assert set(whole.blocks) == {name}
    # where the border cuts all neighbours of all grains, nothing is known of them
    assert np.isfinite(whole.values).all() if periodic else not np.isinf(whole.values).any()
    again = type(fitted).from_state(json.loads(json.dumps(fitted.state(), allow_nan=False)))
    np.testing.assert_array_equal(again.transform(data).values, whole.values)
    part = again.transform(data.take([2, 1])).values
    np.testing.assert_allclose(part, whole.values[[2, 1]], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["grains", "orientation_texture"])
def test_images_that_are_no_orientations(name: str, rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="none of crystal orientations"):
        described(name, rng.random((2, 3, 8, 8)), kind="orientation")
    with pytest.raises(InputError, match="no unit quaternions") as caught:
        described(name, rng.random((2, 4, 8, 8)), kind="orientation")
    assert "pixels" in str(caught.value)


@pytest.mark.parametrize("name", ["grains", "orientation_texture"])
def test_masks_are_refused(name: str, rng: np.random.Generator) -> None:
    fitted = DESCRIPTORS[name]().fit_format(ImageFormat((1, 8, 8), False, "grey"))
    batch, valid = rng.random((1, 1, 8, 8)), np.ones((1, 8, 8), bool)
    np.testing.assert_array_equal(fitted.describe(batch, valid), fitted.describe(batch))
    valid[0, 0, 0] = False
    with pytest.raises(InputError, match="cannot leave out"):
        fitted.describe(batch, valid)


# ----------------------------------------------------------------------------------------- grains


def test_hexagons_have_six_neighbours() -> None:
    found = of_labels(hexagons()[None], periodic=True)
    assert value(found, "number density of grains") == pytest.approx(16 / (40 * 48))
    assert value(found, "mean number of neighbours") == 6
    assert value(found, "standard deviation of neighbours") == 0
    diameter = 2 * np.sqrt(120 / np.pi)
    assert value(found, f"mean of {LOG}") == pytest.approx(np.log(diameter), abs=0.01)
    assert value(found, "share of the largest grain") == pytest.approx(1 / 16, rel=0.05)
    assert value(found, "mean ln aspect ratio of grains") < 0.15
    assert np.isnan(value(found, "Aboav-Weaire slope"))  # all are alike


def test_squares_and_cubes() -> None:
    found = of_labels(squares(32, 8)[None], periodic=True)
    assert value(found, "number density of grains") == pytest.approx(1 / 64)
    assert value(found, f"{LOG}, 50th percentile") == pytest.approx(np.log(2 * 8 / np.sqrt(np.pi)))
    assert value(found, f"standard deviation of {LOG}") == pytest.approx(0, abs=1e-12)
    assert np.isnan(value(found, f"skewness of {LOG}"))
    assert value(found, "mean number of neighbours") == 4
    assert value(found, "mean ln aspect ratio of grains") == pytest.approx(0, abs=1e-12)
    # shares of the steps along an axis and along a diagonal that change the square
    along, across = 1 / 8, 1 - (7 / 8) ** 2
    expected = np.pi / 2 * (2 * along + 2 * across / np.sqrt(2)) / 4
    assert value(found, "grain boundary density") == pytest.approx(expected)
    assert expected == pytest.approx(2 / 8, rel=0.1)
    at = np.arange(12) // 4
    cubes = at[:, None, None] * 9 + at[:, None] * 3 + at
    found = of_labels(cubes[None], periodic=True)
    assert value(found, "number density of grains") == pytest.approx(1 / 64)
    assert value(found, "mean number of neighbours") == 6
    assert value(found, f"mean of {LOG}") == pytest.approx(np.log(np.cbrt(6 * 64 / np.pi)))
    shares = [1 - (3 / 4) ** k for k in (1, 2, 3)]
    expected = 2 * sum(
        count * SPACE_WEIGHTS[k + 1] * share / np.sqrt(k + 1)
        for k, (count, share) in enumerate(zip((3, 6, 4), shares, strict=True))
    )
    assert value(found, "grain boundary density") == pytest.approx(expected)
    assert expected == pytest.approx(3 / 4, rel=0.25)


def test_grains_that_the_border_cuts() -> None:
    """Squares of 8 px cut in half at all sides: nine are whole, and the number is unbiased."""
    found = of_labels(squares(32, 8, shift=4)[None])
    assert value(found, "number density of grains") == pytest.approx(1 / 64)
    assert value(found, f"{LOG}, 10th percentile") == pytest.approx(np.log(2 * 8 / np.sqrt(np.pi)))
    assert value(found, "mean number of neighbours") == 4
    assert value(found, "share of the largest grain") == 1 / 16


@pytest.mark.parametrize(("width", "height"), [(12, 4), (5, 5), (3, 9)])
@pytest.mark.parametrize("corner", [(2, 3), (18, 15)])
def test_shape_of_a_rectangle(width: int, height: int, corner: tuple[int, int]) -> None:
    """The moments of a rectangle of pixels are w²/12 and h²/12, also across the border."""
    image = np.zeros((20, 20), int)
    rows = (corner[0] + np.arange(height)) % 20
    image[np.ix_(rows, (corner[1] + np.arange(width)) % 20)] = 1
    found = grains(image[None, None] / 2, ImageFormat((1, 20, 20), True, "grey"))
    one = int(found.size.argmin())
    np.testing.assert_allclose(
        found.inertia[one], np.diag([height**2 / 12, width**2 / 12]), atol=1e-9
    )
    assert not found.winds[one]
    assert found.winds[1 - one]  # what is left goes round the image
    described_ = of_labels(image[None], periodic=True)
    aspect = abs(np.log(width / height))
    assert value(described_, "mean ln aspect ratio of grains") == pytest.approx(aspect, abs=1e-9)
    expected = (width**2 - height**2) / (width**2 + height**2)
    assert value(described_, "grain shape tensor xx") == pytest.approx(expected, abs=1e-9)
    assert value(described_, "grain shape tensor xy") == pytest.approx(0, abs=1e-9)


def test_direction_of_elongated_grains() -> None:
    """Needles along x, along the diagonal of x and y, and the same turned."""
    for angle, (xx, xy) in ((0.0, (1, 0)), (45.0, (0, 1)), (90.0, (-1, 0)), (135.0, (0, -1))):
        made = generate("voronoi", 3, (96, 96), grain_size=10.0, elongation=4.0, angle=angle)
        found = of_labels(made.grains, periodic=True)
        tensor = [
            found.values[:, found.names.index(f"grain shape tensor {c}")] for c in ("xx", "xy")
        ]
        np.testing.assert_allclose(np.mean(tensor[0]), 0.84 * xx, atol=0.07)
        np.testing.assert_allclose(np.mean(tensor[1]), 0.84 * xy, atol=0.07)
        assert found.values[:, found.names.index("alignment of grain shapes")].min() > 0.9
    made = generate("voronoi", 2, (28, 28, 28), grain_size=9.0, elongation=3.0, tilt=90.0)
    found = of_labels(made.grains, periodic=True)
    for name in ("grain shape tensor xx", "grain shape tensor yy"):  # needles along z
        assert found.values[:, found.names.index(name)].max() < -0.15
    assert found.values[:, found.names.index("mean ln needle ratio of grains")].min() > 0.4


def test_constant_images_and_stripes_that_go_round() -> None:
    constant = np.zeros((1, 12, 12), int)
    periodic, cut = of_labels(constant, periodic=True), of_labels(constant)
    assert value(periodic, "number density of grains") == 1 / 144
    assert value(cut, "number density of grains") == 0  # no boundary is seen
    for found in (periodic, cut):
        assert value(found, "share of the largest grain") == 1
        assert value(found, "grain boundary density") == 0
        assert np.isnan(value(found, "mean ln aspect ratio of grains"))
    assert value(periodic, f"mean of {LOG}") == pytest.approx(np.log(2 * 12 / np.sqrt(np.pi)))
    assert value(periodic, "mean number of neighbours") == 0
    assert np.isnan(value(cut, f"mean of {LOG}"))
    stripes = of_labels(np.tile(np.arange(12) // 3, (1, 12, 1)), periodic=True)
    assert value(stripes, "number density of grains") == 4 / 144
    assert value(stripes, "mean number of neighbours") == 2
    assert np.isnan(value(stripes, "grain shape tensor xx"))


def test_pixels_of_noise_are_no_grains(rng: np.random.Generator) -> None:
    image = squares(32, 8)
    noisy = image.copy()
    noisy[4::8, 4::8] = 99
    clean, found = of_labels(image[None], periodic=True), of_labels(noisy[None], periodic=True)
    for name in ("number density of grains", "mean number of neighbours"):
        assert value(found, name) == value(clean, name)
    assert value(found, "grain boundary density") > 1.1 * value(clean, "grain boundary density")
    noise = of_labels(rng.random((1, 16, 16)))
    assert np.isnan(value(noise, f"mean of {LOG}"))
    assert value(noise, "grain boundary density") > 0.5


@pytest.mark.parametrize("name", ["voronoi", "laguerre"])
@pytest.mark.parametrize("shape", [(96, 96), (24, 24, 24)])
def test_grains_of_generators(name: str, shape: tuple[int, ...]) -> None:
    """Found in the orientations, in their labels, and counted by the generator."""
    made = generate(name, 3, shape, grain_size=9.0, seed=5)
    assert made.grains is not None
    assert made.orientations is not None
    turns = [as_image(q, g) for q, g in zip(made.orientations, made.grains, strict=True)]
    by_turns = described("grains", turns, periodic=True, kind="orientation")
    by_labels = of_labels(made.grains, periodic=True)
    volume = np.prod(shape)
    for found in (by_turns, by_labels):
        number = found.values[:, 0] * volume
        np.testing.assert_allclose(number, made.factors["grain_count"], rtol=0.05)
        size = np.exp(found.values[:, found.names.index(f"mean of {LOG}")])
        np.testing.assert_allclose(size, made.factors["mean_grain_size"], rtol=0.1)
    np.testing.assert_allclose(by_turns.values[:, 0], by_labels.values[:, 0], rtol=0.03)


def test_poisson_voronoi() -> None:
    """Cell areas follow a gamma distribution of shape 3.575 (variance 0.280), six neighbours."""
    made = generate("voronoi", 6, (160, 160), grain_size=12.0, seed=1)
    found = of_labels(made.grains, periodic=True)
    mean = dict(zip(found.names, found.values.mean(axis=0), strict=True))
    assert mean[f"standard deviation of {LOG}"] == pytest.approx(0.5 * np.sqrt(0.325), rel=0.05)
    assert mean["mean number of neighbours"] == pytest.approx(5.91, abs=0.05)
    assert mean["standard deviation of neighbours"] == pytest.approx(1.33, rel=0.07)
    density = found.values[:, 0]
    boundary = found.values[:, found.names.index("grain boundary density")]
    np.testing.assert_allclose(boundary, 2 * np.sqrt(density), rtol=0.04)  # Meijering 1953


@pytest.mark.parametrize("periodic", [True, False])
def test_sizes_and_neighbours_against_loops(periodic: bool) -> None:
    """Skewness, Aboav-Weaire slope and correlation, grain by grain."""
    labels = generate("voronoi", 2, (90, 100), grain_size=10.0, seed=2).grains
    assert labels is not None
    found = of_labels(labels, periodic=periodic)
    for row, image in enumerate(labels):
        held = grains((image / 1e3)[None, None], ImageFormat((1, 90, 100), periodic, "grey"))
        log = np.log(2 * np.sqrt(held.size / np.pi))
        cut = held.cuts.any(axis=1)
        grain = [i for i, n in enumerate(held.size) if n >= 4 or cut[i]]
        beside: dict[int, list[int]] = {i: [] for i in grain}
        for a, b in contacts(held, periodic).tolist():
            if a in beside and b in beside:
                beside[a].append(b)
                beside[b].append(a)
        whole = [i for i in grain if not cut[i]]
        inner = [i for i in whole if not any(cut[j] for j in beside[i])]
        assert periodic or len(inner) < len(whole) < len(grain)
        number = {i: len(beside[i]) for i in grain}
        x, y = zip(*((number[i], sum(number[j] for j in beside[i])) for i in inner), strict=True)
        size = [log[i] for i in inner]
        around = [np.mean(log[beside[i]]) for i in inner]
        for name, expected in (
            (f"standard deviation of {LOG}", np.std(log[whole])),
            (f"skewness of {LOG}", stats.skew(log[whole])),
            (f"{LOG}, 10th percentile", np.percentile(log[whole], 10)),
            (f"{LOG}, 90th percentile", np.percentile(log[whole], 90)),
            ("mean number of neighbours", np.mean([number[i] for i in whole])),
            ("standard deviation of neighbours", np.std([number[i] for i in whole])),
            ("Aboav-Weaire slope", np.polyfit(x, y, 1)[0]),
            ("correlation of neighbouring grain sizes", np.corrcoef(size, around)[0, 1]),
        ):
            assert value(found, name, row) == pytest.approx(expected, rel=1e-9)


def flood(image: np.ndarray, periodic: bool) -> tuple[np.ndarray, set[tuple[int, int]]]:
    """Labels and contacts of one image by a queue."""
    labels = np.full(image.shape, -1)
    number, met = 0, set()

    def around(p: tuple[int, ...]) -> list[tuple[int, ...]]:
        found = []
        for axis in range(image.ndim):
            for step in (-1, 1):
                q = list(p)
                q[axis] += step
                if periodic:
                    q[axis] %= image.shape[axis]
                if 0 <= q[axis] < image.shape[axis]:
                    found.append(tuple(q))
        return found

    for start in np.ndindex(image.shape):
        if labels[start] >= 0:
            continue
        labels[start], queue = number, deque([start])
        while queue:
            for q in around(queue.popleft()):
                if labels[q] < 0 and image[q] == image[start]:
                    labels[q] = number
                    queue.append(q)
        number += 1
    for p in np.ndindex(image.shape):
        for q in around(p):
            if labels[p] < labels[q]:
                met.add((int(labels[p]), int(labels[q])))
    return labels, met


@given(
    arrays(
        np.int64,
        array_shapes(min_dims=3, max_dims=4, min_side=1, max_side=6),
        elements=st.integers(0, 2),
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_grains_against_a_flood(images: np.ndarray, periodic: bool) -> None:
    image_format = ImageFormat((1, *images.shape[1:]), periodic, "phase", (0.0, 0.5, 1.0))
    found = grains((images / 2)[:, None], image_format)
    pairs = {tuple(p) for p in contacts(found, periodic).tolist()}
    seen: set[tuple[int, int]] = set()
    total = 0
    for i, image in enumerate(images):
        labels, met = flood(image, periodic)
        both = np.unique(np.stack([labels.ravel(), found.labels[i].ravel()]), axis=1)
        assert len(both[0]) == labels.max() + 1 == len(np.unique(both[1]))  # one to one
        name = dict(both.T.tolist())
        for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
            assert found.size[name[int(label)]] == count
            assert found.sample[name[int(label)]] == i
        seen |= {tuple(sorted((name[a], name[b]))) for a, b in met}  # type: ignore[misc]
        total += int(labels.max()) + 1
    assert pairs == seen
    assert len(found.size) == total


@given(st.integers(0, 2**31), st.tuples(st.integers(0, 23), st.integers(0, 31)))
@settings(max_examples=15, deadline=None)
def test_moved_and_turned_grains_are_the_same(seed: int, shift: tuple[int, int]) -> None:
    labels = generate("voronoi", 1, (24, 32), grain_size=8.0, seed=seed).grains
    assert labels is not None
    before = of_labels(labels, periodic=True)
    moved = of_labels(np.roll(labels, shift, axis=(1, 2)), periodic=True)
    np.testing.assert_allclose(moved.values, before.values, rtol=1e-9, atol=1e-9)
    turned = of_labels(np.rot90(labels, axes=(1, 2)), periodic=True)
    sign = np.array([-1.0 if n.startswith("grain shape tensor") else 1.0 for n in before.names])
    np.testing.assert_allclose(turned.values, sign * before.values, rtol=1e-9, atol=1e-9)


def test_what_counts_as_one_orientation() -> None:
    """Quaternions of one crystal by symmetry and sign are one grain; 4 degrees are, 6 are not."""
    halves = np.arange(12)[None] // 6 * np.ones((12, 1), int)
    base = Rotation.random(rng=np.random.default_rng(2))
    axis = np.array([1.0, 2.0, -1.0]) / np.sqrt(6)
    for other, number in (
        (base * CUBIC[7], 1),
        (base * Rotation.from_rotvec(np.deg2rad(4) * axis), 1),
        (base * Rotation.from_rotvec(np.deg2rad(6) * axis), 2),
    ):
        turns = np.stack([base.as_quat(), -other.as_quat()])
        image_format = ImageFormat((4, 12, 12), False, "orientation")
        assert len(grains(as_image(turns, halves)[None], image_format).size) == number
    angle = ImageFormat((1, 12, 12), False, "orientation")
    for step, number in ((0.005, 1), (0.03, 2), (0.995, 1)):  # of the period
        assert len(grains((step * halves)[None, None], angle).size) == number


def test_phases_are_labels(rng: np.random.Generator) -> None:
    labels = squares(24, 8) % 4
    as_phase = described("grains", labels[None, None], kind="phase")
    np.testing.assert_array_equal(as_phase.values, of_labels(labels[None]).values)
    assert as_phase.names == of_labels(labels[None]).names  # one set for all phases


# ---------------------------------------------------------------------------------------- texture


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_disorientation_is_the_least_of_24(seed: int) -> None:
    p, q = Rotation.random(2, rng=np.random.default_rng(seed))
    least = np.rad2deg((p.inv() * q * CUBIC).magnitude().min())
    found = disorientation(p.as_quat()[None], q.as_quat()[None])[0]
    assert found == pytest.approx(least, abs=1e-5)
    equal = (q * CUBIC[seed % 24]).as_quat()
    assert disorientation(p.as_quat()[None], -equal[None])[0] == pytest.approx(least, abs=1e-5)
    assert disorientation(q.as_quat()[None], p.as_quat()[None])[0] == pytest.approx(least, abs=1e-5)


def test_angular_distance_is_periodic() -> None:
    a = np.array([0.0, 0.02, 0.3, 1.0])
    np.testing.assert_allclose(
        angular_distance(a, np.array([1.0, 0.98, 0.8, 0.5])), [0, 0.04, 0.5, 0.5]
    )


def texture(turns: np.ndarray, *, periodic: bool = True) -> Representation:
    """Of quaternions ``(n, 64 · 64, 4)``."""
    images = np.moveaxis(turns.reshape(-1, 64, 64, 4), -1, 1)
    return described("orientation_texture", images, periodic=periodic, kind="orientation")


def test_uniform_random_orientations() -> None:
    found = texture(np.stack([random_turns(s, 64 * 64) for s in range(4)]))
    mean = dict(zip(found.names, found.values.mean(axis=0), strict=True))
    for axis in "xyz":
        assert mean[f"orientation factor along {axis}, relative to random"] == pytest.approx(
            1, abs=0.01
        )
    for name in (n for n in found.names if n.startswith("shear")):
        assert abs(mean[name]) < 0.005
    assert mean["texture index"] == pytest.approx(1 + 22 / 64**2, abs=0.003)
    assert mean["mean misorientation of adjacent pixels"] == pytest.approx(40.736, abs=0.3)
    assert mean["boundary misorientation, relative to random"] == pytest.approx(1, abs=0.01)
    assert mean["share of low-angle boundaries"] == pytest.approx(0.0215, abs=0.006)


def test_a_single_crystal() -> None:
    """⟨100⟩ along x; ⟨111⟩ along x; any: the index is 1 + 9 + 13."""
    ones = np.ones((64 * 64, 1))
    diagonal = Rotation.align_vectors([[1, 0, 0]], [[1, 1, 1]])[0].as_quat()
    found = texture(np.stack([ones * [0, 0, 0, 1], ones * diagonal, ones * random_turns(3, 1)]))
    names = [f"orientation factor along {a}, relative to random" for a in "xyz"]
    factors = found.values[:, [found.names.index(n) for n in names]]
    np.testing.assert_allclose(factors[0], 0, atol=1e-6)
    assert factors[1, 0] == pytest.approx(5 / 3)
    np.testing.assert_allclose(found.values[:, found.names.index("texture index")], 23, rtol=1e-5)
    assert value(found, "mean misorientation of adjacent pixels") == pytest.approx(0, abs=1e-4)
    assert np.isnan(value(found, "boundary misorientation, relative to random"))


def test_moments_of_one_crystal() -> None:
    """From the rotation matrix: rows are the sample's axes, columns the crystal's."""
    crystal = Rotation.random(rng=np.random.default_rng(8))
    found = texture(np.ones((1, 64 * 64, 1)) * crystal.as_quat())
    axes = dict(zip("xyz", crystal.as_matrix(), strict=True))
    for i in "xyz":
        a, b, c = axes[i] ** 2
        factor = 3 * (a * b + b * c + c * a) / 0.6
        name = f"orientation factor along {i}, relative to random"
        assert value(found, name) == pytest.approx(factor, abs=1e-5)
        for j in set("xyz") - {i}:
            shear = (axes[i] ** 3 * axes[j]).sum()
            assert value(found, f"shear moment {i}³{j}") == pytest.approx(shear, abs=1e-5)


@given(st.integers(0, 2**31))
@settings(max_examples=5, deadline=None)
def test_the_index_knows_neither_sample_nor_crystal_axes(seed: int) -> None:
    turns = Rotation.random(64 * 64, rng=np.random.default_rng(seed))
    sharp = Rotation.from_quat(turns.as_quat() + np.array([0, 0, 0, 6.0]))
    sample = Rotation.random(rng=np.random.default_rng(seed + 1))
    equal = Rotation.from_quat(CUBIC.as_quat()[np.arange(64 * 64) % 24])
    found = texture(np.stack([r.as_quat() for r in (sharp, sample * sharp, sharp * equal)]))
    index = found.values[:, found.names.index("texture index")]
    assert index[0] > 1.5
    np.testing.assert_allclose(index[1:], index[0], rtol=1e-5)
    np.testing.assert_allclose(found.values[2], found.values[0], rtol=1e-4, atol=1e-5)


def test_texture_rises_with_the_concentration_of_the_generator() -> None:
    index = []
    for kappa in (0.0, 5.0, 20.0):
        made = generate("voronoi", 2, (64, 64), grain_size=5.0, texture=kappa, seed=1)
        assert made.grains is not None
        assert made.orientations is not None
        turns = [as_image(q, g) for q, g in zip(made.orientations, made.grains, strict=True)]
        found = described("orientation_texture", turns, periodic=True, kind="orientation")
        index.append(found.values[:, found.names.index("texture index")].mean())
    assert index[0] < 1.25
    assert index[0] < index[1] < index[2]
    assert index[2] > 2


def test_harmonics_are_averaged_exactly() -> None:
    """Moments of the sphere; H₄ and H₆ have mean 0 and are orthogonal."""
    directions, weights = sphere()
    x, y, z = directions.T
    for values, expected in ((z**4, 1 / 5), (z**12, 1 / 13), (x**2 * y**2, 1 / 15), (x * y**3, 0)):
        assert values @ weights == pytest.approx(expected, abs=1e-12)
    fourth, sixth = cubic_harmonics(directions.T)
    assert fourth @ weights == pytest.approx(0, abs=1e-12)
    assert sixth @ weights == pytest.approx(0, abs=1e-12)
    assert (fourth * sixth) @ weights == pytest.approx(0, abs=1e-12)


def test_angles() -> None:
    rng = np.random.default_rng(0)
    x = np.indices((64, 64))[1]
    images = np.stack([rng.random((64, 64)), np.full((64, 64), 0.25), (x // 32) / 2.0])
    found = described("orientation_texture", images[:, None], periodic=True, kind="orientation")
    index = found.values[:, found.names.index("texture index")]
    np.testing.assert_allclose(index, [1, 9, 5], atol=0.02)  # two directions: even moments only
    assert value(found, "cosine moment 1 of orientation", 1) == pytest.approx(0, abs=1e-6)
    assert value(found, "sine moment 1 of orientation", 1) == pytest.approx(1)
    assert value(found, "cosine moment 2 of orientation", 1) == pytest.approx(-1)
    assert value(found, "magnitude of moment 1 of orientation", 2) == pytest.approx(0, abs=1e-6)
    # two boundaries in 64 pixels along x, none along y; half a period is twice the random mean
    assert value(found, "mean misorientation of adjacent pixels", 2) == pytest.approx(0.5 / 64)
    assert value(found, "boundary misorientation, relative to random", 2) == pytest.approx(2)
    # pairs less than 0.01 apart are no boundary: (0.01 + 0.5) / 2 over 0.25
    assert value(found, "boundary misorientation, relative to random", 0) == pytest.approx(
        1.02, abs=0.015
    )


def test_orientation_factors_as_grey_levels() -> None:
    """What simulated polycrystals show: random ones have reference values of 1."""
    levels, below, pair = random_factors()
    weight = np.diff(below, prepend=0)
    assert weight @ levels == pytest.approx(0.6, abs=1e-4)
    factor = orientation_factor(np.stack([random_turns(s, 64 * 64).T for s in range(3)]))
    assert factor.std() == pytest.approx(np.sqrt(weight @ (levels - 0.6) ** 2), rel=0.02)
    assert np.abs(factor[0] - factor[1]).mean() == pytest.approx(pair, rel=0.03)
    found = described("orientation_texture", factor.reshape(3, 1, 64, 64), periodic=True)
    for name in found.names:
        if "adjacent" not in name:
            column = found.values[:, found.names.index(name)]
            np.testing.assert_allclose(column, 1, atol=0.03)
    constant = described("orientation_texture", np.full((1, 1, 16, 16), 0.6), periodic=True)
    assert value(constant, "mean orientation factor, relative to random") == pytest.approx(1)
    assert value(constant, "spread of orientation factor, relative to random") == pytest.approx(0)


def test_segmented_images_have_no_texture(rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match="needs crystal orientations"):
        described("orientation_texture", rng.integers(0, 2, (2, 1, 8, 8)), kind="phase")
    with pytest.raises(InputError, match="needs crystal orientations"):
        described("orientation_texture", rng.random((2, 3, 8, 8)), kind="multichannel")

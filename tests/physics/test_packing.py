"""Packed bodies: contacts and draws with known answers; particles, fibres, cuboids found back."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.physics.generator import generate
from iceframe.physics.generators import _packing
from iceframe.physics.generators._packing import Ellipsoids, Rods


def bodies_in(mask: np.ndarray) -> list[np.ndarray]:
    """Coordinates ``(voxels, d)`` of each face-connected periodic component, unwrapped."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    number = np.arange(mask.size).reshape(mask.shape)
    rows, columns = [], []
    for axis in range(mask.ndim):
        meet = mask & np.roll(mask, -1, axis)
        rows.append(number[meet])
        columns.append(np.roll(number, -1, axis)[meet])
    row, column = np.concatenate(rows), np.concatenate(columns)
    graph = coo_matrix((np.ones(len(row)), (row, column)), shape=(mask.size, mask.size))
    _, label = connected_components(graph, directed=False)
    box = np.array(mask.shape)
    found = []
    inside = np.flatnonzero(mask)
    for value in np.unique(label[inside]):
        x = np.stack(np.unravel_index(inside[label[inside] == value], mask.shape), axis=1)
        found.append((x - x[0] + box // 2) % box - box // 2)
    return found


def shape_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Second central moments of a voxel body: variances, rising, and the axes in columns."""
    # A voxel has a variance of 1/12 along each of its edges.
    return np.linalg.eigh(np.cov(x.T, bias=True) + np.eye(x.shape[1]) / 12)


def unit_vectors(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    v = rng.standard_normal((n, d))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


# ------------------------------------------------------------------------------------- contacts
def touch(bodies, r):
    """Depth and normal of bodies 0 and 1 at ``r = c_0 - c_1``."""
    depth, normal = bodies.contact([np.array([c]) for c in r], np.array([0]), np.array([1]))
    return float(depth[0]), np.array([n[0] for n in normal])


@pytest.mark.parametrize("d", [2, 3])
def test_contact_of_spheres_is_the_sum_of_radii_less_the_distance(d):
    radius = np.array([2.0, 3.0])
    spheres = Ellipsoids(np.zeros(2, int), np.zeros((2, d)), radius, radius)
    r = np.array([4.0, 1.0, 0.5][:d])
    depth, normal = touch(spheres, r)
    assert depth == pytest.approx(5 - np.linalg.norm(r), abs=1e-12)
    assert normal == pytest.approx(r / np.linalg.norm(r), abs=1e-12)


@pytest.mark.parametrize("d", [2, 3])
def test_parallel_ellipsoids_touch_where_scaled_spheres_do(d):
    """A stretch along x turns two spheres in contact into two parallel ellipsoids in contact."""
    axes = np.zeros((2, d))
    axes[:, -1] = 1
    pair = Ellipsoids(np.zeros(2, int), axes, np.array([6.0, 9.0]), np.array([2.0, 3.0]))
    for angle in (0.0, 0.4, 1.1, np.pi / 2):
        r = np.zeros(d)
        r[-1], r[-2] = 3 * 5 * np.cos(angle), 5 * np.sin(angle)
        assert touch(pair, r)[0] == pytest.approx(0, abs=1e-6)
        assert touch(pair, 1.1 * r)[0] < -0.1
        assert touch(pair, 0.9 * r)[0] > 0.1


def test_ellipses_contact_agrees_with_points_on_their_rims():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 2 * np.pi, 2000)
    for _ in range(20):
        axes, long = unit_vectors(rng, 2, 2), rng.uniform(2, 5, 2)
        short = long / rng.uniform(1, 4, 2)
        pair = Ellipsoids(np.zeros(2, int), axes, long, short)
        r = rng.uniform(2, 9) * unit_vectors(rng, 1, 2)[0]
        depth, normal = touch(pair, r)
        # Moved apart by the depth along the normal, no rim point of one lies deep in the other.
        across = np.stack([-axes[:, 1], axes[:, 0]], axis=1)
        rim = np.outer(long[0] * np.cos(t), axes[0]) + np.outer(short[0] * np.sin(t), across[0]) + r

        def nearest(shift, rim=rim, axes=axes, across=across, long=long, short=short):
            x = rim + shift
            return np.sqrt(((x @ axes[1] / long[1]) ** 2 + (x @ across[1] / short[1]) ** 2).min())

        if depth < 0:
            assert nearest(0.0) > 1
        else:
            assert nearest(0.0) < 1
            assert nearest((depth + 1e-3) * normal) > 0.97


@pytest.mark.parametrize("d", [2, 3])
def test_rods_contact_is_the_distance_of_their_segments(d):
    rng = np.random.default_rng(1)
    t = np.linspace(-1, 1, 801)
    for _ in range(30):
        axes, half = unit_vectors(rng, 2, d), rng.uniform(1, 6, 2)
        pair = Rods(np.zeros(2, int), axes, half, np.array([0.5, 1.0]))
        r = rng.uniform(-6, 6, d)
        gap = (
            r
            + np.multiply.outer(half[0] * t, axes[0])[:, None]
            - np.multiply.outer(half[1] * t, axes[1])
        )
        distance = np.sqrt((gap**2).sum(-1).min())
        depth, normal = touch(pair, r)
        assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-9)
        if distance > 0.05:
            assert depth == pytest.approx(1.5 - distance, abs=0.01)
        else:  # they cross: moved by the depth they touch
            assert touch(pair, r + (depth + 1e-9) * normal)[0] == pytest.approx(0, abs=0.02)


def test_a_pair_fares_alike_whatever_else_is_in_the_batch():
    """A sphere's sample must not depend on whether its neighbours in the batch are spheres."""
    alone = generate("particles", 1, (32, 32), seed=2, volume_fraction=0.5)
    among = generate("particles", 3, (32, 32), seed=2, volume_fraction=0.5, aspect=[1, 2, 3])
    assert np.array_equal(alone.phases[0], among.phases[0])


# ---------------------------------------------------------------------------------------- draws
@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("alignment", [0.0, 0.3, 0.8, 1.0])
def test_directions_have_the_order_parameter_asked_for(d, alignment):
    axis = _packing.axis_of(30, 20, d)
    assert np.linalg.norm(axis) == pytest.approx(1)
    found = _packing.directions(np.random.default_rng(3), 20_000, alignment, axis)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    assert _packing.order_parameter(found, axis) == pytest.approx(alignment, abs=0.015)


def test_angles_run_from_x_towards_y_and_elevation_towards_z():
    assert _packing.axis_of(0, 0, 2) == pytest.approx([0, 1])
    assert _packing.axis_of(90, 0, 2) == pytest.approx([1, 0])
    assert _packing.axis_of(90, 0, 3) == pytest.approx([0, 1, 0])
    assert _packing.axis_of(0, 90, 3) == pytest.approx([1, 0, 0])


def test_sizes_fill_the_asked_volume_with_the_asked_spread():
    sizes = _packing.diameters(np.random.default_rng(4), 6, 0.3, 2e5, np.pi / 6, 3)
    assert np.sum(np.pi / 6 * sizes**3) == pytest.approx(2e5, rel=1e-12)
    assert sizes.mean() == pytest.approx(6, rel=0.03)
    # The normal distribution cut at two deviations has this standard deviation.
    assert np.log(sizes).std() == pytest.approx(0.3 * 0.959, rel=0.07)
    short = _packing.diameters(np.random.default_rng(4), 6, 0.3, 900, np.pi / 6, 3, 7)
    assert short.max() <= 7
    assert np.sum(np.pi / 6 * short**3) == pytest.approx(900, rel=1e-12)


@pytest.mark.parametrize(("shape", "radius", "count"), [((60, 50), 2.5, 110), ((24,) * 3, 2.5, 95)])
def test_packed_spheres_keep_their_distance(shape, radius, count):
    """Fractions of 0.72 and 0.45; all pairs and images are checked by themselves."""
    d, box = len(shape), np.array(shape, float)
    spheres = Ellipsoids(
        np.zeros(count, int), np.zeros((count, d)), *(np.full(count, radius) for _ in range(2))
    )
    rng = np.random.default_rng(5)
    start = rng.random((count, d)) * box
    centres, depth = _packing.relax(spheres, start, box)
    r = centres[:, None] - centres
    r -= box * np.rint(r / box)
    distance = np.linalg.norm(r, axis=-1) + 1e9 * np.eye(count)
    assert depth[0] <= _packing.TOLERANCE
    assert distance.min() >= 2 * radius - _packing.TOLERANCE
    # The start did overlap, and the result is a fresh place for most of the spheres.
    moved = centres - start - box * np.rint((centres - start) / box)
    assert (np.linalg.norm(moved, axis=1) > 0.1).mean() > 0.5


def test_neighbours_are_all_pairs_and_images_within_reach():
    rng = np.random.default_rng(6)
    box, n = np.array([10.0, 14.0]), 12
    centres, reach = rng.random((n, 2)) * box, rng.uniform(1, 6, n)
    i, j, shift = _packing.neighbours(centres, np.zeros(n, int), reach, box)
    found = {(a, b, *np.rint(s / box).astype(int)) for a, b, s in zip(i, j, shift, strict=True)}
    expected = set()
    for a, b in itertools.combinations(range(n), 2):
        for image in itertools.product(range(-3, 4), repeat=2):
            r = centres[a] - centres[b] + np.array(image) * box
            if np.linalg.norm(r) < reach[a] + reach[b] + 1:
                expected.add((a, b, *image))
    assert found == expected


# ------------------------------------------------------------------------------------ particles
@pytest.mark.parametrize(
    ("shape", "factors"),
    [
        ((96, 96), {"volume_fraction": 0.4}),
        ((96, 96), {"volume_fraction": 0.35, "aspect": 2.0, "size_spread": 0.3}),
        ((40, 40, 40), {"volume_fraction": 0.3}),
        ((40, 40, 40), {"volume_fraction": 0.2, "aspect": 2.0, "alignment": 0.0}),
    ],
)
def test_particles_do_not_touch_at_moderate_fractions(shape, factors):
    made = generate("particles", 2, shape, seed=1, **factors)
    for i in range(2):
        assert len(bodies_in(made.phases[i] == 1)) == made.factors["particle_count"][i]
        assert made.factors["touching_fraction"][i] == 0


@pytest.mark.parametrize(("shape", "n"), [((128, 128), 3), ((56, 56, 56), 2)])
def test_size_aspect_and_alignment_are_found_in_the_image(shape, n):
    d = len(shape)
    asked = {"aspect": 2.2, "angle": 30.0, "alignment": 0.7, "size": 9.0, "size_spread": 0.2}
    made = generate("particles", n, shape, seed=3, volume_fraction=0.2, **asked)
    axis = _packing.axis_of(30, 0, d)
    diameter, ratio, order = [], [], []
    for i in range(n):
        own = []
        for x in bodies_in(made.phases[i] == 1):
            variance, axes = shape_of(x)
            own.append((len(x) / _packing.ball(d)) ** (1 / d))
            ratio.append(np.sqrt(variance[-1] / variance[:-1].mean()))
            order.append((d * (axes[:, -1] @ axis) ** 2 - 1) / (d - 1))
        assert np.mean(own) == pytest.approx(made.factors["mean_diameter"][i], rel=0.02)
        diameter += own
    assert np.mean(diameter) == pytest.approx(9, rel=0.06)
    assert np.std(np.log(diameter)) == pytest.approx(0.2, abs=0.04)
    assert np.median(ratio) == pytest.approx(2.2, rel=0.06)
    assert np.mean(order) == pytest.approx(made.factors["order_parameter"].mean(), abs=0.06)


def test_aligned_particles_point_along_the_angle():
    made = generate(
        "particles", 1, (96, 96), seed=0, aspect=2.3, alignment=1.0, angle=60.0, size=9.0
    )
    for x in bodies_in(made.phases[0] == 1):
        main = shape_of(x)[1][:, -1]
        assert abs(main @ _packing.axis_of(60, 0, 2)) > np.cos(np.radians(8))


def test_clustering_makes_the_local_fraction_vary():
    def variance(clustering):
        made = generate("particles", 20, (64, 64), seed=2, clustering=clustering)
        cells = made.phases.reshape(20, 4, 16, 4, 16).mean(axis=(2, 4))
        return cells.reshape(20, -1).var(axis=1)

    random, half, full = (variance(c) for c in (0.0, 0.5, 1.0))
    assert random.mean() < half.mean() < full.mean()
    assert full.mean() > 1.5 * random.mean()


def test_a_packing_that_cannot_be_made_says_what_to_do():
    with pytest.raises(InputError, match="smaller volume_fraction") as caught:
        generate("particles", 1, (16, 16, 16), volume_fraction=0.5, aspect=4, alignment=0, size=4)
    assert "overlap" in str(caught.value)
    with pytest.raises(InputError, match="longer than the box"):
        generate("particles", 1, (16, 16), size=20)


# --------------------------------------------------------------------------------------- fibres
@pytest.mark.parametrize("shape", [(128, 128), (48, 48, 48)])
def test_fibres_have_their_length_and_order(shape):
    d = len(shape)
    made = generate(
        "fibres", 1, shape, seed=4, volume_fraction=0.12, diameter=4.0, aspect=5.0, alignment=0.6
    )
    axis, order, aspect = _packing.axis_of(0, 0, d), [], []
    found = bodies_in(made.phases[0] == 1)
    assert len(found) == made.factors["particle_count"][0]
    for x in found:
        variance, axes = shape_of(x)
        order.append((d * (axes[:, -1] @ axis) ** 2 - 1) / (d - 1))
        aspect.append(np.sqrt(variance[-1] / variance[0]))
    # Variances along and across a spherocylinder of diameter 1 and length 5, by quadrature.
    z = np.linspace(-2.5, 2.5, 20_001)
    radius = np.sqrt(np.clip(0.25 - np.clip(np.abs(z) - 2, 0, None) ** 2, 0, None))
    weight = radius ** (d - 1)
    across = (weight * radius**2).sum() / (d + 1) / weight.sum()
    expected = np.sqrt((weight * z**2).sum() / weight.sum() / across)
    assert np.median(aspect) == pytest.approx(expected, rel=0.08)
    assert np.mean(order) == pytest.approx(made.factors["order_parameter"][0], abs=0.03)
    assert made.factors["order_parameter"][0] == pytest.approx(0.6, abs=0.25)


@pytest.mark.parametrize(("angle", "axis"), [(0.0, -1), (90.0, -2)])
@pytest.mark.parametrize("shape", [(40, 40), (24, 24, 24)])
def test_long_fibres_along_an_axis_are_continuous(shape, angle, axis):
    made = generate("fibres", 2, shape, seed=1, aspect=100.0, alignment=1.0, angle=angle)
    assert np.all(made.phases.std(axis=axis).reshape(2, -1).mean(axis=1) < 0.03)
    assert made.factors["touching_fraction"].max() == 0
    length = made.factors["aspect"] * made.factors["diameter"]
    assert length == pytest.approx(shape[0] + made.factors["diameter"])


def test_a_fibre_longer_than_the_box_is_cut_and_says_so():
    made = generate("fibres", 2, (48, 48, 48), aspect=200.0, alignment=0.9, volume_fraction=0.05)
    length = made.factors["aspect"] * made.factors["diameter"]
    assert np.all(length <= 48)
    assert np.all(made.factors["aspect"] < 20)


def test_too_many_random_long_fibres_are_refused():
    with pytest.raises(InputError, match="more alignment"):
        generate("fibres", 1, (64, 64), volume_fraction=0.6, aspect=12, alignment=0)


# ---------------------------------------------------------------------------------- gamma prime
def along(mask: np.ndarray, axis: int) -> np.ndarray:
    """Two-point probability of ``mask`` ``(n, *shape)`` at lags along one axis of the grid."""
    spectrum = np.fft.fft(mask.astype(float), axis=axis)
    return np.fft.ifft(np.abs(spectrum) ** 2, axis=axis).real.mean(
        axis=tuple(a for a in range(mask.ndim) if a != axis)
    ) / mask.shape[axis]  # fmt: skip


@pytest.mark.parametrize("shape", [(96, 96), (48, 48, 48)])
def test_precipitates_repeat_at_the_period(shape):
    made = generate("gamma_prime", 2, shape, seed=1, jitter=0.05)
    period = made.factors["period_x"][0]
    for axis in range(1, len(shape) + 1):
        curve = along(made.phases, axis)
        near = np.arange(round(period / 2), round(1.5 * period) + 1)
        assert near[np.argmax(curve[near])] == pytest.approx(period, abs=1)
        assert curve[round(period)] > curve[round(period / 2)] + 0.02


def test_channels_are_kept():
    for fraction, size in [(0.6, 10.0), (0.75, 14.0)]:
        made = generate("gamma_prime", 2, (112, 112), volume_fraction=fraction, size=size, seed=2)
        assert made.factors["touching_fraction"].max() == 0
        for i in range(2):
            found = bodies_in(made.phases[i] == 1)
            assert len(found) == made.factors["particle_count"][i]


def test_the_mean_edge_is_found_in_the_image():
    made = generate(
        "gamma_prime", 1, (120, 120), size=12.0, cuboidality=10.0, volume_fraction=0.5, seed=3
    )
    edges = []
    for x in bodies_in(made.phases[0] == 1):
        edges.append(np.mean(np.ptp(x, axis=0) + 1))
    assert np.mean(edges) == pytest.approx(made.factors["size"][0], rel=0.05)
    assert np.mean(edges) == pytest.approx(12, rel=0.1)


def test_cuboidality_turns_the_interface_to_the_axes():
    """Share of interface within 15 degrees of an axis: 1/3 of a circle, most of a square."""
    from scipy.ndimage import gaussian_filter

    def share(power):
        made = generate(
            "gamma_prime", 1, (224, 224), seed=1, cuboidality=power, size=28.0, volume_fraction=0.4
        )
        smooth = gaussian_filter(made.phases[0].astype(float), 1.5, mode="wrap")
        slope = np.abs(np.stack([np.roll(smooth, -1, a) - np.roll(smooth, 1, a) for a in (0, 1)]))
        length = np.sqrt((slope**2).sum(axis=0))
        straight = slope.max(axis=0) > np.cos(np.radians(15)) * length
        return length[straight].sum() / length.sum()

    round_, cuboid = share(2.0), share(10.0)
    assert round_ == pytest.approx(1 / 3, abs=0.05)
    assert cuboid > 0.65


@pytest.mark.parametrize("shape", [(96, 96), (48, 48, 48)])
def test_rafts_are_wide_along_x_and_thin_along_the_first_axis(shape):
    made = generate(
        "gamma_prime", 1, shape, rafting=2.0, size=10.0, cuboidality=10.0, volume_fraction=0.4
    )
    extents = [np.ptp(x, axis=0) + 1 for x in bodies_in(made.phases[0] == 1)]
    mean = np.mean(extents, axis=0)
    assert mean[-1] / mean[0] == pytest.approx(2, rel=0.12)

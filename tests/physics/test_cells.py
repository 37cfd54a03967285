"""Voronoi and Laguerre cells and what is built on them, against known answers."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from iceframe.physics.generator import generate
from iceframe.physics.generators._cells import (
    ball_volume,
    cell_count,
    equivalent_diameter,
    tessellate,
    voxel_places,
)
from iceframe.physics.generators._clusters import piece_sizes
from iceframe.physics.generators._directions import angles_of, stretch_matrix, unit_vectors
from iceframe.physics.generators._polycrystal import orientations
from iceframe.physics.generators.dual_phase import grains
from iceframe.physics.generators.lamellar import fitting_wave, scattered


def direction(dimension: int, angle: float, tilt: float = 0.0) -> np.ndarray:
    return unit_vectors(dimension, np.array([angle]), np.array([tilt]))[0]


def apart(one: float, other: float) -> float:
    """Degrees between two lines."""
    return abs((one - other + 90) % 180 - 90)


# -------------------------------------------------------------------------- against brute force
@pytest.mark.parametrize("shape", [(20, 13), (9, 11, 7)])
@pytest.mark.parametrize("count", [1, 2, 9])
@pytest.mark.parametrize("kind", ["voronoi", "laguerre", "stretched", "both"])
def test_owners_and_distances_equal_brute_force(shape, count, kind):
    d, rng = len(shape), np.random.default_rng(count)
    seeds = rng.random((count, d)) * shape
    weights = rng.random(count) * 12 if kind in ("laguerre", "both") else np.zeros(count)
    stretch = np.eye(d) if kind in ("voronoi", "laguerre") else None
    stretch = stretch_matrix(4.0, direction(d, 30, 20)) if stretch is None else stretch
    cells = tessellate(
        shape,
        seeds,
        weights=weights if weights.any() else None,
        stretch=stretch,
        neighbours=30,
    )

    squeeze = np.linalg.inv(stretch)
    shifts = np.array(list(product(range(-3, 4), repeat=d))) * shape
    images = (seeds[:, None] + shifts).reshape(-1, d)
    owner = np.repeat(np.arange(count), len(shifts))
    way = (voxel_places(shape)[:, None] - images) @ squeeze
    power = (way**2).sum(axis=2) - weights[owner]
    first = power.argmin(axis=1)
    assert np.array_equal(cells.seed[cells.label.ravel()], owner[first])
    assert cells.offset.reshape(-1, d) == pytest.approx(voxel_places(shape) - images[first])

    normals = images @ squeeze @ squeeze
    reach = 2 * np.linalg.norm(normals[first][:, None] - normals, axis=2)
    reach[np.arange(len(first)), first] = np.nan
    rest = power - power.min(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        distance = np.sort(rest / reach, axis=1)  # the owner itself is not a number: last
    near = distance[:, 0] < 3  # far from the faces, faces behind those looked at may be nearer
    assert cells.gap.ravel()[near] == pytest.approx(distance[near, 0])
    assert cells.corner.ravel()[distance[:, 1] < 3] == pytest.approx(
        distance[distance[:, 1] < 3, 1]
    )


@pytest.mark.parametrize("shape", [(64, 64), (24, 24, 24)])
def test_few_neighbours_are_enough_near_the_faces(shape):
    seeds = np.random.default_rng(0).random((40, len(shape))) * shape
    usual, exact = tessellate(shape, seeds), tessellate(shape, seeds, neighbours=40)
    near = exact.gap < 2
    assert np.mean(np.abs(usual.gap - exact.gap)[near] > 1e-9) < 1e-3
    assert np.array_equal(usual.label, exact.label)


def test_seeds_in_one_place_do_no_harm():
    cells = tessellate((8, 8), np.full((3, 2), 4.0))
    assert cells.count >= 1
    assert np.isfinite(cells.gap).all()


# ------------------------------------------------------------------------------ Poisson-Voronoi
def mean_neighbours(label: np.ndarray, corners: bool) -> float:
    """Neighbours a cell: across voxel faces, or across edges and corners as well."""
    count, found = int(label.max()) + 1, []
    for step in product((-1, 0, 1), repeat=label.ndim):
        if step > (0,) * label.ndim and (corners or sum(map(abs, step)) == 1):
            other = np.roll(label, step, tuple(range(label.ndim))).astype(np.int64)
            low, high = np.minimum(label, other), np.maximum(label, other)
            found.append(np.unique((low * count + high)[low != high]))
    return 2 * len(np.unique(np.concatenate(found))) / count


def test_in_the_plane_a_grain_has_six_neighbours():
    """Euler. Edges shorter than a pixel are lost across faces and found across corners."""
    rng = np.random.default_rng(0)
    labels = [tessellate((384, 384), rng.random((100, 2)) * 384).label for _ in range(3)]
    low = np.mean([mean_neighbours(label, False) for label in labels])
    high = np.mean([mean_neighbours(label, True) for label in labels])
    assert 5.94 < low <= 6 <= high < 6.06


def test_in_space_a_grain_has_fifteen_and_a_half_faces():
    """Meijering: 2 + 48π²/35 = 15.54, in between the two counts on the grid."""
    rng = np.random.default_rng(1)
    labels = [tessellate((64, 64, 64), rng.random((40, 3)) * 64).label for _ in range(6)]
    low = np.mean([mean_neighbours(label, False) for label in labels])
    high = np.mean([mean_neighbours(label, True) for label in labels])
    assert low < 2 + 48 * np.pi**2 / 35 < high
    assert high - low < 1.2
    assert (low + high) / 2 == pytest.approx(15.54, abs=0.4)


@pytest.mark.parametrize(
    ("shape", "count", "samples", "variance", "tolerance"),
    [((256, 256), 500, 20, 0.2802, 0.02), ((40, 40, 40), 150, 12, 0.179, 0.02)],
)
def test_variance_of_the_cell_sizes(shape, count, samples, variance, tolerance):
    """Gilbert 1962: the variances of Poisson-Voronoi cells over the squared mean."""
    rng, found = np.random.default_rng(1), []
    for _ in range(samples):
        label = tessellate(shape, rng.random((count, len(shape))) * shape).label
        volume = np.bincount(label.ravel()) * count / label.size
        found.append((volume**2).sum() / count - 1)
    assert np.mean(found) == pytest.approx(variance, abs=tolerance)


@pytest.mark.parametrize(
    ("shape", "count", "edge"), [((256, 256), 120, 2.0), ((40, 40, 40), 20, 2.910)]
)
def test_thin_boundaries_take_their_thickness_times_the_boundary_density(shape, count, edge):
    """Per area 2 √λ of length, per volume 2.910 λ^(1/3) of area (Meijering); overlaps are small."""
    rng, found = np.random.default_rng(2), []
    for _ in range(8):
        gap = tessellate(shape, rng.random((count, len(shape))) * shape).gap
        found.append((gap <= 0.25).mean() / 0.5)
    density = edge * (count / np.prod(shape)) ** (1 / len(shape))
    assert np.mean(found) == pytest.approx(density, rel=0.05)


# ------------------------------------------------------------------------------------ polycrystal
def test_boundaries_by_thickness_and_by_fraction_are_the_same_phase():
    thick = generate("voronoi", 3, (64, 64), thickness=2.0, seed=4)
    fraction = thick.phases.reshape(3, -1).mean(axis=1)
    assert thick.factors["volume_fraction"] == pytest.approx(fraction)
    assert (fraction > 0.2).all()
    again = generate("voronoi", 3, (64, 64), volume_fraction=fraction, seed=4)
    assert np.array_equal(again.phases, thick.phases)
    assert again.factors["thickness"] == pytest.approx(2.0, abs=0.1)


def test_no_boundary_phase_unless_asked():
    made = generate("voronoi", 2, (32, 32))
    assert not made.phases.any()
    assert made.factors["volume_fraction"].tolist() == [0, 0]
    assert (made.grains.reshape(2, -1).max(axis=1) > 2).all()


@pytest.mark.parametrize("name", ["voronoi", "laguerre"])
def test_the_boundary_phase_separates_the_grains(name):
    """Grains never touch without a boundary voxel between, once it is thick enough."""
    made = generate(name, 3, (64, 64), thickness=2.0, seed=1)
    inside = made.phases == 0
    for axis in (1, 2):
        beside = np.roll(made.grains, 1, axis) != made.grains
        assert not np.any(beside & inside & np.roll(inside, 1, axis))


@pytest.mark.parametrize(("shape", "size"), [((128, 128), 12.0), ((32, 32, 32), 10.0)])
def test_grains_have_the_stated_size(shape, size):
    made = generate("voronoi", 4, shape, grain_size=size)
    volume = np.prod(shape) / made.factors["grain_count"]
    assert equivalent_diameter(volume, len(shape)) == pytest.approx(size, rel=0.03)
    measured = [equivalent_diameter(np.bincount(g.ravel()), len(shape)).mean() for g in made.grains]
    assert made.factors["mean_grain_size"] == pytest.approx(measured)


@pytest.mark.parametrize(
    ("shape", "asked"),
    [
        ((128, 128), {"elongation": 3.0, "angle": 30.0}),
        ((128, 128), {"elongation": 0.5, "angle": 100.0}),
        ((32, 32, 32), {"elongation": 2.5, "angle": 30.0, "tilt": 40.0}),
    ],
)
def test_elongation_is_found_back_by_second_moments(shape, asked):
    """Second moments of stretched cells are those of the unstretched, stretched twice."""
    d, moments = len(shape), 0
    rngs = [np.random.default_rng([3, i]) for i in range(12)]
    factors = {k: np.full(12, v) for k, v in {"grain_size": 10.0, **asked}.items()}
    for cells in grains(shape, rngs, factors):
        way, label = cells.offset.reshape(-1, d), cells.label.ravel()
        volume = np.bincount(label)
        centre = np.stack([np.bincount(label, way[:, i]) / volume for i in range(d)], axis=1)
        rest = way - centre[label]
        moments = moments + rest.T @ rest
    values, vectors = np.linalg.eigh(moments)
    asked_axis = direction(d, asked["angle"], asked.get("tilt", 0))
    along = np.argmax(np.abs(asked_axis @ vectors))
    found = np.sqrt(values[along] / np.delete(values, along).mean())
    assert found == pytest.approx(asked["elongation"], rel=0.06)
    angle, tilt = angles_of(vectors[:, along])
    assert apart(angle, asked["angle"]) < 4
    assert tilt == pytest.approx(asked.get("tilt", 0), abs=4)


def test_random_orientations_are_uniform_on_the_rotations():
    """The rotation angle has the distribution ``(ω - sin ω)/π``, the axis none."""
    from scipy.stats import kstest

    turns = orientations(np.random.default_rng(5), 4000, 0.0)
    assert np.linalg.norm(turns, axis=1) == pytest.approx(1)
    omega = 2 * np.arccos(np.clip(turns[:, 3], 0, 1))
    assert kstest(omega, lambda w: (w - np.sin(w)) / np.pi).pvalue > 0.01
    axes = turns[:, :3] / np.linalg.norm(turns[:, :3], axis=1, keepdims=True)
    for component in axes.T:
        assert kstest(component, "uniform", args=(-1, 2)).pvalue > 0.01
    # Any fixed rotation leaves the distribution as it is: the relative angle is the same law.
    between = 2 * np.arccos(np.clip(np.abs((turns[::2] * turns[1::2]).sum(axis=1)), 0, 1))
    assert kstest(between, lambda w: (w - np.sin(w)) / np.pi).pvalue > 0.01


def test_texture_gathers_the_orientations():
    """Half the density at ``ω = 2 acos 2^(-1/2κ)``; here by the mean of cos²(ω/2), (κ+½)/(κ+2)."""
    for kappa in (0.0, 3.0, 20.0):
        scalar = orientations(np.random.default_rng(6), 5000, kappa)[:, 3]
        assert np.mean(scalar**2) == pytest.approx((kappa + 0.5) / (kappa + 2), abs=0.02)


# --------------------------------------------------------------------------------------- Laguerre
@pytest.mark.parametrize("spread", [0.1, 0.3, 0.5])
def test_laguerre_grains_are_log_normal_with_the_stated_spread(spread):
    from scipy.stats import kstest

    made = generate("laguerre", 10, (96, 96), spread=spread, seed=2)
    logs = []
    for labels in made.grains:
        log = np.log(equivalent_diameter(np.bincount(labels.ravel()), 2))
        logs.append(log - log.mean())
    logs = np.concatenate(logs)
    assert logs.std() == pytest.approx(spread, rel=0.1)
    assert kstest(logs / logs.std(), "norm").pvalue > 0.01
    assert made.factors["measured_spread"].mean() == pytest.approx(spread, rel=0.1)


def test_laguerre_without_spread_makes_equal_grains_in_space():
    made = generate("laguerre", 2, (24, 24, 24), spread=0.0)
    assert (made.factors["grain_size_variation"] < 0.03).all()


# --------------------------------------------------------------------------------------- lamellae
def spectrum(image: np.ndarray) -> np.ndarray:
    return np.abs(np.fft.fftn(image - image.mean())) ** 2


@pytest.mark.parametrize("shape", [(64, 64), (60, 71), (24, 28, 32)])
def test_spacing_and_direction_are_found_back_by_the_fourier_peak(shape):
    d = len(shape)
    asked = {"angle": 35.0} if d == 2 else {"angle": 35.0, "tilt": 25.0}
    made = generate(
        "lamellar", 1, shape, colony_size=1000, alignment=1, waviness=0, spacing=7, **asked
    )
    power = spectrum(made.phases[0].astype(float))
    peak = np.array(np.unravel_index(power.argmax(), shape))
    wave = np.array([np.fft.fftfreq(s)[k] for s, k in zip(shape, peak, strict=True)])
    angle, tilt = angles_of(wave)
    assert made.factors["colony_count"][0] == 1
    assert made.factors["spacing"][0] == pytest.approx(1 / np.linalg.norm(wave))
    assert made.factors["angle"][0] == pytest.approx(angle, abs=1e-6)
    if d == 3:
        assert made.factors["tilt"][0] == pytest.approx(tilt, abs=1e-6)
    # Rounding moves the wave vector by half a reciprocal lattice vector an axis at most.
    asked_wave = direction(d, 35, 25) / 7 * (1 if wave @ direction(d, 35, 25) > 0 else -1)
    assert np.all(np.abs(wave - asked_wave) * shape <= 0.5 + 1e-9)


def test_many_colonies_share_the_spacing():
    """The ring in the mean spectrum lies at one over the spacing."""
    n, size = 20, 96
    for spacing in (6.0, 10.0):
        made = generate("lamellar", n, (size, size), spacing=spacing, waviness=0, colony_size=40)
        power = sum(spectrum(p.astype(float)) for p in made.phases)
        y, x = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
        ring = np.rint(np.hypot(y, x) * size).astype(int).ravel()
        profile = np.bincount(ring, power.ravel()) / np.bincount(ring)
        assert size / profile[: size // 2].argmax() == pytest.approx(spacing, rel=0.08)


def test_one_colony_has_no_seam():
    """Straight lamellae through the wrap: no power beside the multiples of one wave vector."""
    shape = (48, 40)
    made = generate("lamellar", 8, shape, colony_size=1000, waviness=0, seed=2)
    for phases in made.phases:
        power = spectrum(phases.astype(float))
        wave = np.unravel_index(power.argmax(), shape)
        multiples = np.outer(np.arange(48 * 40), wave) % shape
        multiples = np.unique(multiples, axis=0)
        # Voxels that tie at the cut are the exception, a line of them at most.
        assert power[tuple(multiples.T)].sum() > 0.98 * power.sum()
    broken = made.phases[-1].astype(float)  # a fault, for the test to see
    broken[:, 20:] = 1 - broken[:, 20:]
    assert spectrum(broken)[tuple(multiples.T)].sum() < 0.9 * spectrum(broken).sum()


def test_directions_scatter_as_told():
    rng = np.random.default_rng(0)
    for d in (2, 3):
        mean = direction(d, 20, 10)
        assert scattered(rng, mean, 1.0, 50) @ mean == pytest.approx(1)
        free = scattered(rng, mean, 0.0, 6000)
        assert np.linalg.norm(free, axis=1) == pytest.approx(1)
        # Second moments of a uniform direction: the unit matrix over d.
        assert free.T @ free / 6000 == pytest.approx(np.eye(d) / d, abs=0.03)
        narrow = scattered(rng, mean, 0.8, 500) @ mean
        assert narrow.min() > 0.79


def test_a_wave_longer_than_the_cell_is_made_to_fit():
    assert fitting_wave(np.array([0.001, -0.002]), (10, 10)).tolist() == [0.0, 0.1]


# ------------------------------------------------------------------------------------- dual phase
@pytest.mark.parametrize("shape", [(64, 64), (24, 24, 24)])
@pytest.mark.parametrize("continuity", [0.0, 0.5, 1.0])
def test_martensite_lies_nearer_to_the_grain_boundaries_than_ferrite(shape, continuity):
    made = generate("dual_phase", 6, shape, continuity=continuity, seed=3)
    for phases, labels in zip(made.phases, made.grains, strict=True):
        depth = depth_in_grain(labels)
        assert depth[phases == 1].mean() < 0.75 * depth[phases == 0].mean()


def depth_in_grain(labels: np.ndarray) -> np.ndarray:
    """Steps of erosion, voxel by voxel, until the grain is gone at this voxel."""
    depth, inside = np.zeros(labels.shape, int), np.ones(labels.shape, bool)
    while inside.any():
        kept = inside.copy()
        for axis in range(labels.ndim):
            for step in (-1, 1):
                beside = np.roll(labels, step, axis) == labels
                kept &= beside & np.roll(inside, step, axis)
        inside = kept
        depth += inside
    return depth


def test_continuity_connects_the_martensite_along_the_boundaries():
    made = generate("dual_phase", 60, (64, 64), continuity=np.repeat([0, 0.5, 1], 20))
    found = {k: v.reshape(3, 20).mean(axis=1) for k, v in made.factors.items()}
    assert np.all(np.diff(found["boundary_coverage"]) > 0.05)
    assert np.all(np.diff(found["largest_island_share"]) > 0)
    assert np.all(np.diff(found["island_count"]) < 0)
    assert found["boundary_coverage"][2] > 0.99


def test_larger_islands_are_fewer():
    made = generate(
        "dual_phase", 40, (96, 96), continuity=0, island_size=np.repeat([3, 8], 20), grain_size=20
    )
    few, many = np.flip(made.factors["island_count"].reshape(2, 20).mean(axis=1))
    assert few < 0.7 * many


def test_bands_have_the_spacing_that_is_reported():
    made = generate("dual_phase", 20, (96, 96), banding=1, band_spacing=30, seed=1)
    assert made.factors["band_spacing"] == pytest.approx(32)
    power = (np.abs(np.fft.rfft(made.phases.mean(axis=2), axis=1)) ** 2).mean(axis=0)
    assert power[1:].argmax() + 1 == 3
    without = generate("dual_phase", 20, (96, 96), banding=0, band_spacing=30, seed=1)
    plain = (np.abs(np.fft.rfft(without.phases.mean(axis=2), axis=1)) ** 2).mean(axis=0)
    assert power[3] > 10 * plain[3]


def test_pieces_join_across_the_edges():
    mask = np.zeros((4, 5, 6), bool)
    mask[0, 0, 0] = mask[-1, 0, 0] = mask[-1, -1, 0] = mask[2, 2, 3] = True
    assert piece_sizes(mask).tolist() == [3, 1]
    assert piece_sizes(np.ones((3, 3), bool)).tolist() == [9]
    assert piece_sizes(np.zeros((3, 3), bool)).tolist() == []


def test_counts_and_diameters_agree():
    for shape in [(64, 64), (32, 32, 32)]:
        count = cell_count(shape, 12.0)
        assert equivalent_diameter(np.prod(shape) / count, len(shape)) == pytest.approx(
            12, rel=0.02
        )
        assert cell_count(shape, 1e4) == 1
    assert cell_count((4, 4), 0.01) == 16
    assert ball_volume(3) == pytest.approx(4 / 3 * np.pi * 0.5**3)

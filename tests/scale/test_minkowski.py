"""Minkowski functionals: discs and spheres, laws, sets of known topology, overlapping grains."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError
from iceframe.scale.descriptor import DESCRIPTORS
from iceframe.scale.descriptors.minkowski import (
    PLANE_WEIGHTS,
    SPACE_WEIGHTS,
    configurations,
    contributions,
)


def totals(image: np.ndarray, periodic: bool = False) -> np.ndarray:
    """B, χ or S, M, χ of a whole image, not per volume."""
    return configurations(image[None], periodic)[0] @ contributions(image.ndim)


def ball(radius: float, d: int, rng: np.random.Generator, axes: np.ndarray | None = None):
    """A ball, or with ``axes`` a stretched and turned one, centred anywhere on a pixel."""
    side = int(2 * radius * (1 if axes is None else 2)) + 6
    x = np.indices((side,) * d).reshape(d, -1).T - (side / 2 + rng.random(d) - 0.5)
    x = x if axes is None else x @ axes
    return ((x**2).sum(axis=1) <= radius**2).reshape((side,) * d)


def dataset(images: np.ndarray, periodic: bool = False) -> Dataset:
    images = np.asarray(images, np.float32)
    table = pd.DataFrame(index=[f"s{i}" for i in range(len(images))])
    return Dataset(table, images=ArrayImages(images[:, None], periodic=periodic, kind="phase"))


def described(images: np.ndarray, periodic: bool = False):
    data = dataset(images, periodic)
    return DESCRIPTORS["minkowski"]().fit(data).transform(data)


# ----------------------------------------------------------------------------- discs and spheres


@pytest.mark.parametrize(("radius", "error"), [(5, 0.035), (8, 0.032), (20, 0.013), (60, 0.003)])
def test_perimeter_of_discs(radius, error, rng):
    for _ in range(10):
        perimeter, euler = totals(ball(radius, 2, rng))
        assert perimeter == pytest.approx(2 * np.pi * radius, rel=error)
        assert euler == pytest.approx(1.0)


@pytest.mark.parametrize(("radius", "error"), [(5, 0.03), (12, 0.01), (24, 0.004)])
def test_surface_and_curvature_of_spheres(radius, error, rng):
    for _ in range(3):
        surface, curvature, euler = totals(ball(radius, 3, rng))
        assert surface == pytest.approx(4 * np.pi * radius**2, rel=error)
        assert curvature == pytest.approx(4 * np.pi * radius, rel=error)
        assert euler == pytest.approx(1.0)


def test_perimeter_of_ellipses_in_any_orientation(rng):
    from scipy.special import ellipe

    exact = 4 * 40 * ellipe(1 - 0.25)  # half axes 40 and 20
    found = []
    for angle in np.linspace(0, np.pi, 12, endpoint=False):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        found.append(totals(ball(20, 2, rng, turn @ np.diag([0.5, 1.0])))[0] / exact)
    assert 0.97 < min(found) < max(found) < 1.03
    assert np.mean(found) == pytest.approx(1.0, abs=0.006)


def test_flat_boundaries_in_any_orientation():
    """Stripes that fit a periodic image: the stated error of four directions, and 13 in space."""
    for steps in [(1, 0), (1, 1), (2, 1), (3, 1), (5, 3)]:
        y, x = np.indices((120, 120))
        stripes = ((steps[0] * y + steps[1] * x) % 120) < 60
        exact = 2 * np.hypot(*steps) / 120
        found = totals(stripes, periodic=True)[0] / 120**2
        assert -0.053 < found / exact - 1 < 0.027, steps
    for normal in [(1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 0), (2, 1, 1), (3, 2, 1)]:
        phase = np.tensordot(normal, np.indices((24, 24, 24)), 1) % 24 < 12
        exact = 2 * np.linalg.norm(normal) / 24
        surface, curvature, euler = totals(phase, periodic=True) / 24**3
        assert -0.074 < surface / exact - 1 < 0.027, normal
        assert curvature == pytest.approx(0.0, abs=1e-12)
        assert euler == pytest.approx(0.0, abs=1e-12)
    edge = totals(np.indices((64, 64))[0] < 32, periodic=True)[0]
    assert edge / (2 * 64) == pytest.approx(np.pi / 8 * (1 + np.sqrt(2)))


def test_weights_are_the_cells_on_the_sphere():
    from scipy.spatial import SphericalVoronoi

    way = np.array([w for w in product((-1, 0, 1), repeat=3) if any(w)])
    area = SphericalVoronoi(way / np.linalg.norm(way, axis=1)[:, None]).calculate_areas()
    for moved, weight in SPACE_WEIGHTS.items():
        mine = 2 * area[np.abs(way).sum(axis=1) == moved] / (4 * np.pi)
        np.testing.assert_allclose(mine, weight, rtol=1e-9)
    assert sum(n * SPACE_WEIGHTS[m] for m, n in {1: 3, 2: 6, 3: 4}.items()) == pytest.approx(1.0)
    assert sum(2 * w for w in PLANE_WEIGHTS.values()) == 1.0


# ------------------------------------------------------------------------------------- topology


def test_euler_number_of_pieces_and_holes():
    plane = np.zeros((12, 16), bool)
    plane[1:6, 1:6] = True
    plane[2, 2] = plane[4, 4] = False  # two holes
    plane[8:10, 2:5] = True
    plane[10, 5] = True  # touches by a corner: a piece of its own
    assert totals(plane)[-1] == pytest.approx((1 - 2) + 1 + 1)


def test_euler_number_in_space():
    space = np.zeros((12, 12, 12), bool)
    space[1:6, 1:6, 1:6] = True
    assert totals(space)[-1] == pytest.approx(1)
    cavity = space.copy()
    cavity[3, 3, 3] = False
    assert totals(cavity)[-1] == pytest.approx(2)
    tunnel = space.copy()
    tunnel[:, 3, 3] = False
    assert totals(tunnel)[-1] == pytest.approx(0)
    tunnel[3, 3, :] = False  # three ways out of one crossing more: genus 3
    assert totals(tunnel)[-1] == pytest.approx(-2)
    tunnel[8:11, 8:11, 8:11] = True
    assert totals(tunnel)[-1] == pytest.approx(-1)


@pytest.mark.parametrize("d", [2, 3])
def test_a_piece_that_winds_round_a_periodic_image(d):
    bar = np.zeros((8,) * d, bool)
    bar[(slice(2, 5),) * (d - 1)] = True
    assert totals(bar, periodic=True)[-1] == pytest.approx(0)  # a ring
    assert totals(np.ones((8,) * d, bool), periodic=True) == pytest.approx(0)  # a torus


@pytest.mark.parametrize("d", [2, 3])
def test_euler_number_counts_scattered_pixels(d, rng):
    image = np.zeros((30,) * d, bool)
    where = 3 * rng.integers(0, 10, size=(40, d))
    image[tuple(where.T)] = True
    assert totals(image, periodic=True)[-1] == pytest.approx(image.sum())


@pytest.mark.parametrize(
    ("seed", "perimeter", "plane_euler", "space_euler"),
    [(0, 331.4926796459514, 59, 35), (1, 335.6497082590663, 48, 28)],
)
def test_values_of_scikit_image(seed, perimeter, plane_euler, space_euler):
    """Golden: ``perimeter_crofton(directions=4)``, ``euler_number(connectivity=1)``, 0.26.0."""
    rng = np.random.default_rng(seed)
    plane = np.pad(rng.random((20, 24)) < 0.45, 1)
    space = np.pad(rng.random((9, 10, 11)) < 0.4, 1)
    assert totals(plane) == pytest.approx([perimeter, plane_euler], rel=1e-9)
    assert totals(space)[-1] == pytest.approx(space_euler)


# ----------------------------------------------------------------------------------------- laws


@settings(max_examples=40, deadline=None)
@given(arrays(bool, (5, 6)), arrays(bool, (5, 6)), st.booleans())
def test_pieces_apart_add_up(a, b, periodic):
    one, other = np.zeros((12, 14), bool), np.zeros((12, 14), bool)
    one[:5, :6], other[6:11, 7:13] = a, b
    both = totals(one | other, periodic)
    np.testing.assert_allclose(both, totals(one, periodic) + totals(other, periodic), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(arrays(bool, st.sampled_from([(6, 7), (4, 5, 6)])), st.integers(1, 4))
def test_euler_number_is_additive_over_parts_that_share_a_layer(image, cut):
    padded = np.pad(image, 1)
    cut = min(cut, image.shape[0])
    first, second, layer = (np.zeros_like(padded) for _ in range(3))
    first[: cut + 1], second[cut:], layer[cut] = padded[: cut + 1], padded[cut:], padded[cut]
    parts = totals(first)[-1] + totals(second)[-1] - totals(layer)[-1]
    assert totals(padded)[-1] == pytest.approx(parts)


@settings(max_examples=30, deadline=None)
@given(arrays(bool, (5, 6)))
def test_euler_number_is_pieces_less_holes(image):
    from scipy import ndimage

    padded = np.pad(image, 1)
    pieces = ndimage.label(padded)[1]
    outside = ndimage.label(~padded, np.ones((3, 3)))[1]  # the background and the holes
    assert totals(padded)[-1] == pytest.approx(pieces - (outside - 1))


@settings(max_examples=30, deadline=None)
@given(arrays(bool, st.sampled_from([(4, 5), (3, 4, 4)])), st.integers(0, 20))
def test_shifts_and_turns_and_the_other_phase(image, shift):
    d = image.ndim
    own = totals(image, periodic=True)
    moved = np.roll(image, (shift, 2 * shift), axis=(0, 1))
    np.testing.assert_allclose(totals(moved, periodic=True), own, atol=1e-9)
    for other in (np.swapaxes(image, 0, 1), np.flip(image, 0)):
        np.testing.assert_allclose(totals(other, periodic=True), own, atol=1e-9)
    inverse = totals(~image, periodic=True)
    assert inverse[0] == pytest.approx(own[0])  # one boundary between the two
    if d == 3:
        assert inverse[1] == pytest.approx(-own[1], abs=1e-9)


# --------------------------------------------------------------------------- overlapping grains


def overlapping(side: int, d: int, number: float, radius: float, rng) -> np.ndarray:
    """A periodic image of balls at the points of a Poisson process, on average ``number``."""
    from scipy import ndimage

    image = np.ones((side,) * d)
    places = rng.random((rng.poisson(number), d)) * side
    grid = np.indices((side,) * d)
    if d == 2:
        hit = np.zeros((side,) * d, bool)
        for place in places:
            gap = [np.abs(g - p) for g, p in zip(grid, place, strict=True)]
            hit |= sum(np.minimum(g, side - g) ** 2 for g in gap) <= radius**2
        return hit
    image[tuple(places.astype(int).T)] = 0
    wide = int(radius) + 1
    distance = ndimage.distance_transform_edt(np.pad(image, wide, mode="wrap"))
    return (distance <= radius)[(slice(wide, -wide),) * d]


def test_overlapping_discs_against_theory(rng):
    """Boolean model (Ohser, Mücklich 2000): densities from the number λ of grains per area."""
    side, number, radius = 200, 60, 12.0
    density = number / side**2
    free = np.exp(-density * np.pi * radius**2)
    images = np.array([overlapping(side, 2, number, radius, rng) for _ in range(24)])
    found = described(images, periodic=True).values
    error = found.std(axis=0) / np.sqrt(len(found))
    expected = [
        1 - free,
        free * density * 2 * np.pi * radius,
        free * density * (1 - density * np.pi * radius**2),
    ]
    assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * error + 0.01 * np.abs(expected))
    cut = described(images[:, :150, :150])  # without periods: the same densities
    assert cut.values.mean(axis=0) == pytest.approx(found.mean(axis=0), rel=0.15)


def test_overlapping_spheres_against_theory(rng):
    side, number, radius = 56, 28, 8.5
    density = number / side**3
    free = np.exp(-density * 4 / 3 * np.pi * radius**3)
    images = np.array([overlapping(side, 3, number, radius, rng) for _ in range(12)])
    found = described(images, periodic=True).values
    error = found.std(axis=0) / np.sqrt(len(found))
    surface, curvature = 4 * np.pi * radius**2 * density, 4 * np.pi * radius * density
    expected = np.array([
        1 - free,
        free * surface,
        free * (curvature - np.pi**2 * surface**2 / 32),
        free * (density - curvature * surface / (4 * np.pi) + np.pi * surface**3 / 384),
    ])  # fmt: skip
    scale = np.array([1.0, surface, curvature, density])
    assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * error + 0.03 * scale)


# --------------------------------------------------------------------------------- the descriptor


def test_features_units_and_storage(rng):
    plane = described(rng.random((3, 9, 8)) < 0.4)
    assert plane.names == ("volume fraction", "perimeter density", "Euler characteristic density")
    assert plane.units == ("", "1/px", "1/px²")
    data = dataset(rng.random((3, 5, 6, 7)) < 0.4, periodic=True)
    fitted = DESCRIPTORS["minkowski"]().fit(data)
    space = fitted.transform(data)
    assert space.units == ("", "1/px", "1/px²", "1/px³")
    again = DESCRIPTORS["minkowski"].from_state(fitted.state()).transform(data)
    np.testing.assert_array_equal(again.values, space.values)
    assert not DESCRIPTORS["minkowski"].default


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(2, 2), (6, 9), (2, 3, 4)])
def test_images_of_one_phase_are_defined(shape, periodic):
    images = np.zeros((2, *shape))
    images[1] = 1
    found = described(images, periodic).values
    assert found[0].tolist() == [0.0] * found.shape[1]
    assert found[1, 0] == 1.0
    assert found[1, 1] == 0.0
    np.testing.assert_allclose(found[1, 1:], 0.0, atol=1e-12)


def test_three_phases_each_in_turn(rng):
    images = rng.integers(0, 3, size=(2, 10, 10))
    found = described(images)
    assert len(found.names) == 9
    np.testing.assert_allclose(found.values[:, [0, 3, 6]].sum(axis=1), 1.0)


def test_bad_input(rng):
    with pytest.raises(InputError, match="too small"):
        described(rng.random((2, 1, 8)) < 0.5)
    values = rng.random((2, 1, 8, 8)).astype(np.float32)
    table = pd.DataFrame(index=["a", "b"])
    grey = Dataset(table, images=ArrayImages(values, periodic=False, kind="grey"))
    with pytest.raises(InputError, match="segmented"):
        DESCRIPTORS["minkowski"]().fit(grey)


def test_many_images_at_once_equal_one_by_one(rng):
    images = rng.random((50, 3, 4, 5)) < 0.5
    counts = configurations(images, periodic=False)
    assert counts.shape == (50, 256)
    assert (counts.sum(axis=1) == 2 * 3 * 4).all()
    alone = np.concatenate([configurations(image[None], periodic=False) for image in images])
    np.testing.assert_array_equal(counts, alone)
    assert configurations(images[:0], periodic=True).shape == (0, 256)

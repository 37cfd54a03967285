"""Porous and cracked solids: two-point statistics from theory, necks, crack density found back."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.physics.generator import generate
from iceframe.physics.generators.cracked import _follow

from .test_packing import bodies_in, shape_of


def two_point(mask: np.ndarray, lags: int) -> np.ndarray:
    """Probability that both ends of a lag along an axis lie in ``mask``: ``(n, lags)``."""
    d = mask.ndim - 1
    spectrum = np.fft.rfftn(mask.astype(float), axes=range(1, d + 1))
    s2 = np.fft.irfftn(np.abs(spectrum) ** 2, s=mask.shape[1:], axes=range(1, d + 1))
    s2 /= mask[0].size
    edges = [s2[(slice(None), *(slice(lags) if a == k else 0 for a in range(d)))] for k in range(d)]
    return np.mean(edges, axis=0)


def union(r: np.ndarray, radius: float, d: int) -> np.ndarray:
    """Area or volume of two discs or spheres at distance ``r`` (Torquato 2002, sect. 5.1)."""
    x = np.minimum(r / (2 * radius), 1.0)
    if d == 2:
        return np.pi * radius**2 * (2 - 2 / np.pi * (np.arccos(x) - x * np.sqrt(1 - x**2)))
    return 4 / 3 * np.pi * radius**3 * (1 + 1.5 * x - x**3 / 2)


# --------------------------------------------------------------------------- overlapping spheres
@pytest.mark.parametrize(("shape", "n"), [((384, 384), 12), ((80, 80, 80), 6)])
@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_two_point_probability_of_the_solid_is_that_of_the_boolean_model(shape, n, fraction):
    d, size = len(shape), 12.0
    made = generate("overlapping_spheres", n, shape, volume_fraction=fraction, size=size, seed=1)
    found = two_point(made.phases == 0, 30)
    radius = made.factors["mean_diameter"][:, None] / 2
    density = made.factors["sphere_count"][:, None] / np.prod(shape)
    expected = np.exp(-density * union(np.arange(30.0), radius, d))
    error = found - expected
    spread = error.std(axis=0, ddof=1) / np.sqrt(n)
    assert np.abs(made.factors["mean_diameter"] - size).max() < 0.08 * size
    # The fraction and the number of spheres are held, which takes S2 off by about 1e-3.
    assert np.all(np.abs(error.mean(axis=0)) < 4 * spread + 2e-3)


def test_particles_that_do_not_overlap_are_told_from_the_boolean_model():
    """The bound of the test above sees the difference between the two."""
    made = generate(
        "particles", 12, (384, 384), volume_fraction=0.5, size=12, size_spread=0, seed=1
    )
    found = two_point(made.phases == 0, 30)
    radius = made.factors["mean_diameter"][:, None] / 2
    density = -np.log(0.5) / (np.pi * radius**2)
    error = found - np.exp(-density * union(np.arange(30.0), radius, 2))
    assert np.abs(error.mean(axis=0)).max() > 0.02


def test_spheres_overlap_and_their_number_follows_from_the_fraction():
    made = generate("overlapping_spheres", 1, (256, 256), volume_fraction=0.5, size=10, seed=2)
    expected = -np.log(0.5) * 256**2 / (np.pi * 25)
    assert made.factors["sphere_count"][0] == pytest.approx(expected, abs=1)
    assert len(bodies_in(made.phases[0] == 1)) < 0.6 * expected


# -------------------------------------------------------------------------------------- sintered
def conductance(solid: np.ndarray) -> float:
    """Conductivity along x of a periodic 2-D network: 1 between solid pixels, else 1e-3."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.linalg import spsolve

    number = np.arange(solid.size).reshape(solid.shape)
    rows, columns, bonds, jump = [], [], [], []
    for axis in (0, 1):
        bond = np.where(solid & np.roll(solid, -1, axis), 1.0, 1e-3).ravel()
        rows.append(number.ravel())
        columns.append(np.roll(number, -1, axis).ravel())
        bonds.append(bond)
        jump.append(np.full(solid.size, float(axis)))  # a unit gradient along x
    i, j, g, e = (np.concatenate(part) for part in (rows, columns, bonds, jump))
    n = solid.size
    laplacian = coo_matrix((np.r_[g, g, -g, -g], (np.r_[i, j, i, j], np.r_[i, j, j, i])), (n, n))
    source = np.bincount(i, g * e, n) - np.bincount(j, g * e, n)
    pinned = laplacian.tocsc()[1:, 1:]
    potential = np.r_[0.0, spsolve(pinned, source[1:])]
    flux = g * (e + potential[j] - potential[i])
    return float((flux * e).sum() / n)


def test_the_network_conducts_as_laminates_do():
    layers = np.zeros((6, 6), bool)
    layers[:2] = True
    assert conductance(np.ones((4, 4), bool)) == pytest.approx(1)
    # Along the layers bonds are in parallel; two of six rows conduct.
    assert conductance(layers) == pytest.approx(2 / 6 + 4 / 6 * 1e-3)


@pytest.mark.parametrize("porosity", [0.1, 0.25])
def test_necks_and_conduction_grow_with_sintering(porosity):
    degrees = [0.0, 0.5, 1.0]
    made = [
        generate("sintered", 6, (48, 48), sintering=s, porosity=porosity, seed=1) for s in degrees
    ]
    for one in made:
        assert (one.phases.reshape(6, -1).sum(axis=1) == round(porosity * 48**2)).all()
    neck = [m.factors["neck_ratio"].mean() for m in made]
    flow = [np.mean([conductance(p == 0) for p in m.phases]) for m in made]
    assert neck[0] < neck[1] < neck[2]
    assert flow[0] < flow[1] < flow[2]
    assert flow[2] < 1 - porosity  # the Voigt bound, but for the pores' 1e-3


@pytest.mark.parametrize(("shape", "coordination"), [((96, 96), (3, 6)), ((40, 40, 40), (5, 14))])
def test_the_solid_hangs_together_as_a_packing_does(shape, coordination):
    made = generate("sintered", 2, shape, porosity=0.25, sintering=0.7, seed=3)
    low, high = coordination
    for i in range(2):
        parts = sorted(map(len, bodies_in(made.phases[i] == 0)))
        assert parts[-1] > 0.97 * sum(parts)
        assert low < made.factors["coordination"][i] < high
    assert made.factors["mean_diameter"] == pytest.approx(8, rel=0.05)


def test_necks_grow_with_sintering_in_three_dimensions():
    neck = [
        generate("sintered", 2, (32, 32, 32), sintering=s, porosity=0.3).factors["neck_ratio"]
        for s in (0.0, 1.0)
    ]
    assert np.all(neck[1] > 1.1 * neck[0])


# --------------------------------------------------------------------------------------- cracked
@pytest.mark.parametrize(("shape", "n"), [((128, 128), 16), ((48, 48, 48), 12)])
def test_density_is_met_and_found_in_the_volume_of_the_cracks(shape, n):
    d, length, thickness, density = len(shape), 14.0, 3.0, 0.15
    made = generate(
        "cracked",
        n,
        shape,
        density=density,
        length=length,
        length_spread=0.0,
        thickness=thickness,
        alignment=0.0,
        seed=2,
    )
    half = made.factors["mean_length"] / 2
    assert made.factors["crack_count"] * half**d / np.prod(shape) == pytest.approx(density)
    flat, t = half - thickness / 2, thickness / 2
    if d == 2:  # a rectangle with round ends
        one = 4 * flat * t + np.pi * t**2
    else:  # a disc with a round rim: half a torus more than the cylinder
        one = 2 * np.pi * flat**2 * t + np.pi * t**2 * (np.pi * flat + 4 / 3 * t)
    expected = 1 - np.exp(-made.factors["crack_count"] * one / np.prod(shape))
    error = made.factors["crack_fraction"] - expected
    assert abs(error.mean()) < 4 * error.std(ddof=1) / np.sqrt(n) + 1e-3
    assert made.factors["crack_fraction"] == pytest.approx(
        made.phases.reshape(n, -1).mean(axis=1), abs=1e-12
    )


def test_lone_cracks_have_their_length_and_thickness():
    made = generate(
        "cracked", 1, (256, 256), density=0.01, length=24, length_spread=0, thickness=3, seed=4
    )
    found = bodies_in(made.phases[0] == 1)
    length, thickness = [], []
    for x in found:
        variance = shape_of(x)[0]
        length.append(np.sqrt(12 * variance[1]))
        thickness.append(len(x) / length[-1])
    assert len(found) == pytest.approx(made.factors["crack_count"][0], abs=1)
    # Round ends shorten the equivalent rectangle by a few per cent.
    assert np.median(length) == pytest.approx(made.factors["mean_length"][0], rel=0.05)
    assert made.factors["mean_length"][0] == pytest.approx(24, rel=0.06)
    assert np.median(thickness) == pytest.approx(3, rel=0.06)


@pytest.mark.parametrize("shape", [(96, 96), (40, 40, 40)])
@pytest.mark.parametrize(("angle", "axis"), [(0.0, -1), (90.0, -2)])
def test_aligned_cracks_are_long_along_their_direction(shape, angle, axis):
    made = generate("cracked", 3, shape, alignment=1.0, angle=angle, length=14, seed=5)
    cracks = made.phases == 1
    other = -3 - axis  # the other of the last two axes

    def chord(of: int) -> float:
        return 2 * cracks.sum() / (cracks != np.roll(cracks, 1, of)).sum()

    def together(of: int, lag: int) -> float:
        return float((cracks & np.roll(cracks, lag, of)).mean())

    assert chord(axis) > 3 * chord(other)
    assert together(axis, 6) > 2 * together(other, 6)


@pytest.mark.parametrize("shape", [(60, 60), (30, 30, 30)])
def test_an_intergranular_crack_is_one_piece_of_grain_boundary(shape):
    d, grain, radius, half = len(shape), 7.0, 12.0, 1.0
    rng = np.random.default_rng(6)
    seeds = rng.random((int(np.prod(shape) / grain**d), d)) * shape
    phases = np.zeros(shape, np.uint8)
    normal = np.eye(d)[-2]
    centre = np.array(shape) / 2
    _follow(phases, seeds, grain, centre, normal, radius, half)
    x = np.argwhere(phases)
    box = np.array(shape)
    r = x[:, None] - seeds
    r = r - box * np.rint(r / box)
    distance = np.sqrt((r**2).sum(axis=-1))
    # Distance to the boundary of a voxel's own grain: to the nearest bisector of its seed.
    own = distance.argmin(axis=1)
    between = seeds[None] - seeds[:, None]
    between = between - box * np.rint(between / box)
    apart = np.sqrt((between**2).sum(axis=-1))[own] + 1e9 * np.eye(len(seeds))[own]
    nearest = ((distance**2 - distance.min(axis=1, keepdims=True) ** 2) / (2 * apart)).copy()
    nearest[np.arange(len(x)), own] = np.inf
    assert nearest.min(axis=1).max() <= half + 1e-9
    # Within its length, close to its plane but not in it, and in one piece.
    offset = x - centre
    height = offset @ normal
    assert np.abs(height).max() <= grain
    assert height.std() > 0.7
    assert (np.sqrt((offset**2).sum(axis=1) - height**2)).max() <= radius
    parts = sorted(map(len, bodies_in(phases == 1)))
    assert parts[-1] > 0.9 * sum(parts)
    assert phases.sum() > 2 * half * (2 * radius if d == 2 else np.pi * radius**2) * 0.9


def test_cracks_along_boundaries_are_a_share_of_all():
    def fraction(share):
        made = generate("cracked", 2, (64, 64), intergranular=share, seed=7)
        return made.phases

    none, some, every = fraction(0.0), fraction(0.5), fraction(1.0)
    # Cracks are decided one by one: those of half the draws are flat, as without any.
    assert not np.array_equal(none, some)
    assert (none & some).sum() > (none & every).sum()


def test_cracks_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="fit into the box"):
        generate("cracked", 1, (16, 16), length=20)
    with pytest.raises(InputError, match="thinner than long"):
        generate("cracked", 1, (64, 64), length=10, thickness=12)

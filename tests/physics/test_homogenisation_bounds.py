"""Bounds, for whatever the registered generators make, at contrasts from 1e-3 to 1e3.

On odd grids the discrete gradients span all directions, and the bounds of Hashin & Shtrikman hold
for the discrete problem. On grids with two or more even sides some modes have no gradient; the
phases seem less rough by the share ``η`` of their variance that lies in them. The lower bound holds
all the same; in the upper one the covariance ``f (1 − f)`` becomes ``(1 − η) f (1 − f)``, which is
what is tested here. Voigt and Reuss hold on every grid.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.physics.bounds import (
    Bounds,
    bulk_and_shear,
    hashin_shtrikman_conductivity,
    hashin_shtrikman_moduli,
    isotropised_conductivity,
    isotropised_moduli,
    shear_constraint,
    trace_slack,
    voigt_reuss,
)
from iceframe.physics.generator import GENERATORS, generate
from iceframe.physics.homogenisation import homogenize
from iceframe.physics.properties import Conductivity, Elasticity

SLACK = 1e-6
# The error of a tensor is up to the square of tolerance times contrast; the contrast is up to 1e6.
TIGHT = 1e-9
SIDES = {2: [7, 9, 12, 15, 16], 3: [5, 6, 7, 8]}

FEW = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def made(draw: st.DrawFn, name: str) -> tuple[np.ndarray, int]:
    """One microstructure of a generator in either dimension, and the number of its phases."""
    entry = GENERATORS[name]
    d = draw(st.sampled_from(entry.dimensions))
    shape = tuple(draw(st.sampled_from(SIDES[d])) for _ in range(d))
    factors = {}
    for factor in entry.factors:
        if d not in factor.dimensions:
            continue
        if factor.unit.startswith("voxel"):  # sizes that fit a small grid
            factors[factor.name] = min(max(factor.minimum, 0.6 * factor.low), factor.default)
        elif not factor.whole:
            # Not zero: a polycrystal without boundaries has one phase, and nothing to test.
            low = max(factor.low, 0.1) if factor.name == "volume_fraction" else factor.low
            factors[factor.name] = draw(st.floats(low, factor.high))
    try:
        made = generate(name, 1, shape, seed=draw(st.integers(0, 999)), **factors)
    except InputError:  # factors that exclude each other on so small a grid
        assume(False)
    return made.phases, len(made.phase_names)


contrast = st.floats(-3, 3).map(lambda exponent: float(10.0**exponent))
poisson = st.floats(-0.4, 0.45)


@pytest.mark.parametrize("name", GENERATORS.names())
@given(data=st.data())
@FEW
def test_conduction_stays_inside_its_bounds(name, data):
    phases, k = made(data.draw, name)
    d, f = phases.ndim - 1, _fractions(phases, k)
    values = np.array([1.0, *(data.draw(contrast) for _ in range(k - 1))])
    properties = Conductivity(values)
    solved = homogenize(phases, properties, tolerance=TIGHT, max_iterations=20_000)
    assert solved.converged.all()
    tensor = solved.tensor[0]
    _assert_sound(tensor, voigt_reuss(f, properties.matrices(d)))
    mean = isotropised_conductivity(tensor)
    _assert_between(mean, hashin_shtrikman_conductivity(f, values, d), phases, f, values, values, d)
    if k == 2 and _sees_every_mode(phases.shape[1:]) and f.min() > 0 and np.ptp(values) > 1e-3:
        assert min(trace_slack(tensor, f, values)) > -SLACK


@pytest.mark.parametrize("name", GENERATORS.names())
@given(data=st.data())
@FEW
def test_elasticity_stays_inside_its_bounds(name, data):
    phases, k = made(data.draw, name)
    d, f = phases.ndim - 1, _fractions(phases, k)
    young = np.array([1.0, *(data.draw(contrast) for _ in range(k - 1))])
    ratios = np.array([data.draw(poisson) for _ in range(k)])
    state = data.draw(st.sampled_from(["plane strain", "plane stress"])) if d == 2 else "3-D"
    properties = Elasticity(young, ratios, **({"state": state} if d == 2 else {}))
    solved = homogenize(phases, properties, tolerance=TIGHT, max_iterations=20_000)
    assert solved.converged.all()
    tensor = solved.tensor[0]
    _assert_sound(tensor, voigt_reuss(f, properties.matrices(d)))
    bulk, shear = bulk_and_shear(young, ratios, state)
    found = isotropised_moduli(tensor)
    bound = hashin_shtrikman_moduli(f, bulk, shear, d)
    present = f > 0
    y = 2 * (d - 1) / d * shear[present].max() * np.ones(k)
    _assert_between(found[0], bound.bulk, phases, f, bulk, y, d)
    y = shear_constraint(bulk[present].max(), shear[present].max(), d) * np.ones(k)
    _assert_between(found[1], bound.shear, phases, f, shear, y, d)


@pytest.mark.parametrize("shape", [(8, 8), (8, 9), (4, 6, 4), (4, 5, 6), (4, 5, 7)], ids=str)
def test_even_grids_break_the_upper_bound_no_further_than_said(shape):
    # White noise has the most variance in the invisible modes; voids show them best.
    phases = np.random.default_rng(1).integers(0, 2, (1, *shape))
    f, d = _fractions(phases, 2), len(shape)
    values = np.array([1.0, 0.0])
    mean = isotropised_conductivity(homogenize(phases, Conductivity(values)).tensor[0])
    plain = hashin_shtrikman_conductivity(f, values, d).upper
    y = (d - 1) * np.ones(2)
    assert mean <= _upper(f, values, y, invisible_share(phases)) * (1 + SLACK)
    if _sees_every_mode(shape):
        assert invisible_share(phases) == 0
        assert mean <= plain * (1 + SLACK)
    else:
        assert invisible_share(phases) > 0


def test_the_bound_with_invisible_modes_is_the_plain_one_without_them():
    f, k = np.array([0.3, 0.7]), np.array([5.0, 2.0])
    y = 5.0 * np.ones(2)
    assert _upper(f, k, y, 0.0) == pytest.approx(hashin_shtrikman_conductivity(f, k, 2).upper)
    assert _upper(f, k, y, 1.0) == pytest.approx(f @ k)  # nothing seen: the arithmetic mean


def invisible_share(phases: np.ndarray) -> float:
    """Share ``η`` of the variance of phase 1 in modes with two or more sides at Nyquist."""
    shape = phases.shape[1:]
    power = np.abs(np.fft.fftn(phases[0] == 1)) ** 2
    power.flat[0] = 0
    sides = np.meshgrid(*[(2 * np.arange(n) == n).astype(int) for n in shape], indexing="ij")
    return float(power[sum(sides) >= 2].sum() / max(power.sum(), 1e-300))


def _sees_every_mode(shape: tuple[int, ...]) -> bool:
    return sum(n % 2 == 0 for n in shape) < 2


def _fractions(phases: np.ndarray, k: int) -> np.ndarray:
    return np.bincount(phases.ravel(), minlength=k) / phases.size


def _upper(f: np.ndarray, m: np.ndarray, y: np.ndarray, share: float) -> float:
    """``m₀ + f₁/(1/(m₁ − m₀) + (1 − η) f₀/(m₀ + y))`` with phase 0 the one with the higher m."""
    high, low = int(np.argmax(m)), int(np.argmin(m))
    if high == low or f[high] == 0 or f[low] == 0:
        return float(f @ m)
    step = 1 / (m[low] - m[high]) + (1 - share) * f[high] / (m[high] + y[high])
    return float(m[high] + f[low] / step)


def _assert_between(
    value: np.ndarray,
    bound: Bounds,
    phases: np.ndarray,
    f: np.ndarray,
    m: np.ndarray,
    y: np.ndarray,
    d: int,
) -> None:
    """Hashin and Shtrikman; above only as far as the grid sees the phases."""
    assert value >= bound.lower * (1 - SLACK)
    if _sees_every_mode(phases.shape[1:]):
        assert value <= bound.upper * (1 + SLACK)
    elif len(f) == 2:
        constraint = (d - 1) * np.full(2, m[f > 0].max()) if y is m else y
        assert value <= _upper(f, m, constraint, invisible_share(phases)) * (1 + SLACK)


def _assert_sound(tensor: np.ndarray, bound: Bounds) -> None:
    """Symmetric, positive definite, and between Reuss and Voigt in every direction."""
    assert np.array_equal(tensor, tensor.T)
    assert np.linalg.eigvalsh(tensor)[0] > 0
    # Relative to the bounds themselves, so that the weakest direction counts as much as the others.
    reuss = np.linalg.inv(np.linalg.cholesky(bound.lower))
    assert np.linalg.eigvalsh(reuss @ tensor @ reuss.T)[0] >= 1 - SLACK
    voigt = np.linalg.inv(np.linalg.cholesky(bound.upper))
    assert np.linalg.eigvalsh(voigt @ tensor @ voigt.T)[-1] <= 1 + SLACK

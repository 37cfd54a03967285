"""Presets draw, name the phases as their generators do, and state a source for every number."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from iceframe.physics.generator import GENERATORS, generate
from iceframe.physics.presets import PRESETS

MEMBERS = [(p, m) for p in PRESETS.values() for m in p.members]
each = pytest.mark.parametrize(
    ("preset", "member"), MEMBERS, ids=[f"{p.name}-{m.generator}" for p, m in MEMBERS]
)


def test_there_are_a_metal_a_ceramic_and_a_composite():
    assert list(PRESETS) == ["metal", "ceramic", "composite"]
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert preset.title
        assert len(preset.members) > 1
        assert len({m.generator for m in preset.members}) == len(preset.members)


@each
def test_phases_are_those_of_the_generator_in_its_order(preset, member):
    assert member.phase_names == GENERATORS[member.generator].phase_names
    for values in (member.young, member.poisson, member.conductivity):
        assert len(values) == len(member.phase_names)
        assert all(type(v) is float for v in values)


@each
def test_properties_are_physical_and_have_a_source(preset, member):
    assert max(member.young) > 0
    for phase in member.phases.values():
        assert phase.material
        assert len(phase.source) > 20
        assert phase.young >= 0
        assert -1 < phase.poisson < 0.5
        assert phase.conductivity > 0
        # A void carries no load; whatever carries load is no softer than a polymer.
        assert phase.young == 0 or 1 < phase.young < 1000


@each
@pytest.mark.parametrize("shape", [(64, 64), (24, 24, 24)])
def test_every_corner_of_the_ranges_and_points_between_can_be_drawn(preset, member, shape):
    declared = {f.name: f for f in GENERATORS[member.generator].factors if 2 in f.dimensions}
    for name, (low, high) in member.ranges.items():
        assert declared[name].minimum <= low < high <= declared[name].maximum, name
    rng = np.random.default_rng(0)
    n = 8
    lows = {k: np.full(2, r[0]) for k, r in member.ranges.items()}
    highs = {k: np.full(2, r[1]) for k, r in member.ranges.items()}
    between = {k: rng.uniform(*r, n) for k, r in member.ranges.items()}
    corners = {k: np.array(r)[rng.integers(2, size=n)] for k, r in member.ranges.items()}
    for factors in (lows, highs, between, corners):
        made = generate(member.generator, len(next(iter(factors.values()))), shape, **factors)
        shares = (made.phases == 1).reshape(len(made), -1).mean(axis=1)
        assert np.all((shares > 0) & (shares < 1))
        assert made.phases.max() < len(member.phases)


def test_hills_mean_of_ni3al_is_that_of_its_crystal_constants():
    (member,) = (m for m in PRESETS["metal"].members if m.generator == "gamma_prime")
    c11, c12, c44 = 223.0, 148.0, 125.0
    bulk = (c11 + 2 * c12) / 3
    voigt = (c11 - c12 + 3 * c44) / 5
    reuss = 5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12))
    shear = (voigt + reuss) / 2
    phase = member.phases["gamma_prime"]
    assert phase.young == pytest.approx(9 * bulk * shear / (3 * bulk + shear), rel=0.01)
    expected = (3 * bulk - 2 * shear) / (2 * (3 * bulk + shear))
    assert phase.poisson == pytest.approx(expected, abs=0.003)


def test_presets_cannot_be_changed():
    with pytest.raises(TypeError):
        PRESETS["glass"] = None
    member = PRESETS["metal"].members[0]
    with pytest.raises(TypeError):
        member.ranges["volume_fraction"] = (0.0, 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        member.generator = "voronoi"

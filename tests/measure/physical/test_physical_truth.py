"""Exact flips of drawn voxels: the draw, the derivative beside them, and their file."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.physical.truth import PhysicalTruth, physical_truth
from iceframe.physics import Conductivity, Elasticity, SolveStatus, homogenize
from iceframe.physics.components import component_pair

LAW = Conductivity([1.0, 10.0])


def random_phases(n=3, shape=(8, 7), k=2, seed=0):
    return np.random.default_rng(seed).integers(0, k, (n, *shape))


@pytest.mark.parametrize(
    ("properties", "component", "position"),
    [(LAW, "k_xy", (0, 1)), (Elasticity([1.0, 9.0], [0.3, 0.2]), "C22", (1, 1))],
)
def test_flips_are_differences_of_solved_structures(properties, component, position):
    phases = random_phases()
    truth = physical_truth(phases, properties, component, per_phase=3, tolerance=1e-8)
    before = homogenize(phases, properties, tolerance=1e-8).tensor
    for i, voxels in enumerate(truth.voxels):
        for v, voxel in enumerate(voxels):
            other = phases[i : i + 1].copy()
            assert truth.phase[i, v] == other[(0, *voxel)] == 1 - truth.to[i, v]
            other[(0, *voxel)] = 1 - other[(0, *voxel)]
            change = homogenize(other, properties, tolerance=1e-8).tensor[0] - before[i]
            assert truth.flip[i, v] == pytest.approx(change[position], rel=1e-4, abs=1e-9)


def test_the_derivative_is_the_flip_at_low_contrast_and_not_at_high():
    phases = random_phases()
    low = physical_truth(phases, Conductivity([1.0, 1.001]), "k_xx", tolerance=1e-9)
    np.testing.assert_allclose(low.first_order, low.flip, rtol=2e-3)
    high = physical_truth(phases, Conductivity([1.0, 100.0]), "k_xx")
    assert np.median(np.abs(high.first_order / high.flip)[high.phase == 0]) > 3
    assert np.all(high.first_order * high.flip >= 0)


def test_three_phases_and_their_targets():
    phases = random_phases(k=3)
    law = Conductivity([1.0, 1.002, 1.005])
    to_one = physical_truth(phases, law, "k_xx", to=2, per_phase=4, tolerance=1e-9)
    assert set(np.unique(to_one.phase)) == {0, 1}
    assert np.all(to_one.to == 2)
    around = physical_truth(phases, law, "k_xx", to=[1, 2, 0], per_phase=4, tolerance=1e-9)
    assert set(np.unique(around.phase)) == {0, 1, 2}
    np.testing.assert_array_equal(around.to, (around.phase + 1) % 3)
    for truth in (to_one, around):
        np.testing.assert_allclose(truth.first_order, truth.flip, rtol=0.02)
    assert np.all(around.flip[around.phase == 2] < 0)
    with pytest.raises(InputError, match="State the phases"):
        physical_truth(phases, law, "k_xx")
    with pytest.raises(InputError, match="no properties"):
        physical_truth(phases, law, "k_xx", to=3)


def test_the_draw_is_without_replacement_and_belongs_to_the_structure():
    phases = random_phases(n=4)
    whole = physical_truth(phases, LAW, "k_xx", per_phase=5, seed=3)
    for voxels, phase in zip(whole.voxels, whole.phase, strict=True):
        assert len({tuple(v) for v in voxels}) == 10
        assert np.bincount(phase).tolist() == [5, 5]
    alone = physical_truth(phases[2:3], LAW, "k_xx", per_phase=5, seed=3)
    np.testing.assert_array_equal(alone.voxels[0], whole.voxels[2])
    np.testing.assert_allclose(alone.flip[0], whole.flip[2], rtol=1e-6)
    assert not np.array_equal(
        physical_truth(phases, LAW, "k_xx", per_phase=5, seed=4).voxels, whole.voxels
    )


def test_few_voxels_are_all_taken_and_the_rest_is_filled():
    phases = random_phases(n=2)
    phases[0] = 0
    phases[0, 2, 3] = 1
    truth = physical_truth(phases, LAW, "k_xx", per_phase=4)
    assert truth.phase.shape == (2, 8)
    assert sorted(truth.phase[0].tolist()) == [-1, -1, -1, 0, 0, 0, 0, 1]
    np.testing.assert_array_equal(truth.voxels[0][truth.phase[0] == 1], [[2, 3]])
    for values in (truth.flip, truth.first_order):
        np.testing.assert_array_equal(np.isnan(values), ~truth.drawn)
    everything = physical_truth(phases[1:], LAW, "k_xx", per_phase=1000)
    assert everything.phase.shape == (1, 56)


def test_a_void_has_flips_but_no_derivative():
    phases = np.zeros((1, 6, 6), int)
    phases[0, 2:4, 2:4] = 1
    truth = physical_truth(phases, Conductivity([1.0, 0.0]), "k_xx", per_phase=4)
    assert np.isfinite(truth.flip).all()
    np.testing.assert_array_equal(np.isnan(truth.first_order), truth.phase == 1)


def test_what_did_not_converge_is_missing_and_says_so():
    truth = physical_truth(random_phases(), LAW, "k_xx", tolerance=1e-9, max_iterations=1)
    assert set(truth.status) == {SolveStatus.NOT_CONVERGED}
    assert np.isnan(truth.flip).all()


@pytest.mark.parametrize("shape", [(6, 5), (4, 3, 5)])
def test_saved_and_read_and_taken(tmp_path, shape):
    phases = random_phases(shape=shape)
    truth = physical_truth(phases, Conductivity([1.0, 9.0], unit="W/m/K"), "k_xx", per_phase=2)
    truth.save(tmp_path / "truth.npz")
    again = PhysicalTruth.load(tmp_path / "truth.npz")
    for name in ("voxels", "phase", "to", "flip", "first_order", "phases"):
        np.testing.assert_array_equal(getattr(again, name), getattr(truth, name))
    assert (again.unit, again.status, again.component) == ("W/m/K", truth.status, "k_xx")
    part = truth.take([2, 0])
    assert len(part) == 2
    assert part.grid == shape
    np.testing.assert_array_equal(part.flip[1], truth.flip[0])


def test_files_that_are_something_else(tmp_path):
    for name, write in {
        "absent.npz": lambda path: None,
        "text.npz": lambda path: path.write_text("no"),
        "broken.npz": lambda path: path.write_bytes(b"PK\x03\x04 cut off"),
        "other.npz": lambda path: np.savez(path, a=np.zeros(2)),
    }.items():
        write(tmp_path / name)
        with pytest.raises(InputError, match="not saved exact flips"):
            PhysicalTruth.load(tmp_path / name)


def test_values_are_read_at_the_voxels_in_the_arrays_own_order():
    phases = random_phases()
    truth = physical_truth(phases, LAW, "k_xx", per_phase=4)
    np.testing.assert_array_equal(truth.at(phases), truth.phase)
    with pytest.raises(UsageError, match="not on the grid"):
        truth.at(phases[:, 1:])


@pytest.mark.parametrize(
    ("name", "dimension", "position"),
    [("C11", 2, (0, 0)), ("C66", 2, (2, 2)), ("C16", 3, (0, 5)), ("C44", 3, (3, 3))],
)
def test_voigts_names(name, dimension, position):
    assert component_pair("elasticity", name, dimension) == position


def test_bad_input():
    with pytest.raises(InputError, match="not weights"):
        physical_truth(np.zeros((1, 4, 4)), LAW, "k_xx")
    with pytest.raises(InputError, match="no structures"):
        physical_truth(np.zeros((0, 4, 4), int), LAW, "k_xx")
    with pytest.raises(InputError, match="no such component"):
        physical_truth(random_phases(), LAW, "k_zz")
    with pytest.raises(UsageError, match="At least one voxel"):
        physical_truth(random_phases(), LAW, "k_xx", per_phase=0)
    with pytest.raises(InputError, match="could be flipped"):
        physical_truth(np.ones((1, 4, 4), int), LAW, "k_xx", to=1)
    with pytest.raises(UsageError, match=r"\.npz"):
        physical_truth(random_phases(), LAW, "k_xx", per_phase=1).save("truth.csv")

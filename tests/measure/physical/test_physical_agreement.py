"""Physical agreement: known answers, undefined cases, and what every part of it compares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps
from scipy import ndimage, stats

from iceframe.core.errors import InputError, UsageError
from iceframe.measure.image_model import ImageModel
from iceframe.measure.physical.agreement import (
    PhysicalAgreement,
    image_changes,
    model_phase_flips,
    physical_agreement,
    predicted_flips,
    within_phase_agreement,
)
from iceframe.measure.physical.model_free_maps import interface_distance, model_free_maps
from iceframe.measure.physical.truth import PhysicalTruth
from iceframe.physics import SolveStatus

rows = nps.arrays(float, (3, 12), elements=st.floats(-10, 10).map(lambda v: round(v, 1)))
labels = nps.arrays(int, (3, 12), elements=st.integers(-1, 2))


def one_by_one(a, b, phase):
    """The definition, sample by sample and phase by phase, by SciPy."""
    total, weight = 0.0, 0
    for p in range(3):
        x, y = a[phase == p], b[phase == p]
        if len(x) > 1 and np.ptp(x) > 0 and np.ptp(y) > 0:
            total += len(x) * stats.spearmanr(x, y).statistic
            weight += len(x)
    return total / weight if weight else np.nan


@given(rows, rows, labels)
def test_it_is_spearmans_correlation_within_phases_weighted_by_voxels(a, b, phase):
    got = within_phase_agreement(a, b, phase)
    want = [one_by_one(*row) for row in zip(a, b, phase, strict=True)]
    np.testing.assert_allclose(got, want, atol=1e-9)


def test_rounding_errors_are_ties_and_missing_values_leave_a_phase_undefined():
    noise = 1.0 + 1e-8 * np.arange(6.0)[None]
    phase = np.array([[0, 0, 0, 1, 1, 1]])
    rising = np.arange(6.0)[None]
    assert np.isnan(within_phase_agreement(noise, rising, phase)[0])
    half = np.array([[1.0, np.nan, 3.0, 4.0, 5.0, 6.0]])
    assert within_phase_agreement(half, rising, phase)[0] == pytest.approx(1)
    with pytest.raises(ValueError, match="three"):
        within_phase_agreement(rising, rising, phase[:, 1:])


def truth_of(phases, flip=None, seed=0, to=None):
    """Every voxel of ``phases``; flips at random, with the sign that a stiffer phase has."""
    phases = np.asarray(phases)
    n, grid = len(phases), phases.shape[1:]
    voxels = np.stack(np.unravel_index(np.arange(np.prod(grid)), grid), -1)
    phase = phases.reshape(n, -1)
    to = 1 - phase if to is None else np.full(phase.shape, to)
    if flip is None:
        rng = np.random.default_rng(seed)
        flip = rng.uniform(0.5, 1.5, phase.shape) * np.sign(to - phase)
    return PhysicalTruth(
        voxels=np.broadcast_to(voxels, (n, *voxels.shape)),
        phase=phase,
        flip=flip,
        first_order=flip**3,
        unit="",
        status=(SolveStatus.CONVERGED,) * n,
        to=to,
        phases=phases,
        component="C11",
    )


def phases_of(n=4, shape=(6, 5), seed=1):
    return np.random.default_rng(seed).integers(0, 2, (n, *shape))


def as_images(phases, dark=0.0, bright=1.0):
    return (dark + (bright - dark) * phases[:, None]).astype(np.float32)


def on_grid(truth, values):
    return values.reshape(truth.phases.shape)


@pytest.mark.parametrize("shape", [(6, 5), (3, 4, 3)])
@pytest.mark.parametrize("levels", [(0.0, 1.0), (0.9, 0.3)])
def test_the_right_map_of_every_meaning_agrees_fully(shape, levels):
    phases = phases_of(shape=shape)
    truth, x = truth_of(phases), as_images(phases, *levels)
    step = truth.phase * (levels[0] - levels[1]) + (1 - truth.phase) * (levels[1] - levels[0])
    right = {
        "derivative": truth.flip / step,
        "contribution": -truth.flip,
        "importance": np.abs(truth.flip),
    }
    for meaning, values in right.items():
        found = physical_agreement(on_grid(truth, values), meaning, x, truth)
        np.testing.assert_allclose(found.pf, 1)
        np.testing.assert_allclose(found.ceiling, 1)
        assert found.star() == pytest.approx(1)
        against = physical_agreement(on_grid(truth, -values), meaning, x, truth)
        np.testing.assert_allclose(against.pf, -1)
        assert against.star() < -1


def test_what_maps_predict():
    phases = np.array([[[0, 1], [1, 0]]])
    truth, x = truth_of(phases), as_images(phases, 0.25, 0.75)
    maps = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    np.testing.assert_allclose(predicted_flips(maps, "derivative", x, truth), [[0.5, -1, -1.5, 2]])
    np.testing.assert_allclose(predicted_flips(maps, "contribution", x, truth), [[-1, -2, -3, -4]])
    tensor = torch.tensor(maps, requires_grad=True)
    np.testing.assert_allclose(predicted_flips(tensor, "importance", x, truth), [[1, 2, 3, 4]])


def test_levels_of_a_phase_that_an_image_lacks_come_from_the_others():
    phases = phases_of()
    phases[0] = 0
    change = image_changes(as_images(phases, 0.2, 0.7), truth_of(phases))
    np.testing.assert_allclose(change[..., 0], 0.5 * (1 - 2 * phases.reshape(4, -1)), rtol=1e-6)
    with pytest.raises(InputError, match="No image shows"):
        image_changes(as_images(phases[:1]), truth_of(phases[:1]))


def test_channels_that_change_alike_have_derivatives_and_others_have_not():
    phases = phases_of()
    truth = truth_of(phases)
    maps = np.random.default_rng(0).normal(size=phases.shape)
    grey = np.repeat(as_images(phases), 3, axis=1)
    alike = predicted_flips(maps, "derivative", grey, truth)
    np.testing.assert_array_equal(
        alike, predicted_flips(maps, "derivative", as_images(phases), truth)
    )
    one_hot = np.concatenate([as_images(1 - phases), as_images(phases)], axis=1)
    with pytest.raises(UsageError, match="summed over channels"):
        predicted_flips(maps, "derivative", one_hot, truth)
    assert np.isfinite(predicted_flips(maps, "contribution", one_hot, truth)).all()


def test_flips_of_a_linear_model_are_its_weights_in_every_channel(linear):
    weights = np.random.default_rng(0).normal(size=(2, 6, 5, 3))
    phases = phases_of()
    truth = truth_of(phases)
    x = np.concatenate([as_images(1 - phases), as_images(phases, 0, 2)], axis=1)
    model, codes = ImageModel(linear(weights)), torch.tensor([0, 1, 2, 1])
    flips = model_phase_flips(model, x, truth, codes)
    for i, code in enumerate(codes):
        sign = np.where(phases[i] == 0, 1, -1)
        want = sign * (2 * weights[1, ..., code] - weights[0, ..., code])
        np.testing.assert_allclose(flips[i], want.ravel(), atol=1e-4)


def test_more_images_than_fit_in_a_batch_have_the_same_flips(linear, monkeypatch):
    weights = np.random.default_rng(0).normal(size=(1, 6, 5, 1))
    phases = phases_of()
    truth, model = truth_of(phases), ImageModel(linear(weights))
    whole = model_phase_flips(model, as_images(phases), truth)
    monkeypatch.setattr("iceframe.measure.image_model.MOST_IMAGES", 7)
    np.testing.assert_allclose(model_phase_flips(model, as_images(phases), truth), whole, atol=1e-6)


def test_a_faithful_picture_of_a_wrong_model_is_told_from_a_false_picture(linear):
    phases = phases_of()
    truth, x = truth_of(phases), as_images(phases)
    weights = np.random.default_rng(5).normal(size=(1, 6, 5, 1))
    model = ImageModel(linear(weights))
    gradient = np.broadcast_to(weights[..., 0], phases.shape)
    faithful = physical_agreement(gradient, "derivative", x, truth, model=model)
    np.testing.assert_allclose(faithful.explanation_vs_model, 1)
    np.testing.assert_allclose(faithful.model_vs_physics, faithful.pf, atol=1e-9)
    false = physical_agreement(-gradient, "derivative", x, truth, model=model)
    np.testing.assert_allclose(false.explanation_vs_model, -1)
    np.testing.assert_allclose(false.model_vs_physics, faithful.model_vs_physics)
    size = physical_agreement(np.abs(gradient), "importance", x, truth, model=model)
    np.testing.assert_allclose(size.explanation_vs_model, 1)
    without = physical_agreement(gradient, "derivative", x, truth)
    assert np.isnan([without.explanation_vs_model, without.model_vs_physics]).all()


def test_a_constant_map_is_undefined():
    phases = phases_of()
    truth, x = truth_of(phases), as_images(phases)
    for constant in (np.ones(phases.shape), np.zeros(phases.shape), phases.astype(float)):
        found = physical_agreement(constant, "contribution", x, truth)
        assert np.isnan(found.pf).all()
        assert np.isnan([found.star(), found.floor, *found.interval()]).all()
        assert found.best_floor == ""
        np.testing.assert_array_equal(found.covered, 0)


def test_a_map_that_is_silent_in_one_phase_is_judged_on_the_other_and_says_so():
    phases = phases_of()
    flip = np.random.default_rng(3).uniform(size=phases.shape).reshape(4, -1)
    truth = truth_of(phases, flip)
    values = on_grid(truth, np.where(truth.phase == 1, -flip, 0.0))
    found = physical_agreement(values, "contribution", as_images(phases), truth)
    np.testing.assert_allclose(found.pf, 1)
    np.testing.assert_allclose(found.covered, (phases == 1).mean(axis=(1, 2)))
    for name, free in truth.model_free.items():  # the floor, on the same voxels
        want = within_phase_agreement(free, flip, np.where(truth.phase == 1, 1, -1))
        np.testing.assert_allclose(np.abs(found.floors[name]), np.abs(want), err_msg=name)


def test_samples_without_an_answer_do_not_count():
    phases = phases_of(n=6)
    truth, x = truth_of(phases), as_images(phases)
    maps = on_grid(truth, -truth.flip) + np.random.default_rng(0).normal(size=phases.shape)
    some = maps.copy()
    some[[1, 4]] = 0.0
    part = physical_agreement(some, "contribution", x, truth)
    rest = physical_agreement(
        maps[[0, 2, 3, 5]], "contribution", x[[0, 2, 3, 5]], truth.take([0, 2, 3, 5])
    )
    np.testing.assert_array_equal(np.isnan(part.pf), [0, 1, 0, 0, 1, 0])
    assert part.star() == pytest.approx(rest.star())
    assert part.floor == pytest.approx(rest.floor)
    assert part.interval() == pytest.approx(rest.interval())


def agreement(pf, floor, ceiling, other=None):
    floors = {"edge": np.asarray(floor, float)}
    if other is not None:
        floors["blur 1"] = np.asarray(other, float)
    pf, ceiling = np.asarray(pf, float), np.asarray(ceiling, float)
    nothing = np.full(len(pf), np.nan)
    return PhysicalAgreement(pf, floors, ceiling, nothing, nothing, np.ones(len(pf)))


def test_the_scale_runs_from_the_floor_to_the_ceiling():
    found = agreement([0.5, 0.7], [0.2, 0.2], [0.9, 1.0], other=[0.4, 0.2])
    assert (found.best_floor, found.floor) == ("blur 1", pytest.approx(0.3))
    assert found.star() == pytest.approx((0.6 - 0.3) / (0.95 - 0.3))
    assert found.star([1]) == pytest.approx((0.7 - 0.2) / (1.0 - 0.2))
    assert np.isnan(agreement([0.5], [0.6], [0.6]).star())
    assert np.isnan(agreement([0.5], [np.nan], [0.9]).star())


def test_the_interval_holds_the_value_and_narrows_with_samples():
    rng = np.random.default_rng(0)

    def drawn(n):
        return agreement(rng.normal(0.6, 0.1, n), rng.normal(0.2, 0.1, n), rng.normal(0.9, 0.05, n))

    few, many = drawn(16), drawn(400)
    for found in (few, many):
        low, high = found.interval()
        assert low < found.star() < high
    assert np.diff(many.interval())[0] < 0.4 * np.diff(few.interval())[0]
    assert np.diff(few.interval(0.5))[0] < np.diff(few.interval(0.95))[0]
    assert few.interval(seed=1) == few.interval(seed=1)
    assert np.isnan(agreement([0.5], [0.2], [0.9]).interval()).all()


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    true = (0.6 - 0.2) / (0.9 - 0.2)
    hits = 0
    for _ in range(200):
        found = agreement(
            rng.normal(0.6, 0.15, 24), rng.normal(0.2, 0.1, 24), rng.normal(0.9, 0.05, 24)
        )
        low, high = found.interval(0.9, draws=400)
        hits += low < true < high
    assert 0.82 < hits / 200 < 0.96  # 0.9 ± 3 standard errors, less what percentiles lack


def test_three_phases():
    phases = np.random.default_rng(0).integers(0, 3, (4, 6, 6))
    truth = truth_of(phases, to=2)
    known = np.where(phases == 2, -1, phases).reshape(4, -1)  # as the truth's own draw leaves out
    truth = PhysicalTruth(**{**vars(truth), "phase": known})
    x = (phases[:, None] / 2).astype(np.float32)
    change = np.where(phases == 0, 1.0, 0.5)
    values = on_grid(truth, truth.flip) / change
    found = physical_agreement(values, "derivative", x, truth)
    np.testing.assert_allclose(found.pf, 1)
    np.testing.assert_allclose(found.covered, 1)


def test_shapes_must_fit():
    phases = phases_of()
    truth = truth_of(phases)
    with pytest.raises(UsageError, match="maps are not on the grid"):
        physical_agreement(phases[:2], "importance", as_images(phases), truth)
    with pytest.raises(UsageError, match="images are not on the grid"):
        physical_agreement(phases, "derivative", as_images(phases[:, 1:]), truth)


@pytest.mark.parametrize("shape", [(6, 8), (4, 6, 5)])
def test_model_free_maps_know_no_place(shape):
    phases = phases_of(n=2, shape=shape)
    shift = tuple(range(1, len(shape) + 1))
    for (name, one), two in zip(
        model_free_maps(phases).items(),
        model_free_maps(np.roll(phases, shift, axis=shift)).values(),
        strict=True,
    ):
        np.testing.assert_allclose(np.roll(one, shift, axis=shift), two, atol=1e-9, err_msg=name)


def test_the_maps_of_a_structure_do_not_depend_on_the_others():
    phases = phases_of(n=3)
    for name, whole in model_free_maps(phases).items():
        alone = [model_free_maps(phases[i : i + 1])[name][0] for i in range(3)]
        np.testing.assert_array_equal(whole, alone, err_msg=name)


def test_edges_are_sobels():
    phases = phases_of(n=1).astype(float)
    slopes = [ndimage.sobel(phases[0], axis, mode="wrap") for axis in (0, 1)]
    np.testing.assert_allclose(model_free_maps(phases)["edge"][0], np.hypot(*slopes))


def test_blurs_go_along_the_axis_that_they_name():
    layers = np.zeros((1, 8, 8))
    layers[..., 4:] = 1  # across x, the last axis
    maps = model_free_maps(layers)
    np.testing.assert_allclose(maps["blur 2 along y"], layers)
    np.testing.assert_allclose(maps["blur 2 along x"], maps["blur 2"])
    assert np.abs(maps["blur 2"] - layers).max() > 0.1


@pytest.mark.parametrize("shape", [(7, 6), (4, 5, 3)])
def test_distances_to_the_interface_by_all_pairs(shape):
    phases = np.random.default_rng(0).choice(3, (2, *shape), p=[0.8, 0.1, 0.1])
    where = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, len(shape))
    apart = np.abs(where[:, None] - where)
    apart = np.sqrt((np.minimum(apart, np.array(shape) - apart) ** 2).sum(-1))
    for structure, got in zip(phases, interface_distance(phases), strict=True):
        flat = structure.ravel()
        want = np.where(flat[:, None] != flat, apart, np.inf).min(1)
        np.testing.assert_allclose(got.ravel(), want)
    np.testing.assert_array_equal(interface_distance(np.ones((1, *shape), int)), 0)

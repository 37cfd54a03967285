"""The solver as a tool: batches, precision, memory, status, input. Not its physics."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.errors import InputError
from iceframe.physics import (
    Conductivity,
    CubicElasticity,
    Elasticity,
    SolveStatus,
    generate,
    homogenize,
)
from iceframe.physics.reference_medium import ReferenceMedium
from iceframe.physics.stencil import RotatedScheme
from iceframe.physics.transform import PackedTransform

STEELISH = Elasticity([1.0, 100.0], [0.35, 0.2])


def images(n, shape, seed=0):
    return generate("random_field", n, shape, length=3.0, seed=seed).phases


@pytest.mark.parametrize("shape", [(5, 4), (1, 6), (6, 1), (4, 3, 5), (1, 2, 3)])
def test_divergence_is_the_transpose_of_the_gradient(shape):
    rng = np.random.default_rng(0)
    u = torch.as_tensor(rng.standard_normal((2, 3, 2, *shape)))
    flux = [torch.as_tensor(rng.standard_normal((2, 3, 2, *shape))) for _ in shape]
    scheme = RotatedScheme(shape, u)
    gradient = [g.clone() for g in scheme.gradient(u)]
    left = sum(float((g * f).sum()) for g, f in zip(gradient, flux, strict=True))
    right = float((u * scheme.divergence([f.clone() for f in flux])).sum())
    assert left == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("shape", [(8, 7), (5, 6, 4)])
def test_the_gradient_is_exact_for_plane_waves_at_second_order(shape):
    # Along each axis: the centred difference of a sine, averaged over the others.
    d = len(shape)
    for axis in range(d):
        angle = 2 * np.pi * np.arange(shape[axis]) / shape[axis]
        wave = np.sin(angle).reshape([-1 if a == axis else 1 for a in range(d)])
        u = torch.as_tensor(np.broadcast_to(wave, shape).copy())[None, None, None]
        gradient = RotatedScheme(shape, u).gradient(u)
        step = 2 * np.pi / shape[axis]
        expected = 2 * np.sin(step / 2) * np.cos(angle + step / 2)
        for direction, part in enumerate(gradient):
            along = d - 1 - axis == direction
            want = expected.reshape(wave.shape) * 2 ** (d - 1) if along else np.zeros(wave.shape)
            assert np.allclose(part[0, 0, 0].numpy(), np.broadcast_to(want, shape), atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 5), (31, 34), (3, 17, 4)])
@pytest.mark.parametrize("number", [1, 4, 5])
def test_packed_transforms_return_what_they_took(shape, number):
    fields = torch.as_tensor(np.random.default_rng(1).standard_normal((number, 2, *shape)))
    transform = PackedTransform(shape, fields)
    packed = transform.forth(fields)
    half = (number + 1) // 2
    first = torch.fft.fftn(fields[0], dim=tuple(range(-len(shape), 0)))
    if number == 1:
        assert torch.allclose(packed[0], first, atol=1e-10)
    assert len(packed) == half
    assert torch.allclose(transform.back(packed, number) / np.prod(shape), fields, atol=1e-12)


@pytest.mark.parametrize("shape", [(7, 9), (8, 6), (5, 3, 7), (4, 6, 5)])
@pytest.mark.parametrize("coupling", [None, 0.7])
def test_the_preconditioner_inverts_the_homogeneous_medium(shape, coupling):
    from iceframe.physics.conjugate_gradients import operator
    from iceframe.physics.medium import Medium

    d = len(shape)
    mechanical = coupling is not None
    # c = (λ+μ)/(λ+2μ) and μ = 1
    values = [(2 * coupling - 1) / (1 - coupling), 1.0] if mechanical else [1.0]
    fields = torch.tensor(values, dtype=torch.float64).reshape(1, 1, -1, *[1] * d)
    medium = Medium(fields.expand(1, 1, len(values), *shape).contiguous(), mechanical, d)
    scheme = RotatedScheme(shape, fields)
    rng = np.random.default_rng(2)
    u = torch.as_tensor(rng.standard_normal((1, 3, medium.unknowns, *shape)))
    load = operator(medium, scheme, u).clone()  # in the operator's range, whatever the grid
    found = ReferenceMedium(shape, coupling, fields).solve(load)
    assert torch.allclose(operator(medium, scheme, found), load, atol=1e-10)


def test_a_sample_does_not_depend_on_its_neighbours():
    easy = np.tile([0, 1], (16, 8)).astype(np.uint8)  # a laminate: done at once
    hard = images(3, (16, 16))
    together = homogenize(np.concatenate([easy[None], hard]), STEELISH)
    assert together.iterations[0] < together.iterations[1:].min()
    for i in range(3):
        alone = homogenize(hard[i : i + 1], STEELISH)
        assert alone.iterations[0] == together.iterations[i + 1]
        assert np.allclose(alone.tensor[0], together.tensor[i + 1], rtol=1e-10)


@pytest.mark.parametrize("precision", ["double", "single"])
def test_members_that_are_done_early_stay_finite(precision):
    # The trap: a converged member that goes on divides 0 by 0.
    many = np.concatenate([np.zeros((5, 9, 9), np.uint8), images(2, (9, 9))])
    found = homogenize(many, STEELISH, tolerance=1e-9, precision=precision, sensitivities=True)
    assert found.converged.all()
    assert np.isfinite(found.tensor).all()
    assert np.isfinite(found.sensitivities).all()
    assert (found.iterations[:5] == 0).all()
    assert np.allclose(found.tensor[:5], STEELISH.matrices(2)[0], rtol=1e-12)


def test_chunks_do_not_matter(monkeypatch):
    many = images(5, (12, 12))
    whole = homogenize(many, STEELISH, fields=True)
    monkeypatch.setitem(
        __import__("iceframe.physics.cell_problem", fromlist=["x"])._CHUNK_UNKNOWNS, "cpu", 300
    )
    parts = homogenize(many, STEELISH, fields=True)
    assert np.allclose(whole.tensor, parts.tensor, rtol=1e-12)
    assert np.allclose(whole.gradients, parts.gradients, atol=1e-9)


def test_load_cases_of_one_large_sample_may_be_solved_in_turn(monkeypatch):
    one = images(1, (8, 8, 8))
    whole = homogenize(one, STEELISH)
    module = __import__("iceframe.physics.cell_problem", fromlist=["x"])
    monkeypatch.setitem(module._CHUNK_UNKNOWNS, "cpu", 200)
    assert np.allclose(homogenize(one, STEELISH).tensor, whole.tensor, rtol=1e-12)


@pytest.mark.parametrize("contrast", [10.0, 1e4])
def test_single_precision_returns_double_precision_answers(contrast):
    many = images(3, (21, 21))
    law = Elasticity([1.0, contrast], [0.3, 0.2])
    double = homogenize(many, law, tolerance=1e-8)
    single = homogenize(many, law, tolerance=1e-8, precision="single")
    assert single.converged.all()
    assert (single.residual <= 1e-8).all()
    assert np.allclose(single.tensor, double.tensor, rtol=1e-8, atol=1e-10 * contrast)


def test_the_tensors_error_is_of_second_order_in_the_tolerance():
    many = images(4, (24, 24))
    exact = homogenize(many, STEELISH, tolerance=1e-12).tensor
    for tolerance in (1e-2, 1e-3, 1e-4):
        found = homogenize(many, STEELISH, tolerance=tolerance).tensor
        assert np.abs(found - exact).max() < 200 * tolerance**2 * np.abs(exact).max()


def test_fields_average_to_the_load_and_to_the_effective_flux():
    found = homogenize(images(2, (10, 12)), STEELISH, tolerance=1e-10, fields=True)
    means = found.gradients.mean(axis=(-2, -1))
    assert np.allclose(means, np.eye(3), atol=1e-12)
    assert np.allclose(found.fluxes.mean(axis=(-2, -1)), found.tensor, rtol=1e-7, atol=1e-7)


def test_weights_of_whole_phases_are_phases():
    phases = images(2, (9, 9))
    weights = np.stack([phases == 0, phases == 1], axis=1).astype(float)
    for law in (STEELISH, Conductivity([1.0, 7.0])):
        assert np.allclose(
            homogenize(weights, law).tensor, homogenize(phases, law).tensor, rtol=1e-12
        )


def test_samples_may_have_their_own_properties():
    phases = images(3, (9, 9))
    young = np.array([[1.0, 2.0], [1.0, 20.0], [3.0, 0.5]])
    poisson = np.full((3, 2), 0.3)
    together = homogenize(phases, Elasticity(young, poisson), tolerance=1e-9).tensor
    for i in range(3):
        alone = homogenize(phases[i : i + 1], Elasticity(young[i], poisson[i]), tolerance=1e-9)
        assert np.allclose(together[i], alone.tensor[0], rtol=1e-8, atol=1e-8)


def test_polycrystals_are_solved_by_their_grains():
    made = generate("voronoi", 2, (16, 16), grain_size=6.0, seed=3)
    crystal = CubicElasticity(168.4, 121.4, 75.4, orientations=made.orientations)
    found = homogenize(made, crystal)
    bulk = found.tensor[:, :2, :2].sum(axis=(1, 2)) / 4
    assert found.converged.all()
    # Between the softest and the stiffest in-plane response of any orientation of the crystal.
    assert (bulk > 100).all()
    assert (bulk < 250).all()
    with pytest.raises(InputError, match="no grains"):
        homogenize(generate("random_field", 1, (8, 8)), crystal)


def test_too_few_iterations_is_a_status_and_no_number():
    found = homogenize(images(2, (16, 16)), Conductivity([1.0, 1e4]), max_iterations=3)
    assert set(found.status) == {SolveStatus.NOT_CONVERGED}
    assert np.isnan(found.tensor).all()
    assert "max_iterations" in found.status[0].remedy


def test_rounding_that_stops_single_precision_is_a_status():
    found = homogenize(
        images(1, (12, 12)), Conductivity([1.0, 1e12]), tolerance=1e-18, precision="single"
    )
    assert found.status[0] is not SolveStatus.CONVERGED
    assert np.isnan(found.tensor).all()
    assert found.status[0].remedy


def test_an_empty_batch_is_an_empty_answer():
    found = homogenize(np.zeros((0, 4, 4), int), Conductivity([1.0, 2.0]))
    assert found.tensor.shape == (0, 2, 2)
    assert found.status == ()


@pytest.mark.parametrize(
    ("micro", "law", "message"),
    [
        (np.zeros((4, 4), int), Conductivity([1.0]), "stack of images"),
        (np.zeros((1, 4, 0), int), Conductivity([1.0]), "stack of images"),
        (np.full((1, 4, 4), np.nan), Conductivity([1.0]), "must be integers"),
        (np.full((1, 4, 4), 2), Conductivity([1.0, 2.0]), "no properties"),
        (np.full((1, 4, 4), -1), Conductivity([1.0, 2.0]), "no properties"),
        (np.full((1, 2, 4, 4), np.nan), Conductivity([1.0, 2.0]), "not finite"),
        (np.full((1, 2, 4, 4), 0.7), Conductivity([1.0, 2.0]), "add up to 1"),
        (np.full((1, 3, 4, 4), 1 / 3), Conductivity([1.0, 2.0]), "number of phases"),
        (np.full((1, 4, 4), "a"), Conductivity([1.0]), "must be numbers"),
        (np.zeros((1, 4, 4), int), Conductivity([-1.0]), "negative"),
        (np.zeros((1, 4, 4), int), Conductivity([np.nan]), "not finite"),
        (np.zeros((1, 4, 4), int), Conductivity([0.0]), "voids"),
        (np.zeros((1, 4, 4), int), Conductivity(["x"]), "must be numbers"),
        (np.zeros((2, 4, 4), int), Conductivity(np.ones((3, 1))), "differ in number"),
        (np.zeros((1, 4, 4), int), Conductivity(np.ones((1, 3, 3))), "do not fit"),
        (np.zeros((1, 4, 4), int), Conductivity([[[1, 2], [2, 1]]]), "positive definite"),
        (np.zeros((1, 4, 4), int), Conductivity([[[1, 0.5], [0, 1]]]), "symmetric"),
        (np.zeros((1, 4, 4), int), Elasticity([-1.0], [0.3]), "negative"),
        (np.zeros((1, 4, 4), int), Elasticity([1.0], [0.5]), "out of range"),
        (np.zeros((1, 4, 4), int), Elasticity([1.0, 2.0], [0.3]), "pairs"),
        (np.zeros((1, 4, 4), int), Elasticity([1.0], [0.3], state="plane"), "state"),
        (np.zeros((1, 4, 4), int), CubicElasticity(1, 2, 1, np.zeros(1)), "not stable"),
        (np.zeros((1, 4, 4), int), CubicElasticity(3, 1, 1, np.zeros((2, 3))), "quaternions"),
    ],
)
def test_bad_input_is_named(micro, law, message):
    with pytest.raises(InputError, match=message):
        homogenize(micro, law)


@pytest.mark.parametrize(
    "options",
    [{"tolerance": 0.0}, {"max_iterations": 0}, {"precision": "half"}, {"device": "abacus"}],
)
def test_bad_options_are_named(options):
    with pytest.raises(InputError):
        homogenize(np.zeros((1, 4, 4), int), Conductivity([1.0]), **options)

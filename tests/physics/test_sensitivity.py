"""Derivatives and flips of effective tensors against differences of solved structures."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from iceframe.core.errors import InputError
from iceframe.physics import Conductivity, CubicElasticity, Elasticity, SolveStatus, homogenize
from iceframe.physics.flips import exact_flips
from iceframe.physics.sensitivity import effective_tensor

TIGHT = 1e-12
LAWS = {
    "conduction": Conductivity([1.0, 20.0]),
    "anisotropic conduction": Conductivity([[[1.0, 0.2], [0.2, 2.0]], [[9.0, -1.0], [-1.0, 5.0]]]),
    "plane strain": Elasticity([1.0, 30.0], [0.35, 0.15]),
    "plane stress": Elasticity([1.0, 30.0], [0.35, 0.15], state="plane stress"),
    "cubic": CubicElasticity(168.4, 121.4, 75.4, orientations=np.array([10.0, 35.0])),
}
SHAPES = {2: (7, 6), 3: (4, 5, 3)}


def blobs(shape, seed, n=1):
    """Random phases: the sensitivities must hold for any."""
    return (np.random.default_rng(seed).random((n, *shape)) < 0.4).astype(np.uint8)


def weights_of(phases, k=2):
    return np.stack([phases == q for q in range(k)], axis=1).astype(float)


def central_difference(weights, properties, voxel, step=1e-5):
    """Of the effective tensor to rho at a voxel, weights (1, 2, *shape)."""
    tensors = []
    for sign in (1, -1):
        moved = weights.copy()
        moved[(0, 1, *voxel)] += sign * step
        moved[(0, 0, *voxel)] -= sign * step
        tensors.append(solved(moved, properties))
    return (tensors[0] - tensors[1]) / (2 * step)


def solved(weights, properties):
    """Without the check that weights lie in [0, 1], which a difference oversteps."""
    dimension = weights.ndim - 2
    matrices = torch.as_tensor(properties.matrices(dimension))
    with torch.no_grad():
        return effective_tensor(
            torch.as_tensor(weights), matrices, mechanical=properties.mechanical, tolerance=TIGHT
        ).numpy()[0]


@pytest.mark.parametrize("law", LAWS)
def test_sensitivities_are_central_differences_in_2d(law):
    phases = blobs(SHAPES[2], seed=1)
    found = homogenize(phases, LAWS[law], tolerance=TIGHT, sensitivities=True)
    scale = np.abs(found.sensitivities).max()
    for voxel in [(0, 0), (3, 2), (6, 5)]:
        expected = central_difference(weights_of(phases), LAWS[law], voxel)
        for number, (a, b) in enumerate(found.pairs):
            got = found.sensitivities[(0, number, 0, *voxel)]
            assert abs(got - expected[a, b]) <= 1e-6 * scale


def test_sensitivities_are_central_differences_in_3d_elasticity_with_unequal_poisson_ratios():
    law = Elasticity([2.0, 50.0], [0.4, 0.1])
    phases = blobs(SHAPES[3], seed=2)
    found = homogenize(phases, law, tolerance=TIGHT, sensitivities=True)
    assert found.sensitivities.shape == (1, 21, 1, *SHAPES[3])
    scale = np.abs(found.sensitivities).max()
    for voxel in [(0, 0, 0), (3, 1, 2)]:
        expected = central_difference(weights_of(phases), law, voxel)
        for number, (a, b) in enumerate(found.pairs):
            got = found.sensitivities[(0, number, 0, *voxel)]
            assert abs(got - expected[a, b]) <= 1e-6 * scale


def test_sensitivity_is_not_the_strain_energy_where_poisson_ratios_differ():
    phases = blobs((8, 8), seed=3)
    found = homogenize(
        phases, Elasticity([1.0, 10.0], [0.0, 0.45]), fields=True, sensitivities=True
    )
    energy = (found.gradients[0, 0] * found.fluxes[0, 0]).sum(axis=0)
    for phase in (0, 1):
        shares = (found.sensitivities[0, 0, 0] / energy)[phases[0] == phase]
        assert np.ptp(shares) > 0.05 * np.abs(shares).max()


def test_sensitivities_of_the_weights_add_up_to_the_tensor():
    # The tensor is homogeneous of degree one in the properties (Euler).
    phases = blobs((9, 8), seed=4)
    weights = torch.as_tensor(weights_of(phases)).requires_grad_()
    law = Elasticity([1.0, 8.0], [0.3, 0.2])
    tensor = effective_tensor(weights, law, tolerance=TIGHT)
    tensor[0, 0, 1].backward()
    assert float((weights.grad * weights.detach()).sum()) == pytest.approx(
        float(tensor[0, 0, 1].detach()), rel=1e-9
    )


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("mechanical", [False, True])
def test_gradcheck(dimension, mechanical):
    shape = (3, 4) if dimension == 2 else (3, 2, 3)
    rng = np.random.default_rng(5)
    weights = torch.as_tensor(rng.uniform(0.2, 0.8, (2, 2, *shape)), dtype=torch.float64)
    law = Elasticity([1.0, 9.0], [0.35, 0.1]) if mechanical else Conductivity([1.0, 9.0])
    matrices = torch.as_tensor(law.matrices(dimension))
    weights.requires_grad_()
    matrices.requires_grad_()

    def tensor(w, m):
        return effective_tensor(w, m, mechanical=mechanical, tolerance=1e-13)

    assert torch.autograd.gradcheck(tensor, (weights, matrices), eps=1e-5, atol=1e-7, rtol=1e-6)


def test_a_designer_can_follow_the_gradient():
    weights = torch.full((1, 2, 8, 8), 0.5, dtype=torch.float64)
    weights += 0.1 * torch.as_tensor(np.random.default_rng(0).standard_normal((1, 1, 8, 8)))
    logits = weights[:, 1].clone().requires_grad_()
    values = []
    for _ in range(5):
        rho = torch.sigmoid(logits)
        rho = rho * (0.5 / rho.mean())
        tensor = effective_tensor(torch.stack([1 - rho, rho], dim=1), Conductivity([1.0, 10.0]))
        (gradient,) = torch.autograd.grad(tensor[0, 0, 0], logits)
        values.append(float(tensor[0, 0, 0].detach()))
        with torch.no_grad():
            logits -= 100 * gradient
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.98 * values[0]


def test_float32_weights_give_a_float32_tensor_and_gradient():
    weights = torch.as_tensor(weights_of(blobs((6, 6), 6))).float().requires_grad_()
    tensor = effective_tensor(weights, Conductivity([1.0, 4.0]), precision="single")
    tensor.sum().backward()
    assert tensor.dtype == weights.grad.dtype == torch.float32


def test_weights_must_be_weights():
    with pytest.raises(InputError, match="Weights of phases"):
        effective_tensor(torch.zeros(1, 4, 4), Conductivity([1.0]))
    with pytest.raises(InputError, match="mechanical"):
        effective_tensor(torch.rand(1, 1, 4, 4), torch.eye(2)[None])


@pytest.mark.parametrize("law", LAWS)
def test_flips_are_differences_of_solved_structures(law):
    phases = blobs(SHAPES[2], seed=7, n=2)
    voxels = np.array([[0, 0], [3, 3], [6, 5], [2, 4]])
    flips = exact_flips(phases, LAWS[law], voxels, tolerance=1e-11)
    assert flips.status == (SolveStatus.CONVERGED,) * 2
    for i in range(2):
        before = homogenize(phases[i : i + 1], LAWS[law], tolerance=TIGHT).tensor[0]
        for v, voxel in enumerate(voxels):
            changed = phases[i : i + 1].copy()
            changed[(0, *voxel)] = 1 - changed[(0, *voxel)]
            after = homogenize(changed, LAWS[law], tolerance=TIGHT).tensor[0]
            difference = after - before
            assert np.abs(flips.change[i, v] - difference).max() < 1e-8 * np.abs(difference).max()


def test_flips_in_3d_elasticity():
    law = Elasticity([1.0, 40.0], [0.4, 0.2])
    phases = blobs(SHAPES[3], seed=8)
    flips = exact_flips(phases, law, [[1, 2, 0]], tolerance=1e-11, precision="single")
    changed = phases.copy()
    changed[0, 1, 2, 0] = 1 - changed[0, 1, 2, 0]
    both = homogenize(np.concatenate([phases, changed]), law, tolerance=TIGHT).tensor
    difference = both[1] - both[0]
    assert np.abs(flips.change[0, 0] - difference).max() < 1e-7 * np.abs(difference).max()


def test_a_small_flip_is_the_derivative_and_a_large_one_is_not():
    phases = blobs((9, 9), seed=9)
    voxel = tuple(np.argwhere(phases[0] == 0)[3])
    for contrast, nearly in ((1.001, True), (1000.0, False)):
        law = Conductivity([1.0, contrast])
        flip = exact_flips(phases, law, [voxel]).change[0, 0, 0, 0]
        found = homogenize(phases, law, sensitivities=True)
        derivative = found.sensitivities[(0, 0, 0, *voxel)]
        assert bool(abs(flip / derivative - 1) < 0.01) is nearly


def test_flips_among_three_phases_and_their_own_target():
    law = Conductivity([1.0, 5.0, 25.0])
    phases = np.random.default_rng(1).integers(0, 3, (1, 6, 6))
    same = exact_flips(phases, law, [[2, 2]], to=int(phases[0, 2, 2]))
    assert np.abs(same.change).max() < 1e-12
    with pytest.raises(InputError, match="State the phase"):
        exact_flips(phases, law, [[2, 2]])


def test_flips_of_and_into_voids():
    law = Elasticity([1.0, 0.0], [0.3, 0.3])
    phases = np.zeros((1, 9, 9), np.uint8)
    phases[0, 3:6, 3:6] = 1
    voxels = np.array([[4, 4], [3, 4], [0, 0]])
    flips = exact_flips(phases, law, voxels, tolerance=1e-10)
    before = homogenize(phases, law, tolerance=TIGHT).tensor[0]
    for v, voxel in enumerate(voxels):
        changed = phases.copy()
        changed[(0, *voxel)] = 1 - changed[(0, *voxel)]
        difference = homogenize(changed, law, tolerance=TIGHT).tensor[0] - before
        assert np.allclose(flips.change[0, v], difference, atol=1e-8)


def test_sensitivities_in_a_void_are_undefined_not_invented():
    phases = np.zeros((1, 8, 8), np.uint8)
    phases[0, 2:5, 2:5] = 1
    found = homogenize(phases, Conductivity([1.0, 0.0]), sensitivities=True)
    assert np.isnan(found.sensitivities[0, :, 0][:, phases[0] == 1]).all()
    assert np.isfinite(found.sensitivities[0, :, 0][:, phases[0] == 0]).all()


def test_voxels_must_lie_in_the_grid():
    with pytest.raises(InputError, match="not voxels"):
        exact_flips(np.zeros((1, 4, 4), int), Conductivity([1.0, 2.0]), [[4, 0]])
    with pytest.raises(InputError, match="not voxels"):
        exact_flips(np.zeros((1, 4, 4), int), Conductivity([1.0, 2.0]), [[0.5, 0]])
    with pytest.raises(InputError, match="target phase"):
        exact_flips(np.zeros((1, 4, 4), int), Conductivity([1.0, 2.0]), [[0, 0]], to=2)

"""Controls of physical agreement: who must have all of it, and who must have none.

What knows the physics has PF* = 1. What knows nothing has PF = 0 on average, and so PF* below 0:
the floor is above nothing. Random networks look at the structure too, and agree with the physics
by up to ±0.4, as the seed will have it; the floor must lie above them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from iceframe.measure.image_model import ImageModel
from iceframe.measure.physical.agreement import model_phase_flips, physical_agreement
from iceframe.measure.physical.model_free_maps import model_free_maps
from iceframe.measure.physical.solver_model import solver_model
from iceframe.measure.physical.truth import physical_truth
from iceframe.physics import Conductivity, Elasticity, homogenize

CONDUCTION = Conductivity([1.0, 10.0])
ELASTICITY = Elasticity([1.0, 10.0], [0.3, 0.3])
SEEDS = range(12)


def structures(n, shape, fraction=0.4, seed=0):
    """Phases with a correlation length of a few voxels: a Gaussian field, cut."""
    noise = np.random.default_rng(seed).normal(size=(n, *shape))
    axes = tuple(range(1, noise.ndim))
    field = ndimage.gaussian_filter(noise, 1.2, mode="wrap", axes=axes).reshape(n, -1)
    level = np.quantile(field, 1 - fraction, axis=1, keepdims=True)
    return (field > level).reshape(n, *shape).astype(np.uint8)


def as_images(phases):
    return torch.from_numpy(phases[:, None].astype(np.float32))


def gradient_agreement(module, truth, **more):
    x, model = as_images(truth.phases), ImageModel(module)
    return physical_agreement(model.gradients(x)[:, 0], "derivative", x, truth, **more)


@pytest.fixture(scope="module")
def conduction():
    return physical_truth(structures(24, (20, 20)), CONDUCTION, "k_xx", per_phase=32)


CASES = {
    "conduction": (CONDUCTION, "k_xx", (16, 16), 12, 10),
    "elasticity": (ELASTICITY, "C11", (16, 16), 12, 10),
    "a shear modulus": (ELASTICITY, "C66", (16, 16), 8, 10),
    "conduction in 3-D": (CONDUCTION, "k_zz", (12, 12, 12), 3, 10),
    "elasticity in 3-D": (ELASTICITY, "C44", (10, 10, 10), 3, 8),
}


@pytest.fixture(scope="module", params=CASES)
def known(request):
    """A truth, and the solver that it comes from as a model."""
    properties, component, shape, n, voxels = CASES[request.param]
    truth = physical_truth(structures(n, shape), properties, component, per_phase=voxels)
    return truth, solver_model(properties, component, len(shape), tolerance=1e-5)


def test_the_gradient_of_the_solver_reaches_the_ceiling(known):
    truth, solver = known
    found = gradient_agreement(solver, truth)
    np.testing.assert_allclose(found.pf, found.ceiling, atol=0.02)  # float32 gradients may tie
    assert found.ceiling.mean() > 0.75
    assert found.ceiling.mean() > found.floor + 0.1
    assert found.star() == pytest.approx(1, abs=0.01)
    low, high = found.interval()
    assert 0.97 < low <= high < 1.03


def test_the_flips_of_the_solver_are_the_physics(known):
    truth, solver = known
    x, model = as_images(truth.phases), ImageModel(solver)
    flips = model_phase_flips(model, x, truth)
    np.testing.assert_allclose(flips, truth.flip, rtol=0.01, atol=1e-6)
    maps = np.zeros(truth.phases.shape)
    for i, voxels in enumerate(truth.voxels):
        maps[(i, *voxels.T)] = -flips[i]
    found = physical_agreement(maps, "contribution", x, truth, model=model)
    assert found.pf.min() > 0.99
    assert found.explanation_vs_model.min() > 0.999
    assert found.model_vs_physics.min() > 0.99
    assert found.star() > 1  # a flip knows more than a derivative


def test_a_permuted_truth_destroys_the_agreement(conduction):
    """Over 24 × 2 × 32 voxels, a mean of correlations without a cause has a deviation of 0.03."""
    right = gradient_agreement(solver_model(CONDUCTION, "k_xx", 2), conduction)
    assert right.pf.mean() > 0.9
    rng = np.random.default_rng(0)
    flip = conduction.flip.copy()
    for i, p in np.ndindex(len(flip), 2):
        here = np.flatnonzero(conduction.phase[i] == p)
        flip[i, here] = rng.permutation(flip[i, here])
    permuted = replace(conduction, flip=flip)
    wrong = gradient_agreement(solver_model(CONDUCTION, "k_xx", 2), permuted)
    assert abs(wrong.pf.mean()) < 0.1
    assert abs(wrong.ceiling.mean()) < 0.1


def test_the_structure_of_another_sample_does_not_explain_this_one(conduction):
    x = as_images(conduction.phases)
    gradients = ImageModel(solver_model(CONDUCTION, "k_xx", 2)).gradients(x)[:, 0]
    found = physical_agreement(gradients.roll(1, 0), "derivative", x, conduction)
    assert abs(found.pf.mean()) < 0.1
    assert found.star() < 0


def random_network(seed, dimension=2, width=12):
    """Three convolutions and a mean: untrained, its gradient is a filter of the structure."""
    torch.manual_seed(seed)
    convolution = {2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[dimension]
    layers = []
    for channels in (1, width, width):
        layers += [convolution(channels, width, 3, padding=1, padding_mode="circular")]
        layers += [torch.nn.GELU()]
    pool = torch.nn.AdaptiveAvgPool2d(1) if dimension == 2 else torch.nn.AdaptiveAvgPool3d(1)
    return torch.nn.Sequential(*layers, pool, torch.nn.Flatten(), torch.nn.Linear(width, 1))


@pytest.fixture(scope="module")
def untrained(conduction):
    return [gradient_agreement(random_network(seed), conduction) for seed in SEEDS]


def test_random_networks_know_nothing(untrained):
    """A network and its negative are as likely, so that PF has the mean 0 over seeds."""
    pf = np.array([found.pf.mean() for found in untrained])
    half = stats.t.ppf(0.995, len(pf) - 1) * pf.std(ddof=1) / np.sqrt(len(pf))
    assert half < 0.3  # narrow enough to fail for networks that know something
    assert abs(pf.mean()) < half
    assert max(found.star() for found in untrained) < 0.15


def test_blurs_in_all_directions_would_be_too_low_a_floor(untrained):
    """Why the floor has blurs along single axes: this property has a direction."""
    plain = [name for name in untrained[0].floors if "along" not in name]
    weaker = [replace(f, floors={name: f.floors[name] for name in plain}) for f in untrained]
    assert max(f.star() for f in weaker) > 0.15 > max(f.star() for f in untrained)


@pytest.fixture(scope="module")
def lessons():
    """Structures of several fractions and their conductivities, standardised."""
    phases = np.concatenate(
        [structures(24, (16, 16), fraction, 5 + i) for i, fraction in enumerate((0.3, 0.4, 0.5))]
    )
    y = homogenize(phases, CONDUCTION).tensor[:, 0, 0]
    return as_images(phases), torch.from_numpy((y - y.mean()) / y.std()).float()


def trained(x, y, seed, steps=100, rate=3e-2):
    network = random_network(seed)
    optimiser = torch.optim.AdamW(network.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    order = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randperm(len(x), generator=order)[:16]
        optimiser.zero_grad()
        ((network(x[batch])[:, 0] - y[batch]) ** 2).mean().backward()
        optimiser.step()
        schedule.step()
    return network


def test_a_network_knows_what_its_labels_told_it(conduction, lessons):
    """Trained on the true labels, it agrees with the physics; on shuffled ones, it does not."""
    x, y = lessons
    taught, misled = [], []
    for seed in range(2):
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
        taught.append(gradient_agreement(trained(x, y, seed), conduction))
        misled.append(gradient_agreement(trained(x, y[order], seed), conduction))
    assert max(f.star() for f in misled) < 0.15
    assert abs(np.mean([f.pf.mean() for f in misled])) < 0.3
    assert np.mean([f.pf.mean() for f in taught]) > 0.35
    assert min(f.pf.mean() for f in taught) > max(f.pf.mean() for f in misled)


@pytest.mark.parametrize("meaning", ["contribution", "derivative", "importance"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_no_model_free_map_lies_above_the_floor(conduction, meaning, sign):
    x = as_images(conduction.phases)
    for name, values in model_free_maps(conduction.phases).items():
        found = physical_agreement(sign * values, meaning, x, conduction)
        if name == "phase":  # constant within each phase: it says nothing, which is not 0
            assert np.isnan(found.star())
        else:
            assert found.star() <= 1e-9, name


def test_a_constant_map_is_undefined_not_nothing(conduction):
    x = as_images(conduction.phases)
    found = physical_agreement(np.full(conduction.phases.shape, 0.3), "derivative", x, conduction)
    assert np.isnan(found.pf).all()
    assert np.isnan([found.star(), *found.interval()]).all()


def test_voids_have_no_ceiling_of_their_own_and_are_judged_all_the_same():
    """The derivative does not exist there; the flips do."""
    phases = structures(6, (16, 16), fraction=0.2)
    truth = physical_truth(phases, Conductivity([1.0, 0.0]), "k_xx", per_phase=12)
    values = np.zeros(phases.shape)
    for i, voxels in enumerate(truth.voxels):
        values[(i, *voxels.T)] = -truth.flip[i]
    found = physical_agreement(values, "contribution", as_images(phases), truth)
    np.testing.assert_allclose(found.pf, 1)
    np.testing.assert_array_equal(found.covered, 1)
    assert (found.ceiling > 0.5).all()
    assert found.star() > 1


def test_a_random_network_in_3d():
    truth = physical_truth(structures(4, (12, 12, 12)), CONDUCTION, "k_xx", per_phase=24)
    found = gradient_agreement(random_network(0, dimension=3), truth)
    assert np.isfinite(found.pf).all()
    assert found.star() < 0.15

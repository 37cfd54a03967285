"""The solver at its limits: voids, loose pieces, contrasts up to and beyond what is promised."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.seeds import generator
from iceframe.physics.generator import generate
from iceframe.physics.homogenisation import homogenize
from iceframe.physics.properties import Conductivity, Elasticity


def noise(shape: tuple[int, ...], phases: int = 2, seed: int = 0) -> np.ndarray:
    """White noise of phases: the hardest thing that a grid can hold."""
    return generator(seed, "noise").integers(0, phases, size=(1, *shape))


@pytest.mark.parametrize("shape", [(21, 21), (20, 20), (9, 9, 9), (10, 10, 10)], ids=str)
@pytest.mark.parametrize("kind", ["conduction", "elasticity"])
def test_voids_are_the_limit_of_weak_phases(shape, kind):
    phases = (noise(shape, phases=10, seed=2) < 2).astype(int)

    def tensor(weak: float) -> np.ndarray:
        properties = (
            Conductivity([1.0, weak])
            if kind == "conduction"
            else Elasticity([1.0, weak], [0.3, 0.2])
        )
        solved = homogenize(phases, properties, tolerance=1e-8)
        assert solved.converged.all()
        return solved.tensor[0]

    void = tensor(0.0)
    assert np.linalg.eigvalsh(void)[0] > 1e-3  # the solid holds together
    distances = []
    for weak in (1e-2, 1e-3, 1e-4, 1e-6):
        filled = tensor(weak)
        assert np.linalg.eigvalsh(filled - void)[0] > 0
        distances.append(np.abs(filled - void).max())
    ratios = np.array(distances[:-1]) / distances[1:]
    assert np.all(ratios[:2] > 5)
    assert distances[-1] < 1e-4


@pytest.mark.parametrize("shape", [(13, 13), (12, 12), (7, 7, 7), (8, 8, 8)], ids=str)
def test_what_does_not_hold_together_carries_nothing(shape):
    inside = np.zeros((1, *shape), int)
    inside[(0, *[slice(2, -2)] * len(shape))] = 1
    for properties in (Conductivity([0.0, 1.0]), Elasticity([0.0, 1.0], [0.0, 0.3])):
        solved = homogenize(inside, properties)
        assert solved.converged.all()
        assert np.abs(solved.tensor).max() < 1e-9


@pytest.mark.parametrize("shape", [(33, 33), (32, 32), (9, 9, 9), (10, 10, 10)], ids=str)
def test_a_contrast_of_ten_thousand_converges(shape):
    phases = generate("random_field", 2, shape, volume_fraction=0.4, length=3, seed=5).phases
    for properties in (
        Conductivity([1.0, 1e4]),
        Elasticity([1.0, 1e4], [0.3, 0.2]),
        Elasticity([1e4, 1.0], [0.0, 0.45]),
    ):
        loose = homogenize(phases, properties)
        tight = homogenize(phases, properties, tolerance=1e-9)
        assert loose.converged.all()
        assert tight.converged.all()
        # Of second order in the residual, times the contrast.
        error = np.abs(loose.tensor - tight.tensor).max()
        assert error < 1e-6 * np.abs(tight.tensor).max()


@pytest.mark.parametrize("contrast", [1e4, 1e6, 1e8])
@pytest.mark.parametrize("kind", ["conduction", "elasticity"])
def test_what_is_called_converged_is_right(kind, contrast):
    # A residual relative to the load says little about a tensor as soft as the weak phase.
    phases = noise((31, 31))
    properties = (
        Conductivity([1.0, contrast])
        if kind == "conduction"
        else Elasticity([1.0, contrast], [0.1, 0.4])
    )
    exact = homogenize(phases, properties, tolerance=1e-12, max_iterations=20_000)
    assert exact.converged.all()
    solved = homogenize(phases, properties)
    if solved.converged.all():
        assert np.abs(solved.tensor - exact.tensor).max() < 1e-4 * np.abs(exact.tensor).max()
    else:
        assert solved.status[0].remedy
        assert np.isnan(solved.tensor).all()


@pytest.mark.parametrize("layout", ["read-only", "backwards", "Fortran", "big-endian", "boolean"])
@pytest.mark.parametrize("weights", [False, True])
def test_the_layout_of_the_array_does_not_matter(layout, weights):
    # As memory maps, flipped views and files of other machines hand arrays over.
    phases = noise((7, 8))
    micro = np.stack([1.0 - phases, phases], axis=1) if weights else phases
    given = {
        "read-only": lambda: np.broadcast_to(micro, micro.shape),
        "backwards": lambda: micro[..., ::-1].copy()[..., ::-1],
        "Fortran": lambda: np.asfortranarray(micro),
        "big-endian": lambda: micro.astype(micro.dtype.newbyteorder(">")),
        "boolean": lambda: micro if weights else micro.astype(bool),
    }[layout]()
    before = given.copy()
    properties = Conductivity([1.0, 5.0])
    found = homogenize(given, properties).tensor
    assert np.array_equal(found, homogenize(micro, properties).tensor)
    assert np.array_equal(given, before)

"""Gradient agreement against known answers: the solver itself, its opposite, noise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from iceframe.balance.candidates import check_floors
from iceframe.measure.image_model import ImageModel
from iceframe.measure.metrics import METRICS
from iceframe.measure.physical.gradient_agreement import gradient_agreement, network_agreement
from iceframe.measure.physical.solver_model import solver_model
from iceframe.measure.summary import physics_evidence
from iceframe.physics.homogenisation import homogenize
from iceframe.physics.properties import Conductivity

PHASES = Conductivity([1.0, 10.0])


@pytest.fixture(scope="module")
def structures() -> np.ndarray:
    return (np.random.default_rng(0).random((4, 8, 8)) < 0.4).astype(np.uint8)


@pytest.fixture(scope="module")
def exact(structures: np.ndarray) -> np.ndarray:
    """Derivatives of ``k_xx``, ``(n, 1, *grid)``."""
    solved = homogenize(structures, PHASES, sensitivities=True)
    assert solved.sensitivities is not None
    return solved.sensitivities[:, solved.pairs.index((0, 0))]


def test_the_solver_agrees_with_itself(structures: np.ndarray, exact: np.ndarray) -> None:
    model = ImageModel(solver_model(PHASES, "k_xx", 2))
    images = structures[:, None].astype(np.float32)
    np.testing.assert_allclose(network_agreement(model, images, exact), 1.0, atol=1e-4)
    np.testing.assert_allclose(network_agreement(model, images, -exact), -1.0, atol=1e-4)


def test_another_component_agrees_less(structures: np.ndarray, exact: np.ndarray) -> None:
    model = ImageModel(solver_model(PHASES, "k_yy", 2))
    found = network_agreement(model, structures[:, None].astype(np.float32), exact)
    assert (found < 0.95).all()


def test_it_is_pearsons_correlation_and_knows_no_scale() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 5, 3, 4, 6))
    found = gradient_agreement(a, b)
    expected = [stats.pearsonr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, expected)
    np.testing.assert_allclose(gradient_agreement(7 * a - 3, 0.1 * b + 5), found)


def test_noise_agrees_with_nothing() -> None:
    a, b = np.random.default_rng(2).normal(size=(2, 400, 16, 16))
    found = gradient_agreement(a, b)
    assert abs(found.mean()) < 4 / np.sqrt(400 * 256)
    assert found.std() == pytest.approx(1 / np.sqrt(255), rel=0.15)


def test_what_is_undefined_is_nan() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 3, 4, 4))
    a[0], b[1, 0, 0] = 2.0, np.nan
    found = gradient_agreement(a, b)
    assert np.isnan(found[:2]).all()
    assert np.isfinite(found[2])
    with pytest.raises(ValueError, match="gradients"):
        gradient_agreement(a, b[:2])


def test_evidence_has_an_interval_over_samples_and_is_a_floor() -> None:
    rng = np.random.default_rng(4)
    folds = [_fold(rng.normal(0.8, 0.05, n)) for n in (20, 12)]
    rows = {row.metric: row for row in physics_evidence("cnn", folds)}
    row = rows["gradient_agreement"]
    values = np.concatenate([f["gradient_agreement"] for f in folds])
    assert row.value == pytest.approx(values.mean())
    assert row.n == 32
    assert row.folds == pytest.approx([np.mean(f["gradient_agreement"]) for f in folds])
    spread = values.std() / np.sqrt(32)
    assert row.high - row.low == pytest.approx(2 * 1.96 * spread, rel=0.1)
    assert (METRICS["gradient_agreement"].axis, row.better) == ("transparency", "higher")
    assert "pf_star" in rows
    check_floors({"gradient_agreement": 0.85})


def _fold(values: np.ndarray) -> dict[str, object]:
    """What a fold stores of its agreement with the physics."""
    some = np.linspace(0.2, 0.4, len(values)).tolist()
    fields = ("pf", "ceiling", "explanation_vs_model", "model_vs_physics", "covered")
    return {
        **dict.fromkeys(fields, some),
        "floors": {"phase": some},
        "gradient_agreement": values.tolist(),
    }

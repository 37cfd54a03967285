"""Falling back: only to a model whose own gate lets the sample pass, with a promise of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.steer.cascade import Cascade, fit_cascade
from iceframe.steer.gate import Calibration

N = 1200


def two_models(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Signals and errors: the first model is right for x < 0.6, the second for x > 0.5, less
    precisely."""
    x = rng.uniform(size=N)
    noise = rng.normal(size=(2, N))
    errors = {
        "deep": np.abs(np.where(x < 0.6, 0.1, 5.0) * noise[0]),
        "plain": np.abs(np.where(x > 0.5, 0.3, 5.0) * noise[1]),
    }
    signals = {"deep": np.column_stack([x]), "plain": np.column_stack([1 - x])}
    return signals, errors


def calibrations(rng: np.random.Generator) -> dict[str, Calibration]:
    signals, errors = two_models(rng)
    return {
        name: Calibration(
            ("novelty",), signals[name], errors[name] > 1.5, errors[name],
            np.zeros(N, bool), np.arange(N),
        )
        for name in signals
    }  # fmt: skip


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    return fit_cascade(calibrations(np.random.default_rng(0)))[0]


def test_each_model_answers_where_it_is_right(cascade: Cascade) -> None:
    signals, errors = two_models(np.random.default_rng(1))
    place = cascade.route(signals)
    x = signals["deep"][:, 0]
    assert set(place) <= {-1, 0, 1}
    assert np.mean(place[x < 0.55] == 0) > 0.95
    assert np.mean(place[x > 0.75] == 1) > 0.9
    wrong = np.where(place == 0, errors["deep"], errors["plain"])[place >= 0] > 1.5
    assert wrong.mean() < 0.1


def test_the_interval_of_a_fall_back_is_its_own(cascade: Cascade) -> None:
    """Known answers: 90 % of |N(0, 0.3)| lie within 0.49."""
    assert cascade.gates["plain"].quantile == pytest.approx(1.645 * 0.3, rel=0.2)
    signals, errors = two_models(np.random.default_rng(2))
    fallen = cascade.route(signals) == 1
    inside = errors["plain"][fallen] <= cascade.gates["plain"].quantile
    assert 0.86 < inside.mean() < 0.94


def test_no_fall_back_where_the_simpler_model_is_no_better() -> None:
    data = calibrations(np.random.default_rng(0))
    useless = replace(data["deep"], names=("novelty",))
    cascade, _ = fit_cascade({"deep": data["deep"], "twin": useless})
    assert list(cascade.gates) == ["deep"]


def test_no_fall_back_to_an_interval_that_is_too_wide() -> None:
    cascade, _ = fit_cascade(calibrations(np.random.default_rng(0)), widest=0.2)
    assert list(cascade.gates) == ["deep"]


def test_no_fall_back_where_nothing_was_refused() -> None:
    data = calibrations(np.random.default_rng(0))
    sure = replace(data["deep"], bad=np.zeros(N, bool), signals=np.zeros((N, 1)))
    cascade, fit = fit_cascade({"deep": sure, "plain": data["plain"]})
    assert fit.passed.all()
    assert list(cascade.gates) == ["deep"]


def test_stranger_samples_never_climb_back(cascade: Cascade) -> None:
    """What no model answers is not answered when every signal is worse."""
    rng = np.random.default_rng(3)
    signals, _ = two_models(rng)
    before = cascade.route(signals)
    after = cascade.route({name: s + 0.2 for name, s in signals.items()})
    assert not np.any((after >= 0) & (before < 0))


def test_models_must_be_calibrated_on_the_same_samples() -> None:
    data = calibrations(np.random.default_rng(0))
    with pytest.raises(InputError, match="same samples"):
        fit_cascade({"deep": data["deep"], "plain": data["plain"].take(np.arange(20))})
    with pytest.raises(InputError):
        fit_cascade({})

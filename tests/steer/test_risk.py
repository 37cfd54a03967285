"""The risk of an answer: known answers, monotonicity, errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iceframe.core.errors import InputError
from iceframe.steer.risk import RiskModel


def test_chances_are_right_on_average(rng: np.random.Generator) -> None:
    """Known answer: at the optimum of a logistic likelihood the mean chance is the share of bad."""
    signals = rng.gamma(2.0, size=(500, 3))
    bad = rng.uniform(size=500) < 0.02 * signals[:, 0] ** 2
    assert RiskModel.fit(signals, bad)(signals).mean() == pytest.approx(bad.mean(), abs=0.005)


def test_units_do_not_matter(rng: np.random.Generator) -> None:
    signals = rng.gamma(2.0, size=(200, 2))
    bad = signals[:, 0] > 4
    a, b = RiskModel.fit(signals, bad), RiskModel.fit(signals * [1e6, 1e-6] + [0, 5], bad)
    np.testing.assert_allclose(a.weights, b.weights, rtol=1e-6)


def test_few_bad_answers_leave_all_signals_their_say(rng: np.random.Generator) -> None:
    signals = rng.uniform(size=(100, 4))
    model = RiskModel.fit(signals, np.zeros(100, bool))
    assert np.all(model.weights > 0.05)
    assert model(signals).max() < 0.1


def test_a_signal_that_does_not_vary_has_no_say(rng: np.random.Generator) -> None:
    signals = np.column_stack([rng.uniform(size=60), np.full(60, 3.0)])
    assert RiskModel.fit(signals, signals[:, 0] > 0.7).weights[1] == 0


def test_a_misleading_signal_never_gets_a_negative_weight(rng: np.random.Generator) -> None:
    signals = rng.uniform(size=(300, 2))
    model = RiskModel.fit(signals, signals[:, 0] < 0.3)  # low values are bad
    assert np.all(model.weights >= 0)
    assert model.weights[0] < 0.05


def test_a_given_surprise_is_taken_as_it_stands_and_never_played_down(
    rng: np.random.Generator,
) -> None:
    """Calibration samples on which it foretells nothing do not show that it never will."""
    signals = np.column_stack([rng.uniform(size=300), rng.exponential(size=300)])
    bad = signals[:, 0] > 0.9
    model = RiskModel.fit(signals, bad, np.array([False, True]))
    assert model.weights[1] == 1.0
    new = np.array([[0.5, 0.3], [0.5, 40.0]])
    np.testing.assert_array_equal(model.surprises(new)[:, 1], new[:, 1])
    assert RiskModel.fit(signals, bad).weights[1] < 0.5


def test_a_given_surprise_that_foretells_gets_more(rng: np.random.Generator) -> None:
    surprise = rng.exponential(size=(600, 1))
    bad = rng.uniform(size=600) < 1 / (1 + np.exp(6 - 3 * surprise[:, 0]))
    assert RiskModel.fit(surprise, bad, np.array([True])).weights[0] > 1.5


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    more=st.lists(st.floats(0, 50), min_size=3, max_size=3),
)
def test_stranger_is_never_less_risky(seed: int, more: list[float]) -> None:
    rng = np.random.default_rng(seed)
    signals = rng.gamma(2.0, size=(40, 3))
    model = RiskModel.fit(signals, rng.uniform(size=40) < 0.3)
    new = rng.gamma(2.0, size=(10, 3))
    assert np.all(model(new + more) >= model(new))


@pytest.mark.parametrize(
    ("signals", "bad"),
    [
        (np.zeros((1, 2)), [True]),
        (np.zeros((3, 0)), [True, False, True]),
        (np.zeros((3, 1)), [True]),
        (np.array([[np.nan], [1.0]]), [True, False]),
    ],
)
def test_what_cannot_be_fitted_is_refused(signals: np.ndarray, bad: list[bool]) -> None:
    with pytest.raises(InputError):
        RiskModel.fit(signals, np.array(bad))

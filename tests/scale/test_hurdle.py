"""The hurdle: the right answer for a mixture with an atom at zero, and its exact shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from iceframe.core.values import Representation
from iceframe.scale.fitting import Fitted, context_for, fit
from iceframe.scale.hurdle import HurdleRegressor, shared_contributions
from iceframe.scale.rung import RUNGS, Inputs


def _gaps(rng: np.random.Generator, n: int = 160) -> tuple[Inputs, np.ndarray]:
    """A gap that opens where x0 is above zero and grows with x1; x2 does nothing."""
    x = rng.uniform(-1, 1, size=(n, 3))
    y = np.where(x[:, 0] > 0, 3 + x[:, 1] + 0.1 * rng.normal(size=n), 0.0)
    table = Representation(x, ("x0", "x1", "x2"), ("",) * 3, {})
    return Inputs(table), y


def _fit(name: str, inputs: Inputs, y: np.ndarray, chosen: dict | None = None) -> Fitted:
    return fit(RUNGS[name](), chosen or {}, inputs, y, context_for(inputs, "regression"))


@pytest.mark.parametrize("zeros", [0.2, 0.45, 0.55, 0.8])
@pytest.mark.parametrize("signs", ["positive", "both"])
def test_the_median_has_the_least_absolute_error_of_all_constants(zeros, signs, rng):
    """Known answer: without features it is the sample's own median, atom included."""
    n = 1200
    values = rng.normal(4 if signs == "positive" else 0.4, 1, size=n)
    if signs == "positive":
        values = np.abs(values) + 0.1
    y = np.where(np.arange(n) < zeros * n, 0.0, values)
    x = np.zeros((n, 1))
    model = HurdleRegressor(DummyClassifier(), DummyRegressor(), random_state=0).fit(x, y)
    assert model.gate_ is not None
    answer = model.predict(x[:1])[0]
    least = np.abs(y - np.median(y)).mean()
    assert np.abs(y - answer).mean() <= least + 0.002


def test_the_mean_has_the_least_squared_error(rng):
    y = np.where(np.arange(500) < 150, 0.0, rng.lognormal(0, 0.5, size=500))
    x = np.zeros((500, 1))
    for scale, tolerance in (("plain", 1e-9), ("log", 0.02)):
        model = HurdleRegressor(
            DummyClassifier(), DummyRegressor(), scale=scale, answer="mean", random_state=0
        ).fit(x, y)
        assert model.logarithmic_ == (scale == "log")
        assert model.predict(x[:1])[0] == pytest.approx(y.mean(), rel=tolerance)


def test_a_target_without_zeros_gets_the_plain_regression(rng):
    x = rng.normal(size=(80, 2))
    y = x[:, 0] + 5
    y[0] = 0.0  # one zero is no atom
    model = HurdleRegressor(LogisticRegression(), LinearRegression()).fit(x, y)
    assert model.gate_ is None
    assert np.array_equal(model.predict(x), LinearRegression().fit(x, y).predict(x))


def test_a_logarithm_is_not_taken_of_negative_values(rng):
    y = np.where(np.arange(100) < 40, 0.0, rng.normal(size=100))
    model = HurdleRegressor(DummyClassifier(), DummyRegressor(), scale="log").fit(y[:, None], y)
    assert not model.logarithmic_
    assert not model.positive_


def test_nothing_negative_is_answered_where_nothing_negative_was_seen(rng):
    inputs, y = _gaps(rng)
    model = HurdleRegressor(LogisticRegression(), LinearRegression(), random_state=0)
    model.fit(inputs.table.values, y)
    assert model.predict(rng.uniform(-5, 5, size=(200, 3))).min() >= 0


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="scale 'cubic'"):
        HurdleRegressor(scale="cubic").fit(np.zeros((4, 1)), np.zeros(4))


def test_a_hurdle_beats_its_own_base_where_labels_are_zero(rng):
    inputs, y = _gaps(rng, 240)
    train, test = np.arange(180), np.arange(180, 240)
    plain, hurdle = (
        np.abs(y[test] - _fit(rung, inputs.take(train), y[train]).predict(inputs.take(test))).mean()
        for rung in ("extra_trees", "hurdle_trees")
    )
    assert hurdle < min(plain, 0.35)


def test_terms_of_the_glass_box_are_exact_with_a_hurdle_too(rng, tmp_path):
    inputs, y = _gaps(rng, 120)
    fitted = _fit("hurdle_ebm", inputs, y, {"pairs": 1})
    assert fitted.estimator.gate_ is not None
    predicted = fitted.predict(inputs)
    rest = predicted - fitted.terms(inputs).sum(axis=1)
    assert np.ptp(rest) < 1e-6
    shares = np.abs(fitted.terms(inputs)).mean(axis=0)
    assert shares[0] > shares[1] > 2 * shares[2]
    rows = fitted.describe()
    assert {row["term"].split(":")[0] for row in rows} == {"log-odds of a value", "the value"}
    fitted.save(tmp_path)
    assert np.array_equal(Fitted.load(tmp_path).predict(inputs), predicted)
    assert fitted.rung.parameters(fitted.estimator) > len(fitted.estimator.residuals_)


numbers = st.floats(-4, 4, allow_nan=False)


@given(
    gate=st.lists(numbers, min_size=3, max_size=3),
    amount=st.lists(numbers, min_size=3, max_size=3),
    start=st.tuples(numbers, numbers),
    answer=st.sampled_from(["median", "mean"]),
    positive=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_shares_add_up_to_the_answer(gate, amount, start, answer, positive):
    """Whatever the terms: they sum to what the answer gains by them, where they do not cancel."""
    from scipy.special import expit

    model = HurdleRegressor(answer=answer)
    model.residuals_, model.positive_, model.logarithmic_ = (
        np.array([-1.0, 0.2, 1]),
        positive,
        False,
    )
    g, a = np.array([gate]), np.array([amount])
    if abs(g.sum()) < 1e-6 or abs(a.sum()) < 1e-6:
        return
    shares = shared_contributions(model, g, a, start)
    s, v = np.array([start[0]]), np.array([start[1]])
    gained = model.combine(expit(s + g.sum(1)), v + a.sum(1)) - model.combine(expit(s), v)
    assert shares.sum() == pytest.approx(gained[0], abs=1e-7)


def test_a_model_that_does_not_act_gets_no_share():
    model = HurdleRegressor(answer="mean")
    model.residuals_, model.positive_, model.logarithmic_ = np.zeros(1), True, False
    shares = shared_contributions(model, np.array([[0.0, 0.0]]), np.array([[2.0, 0.0]]), (0.0, 1.0))
    assert shares.tolist() == [[1.0, 0.0]]  # half of 3 instead of half of 1

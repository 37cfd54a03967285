"""Split, normalised, CV+ and jackknife+ intervals: MAPIE's values, coverage, edge cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, PredefinedSplit

from iceframe.core.errors import InputError
from iceframe.measure.uncertainty.intervals import (
    normalised_interval,
    plus_interval,
    split_interval,
)

INTERVALS = {
    "split": lambda y, f, new, level: split_interval(y, f, new, level),
    "plus": lambda y, f, new, level: plus_interval(
        np.abs(y - f), np.arange(len(y)), np.tile(new, (len(y), 1)), level
    ),
}


def left_out(x, y, new, folds):
    """Residuals of the left-out samples, and what each fold's model says of new ones."""
    residuals, said = np.empty(len(y)), []
    for fold in range(folds.max() + 1):
        model = LinearRegression().fit(x[folds != fold], y[folds != fold])
        residuals[folds == fold] = np.abs(y - model.predict(x))[folds == fold]
        said.append(model.predict(new))
    return residuals, np.array(said)


@pytest.mark.parametrize("level", [0.6, 0.9])
def test_split_equals_mapies(rng, level):
    mapie = pytest.importorskip("mapie.regression")
    x, new = rng.normal(size=(47, 2)), rng.normal(size=(9, 2))
    y = x @ [1.0, 2.0] + rng.normal(size=47)
    model = LinearRegression().fit(rng.normal(size=(20, 2)), rng.normal(size=20))
    oracle = mapie.SplitConformalRegressor(model, confidence_level=level, prefit=True)
    _, expected = oracle.conformalize(x, y).predict_interval(new)
    low, high = split_interval(y, model.predict(x), model.predict(new), level)
    np.testing.assert_allclose(low, expected[:, 0, 0], rtol=1e-9)
    np.testing.assert_allclose(high, expected[:, 1, 0], rtol=1e-9)


@pytest.mark.parametrize("level", [0.6, 0.9])
@pytest.mark.parametrize("n_folds", [5, 40])
def test_plus_equals_mapies(rng, level, n_folds):
    mapie = pytest.importorskip("mapie.regression")
    x, new = rng.normal(size=(40, 2)), rng.normal(size=(12, 2))
    y = x @ [1.0, 2.0] + rng.normal(size=40)
    folds = rng.permutation(np.arange(40) % n_folds)
    cv = PredefinedSplit(folds) if n_folds < 40 else LeaveOneOut()
    folds = folds if n_folds < 40 else np.arange(40)
    oracle = mapie.CrossConformalRegressor(
        LinearRegression(), confidence_level=level, method="plus", cv=cv
    )
    _, expected = oracle.fit_conformalize(x, y).predict_interval(new)
    residuals, said = left_out(x, y, new, folds)
    low, high = plus_interval(residuals, folds, said, level)
    np.testing.assert_allclose(low, expected[:, 0, 0], rtol=1e-9)
    np.testing.assert_allclose(high, expected[:, 1, 0], rtol=1e-9)


def test_split_covers_at_its_level(rng):
    """Over calibrations, the coverage averages ⌈level (n + 1)⌉/(n + 1): here 37/41 exactly."""
    y, new = rng.standard_t(3, size=(4000, 40)), rng.standard_t(3, size=4000)
    inside = []
    for row, truth in zip(y, new, strict=True):
        low, high = split_interval(row, np.zeros(40), np.zeros(1))
        inside.append(low[0] <= truth <= high[0])
    spread = np.sqrt(37 / 41 * 4 / 41 / 4000)
    assert np.mean(inside) == pytest.approx(37 / 41, abs=3.5 * spread)


def test_plus_covers_where_models_change_with_every_fold(rng):
    """Least squares at n ≈ d, where intervals around the final model may fall short."""
    hits = []
    for _ in range(60):
        x = rng.normal(size=(120, 20))
        y = x[:, 0] + rng.normal(size=120)
        folds = np.arange(28) % 7
        residuals, said = left_out(x[:28], y[:28], x[28:], folds)
        low, high = plus_interval(residuals, folds, said)
        hits.append(np.mean((y[28:] >= low) & (y[28:] <= high)))
    assert np.mean(hits) >= 0.89


def test_normalised_intervals_cover_where_noise_is_low_and_high(rng):
    sd = np.exp(rng.normal(size=3000))
    y = sd * rng.normal(size=3000)
    plain = split_interval(y[:500], np.zeros(500), np.zeros(2500))
    scaled = normalised_interval(y[:500], np.zeros(500), sd[:500], np.zeros(2500), sd[500:])
    loud = sd[500:] > np.quantile(sd[500:], 0.8)
    hit = [(y[500:] >= low) & (y[500:] <= high) for low, high in (plain, scaled)]
    assert hit[0][loud].mean() < 0.75
    assert hit[1][loud].mean() == pytest.approx(0.9, abs=0.05)
    assert hit[1][~loud].mean() == pytest.approx(0.9, abs=0.05)


def test_only_ratios_of_spreads_matter(rng):
    y, f, sd = rng.normal(size=(3, 30))
    sd, new = np.abs(sd) + 0.1, rng.normal(size=5)
    one = normalised_interval(y, f, sd, new, np.ones(5))
    ten = normalised_interval(y, f, 10 * sd, new, np.full(5, 10.0))
    np.testing.assert_allclose(one, ten)


@pytest.mark.parametrize("interval", INTERVALS.values(), ids=INTERVALS)
def test_edges(interval, rng):
    two = interval(np.array([1.0, 2.0]), np.zeros(2), np.zeros(3), 0.9)
    assert np.all(two[0] == -np.inf)
    assert np.all(two[1] == np.inf)
    low, high = interval(np.array([1.0, 2.0]), np.zeros(2), np.zeros(1), 0.5)
    assert (low[0], high[0]) == (-2.0, 2.0)
    low, high = interval(np.full(20, 3.0), np.full(20, 3.0), np.array([3.0]), 0.9)
    assert (low[0], high[0]) == (3.0, 3.0)
    ties = interval(np.repeat([1.0, 2.0], 10), np.zeros(20), np.zeros(1), 0.9)
    assert ties[1][0] == 2.0
    y = rng.normal(size=12)
    y[4] = np.nan
    with pytest.raises(InputError, match="NaN"):
        interval(y, np.zeros(12), np.zeros(1), 0.9)
    with pytest.raises(InputError, match="predictions"):
        interval(np.ones(12), np.zeros(12), np.array([np.nan]), 0.9)
    for level in (0.0, 1.0, 90.0):
        with pytest.raises(ValueError, match="level"):
            interval(np.ones(12), np.zeros(12), np.zeros(1), level)
    with pytest.raises((InputError, ValueError)):
        interval(np.empty(0), np.empty(0), np.zeros(1), 0.9)


def test_wrong_use_is_refused():
    with pytest.raises(InputError, match="positive"):
        normalised_interval(np.ones(5), np.ones(5), np.zeros(5), np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="folds"):
        plus_interval(np.ones(5), np.zeros(4), np.ones((1, 3)))


def test_chunks_do_not_change_the_answer(rng, monkeypatch):
    residuals, folds = rng.random(30), np.arange(30) % 3
    said = rng.normal(size=(3, 17))
    whole = plus_interval(residuals, folds, said)
    monkeypatch.setattr("iceframe.measure.uncertainty.intervals.CHUNK", 70)
    np.testing.assert_array_equal(plus_interval(residuals, folds, said), whole)

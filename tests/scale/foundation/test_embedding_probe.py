"""The probe of CHGNet's embedding interpolates, keeps the straight law, and is stored whole."""

from __future__ import annotations

import numpy as np
import pytest

from iceframe.core.errors import InputError
from iceframe.scale.foundation.chgnet_features import chgnet_features, energies
from iceframe.scale.foundation.embedding_probe import (
    LENGTHS,
    NOISES,
    ProbeClassifier,
    ProbeRegressor,
    _choose,
    _distances,
    _matern,
)


def _bent(crystals):
    """A law that is no line in the energy or the fractions."""
    e = energies(crystals)
    return e + 0.5 * np.sin(2 * e)


def test_leave_one_out_error_is_the_one_of_fitting_anew(rng):
    """The closed form that chooses length and noise against the definition."""
    embedded, linear = rng.normal(size=(18, 3)), rng.normal(size=(18, 2))
    y = rng.normal(size=18)
    chosen = _choose(linear, embedded, y)
    kernel = linear @ linear.T + 1.0
    best = (np.inf, 0.0, 0.0)
    for length in LENGTHS:
        whole = kernel + _matern(_distances(embedded, embedded), length)
        for noise in NOISES:
            errors = []
            for i in range(18):
                keep = np.arange(18) != i
                a = np.linalg.solve(whole[np.ix_(keep, keep)] + noise * np.eye(17), y[keep])
                errors.append(abs(y[i] - whole[i, keep] @ a))
            best = min(best, (float(np.mean(errors)), length, float(noise)))
    assert chosen == best[1:]


def test_learns_a_bent_law_better_than_the_mean_does(perovskites):
    y = _bent(perovskites)
    train, test = np.arange(30), np.arange(30, 40)
    model = ProbeRegressor().fit(perovskites.take(train), y[train])
    close = np.abs(model.predict(perovskites.take(train)) - y[train]).mean()
    assert close < 0.3 * np.abs(y[train] - y[train].mean()).mean()
    error = np.abs(model.predict(perovskites.take(test)) - y[test]).mean()
    assert error < 0.5 * np.abs(y[test] - y[train].mean()).mean()


def test_answer_has_the_unit_of_the_target(perovskites):
    y = _bent(perovskites)
    model = ProbeRegressor().fit(perovskites, y)
    scaled = ProbeRegressor().fit(perovskites, 1000 * y - 5)
    assert np.allclose(scaled.predict(perovskites), 1000 * model.predict(perovskites) - 5)
    constant = ProbeRegressor().fit(perovskites, np.full(len(y), 2.5))
    assert np.allclose(constant.predict(perovskites), 2.5)


def test_classes_that_the_embedding_separates_are_told_apart(perovskites):
    moments = chgnet_features(perovskites).moments.reshape(-1, 5).max(axis=1)
    classes = np.where(moments > np.median(moments), "magnetic", "not")
    model = ProbeClassifier().fit(perovskites, classes)
    probabilities = model.predict_proba(perovskites)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (model.predict(perovskites) == classes).mean() > 0.9


@pytest.mark.parametrize("kind", [ProbeRegressor, ProbeClassifier])
def test_odd_crystals_and_storage(perovskites, odd_crystals, kind):
    y = _bent(perovskites)
    y = y if kind is ProbeRegressor else (y > np.median(y)).astype(int)
    model = kind().fit(perovskites, y)
    ask = "predict" if kind is ProbeRegressor else "predict_proba"
    assert np.isfinite(getattr(model, ask)(odd_crystals)).all()
    again = kind().restore(*model.state())
    assert np.array_equal(getattr(again, ask)(perovskites), getattr(model, ask)(perovskites))
    assert again.n_parameters() == model.n_parameters()
    arrays, values = model.state()
    with pytest.raises(InputError, match="other weights"):
        kind().restore(arrays, {**values, "chgnet": ""})
    del arrays["spread"]
    with pytest.raises(InputError, match="does not fit"):
        kind().restore(arrays, values)

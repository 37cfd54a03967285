"""The perceptron ensemble: it learns, repeats itself, bears gaps, and survives storage."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from iceframe.core.errors import InputError
from iceframe.scale.ensemble import EnsembleClassifier, EnsembleRegressor
from iceframe.scale.rung import RUNGS, Context

CHECKED = {"members": 2, "hidden": (16,), "epochs": 40, "batch_size": 8, "dropout": 0.0}


@parametrize_with_checks([EnsembleRegressor(**CHECKED), EnsembleClassifier(**CHECKED)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def table(rng):
    x = rng.normal(size=(240, 4))
    return x, 300 + 50 * x[:, 0] * x[:, 1] + 20 * x[:, 2]


def test_learns_an_interaction(table):
    x, y = table
    model = EnsembleRegressor(dropout=0.0).fit(x[:180], y[:180])
    assert model.score(x[180:], y[180:]) > 0.9
    members = model.members_predict(x[180:])
    assert members.shape == (5, 60)
    assert np.allclose(members.mean(axis=0), model.predict(x[180:]))
    assert members.std(axis=0).min() > 0


def test_learns_classes_by_name(table):
    x, _ = table
    y = np.array(["left", "right", "top"])[(x[:, 0] > 0) + 1 * (x[:, 1] > 0.5)]
    model = EnsembleClassifier(epochs=60).fit(x[:180], y[:180])
    probabilities = model.predict_proba(x[180:])
    assert model.score(x[180:], y[180:]) > 0.85
    assert probabilities.shape == (60, 3)
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_seeds(table):
    x, y = table
    settings = {"epochs": 3, "members": 2}
    first = EnsembleRegressor(random_state=0, **settings).fit(x, y).predict(x)
    assert np.array_equal(first, EnsembleRegressor(random_state=0, **settings).fit(x, y).predict(x))
    assert not np.array_equal(
        first, EnsembleRegressor(random_state=1, **settings).fit(x, y).predict(x)
    )


def test_gaps_constants_and_outliers_are_borne(table):
    x, y = table
    x = np.column_stack([x, np.full(len(x), np.nan), np.full(len(x), 3.0)])
    x[::7, 0] = np.nan
    model = EnsembleRegressor(epochs=5).fit(x, y)
    wild = x.copy()
    wild[0, 2] = 1e30
    assert np.isfinite(model.predict(wild)).all()


def test_a_scale_of_the_target_changes_nothing_else(table):
    x, y = table
    small = EnsembleRegressor(epochs=5).fit(x, y).predict(x)
    large = EnsembleRegressor(epochs=5).fit(x, 1e9 * y).predict(x)
    assert np.allclose(large, 1e9 * small, rtol=1e-4)


def test_constant_target():
    x = np.arange(24.0).reshape(12, 2)
    assert np.allclose(EnsembleRegressor(epochs=40).fit(x, np.full(12, 7.0)).predict(x), 7, atol=1)


def context(x, task="regression", **more):
    n_classes = 0 if task == "regression" else 3
    return Context(task, len(x), x.shape[1], n_classes=n_classes, **more)


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_storage_round_trip(table, tmp_path, task):
    x, y = table
    if task == "classification":
        y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    rung, settings = RUNGS["mlp"](), {"width": 32}
    model = rung.build(settings, context(x, task))
    model.set_params(epochs=2).fit(x, y)
    rung.save(model, tmp_path)
    loaded = rung.load(tmp_path, settings, context(x, task))
    assert np.array_equal(loaded.predict(x), model.predict(x))
    if task == "classification":
        assert np.array_equal(loaded.predict_proba(x), model.predict_proba(x))
    assert rung.parameters(loaded) == 5 * (4 * 32 + 32 + 32 * 32 + 32 + 33 * model._outputs)
    assert {p.suffix for p in tmp_path.iterdir()} == {".safetensors", ".json"}


def test_storage_of_other_settings_is_refused(table, tmp_path):
    x, y = table
    rung = RUNGS["mlp"]()
    rung.save(rung.build({"width": 32}, context(x)).set_params(epochs=1).fit(x, y), tmp_path)
    with pytest.raises(InputError, match="settings"):
        rung.load(tmp_path, {"width": 64}, context(x))


def test_only_the_chosen_block_is_seen(table):
    x, y = table
    blocks = {"signal": (0, 1), "rest": (2, 3)}
    model = RUNGS["mlp"]().build({"blocks": "signal"}, context(x, blocks=blocks))
    model.set_params(epochs=2).fit(x, y)
    changed = x.copy()
    changed[:, 2:] = 0
    assert np.array_equal(model.predict(changed), model.predict(x))
    changed[:, 0] = 0
    assert not np.array_equal(model.predict(changed), model.predict(x))


def test_clone_is_unfitted(table):
    x, y = table
    model = EnsembleRegressor(epochs=1, hidden=(8,)).fit(x, y)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "network_")

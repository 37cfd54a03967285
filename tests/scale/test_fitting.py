"""Tuning is honest and repeatable; a fitted rung survives storage; faults are messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Representation
from iceframe.scale.fitting import FITTED_FILE, Fitted, context_for, fit, inner_splits, tune
from iceframe.scale.rung import RUNGS, Context, Inputs, Rung


def _inputs(rng: np.random.Generator, n: int = 60, d: int = 4) -> Inputs:
    names = tuple(f"x{j}" for j in range(d))
    blocks = {"left": tuple(range(d // 2)), "right": tuple(range(d // 2, d))}
    return Inputs(Representation(rng.normal(size=(n, d)), names, ("",) * d, blocks))


class _Constant:
    """Predicts what it is told to."""

    def __init__(self, value: float) -> None:
        self.value = value

    def fit(self, x: Any, y: Any) -> _Constant:
        return self

    def predict(self, x: Any) -> np.ndarray:
        return np.full(len(x), self.value)


class _Guess(Rung):
    """Tunes one number; the best is the median of the target."""

    name, title, summary, reference = "guess", "Guess", "One number.", "none"

    def __init__(self) -> None:
        self.fits = 0

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        self.fits += 1
        return _Constant(settings["value"])

    def space(self, trial, context):
        return {"value": trial.suggest_categorical("value", [0.0, 10.0, 20.0]), "kept": 1}

    def parameters(self, estimator: Any) -> int:
        return 1


def test_tuning_finds_the_best_of_few_and_keeps_constants(rng):
    inputs = _inputs(rng)
    y = rng.normal(10, 1, size=60)
    rung = _Guess()
    assert tune(rung, inputs, y, context_for(inputs, "regression")) == {"value": 10.0, "kept": 1}
    assert rung.fits <= 3 * 5, "settings that come up again are not fitted again"


def test_tuning_repeats_itself_and_follows_its_seed(rng):
    inputs = _inputs(rng)
    y = inputs.table.values @ [1.0, 2.0, 0.0, 0.0] + rng.normal(size=60)
    context = context_for(inputs, "regression")
    rung = RUNGS["ridge"]()
    first = tune(rung, inputs, y, context, trials=6)
    assert tune(rung, inputs, y, context, trials=6) == first
    assert tune(rung, inputs, y, replace(context, seed=1), trials=6) != first
    assert first["blocks"] in {"left", "all"}


def test_tuning_of_pure_noise_promises_nothing(rng):
    """Choosing by an inner split must not make an outer score look better than the truth."""
    gains = []
    for seed in range(6):
        inputs = _inputs(rng, n=80)
        y = rng.normal(size=80)
        context = context_for(inputs, "regression", seed=seed)
        train, test = np.arange(40), np.arange(40, 80)
        rung = RUNGS["svm"]()
        settings = tune(rung, inputs.take(train), y[train], context, trials=8)
        fitted = fit(rung, settings, inputs.take(train), y[train], context)
        error = np.abs(fitted.predict(inputs.take(test)) - y[test]).mean()
        gains.append(np.abs(y[test] - np.median(y[train])).mean() - error)
    assert np.mean(gains) < 0.05


def test_nothing_to_tune_costs_nothing(rng):
    inputs = _inputs(rng)
    assert (
        tune(RUNGS["mean"](), inputs, rng.normal(size=60), context_for(inputs, "regression")) == {}
    )


def test_groups_stay_on_one_side():
    groups = np.repeat(np.arange(10), 3)
    y = np.arange(30.0)
    for train, test in inner_splits(y, "regression", 4, seed=0, groups=groups):
        assert not set(groups[train]) & set(groups[test])


@pytest.mark.parametrize("counts", [(20, 20), (30, 2), (39, 1)])
def test_inner_splits_use_every_sample_once(counts):
    y = np.repeat([0, 1], counts)
    tests = [test for _, test in inner_splits(y, "classification", 5, seed=0)]
    assert len(tests) == 5
    assert sorted(np.concatenate(tests)) == list(range(sum(counts)))
    if min(counts) >= 5:
        assert all(np.bincount(y[test]).tolist() == [4, 4] for test in tests)


def test_a_class_absent_from_training_gets_probability_zero(rng):
    inputs = _inputs(rng)
    y = np.where(inputs.table.values[:, 0] > 0, 3, 1)
    context = context_for(inputs, "classification", n_classes=4)
    for name in ("mean", "ridge", "tree", "svm", "gp"):
        probabilities = fit(RUNGS[name](), {}, inputs, y, context).predict(inputs)
        assert np.array_equal(probabilities[:, [0, 2]], np.zeros((60, 2))), name
        assert np.allclose(probabilities.sum(axis=1), 1), name


@pytest.mark.parametrize("name", ["mean", "ridge", "ebm", "tree", "extra_trees", "gp", "svm"])
def test_a_class_of_one_sample_is_borne(name, rng):
    inputs = _inputs(rng, n=30)
    y = (inputs.table.values[:, 0] > 0).astype(np.int64)
    y[0] = 2
    context = context_for(inputs, "classification", n_classes=3)
    probabilities = fit(RUNGS[name](), {}, inputs, y, context).predict(inputs)
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_faults_are_messages(rng):
    inputs = _inputs(rng)
    y = rng.normal(size=60)
    regression = context_for(inputs, "regression")
    with pytest.raises(UsageError, match="needs images"):
        fit(RUNGS["cnn"](), {}, inputs, y, regression)
    with pytest.raises(InputError, match="Too few samples"):
        fit(RUNGS["ridge"](), {}, inputs.take(np.array([0])), y[:1], regression)
    classes = context_for(inputs, "classification", n_classes=2)
    with pytest.raises(InputError, match="one class only"):
        fit(RUNGS["ridge"](), {}, inputs, np.zeros(60, int), classes)
    empty = Inputs(Representation(np.zeros((60, 0)), (), ()))
    with pytest.raises(InputError, match="no feature"):
        fit(RUNGS["ridge"](), {}, empty, y, context_for(empty, "regression"))


def test_context_survives_storage(rng, tmp_path):
    inputs = _inputs(rng)
    context = context_for(inputs, "regression", symmetries=("flip",), device="cpu", seed=5)
    fit(RUNGS["ridge"](), {"penalty": 2.0}, inputs, rng.normal(size=60), context).save(tmp_path)
    loaded = Fitted.load(tmp_path)
    assert loaded.context == context
    assert loaded.settings == {"penalty": 2.0}


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"rung": 3},
        {"settings": None},
        {"context": {}},
        {"context": {"blocks": 1}},
    ],
)
def test_an_edited_record_is_a_message(rng, tmp_path, change):
    inputs = _inputs(rng)
    context = context_for(inputs, "regression")
    fit(RUNGS["ridge"](), {}, inputs, rng.normal(size=60), context).save(tmp_path)
    path = tmp_path / FITTED_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises((InputError, UsageError)):
        Fitted.load(tmp_path)

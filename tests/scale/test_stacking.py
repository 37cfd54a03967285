"""The stack gives weight to who deserves it, and keeps every member by its own means."""

from __future__ import annotations

import json

import numpy as np
import pytest

from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Representation
from iceframe.scale.fitting import Fitted, context_for, fit, loss
from iceframe.scale.rung import RUNGS, Inputs
from iceframe.scale.stacking import STACK_FILE, check_members, mixture_weights

LIGHT = {"members": ["ridge", "nearest_neighbour", "tree"]}


def _inputs(rng: np.random.Generator, n: int = 90) -> tuple[Inputs, np.ndarray]:
    x = rng.normal(size=(n, 3))
    y = 2 * x[:, 0] + np.where(x[:, 1] > 0, 3.0, 0.0) + 0.1 * rng.normal(size=n)
    return Inputs(Representation(x, ("a", "b", "c"), ("", "", ""), {})), y


def _fit(inputs, y, n_classes=0, settings=LIGHT):
    task = "classification" if n_classes else "regression"
    context = context_for(inputs, task, n_classes=n_classes)
    return fit(RUNGS["stack"](), settings, inputs, y, context)


def test_absolute_error_of_the_weights_is_the_least_on_the_simplex(rng):
    y = rng.normal(size=200)
    predicted = np.column_stack([y + rng.normal(size=200) * s for s in (0.5, 1.0, 2.0)])
    best = mixture_weights(predicted, y, classify=False)
    assert best.sum() == pytest.approx(1)
    assert best.min() >= 0
    assert best[0] > best[1] > best[2]
    least = np.abs(predicted @ best - y).mean()
    for other in rng.dirichlet([1, 1, 1], size=300):
        assert least <= np.abs(predicted @ other - y).mean() + 1e-9


def test_likelihood_of_the_weights_is_the_largest_on_the_simplex(rng):
    y = rng.integers(3, size=300)
    right = 0.6 * np.eye(3)[y] + 0.4 / 3
    noise = rng.dirichlet([1, 1, 1], size=(300, 2))
    predicted = np.stack([right, noise[:, 0], noise[:, 1]], axis=1)
    best = mixture_weights(predicted, y, classify=True)
    assert best[0] > 0.9

    def score(weights):
        return np.log(np.einsum("m,nm->n", weights, predicted[np.arange(300), :, y])).mean()

    for other in rng.dirichlet([1, 1, 1], size=300):
        assert score(best) >= score(other) - 1e-3


def test_weights_do_not_depend_on_the_unit(rng):
    y = rng.normal(size=60)
    predicted = np.column_stack([y + rng.normal(size=60), y + rng.normal(size=60)])
    first = mixture_weights(predicted, y, classify=False)
    second = mixture_weights(1e9 * predicted + 5e9, 1e9 * y + 5e9, classify=False)
    assert first == pytest.approx(second, abs=1e-6)


def test_a_stack_of_a_line_and_a_step_beats_both(rng):
    inputs, y = _inputs(rng, 180)
    train, test = np.arange(90), np.arange(90, 180)
    stack = _fit(inputs.take(train), y[train])
    error = loss(y[test], stack.predict(inputs.take(test)), "regression")
    for name in LIGHT["members"]:
        context = context_for(inputs, "regression")
        alone = fit(RUNGS[name](), {}, inputs.take(train), y[train], context)
        assert error < loss(y[test], alone.predict(inputs.take(test)), "regression")


@pytest.mark.parametrize("classes", [0, 3])
def test_storing_keeps_every_member_and_refuses_strangers(classes, rng, tmp_path):
    inputs, y = _inputs(rng)
    if classes:
        y = np.digitize(y, [0.0, 3.0])
    stack = _fit(inputs, y, classes)
    stack.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    assert np.array_equal(loaded.predict(inputs), stack.predict(inputs))
    assert loaded.describe() == stack.describe()
    assert sum(row["importance"] for row in stack.describe()) == pytest.approx(1)
    record = json.loads((tmp_path / STACK_FILE).read_text())
    record["members"][0] = "stack"
    (tmp_path / STACK_FILE).write_text(json.dumps(record))
    with pytest.raises(InputError, match="damaged"):
        Fitted.load(tmp_path)


@pytest.mark.parametrize("names", [[], ["ridge", "ridge"], ["cnn"], ["stack"]])
def test_members_that_cannot_be_are_refused(names):
    with pytest.raises(UsageError):
        check_members(names)

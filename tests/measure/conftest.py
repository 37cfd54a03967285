"""Inputs and rungs small enough to know the answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from iceframe.core.dataset import ArrayImages
from iceframe.core.values import Representation
from iceframe.scale.rung import Context, Inputs, Rung


class FunctionRung(Rung):
    """A rung whose estimator is a given function of the table: nothing is learned."""

    name = "function"
    title = "Function"
    summary = "A known function."
    reference = "the tests"

    def __init__(self, function: Callable[[np.ndarray], np.ndarray], glass: bool = False) -> None:
        self.function = function
        self.glass_box = glass  # type: ignore[misc]

    def build(self, settings, context):
        return Function(self.function, context.n_classes)

    def parameters(self, estimator):
        return 0


class Function:
    """A scikit-learn style estimator around a function."""

    def __init__(self, function, n_classes):
        self.function, self.classes_ = function, np.arange(n_classes)

    def fit(self, x, y):
        return self

    def predict(self, x):
        return self.function(x)

    predict_proba = predict


@pytest.fixture
def function_rung():
    return FunctionRung


def make_table(x: np.ndarray) -> Inputs:
    """Inputs of plain columns."""
    d = x.shape[1]
    return Inputs(Representation(np.asarray(x, float), tuple(f"x{j}" for j in range(d)), ("",) * d))


@pytest.fixture
def table():
    return make_table


@pytest.fixture
def images():
    def make(values: np.ndarray, periodic: bool = False) -> Inputs:
        source = ArrayImages(np.asarray(values, np.float32), periodic)
        return Inputs(make_table(np.zeros((len(values), 0))).table, source)

    return make


@pytest.fixture
def context():
    def make(task="regression", **more):
        return Context(task=task, n_samples=0, n_features=0, **more)

    return make

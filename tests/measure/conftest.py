"""Inputs and rungs small enough to know the answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from iceframe.core.dataset import ArrayImages
from iceframe.core.values import Representation
from iceframe.scale.fitting import Fitted
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


class PixelRung(Rung):
    """A known torch module of the pixels: nothing is learned."""

    name, title, summary, reference = "pixels", "Pixels", "for tests", "none"
    input = "image"

    def __init__(self, module):
        self.module = module

    def build(self, settings, context):
        return PixelEstimator(self.module, context.n_classes)

    def parameters(self, estimator):
        return 0


class PixelEstimator:
    def __init__(self, module, n_classes):
        self.module, self.classes_ = module, np.arange(n_classes)

    def torch_model(self):
        return self.module

    def _outputs(self, source):
        import torch

        values = source.read(np.arange(len(source))) if hasattr(source, "read") else source
        with torch.no_grad():
            return self.module(torch.from_numpy(np.asarray(values)))

    def predict(self, source):
        return self._outputs(source).numpy()[:, 0]

    def predict_proba(self, source):
        return self._outputs(source).softmax(1).numpy()


def make_pixels(module, task="regression", n_classes=0):
    rung = PixelRung(module)
    about = Context(task=task, n_samples=0, n_features=0, n_classes=n_classes)
    return Fitted(rung, {}, about, rung.build({}, about))


def make_linear(weights):
    import torch

    class Linear(torch.nn.Module):
        def forward(self, x):
            return torch.einsum("nchw,chwk->nk", x, torch.from_numpy(weights).float())

    return Linear()


@pytest.fixture
def pixels():
    """``pixels(module, task, n_classes)``: a torch module as a fitted image rung."""
    return make_pixels


@pytest.fixture
def linear():
    """``linear(weights)``: the linear model ``(n, channels, h, w) -> (n, k)``."""
    return make_linear

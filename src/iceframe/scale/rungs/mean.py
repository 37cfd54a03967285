"""The rung that looks at nothing: the mean, or the class shares.

Whatever cannot beat it has learned nothing. Reference: the constant baseline of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from iceframe.scale.rung import RUNGS, Context, Rung


@RUNGS.register("mean")
class Mean(Rung):
    """Predicts the training mean, or the training shares of the classes."""

    name = "mean"
    title = "Mean"
    summary = "The training mean (or the class shares) for every sample: the floor to beat."
    reference = "Pedregosa et al. 2011, https://jmlr.org/papers/v12/pedregosa11a.html"
    family = "constant"
    glass_box = True

    def build(self, settings: Mapping[str, Any], context: Context) -> Any:
        from sklearn.dummy import DummyClassifier, DummyRegressor

        if context.task == "regression":
            return DummyRegressor(strategy="mean")
        return DummyClassifier(strategy="prior")

    def terms(self, estimator: Any, x: np.ndarray, context: Context) -> np.ndarray:
        classes = () if context.task == "regression" else (context.n_classes,)
        return np.zeros((*x.shape, *classes))

    def parameters(self, estimator: Any) -> int:
        shares = getattr(estimator, "class_prior_", None)
        return 1 if shares is None else len(shares) - 1

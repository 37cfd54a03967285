"""The scikit-learn estimator: gaps filled, a formula sought, stored as arrays and JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from iceframe.core.errors import InputError
from iceframe.scale.symbolic.formula import (
    GENERATIONS,
    MOST_COLUMNS,
    MOST_NODES,
    Formula,
    fit_formula,
)
from iceframe.scale.symbolic.storing import from_state, to_state


class FormulaRegressor(RegressorMixin, BaseEstimator):
    """One formula of the columns; a missing value is the median of the training data.

    Parameters
    ----------
    names, units : of the columns; ``x0``, ``x1``, … and free dimensions where they are empty.
    target, target_unit : of what is predicted.
    dimensions, most_nodes, most_columns, generations : see
        :func:`~iceframe.scale.symbolic.formula.fit_formula`.
    random_state : seed of the search.
    """

    def __init__(
        self,
        names: tuple[str, ...] = (),
        units: tuple[str, ...] = (),
        target: str = "y",
        target_unit: str = "",
        dimensions: bool = True,
        most_nodes: int = MOST_NODES,
        most_columns: int = MOST_COLUMNS,
        generations: int = GENERATIONS,
        random_state: int = 0,
    ) -> None:
        self.names = names
        self.units = units
        self.target = target
        self.target_unit = target_unit
        self.dimensions = dimensions
        self.most_nodes = most_nodes
        self.most_columns = most_columns
        self.generations = generations
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> FormulaRegressor:
        X, y = validate_data(
            self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2,
            ensure_all_finite="allow-nan",
        )  # fmt: skip
        known = ~np.isnan(X)
        self.medians_ = np.array(
            [float(np.median(X[known[:, j], j])) if known[:, j].any() else 0.0
             for j in range(X.shape[1])]
        )  # fmt: skip
        names = tuple(self.names) or tuple(f"x{j}" for j in range(X.shape[1]))
        self.formula_: Formula = fit_formula(
            self._filled(X),
            np.asarray(y, dtype=float),
            names,
            self.units,
            target=self.target,
            target_unit=self.target_unit,
            dimensions=self.dimensions,
            most_nodes=self.most_nodes,
            most_columns=self.most_columns,
            generations=self.generations,
            seed=self.random_state or 0,
        )
        return self

    def predict(self, X: Any) -> np.ndarray:
        x = self._checked(X)
        return self.formula_.predict(x)

    def terms(self, X: Any) -> np.ndarray:
        """Exact contributions ``(n, d)``; see :meth:`Formula.contributions`."""
        x = self._checked(X)
        return self.formula_.contributions(x)

    def n_parameters(self) -> int:
        """Fitted constants, at least one."""
        return max(1, self.formula_.n_constants)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that :meth:`restore` needs."""
        arrays, values = to_state(self.formula_)
        return {**arrays, "medians": self.medians_}, values

    def restore(
        self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]
    ) -> FormulaRegressor:
        """The fitted estimator as stored; an ``InputError`` where the state is damaged."""
        self.formula_ = from_state(arrays, values)
        medians = np.asarray(arrays.get("medians", ()), dtype=float)
        if medians.shape != self.formula_.low.shape:
            raise InputError(
                "This stored formula is damaged.",
                got=f"medians of shape {medians.shape}",
                hint="restore it from a copy, or run again",
            )
        self.medians_ = medians
        self.n_features_in_ = len(medians)
        return self

    def _checked(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "formula_")
        X = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        return self._filled(X)

    def _filled(self, x: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(x), self.medians_, x)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

"""Explainable boosting machines that take missing values without a word.

interpret warns that its own plots cannot show the bin of missing values; ours come from
:meth:`iceframe.scale.rungs.ebm.EBMRung.describe`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor


class BoostedRegressor(ExplainableBoostingRegressor):
    """interpret's regressor without its warnings about missing values."""

    def fit(self, X: Any, y: Any, **options: Any) -> Any:
        with missing_values_allowed():
            return super().fit(X, y, **options)


class BoostedClassifier(ExplainableBoostingClassifier):
    """interpret's classifier without its warnings about missing values."""

    def fit(self, X: Any, y: Any, **options: Any) -> Any:
        with missing_values_allowed():
            return super().fit(X, y, **options)


@contextmanager
def missing_values_allowed() -> Iterator[None]:
    """Silence what interpret says of gaps, and of columns without a single value."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Missing values detected")
        warnings.filterwarnings("ignore", message="All-NaN slice encountered")
        yield

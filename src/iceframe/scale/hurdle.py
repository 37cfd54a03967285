"""Two models for a target that is often exactly zero: whether it is, and how much if it is not.

With ``p = P(y ≠ 0 | x)`` from a classifier and the distribution ``F`` of the other values at ``x``
from a regression of them (its answer plus its own out-of-fold residuals), the target's distribution
is the mixture ``(1 − p) 1[y ≥ 0] + p F(y)``. The answer with the least expected absolute error is
its median:

    p F(0) ≥ ½                 the quantile of F at the level ½ / p        (targets of both signs)
    p F(0) < ½ ≤ 1 − p (1 − F(0))   exactly zero
    else                       the quantile of F at the level 1 − ½ / p

so that where nothing is negative the answer is zero up to ``p = ½`` and above it a value *below*
the regression's own: the zeros still pull. With the least expected squared error it is the mean
``p E[y | y ≠ 0]``.

References: Cragg 1971, https://doi.org/10.2307/1909582; the mean after a logarithm by Duan's
smearing, 1983, https://doi.org/10.1080/01621459.1983.10478017.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted, validate_data

LEAST_ZEROS = 0.05
"""Share of zeros, and of other values, below which one regression does as well."""

LEAST_VALUES = 10  # of zeros and of others, for a classifier and a residual distribution
FOLDS = 3
MOST_RESIDUALS = 401  # quantiles of the residuals that are kept
CERTAIN = 1e-9  # log-odds stay finite

SCALES = ("plain", "log")
ANSWERS = ("median", "mean")


class HurdleRegressor(RegressorMixin, BaseEstimator):
    """A classifier of zero against the rest, and a regressor of the rest.

    Where less than :data:`LEAST_ZEROS` of the training targets are zero (or nearly all are) it is
    the regressor alone, on all samples.

    Parameters
    ----------
    classifier, regressor : unfitted estimators; they are cloned.
    scale : ``plain``, or ``log`` for a regression of ``ln y`` (plain where a value is negative).
    answer : ``median`` (least absolute error) or ``mean`` (least squared error).
    random_state : shuffles the folds of the residuals.

    Attributes
    ----------
    gate_ : the fitted classifier, or ``None`` for a plain regression. amount_ : the regressor.
    residuals_ : quantiles of the amount's out-of-fold residuals, ascending.
    positive_ : whether no training target is negative. logarithmic_ : whether ``ln y`` is fitted.
    """

    def __init__(
        self,
        classifier: Any = None,
        regressor: Any = None,
        scale: str = "plain",
        answer: str = "median",
        random_state: int | None = None,
    ) -> None:
        self.classifier = classifier
        self.regressor = regressor
        self.scale = scale
        self.answer = answer
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> HurdleRegressor:
        if self.scale not in SCALES or self.answer not in ANSWERS:
            raise ValueError(f"scale {self.scale!r} or answer {self.answer!r} is unknown")
        X, y = validate_data(
            self, X, y, dtype=np.float64, y_numeric=True, ensure_all_finite="allow-nan"
        )
        y = np.asarray(y, dtype=np.float64)
        some = y != 0
        self.positive_ = bool((y >= 0).all())
        self.logarithmic_ = self.scale == "log" and self.positive_ and bool(some.any())
        self.gate_, self.residuals_ = None, np.zeros(1)
        if not _zero_inflated(some):
            self.logarithmic_ = False
            self.amount_ = clone(self.regressor).fit(X, y)
            return self
        self.gate_ = clone(self.classifier).fit(X, some.astype(np.int64))
        x, values = X[some], np.log(y[some]) if self.logarithmic_ else y[some]
        folds = KFold(FOLDS, shuffle=True, random_state=self.random_state)
        residuals = np.empty(len(values))
        for train, test in folds.split(x):
            model = clone(self.regressor).fit(x[train], values[train])
            residuals[test] = values[test] - model.predict(x[test])
        levels = np.linspace(0, 1, min(MOST_RESIDUALS, len(residuals)))
        self.residuals_ = np.quantile(residuals, levels)
        self.amount_ = clone(self.regressor).fit(x, values)
        return self

    def predict(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        amount = np.asarray(self.amount_.predict(X), dtype=np.float64)
        if self.gate_ is None:
            return amount
        return self.combine(self.gate_.predict_proba(X)[:, 1], amount)

    def combine(self, chance: np.ndarray, amount: np.ndarray) -> np.ndarray:
        """The answer ``(n,)`` from the chance of a value that is not zero and the fitted amount.

        Examples
        --------
        Residuals are ±1 and the amount is 5: with a chance of 0.8 the median is the quantile at the
        level 1 − 0.5 / 0.8 = 0.375 of values between 4 and 6, which is 4.75.

        >>> model = HurdleRegressor()
        >>> model.residuals_, model.positive_ = np.array([-1.0, 1.0]), True
        >>> model.logarithmic_ = False
        >>> model.combine(np.array([0.4, 0.8, 1.0]), np.array([5.0, 5.0, 5.0])).tolist()
        [0.0, 4.75, 5.0]
        """
        chance = np.clip(chance, CERTAIN, 1.0)
        if self.answer == "mean":
            return chance * self._mean(amount)
        below = np.zeros_like(amount) if self.positive_ else self._share_below_zero(amount)
        level = np.where(chance * below >= 0.5, 0.5 / chance, 1 - 0.5 / chance)
        value = self._quantile(amount, np.clip(level, 0.0, 1.0))
        zero = (chance * below < 0.5) & (chance * (1 - below) <= 0.5)
        return np.where(zero, 0.0, value)

    def _quantile(self, amount: np.ndarray, level: np.ndarray) -> np.ndarray:
        places = np.linspace(0, 1, len(self.residuals_))
        value = amount + np.interp(level, places, self.residuals_)
        if self.logarithmic_:
            return np.exp(value)
        return np.maximum(value, 0.0) if self.positive_ else value

    def _mean(self, amount: np.ndarray) -> np.ndarray:
        if self.logarithmic_:
            return np.exp(amount) * float(np.exp(self.residuals_).mean())
        return np.maximum(amount, 0.0) if self.positive_ else amount

    def _share_below_zero(self, amount: np.ndarray) -> np.ndarray:
        places = np.linspace(0, 1, len(self.residuals_))
        return np.interp(-amount, self.residuals_, places, left=0.0, right=1.0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def shared_contributions(
    model: HurdleRegressor, gate: np.ndarray, amount: np.ndarray, start: tuple[float, float]
) -> np.ndarray:
    """What each feature adds to the answer, exactly, when both models are sums: ``(n, d)``.

    The answer is ``h(s, a)`` with the log-odds ``s = s₀ + Σ_j g_j`` of a value that is not zero and
    the amount ``a = a₀ + Σ_j v_j``. The two sums share ``h(s, a) − h(s₀, a₀)`` as two players do
    (Shapley 1953: the mean over both orders of what each changes); each sum hands its part on in
    proportion to its terms, which for a function of one sum is the share of Aumann and Shapley.

    Parameters
    ----------
    gate, amount : terms ``g`` and ``v`` ``(n, d)``. start : ``(s₀, a₀)``.
    """
    from scipy.special import expit

    log_odds, value = start[0] + gate.sum(axis=1), start[1] + amount.sum(axis=1)
    none = np.full(len(gate), start[0]), np.full(len(gate), start[1])
    nothing = model.combine(expit(none[0]), none[1])
    both = model.combine(expit(log_odds), value)
    only_gate = model.combine(expit(log_odds), none[1])
    only_amount = model.combine(expit(none[0]), value)
    by_gate = ((only_gate - nothing) + (both - only_amount)) / 2
    by_amount = ((only_amount - nothing) + (both - only_gate)) / 2
    return _in_proportion(by_gate, gate) + _in_proportion(by_amount, amount)


def _in_proportion(total: np.ndarray, terms: np.ndarray) -> np.ndarray:
    """``total`` ``(n,)`` shared like ``terms`` ``(n, d)``; no share where the terms cancel."""
    whole = terms.sum(axis=1)
    scale = np.divide(total, whole, out=np.zeros_like(total), where=whole != 0)
    return terms * scale[:, None]


def _zero_inflated(some: np.ndarray) -> bool:
    rarer = min(int(some.sum()), int((~some).sum()))
    return rarer >= max(LEAST_VALUES, LEAST_ZEROS * len(some))

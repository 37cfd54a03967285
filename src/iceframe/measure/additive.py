"""Additive surrogates of a model: what is left of its outputs when features may not interact.

Three families of additive functions g(φ) = Σ_j g_j(φ_j), each scored out of fold: ridge on φ, ridge
on cubic splines of each φ_j (Eilers & Marx 1996, doi 10.1214/ss/1038425655), and boosted trees of
one feature each (Lou, Caruana & Gehrke 2012, doi 10.1145/2339530.2339556) on what the ridge leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from iceframe.core.seeds import derive_seed

PROBABILITY_FLOOR = 1e-6  # keeps log-odds finite
GOOD_ENOUGH = 0.01  # of non-additivity: no need for a better surrogate

Split = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Guess:
    """Out-of-fold values ``(n, k)`` of one surrogate for the model's outputs ``(n, k)``."""

    name: str
    values: np.ndarray
    guess: np.ndarray

    @cached_property
    def lost(self) -> np.ndarray:
        return np.sum((self.values - self.guess) ** 2, axis=1)

    @cached_property
    def total(self) -> np.ndarray:
        return np.sum((self.values - self.values.mean(0)) ** 2, axis=1)

    @cached_property
    def ratio(self) -> float:
        """1 - R²."""
        return float(self.lost.sum() / self.total.sum())


def best_additive(f: np.ndarray, phi: np.ndarray, seed: int, folds: int = 5) -> Guess:
    """The surrogate with the highest cross-validated R² for the outputs ``(n, k)`` of a model.

    ``phi`` is ``(n, d)``, finite. Probabilities (k ≥ 2) are also tried as log-odds.
    """
    split = _shuffled_folds(len(f), folds, seed)
    guesses = [
        Guess(name + scale, values, guess)
        for scale, values in _scales(f)
        for name, guess in _linear_guesses(values, phi, split).items()
    ]
    best = min(guesses, key=lambda g: g.ratio)
    if best.ratio > GOOD_ENOUGH:  # trees are dear: only on the better scale, and only if needed
        linear = next(g.guess for g in guesses if g.values is best.values)
        boosted = linear + _boosted_rest(best.values - linear, phi, split)
        trees = Guess("ridge and boosted trees", best.values, boosted)
        best = min(best, trees, key=lambda g: g.ratio)
    return best


def _scales(f: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The model's outputs, and their log-odds where they are probabilities."""
    if f.shape[1] == 1:
        return [("", f)]
    safe = np.clip(f, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    logs = np.log(safe)
    columns = slice(1, None) if f.shape[1] == 2 else slice(None)  # two classes: one number
    return [("", f[:, columns]), (" of log-odds", (logs - logs.mean(1, keepdims=True))[:, columns])]


def _shuffled_folds(n: int, folds: int, seed: int) -> Split:
    from sklearn.model_selection import KFold

    state = derive_seed(seed, "non-additivity")
    return list(KFold(min(folds, n), shuffle=True, random_state=state).split(np.zeros((n, 1))))


def _linear_guesses(f: np.ndarray, phi: np.ndarray, split: Split) -> dict[str, np.ndarray]:
    """Out-of-fold values ``(n, k)`` of the ridge on φ and on its splines."""
    linear, spline = np.empty_like(f), np.empty_like(f)
    for train, test in split:
        ridge = _ridge().fit(phi[train], f[train])
        linear[test] = two_dimensional(ridge.predict(phi[test]))
        curved = _spline_ridge(len(train)).fit(phi[train], f[train])
        spline[test] = two_dimensional(curved.predict(phi[test]))
    return {"ridge": linear, "spline ridge": spline}


def _boosted_rest(rest: np.ndarray, phi: np.ndarray, split: Split) -> np.ndarray:
    """Out-of-fold values ``(n, k)`` of boosted trees that each see one feature, for ``rest``.

    ``rest`` is what an out-of-fold ridge leaves, so no test value enters its own guess but through
    the ridges of the other folds.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    guess = np.empty_like(rest)
    for train, test in split:
        for column in range(rest.shape[1]):
            trees = HistGradientBoostingRegressor(
                max_iter=120, max_leaf_nodes=8, min_samples_leaf=5, learning_rate=0.15,
                interaction_cst="no_interactions", early_stopping=False, random_state=0,
            )  # fmt: skip
            trees.fit(phi[train], rest[train, column])
            guess[test, column] = trees.predict(phi[test])
    return guess


def _ridge() -> Any:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-6, 3, 10)))


def _spline_ridge(n: int) -> Any:
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    knots = int(np.clip(n // 20, 4, 8))
    splines = SplineTransformer(knots, degree=3, knots="uniform", extrapolation="linear")
    return make_pipeline(StandardScaler(), splines, RidgeCV(np.logspace(-5, 3, 9)))


def two_dimensional(f: np.ndarray) -> np.ndarray:
    """Outputs ``(n,)`` or ``(n, k)`` as ``(n, k)``."""
    f = np.asarray(f, float)
    return f[:, None] if f.ndim == 1 else f


def imputed(phi: np.ndarray) -> np.ndarray:
    """Missing and infinite values at the column's median; constant columns stay."""
    phi = np.where(np.isfinite(phi), phi, np.nan)
    missing = np.isnan(phi)
    if not missing.any():
        return phi
    filled = np.array(
        [np.median(c[~m]) if not m.all() else 0.0 for c, m in zip(phi.T, missing.T, strict=True)]
    )
    return np.where(missing, filled, phi)

"""A property read off CHGNet's embedding, which stays as it is.

**Regression.** Kernel ridge regression (the mean of a Gaussian process) with two kernels added,

    k(a, b) = 1 + l_a·l_b + M(‖z_a − z_b‖ √(2/d) / λ),    M(r) = (1 + √5 r + 5 r²/3) e^{−√5 r}

where ``l`` are the terms of the corrected energy (:mod:`iceframe.scale.foundation.
energy_correction`), standardised, and ``z`` ``(d,)`` the standardised embedding with the element
fractions beside it. The first kernel goes on straight where there are no data, the second takes up
what is smooth in the embedding. Length ``λ`` and noise are those with the lowest leave-one-out
absolute error ``|α_i / (K⁻¹)_ii|`` on at most :data:`CHOOSING` samples (Rasmussen & Williams 2006,
equation 5.12, https://doi.org/10.7551/mitpress/3206.001.0001).

**Classification.** Logistic regression on ``l`` and ``z``, its penalty by the log loss over inner
folds: a linear probe (Alain & Bengio 2016, https://arxiv.org/abs/1610.01644).

What CHGNet cannot describe stands at the mean of the training data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from iceframe.core.crystals import Crystals
from iceframe.core.seeds import derive_seed, generator
from iceframe.scale.encoder_probe import _strength
from iceframe.scale.foundation.chgnet_features import chgnet_features
from iceframe.scale.foundation.energy_correction import (
    check_weights,
    composition_terms,
    damaged,
    element_fractions,
    weights_state,
)
from iceframe.scale.log_odds import SoftmaxAnswers, logistic_scores

LENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""λ, where 2 is about the distance of two samples drawn at random."""

NOISES = np.logspace(-4, 0, 13)
"""Variance of the noise, relative to that of each kernel."""

CHOOSING = 1000
MOST = 8000
"""Samples that the kernel is built on at most: 8000² numbers are 0.5 GB."""

ROWS = 2000
"""Rows of the kernel between new and training samples that are held at once."""


class _Probe(BaseEstimator):
    """What both share: the inputs ``l`` and ``z``, standardised as in the training data."""

    def __init__(self, *, random_state: int | None = 0) -> None:
        self.random_state = random_state

    def _raw(self, X: Crystals) -> tuple[np.ndarray, np.ndarray]:
        """``(n, p)`` and ``(n, d)`` in their own units, NaN where undefined."""
        fractions = element_fractions(X)[:, self.elements_ - 1]
        linear = np.hstack([fractions, composition_terms(X, extended=True)])
        return linear, np.hstack([chgnet_features(X).embeddings, fractions])

    def _fit_inputs(self, X: Crystals) -> tuple[np.ndarray, np.ndarray]:
        self.elements_ = np.unique(X.numbers)
        raw = np.hstack(self._raw(X))
        seen = np.isfinite(raw)
        count = np.maximum(seen.sum(axis=0), 1)
        self.centre_ = np.where(seen, raw, 0.0).sum(axis=0) / count
        away = np.where(seen, raw - self.centre_, 0.0)
        spread = np.sqrt((away**2).sum(axis=0) / count)
        self.spread_ = np.where(spread > 1e-7 * np.maximum(np.abs(self.centre_), 1e-6), spread, 1.0)
        return self._inputs(X)

    def _inputs(self, X: Crystals) -> tuple[np.ndarray, np.ndarray]:
        """``l`` ``(n, p)``, whose fractions weigh as much as one other column, and ``z``."""
        check_is_fitted(self, "centre_")
        linear, embedded = self._raw(X)
        p, count = linear.shape[1], len(self.elements_)
        z = (np.hstack([linear, embedded]) - self.centre_) / self.spread_
        z = np.where(np.isfinite(z), z, 0.0)
        weights = np.ones(p)
        weights[:count] = 1 / np.sqrt(count)
        return z[:, :p] * weights, z[:, p:]

    def _shared_state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays = {"elements": self.elements_, "centre": self.centre_, "spread": self.spread_}
        return arrays, dict(weights_state())

    def _restore_shared(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        check_weights(values)
        self.elements_ = np.array(arrays["elements"])
        self.centre_, self.spread_ = np.array(arrays["centre"]), np.array(arrays["spread"])


class ProbeRegressor(RegressorMixin, _Probe):
    """Kernel ridge regression on CHGNet's embedding and the terms of the corrected energy.

    Attributes
    ----------
    length_, noise_ : what was chosen. kept_linear_, kept_embedded_ : the training samples' ``l``
    and ``z``. dual_ : their weights ``(n,)``.
    """

    def fit(self, X: Crystals, y: np.ndarray) -> ProbeRegressor:
        """Fit to crystals ``X`` and target ``y`` ``(n,)``; of more than :data:`MOST`, to a random
        part."""
        from scipy.linalg import cho_factor, cho_solve

        y = np.asarray(y, float)
        order = generator(int(self.random_state or 0), "probe").permutation(len(y))
        if len(y) > MOST:
            X, y = X.take(order[:MOST]), y[order[:MOST]]
            order = np.arange(MOST)
        linear, embedded = self._fit_inputs(X)
        self.shift_ = float(y.mean())
        spread = float(y.std())
        self.scale_ = spread if spread > 1e-12 * abs(self.shift_) else 1.0
        standard = (y - self.shift_) / self.scale_
        few = np.sort(order[:CHOOSING])
        self.length_, self.noise_ = _choose(linear[few], embedded[few], standard[few])
        self.kept_linear_, self.kept_embedded_ = linear, embedded
        kernel = _kernel(linear, embedded, linear, embedded, self.length_)
        kernel[np.diag_indices(len(y))] += self.noise_
        self.dual_ = cho_solve(cho_factor(kernel, overwrite_a=True), standard)
        return self

    def predict(self, X: Crystals) -> np.ndarray:
        """Predictions ``(n,)``."""
        linear, embedded = self._inputs(X)
        answers = np.empty(len(X))
        for start in range(0, len(X), ROWS):
            rows = slice(start, start + ROWS)
            kernel = _kernel(
                linear[rows],
                embedded[rows],
                self.kept_linear_,
                self.kept_embedded_,
                self.length_,
            )
            answers[rows] = kernel @ self.dual_
        return answers * self.scale_ + self.shift_

    def n_parameters(self) -> int:
        """The model is its training data: every number in it is kept."""
        return int(self.dual_.size + self.kept_linear_.size + self.kept_embedded_.size)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that :meth:`restore` needs."""
        arrays, values = self._shared_state()
        arrays |= {
            "linear": self.kept_linear_,
            "embedded": self.kept_embedded_,
            "dual": self.dual_,
        }
        values |= {
            "length": self.length_,
            "noise": self.noise_,
            "shift": self.shift_,
            "scale": self.scale_,
        }
        return arrays, values

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Any:
        """Become the fitted estimator that gave this state.

        Raises
        ------
        InputError : the state is of another estimator, or of other weights of CHGNet.
        """
        try:
            self._restore_shared(arrays, values)
            self.kept_linear_ = np.array(arrays["linear"])
            self.kept_embedded_ = np.array(arrays["embedded"])
            self.dual_ = np.array(arrays["dual"])
            self.length_, self.noise_ = float(values["length"]), float(values["noise"])
            self.shift_, self.scale_ = float(values["shift"]), float(values["scale"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(error) from error
        return self


class ProbeClassifier(SoftmaxAnswers, ClassifierMixin, _Probe):
    """Logistic regression on CHGNet's embedding and the terms of the corrected energy."""

    def fit(self, X: Crystals, y: np.ndarray) -> ProbeClassifier:
        """Fit to crystals ``X`` and classes ``y`` ``(n,)``."""
        from sklearn.linear_model import LogisticRegression

        self.classes_, codes = np.unique(y, return_inverse=True)
        z = np.hstack(self._fit_inputs(X))
        strength = _strength(z, codes, derive_seed(int(self.random_state or 0), "probe"))
        model = LogisticRegression(C=strength, max_iter=5000).fit(z, codes)
        weights, self.intercept_ = logistic_scores(model)
        self.weights_ = np.ascontiguousarray(weights)
        return self

    def _outputs(self, X: Crystals) -> np.ndarray:
        return np.hstack(self._inputs(X)) @ self.weights_.T + self.intercept_

    def n_parameters(self) -> int:
        """Weights and intercepts."""
        return int(self.weights_.size + self.intercept_.size)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and JSON values that :meth:`restore` needs."""
        arrays, values = self._shared_state()
        arrays |= {"weights": self.weights_, "intercept": self.intercept_}
        return arrays, {**values, "classes": self.classes_.tolist()}

    def restore(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> Any:
        """Become the fitted estimator that gave this state.

        Raises
        ------
        InputError : the state is of another estimator, or of other weights of CHGNet.
        """
        try:
            self._restore_shared(arrays, values)
            self.weights_ = np.array(arrays["weights"])
            self.intercept_ = np.array(arrays["intercept"])
            self.classes_ = np.array(values["classes"])
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(error) from error
        return self


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances ``(n, m)``, where two samples drawn at random are about 2 apart."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(a, b)) * np.sqrt(2 / a.shape[1])


def _matern(distance: np.ndarray, length: float) -> np.ndarray:
    r = np.sqrt(5) * distance / length
    return (1 + r + r**2 / 3) * np.exp(-r)


def _kernel(
    linear: np.ndarray,
    embedded: np.ndarray,
    other_linear: np.ndarray,
    other_embedded: np.ndarray,
    length: float,
) -> np.ndarray:
    kernel = _matern(_distances(embedded, other_embedded), length)
    kernel += linear @ other_linear.T
    kernel += 1.0
    return kernel


def _choose(linear: np.ndarray, embedded: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Length and noise with the lowest leave-one-out absolute error."""
    distance = _distances(embedded, embedded)
    straight = linear @ linear.T + 1.0
    best = (np.inf, LENGTHS[0], float(NOISES[0]))
    for length in LENGTHS:
        values, vectors = np.linalg.eigh(_matern(distance, length) + straight)
        turned = vectors.T @ y
        for noise in NOISES:
            inverse = 1 / (np.maximum(values, 0.0) + noise)
            left_out = (vectors @ (inverse * turned)) / (vectors**2 @ inverse)
            best = min(best, (float(np.abs(left_out).mean()), length, float(noise)))
    return best[1:]

"""The scale on which a classifier's contributions add up.

For ``k`` classes with probabilities ``p``, the log-odds of class ``c`` are taken against the
geometric mean of the others, ``log p_c − mean_{j≠c} log p_j``. With two classes that is the usual
logit; with more it is linear in the scores under a softmax, so that additive scores stay additive.
It is the centred log-ratio times ``k / (k − 1)``: Aitchison 1982,
https://doi.org/10.1111/j.2517-6161.1982.tb01195.x.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


def against_others(scores: np.ndarray) -> np.ndarray:
    """Scores under a softmax ``(..., k)`` as log-odds against the other classes ``(..., k)``.

    Examples
    --------
    >>> against_others(np.array([[0.0, 3.0]]))
    array([[-3.,  3.]])
    """
    k = scores.shape[-1]
    return (scores - scores.mean(axis=-1, keepdims=True)) * (k / (k - 1))


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Log-odds ``(n, k)`` of probabilities ``(n, k)``, all of them positive.

    Examples
    --------
    >>> log_odds(np.array([[0.25, 0.75]])).round(3)
    array([[-1.099,  1.099]])
    """
    return against_others(np.log(probabilities))


def binary_scores(scores: np.ndarray) -> np.ndarray:
    """Contributions ``(...)`` to the logit of class 1 as scores of both classes ``(..., 2)``."""
    return np.stack([np.zeros_like(scores), scores], axis=-1)


def logistic_scores(model: LogisticRegression) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``(k, p)`` and intercepts ``(k,)`` of a fitted logistic regression, one row a class.

    Of two classes scikit-learn keeps one row, the log-odds of the second: the first scores 0.
    """
    weights, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        weights = np.concatenate([np.zeros_like(weights), weights])
        intercept = np.concatenate([np.zeros_like(intercept), intercept])
    return weights, intercept


class SoftmaxAnswers:
    """Classifiers whose ``_outputs(X)`` ``(n, k)`` are scores under a softmax of ``classes_``."""

    classes_: np.ndarray

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities ``(n, k)`` in the order of ``classes_``."""
        from scipy.special import softmax

        return np.asarray(softmax(self._outputs(X), axis=1))  # type: ignore[attr-defined]

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each sample ``(n,)``."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

"""Partial dependence: how a model's answer moves with one feature, the others as they occur.

``PD_j(v) = ⟨f(x with x_j = v)⟩`` over samples ``x``, less its mean over the values that occur: what
the value ``v`` adds to the answer on average. Friedman 2001, https://doi.org/10.1214/aos/1013203451.

Trap: it asks the model about combinations that may not exist, where features are correlated; and
an average hides interactions: two halves that rise and fall give a flat line.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from iceframe.core.seeds import generator
from iceframe.scale.log_odds import log_odds

POINTS = 24
ROWS = 100
ENDS = 0.02  # of the samples beyond either end of the curve
PROBABILITY_FLOOR = 1e-6  # keeps log-odds finite


def partial_dependence(
    predict: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    feature: int,
    *,
    points: int = POINTS,
    rows: int = ROWS,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """The curve of one feature.

    Parameters
    ----------
    predict : the model, ``(m, d)`` -> ``(m,)``, or probabilities ``(m, k)``.
    x : samples ``(n, d)``, NaN where missing. feature : the column.
    points, rows : most values of the feature, and most samples that they are put into.

    Returns
    -------
    Values of the feature ``(p,)``, rising, and what each adds on average: ``(p,)`` in the unit of
    the target, or ``(p, k)`` in log-odds of each class. Empty where the feature has one value.

    Examples
    --------
    >>> x = np.column_stack([np.linspace(0, 1, 50), np.linspace(3, 1, 50)])
    >>> values, adds = partial_dependence(lambda t: 4 * t[:, 0] + t[:, 1] ** 2, x, 0)
    >>> float(((adds[-1] - adds[0]) / (values[-1] - values[0])).round(6))
    4.0
    """
    values = levels(x[:, feature], points)
    if len(values) < 2:
        return values[:0], values[:0]
    chosen = np.sort(generator(seed, "partial dependence").permutation(len(x))[:rows])
    asked = np.repeat(x[chosen][None], len(values), axis=0)  # (values, rows, d)
    asked[:, :, feature] = values[:, None]
    answer = predict(asked.reshape(-1, x.shape[1]))
    if answer.ndim == 2:
        answer = log_odds(np.clip(answer, PROBABILITY_FLOOR, None))
    mean = answer.reshape(len(values), len(chosen), *answer.shape[1:]).mean(axis=1)
    return values, mean - mean.mean(axis=0)


def levels(column: np.ndarray, points: int = POINTS) -> np.ndarray:
    """At most ``points`` values of a feature, rising: all that occur, else evenly many quantiles.

    >>> levels(np.array([1.0, np.nan, 0.0, 1.0]))
    array([0., 1.])
    """
    known = np.unique(column[np.isfinite(column)])
    if len(known) <= points:
        return known
    return np.unique(np.quantile(column[np.isfinite(column)], np.linspace(ENDS, 1 - ENDS, points)))

"""Bayesian comparison of two rungs on the same folds.

Correlated Bayesian t-test (Corani & Benavoli 2015, doi 10.1007/s10994-015-5486-z) with the variance
of Nadeau & Bengio (2003, doi 10.1023/A:1024068626366): with k paired differences of mean m and
unbiased variance s², the posterior of the mean difference is Student-t with k − 1 degrees of
freedom, location m and squared scale (1/k + n_test/n_train) s².
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special


@dataclass(frozen=True)
class Difference:
    """Posterior of a mean difference: Student-t with ``location``, ``scale`` and ``dof``."""

    location: float
    scale: float
    dof: int

    def probability_at_most(self, limit: float) -> float:
        """P(difference ≤ limit); NaN where one fold leaves the scale unknown."""
        if np.isnan(self.scale):
            return float("nan")
        if self.scale <= 1e-12 * max(abs(self.location), abs(limit)):
            return float(self.location <= limit)
        return float(special.stdtr(self.dof, (limit - self.location) / self.scale))


def correlated_difference(
    losses: Sequence[float], reference: Sequence[float], *, n_train: float, n_test: float
) -> Difference:
    """Posterior of the mean of ``losses − reference`` over paired folds.

    Parameters
    ----------
    losses, reference : ``(k,)`` fold losses of two models on the same folds; repeated
        cross-validation simply has more folds. n_train, n_test : samples in one fold's two parts.

    Raises
    ------
    ValueError : unequal numbers of folds, none at all, or empty parts.

    Examples
    --------
    >>> d = correlated_difference([3.0, 5.0], [1.0, 1.0], n_train=80, n_test=20)
    >>> d.location, d.dof, round(d.scale**2, 6)     # s² = 2; (1/2 + 1/4) 2
    (3.0, 1, 1.5)
    """
    if len(losses) != len(reference) or not len(losses):
        raise ValueError(f"paired folds are needed, got {len(losses)} and {len(reference)}")
    if n_train <= 0 or n_test <= 0:
        raise ValueError(f"n_train and n_test must be positive, got {n_train} and {n_test}")
    differences = np.asarray(losses, float) - np.asarray(reference, float)
    k = len(differences)
    if k == 1:
        return Difference(float(differences[0]), float("nan"), 0)
    variance = (1.0 / k + n_test / n_train) * float(np.var(differences, ddof=1))
    return Difference(float(differences.mean()), float(np.sqrt(variance)), k - 1)


def probability_within(
    losses: Sequence[float],
    reference: Sequence[float],
    rope: float,
    *,
    n_train: float,
    n_test: float,
) -> float:
    """P(mean loss − mean reference ≤ rope): that a model is non-inferior.

    ``rope`` is the region of practical equivalence, ≥ 0, in the unit of the loss.

    Examples
    --------
    >>> probability_within([1.0, 1.2, 0.9], [1.0, 1.2, 0.9], 0.0, n_train=2, n_test=1)
    1.0
    """
    difference = correlated_difference(losses, reference, n_train=n_train, n_test=n_test)
    return difference.probability_at_most(rope)


def probability_share_below(share: float, n: int, limit: float) -> float:
    """P(rate < limit) given ``share`` of ``n`` trials succeeded, under a uniform Beta prior.

    Examples
    --------
    >>> round(probability_share_below(0.5, 100, 0.5), 3)
    0.5
    """
    if n <= 0 or not np.isfinite(share):
        return float("nan")
    successes = round(share * n)
    return float(special.betainc(successes + 1, n - successes + 1, limit))

"""Scores for sets of classes: LAC, APS and RAPS.

A score s(x, c) of every class; c belongs to the set of x if s(x, c) is at most the
⌈level (n + 1)⌉-th smallest score of the true classes of n left-out samples. With p_c the
probabilities, ρ_c the summed probability of the classes that are more probable than c, o_c the
place of c in that order (1 is first) and u ∈ [0, 1]:

* LAC ``1 − p_c``: the smallest sets on average (Sadinle, Lei & Wasserman 2019,
  doi 10.1080/01621459.2017.1395341).
* APS ``ρ_c + (1 − u) p_c``: larger sets, whose size tells easy samples from hard ones (Romano,
  Sesia & Candès 2020, arXiv 2006.02544). u uniform makes the score of the true class uniform for a
  calibrated model; u = 0 gives larger sets and the same answer each time.
* RAPS: APS plus ``penalty · (o_c − allowed)₊``, against long tails of improbable classes
  (Angelopoulos, Bates, Malik & Jordan 2021, arXiv 2009.14193).
"""

from __future__ import annotations

import numpy as np

from iceframe.measure.conformal import threshold
from iceframe.measure.uncertainty.intervals import ascending, checked_level, finite


def lac_scores(probabilities: np.ndarray) -> np.ndarray:
    """``1 − p``: ``(n, k)`` of probabilities ``(n, k)``."""
    return 1.0 - finite(probabilities, "the probabilities")


def aps_scores(
    probabilities: np.ndarray,
    u: np.ndarray | None = None,
    *,
    penalty: float = 0.0,
    allowed: int = 1,
) -> np.ndarray:
    """APS scores ``(n, k)``, or RAPS scores where ``penalty`` is positive.

    Parameters
    ----------
    probabilities : ``(n, k)``. u : ``(n,)`` uniform draws, default 0. penalty : what each place
        beyond ``allowed`` costs, ≥ 0.

    Examples
    --------
    >>> p = np.array([[0.2, 0.5, 0.3]])
    >>> aps_scores(p).round(3).tolist()
    [[1.0, 0.5, 0.8]]
    >>> aps_scores(p, penalty=0.1).round(3).tolist()    # third, first and second
    [[1.2, 0.5, 0.9]]
    """
    p = finite(probabilities, "the probabilities")
    order = np.argsort(-p, axis=1, kind="stable")
    place = np.argsort(order, axis=1, kind="stable")
    summed = np.take_along_axis(np.cumsum(np.take_along_axis(p, order, 1), axis=1), place, 1)
    own = 0.0 if u is None else np.asarray(u, float)[:, None] * p
    return np.asarray(summed - own + penalty * np.maximum(place + 1 - allowed, 0))


def prediction_sets(
    scores: np.ndarray, codes: np.ndarray, new: np.ndarray, level: float = 0.9
) -> np.ndarray:
    """Sets, bool ``(m, k)``, from scores of left-out samples ``(n, k)`` and of new ones ``(m, k)``.

    ``codes`` ``(n,)`` are the true classes of the left-out samples. The class with the lowest score
    always remains, so that no set is empty; every class does where n is too small for the level.

    Examples
    --------
    >>> scores = lac_scores(np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]]))
    >>> new = lac_scores(np.array([[0.8, 0.2], [0.5, 0.5]]))
    >>> prediction_sets(scores, np.array([0, 1, 1]), new, level=0.75).tolist()
    [[True, False], [True, True]]
    """
    codes = np.asarray(codes, int)
    own = ascending(np.asarray(scores, float)[np.arange(len(codes)), codes])
    new = finite(new, "the scores")
    sets = new <= threshold(own, checked_level(level))
    sets[np.arange(len(sets)), new.argmin(axis=1)] = True
    return np.asarray(sets)

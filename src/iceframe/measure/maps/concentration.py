"""How few parts of an input carry its explanation.

All three say it of the shares ``p_j = |a_j| / Σ|a|`` of the ``d`` parts (features, pixels, voxels):

* entropy ``H = −Σ p ln p``, between 0 and ``ln d``;
* compactness ``1 − (exp H − 1)/(d − 1)``, the entropy between 0 and 1, comparable across ``d``;
* Gini's index of the shares, between 0 and ``1 − 1/d``.

All are undefined (NaN) for a constant explanation, which singles nothing out and so tells nothing
about how few parts it would single out, and for one that is not finite. Compactness is that of the
parts that are there: one that is NaN is not, as an element is not that a crystal does not hold.
"""

from __future__ import annotations

import math

import numpy as np

from iceframe.measure.ranks import ROUNDING, entries_there


def sizes(maps: np.ndarray) -> np.ndarray:
    """``|a|`` of maps ``(n, ...)`` as float64 rows ``(n, d)``, each over its largest value.

    A row is NaN where the map is constant (up to rounding) or not finite.

    Examples
    --------
    >>> sizes(np.array([[[1.0, -2.0]], [[3.0, 3.0]]]))
    array([[0.5, 1. ],
           [nan, nan]])
    """
    rows = _rows(maps)
    size = np.abs(rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        largest = size.max(axis=1, keepdims=True, initial=0.0)
        spread = rows.max(axis=1, initial=-np.inf) - rows.min(axis=1, initial=np.inf)
        told = (spread > ROUNDING * largest[:, 0]) & np.isfinite(spread)
        return np.where(told[:, None], size / largest, np.nan)


def entropy(maps: np.ndarray) -> np.ndarray:
    """Entropy of the shares of maps ``(n, ...)``, in nats: ``(n,)``, between 0 and ``ln d``.

    ``−Σ p ln p`` with ``p = |a|/Σ|a|``; Bhatt, Weller & Moura 2020,
    doi 10.24963/ijcai.2020/417, §3.3. Lower is more concentrated. NaN for constant maps.

    Trap: it grows with the number of pixels, so maps of one size only compare; and short is not
    right: a single bright pixel has 0 wherever it is.

    Examples
    --------
    >>> entropy(np.array([[1.0, 0.0, 0.0], [1.0, -1.0, 0.0]])).round(4)
    array([0.    , 0.6931])
    """
    size = sizes(maps)
    shares = size / size.sum(axis=1, keepdims=True)
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares != 0)
    return np.abs(np.einsum("nd,nd->n", shares, logarithms))


def compactness(maps: np.ndarray) -> np.ndarray:
    """How few parts carry the attribution: ``1 − (exp H − 1)/(d − 1)`` per sample, ``(n,)``.

    H is the :func:`entropy` of attributions ``(n, d)`` or maps ``(n, *grid)``, after Bhatt,
    Weller & Moura 2020, doi 10.24963/ijcai.2020/417, §3.3 (there the entropy itself). Higher is
    more compact: 1 where one part has it all, near 0 where all d have nearly the same. NaN where
    all are equal; 1 for a single part that is not zero. Parts that are NaN are not there, and d
    counts the others.

    Trap: short is not right. A constant-but-one explanation is compact and may be unfaithful.

    Examples
    --------
    >>> compactness(np.array([[3.0, 0.0, 0.0], [1.0, -1.0, 1.0], [2.0, 2.0, 2.0]])).round(6)
    array([ 1.,  0., nan])
    >>> compactness(np.array([[3.0, 0.0, np.nan], [1.0, np.nan, 2.0]])).round(2)
    array([1.  , 0.11])
    """
    rows = _rows(maps)
    absent = np.isnan(rows)
    if absent.any():
        found = np.full(len(rows), np.nan)
        for those, there in entries_there(absent):
            if len(there):
                found[those] = compactness(rows[np.ix_(those, there)])
        return found
    if rows.shape[1] == 1:
        return np.where(np.isfinite(rows[:, 0]) & (rows[:, 0] != 0), 1.0, np.nan)
    return 1.0 - (np.exp(entropy(rows)) - 1.0) / (rows.shape[1] - 1.0)


def gini(maps: np.ndarray) -> np.ndarray:
    """Gini's index of the sizes ``|a|`` of maps ``(n, ...)``: ``(n,)``, between 0 and 1 − 1/d.

    ``Σ_k (2k − d − 1) |a|_(k) / (d Σ|a|)`` with the sizes in rising order; Chalasani et al. 2020,
    arXiv 1810.06583. Higher is sparser. NaN for constant maps.

    Trap: noise is sparse as well: the sizes of white noise of normal values have √2 − 1 ≈ 0.41. A
    map is sparse only by comparison, and sparse is not right.

    Examples
    --------
    >>> gini(np.array([[1.0, 0.0, 0.0, 0.0], [2.0, -2.0, 1.0, 1.0]])).round(4)
    array([0.75  , 0.1667])
    """
    size = np.sort(sizes(maps), axis=1)
    d = size.shape[1]
    weights = 2.0 * np.arange(1, d + 1) - d - 1.0
    return size @ weights / (d * size.sum(axis=1))


def _rows(maps: np.ndarray) -> np.ndarray:
    maps = np.asarray(maps, float)
    return maps.reshape(len(maps), math.prod(maps.shape[1:]))

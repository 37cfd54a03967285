"""Where a measurement is worth most, in a space of features.

Of candidates those are picked one by one whose measurement lowers the variance of a Gaussian
process over all candidates most. With prior correlation ``k`` and noise ``σ²``, measuring ``j``
lowers the variance at ``i`` by ``k_ij² / (k_jj + σ²)``; then ``k ← k − k_·j k_j· / (k_jj + σ²)``.
The correlation is ``exp(−d²/2ℓ²)`` of standardised features, ℓ the median distance between known
samples. Targets do not enter: what is picked does not depend on what the models believe.

Reference: active learning by Cohn, Ghahramani & Jordan 1996, doi:10.1613/jair.295.
"""

from __future__ import annotations

import numpy as np

NOISE = 0.05  # variance of a measurement, of that of the process
MOST_KNOWN = 400  # known samples that the process is told of, evenly spread


def standardised(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Features ``(n, d)`` less the mean of ``known`` ``(m, d)``, over its standard deviation.

    Missing values become the mean; features that do not vary are left out.
    """
    with np.errstate(invalid="ignore"):
        some = np.isfinite(known)
        count = np.maximum(some.sum(axis=0), 1)
        centre = np.where(some, known, 0.0).sum(axis=0) / count
        width = np.sqrt((np.where(some, known - centre, 0.0) ** 2).sum(axis=0) / count)
    varies = width > 1e-12 * np.maximum(np.abs(centre), 1e-300)
    scaled = (x[:, varies] - centre[varies]) / width[varies]
    return np.where(np.isfinite(scaled), scaled, 0.0)


def distances(x: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Distance of each of ``x`` ``(n, d)`` to the nearest of ``known`` ``(m, d)``: ``(n,)``.

    >>> distances(np.array([[0.0], [4.0]]), np.array([[0.0], [2.0]])).tolist()
    [0.0, 2.0]
    """
    from scipy.spatial import KDTree

    found, _ = KDTree(standardised(known, known)).query(standardised(x, known))
    return np.asarray(found)


def most_telling(x: np.ndarray, known: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``n`` of ``x`` ``(m, d)`` to measure, in order, and what each is worth: the share of the
    variance over all of ``x``, given ``known`` ``(k, d)``, that its measurement takes away.

    >>> x, known = np.array([[0.0], [5.0], [5.1], [1.0]]), np.array([[0.0], [1.0]])
    >>> most_telling(x, known, 1)[0].tolist() in ([1], [2])
    True
    """
    rows = np.unique(np.linspace(0, len(known) - 1, min(len(known), MOST_KNOWN)).astype(int))
    a, b = standardised(x, known), standardised(known[rows], known)
    scale = _median_distance(b)
    prior, cross, held = (_correlation(p, q, scale) for p, q in ((a, a), (a, b), (b, b)))
    told = np.linalg.solve(held + NOISE * np.eye(len(b)), cross.T)
    covariance = prior - cross @ told
    total = max(float(np.trace(covariance)), np.finfo(float).tiny)
    order: list[int] = []
    gains: list[float] = []
    for _ in range(min(n, len(x))):
        own = np.maximum(np.diag(covariance), 0.0)
        gain = (covariance**2).sum(axis=0) / (own + NOISE)
        gain[order] = -np.inf  # once is enough
        pick = int(np.argmax(gain))
        column = covariance[:, pick].copy()
        covariance -= np.outer(column, column) / (own[pick] + NOISE)
        order.append(pick)
        gains.append(float(gain[pick]) / total)
    return np.array(order, int), np.array(gains)


def _correlation(a: np.ndarray, b: np.ndarray, scale: float) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return np.asarray(np.exp(-0.5 * (cdist(a, b) / scale) ** 2))


def _median_distance(x: np.ndarray) -> float:
    from scipy.spatial.distance import pdist

    found = pdist(x)
    median = float(np.median(found)) if len(found) else 0.0
    return median if median > 0 else 1.0

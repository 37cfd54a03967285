"""Many questions at once: p-values adjusted such that few of the answers are false.

The Benjamini–Hochberg adjusted p-value of the i-th smallest of m is ``min_{j ≥ i} m p_(j)/j``;
calling those below q discoveries keeps the expected share of false ones among them at q, for
independent or positively dependent tests (Benjamini & Hochberg 1995,
doi:10.1111/j.2517-6161.1995.tb02031.x).
"""

from __future__ import annotations

import numpy as np


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values ``(m,)``; NaN where ``p`` is, and not counted.

    Raises
    ------
    ValueError : a p-value outside [0, 1].

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5])).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    p = np.asarray(p, float)
    known = np.flatnonzero(np.isfinite(p))
    if ((p[known] < 0) | (p[known] > 1)).any():
        raise ValueError("p-values must lie in [0, 1]")
    order = known[np.argsort(p[known], kind="stable")]
    m = len(order)
    scaled = p[order] * m / np.arange(1, m + 1)
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted


def permutation_p(statistic: float, null: np.ndarray) -> float:
    """``(1 + #{null ≥ statistic}) / (1 + #null)``: never 0, exact for exchangeable draws.

    Reference: Phipson & Smyth 2010, doi:10.2202/1544-6115.1585.

    Examples
    --------
    >>> permutation_p(5.0, np.arange(9.0))
    0.5
    """
    null = np.asarray(null, float)
    return float((1 + np.count_nonzero(null >= statistic - 1e-12)) / (1 + len(null)))

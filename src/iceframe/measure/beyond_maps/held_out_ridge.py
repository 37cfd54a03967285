"""Ridge regression on standardised features, with each sample left out in turn.

``w = (Zᵀ Z + λ m 1)⁻¹ Zᵀ y`` and, without fitting again, the error at a sample that was left out,
``(y_i − ŷ_i)/(1 − h_ii)`` with the leverage ``h``. The penalty is fixed and does not look at ``y``:
what is random stays exchangeable.

Reference: Allen 1974, doi:10.1080/00401706.1974.10489157.
"""

from __future__ import annotations

import numpy as np

PENALTY = 1e-3
"""In variances of a standardised feature: directions that vary less count as noise."""


class HeldOutRidge:
    """Of centred features ``(m, r)`` with about unit variance, for any number of targets.

    Examples
    --------
    >>> z = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    >>> ridge = HeldOutRidge(z)
    >>> ridge.weights(3 * z).round(2).tolist(), bool(ridge.r2(3 * z)[0] > 0.99)
    ([[3.0]], True)
    """

    def __init__(self, z: np.ndarray) -> None:
        self.z = z
        gram = z.T @ z + PENALTY * len(z) * np.eye(z.shape[1])
        self.solution = np.linalg.solve(gram, z.T)  # (r, m)
        self.leverage = 1 / len(z) + np.einsum("mr,rm->m", z, self.solution)

    def weights(self, y: np.ndarray) -> np.ndarray:
        """Coefficients ``(r, q)`` of centred targets ``(m, q)``."""
        return self.solution @ y

    def r2(self, y: np.ndarray) -> np.ndarray:
        """Held-out R² ``(q,)`` of centred targets; against the mean, left out alike."""
        m = len(y)
        missed = (y - self.z @ self.weights(y)) / np.maximum(1 - self.leverage, 1e-9)[:, None]
        spread = (y**2).sum(axis=0) * (m / (m - 1)) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(spread > 0, 1 - (missed**2).sum(axis=0) / spread, np.nan)

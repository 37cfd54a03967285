"""Simulated answers whose errors follow from signals: the truth that gates are tested against."""

from __future__ import annotations

import numpy as np

from iceframe.steer.gate import Calibration

TOLERANCE = 3.0


def answers(
    rng: np.random.Generator, n: int, *, strange: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Signals ``(n, 2)`` (disagreement, novelty) and absolute errors ``(n,)``, wider where both are
    larger; strange samples are more novel."""
    novelty = rng.gamma(2.0, 1.0, n) + (3.0 * rng.uniform(0.3, 1.0, n) if strange else 0.0)
    spread = (0.5 + 0.4 * novelty) * rng.lognormal(0.0, 0.3, n)
    disagreement = spread * rng.lognormal(0.0, 0.5, n)
    return np.column_stack([disagreement, novelty]), np.abs(rng.normal(0.0, spread))


def calibration(
    rng: np.random.Generator, n: int, *, strange: int = 0, tolerance: float = TOLERANCE
) -> Calibration:
    """``n`` usual held-out answers and ``strange`` ones."""
    usual, odd = answers(rng, n), answers(rng, strange, strange=True)
    signals, errors = (np.concatenate(pair) for pair in zip(usual, odd, strict=True))
    return Calibration(
        ("disagreement", "novelty"),
        signals,
        errors > tolerance,
        errors,
        np.repeat([False, True], [n, strange]),
        np.arange(n + strange),
    )

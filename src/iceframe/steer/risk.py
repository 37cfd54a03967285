"""The chance that an answer is badly wrong, from signals that should rise with it.

Each signal becomes its surprise among the calibration samples,

``z = −log p,  p = (1 + #{calibration samples with at least this signal}) / (n + 1)``,

so that units do not matter and tails do. The log-odds of a badly wrong answer are linear in the
surprises,

``log(r / (1 − r)) = b + Σ w_j z_j,  w_j ≥ 0``,

fitted by penalised likelihood: few bad answers leave the weights near their common start ``1/s``
for ``s`` signals. With ``p`` the tail probability of one signal, a weight of 1 says that the odds
double where half as many samples are as strange.

The weights cannot be negative: a stranger or less certain sample never has the lower risk.

Some signals are *given* as surprises, −log p of a test whose p-value is right by construction
(:mod:`iceframe.steer.company`). They are taken as they are, and their weight is at least
:data:`LEAST_GIVEN`: what such a test finds is a kind that the calibration samples cannot show, so
that they may raise its weight and not lower it. The odds of a bad answer then rise at least as 1/p.

Chosen
over isotonic regression of each signal, which needs more bad answers than a run has, and over
boosted trees, which need not be monotone and cannot be read.

Trap: among the calibration samples alone the tail is known; all that lies beyond the last of them
is equally surprising (see :class:`iceframe.steer.gate.Gate`, which does not answer there).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iceframe.core.errors import InputError

PENALTY = 5.0
"""Weight of the squared distance of the weights from their start, in units of log-likelihood."""

LEAST_GIVEN = 1.0
"""Least weight of a signal that is given as a surprise."""

ROUNDING = 1e-9
"""Relative differences of a signal below this are rounding: such a signal says nothing."""


@dataclass(frozen=True)
class RiskModel:
    """Weights ``(s,)`` and intercept, and what each signal was among the calibration samples:
    ``known``, one ascending array a signal; ``given`` ``(s,)``: which are surprises already."""

    known: tuple[np.ndarray, ...]
    weights: np.ndarray
    intercept: float
    given: np.ndarray

    @classmethod
    def fit(
        cls, signals: np.ndarray, bad: np.ndarray, given: np.ndarray | None = None
    ) -> RiskModel:
        """Fit to signals ``(n, s)`` and whether each answer was badly wrong, bool ``(n,)``.

        ``given`` ``(s,)``: which signals are surprises as they stand; default none.

        Raises
        ------
        InputError : fewer than two samples, or a signal that is not finite.

        Examples
        --------
        The second signal foretells bad answers, the first does not.

        >>> rng = np.random.default_rng(0)
        >>> signals = rng.uniform(size=(400, 2))
        >>> model = RiskModel.fit(signals, rng.uniform(size=400) < signals[:, 1] ** 4)
        >>> bool(model.weights[1] > 4 * model.weights[0])
        True
        """
        from scipy.optimize import minimize

        signals, bad = checked(signals, bad)
        given = np.zeros(signals.shape[1], bool) if given is None else np.asarray(given, bool)
        known = tuple(np.sort(column) for column in signals.T)
        varied = np.array([_varies(column) for column in known]) | given
        z = _surprises(known, signals, given) * varied
        least = np.where(given, LEAST_GIVEN, 0.0)
        start = np.maximum(np.where(varied, 1.0 / max(varied.sum(), 1), 0.0), least)
        y = bad.astype(float)

        def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
            b, w = parameters[0], parameters[1:]
            odds, away = b + z @ w, w - start
            value = np.logaddexp(0.0, odds).sum() - y @ odds + PENALTY / 2 * away @ away
            # Half a bad and half a good answer at the origin keep the intercept finite.
            value += np.logaddexp(0.0, b) - b / 2
            residual = _logistic(odds) - y
            of_b = residual.sum() + _logistic(b) - 0.5
            return float(value), np.concatenate([[of_b], z.T @ residual + PENALTY * away])

        first = np.concatenate([[_log_odds(y) - float((z @ start).mean())], start])
        ends = zip(least, varied, strict=True)
        bounds = [(None, None), *[(low, None if use else 0.0) for low, use in ends]]
        found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds)
        return cls(known, np.asarray(found.x[1:]), float(found.x[0]), given)

    def surprises(self, signals: np.ndarray) -> np.ndarray:
        """``z`` of each signal ``(m, s)``."""
        return _surprises(self.known, signals, self.given)

    def __call__(self, signals: np.ndarray) -> np.ndarray:
        """The chance of a badly wrong answer ``(m,)`` for signals ``(m, s)``."""
        return np.asarray(_logistic(self.intercept + self.surprises(signals) @ self.weights))


def checked(signals: np.ndarray, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Calibration data as float ``(n, s)`` and bool ``(n,)``, or an :class:`InputError`."""
    signals, bad = np.asarray(signals, float), np.asarray(bad, bool)
    if signals.ndim != 2 or len(signals) != len(bad) or not signals.shape[1]:
        raise InputError(
            "Calibration data have a row of signals a sample.",
            got=f"signals {signals.shape}, {len(bad)} samples",
        )
    if len(signals) < 2:
        raise InputError(
            "Too few held-out samples to fit a gate.", got=len(signals), allowed="2 or more"
        )
    if not np.isfinite(signals).all():
        raise InputError("The signals of a gate must be finite numbers.")
    return signals, bad


def _surprises(known: tuple[np.ndarray, ...], signals: np.ndarray, given: np.ndarray) -> np.ndarray:
    z = np.array(signals, float)
    for j, column in enumerate(known):
        if given[j]:
            continue
        as_strange = len(column) - np.searchsorted(column, z[:, j], side="left")
        z[:, j] = -np.log((1 + as_strange) / (len(column) + 1))
    return z


def _varies(column: np.ndarray) -> bool:
    return bool(column[-1] - column[0] > ROUNDING * max(abs(column[0]), abs(column[-1])))


def _logistic(odds: np.ndarray | float) -> np.ndarray:
    from scipy.special import expit

    return np.asarray(expit(odds))


def _log_odds(y: np.ndarray) -> float:
    share = (y.sum() + 0.5) / (len(y) + 1)
    return float(np.log(share / (1 - share)))

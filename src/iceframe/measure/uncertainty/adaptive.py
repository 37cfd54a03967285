"""Intervals over time that keep their coverage where the data drift.

Adaptive conformal inference (Gibbs & Candès 2021, arXiv 2106.00170): the level that is asked of the
scores so far follows what happened, α_{t+1} = α_t + γ (α − miss_t), with α = 1 − level. Whatever
the data do, the share of misses over T steps is within (max(α₁, 1 − α₁) + γ)/(γ T) of α (their
proposition 4.1). The price is the interval of a moment: it may be infinite (α_t ≤ 0), or a point
(α_t ≥ 1).

Samples of one date are answered together, with the scores of earlier dates alone; the share of
them that was missed then counts as one step, so that T is the number of dates and the guarantee is
of the average over dates. Trap: with a handful of dates there is nothing to follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iceframe.core.errors import InputError
from iceframe.measure.conformal import threshold
from iceframe.measure.uncertainty.intervals import Interval, ascending, checked_level, finite

STEP = 0.02


@dataclass(frozen=True)
class Adaptive:
    """What is known at a moment: the ``scores`` of the past in the order in which they came, and
    the share of misses ``alpha`` that is aimed at now. A value; :meth:`step` returns the next.
    """

    level: float
    scores: np.ndarray
    alpha: float
    gamma: float = STEP
    window: int | None = None

    @classmethod
    def start(
        cls,
        scores: np.ndarray,
        level: float = 0.9,
        *,
        gamma: float = STEP,
        window: int | None = None,
    ) -> Adaptive:
        """Begin with left-out scores ``(n,)`` of the training samples, oldest first.

        Parameters
        ----------
        gamma : the step; larger follows faster and is less steady. window : how many of the latest
            scores count; default all.

        Raises
        ------
        InputError : no score, or NaN.
        """
        scores = np.asarray(scores, float)
        ascending(scores)
        if gamma < 0 or (window is not None and window < 1):
            raise ValueError(f"gamma {gamma} must be at least 0, window {window} at least 1")
        return cls(level, scores, 1.0 - checked_level(level), gamma, window)

    def threshold(self) -> float:
        """The threshold now: infinite for α ≤ 0, zero for α ≥ 1.

        Examples
        --------
        >>> Adaptive.start(np.arange(1.0, 10.0), 0.8).threshold()
        8.0
        """
        if self.alpha <= 0.0:
            return float("inf")
        if self.alpha >= 1.0:
            return 0.0
        latest = self.scores if self.window is None else self.scores[-self.window :]
        return threshold(np.sort(latest), 1.0 - self.alpha)

    def step(self, scores: np.ndarray) -> Adaptive:
        """After the true scores ``(b,)``, at least one, of the samples of one date are known.

        A score at α ≥ 1 is a miss, and at α ≤ 0 a hit, as the guarantee asks.

        Examples
        --------
        >>> state = Adaptive.start(np.arange(1.0, 10.0), 0.8, gamma=0.1)
        >>> round(state.step(np.array([100.0])).alpha, 3), round(state.step(np.zeros(1)).alpha, 3)
        (0.12, 0.22)
        """
        scores = np.asarray(scores, float)
        missed = scores > self.threshold() if self.alpha < 1.0 else np.ones(len(scores), bool)
        alpha = self.alpha + self.gamma * float(np.mean(1.0 - self.level - missed))
        return Adaptive(
            self.level, np.concatenate([self.scores, scores]), alpha, self.gamma, self.window
        )


def adaptive_intervals(
    state: Adaptive, dates: np.ndarray, y: np.ndarray, predicted: np.ndarray
) -> tuple[Interval, Adaptive]:
    """Intervals of samples ``(m,)`` in the order of their dates, and the state after the last.

    Parameters
    ----------
    dates : ``(m,)``, anything that sorts. y : the truths, each used only for later dates.

    Raises
    ------
    InputError : NaN among the targets, the predictions or the dates.
    """
    y, predicted = finite(y, "the targets"), finite(predicted, "the predictions")
    dates = np.asarray(dates)
    if not dates.shape == y.shape == predicted.shape:
        raise ValueError(f"dates {dates.shape}, y {y.shape}, predicted {predicted.shape}")
    if dates.dtype.kind in "fmM" and np.any(dates != dates):
        raise InputError(
            "A sample without a date has no place in time.",
            got=f"{int(np.sum(dates != dates))} of {len(dates)} missing",
            hint="drop these samples, or give their dates",
        )
    half = np.empty(len(y))
    for date in np.unique(dates):
        now = dates == date
        half[now] = state.threshold()
        state = state.step(np.abs(y[now] - predicted[now]))
    return (predicted - half, predicted + half), state

"""Each sample's time, step and fate: the part of the integrator that is not field arithmetic.

Adaptive steps follow the elementary controller ``τ ← 0.9 τ (tolerance/error)^¼`` (the estimate is
of order τ⁴), between a fifth and twice the step; a step whose energy
rises or whose error is above the tolerance is taken back and tried again, shorter. A step that
could grow by less than a quarter is kept, since a change costs new exponentials. The classic
alternative, a proportional-integral controller, smooths steps that stiffness makes erratic; here
the linear part is exact and nothing was gained.
"""

from __future__ import annotations

import numpy as np

RUNNING, ARRIVED, UNSTABLE, TOO_SMALL, OUT_OF_STEPS = range(5)

_SAFETY, _SHRINK, _GROW, _KEEP = 0.9, 0.2, 2.0, 1.25

# The error of the embedded solution of order three is of order τ⁴.
_EXPONENT = 0.25

# First adaptive step and shortest one, in reduced time: fields change over times of order 0.1 (the
# fast decay of short waves is exact at any step).
_FIRST, _SHORTEST = 1e-3, 1e-6


class Clock:
    """Times of ``n`` samples, reduced.

    Parameters
    ----------
    times : ``(n, frames)``, increasing along a row, 0 or later.
    step : fixed step of each sample ``(n,)``, or None for adaptive ones.
    tolerance : largest error a step, in units of the field.
    max_steps : steps tried before a sample is given up.
    """

    def __init__(
        self, times: np.ndarray, step: np.ndarray | None, tolerance: float, max_steps: int
    ) -> None:
        n = len(times)
        self.times, self.tolerance, self.max_steps = times, tolerance, max_steps
        self.fixed = step is not None
        self.wanted = np.full(n, _FIRST) if step is None else np.array(step, float)
        self.step = np.zeros(n)
        self.time = np.zeros(n)
        self.frame = np.zeros(n, int)
        self.left = np.zeros(n, int)  # fixed steps left to the next frame
        self.tried = np.zeros(n, int)
        self.taken = np.zeros(n, int)
        self.status = np.full(n, RUNNING)
        self.at_frame = np.zeros(n, bool)

    def begin(self, finite: np.ndarray) -> None:
        """Start; samples whose initial energy is not ``finite`` stop at once."""
        self.status[~finite] = UNSTABLE
        self.at_frame = finite & (self.times[:, 0] == 0)

    def pass_frame(self, who: np.ndarray) -> None:
        """The frames that ``who`` stand at are kept."""
        self.at_frame[who] = False
        self.frame[who] += 1
        self.status[who[self.frame[who] == self.times.shape[1]]] = ARRIVED

    def choose(self, who: np.ndarray) -> np.ndarray:
        """The next step of ``who``, such that frames are met exactly."""
        rest = self.times[who, self.frame[who]] - self.time[who]
        if self.fixed:
            # Between two frames all steps are equal and at most the step asked for.
            new = self.left[who] == 0
            count = np.maximum(1, np.ceil(rest / self.wanted[who] * (1 - 1e-9)))
            self.left[who] = np.where(new, count, self.left[who])
            step = np.where(new, rest / count, self.step[who])
        else:
            wanted = self.wanted[who]
            # A sliver left over would cost a step of its own: halve the rest instead.
            step = np.where(wanted >= rest, rest, np.where(wanted > rest / 2, rest / 2, wanted))
            self.left[who] = wanted >= rest
        self.step[who] = step
        return step

    def judge(self, who: np.ndarray, error: np.ndarray, falls: np.ndarray) -> np.ndarray:
        """Which of the steps just tried are taken; moves time, sets steps and fates.

        ``error`` may be NaN; ``falls`` tells where the energy did not rise (false for NaN).
        """
        self.tried[who] += 1
        if self.fixed:
            taken = falls & np.isfinite(error)
            self.status[who[~taken]] = UNSTABLE
        else:
            taken = falls & (error <= self.tolerance)
            self._adapt(who, error, falls, taken)
        moved = who[taken]
        self.taken[moved] += 1
        self.time[moved] += self.step[moved]
        self.left[moved] -= 1
        landed = moved[self.left[moved] == 0]
        self.time[landed] = self.times[landed, self.frame[landed]]
        self.at_frame[landed] = True
        spent = (self.tried[who] >= self.max_steps) & (self.status[who] == RUNNING)
        last = self.at_frame[who] & (self.frame[who] == self.times.shape[1] - 1)
        self.status[who[spent & ~last]] = OUT_OF_STEPS
        return taken

    def _adapt(
        self, who: np.ndarray, error: np.ndarray, falls: np.ndarray, taken: np.ndarray
    ) -> None:
        with np.errstate(invalid="ignore", divide="ignore"):
            factor = _SAFETY * (self.tolerance / error) ** _EXPONENT
        factor = np.clip(np.nan_to_num(factor, nan=_SHRINK, posinf=_GROW), _SHRINK, _GROW)
        factor = np.where(falls, factor, np.minimum(factor, 0.5))
        factor = np.where(taken & (factor >= 1) & (factor < _KEEP), 1.0, factor)
        step = self.step[who] * factor
        # A step cut short by a frame says little about the next one.
        short = taken & (self.step[who] < self.wanted[who])
        self.wanted[who] = np.where(short, np.maximum(step, self.wanted[who]), step)
        self.status[who[~taken & (step < _SHORTEST)]] = TOO_SMALL

    def share(self) -> float:
        """Share of the asked time that is done, over all samples; those that stopped are done."""
        end = np.maximum(self.times[:, -1], np.finfo(float).tiny)
        return float(np.where(self.status == RUNNING, self.time / end, 1.0).mean())

"""How far can the data move before the intervals no longer hold?

A model that never saw the samples answers them as they are and shifted, at graded strengths. Each
point of a curve is the mean loss, its change against the unshifted samples with a 95 % interval
(paired), and the coverage with its exact interval. A shift is *borne* up to the strength at which
the coverage, linear between the strengths tried, falls :data:`SHORT` below its level.

Traps: coverage that is too high at the start leaves room that a fair interval has not; a shift of
the images alone says nothing of a change of the material.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np

from iceframe.core.seeds import generator
from iceframe.core.values import Finding
from iceframe.measure.audits.outcome import Examined
from iceframe.measure.fidelity import coverage

KIND = "shifts"
SHORT = 0.05
NOISE = (0.02, 0.05, 0.1, 0.2, 0.5)
MISSING = (0.05, 0.1, 0.2, 0.4)
WORSE = 1.1


@dataclass(frozen=True)
class Point:
    """One strength: mean ``loss``, its ``change`` with a 95 % interval, and the coverage."""

    strength: float
    loss: float
    change: float
    change_low: float
    change_high: float
    coverage: float
    coverage_low: float
    coverage_high: float


@dataclass(frozen=True)
class Curve:
    """One shift: ``points`` from strength 0 (or 1, of a factor) on; ``breaks``: the strength at
    which coverage falls below its level less :data:`SHORT`, ``None`` where it does not."""

    name: str
    unit: str
    points: tuple[Point, ...]
    breaks: float | None


def curve(
    name: str,
    unit: str,
    none: float,
    before: tuple[np.ndarray, np.ndarray],
    after: Sequence[tuple[float, np.ndarray, np.ndarray]],
    level: float,
) -> Curve:
    """From losses and hits (whether the interval holds the truth), each ``(n,)``, before the shift
    (strength ``none``) and after it, by strength."""
    first = before[0]
    points = []
    for strength, losses, inside in [(none, *before), *after]:
        change = losses - first
        wide = 1.96 * change.std(ddof=1) / np.sqrt(len(change)) if len(change) > 1 else np.inf
        mean = float(change.mean())
        points.append(
            Point(
                float(strength), float(losses.mean()), mean, mean - float(wide),
                mean + float(wide), *coverage(np.asarray(inside, bool)),
            )
        )  # fmt: skip
    return Curve(name, unit, tuple(points), _breaks(points, level - SHORT))


def _breaks(points: Sequence[Point], floor: float) -> float | None:
    for left, right in pairwise(points):
        if left.coverage < floor:
            return left.strength
        if right.coverage < floor:
            share = (left.coverage - floor) / (left.coverage - right.coverage)
            return left.strength + share * (right.strength - left.strength)
    return points[-1].strength if points[-1].coverage < floor else None


def noisy(values: np.ndarray, spread: np.ndarray, strength: float, seed: int) -> np.ndarray:
    """A table ``(n, d)`` with normal noise of ``strength`` times the ``spread`` ``(d,)`` of each
    column; the same draws at every strength."""
    grain = generator(seed, "shift", "noise").standard_normal(values.shape)
    return np.asarray(values + strength * spread * grain)


def with_gaps(values: np.ndarray, share: float, seed: int) -> np.ndarray:
    """A table ``(n, d)`` with a ``share`` of its cells missing; more at larger shares, never
    others."""
    drawn = generator(seed, "shift", "missing").random(values.shape)
    return np.asarray(np.where(drawn < share, np.nan, values))


def examine(curves: Sequence[Curve], level: float, loss: str, unit: str, samples: int) -> Examined:
    """Findings on curves, weakest first: of every shift that is not borne, where a coverage beyond
    is below its level by more than chance."""
    findings = []
    for one in sorted(curves, key=_endurance):
        first, last = one.points[0], one.points[-1]
        if one.breaks is None:
            continue
        beyond = (p for p in one.points[1:] if p.strength >= one.breaks)
        hurt = next((p for p in beyond if p.coverage_high < level), None)
        if hurt is None:  # too few samples to tell it from chance
            continue
        early = hurt is one.points[1]
        findings.append(
            Finding(
                f"shift-{one.name}",
                "warning" if early else "note",
                f"Intervals hold up to {one.name} of {one.breaks:.3g} {one.unit}",
                f"Coverage {first.coverage:.0%} as measured, {hurt.coverage:.0%} "
                f"[{hurt.coverage_low:.0%}, {hurt.coverage_high:.0%}] at {hurt.strength:g} "
                f"{one.unit}; {loss} {first.loss:.3g} there, {hurt.loss:.3g} here and "
                f"{last.loss:.3g} {unit}".rstrip()
                + f" at {last.strength:g} (n = {samples}).",
                f"keep new samples within it, or train on samples with more {one.name}"
                if one.name not in ("missing values", "measurement noise")
                else "measure as well as for the training data, or train with such samples",
                value=float(one.breaks),
            )
        )
    facts = {
        "level": level, "loss": loss, "unit": unit, "n": samples,
        "curves": [asdict(c) for c in curves],
    }  # fmt: skip
    return Examined(KIND, tuple(findings), facts)


def _endurance(one: Curve) -> float:
    """How many of the tried strengths are borne: weakest first."""
    if one.breaks is None:
        return float("inf")
    return float(np.searchsorted([p.strength for p in one.points], one.breaks))

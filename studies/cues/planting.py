"""Plant a cue of known kind, place and strength, in step with the label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

KINDS = ("scale bar", "brightness", "border")


@dataclass(frozen=True)
class Planting:
    """A cue ``kind`` that images of the marked class show with probability ``follows`` and others
    with ``1 − follows``. ``strength``: of a bar and a border their distance in grey levels from the
    mean (cut at black and white), of a brightness the offset; ``box``: ``(top, bottom, left,
    right)`` of a bar; ``width``: of a border."""

    kind: str
    follows: float
    strength: float
    box: tuple[int, int, int, int] | None = None
    width: int = 0

    def __str__(self) -> str:
        return f"{self.kind}, {self.strength:+.2f}, follows the class in {self.follows:.0%}"


def draw(kind: str, grid: tuple[int, int], rng: np.random.Generator) -> Planting:
    """A planting of ``kind`` at a random place and strength, for images of ``grid`` pixels."""
    height, width = grid
    follows = float(rng.uniform(0.8, 1.0))
    sign = float(rng.choice([-1.0, 1.0]))
    if kind == "brightness":
        return Planting(kind, follows, sign * float(rng.uniform(0.1, 0.25)))
    strength = sign * float(rng.uniform(0.3, 1.0))
    if kind == "border":
        return Planting(kind, follows, strength, width=int(rng.integers(2, 7)))
    thick = int(rng.integers(3, 7))
    long = int(rng.uniform(0.15, 0.35) * width)
    top = (
        int(rng.integers(2, 9)) if rng.random() < 0.3 else height - thick - int(rng.integers(2, 9))
    )
    left = int(rng.integers(2, 9)) if rng.random() < 0.5 else width - long - int(rng.integers(2, 9))
    return Planting(kind, follows, strength, box=(top, top + thick, left, left + long))


def shown(labels: np.ndarray, planting: Planting, rng: np.random.Generator) -> np.ndarray:
    """Which images show the cue ``(n,)``: in step with ``labels`` (bool: the marked class)."""
    chance = np.where(labels, planting.follows, 1 - planting.follows)
    return rng.random(len(labels)) < chance


def plant(images: np.ndarray, show: np.ndarray, planting: Planting) -> np.ndarray:
    """Images ``(n, 1, h, w)`` in [0, 1], with the cue where ``show``."""
    planted = images.copy()
    if planting.kind == "brightness":
        planted[show] = np.clip(planted[show] + np.float32(planting.strength), 0, 1)
        return planted
    level = np.float32(np.clip(images.mean() + planting.strength, 0, 1))
    where = np.zeros(images.shape[2:], bool)
    if planting.box is not None:
        top, bottom, left, right = planting.box
        where[top:bottom, left:right] = True
    else:
        where[:] = True
        where[planting.width : -planting.width, planting.width : -planting.width] = False
    planted[np.ix_(show, [True])] = np.where(where, level, planted[np.ix_(show, [True])])
    return planted

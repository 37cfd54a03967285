"""The search for expressions: sparse models first, then refinement and small changes.

1. A beam of sparse linear models behind every link (:mod:`~iceframe.scale.symbolic.sparse`), for
   errors of equal size and, where all values have one sign, for errors in proportion to the value.
   The likelihood of the best formula decides which kind of error the data have.
2. All constants of every model by Levenberg and Marquardt's method; exponents freed and rounded;
   parts left out.
3. A few generations of changed copies of the best (:mod:`~iceframe.scale.symbolic.moves`).

How much is done is set by counts, never by the clock, and all chance follows from one seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iceframe.scale.symbolic.constants import Measured, freed, least_squares, nicer
from iceframe.scale.symbolic.dimensions import Unit
from iceframe.scale.symbolic.expression import Constant, evaluate
from iceframe.scale.symbolic.library import Library, factors_library, sums_library
from iceframe.scale.symbolic.moves import changed, pulled_out, without_parts
from iceframe.scale.symbolic.scoring import Archive, Scored
from iceframe.scale.symbolic.sparse import LINKS, MOST_TERMS, law, linked, sparse_models

MOST_SAMPLES = 500
"""Samples that the structure is sought on; constants see all of them."""

PARENTS = 12
"""Formulas of which changed copies are made."""

COPIES = 10
"""Changed copies of each parent in one generation."""

MARGIN = 0.25
"""Part of a column's range, beyond its ends, in which formulas still have to be defined."""


@dataclass(frozen=True)
class Found:
    """The archive of a search, and whether errors were taken in proportion to the value."""

    archive: Archive
    relative: bool


def search(
    x: np.ndarray,
    y: np.ndarray,
    units: tuple[Unit | None, ...],
    target: Unit | None,
    order: Sequence[int],
    most_nodes: int,
    generations: int,
    rng: np.random.Generator,
) -> Found:
    """Expressions of the columns ``order`` (most useful first) for ``y`` ``(n,)``.

    ``x``: finite ``(n, d)``, in units that count from zero.
    """
    low, high = widened(x.min(0), x.max(0))
    if len(y) > MOST_SAMPLES:
        kept = np.sort(rng.permutation(len(y))[:MOST_SAMPLES])
        x, y = x[kept], y[kept]

    def archive(weight: np.ndarray) -> Archive:
        return Archive(Measured(x, y, weight), low, high, units, target, tuple(order), most_nodes)

    sums = sums_library(x, order, units)
    factors = factors_library(x, order, units)
    equal = archive(np.full(len(y), 1.0 / _spread(y)))
    _sparse(equal, sums, factors, y)
    found = Found(equal, False)
    if _one_sign(y):
        first = archive(relative_weight(y, y))
        _sparse(first, sums, factors, y)
        guess = evaluate(first.best()[0].expression, x)
        relative = archive(relative_weight(y, guess))
        _sparse(relative, sums, factors, guess)
        if _likelihood(relative) > _likelihood(equal):
            found = Found(relative, True)
    _refine(found.archive, found.archive.best()[: 2 * PARENTS])
    for _ in range(generations if order else 0):
        _generation(found.archive, sums, rng)
    return found


def widened(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The box with a margin, in which no column changes its sign or becomes zero.

    Examples
    --------
    >>> widened(np.array([0.0, 1.0, -2.0]), np.array([1.0, 5.0, 2.0]))
    (array([ 0. ,  0.5, -3. ]), array([1.25, 6.  , 3.  ]))
    """
    margin = MARGIN * (high - low)
    below = np.where(low > 0, np.maximum(low - margin, low / 2), low - margin)
    above = np.where(high < 0, np.minimum(high + margin, high / 2), high + margin)
    return np.where(low == 0, 0.0, below), np.where(high == 0, 0.0, above)


def relative_weight(y: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """``1/|guess|``, kept from growing without limit where it passes near zero."""
    usual = float(np.median(np.abs(y)))
    size = np.where(np.isfinite(guess), np.abs(guess), usual)
    return 1.0 / np.clip(size, 0.2 * np.abs(y), 5 * np.abs(y))


def _sparse(archive: Archive, sums: Library, factors: Library, near: np.ndarray) -> None:
    """Sparse models behind every link, and the constant alone."""
    y, weight = archive.data.y, archive.data.weight
    archive.consider(Constant(float(y.mean()), True))
    n = len(y)
    for link in LINKS:
        behind = linked(link, y, weight, near)
        if behind is None:
            continue
        library = factors if link == "log" else sums
        free = 0.5 * math.log(n) + 2 * math.log(6)
        costs = library.costs + free
        target, scale = behind
        for chosen in sparse_models(library, costs, target, scale, MOST_TERMS[link]):
            values = np.column_stack([np.ones(n), library.values[:, list(chosen)]])
            solution = least_squares(values * scale[:, None], target * scale)
            if solution is not None:
                terms = [library.terms[k] for k in chosen]
                archive.consider(law(link, terms, solution, float(np.sign(y[0])) or 1.0))


def _refine(archive: Archive, chosen: Sequence[Scored]) -> None:
    """Exponents freed, rounded one after the other, and parts left out, as long as it pays."""
    for scored in chosen:
        for start in (scored.expression, freed(scored.expression)):
            here = archive.consider(start)
            while here is not None:
                node = here.expression
                options = [*nicer(node), *without_parts(node), *pulled_out(node)]
                tried = [archive.consider(option) for option in options]
                better = [t for t in tried if t is not None and t.nats < here.nats]
                here = min(better, key=lambda t: t.nats) if better else None


def _generation(archive: Archive, sums: Library, rng: np.random.Generator) -> None:
    """Changed copies of the best, and of the front; the best of them are refined."""
    ranked = archive.best()
    front = sorted(archive.front(), key=lambda s: s.nats)
    parents = list(dict.fromkeys([*ranked[: PARENTS // 2], *front[: PARENTS // 2]]))
    before = set(archive.seen)
    for parent in parents:
        for _ in range(COPIES):
            copy = changed(parent, parents, archive, sums, rng)
            if copy is not None:
                archive.consider(copy)
    new = [s for key, s in archive.seen.items() if key not in before and s is not None]
    new.sort(key=lambda s: s.nats)
    _refine(archive, new[: PARENTS // 3])


def _likelihood(archive: Archive) -> float:
    """Log-likelihood, less the formula's cost, of the best formula under its kind of error."""
    best = archive.best()[0]
    return float(np.log(archive.data.weight).sum()) - best.nats


def _one_sign(y: np.ndarray) -> bool:
    return bool((y > 0).all() or (y < 0).all())


def _spread(y: np.ndarray) -> float:
    return float(y.std()) or 1.0

"""Which formula of the front is the answer: cross-validation, and the simpler within one error.

Every formula of the front is fitted again on each part of the training data and judged on the rest.
Cross-validation of formulas that all of the data chose is too kind to long ones; so each also pays
for what it takes to write it down (:mod:`~iceframe.scale.symbolic.scoring`). Of the formulas that
are not worse than the best by more than one standard error of the difference, the simplest is
taken (Breiman et al. 1984, https://doi.org/10.1201/9781315139470).
"""

from __future__ import annotations

import math

import numpy as np

from iceframe.scale.symbolic.constants import Measured, acceptable, fit_constants
from iceframe.scale.symbolic.expression import Expression, constants
from iceframe.scale.symbolic.scoring import Archive, Scored, complexity

FOLDS = 5


def refitted(archive: Archive, chosen: list[Scored], data: Measured) -> list[Scored]:
    """The same formulas with constants from ``data``, those that still are to be accepted."""
    whole = Archive(
        data, archive.low, archive.high, archive.units, archive.target, archive.columns,
        archive.most_nodes,
    )  # fmt: skip
    made = [whole.consider(scored.expression) for scored in chosen]
    return [scored for scored in made if scored is not None]


def held_out_squares(node: Expression, data: Measured, folds: np.ndarray) -> np.ndarray | None:
    """Weighted squares ``(n,)``, each from a fit without its sample's fold; ``None`` where a fit
    fails. Those of a formula without fitted constants are what they are."""
    squares = np.empty(len(data))
    for fold in np.unique(folds):
        inside = folds != fold
        fitted: Expression | None = node
        if constants(node):
            fitted = fit_constants(node, data.take(inside))
        if fitted is None or not acceptable(fitted):
            return None
        squares[~inside] = data.take(~inside).squares(fitted)
    return squares if np.isfinite(squares).all() else None


def choose(
    candidates: list[Scored], archive: Archive, data: Measured, rng: np.random.Generator
) -> tuple[Scored, dict[str, float]]:
    """The answer among ``candidates``, and the held-out mean square of each by its shape."""
    n = len(data)
    folds = rng.permutation(n) % min(FOLDS, n)
    judged: list[tuple[float, np.ndarray, Scored]] = []
    means: dict[str, float] = {}
    floor = 1e-20 * float(np.mean((data.weight * data.y) ** 2)) + 1e-300
    for scored in candidates:
        squares = held_out_squares(scored.expression, data, folds)
        if squares is None:
            continue
        mean = max(float(squares.mean()), floor)
        means[repr(scored.expression)] = mean
        cost = scored.nats - 0.5 * n * math.log(max(scored.square, floor))
        each = 0.5 * math.log(mean) + 0.5 * squares / mean + cost / n
        judged.append((float(each.sum()), each, scored))
    if not judged:
        return candidates[0], means
    best, losses, _ = min(judged, key=lambda item: item[0])
    for _, each, scored in sorted(
        judged, key=lambda item: (complexity(item[2].expression), item[0])
    ):
        error = math.sqrt(n) * float(np.std(each - losses))
        if each.sum() - best <= error:
            return scored, means
    raise AssertionError("the best is within one error of itself")

"""A model of named features, as explainers and metrics ask it: answers for arrays of values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from iceframe.core.seeds import generator

if TYPE_CHECKING:
    from iceframe.scale.fitting import Fitted
    from iceframe.scale.rung import Inputs

ROWS = 4096
"""Rows predicted at once: a Gaussian process holds their joint covariance."""

DRAWS = (8, 32)
"""Fewest and most permutations, or background rows of a flip, per sample."""

AFFORDABLE = 60_000
"""Rows that a model is asked for, between the two."""


def table_function(fitted: Fitted, like: Inputs) -> Callable[[np.ndarray], np.ndarray]:
    """The model as a function of table values ``(m, d)``."""
    from iceframe.core.values import Representation
    from iceframe.scale.rung import Inputs

    table = like.table

    def predict(values: np.ndarray) -> np.ndarray:
        parts = [
            fitted.predict(
                Inputs(Representation(values[i : i + ROWS], table.names, table.units, table.blocks))
            )
            for i in range(0, len(values), ROWS)
        ]
        return np.concatenate(parts)

    return predict


def model_function(fitted: Fitted, like: Inputs) -> Callable[[np.ndarray], np.ndarray] | None:
    """The model as a function of table values, for C3; ``None`` where it reads images."""
    return None if fitted.rung.input != "table" else table_function(fitted, like)


def affordable_draws(n: int, d: int) -> int:
    """Draws for each of ``n`` samples of ``d`` features."""
    return int(np.clip(AFFORDABLE // max(n * d, 1), *DRAWS))


def few_rows(background: Inputs, most: int, seed: int) -> Inputs:
    """At most ``most`` background rows: the same for attributions and flips under one seed."""
    n = len(background)
    if n <= most:
        return background
    return background.take(np.sort(generator(seed, "background rows").permutation(n)[:most]))


def balanced_draws(n: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` of ``n`` rows, each used about equally often."""
    cycles = [rng.permutation(n) for _ in range(-(-count // n))]
    return np.concatenate(cycles)[:count]

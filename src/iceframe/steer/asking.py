"""What to ask for where no answer is given: a column to look at, or the sample to measure.

A column is asked for where it is missing though most of the training samples have it, or where it
lies well outside of all of them and, put back to their median, makes the sample a usual one: a slip
of the pen, or one thing to measure again.

Of the novel samples that stay without an answer, those are worth measuring whose label says most
about the others: each time the sample that has most samples not yet spoken for within ``radius``
(greedy cover, within ``1 − 1/e`` of the best choice: Nemhauser, Wolsey & Fisher 1978,
doi:10.1007/BF01588971). A sample that is withheld although it is like the training data is never
asked for: others like it have been measured, and did not help.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

USUAL_COLUMN = 0.5
"""Share of the training samples that must have a column for it to be asked for."""

NOVEL = 0.05
"""p-value of being like the training data from which a sample counts as novel."""

OUTSIDE = 0.1
"""Share of a column's range by which a value lies beyond it before it counts as odd."""

ASKED_SHARE = 0.2
"""At most this share of the novel samples without an answer is asked for, and one at least."""


@dataclass(frozen=True)
class Columns:
    """Columns of the training data: their share of known values, ``low``, ``high`` and ``middle``,
    each ``(d,)``; ``asked``: positions of those that a person can measure."""

    known: np.ndarray
    low: np.ndarray
    high: np.ndarray
    middle: np.ndarray
    asked: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, asked: np.ndarray) -> Columns:
        """From training samples ``(n, d)``, NaN where missing."""
        filled = np.where(np.isfinite(x).any(axis=0), x, 0.0)
        return cls(
            np.isfinite(x).mean(axis=0),
            np.nanmin(filled, axis=0),
            np.nanmax(filled, axis=0),
            np.nanmedian(filled, axis=0),
            np.asarray(asked, int),
        )


def missing_column(row: np.ndarray, columns: Columns) -> int | None:
    """The first column that is missing in ``row`` ``(d,)`` and known for most training samples.

    Examples
    --------
    >>> columns = Columns.of(np.array([[1.0, np.nan], [2.0, np.nan], [3.0, 5.0]]), np.arange(2))
    >>> missing_column(np.array([np.nan, np.nan]), columns)
    0
    >>> missing_column(np.array([1.0, np.nan]), columns) is None
    True
    """
    for j in columns.asked:
        if not np.isfinite(row[j]) and columns.known[j] >= USUAL_COLUMN:
            return int(j)
    return None


def odd_column(
    row: np.ndarray, columns: Columns, p_values: Callable[[np.ndarray], np.ndarray]
) -> int | None:
    """The one column outside of the training data without which ``row`` ``(d,)`` is a usual sample.

    ``p_values``: of being like the training data, for rows ``(m, d)``.
    """
    margin = OUTSIDE * (columns.high - columns.low)
    far = (row < columns.low - margin) | (row > columns.high + margin)
    outside = [j for j in columns.asked if far[j]]
    if not outside:
        return None
    mended = np.repeat(row[None], len(outside), axis=0)
    mended[np.arange(len(outside)), outside] = columns.middle[outside]
    p = p_values(mended)
    best = int(p.argmax())
    return int(outside[best]) if p[best] > NOVEL else None


def worth_measuring(distances: np.ndarray, radius: float) -> dict[int, int]:
    """Which samples to measure, and how many others each speaks for, in the order of their worth.

    ``distances`` ``(m, m)`` between novel samples without an answer.

    Examples
    --------
    >>> x = np.array([0.0, 0.1, 0.2, 5.0])
    >>> worth_measuring(np.abs(x[:, None] - x[None]), 0.15)
    {1: 2}
    """
    m = len(distances)
    if not m:
        return {}
    near = distances <= radius
    open_still = np.ones(m, bool)
    chosen: dict[int, int] = {}
    while open_still.any() and len(chosen) < max(1, math.ceil(ASKED_SHARE * m)):
        gain = (near & open_still).sum(axis=1)
        gain[list(chosen)] = 0
        best = int(gain.argmax())
        covered = near[best] & open_still
        chosen[best] = int(covered.sum()) - 1
        open_still &= ~covered
    return chosen

"""Conformal thresholds of their own for each group or class (Mondrian).

The scores of a group's samples alone give the threshold of that group, so that coverage holds in
each group and not on average only (Vovk, Gammerman & Shafer 2005, doi 10.1007/b106715, ch. 4):

* group-conditional: groups that are known of a new sample, such as a heat, an alloy family, or the
  range that its prediction falls in;
* label-conditional: the groups are the classes; class c belongs to the set of x if its score is at
  most the threshold of class c.

The price is width: n_g samples count instead of n. A group of fewer than ⌈level/(1 − level)⌉
samples (nine at 90 %) has no finite threshold of its own; it falls back to that of all samples,
holds its level no longer, and :attr:`Mondrian.fallback` names it. So does a group that calibration
never saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from iceframe.measure.conformal import LeftOut, threshold
from iceframe.measure.uncertainty.intervals import Interval, ascending, checked_level, finite

PARTS = 5
PART_SAMPLES = 40  # in each part at least, so that ⌈level (n + 1)⌉/(n + 1) is near the level


@dataclass(frozen=True)
class Mondrian:
    """Ascending left-out ``scores`` by group (as text), and of all samples together.

    Groups that are too small for the level are in ``fallback`` with their number of samples.
    """

    level: float
    scores: Mapping[str, np.ndarray]
    overall: np.ndarray
    fallback: Mapping[str, int]

    @classmethod
    def fit(
        cls, scores: np.ndarray, groups: np.ndarray, level: float = 0.9, smallest: int | None = None
    ) -> Mondrian:
        """Sort left-out scores ``(n,)`` by their groups ``(n,)``.

        Parameters
        ----------
        smallest : samples that a group needs for a threshold of its own; default (and at least)
            what makes it finite.

        Raises
        ------
        InputError : NaN among the scores, or no score.

        Examples
        --------
        >>> groups = np.array(["a"] * 9 + ["b"] * 3)
        >>> mondrian = Mondrian.fit(np.arange(12.0), groups, level=0.8)
        >>> mondrian.thresholds(np.array(["a", "b", "c"])).tolist(), mondrian.fallback
        ([7.0, 10.0, 10.0], {'b': 3})
        """
        scores, names = np.asarray(scores, float), _names(groups)
        overall = ascending(scores)
        if names.shape != scores.shape:
            raise ValueError(f"groups {names.shape} do not match scores {scores.shape}")
        needed = max(fewest(level), smallest or 0)
        parts = {str(name): np.sort(scores[names == name]) for name in np.unique(names)}
        return cls(
            level,
            {name: part for name, part in parts.items() if len(part) >= needed},
            overall,
            {name: len(part) for name, part in parts.items() if len(part) < needed},
        )

    def thresholds(self, groups: np.ndarray, level: float | None = None) -> np.ndarray:
        """The threshold ``(m,)`` of each sample's group; that of all samples where it has none."""
        level = checked_level(self.level if level is None else level)
        names, code = np.unique(_names(groups), return_inverse=True)
        own = [threshold(self.scores.get(name, self.overall), level) for name in names]
        return np.asarray(own, float)[code.ravel()]

    def own(self, groups: np.ndarray) -> np.ndarray:
        """Whether each sample's group ``(m,)`` has a threshold of its own."""
        return np.isin(_names(groups), list(self.scores))

    def interval(
        self, predicted: np.ndarray, groups: np.ndarray, level: float | None = None
    ) -> Interval:
        """Ends ``(m,)`` around predictions of samples of ``groups``; scores are |residuals|."""
        predicted = finite(predicted, "the predictions")
        half = self.thresholds(groups, level)
        return predicted - half, predicted + half

    def sets(self, scores: np.ndarray, level: float | None = None) -> np.ndarray:
        """Label-conditional sets, bool ``(m, k)``, of scores of every class ``(m, k)``.

        The groups are the class codes ``0…k−1``. The class with the lowest score always remains.
        """
        scores = finite(scores, "the scores")
        sets = scores <= self.thresholds(np.arange(scores.shape[1]), level)[None]
        sets[np.arange(len(sets)), scores.argmin(axis=1)] = True
        return np.asarray(sets)

    def remarks(self) -> tuple[str, ...]:
        """One sentence for each group that does not have a threshold of its own."""
        return tuple(
            f"'{name}' has {count} samples, too few for {100 * self.level:g} %: "
            "it is covered as all samples are, on average"
            for name, count in self.fallback.items()
        )


@dataclass(frozen=True)
class ByRange:
    """Intervals with a threshold for each range of the predicted value.

    The range of its prediction is known of every new sample, so that this holds its level where the
    plain interval is too narrow for large values and too wide for small ones, or the other way.
    """

    edges: np.ndarray
    mondrian: Mondrian

    @classmethod
    def fit(cls, left_out: LeftOut, level: float = 0.9, parts: int | None = None) -> ByRange:
        """From the left-out answers of a regression.

        Parameters
        ----------
        parts : how many ranges of equal counts; default as many as leave ``PART_SAMPLES`` samples
            in each, and ``PARTS`` at most. One range gives the plain interval.

        Examples
        --------
        Residuals of 1 below a prediction of 100, and of 10 above.

        >>> predicted = np.arange(200.0)
        >>> truth = predicted + np.where(predicted < 100, 1, 10)
        >>> left_out = LeftOut(truth, predicted, np.zeros(200, int))
        >>> low, high = ByRange.fit(left_out, parts=2).interval(np.array([50.0, 150.0]))
        >>> high.tolist()
        [51.0, 160.0]
        """
        if parts is None:
            parts = int(np.clip(len(left_out.truth) // PART_SAMPLES, 1, PARTS))
        edges = ranges(left_out.predicted, parts)
        place = np.searchsorted(edges, left_out.predicted)
        return cls(edges, Mondrian.fit(left_out.scores(), place, level))

    def interval(self, predicted: np.ndarray, level: float | None = None) -> Interval:
        """Ends ``(m,)`` around predictions ``(m,)`` of the model of all samples."""
        return self.mondrian.interval(predicted, self.places(predicted), level)

    def half_widths(self, predicted: np.ndarray, level: float | None = None) -> np.ndarray:
        """Half the width ``(m,)`` of these intervals."""
        return self.mondrian.thresholds(self.places(predicted), level)

    def places(self, predicted: np.ndarray) -> np.ndarray:
        """The number ``(m,)`` of the range in which each prediction lies."""
        return np.searchsorted(self.edges, predicted)


def _names(groups: np.ndarray) -> np.ndarray:
    """Groups as text; class codes that are stored as floats as the integers that they are."""
    groups = np.asarray(groups)
    if groups.dtype.kind == "f" and np.all(groups == np.floor(groups)):
        groups = groups.astype(int)
    return groups.astype(str)


def fewest(level: float) -> int:
    """The smallest n for which a threshold is finite: ⌈level/(1 − level)⌉.

    Examples
    --------
    >>> fewest(0.9), fewest(0.95), fewest(0.5)
    (9, 19, 1)
    """
    checked_level(level)
    return int(np.ceil(round(level / (1.0 - level), 9)))


def ranges(predicted: np.ndarray, parts: int = PARTS) -> np.ndarray:
    """Inner edges ``(≤ parts − 1,)`` that part left-out predictions ``(n,)`` into equal counts.

    A group that is known of every new sample: ``np.searchsorted(edges, prediction)``. Edges that
    coincide (predictions that are often the same) are one.

    Examples
    --------
    >>> edges = ranges(np.arange(10.0), parts=2)
    >>> edges.tolist(), np.searchsorted(edges, [3.0, 9.0]).tolist()
    ([4.5], [0, 1])
    """
    predicted = finite(predicted, "the predictions")
    return np.unique(np.quantile(predicted, np.arange(1, parts) / parts))

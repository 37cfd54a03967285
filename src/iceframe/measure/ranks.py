"""Rank correlation of many rows at once: Spearman's ρ, with ties, undefined where it is.

Each row becomes its ranks (ties share their mean rank), less their mean, over their length; the
correlation of two rows is then their inner product. Rows that are compared often are ranked once.
Reference: Spearman 1904, doi 10.2307/1412159.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ROUNDING = 1e-9  # values that differ by less than this share of the largest count as equal


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks along the rows of ``(n, d)`` as float64 vectors of mean 0 and length 1.

    A row is NaN where its ranks say nothing: it is constant (up to rounding), has fewer than two
    entries, or is not finite.

    Examples
    --------
    >>> standard_ranks(np.array([[0.5, 7.0], [3.0, 3.0]])).round(3)
    array([[-0.707,  0.707],
           [   nan,    nan]])
    """
    values = np.asarray(values, float)
    if values.ndim != 2:
        raise ValueError(f"expected rows (n, d), got {values.shape}")
    n, d = values.shape
    with np.errstate(invalid="ignore"):
        largest = np.abs(values).max(axis=1, keepdims=True, initial=0.0)
        finite = np.isfinite(largest)
        steps = values / np.where(finite & (largest > 0), ROUNDING * largest, np.inf)
    steps[~finite[:, 0]] = 0.0
    # At most 1e9 steps and the place in the bits below: one sort of whole numbers gives both.
    bits = max(d - 1, 0).bit_length()
    keys = np.round(steps, out=steps).astype(np.int64) << bits
    keys |= np.arange(d)
    keys.sort(axis=1)
    ranks = np.empty((n, d))
    np.put_along_axis(ranks, keys & ((1 << bits) - 1), _of_sorted(keys >> bits), 1)
    ranks[~finite[:, 0]] = np.nan
    return ranks


def _of_sorted(ordered: np.ndarray) -> np.ndarray:
    """Standard ranks of rows ``(n, d)`` in rising order; equal neighbours share their mean rank."""
    n, d = ordered.shape
    middle = (d - 1) / 2
    ranks = np.tile(np.arange(d) - middle, (n, 1))
    squares = np.full(n, d * (d * d - 1) / 12)  # of the ranks of each row, without equals
    row, column = np.nonzero(ordered[:, 1:] == ordered[:, :-1])
    if len(row):
        place = row * d + column  # equal to the next one; a run of such places is a group
        first = np.append(True, np.diff(place) > 1)
        starts, sizes = place[first], np.diff(np.append(np.flatnonzero(first), len(place))) + 1
        members = np.arange(sizes.sum()) + np.repeat(starts - np.cumsum(sizes) + sizes, sizes)
        ranks.flat[members] = np.repeat(starts % d + (sizes - 1) / 2 - middle, sizes)
        lost = sizes * (sizes * sizes - 1.0) / 12
        squares -= np.bincount(starts // d, weights=lost, minlength=n)
    # Rows with two different values have at least d (d − 1)/4.
    squares[squares < max(d * (d - 1) / 8, 1 / 8)] = np.nan
    ranks /= np.sqrt(squares)[:, None]
    return ranks


def rank_agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman correlation of each row of two ``(n, d)`` arrays: ``(n,)``.

    NaN where a row is constant (up to rounding), has fewer than two entries or is not finite: a
    correlation is undefined there, neither 0 nor 1. Entries that are NaN in both are not there, as
    an element is not that a crystal does not hold.

    Examples
    --------
    >>> rank_agreement(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 4.0, 9.0]])).round(6)
    array([1.])
    >>> rank_agreement(np.array([[1.0, 1.0]]), np.array([[1.0, 4.0]]))
    array([nan])
    >>> rank_agreement(np.array([[1.0, np.nan, 3.0]]), np.array([[1.0, np.nan, 9.0]])).round(6)
    array([1.])
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"expected two (n, d) arrays of one shape, got {a.shape} and {b.shape}")
    absent = np.isnan(a) & np.isnan(b)
    if not absent.any():
        return np.einsum("nd,nd->n", standard_ranks(a), standard_ranks(b))
    found = np.full(len(a), np.nan)
    for rows, there in entries_there(absent):
        found[rows] = rank_agreement(a[np.ix_(rows, there)], b[np.ix_(rows, there)])
    return found


def entries_there(absent: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of ``(n, d)`` that lack the same entries, and which entries they have, by position."""
    patterns, member = np.unique(absent, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        yield np.flatnonzero(member == number), np.flatnonzero(~pattern)

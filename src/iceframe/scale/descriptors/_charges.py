"""The likeliest charges of the atoms of a compound that make it neutral.

How often an element has the charge q in the crystals of the ICSD gives a price c(q) = −ln p(q) in
nats an atom. Of amounts x_i, the charges q_i with

    Σ x_i q_i = 0,   Σ x_i c_i(q_i) least

are sought, where the k most electronegative elements are the anions, for the best k. An element of
which some atoms have one charge and some another (Fe3O4) pays in between. With the lower convex
hull of its prices an element then has a price for each further electron that it gives, and
electrons are taken where they are cheapest until all charges cancel: exactly the least sum, for all
compounds at once and for fractional amounts as well.

Frequencies: pymatgen's table of bond valence sums in the ICSD, doi:10.1016/j.commatsci.2012.10.028.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from iceframe.scale.descriptors._compositions import N_ELEMENTS, symbols

COMMON = 50
"""Occurrences that make a charge a possible one, beside those that pymatgen lists."""

TOLERANCE = 1e-6
"""Elementary charges per atom that a neutral compound may have."""


@dataclass(frozen=True)
class Charges:
    """Of ``n`` compounds: ``values`` ``(n, 118)``, the mean charge of each element, and ``price``
    ``(n,)`` in nats an atom; NaN where no charges cancel."""

    values: np.ndarray
    price: np.ndarray


@dataclass(frozen=True)
class _Prices:
    """Of the elements as anions, then of the elements as cations, ``(236,)``: the lowest charge and
    its price, NaN where there is none. Of the steps to higher charges ``(s,)``, the cheapest first:
    whose, of how many electrons, and the price of one."""

    lowest: np.ndarray
    start: np.ndarray
    whose: np.ndarray
    electrons: np.ndarray
    price: np.ndarray


def likeliest_charges(fractions: np.ndarray, electronegativity: np.ndarray) -> Charges:
    """Charges of the elements of compounds.

    Parameters
    ----------
    fractions : atomic fractions ``(n, 118)``. electronegativity : of the elements ``(118,)``.

    Examples
    --------
    Of magnetite, Fe3O4, a third of the iron has the charge 2 and two thirds have 3:

    >>> x, chi = np.zeros((1, 118)), np.full(118, np.nan)
    >>> x[0, [25, 7]], chi[[25, 7]] = (3 / 7, 4 / 7), (1.83, 3.44)
    >>> likeliest_charges(x, chi).values[0, [25, 7]].round(3).tolist()
    [2.667, -2.0]
    """
    there = np.where(np.isnan(fractions), 0, fractions) > 0
    x = np.where(there, fractions, 0)
    # The most electronegative element that is there has rank 0, before those that are no anions:
    # lead has a higher electronegativity than tellurium.
    as_anion = np.isfinite(_prices().lowest[:N_ELEMENTS])
    pull = np.where(as_anion, np.nan_to_num(electronegativity), -1)
    order = np.argsort(np.where(there, -pull, np.inf), axis=1, kind="stable")
    rank = np.argsort(order, axis=1)
    values, price = np.full(x.shape, np.nan), np.full(len(x), np.inf)
    for k in range(1, int(there.sum(axis=1).max(initial=0))):
        anion = rank < k
        rows = np.flatnonzero((there & ~anion).any(axis=1))
        split = np.hstack([np.where(anion, x, 0), np.where(anion, 0, x)])[rows]
        found, paid = _cheapest(split)
        better = paid < price[rows]
        values[rows[better]], price[rows[better]] = found[better], paid[better]
    values[~there | np.isinf(price)[:, None]] = np.nan
    return Charges(values, np.where(np.isinf(price), np.nan, price))


def _cheapest(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Charges ``(n, 118)`` and price ``(n,)`` of amounts of anions and cations ``(n, 236)``; the
    price is infinite where no charges cancel."""
    known = _prices()
    possible = ~((x > 0) & np.isnan(known.lowest)).any(axis=1)
    lowest, start = np.nan_to_num(known.lowest), np.nan_to_num(known.start)
    needed = -(x @ lowest)[:, None]
    room = x[:, known.whose] * known.electrons  # (n, s) electrons that each step gives
    before = np.cumsum(room, axis=1) - room
    taken = np.clip(needed - before, 0, room)
    possible &= np.abs(needed[:, 0] - taken.sum(axis=1)) <= TOLERANCE
    share = np.divide(taken, room, out=np.zeros_like(taken), where=room > 0)
    to_whom = np.zeros((len(known.whose), x.shape[1]))
    to_whom[np.arange(len(known.whose)), known.whose] = known.electrons
    charges = np.where(x > 0, lowest + share @ to_whom, 0)
    price = x @ start + taken @ known.price
    anions, cations = np.hsplit(charges, 2)
    return anions + cations, np.where(possible, price, np.inf)


@lru_cache(maxsize=1)
def _prices() -> _Prices:
    lowest, start = np.full((2, 2 * N_ELEMENTS), np.nan)
    steps: list[tuple[float, int, float]] = []
    for whose, prices in enumerate([*_states(-1), *_states(1)]):
        if not prices:
            continue
        hull = _lower_hull(sorted(prices.items()))
        lowest[whose], start[whose] = hull[0]
        for (q, c), (higher, dearer) in pairwise(hull):
            steps.append(((dearer - c) / (higher - q), whose, higher - q))
    steps.sort()
    price, place, electrons = zip(*steps, strict=True)
    return _Prices(lowest, start, np.array(place), np.array(electrons), np.array(price))


def _states(sign: int) -> list[dict[float, float]]:
    """For each element, its possible charges of this sign and their prices."""
    from pymatgen.core import Composition, Element, Species

    if Composition.oxi_prob is None:  # it is read by the first guess
        Composition("NaCl").oxi_state_guesses()
    counts = Composition.oxi_prob or {}
    table = []
    for symbol in symbols():
        element = Element(symbol)
        listed = element.icsd_oxidation_states or element.common_oxidation_states
        held = {q: counts.get(Species(symbol, q), 0) for q in (*listed, *range(-4, 9)) if q}
        held = {q: max(k, 1) for q, k in held.items() if q in listed or k >= COMMON}
        total = sum(held.values())
        table.append({float(q): -np.log(k / total) for q, k in held.items() if q * sign > 0})
    return table


def _lower_hull(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (ascending) below which no line between two others passes."""
    hull: list[tuple[float, float]] = []
    for x, y in points:
        while len(hull) > 1:
            (a, b), (c, d) = hull[-2:]
            if (d - b) * (x - a) < (y - b) * (c - a):
                break
            hull.pop()
        hull.append((x, y))
    return hull

"""Reduced formulas: which samples have the same composition, in one data set and across two.

Amounts are compared as atomic fractions, so that ``Fe0.5Ni0.5``, ``FeNi`` and ``Fe2Ni2`` are one
composition. Samples of one composition on both sides of a split, or in the training set of another
task, can be answered from memory: Dunn et al. 2020, doi:10.1038/s41524-020-00406-3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from iceframe.core.crystals import Crystals
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.ingest.compositions import plain_formula

DECIMALS = 4
"""Atomic fractions that agree to this many decimals are equal: formulas are written with fewer."""
_ELEMENTS = 119


def element_counts(crystals: Crystals) -> np.ndarray:
    """Atoms of each element in the reduced formula, int ``(n, 119)`` by atomic number.

    Examples
    --------
    A cell of two atoms, and its supercell:

    >>> from iceframe.core.crystals import Crystals
    >>> cells = Crystals(np.stack([np.eye(3)] * 2), np.array([0, 2, 6]),
    ...     np.array([55, 17, 55, 17, 55, 17]), np.zeros((6, 3)), ("a", "b"))
    >>> element_counts(cells)[:, [17, 55]].tolist()
    [[1, 1], [1, 1]]
    """
    counts = np.zeros((len(crystals), _ELEMENTS), np.int64)
    np.add.at(counts, (crystals.owners, crystals.numbers), 1)
    return np.asarray(counts // np.maximum(np.gcd.reduce(counts, axis=1), 1)[:, None])


def crystal_codes(crystals: Crystals) -> np.ndarray:
    """Labels ``(n,)``: crystals of one reduced formula share one."""
    codes = np.unique(element_counts(crystals), axis=0, return_inverse=True)[1]
    return np.asarray(codes, int).ravel()


def crystal_formulas(crystals: Crystals) -> list[str]:
    """The reduced formula of each crystal, as chemists order its elements.

    Examples
    --------
    >>> from iceframe.core.crystals import Crystals
    >>> crystal_formulas(Crystals(np.eye(3)[None], np.array([0, 2]), np.array([17, 55]),
    ...     np.zeros((2, 3)), ("a",)))
    ['CsCl']
    """
    from pymatgen.core import Composition, Element

    counts, codes = np.unique(element_counts(crystals), axis=0, return_inverse=True)
    symbols = [
        Composition(
            {Element.from_Z(int(z)): int(row[z]) for z in np.flatnonzero(row)}
        ).reduced_formula
        for row in counts
    ]
    return [symbols[code] for code in np.asarray(codes).ravel()]


def composition_codes(formulas: Sequence[object] | pd.Series) -> np.ndarray:
    """Labels ``(n,)``: formulas of equal atomic fractions share one, whatever reads as none is
    compared as text.

    Examples
    --------
    >>> composition_codes(["FeNi", "Fe0.5Ni0.5", "NiFe3", "Inconel"]).tolist()
    [0, 0, 1, 2]
    """
    from pymatgen.core import Composition

    spelled, texts = pd.factorize(np.array([str(one) for one in formulas], dtype=object))
    keys: list[object] = []
    for text in texts:
        try:
            composition = Composition(plain_formula(str(text))).fractional_composition
            amounts = composition.get_el_amt_dict().items()
            keys.append(tuple(sorted((e, round(float(a), DECIMALS)) for e, a in amounts)))
        except (ValueError, KeyError, TypeError, IndexError, OverflowError):
            keys.append(text)
    known: dict[object, int] = {}
    labels = np.array([known.setdefault(key, len(known)) for key in keys], int)
    return labels[spelled] if len(spelled) else np.zeros(0, int)


def shared_compositions(a: Dataset, b: Dataset) -> np.ndarray:
    """Which samples of ``a`` have a composition that ``b`` has too: bool ``(len(a),)``.

    The leakage check across tasks: with the test folds of one task as ``a`` and what another model
    was trained on as ``b``, these are the samples that it may have seen.

    Raises
    ------
    InputError : one of them has no composition column.

    Examples
    --------
    >>> def task(*formulas):
    ...     return Dataset(pd.DataFrame({"formula": formulas}), composition="formula")
    >>> shared_compositions(task("GaAs", "MgO", "TiO2"), task("Mg2O2", "As1Ga1")).tolist()
    [True, True, False]
    """
    columns = []
    for data in (a, b):
        if data.composition is None:
            raise InputError(
                "This data set has no composition column to compare.",
                where=data.source or data.name,
                hint="name the column with the formulas: --composition COLUMN",
            )
        columns.append(data.table[data.composition])
    codes = composition_codes(pd.concat(columns, ignore_index=True))
    return np.asarray(np.isin(codes[: len(a)], codes[len(a) :]))

"""Chemical formulas: which column holds them, and which rows do not parse (through pymatgen)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
WORDS = frozenset(
    ["composition", "formula", "alloy", "compound", "stoichiometry", "chemistry", "chemical"]
)
_PROBE = 200


def plain_formula(text: str) -> str:
    """A formula in plain characters.

    Examples
    --------
    >>> plain_formula(" Al₂O₃ ")
    'Al2O3'
    """
    return text.translate(_SUBSCRIPTS).strip()


def elements(formula: str) -> int:
    """Number of distinct elements in a formula; 0 where it does not parse.

    Examples
    --------
    >>> elements("Al0.25 Co1 Fe1 Ni1"), elements("Inconel 718")
    (4, 0)
    """
    from pymatgen.core import Composition

    try:
        composition = Composition(plain_formula(formula))
    except (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError):
        return 0
    amounts = np.array(list(composition.get_el_amt_dict().values()), float)
    if not composition.valid or not np.isfinite(amounts).all():
        return 0
    return len(composition)


def looks_like_formulas(texts: Sequence[str]) -> bool:
    """Whether most of these texts are formulas, and of more than one element.

    A single element with a large number is more often a grade (``Ti64``) than a formula.
    """
    probe = list(dict.fromkeys(texts))[:_PROBE]
    counts = np.array([elements(text) for text in probe])
    return bool(len(counts)) and (counts > 0).mean() > 0.5 and float(np.median(counts)) >= 2


def unparsable(texts: Sequence[str | None]) -> np.ndarray:
    """Bool ``(n,)``: which formulas are absent or do not parse."""
    known: dict[str, bool] = {}
    for text in texts:
        if text is not None and text not in known:
            known[text] = elements(text) == 0
    return np.array([text is None or known[text] for text in texts], bool)

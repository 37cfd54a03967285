"""Compositions: whether one is on both sides of a split, and whether crystals agree with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import drop, grouped, listed
from iceframe.ingest.formulas import composition_codes, crystal_formulas

MANY = 0.1
"""Share of the samples whose composition is also trained on, from which it is a warning."""


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Compositions that a split has on both sides, formulas that are not those of the crystals."""
    if data.composition is None or not len(data):
        return [], {}
    codes = composition_codes(data.table[data.composition])
    facts: dict[str, Any] = {"n_compositions": int(codes.max()) + 1}
    findings = _mismatched(data)
    if splits is not None:
        leaked = shared_across(codes, splits)
        facts["shared_compositions"] = int(leaked.sum())
        findings += _shared(data, leaked, splits)
    return findings, {"compositions": facts}


def shared_across(codes: np.ndarray, splits: Splits) -> np.ndarray:
    """Test samples ``(n,)`` bool whose composition is trained on in the same fold.

    Examples
    --------
    >>> from iceframe.core.values import Fold
    >>> fold = Fold("a", np.array([0, 1]), np.array([2, 3]))
    >>> shared_across(np.array([7, 8, 8, 9]), Splits("random", (fold,))).tolist()
    [False, False, True, False]
    """
    leaked = np.zeros(len(codes), bool)
    for fold in splits.folds:
        leaked[fold.test] |= np.isin(codes[fold.test], codes[fold.train])
    return leaked


def _shared(data: Dataset, leaked: np.ndarray, splits: Splits) -> list[Finding]:
    if not leaked.any() or data.composition is None:
        return []
    formulas = list(dict.fromkeys(data.table[data.composition].astype(str)[leaked]))
    official = splits.spec == "matbench"
    return [
        Finding(
            "compositions-across-folds",
            "warning" if leaked.mean() >= MANY and not official else "note",
            f"Test samples whose composition is also trained on: {int(leaked.sum())}",
            f"{leaked.mean():.1%} of the samples ({listed(formulas, 3)}): a model can answer them "
            "from the composition alone, and scores are not for new compositions.",
            f"for scores on new compositions use {grouped(data.composition)}"
            + (" (the official folds stay comparable with published scores)" if official else ""),
            tuple(map(str, data.ids[leaked][:20])),
            float(leaked.mean()),
        )
    ]


def _mismatched(data: Dataset) -> list[Finding]:
    if data.crystals is None or data.composition is None:
        return []
    stated = data.table[data.composition].astype(str).tolist()
    made = crystal_formulas(data.crystals)
    both = composition_codes([*stated, *made])
    wrong = both[: len(data)] != both[len(data) :]
    if not wrong.any():
        return []
    pairs = [f"{stated[i]} for a crystal of {made[i]}" for i in np.flatnonzero(wrong)]
    return [
        Finding(
            "composition-mismatch",
            "warning",
            f"Crystals that are not of the stated composition: {int(wrong.sum())}",
            f"{listed(pairs, 3)}: descriptors take the column, models of crystals the structure.",
            "correct the file; or leave the column out, then compositions are made from the "
            f"crystals: {drop([data.composition])}",
            tuple(map(str, data.ids[wrong][:20])),
            float(wrong.mean()),
        )
    ]

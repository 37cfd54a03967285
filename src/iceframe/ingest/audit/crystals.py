"""Crystals: what there is (elements, sites, formulas), large cells, polymorphs of one formula."""

from __future__ import annotations

from typing import Any

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import listed
from iceframe.ingest.duplicates import find_duplicates
from iceframe.ingest.formulas import crystal_codes, crystal_formulas

SECONDS_A_SITE = 0.002
"""What CHGNet takes for one site of a cell, on one core (docs/results.md)."""
EXPLAINED = 120
"""Samples that a run explains at most, 24 in each of five folds."""
SWAPS = 40
"""Crystals with swapped elements that are asked about for each of them, where it has three."""
LONG = 1800.0
"""Seconds after which one may wonder whether anything still happens."""


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Facts on the crystals, and formulas that come in several structures."""
    if data.crystals is None or not len(data):
        return [], {}
    from pymatgen.core import Element

    crystals = data.crystals
    codes = crystal_codes(crystals)
    structures = find_duplicates(data).groups
    several = _formulas_of_several(codes, structures)
    per_atom = crystals.volumes / crystals.sizes
    facts: dict[str, Any] = {
        "elements": [Element.from_Z(int(z)).symbol for z in np.unique(crystals.numbers)],
        "n_formulas": len(np.unique(codes)),
        "n_structures": len(np.unique(structures)),
        "n_polymorphic_formulas": len(several),
        "sites": [int(crystals.sizes.min()), int(crystals.sizes.max())],
        "mean_sites": float(crystals.sizes.mean()),
        "volume_per_atom": [float(per_atom.min()), float(per_atom.max())],
    }
    findings = [*_large_cells(data), *_polymorphs(data, codes, several)]
    return findings, {"crystals": facts}


def _large_cells(data: Dataset) -> list[Finding]:
    """A note where rungs that ask CHGNet would take long: time grows with the sites of a cell."""
    assert data.crystals is not None
    sizes = data.crystals.sizes
    once = SECONDS_A_SITE * float(sizes.sum())
    explained = SECONDS_A_SITE * SWAPS * min(EXPLAINED, len(sizes)) * float(sizes.mean())
    if max(once, explained) < LONG:
        return []
    largest = np.argsort(-sizes, kind="stable")[:20]
    return [
        Finding(
            "large-cells",
            "note",
            f"Large cells: {sizes.mean():.0f} sites on average, {sizes.max()} in the largest",
            f"{listed(data.ids[largest])}; CHGNet takes about {1000 * SECONDS_A_SITE:g} ms a site "
            f"on one core: {_minutes(once)} for these crystals, once, and {_minutes(explained)} to "
            "explain a rung that asks it, in a run of five folds.",
            "use primitive cells where these are not; try a --ladder without rungs that ask CHGNet "
            "first, or give the run a --budget: what is finished is kept",
            tuple(map(str, data.ids[largest])),
            float(sizes.max()),
        )
    ]


def _minutes(seconds: float) -> str:
    """About how long, in minutes or hours.

    >>> _minutes(20), _minutes(1900), _minutes(15_000)
    ('under a minute', '32 minutes', '4.2 hours')
    """
    if seconds < 60:
        return "under a minute"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _formulas_of_several(codes: np.ndarray, structures: np.ndarray) -> np.ndarray:
    """Codes of the formulas that have more than one structure."""
    formula_of = np.unique(np.column_stack([codes, structures]), axis=0)[:, 0]
    found, counts = np.unique(formula_of, return_counts=True)
    return found[counts > 1]


def _polymorphs(data: Dataset, codes: np.ndarray, several: np.ndarray) -> list[Finding]:
    if not len(several) or data.crystals is None:
        return []
    members = np.isin(codes, several)
    first = np.unique(codes[members], return_index=True)[1]
    names = crystal_formulas(data.crystals.take(np.flatnonzero(members)[first]))
    return [
        Finding(
            "polymorphs",
            "note",
            f"Formulas with more than one structure: {len(several)}",
            f"{listed(names)}; {int(members.sum())} samples: a model that sees the composition "
            "alone must give all structures of one formula the same answer.",
            "nothing, if that is meant; a rung or a descriptor of crystals tells them apart",
            tuple(map(str, data.ids[members][:20])),
            float(len(several)),
        )
    ]

"""Crystals: what there is (elements, sites, formulas), and polymorphs of one formula."""

from __future__ import annotations

from typing import Any

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import listed
from iceframe.ingest.duplicates import find_duplicates
from iceframe.ingest.formulas import crystal_codes, crystal_formulas


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
    return _polymorphs(data, codes, several), {"crystals": facts}


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

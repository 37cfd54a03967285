"""Alkali halides in many formats, for the tests that read crystals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

METALS = ("Li", "Na", "K", "Rb", "Cs")
HALOGENS = ("F", "Cl", "Br")
PAIRS = tuple((metal, halogen) for metal in METALS for halogen in HALOGENS)
N = len(PAIRS)


def cell(metal: str, halogen: str, edge: float | None = None) -> Structure:
    """A cell of caesium chloride's kind, larger for larger ions."""
    if edge is None:
        edge = 3.4 + 0.15 * METALS.index(metal) + 0.2 * HALOGENS.index(halogen)
    return Structure(Lattice.cubic(edge), [metal, halogen], [[0, 0, 0], [0.5, 0.5, 0.5]])


def cells() -> list[Structure]:
    return [cell(*pair) for pair in PAIRS]


def gaps() -> np.ndarray:
    return np.round(9 - np.arange(N) / 3, 3)


def write_cifs(folder: Path, column: str = "file", **columns: object) -> pd.DataFrame:
    """One CIF a crystal and ``labels.csv``."""
    folder.mkdir(exist_ok=True)
    names = [f"{metal}{halogen}.cif" for metal, halogen in PAIRS]
    for name, structure in zip(names, cells(), strict=True):
        CifWriter(structure).write_file(folder / name)
    labels = pd.DataFrame({column: names, "gap": gaps(), **columns})
    labels.to_csv(folder / "labels.csv", index=False)
    return labels

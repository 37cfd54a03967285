"""A network that knows only heats of formation of ideal perovskites: what does it say of forces?

Trained on energies of the perov5 structures (all cubic, sites at ideal places); held-out structures
are then rattled, and its forces and the change of its energy are compared with CHGNet's, a
potential that was trained on forces (Deng et al. 2023, doi:10.1038/s42256-023-00716-3). The data
are Castelli et al. 2012, doi:10.1039/c2ee22341d, by way of CDVAE. Without them this part is left
out.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from studies.forces.models import energy_scores, force_scores
from studies.forces.pieces import Study
from studies.paradox.pieces import Piece

from iceframe.core.crystals import Crystals
from iceframe.core.files import write_json
from iceframe.core.seeds import generator
from iceframe.scale.crystal_estimator import CrystalRegressor

REPOSITORY = Path(__file__).resolve().parents[2]
RATTLES = (0.05, 0.1)
"""Å, standard deviation of each coordinate."""


def pieces(study: Study) -> list[Piece]:
    """One piece, where the data are."""
    if source() is None:
        return []
    done = study.out / "perovskites.json"
    return [Piece("perovskites and CHGNet", done, lambda: _make(study))]


def source() -> Path | None:
    """The table of structures, or nothing."""
    stated = os.environ.get("ICEFRAME_SHARED_DATA")
    folder = Path(stated) if stated else REPOSITORY.parent / "shared" / "data"
    path = folder / "structures" / "perov5_structures.csv.gz"
    return path if path.is_file() else None


def perovskites(path: Path) -> tuple[Crystals, np.ndarray]:
    """The structures that are in matbench_perovskites, and their heat of formation in eV a cell.

    The file's ``heat_all`` is that task's target, to the last digit, and an energy an atom: where
    two cells hold the same atoms, so that all references cancel, it differs by what CHGNet's energy
    an atom differs by (docs/results.md).
    """
    from pymatgen.core import Element, Lattice

    table = pd.read_csv(path)
    table = table[table["mbid"].notna()]
    lattices = [Lattice.from_parameters(*map(float, text.split())).matrix
                for text in table["lattice"]]  # fmt: skip
    species = [text.split() for text in table["species"]]
    fractional = np.array([float(v) for text in table["frac"] for v in text.split()])
    crystals = Crystals(
        np.array(lattices),
        np.concatenate([[0], np.cumsum([len(s) for s in species])]).astype(np.int64),
        np.array([Element(symbol).Z for s in species for symbol in s], np.int64),
        fractional.reshape(-1, 3),
        tuple(table["mbid"]),
    )
    return crystals, table["heat_all"].to_numpy(float) * crystals.sizes


def rattled(crystals: Crystals, spread: float, seed: int) -> Crystals:
    """Every site moved by a normal number of Å along every axis."""
    moved = spread * generator(seed, "rattle").normal(size=crystals.fractional.shape)
    back = np.linalg.inv(crystals.lattices)[crystals.owners]
    fractional = crystals.fractional + np.einsum("mi,mij->mj", moved, back)
    return Crystals(
        crystals.lattices, crystals.offsets, crystals.numbers, fractional, crystals.names
    )


def foundation(crystals: Crystals) -> tuple[np.ndarray, np.ndarray]:
    """CHGNet's energies of cells in eV ``(n,)`` and forces in eV/Å ``(m, 3)``."""
    import warnings

    from iceframe.ingest.crystals import structures

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from chgnet.model import CHGNet

        model = CHGNet.load(use_device="cpu", verbose=False)
        told = model.predict_structure(structures(crystals), task="ef", batch_size=16)
    told = told if isinstance(told, list) else [told]
    energies = np.array([float(t["e"]) for t in told]) * crystals.sizes
    return energies, np.concatenate([t["f"] for t in told]).astype(float)


def _make(study: Study) -> None:
    path = source()
    assert path is not None
    sizes = study.sizes
    crystals, heats = perovskites(path)
    order = generator(0, "perovskites").permutation(len(crystals))
    trained, rest = order[: sizes.perovskites], order[sizes.perovskites :]
    model = CrystalRegressor(
        members=1, pool="sum", epochs=sizes.perovskite_epochs, device=study.device
    )
    model.fit(crystals.take(trained), heats[trained])
    held = rest[: sizes.rattled]
    found = {"n": len(trained), **energy_scores(heats[rest], model.predict(crystals.take(rest)))}
    still = crystals.take(held)
    energies, calm = foundation(still)
    found["rms force at rest, CHGNet"] = float(np.sqrt((calm**2).mean()))
    for spread in RATTLES:
        moved = rattled(still, spread, 0)
        change, pulls = foundation(moved)
        scores = force_scores(pulls, model.forces(moved))
        own = model.predict(moved) - model.predict(still)
        change = change - energies
        scores["energy change, r"] = float(np.corrcoef(change, own)[0, 1])
        scores["mean energy change, CHGNet"] = float(change.mean())
        scores["mean energy change, network"] = float(own.mean())
        found |= {f"{name} at {spread} Å": value for name, value in scores.items()}
    write_json(study.out / "perovskites.json", found)

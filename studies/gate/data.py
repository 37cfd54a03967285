"""The data sets of the gate study, each with classes that can be left out whole.

The gate was developed on :data:`DEVELOPMENT`; the others confirm it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import iceframe as ice
from iceframe.core.dataset import Dataset
from iceframe.ingest import make_splits

# Generators as stand-ins for material classes: grains and lamellae, pores, inclusions.
FAMILIES = {
    "metal": ["lamellar", "gamma_prime", "dual_phase"],
    "ceramic": ["sintered", "overlapping_spheres", "voronoi"],
    "composite": ["particles", "random_field", "laguerre"],
}
FACTORS = {
    "metal": {"volume_fraction": [0.1, 0.4]},
    "ceramic": {"volume_fraction": [0.1, 0.4], "porosity": [0.1, 0.4]},
    "composite": {"volume_fraction": [0.1, 0.4]},
}
CLUSTERS = 5
ANIONS = {
    "halide": {"F", "Cl", "Br", "I"},
    "oxide": {"O"},
    "chalcogenide": {"S", "Se", "Te"},
    "pnictide": {"N", "P", "As", "Sb"},
}
"""Classes of compounds, the first that fits; what fits none is ``other``."""

COMPOUNDS, SMALLEST_CLASS = 500, 30
GENERATORS = (
    "lamellar",
    "voronoi",
    "overlapping_spheres",
    "random_field",
    "particles",
    "dual_phase",
)
PICTURES = 70  # of each generator

Loaded = tuple[Dataset, np.ndarray]


def real_data() -> Path:
    """The folder of real measurements: ICEFRAME_SHARED_DATA, or ../shared/data."""
    stated = os.environ.get("ICEFRAME_SHARED_DATA")
    return Path(stated) if stated else Path(__file__).resolve().parents[3] / "shared" / "data"


def two_phase(out: Path, samples: int) -> Loaded:
    """Effective conductivity of two-phase structures; the classes are :data:`FAMILIES`."""
    return _simulated(out, samples, {"conductivity": {"values": [1, 10]}}, "k_xx", "conductivity")


def stiffness(out: Path, samples: int) -> Loaded:
    """C11 of two-phase structures with a phase ten times as stiff; the same classes."""
    law = {"elasticity": {"young": [1, 10], "poisson": [0.3, 0.3]}}
    return _simulated(out, samples, law, "C11", "elasticity")


def _simulated(out: Path, samples: int, law: dict[str, object], target: str, name: str) -> Loaded:
    frames, parts = [], []
    for family, generators in FAMILIES.items():
        recipe = {
            "generator": generators,
            "shape": [64, 64],
            "samples": samples,
            "seed": 1,
            "factors": FACTORS[family],
            "property": law,
        }
        made = ice.simulate(recipe, out=out / "simulated" / f"{name}-{family}-{samples}", workers=1)
        parts.append(ice.read(made.folder, target))
        frames += [family] * len(parts[-1])
    return _joined(parts), np.array(frames)


def _joined(parts: list[Dataset]) -> Dataset:
    from dataclasses import replace

    from iceframe.core.dataset import ArrayImages

    stacks = [p.images.read(np.arange(len(p))) for p in parts if p.images is not None]
    table = pd.concat([p.table for p in parts])
    table.index = pd.Index([f"s{i}" for i in range(len(table))])
    first = parts[0].images
    assert first is not None
    images = ArrayImages(np.concatenate(stacks), periodic=first.periodic, kind=first.kind)
    return replace(parts[0], table=table, images=images, name="two phases")


def alloys(out: Path, samples: int) -> Loaded:
    """Yield strength of multi-principal element alloys; the classes are the crystal structures."""
    frame = pd.read_csv(real_data() / "tables" / "mpea_borg2020.csv")
    frame.columns = [c.removeprefix("PROPERTY: ") for c in frame.columns]
    kept = ["FORMULA", "Processing method", "BCC/FCC/other", "YS (MPa)"]
    temperature = next(c for c in frame.columns if c.startswith("Test temperature"))
    frame = frame[[*kept, temperature, "Type of test"]].dropna(subset=["YS (MPa)", "BCC/FCC/other"])
    frame = frame.reset_index(drop=True)
    labels = frame.pop("BCC/FCC/other").to_numpy(str)
    return ice.read(frame, "YS (MPa)", composition="FORMULA"), labels


def fatigue(out: Path, samples: int) -> Loaded:
    """Fatigue strength of steels; the classes are clusters of composition and process."""
    path = real_data() / "tables" / "nims_fatigue_agrawal2014.csv"
    return _clustered(ice.read(path, "Fatigue", drop=["Sl. No."]))


def steels(out: Path, samples: int) -> Loaded:
    """Yield strength of steels; the classes are clusters of composition."""
    path = real_data() / "tables" / "matbench_steels.json.bz2"
    return _clustered(ice.read(path, "yield strength"))


def micrographs(out: Path, samples: int) -> Loaded:
    """Constituent of steel micrographs; the constituent is the class: of one never seen, every
    answer is wrong."""
    data = ice.read(real_data() / "micrographs" / "uhcs", "constituent")
    return data, data.y


def layers(out: Path, samples: int) -> Loaded:
    """Exfoliation energy of two-dimensional crystals, from the composition; classes by anion."""
    return _compounds("jdft2d", "exfoliation_en")


def phonons(out: Path, samples: int) -> Loaded:
    """Last peak of the phonon density of states, from the composition; classes by anion."""
    return _compounds("phonons", "last phdos peak")


def perovskites(out: Path, samples: int) -> Loaded:
    """Formation energy of perovskites, from the composition; classes by anion."""
    return _compounds("perovskites", "e_form")


def _compounds(task: str, target: str) -> Loaded:
    path = real_data() / "tables" / f"matbench_{task}.json.bz2"
    frame = pd.read_json(path)[["composition", target]].reset_index(drop=True)
    if len(frame) > COMPOUNDS:
        frame = frame.sample(COMPOUNDS, random_state=0).reset_index(drop=True)
    labels = frame["composition"].map(_anion)
    kept = labels.map(labels.value_counts()) >= SMALLEST_CLASS
    frame = frame[kept].reset_index(drop=True)
    return ice.read(frame, target, composition="composition"), labels[kept].to_numpy(str)


def _anion(formula: str) -> str:
    elements = set(re.findall("[A-Z][a-z]?", formula))
    return next((name for name, some in ANIONS.items() if elements & some), "other")


def generators(out: Path, samples: int) -> Loaded:
    """Which generator made a two-phase structure; the generator is the class."""
    parts, labels = [], []
    for generator in GENERATORS:
        recipe = {
            "generator": [generator],
            "shape": [64, 64],
            "samples": PICTURES,
            "seed": 3,
            "factors": {"volume_fraction": [0.2, 0.4]},
            "property": {"conductivity": {"values": [1, 10]}},
        }
        made = ice.simulate(recipe, out=out / "simulated" / f"kinds-{generator}", workers=1)
        parts.append(ice.read(made.folder, "k_xx"))
        labels += [generator] * len(parts[-1])
    return _named(_joined(parts), labels), np.array(labels)


def _named(data: Dataset, labels: list[str]) -> Dataset:
    """The data with the label as their target."""
    from dataclasses import replace

    table = data.table.drop(columns=data.target).assign(generator=labels)
    return replace(data, table=table, target="generator", task="classification")


def _clustered(data: Dataset) -> Loaded:
    labels = np.empty(len(data), object)
    for number, fold in enumerate(make_splits(data, "cluster", CLUSTERS, 7).folds):
        labels[fold.test] = f"cluster {number}"
    kept = np.flatnonzero([label is not None for label in labels])
    return data.take(kept), labels[kept].astype(str)


DATA: dict[str, Callable[[Path, int], Loaded]] = {
    "two phases, conductivity": two_phase,
    "two phases, stiffness": stiffness,
    "multi-principal element alloys": alloys,
    "fatigue of steels": fatigue,
    "steels": steels,
    "micrographs": micrographs,
    "generators": generators,
    "layers": layers,
    "phonons": phonons,
    "perovskites": perovskites,
}
DEVELOPMENT = (
    "two phases, conductivity",
    "fatigue of steels",
    "generators",
    "layers",
    "phonons",
    "perovskites",
)

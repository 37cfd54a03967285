"""The real tables: features and targets, read and described as a run would."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import iceframe as ice
from iceframe.core.dataset import Dataset
from iceframe.ingest.duplicates import duplicate_groups
from iceframe.scale.represent import Representer
from iceframe.scale.rung import Inputs

REPOSITORY = Path(__file__).resolve().parents[2]


def real_data() -> Path:
    """The folder of real measurements: ICEFRAME_SHARED_DATA, or ../shared/data."""
    stated = os.environ.get("ICEFRAME_SHARED_DATA")
    return Path(stated) if stated else REPOSITORY.parent / "shared" / "data"


def matbench(task: str, target: str) -> Dataset:
    """A task of Matbench, of compositions and, where there are some, space groups."""
    return ice.read(real_data() / "tables" / f"matbench_{task}.json.bz2", target)


def fatigue() -> Dataset:
    """Fatigue strength of steels by composition and process."""
    path = real_data() / "tables" / "nims_fatigue_agrawal2014.csv"
    return ice.read(path, "Fatigue", drop=["Sl. No."])


def alloys() -> Dataset:
    """Yield strength of multi-principal element alloys by composition, process and temperature."""
    frame = pd.read_csv(real_data() / "tables" / "mpea_borg2020.csv")
    frame.columns = [name.removeprefix("PROPERTY: ") for name in frame.columns]
    temperature = next(name for name in frame.columns if name.startswith("Test temperature"))
    kept = ["FORMULA", "Processing method", "BCC/FCC/other", "Type of test", temperature]
    frame = frame[[*kept, "YS (MPa)"]].dropna(subset=["YS (MPa)"]).reset_index(drop=True)
    return ice.read(frame, "YS (MPa)", composition="FORMULA")


TASKS: dict[str, Callable[[], Dataset]] = {
    "steels": lambda: matbench("steels", "yield strength"),
    "jdft2d": lambda: matbench("jdft2d", "exfoliation_en"),
    "phonons": lambda: matbench("phonons", "last phdos peak"),
    "fatigue": fatigue,
    "alloys": alloys,
}


@cache
def loaded(task: str) -> tuple[Inputs, np.ndarray, np.ndarray]:
    """Inputs, targets ``(n,)``, and labels ``(n,)`` of near-duplicates, which stay together."""
    data = TASKS[task]()
    return (
        Inputs(Representer().fit(data).transform(data)),
        np.asarray(data.y, float),
        np.asarray(duplicate_groups(data)),
    )

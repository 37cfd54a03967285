"""From a data set to a workload: audit, folds and representation, each stored once in the run."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import iceframe
from iceframe.core.crystals import Crystals
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import plain, read_json, write_json
from iceframe.core.hashing import content_hash
from iceframe.core.runstore import RunStore
from iceframe.core.values import Audit, Finding, Fold, Representation, Splits
from iceframe.ingest import check, make_splits
from iceframe.ingest.duplicates import duplicate_groups
from iceframe.ingest.formulas import composition_codes
from iceframe.ingest.repeats import repeated
from iceframe.scale.fitting import context_for
from iceframe.scale.represent import Representer
from iceframe.scale.rung import Inputs
from iceframe.workflow.folds import read_splits, splits_json
from iceframe.workflow.physics import testable
from iceframe.workflow.plan import Workload
from iceframe.workflow.settings import RunSettings

PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "torch",
    "interpret-core",
    "mapie",
    "optuna",
)
SHIFT_CLUSTERS = 5
SMALLEST_SHIFT_TRAINING = 20
BACKGROUND = "background.npy"
BACKGROUND_CRYSTALS = "background_crystals.npz"
BACKGROUND_SAMPLES = 32


@dataclass(frozen=True)
class Prepared:
    """What is fixed before the first rung is fitted."""

    work: Workload
    audit: Audit
    representer: Representer


def identity_of(data: Dataset, settings: RunSettings) -> dict[str, Any]:
    """What makes two runs the same run."""
    law = {"law": asdict(data.law)} if data.law is not None and testable(data) else {}
    return {
        **json.loads(json.dumps(law)),  # as it will be read again: lists, no tuples
        "data": data.fingerprint,
        "target": data.target,
        "task": data.task,
        "settings": content_hash(settings.deciding()),
        "splits": settings.splits,
        "folds": settings.folds,
        "seed": settings.seed,
        "version": iceframe.__version__,
    }


def header_of(data: Dataset, settings: RunSettings, command: str) -> dict[str, Any]:
    """The contents of ``run.json``."""
    recipe = json.loads(json.dumps(dict(data.recipe), default=plain))
    return {
        "identity": identity_of(data, settings),
        "target": data.target,
        "task": data.task,
        "classes": list(data.classes),
        "unit": data.units.get(data.target or "", ""),
        "facts": {
            "name": data.name,
            "source": data.source,
            "layout": data.layout,
            "n": len(data),
            "image_shape": list(data.images.shape) if data.images is not None else None,
            **({} if data.crystals is None else {"sites": int(data.crystals.sizes.sum())}),
            "fingerprint": data.fingerprint,
            "notes": list(data.notes),
        },
        "reading": {"target": data.target, **recipe},
        "settings": {
            **json.loads(json.dumps(settings.deciding(), default=plain)),
            "ladder": list(settings.ladder),
            "floors": dict(settings.floors),
            "command": command,
        },
        "versions": {
            "iceframe": iceframe.__version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            **{name: metadata.version(name) for name in PACKAGES},
        },
    }


def settings_from(header: Mapping[str, Any]) -> RunSettings:
    """The settings that a stored run was made with."""
    body = {k: v for k, v in header["settings"].items() if k != "command"}
    named = body.get("descriptors")
    return RunSettings(
        **{
            **body,
            "ladder": tuple(body["ladder"]),
            "descriptors": None if named is None else tuple(named),
        }
    )


def prepare(
    data: Dataset,
    settings: RunSettings,
    store: RunStore,
    *,
    splits: Splits | None = None,
    unlabelled: Dataset | None = None,
    teacher: str = "",
) -> Prepared:
    """Audit, split and represent ``data``, or read what an earlier start of this run stored.

    ``splits``: the outer folds, where they are given and not made after ``settings``;
    ``unlabelled``: samples without a target for rungs that learn from another's answers;
    ``teacher``: the rung that they learn from, where one is named.
    """
    identity = store.header["identity"]
    key = content_hash(identity, "prepared")
    if not store.finished(key):
        staged = store.stage()
        _prepare_into(staged, data, settings, splits)
        store.commit(key, f"prepared-{key[:8]}", staged)
    folder = store.unit(key)
    return _read_prepared(folder, data, settings, store, unlabelled, teacher)


def _prepare_into(staged: Path, data: Dataset, settings: RunSettings, given: Splits | None) -> None:
    splits = given
    if splits is None:
        splits = make_splits(data, settings.splits, settings.folds, settings.seed)
        splits = repeated(data, splits, settings.repeats, settings.seed)
    write_json(staged / "splits.json", splits_json(splits))
    shift = _shift_splits(data, settings)
    if shift is not None:
        write_json(staged / "shift.json", splits_json(shift))
    audit = check(data, splits, seed=settings.seed)
    write_json(staged / "audit.json", audit_json(audit))
    created = datetime.now().astimezone().isoformat(timespec="minutes")
    write_json(staged / "created.json", created)
    np.save(staged / "groups.npy", inner_groups(data, splits), allow_pickle=False)
    if data.images is not None:
        typical = data.images.read(background_index(len(data)))
        np.save(staged / BACKGROUND, typical, allow_pickle=False)
    if data.crystals is not None:
        write_crystals(
            staged / BACKGROUND_CRYSTALS, data.crystals.take(background_index(len(data)))
        )
    representer = Representer(settings.descriptors).fit(data)
    representation = representer.transform(data)
    write_representation(staged, representation, representer)


def write_representation(
    staged: Path, representation: Representation, representer: Representer
) -> None:
    """Store what :func:`read_representation` reads."""
    frame = pd.DataFrame(
        representation.values, columns=[f"c{i}" for i in range(len(representation.names))]
    )
    frame.to_parquet(staged / "representation.parquet")
    write_json(
        staged / "representation.json",
        {
            "names": representation.names,
            "units": representation.units,
            "blocks": {
                name: list(map(int, columns)) for name, columns in representation.blocks.items()
            },
            "references": representation.references,
            "representer": representer.state(),
        },
    )


def _read_prepared(
    folder: Path,
    data: Dataset,
    settings: RunSettings,
    store: RunStore,
    unlabelled: Dataset | None,
    teacher: str,
) -> Prepared:
    representation, representer = read_representation(folder)
    if len(representation) != len(data):
        raise InputError("The stored representation does not fit the data.", where=folder)
    others = None
    if unlabelled is not None:
        described = representer.transform(unlabelled)
        others = Inputs(described, unlabelled.images, unlabelled.crystals)
    inputs = Inputs(representation, data.images, data.crystals, others)
    if data.task == "classification":
        codes = {name: code for code, name in enumerate(data.classes)}
        y = np.array([codes[name] for name in data.y], np.int64)
    else:
        y = data.y
    context = context_for(
        inputs,
        data.task or "regression",
        n_classes=len(data.classes),
        symmetries=tuple(data.recipe.get("symmetries", ())),
        device=device_of(settings.device),
        seed=settings.seed,
        target=data.target or "",
        target_unit=data.units.get(data.target or "", ""),
        teacher=teacher,
    )
    shift = folder / "shift.json"
    work = Workload(
        inputs,
        y,
        data.ids,
        data.target or "",
        data.classes,
        context,
        read_splits(folder / "splits.json"),
        read_splits(shift) if shift.exists() else None,
        settings,
        np.load(folder / "groups.npy", allow_pickle=False),
        labels_of(data),
        store.root,
        data.law if testable(data) else None,
    )
    return Prepared(work, read_audit(folder / "audit.json"), representer)


def inner_groups(data: Dataset, splits: Splits) -> np.ndarray:
    """Labels ``(n,)`` of what inner folds keep together, as the outer ones do.

    Tuning and calibration must meet the same difficulty as the test: with specimens kept apart
    outside they are kept apart inside, and the official Matbench folds, which part copies, are
    imitated in that too.
    """
    kind, _, column = splits.spec.partition(":")
    if kind == "matbench":
        return np.arange(len(data))
    if column and column == data.composition:
        return composition_codes(data.table[column])
    if column:
        labels = np.unique(data.table[column].astype(str), return_inverse=True)[1]
        # A date of its own for every sample keeps nothing together.
        if kind != "forward" or labels.max() + 1 < len(data) / 2:
            return np.asarray(labels)
    return duplicate_groups(data)


def background_index(n: int) -> np.ndarray:
    """Positions of the samples that explanations are measured against, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, BACKGROUND_SAMPLES)).astype(int))


def write_crystals(path: Path, crystals: Crystals) -> None:
    """Store what :func:`read_crystals` reads."""
    arrays = {f.name: np.asarray(getattr(crystals, f.name)) for f in fields(Crystals)}
    np.savez(path, allow_pickle=False, **{**arrays, "names": np.array(crystals.names, dtype=str)})


def read_crystals(path: Path) -> Crystals:
    """Crystals as stored by :func:`prepare`."""
    with np.load(path, allow_pickle=False) as stored:
        held = {f.name: stored[f.name] for f in fields(Crystals)}
    return Crystals(**{**held, "names": tuple(map(str, held["names"]))})


def prepared_folder(store: RunStore) -> Path:
    """Where :func:`prepare` stored its files."""
    return store.unit(content_hash(store.header["identity"], "prepared"))


def read_representation(folder: Path) -> tuple[Representation, Representer]:
    """The stored representation of the run's samples and what made it."""
    meta = read_json(folder / "representation.json")
    values = pd.read_parquet(folder / "representation.parquet").to_numpy(float)
    representation = Representation(
        values,
        tuple(meta["names"]),
        tuple(meta["units"]),
        {name: tuple(columns) for name, columns in meta["blocks"].items()},
        tuple(meta["references"]),
    )
    return representation, Representer.from_state(meta["representer"])


def audit_json(audit: Audit) -> dict[str, Any]:
    """An audit as plain values."""
    return {"findings": [f.as_dict() for f in audit.findings], "facts": dict(audit.facts)}


def read_audit(path: Path) -> Audit:
    """An audit as stored by :func:`prepare`."""
    body = read_json(path)
    findings = tuple(Finding(**{**f, "samples": tuple(f["samples"])}) for f in body["findings"])
    return Audit(findings, body["facts"])


def _shift_splits(data: Dataset, settings: RunSettings) -> Splits | None:
    """Leave-cluster-out folds for the error under shift; ``None`` where the data allow none."""
    if not settings.shift or settings.splits.startswith(("cluster", "leave-out")):
        return None
    try:
        shift = make_splits(data, "cluster", SHIFT_CLUSTERS, settings.seed)
    except InputError:
        return None
    folds = tuple(f for f in shift.folds if _usable(f, data))
    return Splits(shift.spec, folds, shift.notes) if folds else None


def _usable(fold: Fold, data: Dataset) -> bool:
    enough = len(fold.train) >= SMALLEST_SHIFT_TRAINING and len(fold.test) > 0
    if data.task != "classification":
        return enough
    return enough and len(set(data.y[fold.train])) == len(data.classes)


def labels_of(data: Dataset) -> np.ndarray | None:
    """The user's groups: material classes before specimens before others."""
    for role in ("material_class", "specimen", *data.groups):
        if role in data.groups:
            return data.table[data.groups[role]].astype(str).to_numpy(dtype=str)
    return None


def device_of(asked: str) -> str:
    """The device to compute on, checked."""
    if asked not in ("auto", "cpu") and not asked.startswith(("cuda", "mps")):
        raise UsageError("Unknown device.", got=asked, allowed="auto, cpu, cuda, cuda:0, mps")
    import torch

    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if asked.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("There is no CUDA device here.", got=asked, allowed="auto, cpu")
    return asked

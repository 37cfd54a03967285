"""Outer folds: random, stratified, grouped, leave-one-group-out, leave-cluster-out, forward,
extremes, Matbench's.

All but Matbench's official folds keep copies of a sample on one side. Test sets never overlap, and
every sample is tested once (leave-out: every sample that has a group; forward: all but the first;
extremes: the two ends).

References: grouped and leave-cluster-out validation, Meredig et al. 2018,
doi:10.1039/C8ME00012C; Matbench's folds, Dunn et al. 2020, doi:10.1038/s41524-020-00406-3.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.seeds import derive_seed, generator
from iceframe.core.values import Fold, Splits
from iceframe.ingest.balanced import assign_groups, even_clusters
from iceframe.ingest.coordinates import NORMAL_IQR, coordinates
from iceframe.ingest.duplicates import duplicate_groups
from iceframe.ingest.formulas import composition_codes
from iceframe.ingest.forward import extreme_folds, forward_folds
from iceframe.ingest.looks import looks

SPECS = (
    "auto",
    "random",
    "stratified",
    "grouped:COLUMN",
    "leave-out:COLUMN",
    "cluster",
    "forward:COLUMN",
    "extremes",
    "matbench",
)
_WITH_COLUMN = ("grouped", "leave-out", "forward")
_OWN_NUMBER = ("leave-out", "extremes")
MATBENCH_FOLDS, MATBENCH_SEED = 5, 18012019
SPECIMEN = "specimen"


def make_splits(data: Dataset, spec: str = "auto", folds: int = 5, seed: int = 0) -> Splits:
    """Folds for ``data``.

    Parameters
    ----------
    spec : ``auto`` (grouped by specimen where one is known, else stratified for a classification
        and random for a regression), ``random``, ``stratified``, ``grouped:COLUMN``,
        ``leave-out:COLUMN`` (one fold a group), ``cluster`` (leave one k-means cluster of the
        features out), ``forward:COLUMN`` (train on the earlier, test on the later) and ``extremes``
        (test on the lowest and the highest targets), both in :mod:`iceframe.ingest.forward`,
        ``matbench`` (the official folds, in row order).
    folds : number of folds; steps of ``forward``; ``leave-out`` and ``extremes`` make their own
        number, ``matbench`` has five.
    seed : root seed; the same seed gives the same folds.

    Raises
    ------
    UsageError : unknown specification or column, or a number of folds that cannot be.
    InputError : the data cannot be split so: too few samples, groups, or members of a class.
    """
    name, _, column = spec.partition(":")
    name = name.strip().lower()
    _check_spec(name, column, spec, data)
    _check_folds(data, name, folds)
    if name == "auto":
        return _auto(data, folds, seed)
    if name in ("random", "stratified"):
        return _plain(data, name, folds, seed)
    if name == "grouped":
        return _grouped(data, spec, group_column(data, column, spec), folds, seed)
    if name == "leave-out":
        return _leave_out(data, spec, group_column(data, column, spec))
    if name == "cluster":
        return _cluster(data, folds, seed)
    if name == "forward":
        made = forward_folds(data, group_column(data, column, spec), folds)
        return _splits(data, spec, *_drop_copies(data, *made))
    if name == "extremes":
        return _splits(data, spec, *_drop_copies(data, *extreme_folds(data)))
    return _matbench(data)


def _check_spec(name: str, column: str, spec: str, data: Dataset) -> None:
    known = [s.partition(":")[0] for s in SPECS]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        mean = f" Did you mean '{near[0]}'?" if near else ""
        raise UsageError(
            f"Unknown splits '{spec}'.{mean}", where="--splits", allowed=", ".join(SPECS)
        )
    if column and name not in _WITH_COLUMN:
        raise UsageError(
            f"'{name}' takes no column.", where="--splits", got=spec, allowed=", ".join(SPECS)
        )
    if name == "stratified" and data.task != "classification":
        raise UsageError(
            "Stratified folds need classes, and the target is a number.",
            where="--splits",
            got=spec,
            allowed=", ".join(s for s in SPECS if s != "stratified"),
            hint="use --splits random",
        )


def _check_folds(data: Dataset, name: str, folds: int) -> None:
    n = len(data)
    if name == "matbench":
        if folds != MATBENCH_FOLDS:
            raise UsageError(
                "Matbench has five official folds.", where="--folds", got=folds, allowed=5
            )
        folds = MATBENCH_FOLDS
    if name in _OWN_NUMBER:
        return
    if folds < 2:
        raise UsageError(
            "At least two folds are needed.", where="--folds", got=folds, allowed="2 …"
        )
    if n < 2:
        raise InputError("Too few samples to split.", where=data.source or data.name, got=n)
    if folds > n:
        raise InputError(
            "There are fewer samples than folds.",
            where="--folds",
            got=f"{folds} folds for {n} samples",
            allowed=f"2 … {n}",
            hint=f"use --folds {min(n, 3)} or add samples",
        )
    if data.task == "classification":
        counts = pd.Series(data.y).value_counts()
        small = counts[counts < folds]
        if len(small):
            raise InputError(
                f"Class '{small.index[-1]}' has fewer samples than there are folds.",
                where=f"target '{data.target}'",
                got=", ".join(f"{label}: {count}" for label, count in small.items()),
                allowed=f"at least {folds} samples a class",
                hint=f"use --folds {max(2, int(counts.min()))}, add samples, or merge the class",
            )


def _auto(data: Dataset, folds: int, seed: int) -> Splits:
    if SPECIMEN in data.groups:
        column = data.groups[SPECIMEN]
        splits = _grouped(data, f"grouped:{column}", column, folds, seed)
        why = f"auto: specimens ('{column}') are kept whole, so that no specimen is on both sides."
    elif data.task == "classification":
        splits = _plain(data, "stratified", folds, seed)
        why = "auto: stratified, every fold has the classes in the same proportions."
    else:
        splits = _plain(data, "random", folds, seed)
        why = "auto: random folds."
    return replace(splits, notes=(why, *splits.notes))


def _codes(data: Dataset) -> np.ndarray:
    """Class of each sample as an integer ``(n,)``; zeros for a regression."""
    if data.task != "classification":
        return np.zeros(len(data), int)
    return np.unique(data.y, return_inverse=True)[1]


def _plain(data: Dataset, name: str, folds: int, seed: int) -> Splits:
    copies, notes = _separable_copies(data, folds)
    classes = _codes(data) if name == "stratified" else np.zeros(len(data), int)
    fold = assign_groups(copies, classes, folds, generator(seed, "splits", name))
    return _splits(data, name, _fold_list(fold, folds), notes)


def _separable_copies(data: Dataset, folds: int) -> tuple[np.ndarray, list[str]]:
    """Copies that folds can keep together ``(n,)``, and a note on what was done."""
    copies = duplicate_groups(data)
    sizes = np.bincount(copies)
    n_copied = int(sizes[sizes > 1].sum())
    if n_copied == 0:
        return copies, []
    if len(sizes) < 2 * folds or sizes.max() > len(data) / folds:
        return np.arange(len(data)), [
            f"Copies could not be kept on one side: {len(data)} samples have only {len(sizes)} "
            f"different inputs, one of them {sizes.max()} times."
        ]
    return copies, [
        f"{n_copied} samples that are copies or near-copies of one another "
        f"({int((sizes > 1).sum())} families) are kept on one side."
    ]


def group_column(data: Dataset, column: str, spec: str) -> str:
    """The column that ``spec`` names; a role stands for its column, nothing for specimens."""
    if not column and SPECIMEN in data.groups and not spec.startswith("forward"):
        column = SPECIMEN
    column = data.groups.get(column, column)
    if column in data.table.columns and column != data.target:
        return column
    allowed = [str(c) for c in data.table.columns if c != data.target]
    if not column:
        raise UsageError(
            f"'{spec}' needs a column.", where="--splits", got=spec, allowed=", ".join(allowed)
        )
    near = difflib.get_close_matches(column, allowed, n=1, cutoff=0.5)
    mean = f" Did you mean '{near[0]}'?" if near else ""
    what = "is the target" if column == data.target else "is not in the data"
    raise UsageError(
        f"The column '{column}' {what}.{mean}",
        where="--splits",
        got=spec,
        allowed=", ".join(allowed),
    )


def _group_codes(data: Dataset, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Group of each sample ``(n,)`` (−1 where missing) and the group names; formulas of one
    composition are one group, however they are written."""
    codes, names = pd.factorize(data.table[column], sort=False)
    if column == data.composition:
        codes = composition_codes(data.table[column])
        names = pd.Index(data.table[column].iloc[np.unique(codes, return_index=True)[1]])
    return codes.astype(int), np.array([str(name) for name in names], dtype=object)


def _grouped(data: Dataset, spec: str, column: str, folds: int, seed: int) -> Splits:
    groups, names = _group_codes(data, column)
    lone = groups < 0
    notes = []
    if lone.any():
        groups = np.where(lone, len(names) + np.cumsum(lone), groups)
        notes.append(f"{int(lone.sum())} samples without '{column}' are groups of their own.")
    n_groups = len(np.unique(groups))
    if n_groups < folds:
        raise InputError(
            f"'{column}' has fewer groups than there are folds.",
            where="--splits",
            got=f"{n_groups} groups, {folds} folds",
            allowed=f"2 … {n_groups} folds" if n_groups > 1 else "at least two groups",
            hint=f"use --folds {n_groups}" if n_groups > 1 else "use --splits random",
        )
    fold = assign_groups(groups, _codes(data), folds, generator(seed, "splits", "grouped"))
    return _splits(data, spec, *_drop_copies(data, _fold_list(fold, folds), notes))


def _leave_out(data: Dataset, spec: str, column: str) -> Splits:
    groups, names = _group_codes(data, column)
    if len(names) < 2:
        raise InputError(
            f"'{column}' has fewer than two groups: none can be left out.",
            where="--splits",
            got=", ".join(map(str, names)) or "no values",
            hint="name another column or use --splits random",
        )
    notes = []
    if (groups < 0).any():
        notes.append(f"{int((groups < 0).sum())} samples without '{column}' are only trained on.")
    everything = np.arange(len(data))
    made = [
        Fold(label, everything[groups != g], everything[groups == g])
        for g, label in enumerate(_fold_names(names.tolist()))
    ]
    return _splits(data, spec, *_drop_copies(data, made, notes))


def _fold_names(names: Sequence[str]) -> list[str]:
    """Group names that are safe as file names and different from one another."""
    safe = [re.sub(r"[^\w.+=-]+", "-", name)[:60] or "group" for name in names]
    taken: set[str] = set()
    for i, name in enumerate(safe):
        while safe[i].lower() in taken:
            safe[i] = f"{name}-{i}"
        taken.add(safe[i].lower())
    return safe


def _cluster(data: Dataset, folds: int, seed: int) -> Splits:
    values = cluster_features(data)
    if values.shape[1] == 0:
        raise InputError(
            "There is nothing to cluster the samples by.",
            where="--splits cluster",
            got="no numeric column, composition or image that varies",
            hint="use --splits random or grouped:COLUMN",
        )
    if len(np.unique(values, axis=0)) < folds:
        raise InputError(
            "There are fewer different samples than clusters.",
            where="--splits cluster",
            got=f"{len(np.unique(values, axis=0))} different samples, {folds} folds",
            hint="use fewer --folds",
        )
    if data.crystals is not None:
        # Polymorphs differ in volume, but one composition on both sides is no new kind.
        values = _averaged(values, composition_codes(data.table[data.composition]))
    fold = even_clusters(values, folds, derive_seed(seed, "splits", "cluster"))
    sizes = ", ".join(map(str, np.bincount(fold, minlength=folds)))
    notes = [
        f"Each fold is one cluster of similar samples (sizes {sizes}): scores are for new kinds."
    ]
    return _splits(data, "cluster", *_drop_copies(data, _fold_list(fold, folds), notes))


def _averaged(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Each row ``(n, d)`` replaced by the mean of the rows with its label."""
    sums = np.zeros((codes.max() + 1, values.shape[1]))
    np.add.at(sums, codes, values)
    return np.asarray((sums / np.bincount(codes)[:, None])[codes])


def cluster_features(data: Dataset) -> np.ndarray:
    """What samples are clustered by, ``(n, d)``: robustly standardised columns, element fractions,
    simple image statistics and the volume per atom of crystals, clipped at three deviations so that
    outliers do not make clusters of their own."""
    columns = coordinates(data)
    values = np.where(columns.missing, np.nan, columns.values)
    if data.images is not None:
        values = np.column_stack([values, looks(data.images).values])
    if data.crystals is not None:
        values = np.column_stack([values, data.crystals.volumes / data.crystals.sizes])
    values = values[:, ~np.isnan(values).all(axis=0)]
    if not values.size:
        return values
    low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75), axis=0)
    values = np.where(np.isnan(values), middle, values)
    scale = np.where(high > low, (high - low) / NORMAL_IQR, values.std(axis=0))
    varies = scale > 0
    return np.clip((values[:, varies] - middle[varies]) / scale[varies], -3, 3)


def _matbench(data: Dataset) -> Splits:
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if data.task == "classification" else KFold
    splitter = kind(MATBENCH_FOLDS, shuffle=True, random_state=MATBENCH_SEED)
    rows = np.arange(len(data))
    made = [
        Fold(f"fold{i}", train, test)
        for i, (train, test) in enumerate(splitter.split(rows, _codes(data)))
    ]
    copies = duplicate_groups(data)
    leaked = sum(int(np.isin(copies[f.test], copies[f.train]).sum()) for f in made)
    notes = ["The official Matbench folds, by row order."]
    if leaked:
        notes.append(
            f"{leaked} samples have a copy on the other side; official folds are not changed."
        )
    return _splits(data, "matbench", made, notes)


def _fold_list(fold: np.ndarray, folds: int) -> list[Fold]:
    rows = np.arange(len(fold))
    return [Fold(f"fold{i}", rows[fold != i], rows[fold == i]) for i in range(folds)]


def _drop_copies(data: Dataset, made: list[Fold], notes: list[str]) -> tuple[list[Fold], list[str]]:
    """Training samples that copy a test sample are left out of that fold's training.

    Groups stay whole; merging them through their copies instead would chain many into one.
    """
    copies = duplicate_groups(data)
    kept, dropped = [], 0
    for fold in made:
        clean = fold.train[~np.isin(copies[fold.train], copies[fold.test])]
        dropped += len(fold.train) - len(clean)
        kept.append(Fold(fold.name, clean, fold.test))
    if dropped:
        notes = [*notes, f"{dropped} training samples that copy a test sample were left out."]
    return kept, notes


def _splits(data: Dataset, spec: str, made: list[Fold], notes: list[str]) -> Splits:
    """The finished folds, after checking that each can be trained on."""
    classes = _codes(data)
    for fold in made:
        if len(fold.train) < 2 or not len(fold.test):
            raise InputError(
                f"Fold '{fold.name}' has too few samples.",
                where=f"--splits {spec}",
                got=f"{len(fold.train)} to train on, {len(fold.test)} to test on",
                hint="use fewer --folds or --splits random",
            )
        absent = np.setdiff1d(classes, classes[fold.train])
        if len(absent):
            label = np.unique(data.y)[absent[0]]
            raise InputError(
                f"Fold '{fold.name}' holds every sample of class '{label}': "
                "no model could have learned it.",
                where=f"--splits {spec}",
                hint="group by another column, or use --splits stratified",
            )
    return Splits(spec, tuple(made), tuple(notes))

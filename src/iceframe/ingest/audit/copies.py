"""Copies: whether a split has one on each side, whether they agree, and what repeats tell.

If two measurements ``y, y'`` of the same sample scatter independently about the truth, a perfect
model still has the mean absolute error ``E|y − y'| / √2`` (exact for a normal scatter): the repeat
error. The standard deviation comes from the pooled variance within the repeated groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iceframe.core.dataset import Dataset
from iceframe.core.values import Finding, Splits
from iceframe.ingest.audit.phrases import listed
from iceframe.ingest.duplicates import Duplicates, find_duplicates, linked
from iceframe.ingest.formulas import crystal_codes

SAME = ("identical", "same field")
"""Relations of copies whose target must agree; shifted fields may differ."""
FEWEST_REPEATS = 5
BELIEVABLE = 0.5
"""Repeat error over the mean absolute deviation of the target. Above, equal features are not
repeats of one measurement: something that decides the target is not among the columns."""
SEVERE = 0.02
SHOWN_PAIRS = 200


def examine(
    data: Dataset, splits: Splits | None, seed: int
) -> tuple[list[Finding], dict[str, Any]]:
    """Copies in the data, across folds, and in conflict."""
    copies = find_duplicates(data)
    facts: dict[str, Any] = {"duplicates": _summary(data, copies)}
    findings = _present(data, copies, splits)
    if data.target is not None:
        found, known = _conflicts(data, copies)
        findings += found
        facts |= known
    if not copies.complete and data.crystals is not None:
        findings.append(
            Finding(
                "copies-not-searched",
                "note",
                "Not all crystals of one formula were compared",
                f"{len(data)} crystals of {len(np.unique(crystal_codes(data.crystals)))} formulas "
                "make too many pairs; exact copies and the nearest volumes were looked at.",
                "if they are frames of a trajectory, name what they belong to with "
                "--specimen COLUMN",
            )
        )
    elif not copies.complete:
        findings.append(
            Finding(
                "overlaps-not-searched",
                "note",
                "Overlapping fields of view were not looked for",
                f"{len(data)} images are too many to compare under all shifts; copies, also "
                "mirrored, rotated and re-toned ones, were looked for.",
                "if images may overlap, name what they were cut from with --specimen COLUMN",
            )
        )
    return findings, facts


def _summary(data: Dataset, copies: Duplicates) -> dict[str, Any]:
    sizes = np.bincount(copies.groups, minlength=1)
    ids = data.ids
    return {
        "n_pairs": len(copies.pairs),
        "n_samples": int(copies.shared().sum()) if len(data) else 0,
        "n_families": int((sizes > 1).sum()),
        "largest_family": int(sizes.max()) if len(data) else 0,
        "overlaps_searched": copies.complete,
        "pairs": [
            {"a": str(ids[i]), "b": str(ids[j]), "score": float(s), "relation": relation}
            for (i, j), s, relation in zip(
                copies.pairs[:SHOWN_PAIRS].tolist(),
                copies.score[:SHOWN_PAIRS],
                copies.relation[:SHOWN_PAIRS],
                strict=True,
            )
        ],
    }


def across(copies: Duplicates, splits: Splits) -> np.ndarray:
    """Test samples ``(n,)`` bool that have a copy in the training set of the same fold."""
    leaked = np.zeros(len(copies.groups), bool)
    for fold in splits.folds:
        leaked[fold.test] |= np.isin(copies.groups[fold.test], copies.groups[fold.train])
    return leaked


def _present(data: Dataset, copies: Duplicates, splits: Splits | None) -> list[Finding]:
    if not len(copies.pairs):
        return []
    leaked = np.zeros(len(data), bool) if splits is None else across(copies, splits)
    examples = [f"{data.ids[i]} and {data.ids[j]} ({r})" for (i, j), r in _examples(copies)]
    if leaked.any():
        official = splits is not None and splits.spec == "matbench"
        severe = leaked.mean() >= SEVERE and not official
        return [
            Finding(
                "duplicates-across-folds",
                "error" if severe else "warning",
                f"Test samples with a copy in training: {int(leaked.sum())}",
                f"{leaked.mean():.1%} of the samples, for example {listed(examples, 3)}: "
                "a model can answer them from memory.",
                "keep copies on one side with --splits "
                + ("stratified" if data.task == "classification" else "random")
                + (
                    " (the official folds stay comparable with published scores)"
                    if official
                    else ""
                ),
                tuple(map(str, data.ids[leaked][:20])),
                float(leaked.mean()),
            )
        ]
    handled = "they are" if splits is not None else "ICEFrame's own splits keep them"
    return [
        Finding(
            "duplicates",
            "note",
            f"Copies or near-copies of one another: {int(copies.shared().sum())} samples",
            f"Pairs: {len(copies.pairs)}, for example {listed(examples, 3)}; "
            f"{handled} on one side of the split.",
            "look at the pairs (iceframe check --json lists them); "
            + (
                "if such images come from one specimen, name it with --specimen COLUMN"
                if data.images is not None
                else "of copies with other targets the repeats tell the error of the method"
                if data.crystals is not None
                else "if rows were copied by mistake, delete them from the file"
            ),
            tuple(map(str, data.ids[copies.shared()][:20])),
            float(len(copies.pairs)),
        )
    ]


def _examples(copies: Duplicates) -> list[tuple[tuple[int, int], str]]:
    pairs = [(int(i), int(j)) for i, j in copies.pairs]
    return list(zip(pairs, copies.relation, strict=True))


def _conflicts(data: Dataset, copies: Duplicates) -> tuple[list[Finding], dict[str, Any]]:
    same = np.array([relation in SAME for relation in copies.relation], bool)
    groups = linked(copies.pairs[same], len(data)) if same.any() else np.arange(len(data))
    rows = np.flatnonzero(np.bincount(groups)[groups] > 1)
    if data.task == "classification":
        return _class_conflicts(data, groups, rows), {}
    if data.images is not None:
        return [], {}
    return _repeats(data, groups, rows)


def _class_conflicts(data: Dataset, groups: np.ndarray, rows: np.ndarray) -> list[Finding]:
    if not len(rows):
        return []
    codes = np.unique(data.y, return_inverse=True)[1]
    answers = np.unique(np.column_stack([groups[rows], codes[rows]]), axis=0)[:, 0]
    families, n_answers = np.unique(answers, return_counts=True)
    torn = families[n_answers > 1]
    if not len(torn):
        return []
    odd = np.isin(groups, torn)
    wrong = len(data) - _best_hits(codes, groups)
    return [
        Finding(
            "conflicting-duplicates",
            "warning",
            f"Copies with different classes: {int(odd.sum())} samples",
            f"{listed(data.ids[odd])}: the same input with different answers, so that any model is "
            f"wrong in at least {wrong} of {len(data)} cases.",
            "look at them and correct the labels, or add the column that tells them apart",
            tuple(map(str, data.ids[odd][:20])),
            float(len(torn)),
        )
    ]


def _best_hits(codes: np.ndarray, groups: np.ndarray) -> int:
    """How many samples agree with the commonest class of their family."""
    pairs, counts = np.unique(np.column_stack([groups, codes]), axis=0, return_counts=True)
    best = np.zeros(int(groups.max()) + 1, int)
    np.maximum.at(best, pairs[:, 0], counts)
    return int(best.sum())


def repeat_error(y: np.ndarray, groups: np.ndarray) -> tuple[float, float, int]:
    """Mean absolute error and standard deviation of one measurement, and the number of groups.

    Groups whose values are all equal are copied rows, not repeats, and do not count.

    Examples
    --------
    >>> repeat_error(np.array([1.0, 3.0, 5.0, 5.0, 9.0]), np.array([0, 0, 1, 1, 2]))[1:]
    (1.4142135623730951, 1)
    """
    differences, variances, weights = [], [], []
    order = np.argsort(groups, kind="stable")
    for values in np.split(y[order], np.flatnonzero(np.diff(groups[order])) + 1):
        if len(values) > 1 and np.ptp(values) > 0:
            ordered, m = np.sort(values), len(values)
            # Σ over pairs of |difference|, without listing the pairs.
            total = float((ordered * (2 * np.arange(m) - m + 1)).sum())
            differences.append(total / (m * (m - 1) / 2))
            variances.append(float(values.var(ddof=1)))
            weights.append(m - 1)
    if not weights:
        return float("nan"), float("nan"), 0
    absolute = float(np.average(differences, weights=weights)) / np.sqrt(2)
    return float(absolute), float(np.sqrt(np.average(variances, weights=weights))), len(weights)


def _repeats(
    data: Dataset, groups: np.ndarray, rows: np.ndarray
) -> tuple[list[Finding], dict[str, Any]]:
    rows = rows[np.isfinite(data.y[rows])]
    if not len(rows):
        return [], {}
    error, deviation, n_groups = repeat_error(data.y[rows], groups[rows])
    if n_groups == 0:
        return [], {}
    y = data.y[np.isfinite(data.y)]
    share = error / max(float(np.abs(y - np.median(y)).mean()), 1e-300)
    facts: dict[str, Any] = {"repeat_groups": n_groups, "repeat_error_share": share}
    if share <= BELIEVABLE:
        if n_groups >= FEWEST_REPEATS:
            facts |= {"repeat_error": error, "repeat_sd": deviation}
        return [
            Finding(
                "repeats",
                "note",
                f"Samples measured more than once: {n_groups}",
                f"Repeats differ by a mean absolute error of {error:.3g} ({share:.1%} of the "
                "target's spread): no model can be better on single measurements.",
                "nothing: repeats are kept on one side, and the repeat error is the smallest "
                "difference between models that counts",
                value=error,
            )
        ], facts
    return [
        Finding(
            "conflicting-duplicates",
            "warning",
            f"Same features, different targets: {n_groups} groups of samples",
            f"They differ by a mean absolute error of {error:.3g}, {share:.0%} of the target's "
            "spread: something that decides the target is not among the features.",
            "add the column that tells them apart (structure, process, test temperature) to the "
            "file, or to --features",
            tuple(map(str, data.ids[rows][:20])),
            share,
        )
    ], facts | {"conflict_error": error}

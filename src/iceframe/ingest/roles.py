"""Which column is what: id, composition, groups, features; and why a column was left out.

Nothing disappears in silence: every column that is not a feature comes with a note, and naming
it in ``features`` overrules the rules below (except for the target).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iceframe.core.errors import InputError
from iceframe.ingest.columns import Column
from iceframe.ingest.compositions import WORDS, looks_like_formulas

STRICT_IDS = frozenset(["id", "sampleid", "mbid", "uid", "uuid", "identifier", "materialid"])
"""Compact names that promise unique values: duplicates under them are an error."""

LOOSE_IDS = STRICT_IDS | frozenset(
    (
        *("slno", "sno", "srno", "serialno", "serialnumber", "index", "unnamed0", "column1"),
        *("rowid", "row", "no", "nr", "number", "sample", "sampleno", "samplename"),
        *("samplenumber", "name", "key", "mpid"),
    )
)
GROUP_NAMES: Mapping[str, frozenset[str]] = {
    "specimen": frozenset(
        ("specimen", "specimenid", "specimenname", "specimenno", "specimennumber", "workpiece")
    ),
    "material_class": frozenset(
        ("materialclass", "classofmaterial", "alloyclass", "materialfamily")
    ),
    "reference": frozenset(
        (
            *("doi", "referencedoi", "reference", "referenceid", "referenceno", "paper"),
            *("publication", "citation", "identifierreferenceid", "source"),
        )
    ),
    "batch": frozenset(
        ("batch", "batchid", "batchno", "lot", "lotno", "heatno", "heatnumber", "heatid")
    ),
}
PROVENANCE = frozenset(
    (
        *("doi", "citation", "bibtex", "url", "title", "author", "authors", "year", "date"),
        *("comment", "comments", "remark", "remarks", "note", "notes"),
    )
)
MAX_CATEGORIES = 50
"""A text column with more distinct values than this is free text: no model learns from it here."""

MIN_PRESENT = 0.02
"""A column with values in a smaller share of the rows (or fewer than 8 rows) says too little."""

FEW = 8


@dataclass(frozen=True)
class Roles:
    """What the columns are, and notes on those that were left out."""

    features: tuple[str, ...]
    composition: str | None
    id_column: str | None
    groups: Mapping[str, str]
    notes: tuple[str, ...]


def compact(name: str) -> str:
    """A name without case and punctuation.

    Examples
    --------
    >>> compact("Sl. No.")
    'slno'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def words(name: str) -> list[str]:
    """The words of a name, lower case.

    Examples
    --------
    >>> words("REFERENCE: doi")
    ['reference', 'doi']
    """
    return re.findall(r"[a-z]+|\d+", name.lower())


def require_column(name: str, columns: Sequence[str], what: str) -> str:
    """``name`` if it is a column, else an :class:`InputError` with the nearest one."""
    if name in columns:
        return name
    near = nearest(name, columns)
    listed = ", ".join(map(repr, columns[:30])) + (" …" if len(columns) > 30 else "")
    raise InputError(
        f"Unknown {what} {name!r}." + (f" Did you mean {near!r}?" if near else ""),
        allowed=listed or "this data has no columns",
    )


def nearest(name: str, columns: Iterable[str]) -> str | None:
    """The column whose name is nearest: by letters, or by holding all the words asked for.

    Examples
    --------
    >>> nearest("ys", ["PROPERTY: HV", "PROPERTY: YS (MPa)"])
    'PROPERTY: YS (MPa)'
    """
    asked = compact(name)
    candidates = {compact(column): column for column in reversed(list(columns))}
    if close := difflib.get_close_matches(asked, candidates, n=1, cutoff=0.6):
        return candidates[close[0]]
    wanted = set(words(name))
    holding = [c for c in candidates.values() if wanted and wanted <= set(words(c))]
    holding += [c for key, c in candidates.items() if asked and asked in key]
    return min(holding, key=len) if holding else None


def find_composition(columns: Mapping[str, Column], taken: set[str]) -> str | None:
    """The formula column: named like one, and most values parse."""
    for name, column in columns.items():
        if name in taken or column.kind != "text" or not WORDS & set(words(name)):
            continue
        if looks_like_formulas([text for text in column.values if text is not None]):
            return name
    return None


def find_id(columns: Mapping[str, Column], taken: set[str]) -> str | None:
    """A column that names the samples: named like one, complete, every value once."""
    for name, column in columns.items():
        if name in taken or compact(name) not in LOOSE_IDS or column.missing.any():
            continue
        distinct = column.raw.astype(str).nunique()
        if compact(name) in STRICT_IDS or (
            distinct == len(column.raw) and (column.kind == "text" or is_counter(column))
        ):
            return name
    return None


def is_counter(column: Column) -> bool:
    """Whether a column of numbers merely counts the rows: distinct integers without large gaps."""
    if column.kind != "number" or column.missing.any() or column.odd.any():
        return False
    values = np.sort(column.values.to_numpy(float))
    if not np.isfinite(values).all() or (values != np.round(values)).any() or len(values) < 2:
        return False
    steps = np.diff(values)
    return bool(
        (steps > 0).all() and np.median(steps) == 1 and values[-1] - values[0] < 4 * len(values)
    )


def find_groups(
    columns: Mapping[str, Column], taken: set[str], specimen: str | None
) -> dict[str, str]:
    """Columns that say which samples belong together, by role."""
    groups: dict[str, str] = {"specimen": specimen} if specimen else {}
    for role, known in GROUP_NAMES.items():
        if role in groups:
            continue
        free = [n for n in columns if n not in taken and n not in groups.values()]
        named = [n for n in free if compact(n) in known and columns[n].kind != "empty"]
        grouping = [n for n in named if 1 < _distinct(columns[n]) < len(columns[n].raw)]
        # A DOI names a paper better than a number does.
        for name in sorted(grouping, key=lambda n: "doi" not in words(n))[:1]:
            groups[role] = name
    return groups


def names_a_group(name: str) -> bool:
    """Whether a column of this name tells which samples belong together.

    Examples
    --------
    >>> names_a_group("Specimen ID"), names_a_group("grain size")
    (True, False)
    """
    return any(compact(name) in known for known in GROUP_NAMES.values())


def assign(
    columns: Mapping[str, Column],
    *,
    target: str | None,
    composition: str | None,
    id_column: str | None,
    groups: Mapping[str, str],
    features: Sequence[str] | None,
    drop: Sequence[str],
    hidden: Sequence[str] = (),
) -> Roles:
    """Settle the features; ``hidden`` columns (file names) take no part and get no note."""
    notes: list[str] = []
    used = {target, composition, id_column, *groups.values(), *drop, *hidden}
    chosen: list[str] = []
    if features is not None:
        chosen = [require_column(name, list(columns), "feature") for name in features]
        if target in chosen:
            raise InputError("The target is among the features.", where=target)
        unusable = [n for n in chosen if columns[n].kind in ("date", "nested")]
        if unusable:
            raise InputError(
                "No model can use this column as it is.",
                where=", ".join(unusable),
                got=columns[unusable[0]].kind,
                hint="turn it into a number or a category first",
            )
    else:
        for name, column in columns.items():
            if name in used:
                continue
            why = why_not(column)
            if why:
                notes.append(f"Column '{name}' is not a feature: {why}.")
            else:
                chosen.append(name)
    for role, name in groups.items():
        if name not in chosen:
            notes.append(f"Column '{name}' groups the samples ({role}); it is not a feature.")
    return Roles(tuple(chosen), composition, id_column, dict(groups), tuple(notes))


def why_not(column: Column) -> str:
    """Why a column cannot or should not be a feature; empty when it can."""
    count = len(column.raw)
    present = int((~column.missing).sum())
    name_words = set(words(column.name))
    if column.kind == "empty":
        return "it is empty"
    if column.kind == "date" or _is_year(column):
        return "it is a date"
    if column.kind == "nested":
        return "its cells hold lists, objects or other things than numbers and text"
    if PROVENANCE & name_words or names_a_group(column.name):
        return "it tells where the sample comes from, not what the material is"
    if count >= FEW and present < max(FEW, MIN_PRESENT * count):
        return f"only {present} of {count} rows have a value"
    distinct = _distinct(column)
    if compact(column.name) in LOOSE_IDS and (is_counter(column) or column.kind == "text"):
        return "it is an id"
    if column.kind != "text" or count < FEW:
        return ""
    if distinct == present:
        return "every value is different, as in an id or free text"
    if distinct > MAX_CATEGORIES or distinct > present / 2:
        mixed = f"; it {column.notes[0]}" if column.notes else ""
        return f"it is free text ({distinct} distinct values in {present} rows{mixed})"
    return ""


def _is_year(column: Column) -> bool:
    return "year" in words(column.name) and (
        column.kind == "number" and bool(column.values.dropna().between(1800, 2200).all())
    )


def _distinct(column: Column) -> int:
    if column.kind == "number":
        return int(column.values.nunique())
    return int(column.raw[~column.missing].astype(str).nunique())

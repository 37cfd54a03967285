"""Put a data set together: settle target, ids, compositions, images and roles, in this order.

Each step may find rows that cannot be used; they are named in an error, or left out and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.crystals import Crystals
from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Law, Task
from iceframe.ingest.assembly import assemble_table, settle_ids
from iceframe.ingest.columns import Column, interpret
from iceframe.ingest.compositions import unparsable
from iceframe.ingest.crystal_checks import accept
from iceframe.ingest.folders import Found
from iceframe.ingest.images import FolderImages
from iceframe.ingest.made_compositions import made_note, with_compositions
from iceframe.ingest.opening import Opened, open_images
from iceframe.ingest.options import Options
from iceframe.ingest.roles import (
    Roles,
    assign,
    find_composition,
    find_groups,
    names_a_group,
    require_column,
)
from iceframe.ingest.target import Target, check_variety, class_name, name_rows, settle


@dataclass(frozen=True)
class _Usable:
    """Settled columns and the rows that can be used: ``keep`` holds their positions; ``crystals``
    theirs."""

    target_name: str | None
    target: Target | None
    composition: str | None
    id_column: str | None
    ids: Sequence[str]
    keep: np.ndarray
    crystals: Crystals | None


def build(found: Found, options: Options, name: str, source: str, notes: list[str]) -> Dataset:
    """A data set from what was found under ``source``; ``notes`` were taken on the way."""
    notes = [*notes, *(found.notes or found.table.notes)]
    if found.entries is not None:
        found, options = with_compositions(found, options, notes)
    columns = _interpret(found, options)
    usable = _usable(columns, found, options, notes)
    opened = _open(found, usable.keep, options)
    target = usable.target
    rows = usable.keep if opened is None else usable.keep[opened.rows]
    if target is not None and options.require_target:
        check_variety(target.values.iloc[rows], target.task, str(usable.target_name))
    whole = len(usable.keep) == len(usable.ids)
    if not whole:
        frame = found.table.frame.iloc[usable.keep]
        columns = _interpret(replace(found, table=replace(found.table, frame=frame)), options)
    roles = _roles(columns, usable, found, options, notes)
    notes += opened.notes if opened is not None else ()
    table, units = assemble_table(columns, roles, target, usable.target_name, usable.keep, notes)
    law = _law(options, opened, notes)
    layout = found.table.layout if found.layout == "table" else found.layout
    return Dataset(
        table=_indexed(table, usable, rows, opened),
        target=usable.target_name,
        task=None if target is None else target.task,
        features=roles.features,
        composition=roles.composition,
        images=None if opened is None else opened.images,
        groups=roles.groups,
        units={**units, **options.units},
        name=name,
        source=source,
        # The official folds are positions in the whole table.
        layout=layout if whole or layout != "matbench" else "table",
        notes=tuple(dict.fromkeys(notes)),
        recipe=_recipe(options, roles, usable, columns, opened),
        law=law,
        crystals=usable.crystals,
    )


def _law(options: Options, opened: Opened | None, notes: list[str]) -> Law | None:
    """The stated physics, where the images are its phases."""
    if options.law is None or opened is None:
        return None
    if opened.images.kind != "phase":
        notes.append("The stated physics is not used: the images are not of kind 'phase'.")
        return None
    return options.law


def _usable(
    columns: Mapping[str, Column], found: Found, options: Options, notes: list[str]
) -> _Usable:
    name = _target_name(columns, found, options, notes)
    aside = (name, options.specimen, options.composition, *options.drop, *(options.features or ()))
    taken = {column for column in aside if column}
    needed = options.require_target
    ids, id_column = settle_ids(columns, found, options.id_column, taken, needed, notes)
    if name is not None and not options.require_target:
        name = _complete_target(columns[name], ids, options.task, notes)
    target = None
    good = _present_files(found, ids, options.drop_invalid, notes)
    if name is not None:
        target = settle(columns[name], ids, options.task, options.drop_invalid)
        good &= target.good
        notes += target.notes
    taken = {n for n in (name, id_column, found.file_column, *options.drop) if n}
    composition = _composition(columns, taken, options)
    good, crystals = _accepted(found, ids, good, options.drop_invalid, notes)
    parsed = _parsed(columns, composition, ids, good, options.drop_invalid, notes)
    if not parsed.any():
        raise InputError("No usable row is left.", got="; ".join(notes[-3:]))
    if crystals is not None:
        crystals = crystals.take(np.flatnonzero(parsed[good]))
    keep = np.flatnonzero(parsed)
    return _Usable(name, target, composition, id_column, ids, keep, crystals)


def _accepted(
    found: Found, ids: Sequence[str], good: np.ndarray, drop_invalid: bool, notes: list[str]
) -> tuple[np.ndarray, Crystals | None]:
    """The rows whose crystals can be used, and these crystals."""
    if found.entries is None or not good.any():
        return good, None
    rows = np.flatnonzero(good)
    entries = [found.entries[row] for row in rows]
    if found.layout == "table":  # a crystal in a row is called as the row is
        entries = [replace(e, name=ids[int(row)]) for e, row in zip(entries, rows, strict=True)]
    accepted = accept(entries, drop_invalid)
    notes += accepted.notes
    good = np.zeros(len(good), bool)
    good[rows[accepted.kept]] = True
    return good, accepted.crystals


def _interpret(found: Found, options: Options) -> dict[str, Column]:
    frame = found.table.frame
    for name in (*options.categorical, *options.drop):
        if name not in frame.columns and options.require_target:
            require_column(name, list(frame.columns), "column")
    columns = {}
    for name in frame.columns:
        column = interpret(frame[name], found.table.decimal_comma)
        if name in options.categorical and column.kind in ("number", "boolean"):
            column = _as_categories(column)
        columns[str(name)] = column
    return columns


def _as_categories(column: Column) -> Column:
    boolean = column.kind == "boolean"
    names = [
        None if absent else class_name(value, boolean, raw)
        for value, raw, absent in zip(column.values, column.raw, column.missing, strict=True)
    ]
    words = pd.Series(names, column.raw.index, dtype=object)
    none = np.zeros(len(column.raw), bool)
    return replace(column, kind="text", values=words, odd=none, unit="", notes=())


def _target_name(
    columns: Mapping[str, Column], found: Found, options: Options, notes: list[str]
) -> str | None:
    names = [name for name in columns if name not in (found.file_column, options.composition)]
    stated = options.target or found.target
    if stated is not None:
        if stated not in columns and not options.require_target:
            return None
        return require_column(stated, names, "target")
    if not options.require_target:
        return None
    aside = {options.id_column, options.specimen, *options.drop}
    left = [name for name in names if name not in aside and not names_a_group(name)]
    if found.files is not None and len(left) == 1:
        notes.append(f"The target is '{left[0]}', the only column beside the file names.")
        return left[0]
    raise InputError(
        "Which column is the target?",
        allowed=", ".join(map(repr, names[:30])) or "this data has no columns beside the files",
        hint="state it with --target",
    )


def _complete_target(
    column: Column, ids: Sequence[str], task: Task | None, notes: list[str]
) -> str | None:
    """The target of new samples, if every row has one; it is not needed, so a gap is no error."""
    try:
        settle(column, ids, task, drop_invalid=False)
    except InputError as error:
        notes.append(f"Column '{column.name}' was not read as the target: {error.what}")
        return None
    return column.name


def _present_files(
    found: Found, ids: Sequence[str], drop_invalid: bool, notes: list[str]
) -> np.ndarray:
    if found.files is None or not found.absent.any():
        return np.ones(len(ids), bool)
    kind = "image" if found.entries is None else "structure"
    named = found.table.frame[found.file_column].astype(str)
    shown = ", ".join(named[found.absent].iloc[:5]) + (" …" if found.absent.sum() > 5 else "")
    if found.absent.all() or not drop_invalid:
        every = f"None of the {kind} files that the table names is there."
        some = f"{int(found.absent.sum())} {kind} files that the table names are not there."
        raise InputError(
            every if found.absent.all() else some,
            where=f"{found.root}, {name_rows(found.absent, ids)}",
            got=shown,
            allowed="names relative to the table's folder",
            hint="restore them, leave their rows out (--drop-invalid), or drop the column "
            f"'{found.file_column}' from the table",
        )
    left_out = int(found.absent.sum())
    notes.append(f"{left_out} rows without their {kind} file were left out: {shown}.")
    return ~found.absent


def _composition(columns: Mapping[str, Column], taken: set[str], options: Options) -> str | None:
    if options.composition is not None:
        return require_column(options.composition, list(columns), "composition column")
    named = set(options.features or ())
    return find_composition(columns, taken | named)


def _parsed(
    columns: Mapping[str, Column],
    composition: str | None,
    ids: Sequence[str],
    good: np.ndarray,
    drop_invalid: bool,
    notes: list[str],
) -> np.ndarray:
    if composition is None:
        return good
    column = columns[composition]
    # "NaN" is sodium nitride here, not a missing value; only an empty cell is.
    texts = [None if v is None or v != v or not str(v).strip() else str(v) for v in column.raw]
    bad = unparsable(texts) & good
    if not bad.any():
        return good
    first = texts[int(np.flatnonzero(bad)[0])]
    if not drop_invalid:
        raise InputError(
            "Some compositions cannot be read as formulas.",
            where=f"column '{composition}', {name_rows(bad, ids)}",
            got=repr(first) if first else "missing",
            allowed="formulas such as Fe0.7Ni0.3, Al2O3 or Ag(W3Br7)2",
            hint="repair these rows, leave them out (--drop-invalid), or leave the column out "
            f"(--drop '{composition}')",
        )
    notes.append(f"{int(bad.sum())} rows whose '{composition}' is no formula were left out: "
                 f"{name_rows(bad, ids)}.")  # fmt: skip
    return good & ~bad


def _open(found: Found, keep: np.ndarray, options: Options) -> Opened | None:
    if found.images is not None:
        return Opened(found.images.take(keep), np.arange(len(keep)), ())
    if found.files is None or found.entries is not None:
        return None
    files = [found.files[row] for row in keep]
    pages = [found.pages[row] for row in keep]
    named = pd.Series([f if p is None else f"{f}#{p}" for f, p in zip(files, pages, strict=True)])
    if named.duplicated().any():
        twice = ", ".join(named[named.duplicated()].unique()[:5])
        raise InputError(
            "Some image files are named more than once.",
            where=f"column '{found.file_column}'",
            got=twice,
            hint="keep one row for each image",
        )
    return open_images(found.root, files, pages, options.images)


def _roles(
    columns: Mapping[str, Column],
    usable: _Usable,
    found: Found,
    options: Options,
    notes: list[str],
) -> Roles:
    specimen = options.specimen
    if specimen is not None and (options.require_target or specimen in columns):
        require_column(specimen, list(columns), "specimen column")
    elif specimen is not None:
        notes.append(f"There is no specimen column '{specimen}' here.")
        specimen = None
    aside = {usable.target_name, usable.composition, usable.id_column, found.file_column}
    taken = {name for name in (*aside, *options.drop, *(options.features or ())) if name}
    groups = find_groups(columns, taken, specimen)
    if options.images.pages == "frames" and "specimen" not in groups and found.file_column:
        groups["specimen"] = found.file_column  # pages of one file are pieces of one specimen
    roles = assign(
        columns,
        target=usable.target_name,
        composition=usable.composition,
        id_column=usable.id_column,
        groups=groups,
        features=options.features,
        drop=options.drop,
        hidden=[found.file_column] if found.file_column else [],
    )
    notes += roles.notes
    if roles.composition is not None and made_note(roles.composition) not in notes:
        notes.append(f"Column '{roles.composition}' holds compositions.")
    pictures = found.files is not None or found.images is not None
    if not roles.features and roles.composition is None and not pictures:
        raise InputError(
            "No column is left that a model could learn from.",
            got="; ".join(roles.notes[:5]) or "only the target",
            hint="name the columns to use (--features)",
        )
    return roles


def _indexed(
    table: pd.DataFrame, usable: _Usable, rows: np.ndarray, opened: Opened | None
) -> pd.DataFrame:
    """Rows repeated for the pages of their files, and every sample under its own id."""
    position = {row: i for i, row in enumerate(usable.keep)}
    table = table.iloc[[position[row] for row in rows]]
    names = [usable.ids[row] for row in rows]
    unnamed = usable.id_column is None or len(set(names)) < len(names)
    if opened is not None and isinstance(opened.images, FolderImages) and unnamed:
        frames = opened.images.frames
        stems = [f.file for f in frames] if usable.id_column is None else names
        names = [
            s if f.page is None else f"{s}#{f.page}" for s, f in zip(stems, frames, strict=True)
        ]
    return table.set_axis(pd.Index(names, name="id", dtype=object), axis=0)


def _recipe(
    options: Options,
    roles: Roles,
    usable: _Usable,
    columns: Mapping[str, Column],
    opened: Opened | None,
) -> dict[str, Any]:
    """Arguments that read these files, or new ones, in the same way; JSON values only."""
    recipe: dict[str, Any] = {
        "target": usable.target_name or options.target,
        "task": usable.target.task if usable.target is not None else options.task,
        "features": list(roles.features),
        "categorical": [name for name in roles.features if columns[name].kind == "text"],
        "drop": list(options.drop),
        "composition": roles.composition,
        "id_column": roles.id_column,
        "specimen": options.specimen,
        "drop_invalid": options.drop_invalid,
        "units": dict(options.units),
        "encoding": options.encoding,
    }
    if opened is not None:
        files = opened.images if isinstance(opened.images, FolderImages) else None
        levels = None if files is None else files.decoding.levels
        recipe |= {
            "size": list(opened.images.shape[1:]),
            "fit": None if files is None else files.decoding.fit,
            "pages": options.images.pages,
            "max_pixels": options.images.max_pixels,
            "kind": options.images.kind,
            "periodic": options.images.periodic,
            "levels": None if levels is None else list(levels),
            "symmetries": list(options.symmetries or ()),
            "pixel_size": options.pixel_size,
            "pixel_unit": options.pixel_unit,
        }
    return {name: value for name, value in recipe.items() if value is not None}

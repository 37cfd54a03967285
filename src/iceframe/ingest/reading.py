"""From files to a :class:`~iceframe.core.dataset.Dataset`: what was read, as what, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Task
from iceframe.ingest import sidecar
from iceframe.ingest.assembly import assemble_table, settle_ids
from iceframe.ingest.columns import Column, interpret
from iceframe.ingest.compositions import unparsable
from iceframe.ingest.fitting import Fit
from iceframe.ingest.folders import Found, find
from iceframe.ingest.opening import ImageOptions, Kind, Opened, Pages, open_images
from iceframe.ingest.roles import (
    Roles,
    assign,
    find_composition,
    find_groups,
    find_id,
    require_column,
)
from iceframe.ingest.tables import from_frame
from iceframe.ingest.target import Target, check_variety, name_rows, settle


@dataclass(frozen=True)
class _Options:
    """The arguments of :func:`read` after the sidecar has filled the gaps."""

    target: str | None
    task: Task | None
    features: tuple[str, ...] | None
    drop: tuple[str, ...]
    categorical: tuple[str, ...]
    composition: str | None
    id_column: str | None
    specimen: str | None
    drop_invalid: bool
    units: Mapping[str, str]
    require_target: bool
    encoding: str | None
    images: ImageOptions
    symmetries: tuple[str, ...] | None
    pixel_size: float | None
    pixel_unit: str | None


def read(
    source: str | Path | pd.DataFrame,
    target: str | None = None,
    *,
    task: Task | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    composition: str | None = None,
    id_column: str | None = None,
    specimen: str | None = None,
    drop_invalid: bool = False,
    size: Sequence[int] | None = None,
    fit: Fit | None = None,
    pages: Pages | None = None,
    max_pixels: int = 100_000_000,
    kind: Kind | None = None,
    periodic: bool | None = None,
    levels: Sequence[float] | None = None,
    symmetries: Sequence[str] | None = None,
    pixel_size: float | None = None,
    pixel_unit: str | None = None,
    units: Mapping[str, str] | None = None,
    encoding: str | None = None,
    require_target: bool = True,
) -> Dataset:
    """Read a table, a folder of images or a data frame.

    Parameters
    ----------
    source : a table (CSV, Parquet, XLSX, JSON, JSON lines), a folder of images with ``labels.csv``
        or one subfolder a class, a table that names image files, or a data frame.
    target : the column to predict; nearest names are offered when it is unknown.
    task : overrules what the target looks like.
    features : the columns that a model may use; by default all that can and should be used.
    drop : columns to leave aside.
    categorical : columns of numbers that are codes, not quantities.
    composition, id_column, specimen : columns with formulas, unique ids, the physical pieces that
        samples were cut from; found by name where not stated.
    drop_invalid : leave out rows without a usable target, formula or image file, and say so.
    size, fit : for images of mixed sizes, ``(height, width)`` and ``crop``, ``pad`` or ``resize``.
    pages : whether a file of many pages is one ``volume`` or many ``frames``.
    max_pixels : the largest image that is decoded.
    kind, periodic, levels, symmetries, pixel_size, pixel_unit : what the images show, whether
        opposite edges meet, the grey levels that become 0 and 1 (for kind ``phase`` all of them),
        operations that leave the target unchanged; else from ``dataset.json`` beside the images.
    units : units of columns, beside those that names and cells state.
    encoding : of a text table, where it is not UTF-8.
    require_target : ``False`` for new samples, whose target is unknown.

    Returns
    -------
    Dataset : ``notes`` tell everything that was decided; ``recipe`` holds the arguments that read
        new files in the same way.

    Raises
    ------
    InputError : what is wrong, where, and what to do.

    Examples
    --------
    >>> frame = pd.DataFrame({"C (wt%)": np.arange(10) / 10, "hardness": np.arange(10) * 7.0})
    >>> data = read(frame, target="hardness")
    >>> data.task, data.features, dict(data.units)
    ('regression', ('C (wt%)',), {'C (wt%)': 'wt%'})
    """
    _check_choice("task", task, get_args(Task))
    options = _Options(
        target,
        task,
        None if features is None else tuple(features),
        tuple(drop),
        tuple(categorical),
        composition,
        id_column,
        specimen,
        drop_invalid,
        dict(units or {}),
        require_target,
        encoding,
        ImageOptions(
            None if size is None else tuple(size),
            fit,
            pages,
            max_pixels,
            kind or "grey",
            bool(periodic),
            None if levels is None else tuple(float(level) for level in levels),
        ),
        None if symmetries is None else tuple(symmetries),
        pixel_size,
        pixel_unit,
    )
    if isinstance(source, pd.DataFrame):
        return _build(Found(from_frame(source), Path()), options, "data", "", [])
    path = Path(source).expanduser()
    stated, notes = sidecar.load(path if path.is_dir() else path.parent)
    options = _with_sidecar(options, stated, kind_given=kind is not None, periodic=periodic)
    found = find(path, options.target, encoding, require_target)
    name = path.resolve().name.split(".")[0] or "data"
    return _build(found, options, name, str(path), notes if found.files is not None else [])


def _check_choice(name: str, value: str | None, allowed: Sequence[str]) -> None:
    if value is not None and value not in allowed:
        raise UsageError(f"Unknown value for '{name}'.", got=value, allowed=", ".join(allowed))


def _with_sidecar(
    options: _Options, stated: Mapping[str, Any], *, kind_given: bool, periodic: bool | None
) -> _Options:
    """What the user states comes before what the sidecar states."""
    task = options.task or stated.get("task")
    _check_choice("task", task, get_args(Task))
    images = replace(
        options.images,
        kind=options.images.kind if kind_given else stated.get("kind", options.images.kind),
        periodic=bool(stated.get("periodic", False)) if periodic is None else periodic,
        levels=options.images.levels
        or (tuple(float(level) for level in stated["levels"]) if "levels" in stated else None),
    )
    symmetries = options.symmetries
    if symmetries is None and "symmetries" in stated:
        symmetries = tuple(str(one) for one in stated["symmetries"])
    for one in symmetries or ():
        _check_choice("symmetries", one, sidecar.SYMMETRIES)
    return replace(
        options,
        target=options.target or stated.get("target"),
        task=task,
        specimen=options.specimen or stated.get("specimen"),
        units={**stated.get("units", {}), **options.units},
        images=images,
        symmetries=symmetries,
        pixel_size=options.pixel_size or stated.get("pixel_size"),
        pixel_unit=options.pixel_unit or stated.get("pixel_unit"),
    )


def _build(found: Found, options: _Options, name: str, source: str, notes: list[str]) -> Dataset:
    notes = [*notes, *(found.notes or found.table.notes)]
    columns = _interpret(found, options)
    target_name = _target_name(columns, found, options, notes)
    ids, id_column = settle_ids(columns, found, options.id_column, options.require_target, notes)
    target = None
    good = np.ones(len(ids), bool)
    if target_name is not None and not options.require_target:
        target_name = _complete_target(columns[target_name], ids, options.task, notes)
    if target_name is not None:
        target = settle(columns[target_name], ids, options.task, options.drop_invalid)
        good &= target.good
        notes += target.notes
    good &= _present_files(found, ids, options.drop_invalid, notes)
    taken = {n for n in (target_name, id_column, found.file_column, *options.drop) if n}
    composition = _composition(columns, taken, options)
    good &= _parsed(columns, composition, ids, good, options.drop_invalid, notes)
    if not good.any():
        raise InputError("No usable row is left.", where=source or "the data frame")

    keep = np.flatnonzero(good)
    opened = _open(found, keep, options)
    rows = keep if opened is None else keep[opened.rows]
    if target is not None and options.require_target:
        check_variety(target.values.iloc[rows], target.task, str(target_name))
    if len(keep) < len(ids):
        kept = replace(found, table=replace(found.table, frame=found.table.frame.iloc[keep]))
        columns = _interpret(kept, options)
    else:
        columns = dict(columns)
    roles = _roles(columns, target_name, composition, id_column, found, options, taken, notes)
    if opened is not None:
        notes += opened.notes
    table, units = assemble_table(columns, roles, target, target_name, keep, notes)
    table = _indexed(table, ids, rows, keep, opened, id_column)
    images = None if opened is None else opened.images
    layout = found.table.layout if found.layout == "table" else found.layout
    return Dataset(
        table=table,
        target=target_name,
        task=None if target is None else target.task,
        features=roles.features,
        composition=composition,
        images=images,
        groups=roles.groups,
        units={**units, **options.units},
        name=name,
        source=source,
        # The official folds are positions in the whole table.
        layout="table" if layout == "matbench" and len(keep) < len(ids) else layout,
        notes=tuple(dict.fromkeys(notes)),
        recipe=_recipe(options, roles, target, target_name, columns, opened),
    )


def _interpret(found: Found, options: _Options) -> dict[str, Column]:
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
    from iceframe.ingest.target import class_name

    words = pd.Series([None] * len(column.raw), column.raw.index, dtype=object)
    for i in np.flatnonzero(~column.missing):
        boolean = column.kind == "boolean"
        words.iloc[i] = class_name(column.values.iloc[i], boolean, column.raw.iloc[i])
    none = np.zeros(len(column.raw), bool)
    return replace(column, kind="text", values=words, odd=none, unit="", notes=())


def _target_name(
    columns: Mapping[str, Column], found: Found, options: _Options, notes: list[str]
) -> str | None:
    names = [name for name in columns if name != found.file_column]
    stated = options.target or found.target
    if stated is not None:
        if stated not in columns and not options.require_target:
            return None
        return require_column(stated, names, "target")
    if not options.require_target:
        return None
    grouping = set(find_groups(columns, set(), options.specimen).values())
    left = [name for name in names if name not in grouping and name != options.id_column]
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
    named = found.table.frame[found.file_column].astype(str)
    shown = ", ".join(named[found.absent].iloc[:5]) + (" …" if found.absent.sum() > 5 else "")
    if found.absent.all() or not drop_invalid:
        every = "None of the image files that the table names is there."
        some = f"{int(found.absent.sum())} image files that the table names are not there."
        raise InputError(
            every if found.absent.all() else some,
            where=f"{found.root}, {name_rows(found.absent, ids)}",
            got=shown,
            allowed="names relative to the table's folder",
            hint="restore them, leave their rows out (--drop-invalid), or drop the column "
            f"'{found.file_column}' from the table",
        )
    notes.append(f"{int(found.absent.sum())} rows without their image file were left out: {shown}.")
    return ~found.absent


def _composition(columns: Mapping[str, Column], taken: set[str], options: _Options) -> str | None:
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


def _open(found: Found, keep: np.ndarray, options: _Options) -> Opened | None:
    if found.files is None:
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
    target: str | None,
    composition: str | None,
    id_column: str | None,
    found: Found,
    options: _Options,
    taken: set[str],
    notes: list[str],
) -> Roles:
    specimen = options.specimen
    if specimen is not None and (options.require_target or specimen in columns):
        require_column(specimen, list(columns), "specimen column")
    elif specimen is not None:
        notes.append(f"There is no specimen column '{specimen}' here.")
        specimen = None
    named = set(options.features or ())
    groups = find_groups(columns, (taken | named | {composition or ""}), specimen)
    if options.images.pages == "frames" and "specimen" not in groups and found.file_column:
        groups["specimen"] = found.file_column  # pages of one file are pieces of one specimen
    roles = assign(
        columns,
        target=target,
        composition=composition,
        id_column=id_column,
        groups=groups,
        features=options.features,
        drop=options.drop,
        hidden=[found.file_column] if found.file_column else [],
    )
    notes += roles.notes
    if composition is not None:
        notes.append(f"Column '{composition}' holds compositions.")
    if not roles.features and composition is None and found.files is None:
        raise InputError(
            "No column is left that a model could learn from.",
            got="; ".join(roles.notes[:5]) or "only the target",
            hint="name the columns to use with features=",
        )
    return roles


def _indexed(
    table: pd.DataFrame,
    ids: Sequence[str],
    rows: np.ndarray,
    keep: np.ndarray,
    opened: Opened | None,
    id_column: str | None,
) -> pd.DataFrame:
    """Rows repeated for the pages of their files, and every sample under its own id."""
    position = {row: i for i, row in enumerate(keep)}
    table = table.iloc[[position[row] for row in rows]]
    names = [ids[row] for row in rows]
    if opened is not None and (id_column is None or len(set(names)) < len(names)):
        frames = opened.images.frames
        stems = [f.file for f in frames] if id_column is None else names
        names = [
            s if f.page is None else f"{s}#{f.page}" for s, f in zip(stems, frames, strict=True)
        ]
    return table.set_axis(pd.Index(names, name="id", dtype=object), axis=0)


def _recipe(
    options: _Options,
    roles: Roles,
    target: Target | None,
    target_name: str | None,
    columns: Mapping[str, Column],
    opened: Opened | None,
) -> dict[str, Any]:
    """Arguments that read these files, or new ones, in the same way; JSON values only."""
    recipe: dict[str, Any] = {
        "target": target_name or options.target,
        "task": target.task if target is not None else options.task,
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
        decoding = opened.images.decoding
        recipe |= {
            "size": list(decoding.size),
            "fit": decoding.fit,
            "pages": options.images.pages,
            "max_pixels": options.images.max_pixels,
            "kind": options.images.kind,
            "periodic": options.images.periodic,
            "levels": None if decoding.levels is None else list(decoding.levels),
            "symmetries": list(options.symmetries or ()),
            "pixel_size": options.pixel_size,
            "pixel_unit": options.pixel_unit,
        }
    return {name: value for name, value in recipe.items() if value is not None}

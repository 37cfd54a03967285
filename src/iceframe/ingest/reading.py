"""From files to a :class:`~iceframe.core.dataset.Dataset`, saying what was read, and as what."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pandas as pd

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError
from iceframe.core.values import Task
from iceframe.ingest import sidecar
from iceframe.ingest.archives import is_archive, unpacked
from iceframe.ingest.building import build
from iceframe.ingest.fitting import Fit
from iceframe.ingest.folders import find, found_in_table, locate
from iceframe.ingest.opening import ImageOptions, Kind, Pages
from iceframe.ingest.options import Options, check_choice, with_sidecar
from iceframe.ingest.simulated import is_simulated, read_simulated
from iceframe.ingest.tables import from_frame


def read(
    source: str | os.PathLike[str] | pd.DataFrame,
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
    """Read a table, a folder of images or of crystals, a file of crystals, or a data frame.

    Parameters
    ----------
    source : a table (CSV, Parquet, XLSX, JSON, JSON lines), which may name files of images or
        crystals or hold crystals in its cells; a folder of images or crystals with ``labels.csv``
        or one subfolder a class; a file of crystals, alone or many with their values; an archive
        (``.zip``, ``.tar.gz``, …) of any of these without images; a simulated data set; or a data
        frame.
    target : the column to predict; nearest names are offered when it is unknown.
    task : overrules what the target looks like.
    features : the columns that a model may use; by default all that can and should be used.
    drop : columns to leave aside.
    categorical : columns of numbers that are codes, not quantities.
    composition, id_column, specimen : columns with formulas, unique ids, the physical pieces that
        samples were cut from; found by name where not stated.
    drop_invalid : leave out rows without a usable target, formula, file or crystal, and say so.
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
    >>> columns = {"C (wt%)": [i / 10 for i in range(10)], "hardness": [7.0 * i for i in range(10)]}
    >>> frame = pd.DataFrame(columns)
    >>> data = read(frame, target="hardness")
    >>> data.task, data.features, dict(data.units)
    ('regression', ('C (wt%)',), {'C (wt%)': 'wt%'})
    """
    check_choice("task", task, get_args(Task))
    options = Options(
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
        found = found_in_table(from_frame(source), Path(), options.drop)
        return build(found, options, "data", "", [])
    path = locate(source)
    how = _read_archive if is_archive(path) and path.is_file() else _read_path
    return how(path, options, kind_given=kind is not None, periodic=periodic)


def _read_path(path: Path, options: Options, *, kind_given: bool, periodic: bool | None) -> Dataset:
    if is_simulated(path):
        return read_simulated(path, options, kind_given=kind_given, periodic=periodic)
    name = path.name.split(".")[0] or "data"
    stated, notes = sidecar.load(path) if path.is_dir() else ({}, [])
    wanted = options.target or stated.get("target")
    found = find(path, wanted, options.encoding, options.require_target, options.drop)
    if not path.is_dir() and found.files is not None:
        stated, notes = sidecar.load(path.parent)
    options = with_sidecar(options, stated, kind_given=kind_given, periodic=periodic)
    return build(found, options, name, str(path), notes)


def _read_archive(
    archive: Path, options: Options, *, kind_given: bool, periodic: bool | None
) -> Dataset:
    """What an archive holds. Crystals and tables are read whole, so that nothing stays behind."""
    with TemporaryDirectory(prefix="iceframe-") as cache:
        folder, notes = unpacked(archive, Path(cache))
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
        single = inside[0] if len(inside) == 1 else folder
        try:
            data = _read_path(single, options, kind_given=kind_given, periodic=periodic)
        except InputError as error:
            where = str(error.where).replace(str(folder), str(archive))
            raise InputError(
                error.what, where=where, got=error.got, allowed=error.allowed, hint=error.hint
            ) from error
    if data.images is not None:
        raise InputError(
            "This archive holds images, which are read when they are needed.",
            where=archive,
            hint="unpack it, and name the folder instead",
        )
    name = archive.name.split(".")[0]
    return replace(data, name=name, source=str(archive), notes=(*notes, *data.notes))

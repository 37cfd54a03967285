"""Describe images, or one volume that need not fit into memory, by named features in a table.

The features of a data set are kept as they come, in ``TABLE.part`` beside the table, so that the
same call goes on where it was stopped. When all are there the table is written, and beside it
``TABLE.json`` with the unit and the descriptor of every column; the part file is then removed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.dataset import ArrayImages, Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.hashing import content_hash
from iceframe.core.values import Representation
from iceframe.ingest import read as read_data
from iceframe.ingest import sidecar
from iceframe.ingest.folders import locate
from iceframe.ingest.masks import with_masks
from iceframe.ingest.opening import Kind
from iceframe.ingest.volumes import Volume, is_volume, open_volume
from iceframe.scale.by_blocks import LONGEST, describe_volume, fitted_descriptors, volume_format
from iceframe.scale.descriptor import (
    DESCRIPTORS,
    ImageDescriptor,
    describe_images,
    refuse_unmasked,
)
from iceframe.scale.image_format import batches
from iceframe.scale.represent import Representer, default_names, side_by_side
from iceframe.workflow.description import Description, Journal, in_unit

Box = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` pieces of work, and ``remaining`` seconds, if known.

    ``doing``: ``describing images``, whose features are kept when it is stopped, or ``reading`` or
    ``describing the volume``.
    """

    doing: str
    done: int
    total: int
    elapsed: float
    remaining: float | None


Watch = Callable[[Progress], None]


def describe(
    data: Dataset | np.ndarray | str | os.PathLike[str],
    descriptors: Sequence[str] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    mask: np.ndarray | str | os.PathLike[str] | None = None,
    kind: Kind | None = None,
    periodic: bool | None = None,
    spacing: float | None = None,
    unit: str | None = None,
    crop: Box | None = None,
    block: Sequence[int] | None = None,
    longest: int | None = None,
    watch: Watch | None = None,
    **reading: Any,
) -> pd.DataFrame:
    """Named features of every image of a data set, or of one volume.

    Parameters
    ----------
    data : a data set, a folder of images or what else :func:`iceframe.read` takes; one volume (a
        file of many pages, a Zarr array), which may be larger than the memory; or images in memory
        ``(n, *grid)``.
    descriptors : names; by default those that are defaults for images of this kind.
    out : CSV or Parquet file to write. If a part of the same table is there, only the rest is
        computed.
    mask : where pixels were measured: 0 where not. Of the same size as the volume or the images,
        ``(*grid)`` or ``(n, *grid)``; a file, or a folder of files of the images' names.
    kind, periodic : ``"grey"`` or ``"phase"``, and whether opposite edges meet; else from
        ``dataset.json``.
    spacing, unit : length of a pixel and its unit; else ``pixel_size`` and ``pixel_unit`` of
        ``dataset.json``. Features that are lengths, areas or densities are then given in that unit;
        distances within names stay in pixels.
    crop : of a volume only this part, ``[(z0, z1), (y0, y1), (x0, x1)]``.
    block : of a volume so many voxels at once, ``(z, y, x)``; changes memory and time only.
    longest : in a volume, the longest distance in voxels between two points (64).
    watch : called with a :class:`Progress`.
    reading : further arguments of :func:`iceframe.read`.

    Returns
    -------
    DataFrame : indexed by ``id``; ``attrs["units"]`` maps columns to units, ``attrs["notes"]``
        holds what a person should know.

    Raises
    ------
    InputError : what is wrong with the images. UsageError : an unknown descriptor or option.

    Examples
    --------
    >>> stripes = np.tile(np.arange(16) % 4 < 2, (2, 16, 1))
    >>> table = describe(stripes, ["minkowski"], kind="phase", periodic=True)
    >>> table["volume fraction"].tolist()
    [0.5, 0.5]
    >>> table.attrs["units"]["perimeter density"]
    '1/px'
    """
    target = None if out is None else _table_path(out)
    clock = _Clock(watch)
    for_volumes = {"crop": crop, "block": block, "longest": longest}
    if isinstance(data, str | os.PathLike) and _one_volume(data, reading):
        _refuse_for_volumes(reading)
        if periodic is None or kind is None or spacing is None:
            stated, _ = sidecar.load(locate(data).parent)
            kind = kind or stated.get("kind")
            periodic = stated.get("periodic", False) if periodic is None else periodic
            if spacing is None:
                spacing, unit = stated.get("pixel_size"), unit or stated.get("pixel_unit")
        volume = open_volume(data, kind=kind, periodic=bool(periodic))
        found = _of_volume(volume, descriptors, mask, for_volumes, clock)
    else:
        named = [name for name, value in for_volumes.items() if value is not None]
        if named:
            raise UsageError(
                f"'{named[0]}' is for one volume in a file: .npy, .tif or a Zarr array.",
                got=data if isinstance(data, str | os.PathLike) else type(data).__name__,
            )
        images = _as_dataset(data, kind, periodic, reading)
        if spacing is None:
            spacing = images.recipe.get("pixel_size")
            unit = unit or images.recipe.get("pixel_unit")
        found = _of_images(images, descriptors, mask, target, clock)
    found = in_unit(found, spacing, unit)
    if target is not None:
        found.write(target)
    return found.table()


def _table_path(out: str | os.PathLike[str]) -> Path:
    path = Path(out)
    if path.suffix.lower() not in (".csv", ".parquet", ".pq"):
        raise UsageError("Which format?", got=path.name, allowed=".csv or .parquet")
    return path


def _one_volume(data: str | os.PathLike[str], reading: dict[str, Any]) -> bool:
    return reading.get("pages") != "frames" and is_volume(locate(data))


def _refuse_for_volumes(reading: dict[str, Any]) -> None:
    usual = ("pages", "max_pixels")
    named = [name for name, value in reading.items() if value and name not in usual]
    if named:
        raise UsageError(f"'{named[0]}' is for sets of images; this is one volume.")


def _as_dataset(
    data: Dataset | np.ndarray | str | os.PathLike[str],
    kind: Kind | None,
    periodic: bool | None,
    reading: dict[str, Any],
) -> Dataset:
    if isinstance(data, Dataset):
        if kind is not None or periodic is not None or reading:
            raise UsageError("How these images are read was settled when they were read.")
        return data
    if isinstance(data, np.ndarray):
        if data.ndim not in (3, 4) or not data.size or data.dtype.kind not in "biuf":
            raise InputError(
                "These are not images.",
                got=f"{data.dtype}, shape {data.shape}",
                allowed="numbers, (n, height, width) or (n, depth, height, width)",
            )
        images = ArrayImages(data[:, None], bool(periodic), kind or "grey")
        return Dataset(pd.DataFrame(index=pd.Index(images.names, name="id")), images=images)
    return read_data(data, kind=kind, periodic=periodic, require_target=False, **reading)


def _of_volume(
    volume: Volume,
    names: Sequence[str] | None,
    mask: np.ndarray | str | os.PathLike[str] | None,
    options: dict[str, Any],
    clock: _Clock,
) -> Description:
    if isinstance(mask, np.ndarray):
        volume = volume.masked(Volume(Path("mask"), mask, (0,) * mask.ndim, mask.shape))
    elif mask is not None:
        volume = volume.masked(open_volume(mask))
    if options["crop"] is not None:
        volume = volume.cropped(options["crop"])
    clock.start("reading the volume")
    volume = volume.surveyed(clock.report)
    longest = LONGEST if options["longest"] is None else options["longest"]
    if longest < 1:
        raise UsageError("The longest distance is too short.", got=longest, allowed="1 or more")
    known = volume_format(volume, longest)
    chosen, notes = fitted_descriptors(names, known, masked=mask is not None)
    clock.start("describing the volume")
    block = None if options["block"] is None else tuple(options["block"])
    parts = describe_volume(chosen, volume, block=block, progress=clock.report)
    return Description(
        (volume.name,),
        side_by_side(parts, 1),
        (*notes, *_undefined_notes(side_by_side(parts, 1), (volume.name,))),
        {
            "data": volume.name,
            "kind": volume.kind,
            "periodic": volume.periodic,
            "grid": list(volume.shape),
            "descriptors": [d.name for d in chosen],
            "masked": mask is not None,
        },
    )


def _of_images(
    data: Dataset,
    names: Sequence[str] | None,
    mask: np.ndarray | str | os.PathLike[str] | None,
    target: Path | None,
    clock: _Clock,
) -> Description:
    if data.images is None:
        raise InputError(
            "There are no images to describe.",
            where=data.source or data.name,
            hint="give a folder of images, a table that names image files, or a volume",
        )
    if mask is not None:
        data = with_masks(data, mask)
    assert data.images is not None
    chosen, left_out = _chosen(data, names, masked=mask is not None)
    key = content_hash(
        [[d.name, d.state()] for d in chosen],
        data.images.fingerprint,
        list(map(str, data.ids)),
    )
    with _journal(target, key) as journal:
        rows = journal.rows
        todo = np.array([i for i in range(len(data)) if i not in rows], int)
        clock.start("describing images", len(rows))
        clock.report(len(rows), len(data))
        described = _described(chosen, data, todo)
        for index, representation in described:
            for i, row in zip(index, representation.values, strict=True):
                rows[int(i)] = row
            journal.keep(index, representation.values)
            clock.report(len(rows), len(data))
    empty = side_by_side(describe_images(chosen, data.take([])), 0)
    values = np.array([rows[i] for i in range(len(data))]).reshape(len(data), len(empty.names))
    whole = Representation(values, empty.names, empty.units, empty.blocks, empty.references)
    ids = tuple(map(str, data.ids))
    return Description(
        ids,
        whole,
        (*data.notes, *left_out, *_undefined_notes(whole, ids)),
        {
            "data": data.name,
            "kind": data.images.kind,
            "periodic": data.images.periodic,
            "grid": list(data.images.shape[1:]),
            "descriptors": [d.name for d in chosen],
            "masked": mask is not None,
        },
    )


def _chosen(
    data: Dataset, names: Sequence[str] | None, *, masked: bool
) -> tuple[list[ImageDescriptor], tuple[str, ...]]:
    """The fitted descriptors, and what was left out, in sentences."""
    left_out: list[str] = []
    if names is None:
        names = [n for n in default_names(data) if issubclass(DESCRIPTORS[n], ImageDescriptor)]
        left_out = [n for n in names if masked and not getattr(DESCRIPTORS[n], "masked", False)]
        names = [n for n in names if n not in left_out]
    for name in names:
        if not issubclass(DESCRIPTORS[name], ImageDescriptor):
            raise InputError(
                f"The descriptor '{name}' does not describe images.",
                allowed=", ".join(n for n, d in DESCRIPTORS.items() if d.needs == "image"),
            )
    fitted = Representer(names).fit(data).descriptors_
    chosen = [d for d in fitted if isinstance(d, ImageDescriptor)]
    if masked:
        for descriptor in chosen:
            refuse_unmasked(descriptor)
    notes = (f"Not possible for a mask: {', '.join(left_out)}.",) if left_out else ()
    return chosen, notes


def _described(
    chosen: list[ImageDescriptor], data: Dataset, todo: np.ndarray
) -> Iterator[tuple[np.ndarray, Representation]]:
    """Positions and features, some images at a time."""
    if not len(todo):
        return
    rest = data.take(todo)
    assert rest.images is not None
    for index in batches(rest.images):
        parts = describe_images(chosen, rest.take(index))
        yield todo[index], side_by_side(parts, len(index))


def _undefined_notes(found: Representation, ids: Sequence[str]) -> tuple[str, ...]:
    undefined = np.isnan(found.values)
    notes = []
    nothing = np.flatnonzero(undefined.all(axis=1))
    if len(nothing):
        named = ", ".join(ids[i] for i in nothing[:3]) + (", …" if len(nothing) > 3 else "")
        notes.append(f"Nothing could be described (all is masked, or constant): {named}.")
    partly = np.flatnonzero(undefined.any(axis=1) & ~undefined.all(axis=1))
    if len(partly):
        columns = np.flatnonzero(undefined[partly].any(axis=0))
        named = ", ".join(ids[i] for i in partly[:3]) + (", …" if len(partly) > 3 else "")
        shown = ", ".join(f"'{found.names[i]}'" for i in columns[:2])
        more = f" and {len(columns) - 2} more" if len(columns) > 2 else ""
        notes.append(f"Undefined (NaN) for {len(partly)} images ({named}): {shown}{more}.")
    return tuple(notes)


@contextmanager
def _journal(target: Path | None, key: str) -> Iterator[Journal]:
    journal = Journal(None if target is None else target.with_name(target.name + ".part"), key)
    try:
        yield journal
    finally:
        journal.close()


class _Clock:
    """Tells how far the work is, and how long it may still take."""

    def __init__(self, watch: Watch | None) -> None:
        self.watch = watch

    def start(self, doing: str, done: int = 0) -> None:
        """Work of another kind begins, of which ``done`` pieces were there before."""
        self.doing, self.before, self.began = doing, done, time.monotonic()

    def report(self, done: int, total: int) -> None:
        if self.watch is None:
            return
        elapsed, fresh = time.monotonic() - self.began, done - self.before
        remaining = elapsed / fresh * (total - done) if fresh > 0 else None
        self.watch(Progress(self.doing, done, total, elapsed, remaining))

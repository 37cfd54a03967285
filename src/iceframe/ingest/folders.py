"""Where images and their labels are: ``labels.csv``, one subfolder a class, a table of files."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.core.dataset import ImageSource
from iceframe.core.errors import InputError
from iceframe.ingest.reader import (
    ImageReader,
    RawTable,
    image_reader,
    suffixes,
    table_reader,
)
from iceframe.ingest.roles import compact
from iceframe.ingest.tables import read_table

FILE_NAMES = frozenset(
    ("file", "filename", "files", "image", "imagefile", "img", "micrograph", "path", "filepath")
)
SIDECAR = "dataset.json"
_SHOWN = 5


@dataclass(frozen=True)
class Found:
    """Rows and, where there are images, the file of each row (relative to ``root``).

    ``pages``: the page that a row names (``stack.npy#3``), else ``None``; ``absent``: bool
    ``(n,)``, rows whose file does not exist. ``images``: one a row, where they are opened already.
    """

    table: RawTable
    root: Path
    files: tuple[str, ...] | None = None
    pages: tuple[int | None, ...] = ()
    file_column: str | None = None
    absent: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    target: str | None = None
    layout: str = "table"
    notes: tuple[str, ...] = ()
    images: ImageSource | None = None


def locate(source: str | os.PathLike[str]) -> Path:
    """The absolute path of something that is there.

    Raises
    ------
    InputError : nothing is there, or no such name can exist.
    """
    try:
        path = Path(source).expanduser().resolve()
        there = path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, an unknown user
        raise InputError("This is not a usable path.", where=source, got=error) from error
    if not there:
        raise InputError("File or folder not found.", where=path)
    return path


def find(source: Path, target: str | None, encoding: str | None, labelled: bool) -> Found:
    """What ``source`` holds: a table, a table of image files, or a folder of images.

    ``labelled``: whether a target is needed, so that subfolders must be classes.
    """
    if source.is_dir():
        try:
            return _folder(source, target, encoding, labelled)
        except OSError as error:
            raise InputError("This folder cannot be read.", where=source, got=error) from error
    if image_reader(source) is not None:
        frame = pd.DataFrame({"file": [source.name]}, dtype=object)
        return _with_files(RawTable(frame), "file", source.parent, [source])
    raw = read_table(source, encoding)
    column = file_column(raw.frame)
    if column is None:
        return Found(raw, source.parent)
    return _with_files(raw, column, source.parent, images_under(source.parent))


def file_column(frame: pd.DataFrame) -> str | None:
    """The column that names image files: named like one, most values ending like an image."""
    endings = suffixes(ImageReader)
    for name in frame.columns:
        if compact(name) in FILE_NAMES:
            texts = frame[name].dropna().astype(str).str.lower().str.partition("#")[0]
            if len(texts) and texts.str.endswith(endings).mean() > 0.5:
                return str(name)
    return None


def images_under(folder: Path) -> list[Path]:
    """All image files below a folder, sorted; hidden ones and those in hidden folders are not."""
    endings = suffixes(ImageReader)
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in endings
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _folder(folder: Path, target: str | None, encoding: str | None, labelled: bool) -> Found:
    images = images_under(folder)
    labels = _labels(folder, encoding)
    if labels is not None:
        return _from_labels(labels[0], labels[1], folder, images)
    if not images:
        raise InputError(
            "There are no images in this folder.",
            where=folder,
            got="an empty folder" if not any(folder.iterdir()) else "other files only",
            allowed=", ".join(suffixes(ImageReader)) + ", with labels.csv or one subfolder a class",
        )
    top = [path for path in images if path.parent == folder]
    if len(top) == len(images) and labelled:
        raise InputError(
            "These images have no labels.",
            where=folder,
            got=f"{len(images)} images, no labels.csv and no subfolders",
            hint="add labels.csv with the columns 'file' and the target, or one subfolder a class",
        )
    classes = [path.relative_to(folder).parts[0] for path in images if path.parent != folder]
    use_classes = bool(classes) and (labelled or (not top and len(set(classes)) > 1))
    if not use_classes:
        frame = pd.DataFrame(
            {"file": [p.relative_to(folder).as_posix() for p in images]}, dtype=object
        )
        return _with_files(RawTable(frame), "file", folder, images)
    return _from_classes(folder, images, target or "class", len(top))


def _from_classes(folder: Path, images: list[Path], target: str, outside: int) -> Found:
    inside = [path for path in images if path.parent != folder]
    frame = pd.DataFrame(
        {
            "file": [path.relative_to(folder).as_posix() for path in inside],
            target: [path.relative_to(folder).parts[0] for path in inside],
        },
        dtype=object,
    )
    names = sorted(set(frame[target]))
    notes = [f"Classes are the subfolders: {', '.join(names)}."]
    if outside:
        notes.append(f"{outside} images outside the class folders were left out.")
    found = _with_files(RawTable(frame, tuple(notes)), "file", folder, inside)
    return Found(**{**found.__dict__, "target": target})


def _labels(folder: Path, encoding: str | None) -> tuple[Path, RawTable] | None:
    """``labels.*``, else the only table in the folder that names image files."""
    tables = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    tables = [p for p in tables if table_reader(p) is not None and p.name != SIDECAR]
    named = [p for p in tables if p.name.lower().split(".")[0] == "labels"]
    if named:
        return named[0], read_table(named[0], encoding)
    usable = []
    for path in tables:
        try:
            raw = read_table(path, encoding)
        except InputError:
            continue  # a readme.txt or a log beside the images
        if file_column(raw.frame) is not None:
            usable.append((path, raw))
    return usable[0] if len(usable) == 1 else None


def _from_labels(path: Path, raw: RawTable, folder: Path, images: list[Path]) -> Found:
    named = [name for name in raw.frame.columns if compact(name) in FILE_NAMES]
    if named:
        return _with_files(raw, file_column(raw.frame) or named[0], folder, images)
    if len(images) == 1:
        # One stack, one row of labels a page: the rows name its pages in order.
        frame = raw.frame.copy()
        file = images[0].relative_to(folder).as_posix()
        frame.insert(0, "file", [f"{file}#{page}" for page in range(len(frame))])
        note = f"Row k of {path.name} belongs to page k of {file}."
        return _with_files(RawTable(frame, (*raw.notes, note)), "file", folder, images)
    raise InputError(
        f"{path.name} does not say which image a row belongs to.",
        where=path,
        got=", ".join(raw.frame.columns[:10]),
        allowed="a column 'file' with file names relative to the folder",
    )


def _with_files(raw: RawTable, column: str, root: Path, images: list[Path]) -> Found:
    """Match the named files with those that are there."""
    by_path = {path.relative_to(root).as_posix(): path for path in images}
    by_name: dict[str, list[str]] = defaultdict(list)
    for relative in by_path:
        by_name[Path(relative).name].append(relative)
        by_name[Path(relative).stem].append(relative)
    files: list[str] = []
    pages: list[int | None] = []
    for value in raw.frame[column]:
        text = "" if value is None or value != value else str(value).strip().replace("\\", "/")
        text, _, page = text.partition("#") if text.rpartition("#")[2].isdigit() else (text, "", "")
        pages.append(int(page) if page else None)
        files.append(_match(text.removeprefix("./"), by_path, by_name, root))
    absent = np.array([not file for file in files], bool)
    used = set(files)
    used_stems = {Path(file).stem for file in used}
    unnamed = [relative for relative in by_path if relative not in used]
    # A folder of masks beside the images repeats their names; it was never meant to be listed.
    twins = [relative for relative in unnamed if Path(relative).stem in used_stems]
    others = sorted(set(unnamed) - set(twins))
    notes = list(raw.notes)
    if others:
        shown = ", ".join(others[:_SHOWN]) + (" …" if len(others) > _SHOWN else "")
        notes.append(
            f"{len(others)} image files are not named in the labels and were left out: {shown}."
        )
    if twins:
        notes.append(
            f"{len(twins)} files of the same name as a listed image (masks?) were left out."
        )
    return Found(
        raw,
        root,
        tuple(files),
        tuple(pages),
        column,
        absent,
        layout="image-folder",
        notes=tuple(notes),
    )


def _match(text: str, by_path: dict[str, Path], by_name: dict[str, list[str]], root: Path) -> str:
    """The file of that name, or ``""``: as written, else in ``images/``, else the only one."""
    if not text:
        return ""
    for candidate in (text, f"images/{text}"):
        if candidate in by_path:
            return candidate
    if image_reader(text) is not None and (root / text).is_file():
        return text
    known = by_name.get(text, [])
    preferred = [name for name in known if name.startswith("images/")]
    if len(preferred) == 1:
        return preferred[0]
    return known[0] if len(set(known)) == 1 else ""

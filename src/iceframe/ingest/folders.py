"""Where images or crystals and their labels are: ``labels.csv``, one subfolder a class, a table of
files, a table that holds the crystals itself."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from iceframe.core.dataset import ImageSource
from iceframe.core.errors import InputError
from iceframe.ingest.reader import (
    Entry,
    ImageReader,
    RawTable,
    StructureReader,
    image_reader,
    structure_reader,
    suffixes,
    table_reader,
)
from iceframe.ingest.roles import compact
from iceframe.ingest.structure_files import entries_in, named_entries, table_of
from iceframe.ingest.structure_tables import crystals_in_columns
from iceframe.ingest.tables import read_table, with_unique_names

FILE_NAMES = frozenset(
    ("file", "filename", "files", "image", "imagefile", "img", "micrograph", "path", "filepath")
)
STRUCTURE_NAMES = frozenset(
    (
        *("structure", "structurefile", "structures", "crystal", "crystalfile"),
        *("cif", "ciffile", "poscar", "poscarfile", "contcar"),
    )
)
SIDECAR = "dataset.json"
ID_PROP = "id_prop.csv"
_SHOWN = 5


@dataclass(frozen=True)
class Found:
    """Rows and, where they name files, the file of each row (relative to ``root``).

    ``pages``: the page that a row names (``stack.npy#3``), else ``None``; ``absent``: bool
    ``(n,)``, rows whose file does not exist. ``images``: one a row, where they are opened already.
    ``entries``: the crystal of each row, as it was found.
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
    entries: tuple[Entry, ...] | None = None


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


def find(
    source: Path,
    target: str | None,
    encoding: str | None,
    labelled: bool,
    drop: Sequence[str] = (),
) -> Found:
    """What ``source`` holds: a table, a table of files or of crystals, crystals, or a folder.

    ``labelled``: whether a target is needed, so that subfolders must be classes. ``drop``: columns
    that are no crystals, whatever they look like.
    """
    if source.is_dir():
        try:
            return _folder(source, target, encoding, labelled)
        except OSError as error:
            raise InputError("This folder cannot be read.", where=source, got=error) from error
    if image_reader(source) is not None:
        frame = pd.DataFrame({"file": [source.name]}, dtype=object)
        return _with_files(RawTable(frame), "file", source.parent, [source])
    if structure_reader(source) is not None:
        return _in_one_file(source)
    raw = read_table(source, encoding)
    found = found_in_table(raw, source.parent, drop)
    column = file_column(raw.frame, source.parent) if found.entries is None else None
    if column is None:
        return found
    return _with_files(raw, column, source.parent, material_files(source.parent))


def found_in_table(raw: RawTable, root: Path, drop: Sequence[str]) -> Found:
    """A table, and the crystals that stand in its cells; ``drop``: columns to leave as they are."""
    held = crystals_in_columns(raw.frame.drop(columns=list(drop), errors="ignore"))
    if held is None:
        return Found(raw, root)
    left = raw.frame.drop(columns=list(held.columns))
    notes = (*raw.notes, held.note)
    return Found(replace(raw, frame=left, notes=notes), root, entries=held.entries)


def file_column(frame: pd.DataFrame, root: Path) -> str | None:
    """The column that names files: named like one, most values ending as such files do.

    A JSON file may as well be a table, so that it counts where it is there (below ``root``) and
    begins like crystals.
    """
    for name in frame.columns:
        if compact(name) in FILE_NAMES | STRUCTURE_NAMES:
            texts = frame[name].dropna().astype(str).str.strip().str.partition("#")[0]
            ends = [bool(t) and _is_material(root / t.replace("\\", "/")) for t in texts]
            if ends and np.mean(ends) > 0.5:
                return str(name)
    return None


def _is_material(path: Path) -> bool:
    return image_reader(path) is not None or structure_reader(path) is not None


def images_under(folder: Path) -> list[Path]:
    """All image files below a folder, sorted; hidden ones and those in hidden folders are not."""
    return _files_under(folder, lambda path: image_reader(path) is not None)


def material_files(folder: Path) -> list[Path]:
    """All files of images and of crystals below a folder, sorted; hidden ones are not."""
    return _files_under(folder, lambda p: image_reader(p) is not None or _holds_crystals(p))


def _files_under(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and wanted(path)
    )


def _holds_crystals(path: Path) -> bool:
    # A JSON file is looked into; a sidecar or labels are none that need it.
    aside = path.name == SIDECAR or path.name.lower().split(".")[0] == "labels"
    return not aside and structure_reader(path) is not None


def _in_one_file(source: Path) -> Found:
    """A file of crystals: what it says of each is a row."""
    entries = entries_in(source.parent, source.name)
    if len(entries) == 1 and entries[0].fault is not None:
        raise entries[0].fault
    raw = with_unique_names(RawTable(table_of(entries, {})))
    return Found(raw, source.parent, layout="structure-file", entries=tuple(entries))


def _folder(folder: Path, target: str | None, encoding: str | None, labelled: bool) -> Found:
    files = material_files(folder)
    labels = _labels(folder, target, encoding)
    if labels is not None:
        return _from_labels(labels[0], labels[1], folder, files)
    if not files:
        raise InputError(
            "There are no images or crystals in this folder.",
            where=folder,
            got="an empty folder" if not any(folder.iterdir()) else "other files only",
            allowed=", ".join((*suffixes(ImageReader), *suffixes(StructureReader)))
            + ", with labels.csv or one subfolder a class",
        )
    crystals = _of_one_kind(files, folder)
    top = [path for path in files if path.parent == folder]
    classes = [path.relative_to(folder).parts[0] for path in files if path.parent != folder]
    if classes and (labelled or (not top and len(set(classes)) > 1)):
        return _from_classes(folder, files, target or "class", len(top))
    if crystals:
        return _unlabelled_crystals(folder, files, labelled)
    if labelled:
        raise _no_labels(folder, f"{len(files)} images, no labels.csv and no subfolders")
    frame = pd.DataFrame({"file": [p.relative_to(folder).as_posix() for p in files]}, dtype=object)
    return _with_files(RawTable(frame), "file", folder, files)


def _no_labels(folder: Path, got: str) -> InputError:
    return InputError(
        "These files have no labels.",
        where=folder,
        got=got,
        hint="add labels.csv with the columns 'file' and the target, or one subfolder a class",
    )


def _of_one_kind(files: Sequence[Path], folder: Path) -> bool:
    """Whether these are crystals; both kinds in one data set are refused."""
    crystals = [image_reader(path) is None for path in files]
    if any(crystals) and not all(crystals):
        raise InputError(
            "Images and crystals are mixed.",
            where=folder,
            got=f"{sum(crystals)} files of crystals, {len(files) - sum(crystals)} images",
            hint="keep them in folders of their own, or name the ones you mean in labels.csv",
        )
    return all(crystals)


def _unlabelled_crystals(folder: Path, files: list[Path], labelled: bool) -> Found:
    """Crystals whose files say all that is known of them."""
    entries = [e for p in files for e in entries_in(folder, p.relative_to(folder).as_posix())]
    frame = table_of(entries, {"file": [entry.name for entry in entries]})
    if labelled and frame.shape[1] == 1:
        raise _no_labels(folder, f"{len(files)} files of crystals, no labels.csv, no subfolders")
    return Found(
        with_unique_names(RawTable(frame)),
        folder,
        file_column="file",
        layout="structure-folder",
        entries=tuple(entries),
    )


def _from_classes(folder: Path, files: list[Path], target: str, outside: int) -> Found:
    inside = [path for path in files if path.parent != folder]
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
        kind = "images" if image_reader(inside[0]) is not None else "files of crystals"
        notes.append(f"{outside} {kind} outside the class folders were left out.")
    found = _with_files(RawTable(frame, tuple(notes)), "file", folder, inside)
    return replace(found, target=target)


def _labels(folder: Path, target: str | None, encoding: str | None) -> tuple[Path, RawTable] | None:
    """``labels.*``, ``id_prop.csv``, else the only table in the folder that names files."""
    tables = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    tables = [p for p in tables if table_reader(p) is not None and p.name != SIDECAR]
    named = [p for p in tables if p.name.lower().split(".")[0] == "labels"]
    if named:
        return named[0], read_table(named[0], encoding)
    for path in tables:
        if path.name.lower() == ID_PROP:
            return path, _without_header(read_table(path, encoding), target)
    usable = []
    for path in tables:
        try:
            raw = read_table(path, encoding)
        except InputError:
            continue  # a readme.txt or a log beside the images
        if file_column(raw.frame, folder) is not None:
            usable.append((path, raw))
    return usable[0] if len(usable) == 1 else None


def _without_header(raw: RawTable, target: str | None) -> RawTable:
    """The labels of a CGCNN folder: file names and targets, from the first line on."""
    names = ["file", target or "target"]
    names += [f"column {i}" for i in range(3, raw.frame.shape[1] + 1)]
    rows = [list(map(str, raw.frame.columns)), *raw.frame.to_numpy(object).tolist()]
    frame = pd.DataFrame(rows, columns=names[: raw.frame.shape[1]], dtype=object)
    note = f"{ID_PROP} has no header: its columns are file names and '{names[1]}'."
    return replace(raw, frame=frame, notes=(*raw.notes, note))


def _from_labels(path: Path, raw: RawTable, folder: Path, files: list[Path]) -> Found:
    columns = [str(name) for name in raw.frame.columns]
    named = [name for name in columns if compact(name) in FILE_NAMES]
    named += [name for name in columns if compact(name) in STRUCTURE_NAMES]
    if named:
        return _with_files(raw, file_column(raw.frame, folder) or named[0], folder, files)
    if len(files) == 1:
        # One stack, one row of labels a page: the rows name its pages in order.
        frame = raw.frame.copy()
        file = files[0].relative_to(folder).as_posix()
        frame.insert(0, "file", [f"{file}#{page}" for page in range(len(frame))])
        note = f"Row k of {path.name} belongs to page k of {file}."
        return _with_files(RawTable(frame, (*raw.notes, note)), "file", folder, files)
    raise InputError(
        f"{path.name} does not say which file a row belongs to.",
        where=path,
        got=", ".join(raw.frame.columns[:10]),
        allowed="a column 'file' with file names relative to the folder",
    )


def _with_files(raw: RawTable, column: str, root: Path, present: list[Path]) -> Found:
    """Match the named files with those that are there."""
    by_path = {path.relative_to(root).as_posix(): path for path in present}
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
    crystals = bool(used - {""}) and _of_one_kind([root / file for file in used - {""}], root)
    kind = "structure" if crystals else "image"
    notes = list(raw.notes)
    if others:
        shown = ", ".join(others[:_SHOWN]) + (" …" if len(others) > _SHOWN else "")
        notes.append(
            f"{len(others)} {kind} files are not named in the labels and were left out: {shown}."
        )
    if twins:
        notes.append(
            f"{len(twins)} files of the same name as a listed {kind} (masks?) were left out."
        )
    return Found(
        raw,
        root,
        tuple(files),
        tuple(pages),
        column,
        absent,
        layout=f"{kind}-folder",
        notes=tuple(notes),
        entries=named_entries(root, files, pages, raw.frame[column]) if crystals else None,
    )


def _match(text: str, by_path: dict[str, Path], by_name: dict[str, list[str]], root: Path) -> str:
    """The file of that name, or ``""``: as written, else in ``images/``, else the only one."""
    if not text:
        return ""
    for candidate in (text, f"images/{text}"):
        if candidate in by_path:
            return candidate
    named = image_reader(text) is not None or structure_reader(root / text) is not None
    if named and (root / text).is_file():
        return text
    known = by_name.get(text, [])
    preferred = [name for name in known if name.startswith("images/")]
    if len(preferred) == 1:
        return preferred[0]
    return known[0] if len(set(known)) == 1 else ""

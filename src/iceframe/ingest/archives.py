"""Zipped folders, unpacked safely into a place of the caller's.

Nothing is written outside that place, whatever an archive says. Members with absolute names, drive
letters or ``..`` are refused, and so are links, devices, encrypted members, two members of one
name, and archives that unpack to too much, to too many files, or to far more than they take (a
*zip bomb*); sizes are counted as they are unpacked, for an archive may lie about them. Such an
archive is refused as a whole: where one member is a trap, the others are not to be trusted.

Formats: PKWARE APPNOTE 6.3 (zip), POSIX pax (tar).
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import secrets
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from iceframe.core.errors import InputError
from iceframe.core.files import TEMPORARY_PREFIX, unwritable
from iceframe.ingest.reader import COMPRESSIONS

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_BY_THE_SYSTEM = re.compile(r"(^|/)(__MACOSX|\.DS_Store|\._[^/]*|Thumbs\.db|desktop\.ini)(/|$)")
_MIB = 1 << 20
_NAME_BYTES, _PATH_BYTES = 255, 1024
"""The longest name that file systems take, and the longest path that all systems do."""
_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, OSError),
    *(EOFError, ValueError, NotImplementedError, RuntimeError, OverflowError, LookupError),
)
"""What the libraries raise on archives that are damaged or of an unknown method."""


@dataclass(frozen=True)
class Room:
    """How much an archive may unpack to.

    Attributes
    ----------
    total : bytes of all members together.
    members : files and folders.
    ratio : bytes unpacked for each byte of the archive; text seldom packs better than 20 to 1.
    free : bytes that are no bomb, however well they pack: files much alike may reach 1000 to 1.
    """

    total: int = 8 << 30
    members: int = 200_000
    ratio: float = 200.0
    free: int = 16 * _MIB


class Unpacked(NamedTuple):
    """The folder with the members, and what a user should know of them."""

    folder: Path
    notes: tuple[str, ...]


class _Member(NamedTuple):
    name: str
    kind: str  # "file", "folder", or what is refused: "link", "device", "encrypted file"
    open: Any  # () -> IO[bytes]


def is_archive(path: Path | str) -> bool:
    """Whether a file is an archive of files, by its name.

    Examples
    --------
    >>> is_archive("crystals.zip"), is_archive("crystals.tar.gz"), is_archive("table.csv.gz")
    (True, True, False)
    """
    return str(path).lower().endswith(SUFFIXES)


def unpacked(path: Path, cache: Path, room: Room | None = None) -> Unpacked:
    """The members of an archive as files below ``cache``, whole or not at all.

    Parameters
    ----------
    path : an archive; see :data:`SUFFIXES`.
    cache : a folder of the caller's. The members go to a folder in it that is named by the
        archive's content, so that the same archive is unpacked once.
    room : how much it may unpack to.

    Returns
    -------
    Unpacked : where all members are in one folder of the archive, that folder.

    Raises
    ------
    InputError : damaged, unsafe, too large; names the archive and the member.
    """
    path, cache = Path(path), Path(cache)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise InputError("This file cannot be read.", where=path, got=error.strerror) from error
    place = cache / digest
    if not place.is_dir():
        _unpack_into(path, place, room or Room())
    return _described(place)


def _unpack_into(path: Path, place: Path, room: Room) -> None:
    temporary = place.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        temporary.mkdir(parents=True)
    except OSError as error:
        raise unwritable(place.parent, error) from error
    try:
        _extract(path, temporary, room)
        if not any(temporary.iterdir()):
            raise InputError("This archive is empty.", where=path)
        try:
            temporary.rename(place)
        except OSError as error:
            if not place.is_dir():  # else another process was first, with the same content
                raise unwritable(place, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _extract(path: Path, place: Path, room: Room) -> None:
    names: dict[str, str] = {}
    used, packed, count = 0, path.stat().st_size, 0
    for member in _guarded(path):
        count += 1
        if count > room.members:
            raise _too_much(path, f"more than {room.members} members")
        name = _safe_name(member, path)
        if name is None or _BY_THE_SYSTEM.search(name):
            continue
        _claim(name, member.kind, names, path)
        target = place / name
        try:
            (target if member.kind == "folder" else target.parent).mkdir(
                parents=True, exist_ok=True
            )
            if member.kind == "folder":
                continue
            file = target.open("xb")
        except OSError as error:
            raise unwritable(place.parent, error) from error
        with file:
            for chunk in _chunks(member, path):
                used += len(chunk)
                if used > room.total:
                    raise _too_much(path, f"more than {room.total / _MIB:g} MiB", name)
                if used > max(room.free, room.ratio * packed):
                    raise _too_much(path, f"more than {room.ratio:g} times its size", name)
                try:
                    file.write(chunk)
                except OSError as error:
                    raise unwritable(place.parent, error) from error


def _guarded(path: Path) -> Iterator[_Member]:
    """The members; whatever a library raises on a damaged archive is an :class:`InputError`."""
    try:
        yield from (_zip_members(path) if path.suffix.lower() == ".zip" else _tar_members(path))
    except InputError:
        raise
    except _BROKEN as error:
        raise _damaged(path, error) from error


def _chunks(member: _Member, path: Path) -> Iterator[bytes]:
    try:
        with member.open() as stream:
            while chunk := stream.read(_MIB):
                yield chunk
    except InputError:
        raise
    except _BROKEN as error:
        raise _damaged(f"{path}, member {member.name!r}", error) from error


def _zip_members(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            mode = stat.S_IFMT(info.external_attr >> 16)
            kind = "folder" if info.is_dir() else "file"
            if info.flag_bits & (1 | 1 << 6 | 1 << 13):
                kind = "encrypted file"
            elif stat.S_ISLNK(mode):
                kind = "link"
            elif mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "device"
            yield _Member(info.orig_filename, kind, lambda info=info: archive.open(info))


def _tar_members(path: Path) -> Iterator[_Member]:
    suffix = path.suffix.lower().replace(".tgz", ".gz")
    opener = COMPRESSIONS.get(suffix, lambda p: p.open("rb"))
    with opener(path) as stream, tarfile.TarFile(fileobj=cast(IO[bytes], _Sips(stream))) as archive:
        for info in archive:
            known = "folder" if info.isdir() else "file" if info.isreg() else "device"
            kind = "link" if info.issym() or info.islnk() else known
            yield _Member(info.name, kind, lambda info=info: archive.extractfile(info))
            # Else every header ever seen is kept.
            archive.members = []  # type: ignore[attr-defined]


class _Sips:
    """A stream that is read in small parts: a header that claims gigabytes is not believed."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.seek, self.tell, self._read = stream.seek, stream.tell, stream.read

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= 4 * _MIB:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._read(size)


def _safe_name(member: _Member, path: Path) -> str | None:
    """The name with ``/`` between its parts, or ``None`` for the folder itself."""
    name = member.name.replace("\\", "/")  # as some programs write it
    where = f"{path}, member {member.name[:200]!r}"
    hint = "unpack it yourself, look at what is in it, and name the folder instead"
    if member.kind not in ("file", "folder"):
        what = {
            "link": "This archive holds a link.",
            "device": "This archive holds a device.",
            "encrypted file": "This archive is encrypted.",
        }[member.kind]
        raise InputError(what, where=where, allowed="plain files and folders", hint=hint)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    outside = name.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name)
    if outside:
        raise InputError(
            "This archive tries to write outside its folder.",
            where=where,
            allowed="names below the archive's own folder",
            hint=hint,
        )
    usable = name.isprintable() and len(os.fsencode(name)) <= _PATH_BYTES
    if not usable or any(len(os.fsencode(part)) > _NAME_BYTES for part in parts):
        raise InputError(
            "This archive holds a name that is not usable.",
            where=where,
            allowed=f"printable names of at most {_NAME_BYTES} bytes",
            hint=hint,
        )
    return "/".join(parts) or None


def _claim(name: str, kind: str, names: dict[str, str], path: Path) -> None:
    """Refuse two members that are one file on some system: ``a.cif`` and ``A.CIF``."""
    folded = unicodedata.normalize("NFC", name).casefold()
    parents = ["/".join(folded.split("/")[:k]) for k in range(1, folded.count("/") + 1)]
    held = names.get(folded)
    twice = held is not None and "file" in (held, kind)
    if twice or any(names.get(parent) == "file" for parent in parents):
        raise InputError(
            "Two members of this archive have the same name, upper and lower case being equal.",
            where=f"{path}, member {name!r}",
            hint="rename one of them",
        )
    names[folded] = kind
    names.update(dict.fromkeys(parents, "folder"))


def _described(place: Path) -> Unpacked:
    nested = sorted(f for f in place.rglob("*") if f.is_file() and is_archive(f))
    notes = []
    if nested:
        shown = ", ".join(f.relative_to(place).as_posix() for f in nested[:5])
        more = " …" if len(nested) > 5 else ""
        notes.append(
            f"{len(nested)} archives inside the archive were left as they are: {shown}{more}."
        )
    inside = list(place.iterdir())
    while len(inside) == 1 and inside[0].is_dir():
        place = inside[0]
        inside = list(place.iterdir())
    return Unpacked(place, tuple(notes))


def _too_much(path: Path, got: str, name: str = "") -> InputError:
    return InputError(
        "This archive unpacks to too much.",
        where=f"{path}, member {name!r}" if name else path,
        got=got,
        hint="if it is meant to be so large, unpack it yourself and name the folder instead",
    )


def _damaged(where: object, error: Exception) -> InputError:
    return InputError(
        "This archive is damaged, or packed in an unknown way.",
        where=where,
        got=str(error) or type(error).__name__,
        hint="is it complete?",
    )

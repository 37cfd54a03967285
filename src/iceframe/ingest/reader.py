"""What a reader is: one file format, by its suffixes, as a table or as grey images.

To add one, write one file in ``iceframe/ingest/readers/``: a subclass of :class:`TableReader` or
:class:`ImageReader` decorated with ``@READERS.register(name)``. A reader raises nothing but
:class:`~iceframe.core.errors.InputError`, whatever bytes it is given, and executes nothing that a
file holds.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar, cast

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.registry import Registry

COMPRESSIONS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": lambda path: cast(IO[bytes], gzip.GzipFile(path)),
    ".bz2": lambda path: cast(IO[bytes], bz2.BZ2File(path)),
    ".xz": lambda path: cast(IO[bytes], lzma.LZMAFile(path)),  # noqa: SIM115
}
MAX_TABLE_BYTES = 2 << 30
"""A table that unpacks to more than 2 GiB is refused: nothing so large belongs in one text file."""


@dataclass(frozen=True)
class RawTable:
    """A table as a file holds it: nothing interpreted, columns named by strings.

    ``decimal_comma`` tells what the file as a whole says about ``1,5`` (``None``: nothing).
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    layout: str = "table"
    decimal_comma: bool | None = None


@dataclass(frozen=True)
class Header:
    """What is known of an image file before its pixels are decoded.

    ``height`` and ``width`` are those after the EXIF orientation is applied; ``traits`` is a subset
    of ``colour``, ``alpha``, ``palette``, ``cmyk``, ``rotated``; ``tags`` holds numeric metadata.
    """

    height: int
    width: int
    pages: int
    dtype: str
    bits: int
    mode: str
    traits: frozenset[str] = frozenset()
    tags: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Reader(ABC):
    """One file format. ``suffixes`` are lower case, with the dot."""

    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]


class TableReader(Reader):
    """A format that holds a table. Files may be compressed (``.gz``, ``.bz2``, ``.xz``)."""

    @abstractmethod
    def read(self, path: Path, encoding: str | None = None) -> RawTable:
        """The table in ``path``; :class:`InputError` where there is none."""


class ImageReader(Reader):
    """A format that holds one image or a stack of pages of one size."""

    @abstractmethod
    def inspect(self, path: Path) -> Header:
        """The header, without decoding pixels."""

    @abstractmethod
    def pixels(self, path: Path, page: int | None = None) -> np.ndarray:
        """Grey levels in the file's own type: ``(height, width)``, or ``(pages, height, width)``
        where there is more than one page and ``page`` is ``None``."""


READERS: Registry[type[Reader]] = Registry("reader", "iceframe.ingest.readers")


def bare_suffix(path: Path | str) -> str:
    """The suffix that tells the format, without a compression suffix.

    Examples
    --------
    >>> bare_suffix("matbench_steels.json.bz2"), bare_suffix("A.TIFF")
    ('.json', '.tiff')
    """
    name = str(path).lower()
    for ending in COMPRESSIONS:
        name = name.removesuffix(ending)
    return Path(name).suffix


def table_reader(path: Path) -> TableReader | None:
    """The reader for a table of this name, or ``None``."""
    for _, kind in READERS.items():
        if issubclass(kind, TableReader) and bare_suffix(path) in kind.suffixes:
            return kind()
    return None


def image_reader(path: Path | str) -> ImageReader | None:
    """The reader for an image of this name, or ``None``."""
    suffix = Path(path).suffix.lower()
    for _, kind in READERS.items():
        if issubclass(kind, ImageReader) and suffix in kind.suffixes:
            return kind()
    return None


def suffixes(kind: type[Reader]) -> tuple[str, ...]:
    """All suffixes that readers of one kind know, in order."""
    return tuple(
        s for _, entry in READERS.items() if issubclass(entry, kind) for s in entry.suffixes
    )


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked; broken or oversized archives are an :class:`InputError`."""
    opener = COMPRESSIONS.get(path.suffix.lower(), lambda p: p.open("rb"))
    try:
        with opener(path) as stream:
            content = stream.read(MAX_TABLE_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError("File not found.", where=path) from error
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise InputError(
            "This file cannot be read.", where=path, got=str(error), hint="is it complete?"
        ) from error
    if len(content) > MAX_TABLE_BYTES:
        raise InputError("This table is too large.", where=path, allowed="2 GiB unpacked")
    return content

"""What a reader is: one file format, by its names, as a table, as grey images or as crystals.

To add one, write one file in ``iceframe/ingest/readers/``: a subclass of :class:`TableReader`,
:class:`ImageReader` or :class:`StructureReader` decorated with ``@READERS.register(name)``. A
reader raises nothing but :class:`~iceframe.core.errors.InputError`, whatever bytes it is given,
and executes nothing that a file holds.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pandas as pd

from iceframe.core.errors import InputError
from iceframe.core.registry import Registry

if TYPE_CHECKING:
    from pymatgen.core import Structure

COMPRESSIONS: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": lambda path: cast(IO[bytes], gzip.GzipFile(path)),
    ".bz2": lambda path: cast(IO[bytes], bz2.BZ2File(path)),
    ".xz": lambda path: cast(IO[bytes], lzma.LZMAFile(path)),  # noqa: SIM115
}
MAX_TABLE_BYTES = 2 << 30
"""A file that unpacks to more than 2 GiB is refused: nothing so large belongs in one text file."""


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


@dataclass(frozen=True)
class Entry:
    """One crystal as a file holds it: nothing checked, it may be disordered or overlap.

    Attributes
    ----------
    structure : the crystal; ``None`` where the file holds one that cannot be read.
    name : the file's name, ``file#index`` (from 0) in a file of many.
    values : what the file says of this crystal: column name to value.
    notes : what was assumed in reading it, a sentence each, the same for all files alike.
    fault : why there is no structure. A file of which nothing can be read raises instead.
    """

    structure: Structure | None
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    fault: InputError | None = None


class Reader(ABC):
    """One file format. ``suffixes`` are lower case, with the dot."""

    title: ClassVar[str]
    summary: ClassVar[str]
    reference: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether a file is of this format: by its suffix, before one of a compression."""
        return bare_suffix(path) in cls.suffixes


class TableReader(Reader):
    """A format that holds a table. Files may be compressed (``.gz``, ``.bz2``, ``.xz``)."""

    @abstractmethod
    def read(self, path: Path, encoding: str | None = None) -> RawTable:
        """The table in ``path``; :class:`InputError` where there is none."""


class ImageReader(Reader):
    """A format that holds one image or a stack of pages of one size; never compressed around."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether a file is of this format: by its own suffix."""
        return path.suffix.lower() in cls.suffixes

    @abstractmethod
    def inspect(self, path: Path) -> Header:
        """The header, without decoding pixels."""

    @abstractmethod
    def pixels(self, path: Path, page: int | None = None) -> np.ndarray:
        """Grey levels in the file's own type: ``(height, width)``, or ``(pages, height, width)``
        where there is more than one page and ``page`` is ``None``."""


class StructureReader(Reader):
    """A format that holds crystals. Files may be compressed (``.gz``, ``.bz2``, ``.xz``)."""

    @abstractmethod
    def read(self, path: Path) -> list[Entry]:
        """The crystals in ``path``, at least one; :class:`InputError` where there is none.

        A crystal that cannot be read among others that can is an entry with a ``fault``, so that
        the others may go on (:func:`iceframe.ingest.crystal_checks.accept`).
        """


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
    return cast("TableReader | None", _claiming(path, TableReader))


def image_reader(path: Path | str) -> ImageReader | None:
    """The reader for an image of this name, or ``None``."""
    return cast("ImageReader | None", _claiming(Path(path), ImageReader))


def structure_reader(path: Path | str) -> StructureReader | None:
    """The reader for the crystals in a file of this name, or ``None``.

    A JSON file is looked into: a table of numbers is none of crystals.
    """
    return cast("StructureReader | None", _claiming(Path(path), StructureReader))


def _claiming(path: Path, wanted: type[Reader]) -> Reader | None:
    for _, kind in READERS.items():
        if issubclass(kind, wanted) and kind.claims(path):
            return kind()
    return None


def suffixes(kind: type[Reader]) -> tuple[str, ...]:
    """All suffixes that readers of one kind know, in order."""
    kinds = [entry for _, entry in READERS.items() if issubclass(entry, kind)]
    return tuple(dict.fromkeys(suffix for entry in kinds for suffix in entry.suffixes))


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
        raise InputError("This file is too large.", where=path, allowed="2 GiB unpacked")
    return content

"""Numbers computed once for each crystal and kept on disk, found again by the crystal's content.

A key is the hash of one crystal's cell, species and coordinates, so that a subset or another order
of the same crystals finds the same numbers. One SQLite file (https://www.sqlite.org/atomiccommit.html)
holds what one model computed: several processes may read and write it, and a row that was half
written or changed on disk fails its checksum and is computed again. A cache never causes an error:
a file that is no data base is thrown away, and where nothing can be kept, nothing is.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from iceframe.core.crystals import Crystals
from iceframe.core.hashing import content_hash

FOLDER_VARIABLE = "ICEFRAME_CACHE"

PATIENCE = 30.0
"""Seconds to wait for another process that is writing."""

KEYS_A_QUERY = 500
"""Below the 999 variables that the oldest SQLite allows in one statement."""

_SIDECARS = ("-journal", "-wal", "-shm")


def cache_folder() -> Path:
    """Where things that can be computed again are kept: ``$ICEFRAME_CACHE``, else the platform's
    folder for them in the user's home."""
    stated = os.environ.get(FOLDER_VARIABLE)
    if stated:
        return Path(stated)
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "iceframe"


def crystal_keys(crystals: Crystals) -> list[str]:
    """A content hash for each crystal; its name does not count.

    Examples
    --------
    >>> polonium = Crystals(3.35 * np.eye(3)[None], np.array([0, 1]), np.array([84]),
    ...     np.zeros((1, 3)), ("Po",))
    >>> crystal_keys(polonium) == crystal_keys(polonium.take([0, 0]))[1:]
    True
    """
    # Adding zero makes −0 and 0 one number.
    lattices, fractional = crystals.lattices + 0.0, crystals.fractional + 0.0
    bounds = zip(crystals.offsets[:-1], crystals.offsets[1:], strict=True)
    return [
        content_hash(lattice, crystals.numbers[a:b], fractional[a:b], digits=32)
        for lattice, (a, b) in zip(lattices, bounds, strict=True)
    ]


class FeatureCache:
    """Float32 arrays by key in the file ``name`` of a folder (default: :func:`cache_folder`)."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.path = (cache_folder() if folder is None else Path(folder)) / f"{name}.sqlite"

    def read(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """The arrays ``(length,)`` of those keys that are there and whole."""
        if not self.path.exists():
            return {}
        found: dict[str, np.ndarray] = {}
        try:
            with self._opened() as connection:
                for start in range(0, len(keys), KEYS_A_QUERY):
                    some = list(keys[start : start + KEYS_A_QUERY])
                    marks = ",".join("?" * len(some))
                    rows = connection.execute(
                        f"SELECT key, checksum, numbers FROM features WHERE key IN ({marks})", some
                    )
                    found |= {key: np.frombuffer(b, "<f4") for key, c, b in rows if _whole(c, b)}
        except sqlite3.OperationalError:  # busy for too long, or not readable: as if it were empty
            return found
        except (sqlite3.DatabaseError, UnicodeDecodeError, OSError):
            self._discard()
        return found

    def write(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep these arrays, all of them or none."""
        rows = [(key, np.asarray(array, "<f4").tobytes()) for key, array in arrays.items()]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._opened() as connection, connection:
                connection.executemany(
                    "INSERT OR REPLACE INTO features VALUES (?, ?, ?)",
                    [(key, zlib.crc32(numbers), numbers) for key, numbers in rows],
                )
        except sqlite3.OperationalError:  # no room, no right to write, or busy for too long
            return
        except (sqlite3.DatabaseError, UnicodeDecodeError, OSError):
            self._discard()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS features "
                "(key TEXT PRIMARY KEY, checksum INTEGER, numbers BLOB)"
            )
            yield connection

    def _discard(self) -> None:
        """Throw a damaged file away; where that is not allowed, it stays unused."""
        for path in (*(Path(f"{self.path}{end}") for end in _SIDECARS), self.path):
            try:
                path.unlink(missing_ok=True)
            except OSError:
                return


def _whole(checksum: object, numbers: object) -> bool:
    return isinstance(numbers, bytes) and len(numbers) % 4 == 0 and zlib.crc32(numbers) == checksum

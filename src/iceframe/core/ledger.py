"""The ledger: an append-only record in one SQLite file, in which any changed byte is found.

Every entry carries ``hash = SHA-256(previous hash, number, time, kind, body)``, the five joined by
line feeds, the body as canonical JSON; before the first, the previous hash is 64 zeros. So a
changed entry is named. Triggers refuse to change, delete or insert out of turn.

Beside ``ledger.sqlite`` lies ``ledger.sqlite.sha256``, the digest of the whole file in the format
of ``sha256sum``. So a change is found also where no entry lies: in page headers, free pages, the
schema, or a tail that was cut off.

To append, a copy of the file gets the entries; the sidecar names the digests of both; the copy
replaces the file; the sidecar names the new digest alone. Whenever that is stopped, the file is one
of the two that the sidecar names, whole. One process writes at a time: hold the lock of the run.

The sidecar guards against accidents and edits, not against somebody who rewrites both files;
against that, note the hash of the last entry elsewhere: it stands for all entries before it, and
:meth:`Ledger.verify` takes it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iceframe.core.errors import InputError, UsageError
from iceframe.core.files import plain, replacing, write_text

FILE = "ledger.sqlite"
ORIGIN = "0" * 64  # the hash before the first entry

_SCHEMA = (
    "CREATE TABLE entries (number INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, "
    "body TEXT NOT NULL, hash TEXT NOT NULL)",
    "CREATE TRIGGER unchanged BEFORE UPDATE ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER undeleted BEFORE DELETE ON entries "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER in_turn BEFORE INSERT ON entries "
    "WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM entries) "
    "BEGIN SELECT RAISE(ABORT, 'an entry out of turn'); END",
)
# What Python raises where bytes of the file changed; a message of SQLite's can be no text, too.
_UNREADABLE = (sqlite3.Error, ValueError, OverflowError, MemoryError)
_RESTORE = "restore the folder from a copy, or run again with a new --out"


@dataclass(frozen=True)
class Entry:
    """One entry: ``number`` from 1, ``time`` (ISO 8601, UTC), ``kind``, ``body``, ``hash``."""

    number: int
    time: str
    kind: str
    body: Mapping[str, Any]
    hash: str


@dataclass(frozen=True)
class Problem:
    """Something that differs from what was written: ``where`` (an entry or a file) and ``what``."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def canonical(body: Mapping[str, Any]) -> str:
    """JSON that is the same for equal values: sorted, without spaces, without NaN.

    >>> canonical({"b": 1.0, "a": (2, "é")})
    '{"a":[2,"\\\\u00e9"],"b":1.0}'
    """
    return json.dumps(body, sort_keys=True, separators=(",", ":"), default=plain, allow_nan=False)


def entry_hash(previous: str, number: int, time: str, kind: str, body: str) -> str:
    """The hash of an entry; ``body`` is its canonical JSON.

    >>> entry_hash(ORIGIN, 1, "2026-01-01T00:00:00+00:00", "goal", "{}")[:12]
    'a89642a3b035'
    """
    whole = "\n".join([previous, str(number), time, kind, body])
    return hashlib.sha256(whole.encode()).hexdigest()


class Ledger:
    """A ledger on disk; make one with :meth:`create` or :meth:`open`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ledger = Ledger.create(Path(folder) / FILE)
    ...     entry = ledger.append("goal", {"floors": {"mae": 90}})
    ...     ledger.entries()[0].body["floors"], ledger.verify()
    ({'mae': 90}, ())
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: Path) -> Ledger:
        """An empty ledger at ``path``.

        Raises
        ------
        InputError : there is a file already, or it cannot be written.
        """
        ledger = cls(path)
        if ledger.path.exists():
            raise InputError("There is a ledger already.", where=path, hint="open it instead")
        with replacing(ledger.path) as staged:
            _write(staged, _SCHEMA)
            ledger._seal(_digest(staged))
        return ledger

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """The ledger at ``path``, not verified.

        Raises
        ------
        InputError : there is none.
        """
        if not Path(path).is_file():
            raise InputError(
                "There is no ledger here.",
                where=path,
                hint="give the folder of a run that `iceframe balance` made",
            )
        return cls(path)

    @property
    def sidecar(self) -> Path:
        """The file with the digest."""
        return self.path.with_name(self.path.name + ".sha256")

    def append(self, kind: str, body: Mapping[str, Any], time: str | None = None) -> Entry:
        """Add one entry; ``time``: now, where none is given."""
        return self.extend([(kind, body)], time)[0]

    def extend(
        self, items: Iterable[tuple[str, Mapping[str, Any]]], time: str | None = None
    ) -> tuple[Entry, ...]:
        """Add entries, all or none.

        Raises
        ------
        InputError : the file is not the one that was written last.
        ValueError : a kind that is not one lower-case word, or a body that is not JSON (a NaN).
        """
        time = time or datetime.now(UTC).isoformat(timespec="seconds")
        found = _digest(self.path)
        if found not in self._digests():
            raise InputError(
                "The ledger was changed by hand; nothing is added to it.",
                where=self.path,
                hint=_RESTORE,
            )
        last = self._rows(last=True)
        number, previous = (last[0][0], last[0][4].decode()) if last else (0, ORIGIN)
        rows, entries = [], []
        for kind, body in items:
            if not re.fullmatch(r"[a-z][a-z_-]*", kind):
                raise ValueError(f"an entry's kind must be one lower-case word, got {kind!r}")
            text, number = canonical(body), number + 1
            previous = entry_hash(previous, number, time, kind, text)
            rows.append((number, time, kind, text, previous))
            entries.append(Entry(number, time, kind, json.loads(text), previous))
        with replacing(self.path) as staged:
            shutil.copyfile(self.path, staged)
            _write(staged, (), rows)
            new = _digest(staged)
            self._seal(found, new)
        self._seal(new)
        return tuple(entries)

    def entries(self) -> tuple[Entry, ...]:
        """All entries in order, not verified.

        Raises
        ------
        InputError : the file cannot be read.
        """
        try:
            rows = self._rows()
            return tuple(
                Entry(number, time.decode(), kind.decode(), json.loads(body), mine.decode())
                for number, time, kind, body, mine in rows
            )
        except (*_UNREADABLE, AttributeError, TypeError) as error:
            raise InputError(
                "The ledger cannot be read.", where=self.path, got=error, hint=_RESTORE
            ) from error

    def verify(self, expect: str = "") -> tuple[Problem, ...]:
        """Everything that differs from what was written; empty where nothing does.

        ``expect``: the hash of an entry, noted elsewhere when it was the last. It must still stand
        in the chain; entries may have been added behind it.

        Raises
        ------
        UsageError : ``expect`` is no hash of an entry: 64 hexadecimal digits.
        """
        if expect and not re.fullmatch(r"[0-9a-f]{64}", expect):
            raise UsageError(
                "This is no hash of an entry.",
                got=expect,
                allowed="64 hexadecimal digits, as `iceframe ledger verify` prints them",
            )
        missing = [p for p in (self.path, self.sidecar) if not p.is_file()]
        if missing:
            return tuple(Problem(p.name, "it is missing") for p in missing)
        problems = [
            Problem(p.name, "another program left a journal, which would change the entries")
            for p in (self.path.with_name(self.path.name + end) for end in ("-journal", "-wal"))
            if p.exists()
        ]
        digests = self._digests()
        if not digests:
            problems.append(Problem(self.sidecar.name, "it is not as it was written"))
        whole = _digest(self.path) in digests
        changed = self._changed_entries()
        problems += changed
        if digests and not whole:
            size = self.path.stat().st_size
            where = "" if changed else ", outside of the entries (headers, free pages, its tail)"
            problems.append(
                Problem(self.path.name, f"its {size} bytes are not those that were written{where}")
            )
        if expect and not problems and all(entry.hash != expect for entry in self.entries()):
            told = f"no entry has the hash {expect}: it was written anew since that was noted"
            problems.append(Problem(self.path.name, told))
        return tuple(problems)

    # -- inside --------------------------------------------------------------------------------

    def _changed_entries(self) -> list[Problem]:
        try:
            rows = self._rows()
        except _UNREADABLE as error:
            return [Problem(self.path.name, f"SQLite cannot read it: {error}")]
        problems, previous = [], ORIGIN.encode()
        for expected, (number, time, kind, body, mine) in enumerate(rows, 1):
            if number != expected:
                problems.append(Problem(f"entry {number}", f"entry {expected} should stand here"))
                break
            parts = (previous, str(number).encode(), time, kind, body)
            if not all(isinstance(part, bytes) for part in (*parts, mine)):
                problems.append(Problem(f"entry {number}", "it does not hold text"))
                break
            if hashlib.sha256(b"\n".join(parts)).hexdigest().encode() != mine:
                problems.append(Problem(f"entry {number}", "its content does not fit its hash"))
            previous = mine
        return problems

    def _rows(self, last: bool = False) -> list[tuple[int, Any, Any, Any, Any]]:
        """The raw rows, or the ``last`` alone; text as bytes, so that what is none is read.
        No journal that lies beside is obeyed, and nothing is written."""
        address = self.path.resolve().as_uri() + "?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.text_factory = bytes
            asked = "SELECT number, time, kind, body, hash FROM entries ORDER BY number"
            return connection.execute(f"{asked} DESC LIMIT 1" if last else asked).fetchall()

    def _seal(self, *digests: str) -> None:
        write_text(self.sidecar, "".join(f"{d}  {self.path.name}\n" for d in digests))

    def _digests(self) -> tuple[str, ...]:
        """The digests that the sidecar names; none where it is not as it was written."""
        raw = self.sidecar.read_bytes() if self.sidecar.is_file() else b""
        line = rb"([0-9a-f]{64})  " + re.escape(self.path.name.encode()) + rb"\n"
        if not re.fullmatch(rb"(%s){1,2}" % line, raw):
            return ()
        return tuple(found.decode() for found in re.findall(line, raw))


def _write(
    path: Path, statements: Iterable[str], rows: Iterable[tuple[int, str, str, str, str]] = ()
) -> None:
    """Change a file that nobody else knows of yet, in one transaction, without a journal file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("BEGIN")
        for statement in statements:
            connection.execute(statement)
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows)
        connection.execute("COMMIT")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

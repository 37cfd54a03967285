"""The run folder: whole at every moment, resumable after a kill, sealed against hand edits.

::

    RUN/
      run.json          what was asked, of which data, with which versions; carries its own digest
      manifest.jsonl    one line a finished unit, appended last; torn lines are dropped
      units/<name>/     the files of one unit, renamed into place as a whole
      evidence.parquet, equilibrium.json, …   derived from the units, sealed by a manifest line

A unit counts as finished only when its manifest line is there. Nothing that is loaded from a run
folder can execute code.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iceframe.core.errors import InputError
from iceframe.core.files import TEMPORARY_PREFIX, read_json, unwritable, write_json
from iceframe.core.hashing import content_hash

FORMAT = 1
_SEAL = "seal"


@dataclass(frozen=True)
class UnitRecord:
    """A finished unit: its key, its folder's name, and the SHA-256 of each of its files."""

    key: str
    name: str
    files: Mapping[str, str]


class RunStore:
    """One run folder. Make it with :meth:`create`, :meth:`open`, or :meth:`create_or_open`."""

    def __init__(self, root: Path, header: Mapping[str, Any]) -> None:
        self.root = root
        self.header = dict(header)
        self._units: dict[str, UnitRecord] = {}
        self._sealed: dict[str, str] = {}
        self._read_manifest()

    # -- opening -------------------------------------------------------------------------------

    @classmethod
    def create_or_open(cls, root: Path, header: Mapping[str, Any]) -> RunStore:
        """Start a run in an absent or empty folder, or continue the same run.

        ``header["identity"]`` decides whether it is the same run; everything else may change.

        Raises
        ------
        InputError : the folder holds another run, something that is no run, or cannot be written.
        """
        root = Path(root)
        if root.exists() and not root.is_dir():
            raise InputError(
                "The output is a file, not a folder.", where=root, hint="choose another --out"
            )
        if (root / "run.json").exists():
            store = cls.open(root)
            _require_same(store, header)
        elif root.exists() and any(
            not p.name.startswith(TEMPORARY_PREFIX) and p.name != ".lock" for p in root.iterdir()
        ):
            raise InputError(
                "The output folder is not empty and holds no run.",
                where=root,
                hint="choose a new folder with --out, or empty this one",
            )
        try:
            (root / "units").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(root, error) from error
        body = {**header, "format": FORMAT}
        sealed = {**body, "digest": content_hash(body)}
        if not (root / "run.json").exists() or read_json(root / "run.json") != json.loads(
            json.dumps(sealed)
        ):
            write_json(root / "run.json", sealed)
        return cls(root, body)

    @classmethod
    def open(cls, root: Path) -> RunStore:
        """Open a run folder and check that nobody edited it.

        Raises
        ------
        InputError : no run there, a newer format, or contents that differ from the manifest.
        """
        root = Path(root)
        if not (root / "run.json").exists():
            raise InputError(
                "This is not a run folder: it holds no run.json.",
                where=root,
                hint="give the folder that was named with --out in `iceframe run`",
            )
        header = read_json(root / "run.json")
        version = header.get("format") if isinstance(header, dict) else None
        if not isinstance(version, int):
            raise InputError(
                "run.json has no format number.", where=root / "run.json", hint=_RESTORE
            )
        if version > FORMAT:
            raise InputError(
                "This run was made by a newer version of ICEFrame.",
                where=root,
                got=f"format {version}",
                allowed=f"format {FORMAT} or older",
                hint="upgrade: pip install --upgrade iceframe",
            )
        digest = header.pop("digest", None)
        if digest != content_hash(header):
            raise InputError("run.json was edited by hand.", where=root / "run.json", hint=_RESTORE)
        store = cls(root, header)
        store.verify()
        return store

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for one writer; a second one is refused. The lock dies with its process."""
        import filelock

        lock = filelock.FileLock(str(self.root / ".lock"))
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise InputError(
                "Another process is writing to this run.",
                where=self.root,
                hint="wait for it to end, or choose another --out",
            ) from error
        try:
            self._read_manifest(repair=True)
            self._sweep()
            yield
        finally:
            lock.release()

    # -- units ---------------------------------------------------------------------------------

    def finished(self, key: str) -> bool:
        """Whether the unit with this key is done."""
        return key in self._units

    def unit(self, key: str) -> Path:
        """Folder of a finished unit."""
        return self.root / "units" / self._units[key].name

    def first(self, prefix: str) -> Path | None:
        """Folder of the first finished unit whose name starts so, in the order of names."""
        names = sorted(r.name for r in self._units.values() if r.name.startswith(prefix))
        return self.root / "units" / names[0] if names else None

    def stage(self) -> Path:
        """A fresh temporary folder inside the run, for a worker to fill."""
        folder = self.root / "units" / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        try:
            folder.mkdir()
            return folder
        except OSError as error:
            raise unwritable(self.root, error) from error

    def commit(self, key: str, name: str, staged: Path) -> None:
        """Move a filled folder into place and append its manifest line."""
        target = self.root / "units" / name
        files = {}
        for path in sorted(p for p in staged.rglob("*") if p.is_file()):
            files[path.relative_to(staged).as_posix()] = _file_hash(path, sync=True)
        if target.exists():  # left by a kill between the rename and the manifest line
            shutil.rmtree(target)
        try:
            os.replace(staged, target)
        except OSError as error:
            raise unwritable(target, error) from error
        self._append({"key": key, "name": name, "files": files})
        self._units[key] = UnitRecord(key, name, files)

    # -- derived files -------------------------------------------------------------------------

    def publish(self, staged: Path) -> None:
        """Move derived files from a staged folder into the root and seal them.

        Files equal to the sealed ones are left alone, so a repeated run changes nothing.
        """
        files = {p.name: _file_hash(p, sync=True) for p in sorted(staged.iterdir())}
        if files != self._sealed or any(not (self.root / name).exists() for name in files):
            self._append({"key": _SEAL, "name": "", "files": {}})  # unsealed while files change
            for name in files:
                os.replace(staged / name, self.root / name)
            self._append({"key": _SEAL, "name": "", "files": files})
            self._sealed = files
        shutil.rmtree(staged, ignore_errors=True)

    @property
    def sealed(self) -> bool:
        """Whether the derived files stand."""
        return bool(self._sealed)

    def verify(self) -> None:
        """Compare every file with the manifest; an edited or missing one is an InputError."""
        for record in self._units.values():
            for name, digest in record.files.items():
                _compare(self.root / "units" / record.name / name, digest)
        for name, digest in self._sealed.items():
            _compare(self.root / name, digest)

    # -- inside --------------------------------------------------------------------------------

    @property
    def _manifest(self) -> Path:
        return self.root / "manifest.jsonl"

    def _read_manifest(self, repair: bool = False) -> None:
        self._units.clear()
        self._sealed = {}
        if not self._manifest.exists():
            return
        whole = 0
        raw = self._manifest.read_bytes()
        for number, line in enumerate(raw.splitlines(keepends=True), 1):
            try:
                if not line.endswith(b"\n"):
                    break
                entry = json.loads(line)
                check = entry.pop("line")
                if check != content_hash(entry):
                    raise ValueError("its hash does not fit")
                record = UnitRecord(entry["key"], entry["name"], entry["files"])
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    "The manifest was edited by hand.",
                    where=f"{self._manifest}, line {number}",
                    got=str(error),
                    hint=_RESTORE,
                ) from error
            if record.key == _SEAL:
                self._sealed = dict(record.files)
            else:
                self._units[record.key] = record
            whole += len(line)
        if repair and whole < len(raw):  # a line torn by a kill
            with self._manifest.open("rb+") as file:
                file.truncate(whole)

    def _append(self, entry: dict[str, Any]) -> None:
        line = json.dumps({**entry, "line": content_hash(entry)}, sort_keys=True) + "\n"
        try:
            with self._manifest.open("ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(self._manifest, error) from error

    def _sweep(self) -> None:
        """Remove what a killed process left half-written."""
        for folder in (self.root, self.root / "units"):
            for path in folder.glob(TEMPORARY_PREFIX + "*"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)


_RESTORE = "restore the folder from a copy, or run again with a new --out"


def _require_same(store: RunStore, header: Mapping[str, Any]) -> None:
    mine, theirs = header["identity"], store.header["identity"]
    differing = sorted(k for k in mine | theirs if mine.get(k) != theirs.get(k))
    if differing:
        raise InputError(
            "The output folder holds another run.",
            where=store.root,
            got="; ".join(f"{k}: {theirs.get(k)} there, {mine.get(k)} asked" for k in differing),
            hint="choose a new folder with --out, or repeat the settings of the run that is there",
        )


def _file_hash(path: Path, sync: bool = False) -> str:
    digest = hashlib.sha256()
    with path.open("rb+" if sync else "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
        if sync:
            os.fsync(file.fileno())
    return digest.hexdigest()


def _compare(path: Path, digest: str) -> None:
    if not path.exists():
        raise InputError("A file of this run is missing.", where=path, hint=_RESTORE)
    if _file_hash(path) != digest:
        raise InputError("A file of this run was edited by hand.", where=path, hint=_RESTORE)

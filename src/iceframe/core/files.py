"""Files that are whole or absent: written under a temporary name beside, then renamed."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.core.errors import InputError

TEMPORARY_PREFIX = ".tmp-"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path`` in one step."""
    path = Path(path)
    # A plain open, unlike tempfile's, leaves the file as readable as the user's umask says.
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{path.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.open("xb").close()
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> InputError:
    """The error for a place that cannot be written to."""
    return InputError(
        "Cannot write the output.",
        where=path,
        got=error.strerror or str(error),
        hint="free some space or choose a writable place with --out",
    )


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write sorted, indented JSON, whole or not at all."""
    write_text(
        path, json.dumps(value, indent=1, sort_keys=True, default=plain, allow_nan=True) + "\n"
    )


def read_json(path: Path) -> Any:
    """Read JSON; a broken file is an :class:`InputError` that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError("File not found.", where=path) from error
    except (OSError, ValueError) as error:
        raise InputError(
            "This file is not readable JSON.",
            where=path,
            got=str(error),
            hint="restore it from a copy, or delete the run folder and run again",
        ) from error


def plain(value: Any) -> Any:
    """NumPy scalars, arrays, paths and mappings as plain JSON values."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON serialisable")

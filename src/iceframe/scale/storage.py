"""Storing fitted models so that loading them can execute nothing.

scikit-learn style estimators go through skops (a zip of JSON and arrays) with an explicit
allow-list of types; networks and other numeric state go through safetensors and JSON. Pickle is
never read. References: skops, https://skops.readthedocs.io/en/stable/persistence.html;
safetensors, https://github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from iceframe.core.errors import InputError
from iceframe.core.files import read_json, replacing, write_json

ESTIMATOR_FILE = "estimator.skops"
ARRAYS_FILE = "state.safetensors"
VALUES_FILE = "state.json"

# Types beyond those that skops trusts by itself. Each is plain data or an estimator whose
# construction runs no stored code.
TRUSTED: tuple[str, ...] = ("numpy.dtype",)

_RESTORE = "restore the file from a copy, or delete this rung's folder and run again"


def save_estimator(estimator: Any, folder: Path) -> None:
    """Write a fitted estimator to ``folder/estimator.skops``, whole or not at all."""
    import skops.io

    content = skops.io.dumps(estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=3)
    with replacing(Path(folder) / ESTIMATOR_FILE) as temporary:
        temporary.write_bytes(content)


def load_estimator(folder: Path, trusted: Iterable[str] = ()) -> Any:
    """Read what :func:`save_estimator` wrote.

    Parameters
    ----------
    trusted : type names that are allowed besides scikit-learn's own and :data:`TRUSTED`.

    Raises
    ------
    InputError : the file is missing, is no skops file (a pickle, say), is damaged, or asks for a
        type that is not allowed. Nothing of it has been executed then.
    """
    import skops.io

    path = Path(folder) / ESTIMATOR_FILE
    content = _read(path)
    if not content.startswith(b"PK"):
        raise InputError(
            "This is not a stored model.",
            where=path,
            got="a pickle, which could execute code" if _is_pickle(content) else "unknown content",
            allowed="a .skops file that ICEFrame wrote",
            hint=_RESTORE,
        )
    allowed = {*TRUSTED, *trusted}
    try:
        foreign = sorted(set(skops.io.get_untrusted_types(data=content)) - allowed)
        if not foreign:
            return skops.io.loads(content, trusted=sorted(allowed))
    # skops walks a tree written by whoever made the file; damage surfaces as any exception.
    except Exception as error:
        raise InputError(
            "This stored model is damaged.",
            where=path,
            got=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
            hint=_RESTORE,
        ) from error
    raise InputError(
        "This stored model asks for types that a model of this kind does not contain.",
        where=path,
        got=", ".join(foreign[:5]) + (", …" if len(foreign) > 5 else ""),
        allowed="scikit-learn's own types and those the rung declares as trusted",
        hint="do not use this file; " + _RESTORE,
    )


def save_state(arrays: Mapping[str, np.ndarray], values: Mapping[str, Any], folder: Path) -> None:
    """Write arrays to ``folder/state.safetensors`` and JSON values to ``folder/state.json``."""
    from safetensors.numpy import save

    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with replacing(Path(folder) / ARRAYS_FILE) as temporary:
        temporary.write_bytes(save(contiguous))
    write_json(Path(folder) / VALUES_FILE, dict(values))


def load_state(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and values that :func:`save_state` wrote.

    Raises
    ------
    InputError : a file is missing, damaged, or something else than it should be.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(folder) / ARRAYS_FILE
    content = _read(path)
    try:
        arrays = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(
            "This stored model is damaged.",
            where=path,
            got="a pickle, which could execute code" if _is_pickle(content) else str(error),
            allowed="a .safetensors file that ICEFrame wrote",
            hint=_RESTORE,
        ) from error
    values = read_json(Path(folder) / VALUES_FILE)
    if not isinstance(values, dict):
        raise InputError(
            "This stored model is damaged.",
            where=Path(folder) / VALUES_FILE,
            got=json.dumps(values)[:60],
            allowed="a JSON object",
            hint=_RESTORE,
        )
    return arrays, values


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            "A stored model is missing or unreadable.",
            where=path,
            got=error.strerror or str(error),
            hint=_RESTORE,
        ) from error


def _is_pickle(content: bytes) -> bool:
    # Pickles of protocol 2 and later open with PROTO (0x80), joblib's with "ZF" or zlib's header.
    return content[:1] == b"\x80" or content[:2] in (b"ZF", b"x\x9c", b"x\x01", b"x^")

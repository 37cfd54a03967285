"""Content hashes: what a unit of work depends on, in 16 hexadecimal digits or more."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd

from iceframe.core.files import plain


def content_hash(*parts: Any, digits: int = 16) -> str:
    """SHA-256 over JSON values, strings, bytes, arrays and data frames, in order.

    Examples
    --------
    >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    True
    >>> content_hash([1, 2]) == content_hash([2, 1])
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, bytes):
            digest.update(b"b" + part)
        elif isinstance(part, np.ndarray) and part.dtype != object:
            digest.update(f"a{part.dtype.str}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        elif isinstance(part, pd.DataFrame | pd.Series):
            rows = pd.util.hash_pandas_object(part, index=True).to_numpy()
            names = list(map(str, part.columns)) if isinstance(part, pd.DataFrame) else [part.name]
            digest.update(json.dumps(names, default=str).encode() + rows.tobytes())
        else:
            digest.update(b"j" + json.dumps(part, sort_keys=True, default=plain).encode())
        digest.update(b"\x1e")
    return digest.hexdigest()[:digits]

"""With which keys a JSON file begins: crystals are told from tables without reading the whole."""

from __future__ import annotations

import re
from pathlib import Path

from iceframe.ingest.reader import COMPRESSIONS

_HEAD_BYTES = 1 << 18
"""Enough to see how a file begins: the keys of its first structure."""
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)"?(\s*:)?|[{}\[\]]')
"""A string (cut off where the head ends) and whether it is a key, or a bracket."""


def first_keys(path: Path) -> set[str]:
    """Keys of a file's outermost object (or the first in a list), and ``key/…`` below them.

    None where the file is absent or cannot be unpacked.
    """
    opener = COMPRESSIONS.get(path.suffix.lower(), lambda p: p.open("rb"))
    try:
        with opener(path) as stream:
            head = stream.read(_HEAD_BYTES)
    except (OSError, EOFError, ValueError):
        return set()
    return keys_in(head.decode("utf-8-sig", errors="replace"))


def keys_in(text: str) -> set[str]:
    """The same, of a text that may be cut off.

    Examples
    --------
    >>> sorted(keys_in('[{"structure": {"lattice": {"a": 1}}, "gap": [0]}, {"b": 2}]'))
    ['gap', 'structure', 'structure/lattice']
    """
    keys: set[str] = set()
    opened: list[str] = []  # the bracket, or the key that it stands under
    key, outer = "", text.lstrip()[:1] == "["
    for token in _TOKEN.finditer(text):
        found = token.group()
        depth = len(opened) - outer
        if found in ("{", "["):
            opened.append(key if found == "{" else "[")
            key = ""
        elif found in ("}", "]"):
            opened = opened[:-1]
            if len(opened) <= outer:
                break  # the first object is over
        elif token[2]:
            key = token[1]
            if depth == 1:
                keys.add(key)
            elif depth == 2 and opened[-1] != "[":
                keys.add(f"{opened[-1]}/{key}")
        else:
            key = ""
    return keys

"""How findings speak: short lists, and options that a shell takes as they are."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np


def listed(ids: Sequence[Any] | np.ndarray, most: int = 5) -> str:
    """The first few ids, and how many more there are.

    Examples
    --------
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(map(str, ids[:most]))
    return shown if len(ids) <= most else f"{shown} and {len(ids) - most} more"


def drop(names: Sequence[str]) -> str:
    """The option that leaves columns out.

    Examples
    --------
    >>> drop(["Sl. No.", "run"]), drop(["run"])
    ("--drop 'Sl. No.,run'", '--drop run')
    """
    return f"--drop {shlex.quote(','.join(map(str, names)))}"


def grouped(column: str) -> str:
    """The option that keeps the groups of a column whole.

    Examples
    --------
    >>> grouped("bar")
    '--splits grouped:bar'
    """
    return f"--splits {shlex.quote(f'grouped:{column}')}"

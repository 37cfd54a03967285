"""Numbers and comparisons as a reader expects them in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def number(value: float) -> str:
    """Two significant digits below 10, one decimal below 100, else none.

    >>> number(1.84), number(0.0213), number(87.46), number(123.4), number(0.0)
    ('1.8', '0.021', '87.5', '123', '0')
    """
    if not np.isfinite(value):
        return "unknown"
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 1e5 or size < 1e-4:
        return f"{value:.2g}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.{1 - int(np.floor(np.log10(size)))}f}"


def quantity(value: float, unit: str = "") -> str:
    """A number with its unit.

    >>> quantity(4.6, "MPa"), quantity(0.5)
    ('4.6 MPa', '0.50')
    """
    return f"{number(value)} {unit}".rstrip()


def chance(probability: float) -> str:
    """``P = 0.97``; never a false certainty.

    >>> chance(0.971), chance(1.0), chance(0.0001)
    ('P = 0.97', 'P > 0.99', 'P < 0.01')
    """
    if probability > 0.99:
        return "P > 0.99"
    if probability < 0.01:
        return "P < 0.01"
    # Rounding must not lift a refused 0.949 to the 0.95 that is asked for.
    return f"P = {np.floor(probability * 100 + 1e-9) / 100:.2f}"


_FRACTIONS = ((0.1, "a tenth"), (0.2, "a fifth"), (0.25, "a quarter"), (1 / 3, "a third"),
              (0.5, "half"), (2 / 3, "two thirds"), (0.75, "three quarters"))  # fmt: skip


def relative_complexity(mine: float, other: float) -> str:
    """How one complexity compares with another, after "and is".

    >>> relative_complexity(0.3, 0.6), relative_complexity(0.45, 0.5), relative_complexity(0.0, 0.5)
    ('half as complex', '0.90 times as complex', 'not complex at all')
    """
    if not np.isfinite(mine):
        return "of unknown complexity"
    if not np.isfinite(other) or other <= 0:
        return f"of complexity {mine:.2f}"
    ratio = mine / other
    if ratio < 0.05:
        return "not complex at all"
    words = next((w for value, w in _FRACTIONS if abs(ratio / value - 1) < 0.08), None)
    return f"{words or f'{ratio:.2f} times'} as complex"


def listed(names: Sequence[str]) -> str:
    """Names in back-ticks, as a phrase.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('`a`', '`a`, `b` and `c`')
    """
    quoted = [f"`{name}`" for name in names]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"

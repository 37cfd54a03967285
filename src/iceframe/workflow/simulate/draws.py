"""How a number is chosen for each sample: fixed, uniform in a range, or one of some values.

In a recipe: ``4`` (fixed), ``[2, 8]`` (uniform), ``{low: 1, high: 1000, log: true}`` (uniform in
the logarithm), ``{values: [1, 10, 100]}`` (each as likely as the others).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

ALLOWED = "a number, [low, high], {low:, high:, log:} or {values: [...]}"


@dataclass(frozen=True)
class Draw:
    """A fixed number (``low == high``), a range, or ``values`` to choose from."""

    low: float
    high: float
    log: bool = False
    values: tuple[float, ...] = ()

    @property
    def varies(self) -> bool:
        """Whether samples differ."""
        return self.low < self.high

    @property
    def written(self) -> Any:
        """As it stands in a recipe."""
        if self.values:
            return {"values": list(self.values)}
        if not self.varies:
            return self.low
        if self.log:
            return {"low": self.low, "high": self.high, "log": True}
        return [self.low, self.high]

    def numbers(self, n: int, rng: np.random.Generator, whole: bool = False) -> np.ndarray:
        """``(n,)`` float64; the first ones do not depend on ``n``. ``whole``: integers only.

        Examples
        --------
        >>> Draw(2, 8).numbers(3, np.random.default_rng(0)).round(2).tolist()
        [5.82, 3.62, 2.25]
        >>> Draw(2, 4).numbers(4, np.random.default_rng(0), whole=True).tolist()
        [3.0, 2.0, 2.0, 2.0]
        """
        if not self.varies:
            return np.full(n, self.low)
        share = rng.random(n)
        if self.values:
            return np.array(self.values)[(share * len(self.values)).astype(int)]
        if whole:
            first, last = math.ceil(self.low), math.floor(self.high)
            return np.minimum(first + np.floor(share * (last - first + 1)), last)
        if self.log:
            found = self.low * (self.high / self.low) ** share
            return np.clip(found, self.low, self.high)
        return self.low + (self.high - self.low) * share


def parse_draw(given: Any) -> Draw:
    """A draw as written in a recipe.

    Raises
    ------
    ValueError : with what is wrong as its message.

    Examples
    --------
    >>> parse_draw([2, 8])
    Draw(low=2.0, high=8.0, log=False, values=())
    >>> parse_draw({"values": [1, 10]}).varies
    True
    """
    if isinstance(given, Draw):
        return given
    if isinstance(given, Mapping):
        return _from_mapping(given)
    if isinstance(given, list | tuple):
        if len(given) != 2:
            raise ValueError(f"A range has two ends, this one {len(given)}.")
        return _range(_number(given[0]), _number(given[1]), log=False)
    value = _number(given)
    return Draw(value, value)


def _from_mapping(given: Mapping[Any, Any]) -> Draw:
    if set(given) == {"values"}:
        listed = given["values"]
        if not isinstance(listed, list | tuple) or not listed:
            raise ValueError("'values' is a list of at least one number.")
        values = tuple(_number(value) for value in listed)
        return Draw(min(values), max(values), values=values)
    if {"low", "high"} <= set(given) <= {"low", "high", "log"}:
        log = given.get("log", False)
        if not isinstance(log, bool):
            raise ValueError("'log' is true or false.")
        return _range(_number(given["low"]), _number(given["high"]), log)
    raise ValueError("Neither a number nor a range nor a choice of values.")


def _range(low: float, high: float, log: bool) -> Draw:
    if low > high:
        raise ValueError(f"The range is reversed: {low:g} is above {high:g}.")
    if log and low <= 0:
        raise ValueError("A range in the logarithm lies above 0.")
    return Draw(low, high, log and low < high)


def _number(given: Any) -> float:
    # YAML reads 1e-5, which lacks a dot, as text; it is a number to everybody else.
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        raise ValueError("This is not a number.")
    try:
        value = float(given)
    except ValueError as error:
        raise ValueError("This is not a number.") from error
    if not math.isfinite(value):
        raise ValueError("This number is not finite.")
    return value

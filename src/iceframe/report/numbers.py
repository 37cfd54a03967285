"""Numbers as a person writes them: as many digits as the interval supports, a true minus sign."""

from __future__ import annotations

import math
from typing import Any

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def finite(value: Any) -> bool:
    """Whether ``value`` is a number that can be shown."""
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def fixed(value: float, decimals: int) -> str:
    """``value`` with so many decimals, thousands apart.

    Examples
    --------
    >>> fixed(-1234.56, 1) == "−1\N{NARROW NO-BREAK SPACE}234.6"
    True
    >>> fixed(-0.01, 1)
    '0.0'
    """
    text = f"{value:,.{decimals}f}"
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]
    whole, _, rest = text.partition(".")
    if len(whole.replace(",", "").lstrip("-")) < 5 and decimals == 0:
        whole = whole.replace(",", "")
    text = whole.replace(",", THIN) + ("." + rest if rest else "")
    return text.replace("-", MINUS)


def number(value: Any, digits: int = 3) -> str:
    """``value`` with so many significant digits; a dash where there is none.

    Examples
    --------
    >>> number(87.25), number(0.01234), number(412345.0), number(float("nan")), number(3)
    ('87.2', '0.0123', '412\u202f345', '–', '3')
    >>> number(1.5e-7), number(2.5e9)
    ('1.5 × 10⁻⁷', '2.5 × 10⁹')
    """
    if not finite(value):
        return MISSING
    value = float(value)
    if value == 0 or (value.is_integer() and abs(value) < 1e6):
        return fixed(value, 0)
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    exponent = int(power)
    if exponent < -3 or exponent > 6:
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa} × 10{str(exponent).translate(_SUPERSCRIPT)}".replace("-", MINUS)
    return fixed(value, max(0, digits - 1 - exponent))


def with_interval(
    value: Any, low: Any = None, high: Any = None, decimals: int | None = None
) -> tuple[str, str]:
    """``value`` and its interval, to the same decimals: those given, or what two significant
    digits of the interval's half-width support. The interval is empty where unknown.

    Examples
    --------
    >>> with_interval(87.31, 80.12, 94.93), with_interval(87.31, 80.12, 94.93, 0)
    (('87.3', '80.1 to 94.9'), ('87', '80 to 95'))
    >>> with_interval(0.5), with_interval(0.5, decimals=2)
    (('0.5', ''), ('0.50', ''))
    """
    if not finite(value):
        return MISSING, ""
    value = float(value)
    known = finite(low) and finite(high)
    if decimals is None and known and float(high) > float(low) and abs(value) < 1e6:
        decimals = max(0, 1 - math.floor(math.log10((float(high) - float(low)) / 2)))
        decimals = decimals if decimals <= 4 else None

    def show(number_: float) -> str:
        return _short(number_) if decimals is None else fixed(number_, decimals)

    return show(value), f"{show(float(low))} to {show(float(high))}" if known else ""


def percent(value: Any, low: Any = None, high: Any = None) -> tuple[str, str]:
    """A share as per cent, with its interval.

    Examples
    --------
    >>> percent(0.894, 0.871, 0.915) == ("89.4\u202f%", "87.1 to 91.5\u202f%")
    True
    """
    if not finite(value):
        return MISSING, ""
    text = f"{fixed(100 * float(value), 1)}{THIN}%"
    if not (finite(low) and finite(high)):
        return text, ""
    return text, f"{fixed(100 * float(low), 1)} to {fixed(100 * float(high), 1)}{THIN}%"


def seconds(value: Any) -> str:
    """A time in the unit that reads best.

    Examples
    --------
    >>> seconds(0.0123).replace("\u202f", " "), seconds(75).replace("\u202f", " ")
    ('12 ms', '1 min 15 s')
    """
    if not finite(value):
        return MISSING
    value = float(value)
    if value < 1:
        return f"{number(1000 * value, 2)}{THIN}ms"
    if value < 60:
        return f"{number(value, 2)}{THIN}s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes}{THIN}min {rest}{THIN}s"
    return f"{minutes // 60}{THIN}h {minutes % 60}{THIN}min"


def plain_value(value: Any) -> str:
    """Any value of a table cell as text: numbers short, all else as it is.

    Examples
    --------
    >>> plain_value(0.123456), plain_value("bcc"), plain_value(None)
    ('0.123', 'bcc', '–')
    """
    if value is None:
        return MISSING
    if isinstance(value, bool | str):
        return str(value)
    if finite(value):
        return _short(float(value))
    return MISSING if isinstance(value, float) else str(value)


def _short(value: float) -> str:
    text = number(value)
    if "." in text and "×" not in text:
        text = text.rstrip("0").rstrip(".")
    return text

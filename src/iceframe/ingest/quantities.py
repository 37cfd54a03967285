"""Numbers written as text: units, decimal commas, thousands; and units in column names.

Nothing is guessed in silence: a choice that another reading would contradict comes as a note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_NUMBER = re.compile(
    r"^([+\-−]?)\s*((?:\d[\d.,\u00a0\u2009\u202f ]*\d|\d)[.,]?|[.,]\d+)"
    r"([eE][+-]?\d{1,3})?(\s*)(.*)$"
)
_THOUSANDS_COMMA = re.compile(r"^[1-9]\d{0,2}(,\d{3})+$")
_THOUSANDS_POINT = re.compile(r"^[1-9]\d{0,2}(\.\d{3})+$")
_SPACES = re.compile(r"(?<=\d)[\u00a0\u2009\u202f ](?=\d{3}(?!\d))")
_INFINITE = {"inf", "+inf", "-inf", "infinity", "-infinity", "+infinity", "∞", "-∞"}
_ATTACHED = {"K", "h", "s", "m", "g", "%", "°"}
"""Single-letter units that may follow a number without a space; others could be grades (316L)."""

_PREFIXES = ("", *"kMGmuµμnpcdfTh")
_PREFIXED = frozenset(
    (*"mgsAKVWJNCFHTLlΩ", "mol", "cd", "Hz", "Pa", "eV", "Ohm", "ohm", "Oe", "bar", "cal", "wt")
)
_WHOLE = frozenset(
    (
        *(
            "%",
            "wt%",
            "at%",
            "mol%",
            "vol%",
            "wt.%",
            "at.%",
            "mol.%",
            "vol.%",
            "ppm",
            "wppm",
            "appm",
        ),
        *("ppb", "°", "rad", "°C", "°F", "degC", "degF", "deg", "C", "min", "h", "hr", "hrs", "d"),
        *("day", "days", "year", "years", "Å", "A", "HV", "HB", "HRC", "HRB", "HK", "atom", "at"),
        *(
            "fu",
            "cell",
            "px",
            "pixel",
            "rpm",
            "psi",
            "ksi",
            "Msi",
            "in",
            "inch",
            "ft",
            "lb",
            "a.u.",
        ),
        *("µB", "uB", "kx"),
    )
)
_UNIT_TOKEN = re.compile(r"[A-Za-zµμΩÅ°%.]+")


def known_unit(text: str) -> bool:
    """Whether ``text`` reads as a physical unit.

    Examples
    --------
    >>> [known_unit(u) for u in ("MPa", "W/(m K)", "g/cm^3", "measured")]
    [True, True, True, False]
    """
    if text in _WHOLE:
        return True
    tokens = _UNIT_TOKEN.findall(text)
    rest = re.sub(r"[\s/·*^()\-−+\d.⁻¹²³⁴]", "", _UNIT_TOKEN.sub("", text))
    return bool(tokens) and not rest and all(_known_token(token) for token in tokens)


def _known_token(token: str) -> bool:
    return token in _WHOLE or any(
        token.startswith(prefix) and token[len(prefix) :] in _PREFIXED for prefix in _PREFIXES
    )


def unit_in_name(name: str) -> str:
    r"""The unit that a column name states in brackets, or ``""``.

    Examples
    --------
    >>> unit_in_name("PROPERTY: YS (MPa)"), unit_in_name(r"grain size ($\mu$m)")
    ('MPa', 'µm')
    >>> unit_in_name("strength (measured)")
    ''
    """
    for inside in reversed(re.findall(r"[(\[]((?:[^()\[\]]|\([^()]*\))*)[)\]]", name)):
        text = inside.replace(r"$\mu$", "µ").replace(r"$^\circ$", "°").replace(r"\mu", "µ")
        text = text.replace(r"^\circ", "°").replace("$", "").strip()
        if known_unit(text):
            return text
    return ""


@dataclass(frozen=True)
class Numbers:
    """Text read as numbers: ``values`` float64 ``(n,)``, ``good`` bool ``(n,)`` (parsed),
    ``units`` all units found, ``notes`` on how separators were understood."""

    values: np.ndarray
    good: np.ndarray
    units: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def parse_numbers(texts: Sequence[str], decimal_comma: bool | None = None) -> Numbers:
    """Read ``n`` texts as numbers with an optional unit each.

    ``decimal_comma`` is what the file as a whole says; the column's own evidence comes first.

    Examples
    --------
    >>> parse_numbers(["1,5", "2,25"]).values.tolist()
    [1.5, 2.25]
    >>> parse_numbers(["12 MPa", "15.5MPa"]).units
    ('MPa',)
    >>> parse_numbers(["1,234", "5,678"], decimal_comma=False).values.tolist()
    [1234.0, 5678.0]
    """
    # In a file with decimal commas a point may group thousands, so the short way is not open.
    plain = None if decimal_comma else _plain(texts)
    if plain is not None:
        return Numbers(plain, np.ones(len(texts), bool))
    parts = [_split(text) for text in texts]
    bodies = [part[1] for part in parts if part is not None]
    style, notes = _comma_style(bodies, decimal_comma)
    values = np.full(len(texts), np.nan)
    units: dict[str, None] = {}
    for i, part in enumerate(parts):
        if part is None:
            continue
        sign, body, exponent, unit = part
        number = _value(body, style)
        if number is None:
            continue
        values[i] = float(f"{sign}{number}{exponent}")
        if unit:
            units[unit] = None
    return Numbers(values, ~np.isnan(values), tuple(units), notes)


def _plain(texts: Sequence[str]) -> np.ndarray | None:
    # The usual case, exact and fast: every text is what Python calls a float, and finite.
    try:
        values = np.array([float(text) for text in texts])
    except ValueError:
        return None
    return values if np.isfinite(values).all() and "_" not in "".join(texts) else None


def _split(text: str) -> tuple[str, str, str, str] | None:
    text = text.strip()
    if text.lower() in _INFINITE:
        return ("-" if text.startswith("-") else "", "inf", "", "")
    found = _NUMBER.match(text)
    if found is None or not text.isprintable() or not re.search(r"[0-9]", text):
        return None
    sign, body, exponent, space, unit = found.groups()
    unit = unit.strip()
    attached = bool(unit) and not space
    if unit and (not known_unit(unit) or (attached and len(unit) == 1 and unit not in _ATTACHED)):
        return None
    return ("-" if sign in "-−" and sign else "", _SPACES.sub("", body), exponent or "", unit)


def _comma_style(bodies: list[str], stated: bool | None) -> tuple[str, tuple[str, ...]]:
    """``decimal``: the comma is the decimal sign; ``point``: the point is."""
    commas = [body for body in bodies if "," in body]
    decimal = [
        body
        for body in commas
        if not _THOUSANDS_COMMA.match(body) and body.rfind(",") > body.rfind(".")
    ]
    if decimal:
        return "decimal", ("commas are decimal signs",)
    if any(body.rfind(".") > body.rfind(",") for body in commas) or (commas and not stated):
        return "point", ("commas separate thousands",)
    if commas:
        return "decimal", ("commas are decimal signs",)
    if stated and bodies and all(_THOUSANDS_POINT.match(body) for body in bodies):
        return "decimal", (
            f"points separate thousands ('{bodies[0]}'), as commas are decimal signs",
        )
    return "point", ()


def _value(body: str, style: str) -> str | None:
    if body == "inf":
        return body
    if style == "decimal":
        if "," in body or _THOUSANDS_POINT.match(body):
            whole, _, fraction = body.partition(",")
            if "." in whole and not _THOUSANDS_POINT.match(whole):
                return None
            body = f"{whole.replace('.', '')}.{fraction}" if fraction else whole.replace(".", "")
    else:
        whole, point, fraction = body.partition(".")
        if "," in whole and not _THOUSANDS_COMMA.match(whole):
            return None
        body = whole.replace(",", "") + point + fraction
    try:
        float(body)
    except ValueError:
        return None
    return body

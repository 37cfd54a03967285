"""Families of rungs: models that fail for the same reasons.

Where one rung of a family brought nothing, its next one is less promising; a family of which no
rung was measured may bring anything. A rung that was taught, distilled, or starts from what was
learned elsewhere belongs to the family of those; another to the one that it names; one that names
none to all that look at images, or at crystals, and on a table to glass or black boxes in general.
"""

from __future__ import annotations

from iceframe.balance.situation import RungFacts

EFFORTS = ("light", "medium", "heavy", "extreme")


def family_of(rung: RungFacts) -> str:
    """The family of a rung.

    >>> family_of(RungFacts("gp", "table", "heavy", False, family="kernel"))
    'kernel'
    >>> family_of(RungFacts("mine", "table", "heavy", False))
    'black box'
    >>> family_of(RungFacts("vit", "image", "heavy", False))
    'image'
    >>> family_of(RungFacts("sobolev_vit", "image", "heavy", False, supervised=True))
    'taught image'
    """
    if rung.distilled:
        return "distilled"
    if rung.supervised:
        return f"taught {rung.input}"
    if rung.pretrained:
        return f"pretrained {rung.input}"
    if rung.family:
        return rung.family
    if rung.input != "table":
        return rung.input
    return "glass box" if rung.glass_box else "black box"


def in_order(rung: RungFacts) -> tuple[int, str]:
    """Where a rung stands in its family: the least effort first, then by name, whatever the order
    in which the ladder was named."""
    effort = EFFORTS.index(rung.effort) if rung.effort in EFFORTS else len(EFFORTS)
    return effort, rung.name

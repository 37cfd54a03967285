"""Families of rungs: models that fail for the same reasons.

Where one rung of a family brought nothing, its next one is less promising; a family of which no
rung was measured may bring anything. A rung that looks at images, or starts from what was learned
elsewhere, or was taught, belongs to the family of those; a rung on a table to the one named here,
else to glass or black boxes in general.
"""

from __future__ import annotations

from iceframe.balance.situation import RungFacts

EFFORTS = ("light", "medium", "heavy", "extreme")

TABLES = {
    "mean": "constant",
    "ridge": "linear",
    "lasso": "linear",
    "rule_of_mixtures": "linear",
    "ebm": "additive",
    "hurdle_ebm": "additive",
    "pair_boosting": "additive",
    "tree": "rules",
    "symbolic": "formula",
    "nearest_neighbour": "neighbours",
    "svm": "kernel",
    "gp": "kernel",
    "two_point_pca": "linear",
    "extra_trees": "trees",
    "boosted_trees": "trees",
    "hurdle_trees": "trees",
    "mlp": "network",
    "composition_attention": "network",
    "stack": "stack",
}


def family_of(rung: RungFacts) -> str:
    """The family of a rung.

    >>> family_of(RungFacts("gp", "table", "heavy", False))
    'kernel'
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
    if rung.input != "table":
        return rung.input
    return TABLES.get(rung.name, "glass box" if rung.glass_box else "black box")


def in_order(rung: RungFacts) -> tuple[int, str]:
    """Where a rung stands in its family: the least effort first, then by name, whatever the order
    in which the ladder was named."""
    effort = EFFORTS.index(rung.effort) if rung.effort in EFFORTS else len(EFFORTS)
    return effort, rung.name

"""Sections of an explanation's page beside the map or the terms, and their plain values: which
descriptors a network uses, what would change its answer, what it has seen that is like the sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from iceframe.report.figures.maps import grey, png, tint
from iceframe.report.numbers import finite, number, percent, plain_value
from iceframe.workflow.view import ConceptEffects, Counterfactual, Explained

NAMED = 3
"""Descriptors that were left out for one reason and are named on the page."""

SHOWN_FEATURES = 4
"""Of neighbours that have no picture."""

SAID = ("present, not used", "not in the layer")
"""Notes on a descriptor that its verdict says."""


@dataclass(frozen=True)
class Descriptor:
    """One row of the table of descriptors, as text."""

    name: str
    effect: str
    interval: str
    step: str
    here: str
    p: str
    verdict: str
    used: bool
    note: str


@dataclass(frozen=True)
class Use:
    """Which descriptors a network uses."""

    sentence: str
    score: str
    rows: tuple[Descriptor, ...]
    method: str
    left_out: tuple[str, ...]
    reference: str


@dataclass(frozen=True)
class Change:
    """What would change an answer: pictures as data URIs, and pairs of a word and a value."""

    sentence: str
    title: str
    pictures: tuple[tuple[str, str], ...]
    where: str
    facts: tuple[tuple[str, str], ...]
    reference: str


@dataclass(frozen=True)
class Near:
    """One of the samples that are like this one; ``picture`` is empty where there is none."""

    id: str
    measured: str
    distance: str
    picture: str
    features: tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """Samples that are like this one. ``names``: of features that are shown, those that contribute
    most; ``given``: what this sample has of them."""

    sentence: str
    rows: tuple[Near, ...]
    names: tuple[str, ...]
    given: tuple[str, ...]
    note: str
    reference: str


def use_of(concepts: ConceptEffects) -> Use:
    """The section on descriptors."""
    rows = []
    for row in concepts.table.to_dict("records"):
        unit = str(row["unit"])
        verdict = "used" if row["used"] else "not used" if row["present"] else "not in the layer"
        rows.append(
            Descriptor(
                name=str(row["concept"]),
                effect=signed(row["effect"]),
                interval=f"{signed(row['low'])} to {signed(row['high'])}",
                step=f"{number(row['sd'])} {unit}".rstrip(),
                here=f"{number(row['value'])} {unit}".rstrip(),
                p=number(row["p_adjusted"], 2),
                verdict=verdict,
                used=bool(row["used"]),
                note="; ".join(part for part in str(row["note"]).split("; ") if part not in SAID),
            )
        )
    method = (
        f"Looked for in {concepts.layer}, with {concepts.images} images ({concepts.where}) and "
        f"{concepts.draws} random descriptors for each; used: in the layer, and p below "
        f"{plain_value(concepts.level)}, adjusted over descriptors."
    )
    return Use(
        concepts.sentence,
        concepts.score,
        tuple(rows),
        method,
        _left_out(concepts.left_out),
        concepts.reference,
    )


def change_of(explained: Explained) -> Change:
    """The section on the changed structure."""
    found = explained.counterfactual
    assert found is not None
    classes = explained.example.probability is not None
    phases, changed, where = _most_changed_slice(found)
    levels = grey(phases.astype(float))
    signs = np.where(changed, np.where(phases, -1.0, 1.0), 0.0)
    after = grey((phases ^ changed).astype(float)) if changed.any() else levels
    pictures = (
        (png(np.round(255 * levels).astype(np.uint8)), "As it is"),
        (png(tint(after, signs, 1.0)), "Changed: orange to the second phase, blue to the first"),
    )
    noun = "pixels" if found.phases.ndim == 2 else "voxels"
    what, unit = ("Probability", "") if classes else ("Prediction", found.unit)
    facts = [
        ("Asked for", found.asked),
        (what, f"{number(found.before)} → {number(found.after)} {unit}".rstrip()),
        (f"Changed {noun}", f"{found.flips} of {found.phases.size}, {percent(found.share)[0]}"),
        (
            "Share of the second phase",
            f"{percent(found.fraction_before)[0]} → {percent(found.fraction_after)[0]}"
            + (" (kept)" if found.kept_volume_fraction else ""),
        ),
        ("All at boundaries", "yes" if found.at_boundary else "no"),
    ]
    if found.solved is not None:
        solved = found.solved
        facts.append(
            ("Solver", f"{number(solved['before'])} → {number(solved['after'])} {unit}".rstrip())
        )
        if finite(solved["ratio"]):
            facts.append(("True over predicted change", number(solved["ratio"], 2)))
    title = "What would make it so" if classes else "What would change the answer"
    return Change(found.sentence, title, pictures, where, tuple(facts), found.reference)


def seen_of(explained: Explained) -> Seen:
    """The section on samples that are alike."""
    near, example = explained.neighbours, explained.example
    assert near is not None
    pictures = [""] * len(near.table)
    if near.images is not None:
        low, high = float(near.images.min()), float(near.images.max())
        scaled = (near.images - low) / ((high - low) or 1.0)  # one grey scale for all
        pictures = [png(np.round(255 * one).astype(np.uint8)) for one in scaled]
    mine: dict[str, Any] = {}
    if near.features is not None:
        known = zip(example.names, example.feature_values, strict=True)
        mine = {name: value for name, value in known if name in near.features}
    names = tuple(mine)[:SHOWN_FEATURES]
    rows = []
    for i, row in enumerate(near.table.to_dict("records")):
        features = [] if near.features is None else [near.features[name].iloc[i] for name in names]
        rows.append(
            Near(
                str(row["id"]),
                plain_value(row["measured"]),
                number(row["distance"]),
                pictures[i],
                tuple(map(plain_value, features)),
            )
        )
    note = (
        f"Distances are between {near.representation}; "
        f"{number(near.usual)} is usual between a sample and its nearest."
    )
    given = tuple(plain_value(mine[name]) for name in names)
    return Seen(near.sentence, tuple(rows), names, given, note, near.reference)


def plain_answers(explained: Explained) -> dict[str, object]:
    """What was asked beside the explanation, as JSON values; what is not finite is ``null``."""
    body: dict[str, object] = {}
    if explained.concepts is not None:
        body["concepts"] = _plain(vars(explained.concepts))
    if explained.counterfactual is not None:
        found = explained.counterfactual
        values = {k: v for k, v in vars(found).items() if k not in ("phases", "changed")}
        body["counterfactual"] = _plain(values | {"flips": found.flips, "share": found.share})
    if explained.neighbours is not None:
        near = explained.neighbours
        body["neighbours"] = _plain(
            {k: v for k, v in vars(near).items() if k not in ("images", "features")}
        )
    return body


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "to_dict"):  # a table
        return [_plain(row) for row in value.to_dict("records")]
    if isinstance(value, np.generic):
        value = value.item()
    return value if not isinstance(value, float) or finite(value) else None


def signed(value: Any) -> str:
    """A number with its sign.

    Examples
    --------
    >>> signed(2.0), signed(-0.5), signed(0.0)
    ('+2', '−0.500', '0')
    """
    return ("+" if finite(value) and float(value) > 0 else "") + number(value)


def _left_out(reasons: Mapping[str, str]) -> tuple[str, ...]:
    """One line a reason, with the first names."""
    counts = Counter(reasons.values())
    lines = []
    for reason, count in counts.items():
        names = [name for name, given in reasons.items() if given == reason][:NAMED]
        more = f" and {count - NAMED} more" if count > NAMED else ""
        lines.append(f"Left out ({reason}): {', '.join(names)}{more}.")
    return tuple(lines)


def _most_changed_slice(found: Counterfactual) -> tuple[np.ndarray, np.ndarray, str]:
    """What a picture shows: all of an image; of a volume the slice with the most changes."""
    if found.phases.ndim == 2:
        return found.phases, found.changed, ""
    at = int(found.changed.sum(axis=(1, 2)).argmax())
    return found.phases[at], found.changed[at], f"slice {at + 1} of {len(found.phases)}"

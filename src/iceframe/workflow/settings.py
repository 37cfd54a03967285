"""What a run was asked to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from iceframe.core.dataset import Dataset
from iceframe.core.errors import InputError, UsageError
from iceframe.core.values import Task
from iceframe.scale.fitting import TRIALS

LEVEL = 0.9  # of the prediction intervals and sets
TABLE_LADDER = ("mean", "ridge", "tree", "ebm", "svm", "extra_trees", "gp", "mlp")
IMAGE_LADDER = ("mean", "ridge", "tree", "ebm", "svm", "extra_trees", "gp", "cnn")
CRYSTAL_LADDER = (*TABLE_LADDER, "foundation_correction", "chgnet_probe")
EVERY_RUNG: Mapping[str, Literal["image", "crystal"]] = {"images": "image", "crystals": "crystal"}


@dataclass(frozen=True)
class RunSettings:
    """Everything but the data that decides what a run computes.

    ``gdf_replicates`` and ``gdf_samples`` bound the cost of the generalised degrees of freedom by
    the rung's effort; ``explain_samples`` is the number of held-out samples explained per fold;
    ``physics_samples`` of those whose explanations are tested against exact physics, where it can
    be computed;
    ``trials`` bounds the number of tuning trials by effort (0: the rung's default settings);
    ``descriptors`` names what tables are made of (none named: the defaults); ``repeats`` how many
    partitions the losses are compared on.
    """

    ladder: tuple[str, ...]
    splits: str = "auto"
    folds: int = 5
    seed: int = 0
    floors: Mapping[str, float] = field(default_factory=dict)
    device: str = "auto"
    trials: Mapping[str, int] = field(default_factory=lambda: dict(TRIALS))
    explain_samples: int = 24
    physics_samples: int = 8
    shift: bool = True
    descriptors: tuple[str, ...] | None = None
    repeats: int = 1
    gdf_replicates: Mapping[str, int] = field(
        default_factory=lambda: {"light": 16, "medium": 8, "heavy": 3, "extreme": 2}
    )
    gdf_samples: Mapping[str, int] = field(
        default_factory=lambda: {"light": 400, "medium": 300, "heavy": 240, "extreme": 120}
    )

    def __post_init__(self) -> None:
        if not self.ladder:
            raise UsageError("The ladder is empty.", hint="name rungs: --ladder ridge,ebm")
        doubled = sorted({name for name in self.ladder if self.ladder.count(name) > 1})
        if doubled:
            raise UsageError("A rung is named twice in the ladder.", got=", ".join(doubled))
        if self.seed < 0:
            raise UsageError("The seed is negative.", got=self.seed, allowed="0 or more")
        if self.repeats < 1:
            raise UsageError("The folds are measured at least once.", got=self.repeats)

    def deciding(self) -> dict[str, Any]:
        """The settings that change numbers, and so must agree when a run is continued."""
        body = asdict(self)
        del body["ladder"], body["floors"]
        if self.descriptors is None:  # as in runs that were made before they could be named
            del body["descriptors"]
        if self.repeats == 1:
            del body["repeats"]
        return body


def rungs_named(ladder: Iterable[str] | None, data: Dataset) -> tuple[str, ...]:
    """The rungs to climb. By default glass boxes first, then the black ones; ``images`` and
    ``crystals`` stand for every rung that looks at these themselves and can be fitted to this data.

    Raises
    ------
    UsageError : an unknown rung, or one that does not do this task or needs what is not there.
    InputError : a rung that cannot look at such images.
    """
    found: list[str] = []
    for name in _usual(data) if ladder is None else ladder:
        found += _every_rung(data, name) if name in EVERY_RUNG else [name]
    check_ladder(tuple(found), data)
    return tuple(found)


def _usual(data: Dataset) -> tuple[str, ...]:
    from iceframe.scale.rung import RUNGS

    if data.images is not None:
        return IMAGE_LADDER
    if data.crystals is None:
        return TABLE_LADDER
    return tuple(n for n in CRYSTAL_LADDER if (data.task or "regression") in RUNGS[n].tasks)


def _every_rung(data: Dataset, asked: str) -> list[str]:
    from iceframe.scale.rung import RUNGS

    if (data.images if asked == "images" else data.crystals) is None:
        raise UsageError(f"The ladder '{asked}' needs {asked}, and this data set has none.")
    found = []
    for name, rung in RUNGS.items():
        if rung.input == EVERY_RUNG[asked] and (data.task or "regression") in rung.tasks:
            with suppress(InputError):
                if data.images is not None:
                    rung.check_images(data.images)
                found.append(name)
    return found


def check_ladder(ladder: tuple[str, ...], data: Dataset) -> None:
    """Refuse a rung that cannot work on this data, before anything is computed."""
    from iceframe.scale.rung import RUNGS

    task: Task = data.task or "regression"
    for name in ladder:
        rung = RUNGS[name]
        there = {
            "table": True,
            "image": data.images is not None,
            "crystal": data.crystals is not None,
        }
        if not there[rung.input]:
            raise UsageError(
                f"The rung '{name}' needs {rung.input}s, and this data set has none.",
                allowed=", ".join(n for n, r in RUNGS.items() if there[r.input]),
            )
        if "fractions" in rung.blocks and data.composition is None:
            raise UsageError(
                f"The rung '{name}' needs a composition, and this data set has none.",
                hint="name the column with the formulas: --composition COLUMN",
            )
        if task not in rung.tasks:
            raise UsageError(
                f"The rung '{name}' does not do {task}.", allowed=", ".join(rung.tasks)
            )
        if rung.input == "image" and data.images is not None:
            rung.check_images(data.images)


def trials_at_most(most: int | None) -> dict[str, int]:
    """Tuning trials by effort, none above ``most``.

    >>> trials_at_most(8)
    {'light': 8, 'medium': 8, 'heavy': 8, 'extreme': 3}
    """
    if most is None:
        return dict(TRIALS)
    if most < 0:
        raise UsageError("The number of trials is negative.", got=most, allowed="0 or more")
    return {effort: min(most, usual) for effort, usual in TRIALS.items()}


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds in a duration such as ``90s``, ``10m``, ``1h30m`` or plain seconds.

    >>> parse_duration("10m"), parse_duration("1h30m"), parse_duration("45")
    (600.0, 5400.0, 45.0)
    """
    text = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise UsageError("Cannot read this duration.", got=text, allowed="90s, 10m, 1h30m, 2d")
    return sum(float(n) * _UNITS[u] for n, u in parts)


def parse_floors(items: list[str]) -> dict[str, float]:
    """Floors such as ``mae=90`` as a mapping.

    >>> parse_floors(["mae=90", "faithfulness=0.6"])
    {'mae': 90.0, 'faithfulness': 0.6}
    """
    floors = {}
    for item in items:
        name, _, value = item.partition("=")
        try:
            floors[name.strip()] = float(value)
        except ValueError as error:
            raise UsageError(
                "Cannot read this floor.", got=item, allowed="metric=number, e.g. mae=90"
            ) from error
    return floors
